"""Later runs: what they read, deletions, limits with approval, `--only`, and plans that change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tl_hubspot.errors import ConfigurationError, ExitCode
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.e2e.builders import Story, done, second_installation, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")


def digest(world: Story) -> str:
    return str(world.product.read("select digest from sync.runs order by started_at desc limit 1").item())


def test_deletions_are_found_by_full_runs_and_marked(make: Make) -> None:
    world = story(make)
    contacts = [world.contact(f"c{n}@voorbeeld.be") for n in range(11)]
    company = world.company("Weg BV", website="https://weg.be")
    others = [world.company(f"Blijft {n}") for n in range(5)]
    for contact in contacts[:6]:
        world.teamleader.link(contact, company)
    for other in others:
        world.teamleader.link(contacts[7], other)
    deals = [world.deal(f"Deal {n}", ("contact", contacts[7])) for n in range(6)]
    assert done(world.sync())
    calls_of_a_full_run = len(world.teamleader.log.entries)
    assert done(world.sync())
    assert world.product.writes() == []
    assert len(world.teamleader.log.entries) < calls_of_a_full_run

    gone = contacts[0]
    world.portal.patch("contacts", world.id_of("contacts", gone), {"city": "Gent"})
    for kind, record in (("contacts", gone), ("companies", company), ("deals", deals[0])):
        world.teamleader.delete(kind, record)
    # an incremental run does not see it; a record that is hidden (403) is not gone either
    assert done(world.sync())
    assert world.held("contacts", gone)["teamleader_status"] == "active"
    world.teamleader.faults.add(Fault("status", r"contacts\.info", status=403, times=None))
    assert done(world.sync(full=True))
    assert world.held("contacts", gone)["teamleader_status"] == "active"
    assert world.held("companies", company)["teamleader_status"] == "deleted"
    assert world.held("deals", deals[0])["teamleader_status"] == "deleted"
    world.teamleader.faults.clear()

    assert done(world.sync(full=True))
    values = world.held("contacts", gone)
    assert (values["teamleader_status"], values["teamleader_marketing"], values["city"]) == ("deleted", "false", "Gent")
    assert ("deleted_in_teamleader", gone) in world.notices()
    assert gone in world.logged("mark_deleted")
    assert world.product.read("select count(*) from sync.outcomes where entity_type = 'contact'").item() == 10
    assert done(world.sync(full=True))
    assert world.product.writes() == []

    # more than a fifth at once is held; nothing is marked before a person approved it
    for contact in contacts[1:4]:
        world.teamleader.delete("contacts", contact)
    assert world.sync(full=True).exit_code == ExitCode.HELD
    assert world.product.writes() == []
    assert world.sync().exit_code == ExitCode.HELD, "still held: nobody looked at it"
    assert done(world.approve(digest(world)))
    assert {world.held("contacts", c)["teamleader_status"] for c in contacts[1:4]} == {"deleted"}
    assert done(world.sync())
    assert world.product.writes() == []


def test_limits_of_a_linked_portal(make: Make) -> None:
    limits = {"CREATES_MINIMUM": "2", "UPDATES_MINIMUM": "2", "UPDATES_SHARE": "0.2"}
    environment: dict[str, Any] = {f"TL_HUBSPOT_GUARDS__{name}": value for name, value in limits.items()}
    world = story(make, **environment)
    first = [world.contact(f"a{n}@voorbeeld.be") for n in range(4)]
    company = world.company("Firma BV", website="https://firma.be")
    world.teamleader.link(first[0], company)

    # --only contacts: the others stay as they are, and come with the next run
    assert done(world.sync(only=("contact",)))
    assert world.portal.count("contacts") == 4 and world.portal.count("companies") == 0
    assert world.product.read("select distinct entity_type from sync.outcomes")["entity_type"].to_list() == ["contact"]
    assert done(world.sync())
    assert world.portal.count("companies") == 1
    assert world.id_of("companies", company) in world.related("contacts", first[0], "companies")

    second = [world.contact(f"b{n}@voorbeeld.be", changed=world.now) for n in range(3)]
    planned = world.plan()
    assert planned["held"] and world.product.writes() == []
    assert {c["action"] for c in planned["changes"]} == {"create", "marketing"}
    held = world.sync(minutes=1)
    assert held.exit_code == ExitCode.HELD
    assert held.run["digest"] == planned["digest"]
    assert {world.outcome("contact", c) for c in second} == {("held", "guard")}
    assert {world.outcome("contact", c)[0] for c in first} == {"unchanged"}
    # Teamleader changes before anybody approved: that plan is not this one any more
    world.edit("contacts", second[0], last_name="Veranderd")
    held = world.sync()
    assert held.exit_code == ExitCode.HELD and held.run["digest"] != planned["digest"]
    with pytest.raises(ConfigurationError):
        world.approve(planned["digest"])
    assert world.product.writes() == []
    assert done(world.approve(held.run["digest"]))
    assert world.held("contacts", second[0])["lastname"] == "Veranderd"

    for contact in first[:3]:
        world.edit("contacts", contact, last_name="Anders")
    held = world.sync()
    assert held.exit_code == ExitCode.HELD
    assert done(world.approve(held.run["digest"]))
    assert world.held("contacts", first[0])["lastname"] == "Anders"
    planned = world.plan()
    assert planned["changes"] == [] and not planned["held"]
    assert world.product.writes() == []


def test_a_second_installation_adopts_everything(make: Make) -> None:
    world = story(make)
    person = world.contact("werk@voorbeeld.be", telephones=[("phone", "+32 9 225 50 01")])
    leaver = world.contact("weg@voorbeeld.be", consent=False)
    company = world.company("Firma BV", website="https://firma.be")
    world.teamleader.link(person, company)
    deal = world.deal("Plan", ("contact", person))
    assert done(world.sync())
    counts = [world.portal.count(kind) for kind in ("contacts", "companies", "deals")]
    again = second_installation(world)
    assert done(again.sync())
    assert again.product.writes() == []
    assert [world.portal.count(kind) for kind in ("contacts", "companies", "deals")] == counts
    for entity, record in (("contact", person), ("contact", leaver), ("company", company), ("deal", deal)):
        assert again.outcome(entity, record)[0] == "unchanged"
    # and both go on: what a person edited in HubSpot meanwhile is not overwritten by the newcomer's first push
    again.edit("contacts", person, last_name="Samen")
    assert done(again.sync())
    assert again.held("contacts", person)["lastname"] == "Samen"
    assert done(world.sync())
    assert world.product.writes() == []
