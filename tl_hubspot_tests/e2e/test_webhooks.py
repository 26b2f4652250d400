"""Webhooks end to end: Teamleader sends, the receiver keeps, runs read what is named, the end state is the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import httpx
import pytest

from tl_hubspot.definitions import build_definitions
from tl_hubspot.errors import BadAnswer, ExitCode
from tl_hubspot.orchestration.execute import Finished
from tl_hubspot.sandbox.control import Fault, LoopbackServer
from tl_hubspot.teamleader import webhooks
from tl_hubspot.webhooks.receiver import Receiver
from tl_hubspot.webhooks.spool import Spool
from tl_hubspot_tests.cli.terminal import OURS
from tl_hubspot_tests.e2e.builders import PHASES, Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")

SECRET = "secret-of-the-tests-0123456789"


@dataclass
class Told(Story):
    """A story whose Teamleader tells what happens to the receiver of the product."""

    def _add(self, kind: str, record: dict[str, Any]) -> str:
        return str(self.teamleader.add(kind, record))

    @property
    def spool(self) -> Spool:
        return Spool(self.product.data / "webhooks")

    def register(self, address: str) -> None:
        webhooks.register(self.product.platform().teamleader, address, SECRET)

    @property
    def address(self) -> str:
        """Where Teamleader sends its webhooks."""
        return str(self.teamleader.store.query("select url from webhooks limit 1")[0]["url"])

    def forget_events(self) -> None:
        """What happened so far is never delivered."""
        self.teamleader.store.execute("delete from deliveries")

    def sync_named(self, minutes: float = 1, **options: Any) -> Finished:
        """Teamleader delivers, and a run for what came: what the sensor starts."""
        self.teamleader.deliver_webhooks()
        batch = self.spool.drain()
        assert batch is not None, "no webhooks came"
        return self.sync(minutes, webhook_batch=batch, **options)

    def reads(self) -> list[tuple[str, Any]]:
        """Endpoint, and ids asked for, of the latest run's readings of records."""
        calls = [(e["path"].strip("/"), e["body"]) for e in self.teamleader.log.entries]
        kinds = ("contacts", "companies", "deals")
        return sorted(
            (path, tuple(body["filter"]["ids"]) if path.endswith("list") else body["id"])
            for path, body in calls
            if path.split(".")[0] in kinds
        )

    def watermarks(self) -> list[tuple[Any, ...]]:
        """How far ordinary runs read."""
        return self.product.read("select * from sync.watermarks order by stream").rows()


@contextmanager
def told(make: Make, **environment: str) -> Iterator[Told]:
    """A new story with a receiver that Teamleader knows."""
    world = Told(story(make, **environment).product)
    with LoopbackServer(Receiver(world.spool, SECRET)) as server:
        world.register(server.url)
        yield world


def test_only_what_events_name_is_read_and_it_is_pushed(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with told(make) as world:
        old = [world.contact(f"oud{n}@voorbeeld.be") for n in range(12)]
        company = world.company("Firma BV", website="https://firma.be")
        world.teamleader.link(old[0], company)
        deal = world.deal("Plan", ("contact", old[0]), phases=[(0, world.ago(years=3)), (1, world.ago(days=60))],
                          created=world.ago(years=3))  # fmt: skip
        others = [world.deal(f"Deal {n}", ("contact", old[0])) for n in range(6)]
        assert done(world.sync())
        world.forget_events()
        before = world.watermarks()

        new, passing = world.contact("nieuw@voorbeeld.be", changed=world.now), world.contact("even@voorbeeld.be")
        world.edit("contacts", old[1], last_name="Veranderd")
        world.edit("contacts", old[4], status="deactivated")
        world.teamleader.link(old[2], company)
        world.teamleader.move(deal, PHASES[2])
        for kind, record in (("contacts", old[3]), ("contacts", passing), ("deals", others[0])):
            world.teamleader.delete(kind, record)
        world.teamleader.silent_update("contacts", old[0], last_name="Stil")
        assert done(world.sync_named())
        people = tuple(sorted([new, passing, *old[1:5]]))
        infos = [("contacts.info", new), ("contacts.info", old[2]), ("contacts.info", old[3])]
        infos += [("deals.info", deal), ("deals.info", others[0])]
        lists = [("contacts.list", people)] * 2  # of either status
        assert world.reads() == sorted([*lists, ("deals.list", tuple(sorted([deal, others[0]]))), *infos])
        assert world.watermarks() == before
        assert world.spool.waiting() == 0
        assert world.held("contacts", new)["teamleader_marketing"] == "true"
        assert world.held("contacts", old[1])["lastname"] == "Veranderd"
        assert world.held("contacts", old[4])["teamleader_status"] == "deactivated"
        assert world.id_of("companies", company) in world.related("contacts", old[2], "companies")
        assert world.held("contacts", old[3])["teamleader_status"] == "deleted"
        assert world.held("deals", others[0])["teamleader_status"] == "deleted"
        assert world.product.hubspot("contacts", passing) is None
        assert world.held("contacts", old[0])["lastname"] != "Stil"
        history = world.product.read("select count(*) from teamleader.deal_phase_history where deal_id = ?", [deal])
        assert history.item() == 3
        buckets = world.product.read("select count(*) from sync.outcomes where entity_type = 'contact'").item()
        assert buckets == 12, "rules and buckets are about all records, as always"

        assert done(world.sync())
        assert world.product.writes() == [], "the ordinary run finds nothing left to do"
        assert world.watermarks() != before

        # from here on as the daemon does it; hidden is not gone, and what exists is not deleted, whatever events say
        world.edit("contacts", old[1], first_name="Ook")
        world.teamleader.delete("contacts", old[5])
        world.teamleader.faults.add(Fault("status", r"contacts\.info", status=403, times=None))
        payload = {"type": "contact.deleted", "subject": {"type": "contact", "id": old[6]}}
        assert httpx.post(world.address, json=payload).status_code == 200
        _as_daemon(world, monkeypatch, tmp_path)
        assert world.held("contacts", old[1])["firstname"] == "Ook"
        assert [r for r in world.reads() if r[0] == "contacts.list"] == [
            ("contacts.list", tuple(sorted([old[1], old[5], old[6]])))
        ] * 2
        assert world.spool.waiting() == 0
        assert {world.held("contacts", c)["teamleader_status"] for c in old[5:7]} == {"active"}


def _as_daemon(world: Told, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The sensor looks, and the run that it asks for is carried out from its request alone."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    environment = world.product.systems.environment() | world.product.environment
    environment |= {"TL_HUBSPOT_DATA": str(world.product.data), "TL_HUBSPOT_AS_OF": world.now.isoformat()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    definitions = build_definitions()
    sensor = definitions.resolve_sensor_def("teamleader_webhooks")
    with dg.DagsterInstance.ephemeral() as instance:

        def look() -> Any:
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance))

        world.teamleader.deliver_webhooks()
        (request,) = look().run_requests
        assert look().skip_message == "No webhooks came.", "its run is still to come"
        world.product.forget()
        job = definitions.resolve_job_def("sync")
        assert job.execute_in_process(run_config=request.run_config, tags=request.tags, instance=instance).success


def test_events_wait_until_a_run_has_stored_what_they_name(make: Make) -> None:
    with told(make) as world:
        contact, second = world.contact("c@voorbeeld.be"), world.company("Twee BV")
        world.teamleader.deliver_webhooks()
        batch = world.spool.drain()
        assert batch is not None
        world.teamleader.silent_update("contacts", contact, last_name="Een")
        # events that come before anything was read: everything is read
        assert done(world.sync(webhook_batch=batch))
        assert world.held("contacts", contact)["lastname"] == "Een"
        assert len(world.watermarks()) >= 4
        assert world.spool.waiting() == 0

        company = world.company("Firma BV", website="https://firma.be")
        person, other = world.contact("nieuw@voorbeeld.be"), world.contact("contact@voorbeeld.be")
        world.forget_events()  # lost: only what refers to them is told
        world.teamleader.link(contact, company)
        deal = world.deal("Met contact", ("contact", person))
        of_company = world.deal("Met bedrijf", ("company", second), contact_person=other)
        world.teamleader.faults.add(Fault("status", r"contacts\.info", status=418, times=None))
        with pytest.raises(BadAnswer):
            world.sync_named()
        assert world.spool.waiting() == 3
        assert world.spool.drain(timedelta(minutes=15)) is None, "nothing new came, and the last try was just now"
        world.teamleader.faults.clear()
        # a limit that holds the plan holds no events: what they named is stored, and waits for a person
        held = {"TL_HUBSPOT_GUARDS__UNSUBSCRIBES_SHARE": "0", "TL_HUBSPOT_GUARDS__UNSUBSCRIBES_MINIMUM": "0"}
        world.product.environment.update(held)
        world.edit("contacts", contact, marketing_mails_consent=False)
        assert world.sync_named().exit_code == ExitCode.HELD
        assert world.spool.waiting() == 0
        digest = world.product.read("select digest from sync.runs order by started_at desc limit 1").item()
        assert done(world.approve(digest))
        assert world.unsubscribed() == ["c@voorbeeld.be"]
        assert world.id_of("companies", company) in world.related("contacts", contact, "companies")
        assert world.id_of("contacts", person) in world.related("deals", deal, "contacts")
        assert world.id_of("contacts", other) in world.related("deals", of_company, "contacts")

        # a day later a run for webhooks is the daily one; a batch that another run has used is no reason to read
        world.teamleader.silent_update("contacts", contact, last_name="Twee")
        world.edit("contacts", other, last_name="Drie")
        assert done(world.sync_named(minutes=60 * 25))
        assert world.held("contacts", contact)["lastname"] == "Twee"
        assert done(world.sync(webhook_batch=batch))
        assert world.reads() == []
        assert world.product.writes() == []


# ---------------------------------------------------------------------- lost, repeated, reordered

OF_HUBSPOT = {"hs_additional_emails", "hs_email_optout", "hs_marketable_status"}


def happen(world: Story, random: Random, known: dict[str, list[str]], number: int) -> None:
    """Something that people do in Teamleader. Values are never used twice, and nothing is taken back: what a run saw in
    between would otherwise rightly leave its trace (a former address, an unsubscribed one, a marketing contact)."""
    does = random.choice(
        [
            *("contact", "company", "deal", "name", "mail", "consent", "company name", "deal value"),
            *("move", "win", "link", "unlink", "delete"),
        ]
    )
    old, people, firms, deals = known["old"], known["contacts"], known["companies"], known["deals"]
    match does:
        case "contact":
            people.append(world.contact(f"nieuw{number}@voorbeeld.be", changed=world.now))
        case "company":
            firms.append(world.company(f"Firma {number}", website=f"https://firma{number}.be", changed=world.now))
        case "deal":
            customer = random.choice([("contact", random.choice(people)), ("company", random.choice(firms))])
            deals.append(
                world.deal(f"Plan {number}", customer, created=world.now, contact_person=random.choice(people))
            )
        case "name":
            world.edit("contacts", random.choice(people), last_name=f"Naam{number}")
        case "mail" if known["mailable"]:
            world.mail(known["mailable"].pop(), f"ander{number}@voorbeeld.be")
        case "consent" if known["marketing"]:
            world.edit("contacts", known["marketing"].pop(), marketing_mails_consent=False)
        case "company name":
            world.edit("companies", random.choice(firms), name=f"Naamloos {number}")
        case "deal value":
            value = {"amount": 100 + number, "currency": "EUR"}
            world.edit("deals", random.choice(deals), estimated_value=value)
        case "move":
            world.teamleader.move(random.choice(deals), random.choice(PHASES))
        case "win" if known["open"]:
            world.teamleader.win(known["open"].pop())
        case "link":
            world.teamleader.link(random.choice(people), random.choice(firms))
        case "unlink" if known["linked"]:
            contact, company = known["linked"].pop().split("/")
            world.teamleader.unlink(contact, company)
        case "delete" if old:
            world.teamleader.delete("contacts", old.pop())


def begin(world: Story) -> dict[str, list[str]]:
    """Some records that both installations know."""
    people = [world.contact(f"c{n}@voorbeeld.be", changed=world.ago(years=1 + n % 4)) for n in range(8)]
    firms = [world.company(f"Begin {n}", website=f"https://begin{n}.be") for n in range(4)]
    deals = [
        world.deal(f"Deal {n}", ("contact", people[n]), phases=[(0, world.ago(years=3)), (1, world.ago(years=2.5))],
                   created=world.ago(years=3))
        for n in range(4)
    ]  # fmt: skip
    linked = [f"{people[n]}/{firms[n]}" for n in range(3)]
    for pair in linked:
        world.teamleader.link(*pair.split("/"))
    old = [world.contact(f"oud{n}@voorbeeld.be") for n in range(8)]
    return {
        "contacts": people, "companies": firms, "deals": deals, "linked": linked, "old": old,
        "mailable": people[:3],
        "marketing": [people[0], people[4]], "open": deals[:2],
    }  # fmt: skip


def _is_compared(name: str) -> bool:
    # ids, and when HubSpot did something, are its own
    return name in OF_HUBSPOT or not name.startswith(("hs_", "createdate", "lastmodifieddate"))


def end_state(world: Story) -> dict[str, Any]:
    """What HubSpot holds, by Teamleader id, and what the warehouse knows."""
    state: dict[str, Any] = {}
    names: dict[tuple[str, str], str] = {}
    for kind in ("contacts", "companies", "deals"):
        for record in world.portal.all(kind):
            values = {k: v for k, v in record["properties"].items() if v not in (None, "") and _is_compared(k)}
            names[kind, record["id"]] = values["teamleader_id"]
            state[f"{kind} {values['teamleader_id']}"] = values
    for (kind, hubspot_id), name in names.items():
        for other in ("contacts", "companies", "deals"):
            related = world.portal.associations(kind, hubspot_id, other) if kind != other else []
            state[f"{kind} {name} {other}"] = sorted((names[other, a["id"]], sorted(a["types"])) for a in related)
    for table, key in (
        ("teamleader.contacts", "id, payload, changed_at, deleted_at is null"),
        ("teamleader.companies", "id, payload, deleted_at is null"),
        ("teamleader.deals", "id, payload, deleted_at is null"),
        ("teamleader.contact_company_links", "contact_id, company_id, position, rank"),
        ("teamleader.deal_phase_history", "deal_id, position, phase_id, started_at"),
        ("decisions.contacts", "teamleader_id, status, reason"),
        ("decisions.companies", "teamleader_id, status, reason"),
        ("decisions.deals", "teamleader_id, status, reason"),
    ):
        state[table] = world.product.read(f"select {key} from {table} order by all").rows()
    return state


def test_lost_repeated_and_reordered_events_change_nothing_in_the_end(make: Make) -> None:
    with told(make) as hooked:
        twin = story(make)
        worlds: list[Story] = [hooked, twin]
        for world in worlds:
            # else only a reading of everything finds a link, and the time of its change is that of the finding
            world.teamleader.set_switches(link_moves_contact_updated_at=True)
        hooked.teamleader.set_switches(webhook_drop_rate=0.4, webhook_duplicate_rate=0.3, webhook_reorder=True)
        known = [begin(world) for world in worlds]
        assert known[0] == known[1]
        for world in worlds:
            assert done(world.sync())
        random = [Random(1), Random(1)]
        now = hooked.now.replace(microsecond=0)
        for number in range(40):
            now += timedelta(minutes=2)
            for n, world in enumerate(worlds):
                world.product.systems.clock.set(now)
                happen(world, random[n], known[n], number)
            if number in (13, 29):
                hooked.teamleader.deliver_webhooks()
                batch = hooked.spool.drain()
                assert batch is not None
                assert done(hooked.sync(0.5, webhook_batch=batch))
                assert hooked.product.writes() != []
        assert known[0] == known[1]
        for world in worlds:
            world.product.systems.clock.set(now)
            assert done(world.sync(10, full=True))
        ours, theirs = end_state(hooked), end_state(twin)
        assert {k: (v, theirs.get(k)) for k, v in ours.items() if v != theirs.get(k)} == {}
        assert ours.keys() == theirs.keys()
