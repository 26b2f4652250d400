"""What a full read makes of records that are not there any more: hidden is not gone, and many at once are held."""

from __future__ import annotations

import pytest

from tl_hubspot.errors import ExitCode
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.e2e.builders import Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")

PEOPLE = 10


@pytest.fixture
def world(make: Make) -> Story:
    """Ten contacts with a company and a deal each, all in HubSpot."""
    world = story(make)
    for number in range(PEOPLE):
        contact = world.contact(f"persoon{number}@voorbeeld{number}.be")
        company = world.company(f"Firma {number} BV", website=f"https://firma{number}.be")
        world.teamleader.link(contact, company)
        world.deal(f"Deal {number}", ("contact", contact))
    assert done(world.sync())
    return world


def ids(world: Story, kind: str) -> list[str]:
    return sorted(world.product.read(f"select id from teamleader.{kind} where deleted_at is null")["id"])


def marked(world: Story) -> int:
    """HubSpot records that say that Teamleader deleted them."""
    records = [r for kind in ("contacts", "companies", "deals") for r in world.portal.all(kind)]
    return sum(r["properties"].get("teamleader_status") == "deleted" for r in records)


def test_hidden_is_not_gone_and_a_fifth_may_be_gone(world: Story) -> None:
    everyone = ids(world, "contacts")
    for contact in everyone[:2]:
        world.teamleader.delete("contacts", contact)
    world.teamleader.faults.add(Fault("status", r"contacts\.info", status=403, times=None))
    assert done(world.sync(full=True))
    assert ids(world, "contacts") == everyone, "a permission that was taken away deletes nothing"
    assert world.product.writes() == []
    world.teamleader.faults.clear()
    assert done(world.sync(full=True)), "two of ten is the limit, not over it"
    assert ids(world, "contacts") == everyone[2:]
    assert marked(world) == 2


def test_more_than_a_fifth_is_held_until_a_person_approved_it(world: Story) -> None:
    for deal in ids(world, "deals")[:3]:
        world.teamleader.delete("deals", deal)
    assert done(world.sync(full=True, only=("contact",))), "contacts are all there"
    assert marked(world) == 0
    # a push of contacts alone is none of deals: nobody has approved that three of ten go
    held = world.sync()
    assert held.exit_code == ExitCode.HELD
    assert world.product.writes() == []
    assert done(world.approve(held.run["digest"]))
    assert marked(world) == 3
    for deal in ids(world, "deals"):
        world.teamleader.delete("deals", deal)
    everything = world.sync(full=True)
    assert everything.exit_code == ExitCode.HELD
    assert marked(world) == 3
    assert done(world.approve(everything.run["digest"]))
    assert marked(world) == PEOPLE
    assert done(world.sync()), "with no deal left there is nothing that could vanish"
    assert world.product.writes() == []
