"""Both flows together: a contact from Teamleader goes on to Crmoffice, and nobody's edit travels in circles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.sandbox.worlds import reference
from tl_hubspot_tests.e2e.builders import NO_PACING, START, Story
from tl_hubspot_tests.e2e.conftest import Product
from tl_hubspot_tests.two_way_engine.installation import Installation


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Story, Installation]]:
    """The story of the flow from Teamleader, and the two-way flow on the same data folder."""
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False, crmoffice="") as systems:
        for kind, records in reference.TEAMLEADER.items():
            systems.teamleader.load(kind, [dict(r) for r in records])
        systems.hubspot.load_owners(dict(o) for o in reference.OWNERS)
        systems.clock.set(START)
        story = Story(Product(systems, tmp_path, dict(NO_PACING)))
        one = Installation(systems, tmp_path, dict(NO_PACING))
        yield story, one


def test_an_edit_in_crmoffice_of_a_field_of_teamleader_does_not_ping_pong(both: tuple[Story, Installation]) -> None:
    story, one = both
    contact = story.contact("an@example.com", telephones=[("mobile", "+32 470 12 34 56"), ("phone", "+32 2 555 11 22")])
    assert story.sync().exit_code == 0
    one.cycle()
    [crm] = list(one.crmoffice.all())
    record = story.id_of("contacts", contact)
    assert one.crm(crm["id"]) == one.hubspot(record)

    one.edit("b", crm["id"], phone="+32 2 999 88 77")
    for _ in range(2):
        one.cycle()
        story.sync()
        assert one.hubspot(record)["phone"] == one.crm(crm["id"])["phone"] == "+32 2 999 88 77"
    one.forget()
    one.cycle()
    story.sync()
    assert one.written() == [] and one.made() == 0 and story.product.writes() == []

    story.edit("contacts", contact, telephones=[{"type": "phone", "number": "+32 2 444 33 22"}])
    story.sync()
    one.cycle()
    assert "4443322" in one.hubspot(record)["phone"].replace(" ", "")
    assert one.crm(crm["id"])["phone"] == one.hubspot(record)["phone"]


def test_where_both_changed_teamleader_wins_whatever_the_policy(both: tuple[Story, Installation]) -> None:
    story, one = both
    one.flows(lambda text: text.replace("policy: newest", "policy: prefer_b"))
    contact = story.contact("an@example.com", telephones=[("phone", "+32 2 555 11 22")])
    story.sync()
    one.cycle()
    [crm] = list(one.crmoffice.all())
    record = story.id_of("contacts", contact)
    story.edit("contacts", contact, telephones=[{"type": "phone", "number": "+32 2 444 33 22"}])
    story.sync()
    one.edit("b", crm["id"], phone="+32 2 999 88 77", firstname="Anna")
    one.edit("a", record, firstname="Anne")
    one.cycle()
    assert one.crm(crm["id"])["phone"] == one.hubspot(record)["phone"] != "+32 2 999 88 77"
    assert one.crm(crm["id"])["firstname"] == one.hubspot(record)["firstname"] == "Anna", "a person's edit has no owner"
    losers = one.read("select field, losing_side, losing_value from two_way.conflicts order by all").rows()
    assert losers == [("firstname", "a", "Anne"), ("phone", "b", "+32 2 999 88 77")]
