"""Calls to Teamleader: the fewest, counted and kept; silent changes of links are found; a killed reading goes on.

Only the reading steps run here, against both sandboxes over real HTTP, with every clock at the sandboxes' time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tl_hubspot.errors import CredentialsRefused
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import call_plan, extract, links, phases
from tl_hubspot.orchestration.steps.calls import counted
from tl_hubspot.reporting.call_plan import render, to_json
from tl_hubspot.rules import demand
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.e2e.builders import NO_PACING, Story, story
from tl_hubspot_tests.e2e.conftest import Make, Product

pytestmark = pytest.mark.usefixtures("stays_open")

Facts = dict[str, dict[str, Any]]


def read(product: Product, hours: float = 0, *, small_lists: bool = False, **options: Any) -> Facts:
    """The clock moves on, then the reading steps of one run; what each says of itself, by stream."""
    product.systems.clock.advance(3600 * hours)
    product.forget()
    platform = product.platform(as_of=product.systems.clock.now().isoformat(), **options)
    platform.clock = product.systems.clock.now
    platform.sleep = lambda seconds: time.sleep(min(seconds, 0.01))
    try:
        return steps(platform, small_lists=small_lists)
    finally:
        platform.close()


def steps(platform: Platform, *, small_lists: bool = False) -> Facts:
    run = platform.run(f"run {time.time_ns()}")
    said: Facts = {}

    def step(stream: str, work: Callable[[], Any]) -> None:
        with counted(platform, run, stream) as facts:
            done = work()
            facts |= done if isinstance(done, dict) else {}
        said[stream] = facts

    if small_lists:
        step("reference", lambda: extract.reference(platform, run))
    for stream in extract.STREAMS:
        step(stream, lambda stream=stream: extract.records(platform, run, stream))
    step(links.STREAM, lambda: links.links(platform, run))
    step(phases.STREAM, lambda: phases.phase_history(platform, run))
    return said


def calls(product: Product) -> Counter[str]:
    """Calls to Teamleader since the last reading began, by endpoint."""
    paths = [entry["path"].strip("/") for entry in product.systems.teamleader.log.entries]
    return Counter(path for path in paths if not path.startswith("oauth2"))


def stored(product: Product) -> set[tuple[Any, ...]]:
    """The links as stored."""
    query = "select contact_id, company_id, position, decision_maker, rank from teamleader.contact_company_links"
    return set(product.read(query).rows())


def true_links(product: Product, contact_ids: set[str]) -> set[tuple[Any, ...]]:
    """The links of these contacts as Teamleader has them, each with its place in the contact's own list."""
    return {
        (c["id"], link["company"]["id"], link["position"], link["decision_maker"], rank)
        for c in product.systems.teamleader.all("contacts")
        if c["id"] in contact_ids
        for rank, link in enumerate(c["companies"])
    }


def needing(product: Product) -> set[str]:
    """Contacts whose links are needed."""
    platform = product.platform(as_of=product.systems.clock.now().isoformat())
    contacts = product.read("select * from teamleader.contacts where deleted_at is null")
    return set(demand.contact_links(contacts, platform.rules_at(platform.as_of()))["id"])


def _asked(product: Product) -> list[str]:
    entries = product.systems.teamleader.log.entries
    return [entry["body"]["id"] for entry in entries if "companies.info" in entry["path"]]


def changed_at(product: Product, contact_id: str) -> datetime:
    return product.read("select changed_at from teamleader.contacts where id = ?", [contact_id]).item()


def near(instant: datetime, other: datetime) -> bool:
    return abs(instant - other) < timedelta(minutes=2)


def account(make: Make, contacts: int, companies: int, **environment: str) -> tuple[Story, list[str], list[str]]:
    """So many contacts and companies without links."""
    world = story(make, **environment)
    people = [world.contact(f"c{n}@voorbeeld.be") for n in range(contacts)]
    return world, people, [world.company(f"Firma {n}") for n in range(companies)]


# -- the fewest calls --------------------------------------------------------------------------------------------------


def test_first_run_nothing_changed_and_a_few_changes(make: Make) -> None:
    product = make("generated", contacts=300, **NO_PACING)
    teamleader = product.systems.teamleader
    planned = to_json(call_plan.make(product.platform()))
    first = read(product, small_lists=True)
    made = calls(product)
    assert first[links.STREAM]["way"] == "companies.info"
    needed = needing(product)
    assert {row for row in stored(product) if row[0] in needed} == true_links(product, needed)

    # links and phases: nothing beyond the minimum but the proof that no company's list of contacts is cut short
    number = len(list(teamleader.all("companies")))
    several = {c for c, n in Counter(row[0] for row in true_links(product, needed)).items() if n > 1}
    assert first[links.STREAM]["calls_minimum"] == number + len(several)
    assert made["companies.info"] == number
    assert made["contacts.info"] == len(several)
    assert made["deals.info"] == first[phases.STREAM]["calls_minimum"] == first[phases.STREAM]["calls_made"]
    by_stream = {row["stream"]: row for row in product.read("sync.calls").iter_rows(named=True)}
    assert sum(row["made"] for row in by_stream.values()) == sum(made.values())
    assert all(row["made"] >= row["minimum"] for row in by_stream.values())
    assert by_stream["contacts"]["minimum"] == 3 + 1  # 294 active ones and 6 others
    assert by_stream["reference"]["minimum"] == by_stream["reference"]["made"]

    # what was said beforehand: exact for lists, near for links, and never less than needed for phases
    said = {line["stream"]: line for line in planned["streams"]}
    for stream in ("contacts", "companies", "deals", "reference"):
        assert (said[stream]["known"], said[stream]["calls"]) == ("exactly", by_stream[stream]["minimum"])
    assert said[phases.STREAM]["known"] == "at most"
    assert said[phases.STREAM]["calls"] >= made["deals.info"]
    assert said[links.STREAM]["known"] == "about"
    assert number <= said[links.STREAM]["calls"] <= 1.5 * by_stream[links.STREAM]["minimum"]
    assert planned["calls_made_for_this_plan"] < 80

    again = read(product, hours=2, small_lists=True)
    assert sum(calls(product).values()) <= 20
    assert again[phases.STREAM]["calls_made"] == 0
    few = again[links.STREAM]["calls_minimum"]
    assert few == links.few(product.platform()) == 1

    people = sorted(needing(product))[:5]
    for contact in people:
        teamleader.update("contacts", contact, last_name="Anders")
    counts = Counter(row[1] for row in stored(product))
    company = min(counts, key=lambda id: counts[id])
    teamleader.update("companies", company, name="Anders BV")
    planned = to_json(call_plan.make(product.platform(as_of=product.systems.clock.now().isoformat())))
    assert planned["kind"] == "changes"
    assert {line["stream"]: line["calls"] for line in planned["streams"]}[links.STREAM] == 6 + few
    changed = read(product, hours=1)
    assert calls(product)["contacts.info"] == 5 and calls(product)["companies.info"] == 1 + few
    assert changed[links.STREAM]["calls_planned"] == changed[links.STREAM]["calls_minimum"] == 6 + few
    assert changed[links.STREAM]["calls_made"] <= 6 + few + 2


def test_few_contacts_among_many_companies_are_read_one_by_one_those_without_a_company_from_a_list(make: Make) -> None:
    world, people, firms = account(make, 130, 150)
    old = world.contact("oud@voorbeeld.be", changed=world.ago(years=6))
    nobody = world.contact(None)
    for number, contact in enumerate([*people[:40], old, nobody]):
        world.teamleader.link(contact, firms[number], position=f"Job {number}")
        world.teamleader.link(contact, firms[number + 1])
    planned = to_json(call_plan.make(world.product.platform(as_of=world.now.isoformat())))
    said = {line["stream"]: line["calls"] for line in planned["streams"]}
    first = read(world.product)[links.STREAM]
    assert first["way"] == "contacts.info"
    # 40 with a company, and five of the others to see whether the list of them is right
    assert calls(world.product)["contacts.info"] == 40 + 5
    assert calls(world.product)["companies.info"] == 0
    assert stored(world.product) == true_links(world.product, set(people))
    assert first["calls_minimum"] == 40 + 5 + 2
    assert abs(said[links.STREAM] - first["calls_minimum"]) <= 1
    # what has become known of the others: who has none; nothing of those that need no links
    known = world.product.read("select id from teamleader.contacts where links_read_at is not null")
    assert set(known["id"]) == set(people)

    # a company that changed shows links that were never read: they are no change of the contact
    world.edit("companies", firms[40], name="Anders BV")
    before = changed_at(world.product, old)
    read(world.product, hours=1)
    assert (old, firms[40]) in {row[:2] for row in stored(world.product)}
    assert changed_at(world.product, old) == before
    # but from now on a new one there is
    world.teamleader.link(old, firms[0])
    world.edit("companies", firms[0], name="Anders BV")
    world.teamleader.unlink(old, firms[40])
    world.edit("companies", firms[40], name="Nog eens anders BV")
    read(world.product, hours=1)
    assert near(changed_at(world.product, old), world.now)
    assert {row[:2] for row in stored(world.product) if row[0] == old} == {(old, firms[0]), (old, firms[41])}


@pytest.mark.parametrize("behaviour", ["ignored", "rejected"])
def test_a_server_that_does_not_know_the_filter_costs_calls_but_no_links(make: Make, behaviour: str) -> None:
    world, people, firms = account(make, 110, 130)
    world.teamleader.set_switches(company_id_null=behaviour)
    for number, contact in enumerate(people[:50]):
        world.teamleader.link(contact, firms[number])
    read(world.product)
    assert calls(world.product)["contacts.info"] == len(people)
    assert stored(world.product) == true_links(world.product, set(people))


def test_where_nobody_needs_links_nobody_is_asked(make: Make) -> None:
    world, _, firms = account(make, 0, 3)
    old = world.contact("oud@voorbeeld.be", changed=world.ago(years=6))
    world.teamleader.link(old, firms[0])
    said = read(world.product)[links.STREAM]
    assert (said["way"], said["calls_made"], stored(world.product)) == ("none", 0, set())
    # an edit brings it back: then its links are read
    world.edit("contacts", old, last_name="Terug")
    read(world.product, hours=1)
    assert {row[:2] for row in stored(world.product)} == {(old, firms[0])}
    assert near(changed_at(world.product, old), world.now - timedelta(hours=1))


# -- changes that move no time -----------------------------------------------------------------------------------------


def test_silent_changes_of_links_are_found_within_the_days(make: Make) -> None:
    world, people, firms = account(make, 90, 45, TL_HUBSPOT_TEAMLEADER__LINK_REREAD_DAYS="3")
    for number, contact in enumerate(people):
        world.teamleader.link(contact, firms[number % 45])
    read(world.product)
    before = changed_at(world.product, people[1])
    for place in range(45):
        world.teamleader.link(people[place], firms[(place + 5) % 45], position="CEO")
        world.teamleader.unlink(people[place + 45], firms[place])
    asked: list[str] = []
    for _ in range(3):
        read(world.product, hours=1)
        assert calls(world.product)["companies.info"] == 3, "an ordinary run has only a few calls left"
        asked += _asked(world.product)
        said = read(world.product, hours=23.5)[links.STREAM]
        asked += _asked(world.product)
        assert said["each_within_days_kept"] and said["read_again"] == said["read_again_wanted"] == 23
    assert set(asked) == set(firms)
    assert stored(world.product) == true_links(world.product, set(people))
    assert changed_at(world.product, people[1]) > before
    moved = world.product.read("select count(*) from teamleader.contacts where changed_at > ?", [before]).item()
    assert moved == 90


def test_silent_changes_are_found_where_contacts_carry_the_links(make: Make) -> None:
    world, people, firms = account(make, 90, 100, TL_HUBSPOT_TEAMLEADER__LINK_REREAD_DAYS="2")
    for number, contact in enumerate(people[:30]):
        world.teamleader.link(contact, firms[number])
    assert read(world.product)[links.STREAM]["way"] == "contacts.info"
    # from none to one and from one to none: the list of those without a company shows them the next day
    world.teamleader.link(people[50], firms[50])
    world.teamleader.unlink(people[3], firms[3])
    # from one to two
    world.teamleader.link(people[7], firms[70])
    read(world.product, hours=25)
    assert calls(world.product)["contacts.info"] <= 5 + 2 + 30
    pairs = {row[:2] for row in stored(world.product)}
    assert (people[50], firms[50]) in pairs and (people[3], firms[3]) not in pairs
    read(world.product, hours=24.5)
    assert stored(world.product) == true_links(world.product, set(people))
    assert near(changed_at(world.product, people[50]), world.now - timedelta(hours=24.5))
    # when everything is read, also of one that had a company and is now in the list of those without one
    world.teamleader.unlink(people[5], firms[5])
    assert read(world.product, hours=1, full=True)[links.STREAM]["way"] == "contacts.info"
    assert calls(world.product)["contacts.info"] <= 5 + 31
    assert stored(world.product) == true_links(world.product, set(people))
    assert near(changed_at(world.product, people[5]), world.now)


def test_in_a_small_account_the_next_run_finds_them(make: Make) -> None:
    world, people, firms = account(make, 8, 3)
    read(world.product)
    world.teamleader.link(people[2], firms[1])
    read(world.product, hours=1)
    assert stored(world.product) == true_links(world.product, set(people))
    assert near(changed_at(world.product, people[2]), world.now)


def test_a_budget_that_is_too_small_is_told(make: Make) -> None:
    world, people, firms = account(make, 30, 20, TL_HUBSPOT_TEAMLEADER__LINK_REREADS_PER_RUN="4")
    for number, contact in enumerate(people):
        world.teamleader.link(contact, firms[number % 20])
    read(world.product)
    said = read(world.product, hours=24 * 8)[links.STREAM]
    assert (said["read_again"], said["read_again_wanted"], said["each_within_days_kept"]) == (4, 20, False)
    assert calls(world.product)["companies.info"] == 4
    planned = call_plan.make(world.product.platform(as_of=(world.now + timedelta(hours=30)).isoformat()))
    assert planned.kind == "sweep"
    assert {line.stream: line.calls for line in planned.lines}[links.STREAM] == 4
    # whoever asks for everything gets everything
    read(world.product, hours=1, full=True)
    assert calls(world.product)["companies.info"] == 20


# -- what may not be seen ----------------------------------------------------------------------------------------------


def test_hidden_records_keep_their_links_and_are_no_change_when_they_show(make: Make) -> None:
    world, people, firms = account(make, 6, 4)
    for contact in people:
        world.teamleader.link(contact, firms[0])
    world.teamleader.link(people[0], firms[1])
    world.teamleader.faults.add(Fault("status", "companies.info", status=403, times=2))
    said = read(world.product)[links.STREAM]
    assert said["hidden"] == 2
    before = world.product.read("select id, changed_at from teamleader.contacts order by id")
    read(world.product, hours=1)
    assert stored(world.product) == true_links(world.product, set(people))
    assert world.product.read("select id, changed_at from teamleader.contacts order by id").equals(before)
    # known links stay where their owner is hidden now
    for contact in people:
        world.edit("contacts", contact, last_name="Anders")
    world.edit("companies", firms[0], name="Anders BV")
    world.teamleader.faults.add(Fault("status", r"\.info", status=403, times=None))
    assert read(world.product, hours=1)[links.STREAM]["hidden"] == 6 + 4
    world.teamleader.faults.clear()
    assert stored(world.product) == true_links(world.product, set(people))


def test_a_grant_that_sees_no_record_stops_the_run(make: Make) -> None:
    world, people, firms = account(make, 60, 50)
    for number, contact in enumerate(people):
        world.teamleader.link(contact, firms[number % 50])
    world.teamleader.faults.add(Fault("status", r"\.info", status=403, times=None))
    with pytest.raises(CredentialsRefused, match=r"does not allow (companies|contacts)\.info"):
        read(world.product)


# -- broken off --------------------------------------------------------------------------------------------------------

_KILLED = """
import sys
from tl_hubspot.orchestration.steps import links, phases
from tl_hubspot_tests.e2e import test_calls
from tl_hubspot.config import settings
from tl_hubspot.orchestration.run import Platform, RunOptions
links.CHUNK = phases.CHUNK = 10
test_calls.steps(Platform(settings.load(), RunOptions(as_of=sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("contacts", "companies", "endpoint"), [(150, 60, "companies.info"), (60, 90, "contacts.info")]
)
def test_a_killed_reading_goes_on_where_it_was(make: Make, contacts: int, companies: int, endpoint: str) -> None:
    def build() -> Product:
        world, people, firms = account(make, contacts, companies)
        for number, contact in enumerate(people):
            for place in range(1 + (number % 10 == 0)):
                world.teamleader.link(contact, firms[(number + 7 * place) % companies], position=f"Job {place}")
        return world.product

    product, undisturbed = build(), build()
    expected = read(undisturbed)[links.STREAM]
    total = calls(undisturbed)[endpoint]
    product.systems.teamleader.faults.add(Fault("slow", r"\.info", seconds=0.02, times=None))
    environment = {**os.environ, **product.systems.environment(), **product.environment}
    environment |= {"TL_HUBSPOT_DATA": str(product.data)}
    at = product.systems.clock.now().isoformat()
    with subprocess.Popen([sys.executable, "-c", _KILLED, at], env=environment) as process:
        while process.poll() is None and calls(product)[endpoint] < 35:
            time.sleep(0.005)
        assert process.poll() is None, "it was done before it could be killed"
        process.send_signal(signal.SIGKILL)
    asked = calls(product)[endpoint]
    product.systems.teamleader.faults.clear()
    # the clocks of the killed process were real ones
    platform = product.platform(as_of=at)
    product.forget()
    try:
        said = steps(platform)[links.STREAM]
    finally:
        platform.close()
    assert said["way"] == expected["way"]
    # at most a chunk and what was under way is asked twice
    assert total <= asked + calls(product)[endpoint] <= total + 10 + 2 * platform.settings.teamleader.workers
    assert _named(product) == _named(undisturbed)
    assert product.read("select count(*) from sync.watermarks where stream = ?", [links.BEGUN]).item() == 0


def _named(product: Product) -> set[tuple[Any, ...]]:
    """The links as stored, with addresses and names for ids, which differ between two accounts."""
    contacts = {c["id"]: c["emails"][0]["email"] for c in product.systems.teamleader.all("contacts")}
    names = {c["id"]: c["name"] for c in product.systems.teamleader.all("companies")}
    return {(contacts[contact], names[company], *rest) for contact, company, *rest in stored(product)}


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_printed_plan(make: Make) -> None:
    world, people, firms = account(make, 3, 2)
    for contact in people:
        world.teamleader.link(contact, firms[0])
    product = world.product
    environment = {**os.environ, **product.systems.environment(), "TL_HUBSPOT_DATA": str(product.data)}
    environment |= {"TEAMLEADER_RATE_LIMIT": "120", "TL_HUBSPOT_AS_OF": world.now.isoformat()}
    command = [sys.executable, "-m", "tl_hubspot", "plan", "--calls", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert (printed["kind"], printed["calls_per_minute"]) == ("first", 120)
    assert printed["calls"] == sum(line["calls"] for line in printed["streams"])
    assert printed["minutes"] == round(printed["calls"] / 120, 1)
    assert product.read("select count(*) from sync.runs").item() == 0
    assert product.writes() == []

    from rich.console import Console

    console = Console(width=200)
    with console.capture() as captured:
        console.print(render(call_plan.make(product.platform(as_of=world.now.isoformat()))))
    text = captured.get()
    assert "The first run: everything is read." in text
    assert "2 companies, 3 contacts updated in 5 years, 3 of them with a company" in text


def test_sizes_found_by_looking_where_a_list_ends(make: Make) -> None:
    world, _, _ = account(make, 0, 0)
    extraction = links.extraction_of(world.product.platform())
    known = 0
    for size in (0, 1, 99, 100, 101, 399, 400, 730):
        while known < size:
            known += 1
            world.company(f"Firma {known}")
        world.product.forget()
        assert extraction.size("companies.list", {"status": "active"}) == size
        assert sum(calls(world.product).values()) <= 1 + 2 * max(1, size // 100)
        assert extraction.more_than("companies.list", {"status": "active"}, size) is False
        assert extraction.more_than("companies.list", {"status": "active"}, max(0, size - 1)) is (size > 0)
