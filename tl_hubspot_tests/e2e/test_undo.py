"""Undo: a run is taken back where nobody touched what it wrote, and the next sync leaves that alone."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.steps import undoing
from tl_hubspot_tests.e2e.builders import Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

OBJECTS = {"contact": "contacts", "company": "companies", "deal": "deals"}
PAIRS = (("contacts", "companies"), ("deals", "contacts"), ("deals", "companies"))


def undo(world: Story, run: str = "latest", *, plan_only: bool = False) -> dict[str, Any]:
    world.product.systems.clock.advance(60)
    world.product.forget()
    return undoing.undo(world.product.platform(command="undo"), run, plan_only=plan_only)


def state(world: Story) -> dict[tuple[str, str], dict[str, Any]]:
    """What people see of every live record: values without what HubSpot keeps by itself, and links."""
    shown: dict[tuple[str, str], dict[str, Any]] = {}
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


@pytest.fixture
def world(make: Make) -> Story:
    """HubSpot has a few records of its own; Teamleader knows them and more."""
    world = story(make)
    world.person_has("an@voorbeeld.be", firstname="An", phone="1")
    world.person_has("bob@elders.be", "bob@voorbeeld.be", city="Gent")
    world.portal.create("companies", {"name": "Firma", "domain": "firma.be", "phone": "9"})
    people = [
        world.contact(f"{name}@voorbeeld.be", telephones=[("phone", f"+32 9 225 50 0{n}")])
        for n, name in enumerate(("an", "bob", "cis", "dirk"))
    ]
    companies = [
        world.company("Firma BV", website="https://firma.be"),
        world.company("Nieuw", website="https://nieuw.be"),
    ]
    for n, person in enumerate(people):
        world.teamleader.link(person, companies[n % 2])
    for n, person in enumerate(people):
        world.deal(f"Deal {n}", ("contact", person))
    return world


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


def test_what_is_meant_has_to_be_one_run(world: Story) -> None:
    with pytest.raises(ConfigurationError, match="no run to undo"):
        undoing.undo(world.product.platform(command="undo"), "latest")
    assert done(world.sync())
    with pytest.raises(ConfigurationError, match="begins with zz"):
        undo(world, "zz")
