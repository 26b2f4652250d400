"""Undo and audit: what a run wrote is taken back where nobody touched it, and drift is found where somebody did."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.steps import auditing, undoing
from tl_hubspot.sandbox.worlds import shapes
from tl_hubspot_tests.e2e.builders import Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")

ALL_WAYS = pytest.mark.skipif("TL_HUBSPOT_ALL_WAYS" not in os.environ, reason="many runs; TL_HUBSPOT_ALL_WAYS=1")
SEEDS = range(8) if "TL_HUBSPOT_ALL_WAYS" in os.environ else range(1)
OBJECTS = {"contact": "contacts", "company": "companies", "deal": "deals"}
PAIRS = (("contacts", "companies"), ("deals", "contacts"), ("deals", "companies"))
Value = dict[str, Any]


def undo(world: Story, run: str = "latest", *, plan_only: bool = False) -> dict[str, Any]:
    world.product.systems.clock.advance(60)
    world.product.forget()
    return undoing.undo(world.product.platform(command="undo"), run, plan_only=plan_only)


def audit(world: Story, size: int | None = None, seed: int = 0) -> list[dict[str, Any]]:
    world.product.forget()
    answer = auditing.audit(world.product.platform(command="audit"), size=size, seed=seed, values=True)
    assert world.product.writes() == []
    assert answer["drift_count"] == len(answer["drift"]) == sum(c["count"] for c in answer["counts"])
    return list(answer["drift"])


def state(world: Story) -> dict[tuple[str, str], Value]:
    """What people see of every live record: values without what HubSpot keeps by itself, and links."""
    shown: dict[tuple[str, str], Value] = {}
    for kind in OBJECTS.values():
        for record in world.portal.all(kind):
            values = {n: v for n, v in record["properties"].items() if not n.startswith("hs_") and "modified" not in n}
            further = record["properties"].get("hs_additional_emails", "")
            values["further"] = frozenset(further.split(";")) - {""}
            shown[kind, record["id"]] = values
    for from_kind, to_kind in PAIRS:
        for kind, record_id in list(shown):
            if kind == from_kind:
                linked = frozenset(a["id"] for a in world.portal.associations(kind, record_id, to_kind))
                shown[kind, record_id][to_kind] = linked
    return shown


def new_world(make: Make) -> Story:
    """HubSpot has a few records of its own; Teamleader knows them and more."""
    world = story(make)
    for n in range(3):
        world.person_has(f"an{n}@voorbeeld.be", firstname="An", phone="1", city="Aalst")
        world.person_has(f"bob{n}@elders.be", f"bob{n}@voorbeeld.be", address="Kaai 1")
        world.portal.create("companies", {"name": f"Firma {n}", "domain": f"firma{n}.be", "phone": "9"})
    names = [f"{name}{n}" for n in range(3) for name in ("an", "bob", "cis", "dirk")]
    people = [
        world.contact(
            f"{name}@voorbeeld.be",
            telephones=[("phone", f"+32 9 225 50 {n:02}"), ("mobile", f"0470 12 34 {n:02}")],
            address=shapes.postal("Veldstraat 1", "9000", "Gent", "BE"),
        )
        for n, name in enumerate(names)
    ]
    companies = [world.company(f"Firma {n} BV", website=f"https://firma{n}.be") for n in range(4)]
    for n, person in enumerate(people):
        world.teamleader.link(person, companies[n % 4])
    for n, person in enumerate(people[:8]):
        world.deal(f"Deal {n}", ("contact", person), amount=1000 + n, estimated_closing_date=f"2026-12-{n + 10}")
    return world


@pytest.fixture
def world(make: Make) -> Story:
    return new_world(make)


def human_edits(world: Story, chance: random.Random) -> tuple[set[tuple[str, str, str]], set[tuple[str, str]]]:
    """People work in HubSpot; (kind, id, what) that they touched, and the records that they archived."""
    touched: set[tuple[str, str, str]] = set()
    archived: set[tuple[str, str]] = set()
    everybody = sorted((k, i) for k, i in state(world))
    fields = {
        "contacts": ("firstname", "phone", "city", "address", "teamleader_url"),
        "companies": ("name", "phone", "website"),
        "deals": ("dealname", "amount"),
    }
    for n, (kind, record_id) in enumerate(chance.sample(everybody, len(everybody) // 2)):
        what = chance.choice(["field", "field", "empty", "address", "link", "archive"])
        name = chance.choice(fields[kind])
        if what == "address" and kind == "contacts":
            world.portal.patch(kind, record_id, {"email": f"mens{n}@hubspot.be"})
            touched.add((kind, record_id, "email"))
        elif what == "link" and kind == "contacts":
            company = world.portal.create("companies", {"name": f"Van een mens {n}"})["id"]
            world.portal.add_association(kind, record_id, "companies", company, 279)
            touched.add((kind, record_id, f"link {company}"))
        elif what == "archive":
            world.portal.archive(kind, record_id)
            archived.add((kind, record_id))
        else:
            value = "" if what == "empty" and name != "dealname" else "77" if name == "amount" else f"mens {n}"
            if world.portal.get(kind, record_id)["properties"].get(name, "") != value:
                world.portal.patch(kind, record_id, {name: value})
                touched.add((kind, record_id, name))
    return touched, archived


def retyped(name: str, value: str) -> str:
    """The same value as another program, or HubSpot, would write it."""
    if name in ("closedate", "createdate", "teamleader_changed_at", "teamleader_created_at"):
        return str(int(datetime.fromisoformat(value).timestamp() * 1000))
    if name == "amount":
        return f"{value}.00"
    return value.upper() if "@" in value else f" {value} " if name == "city" else value


def audits(world: Story, seeds: Iterable[int]) -> None:
    """Audits find exactly the edits that are made, and nothing in values that mean the same."""
    assert audit(world) == []
    linked = {e: [] for e in OBJECTS}
    for entity, hubspot_id in world.product.read("select entity_type, hubspot_id from sync.links").iter_rows():
        linked[entity].append(hubspot_id)
    edits = {
        "contact": {
            "firstname": "Anders",
            "phone": "+3292255199",
            "city": "",
            "teamleader_marketing": "x",
            "teamleader_status": "deactivated",
            "teamleader_changed_at": "2020-01-01T00:00:00.000Z",
            "email": "@",
        },
        "company": {"name": "Anders", "website": "", "domain": "anders.be", "teamleader_status": "deleted"},
        "deal": {"dealname": "Anders", "amount": "5.50", "closedate": "2020-02-02", "teamleader_status": "lost"},
    }
    for seed in seeds:
        chance = random.Random(seed)
        was: list[tuple[str, str, dict[str, str]]] = []
        expected: set[tuple[str, str, str, str]] = set()
        places = [(e, i, n) for e, ids in linked.items() for i in ids for n in edits[e]]
        for number, (entity, record_id, name) in enumerate(chance.sample(places, chance.randint(1, 12))):
            kind = OBJECTS[entity]
            values = world.portal.get(kind, record_id)["properties"]
            now = values.get(name, "")
            value = edits[entity][name]
            if name == "email":
                if any(i == record_id and "email" in v for _, i, v in was) or "elders" in now:
                    continue
                value = f"mens{seed}-{number}@hubspot.be"
            elif name == "teamleader_marketing":
                value = "false" if now == "true" else "true"
            if not now:
                continue
            world.portal.patch(kind, record_id, {name: value})
            was.append((kind, record_id, {name: now}))
            expected.add((entity, record_id, name, "changed" if value else "emptied"))
        found = audit(world)
        assert {(d["entity_type"], d["hubspot_id"], d["field"], d["kind"]) for d in found} == expected
        assert len(found) == len(expected)
        for kind, record_id, values in reversed(was):
            world.portal.patch(kind, record_id, values | ({"hs_additional_emails": ""} if "email" in values else {}))
    assert audit(world) == []

    # values that mean the same are no drift
    for entity, ids in linked.items():
        for record_id in ids:
            values = world.portal.get(OBJECTS[entity], record_id)["properties"]
            names = [n for n in values if not n.startswith("hs_") and n not in ("createdate", "lastmodifieddate")]
            world.portal.patch(OBJECTS[entity], record_id, {n: retyped(n, values[n]) for n in names})
    assert audit(world) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_what_people_touched_stays_and_everything_else_goes_back(make: Make, seed: int) -> None:
    world, chance = new_world(make), random.Random(seed)
    before = state(world)
    assert done(world.sync())
    audits(world, range(3 * seed, 3 * seed + 3))
    touched, archived = human_edits(world, chance)
    edited = state(world)
    answer = undo(world)
    assert answer["counts"]["failed"] == 0
    after = state(world)
    touched_records = {t[:2] for t in touched}
    for (kind, record_id), values in after.items():
        key = (kind, record_id)
        own = {name for k, i, name in touched if (k, i) == key}
        if key in before:
            for name, value in values.items():
                if name in ("companies", "contacts"):
                    theirs = {n.split()[1] for n in own if n.startswith("link")}
                    assert value == (before[key][name] | theirs) & {i for _, i in after}, (key, name)
                elif name == "further" and "email" in own:
                    assert value == edited[key][name]
                else:
                    assert value == (edited if name in own else before)[key].get(name), (key, name)
            gone = before[key].keys() - values.keys()
            assert gone <= own, "nothing that was there before is lost"
        elif key in touched_records:
            assert {n: v for n, v in values.items() if n not in ("companies", "contacts")} == {
                n: v for n, v in edited[key].items() if n not in ("companies", "contacts")
            }, "a created record that a person touched stays as it is"
        else:
            assert kind == "companies" and values["name"].startswith("Van een mens"), (key, values)
    assert before.keys() - archived <= after.keys()
    assert not archived & after.keys()
    told = {(OBJECTS[e["entity_type"]], e["hubspot_id"], e["property"]) for e in answer["left"] if e["property"]}
    assert told <= touched and touched_records <= {t[:2] for t in told} | {
        (OBJECTS[e["entity_type"]], e["hubspot_id"]) for e in answer["left"]
    } | before.keys() | {k for k in after if k[0] == "companies"}

    world.product.forget()
    assert done(world.sync())
    # Teamleader's address is always on the contact: where a person replaced it, the sync adds it (behaviour §3.4).
    replaced = {record_id for kind, record_id, name in touched if name == "email" and (kind, record_id) in after}
    assert {(w["method"], w["path"].split("/")[4]) for w in world.product.writes()} == {("PUT", i) for i in replaced}
    again = undo(world, answer["run_id"])
    assert world.product.writes() == [] and len(again["left"]) == len(answer["left"])


@ALL_WAYS
def test_audit_of_records_and_links(world: Story) -> None:
    assert done(world.sync())
    linked = world.product.read("select hubspot_id from sync.links where entity_type = 'contact'")["hubspot_id"]
    people = sorted(linked, key=int)
    world.portal.archive("contacts", people[-1])
    world.portal.gdpr_delete(people[-2])
    world.portal.merge("contacts", people[0], people[-3])
    company = world.portal.associations("contacts", people[1], "companies")[0]["id"]
    world.portal.remove_association("contacts", people[1], "companies", company)
    found = audit(world)
    kinds = {(d["kind"], d["hubspot_id"]) for d in found if d["hubspot_id"] != people[0]}
    assert kinds == {
        ("archived", people[-1]),
        ("deleted", people[-2]),
        ("merged", people[-3]),
        ("association", people[1]),
    } | {(d["kind"], d["hubspot_id"]) for d in found if d["entity_type"] == "deal"}
    some = audit(world, size=3, seed=5)
    assert some == audit(world, size=3, seed=5) and len({d["hubspot_id"] for d in some}) <= 9


def test_audit_looks_for_links_where_a_merge_took_them(make: Make) -> None:
    world = new_world(make)
    assert done(world.sync())
    person = world.product.read("select max(hubspot_id) from sync.links where entity_type = 'contact'").item()
    company = world.portal.associations("contacts", person, "companies")[0]["id"]
    group = world.portal.create("companies", {"name": "Groep"})["id"]
    survivor = world.portal.merge("companies", group, company)
    assert done(world.sync())
    assert [d for d in audit(world) if d["kind"] == "association"] == []
    world.portal.remove_association("contacts", person, "companies", survivor)
    assert [d["hubspot_id"] for d in audit(world) if d["kind"] == "association"] == [person]


@ALL_WAYS
def test_a_first_run_is_undone_and_stays_undone(world: Story) -> None:
    before = state(world)
    assert done(world.sync())
    planned = undo(world, plan_only=True)
    assert world.product.writes() == []
    answer = undo(world)
    assert answer["status"] == "done" and answer["counts"]["failed"] == 0 and answer["left"] == []
    assert {n: answer["counts"][n] for n in ("records", "fields", "archived", "disassociated")} == {
        n: planned["counts"][n] for n in ("records", "fields", "archived", "disassociated")
    }
    assert answer["set_back"] == planned["set_back"] and answer["archive"] == planned["archive"]
    assert state(world) == before
    assert answer["provisioned"] != []
    assert {e["code"] for e in answer["irreversible"]} <= {"marketing", "unsubscribe"}

    assert undo(world)["counts"] | {"already": 0, "left": 0} == dict.fromkeys(answer["counts"], 0)
    assert world.product.writes() == [], "a second undo of the same run"
    for full in (False, True):
        assert done(world.sync(full=full))
        assert world.product.writes() == [], "the next sync leaves it alone"
    held = world.product.read("select count(*) from sync.outcomes where reason = 'deleted_in_hubspot'").item()
    assert held == len(answer["archive"])
    row = world.product.platform().run_row(answer["undo_run_id"])
    assert (row["command"], row["status"]) == ("undo", "done")
    assert world.logged("undo")


@ALL_WAYS
def test_an_undo_is_undone(world: Story) -> None:
    assert done(world.sync())
    person = world.product.read("select teamleader_id from sync.links where entity_type = 'contact' limit 1").item()
    before = state(world)
    world.edit("contacts", person, last_name="Anders", website="https://anders.be")
    world.mail(person, "nieuw@voorbeeld.be")
    assert done(world.sync())
    changed = state(world)
    assert changed != before
    first = undo(world)
    assert state(world) == before
    again = undo(world, first["undo_run_id"][:13])
    assert again["left"] == [] and state(world) == changed
    assert done(world.sync())
    assert world.product.writes() == []
    assert undo(world, again["undo_run_id"])["left"] == [] and state(world) == before
    assert done(world.sync())
    assert world.product.writes() == []


@ALL_WAYS
def test_runs_are_undone_from_the_last_to_the_first(world: Story) -> None:
    before = state(world)
    first = world.sync().run["run_id"]
    second_before = state(world)
    for person in world.product.read("select id from teamleader.contacts")["id"]:
        world.edit("contacts", person, last_name="Anders")
    second = world.sync().run["run_id"]
    answer = undo(world, first)
    assert {e["code"] for e in answer["left"]} == {"written_later"}
    undo(world, answer["undo_run_id"])
    undo(world, second)
    assert len(state(world)) <= len(second_before)
    undo(world, first)
    assert set(state(world)) == set(before)


@ALL_WAYS
def test_what_is_meant_has_to_be_one_run(world: Story) -> None:
    with pytest.raises(ConfigurationError, match="no run to undo"):
        undoing.undo(world.product.platform(command="undo"), "latest")
    assert done(world.sync())
    with pytest.raises(ConfigurationError, match="begins with zz"):
        undo(world, "zz")
