"""Contacts over the years: what counts as a change, and what happens when a linked record becomes too old."""

from __future__ import annotations

import pytest

from tl_hubspot_tests.e2e.builders import YEAR, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")

DAYS = 24 * 60


def test_contacts_change_age_and_come_back(make: Make) -> None:
    world = story(make)
    three_years = world.ago(years=3)
    company = world.company("Bakkerij Molenaar", website="https://molenaar.be")
    bumped = world.contact("bumped@voorbeeld.be", changed=three_years)
    edited = world.contact("edited@voorbeeld.be", changed=three_years)
    joins = world.contact("joins@voorbeeld.be", changed=three_years)
    leaves = world.contact("leaves@voorbeeld.be", changed=three_years)
    returns = world.contact("returns@voorbeeld.be", changed=world.ago(years=6))
    future = world.contact("future@voorbeeld.be", changed=world.ago(days=-40))
    world.teamleader.link(leaves, company)

    assert done(world.sync())
    old = ("created", "changed_2_to_5_years")
    assert [world.outcome("contact", c) for c in (bumped, edited, joins, leaves)] == [old] * 4
    assert world.outcome("contact", returns) == ("skipped", "too_old")
    assert world.outcome("contact", future) == ("created", "changed_within_2_years")
    assert ("future_date", future) in world.notices()
    assert world.held("contacts", edited)["teamleader_marketing"] == "false"
    assert world.held("contacts", edited).get("hs_marketable_status") != "true"

    # updated_at moves although nobody changed anything; links do not move it at all
    world.edit("contacts", bumped)
    world.edit("contacts", edited, last_name="Janssens")
    world.teamleader.link(joins, company)
    world.teamleader.unlink(leaves, company)
    world.teamleader.link(returns, company)
    before = world.held("contacts", bumped)
    assert done(world.sync())
    assert world.product.read("select is_full from sync.runs order by started_at desc limit 1").item() is False
    assert world.outcome("contact", bumped) == ("unchanged", "changed_2_to_5_years")
    assert world.held("contacts", bumped) == before
    assert world.held("contacts", edited)["lastname"] == "Janssens"
    for contact in (edited, joins, leaves):
        assert world.outcome("contact", contact) == ("updated", "changed_within_2_years")
        assert world.held("contacts", contact)["teamleader_marketing"] == "true"
        assert world.held("contacts", contact)["hs_marketable_status"] == "true"
    assert world.outcome("contact", returns) == ("created", "changed_within_2_years")
    company_id = world.id_of("companies", company)
    assert company_id in world.related("contacts", joins, "companies")
    assert company_id in world.related("contacts", returns, "companies")
    assert company_id in world.related("contacts", leaves, "companies"), "kept and reported"
    assert ("stale_relation", f"{leaves}>{company}") in world.notices()

    assert done(world.sync())
    assert world.product.writes() == []

    # three years on: what was edited becomes non-marketing, what was three years old leaves
    world.portal.patch("contacts", world.id_of("contacts", bumped), {"city": "Brugge"})
    assert done(world.sync(minutes=3 * 365 * DAYS))
    assert world.outcome("contact", bumped) == ("updated", "too_old")
    sent = [
        i["properties"] for i in world.written("/contacts/batch/update") if i["id"] == world.id_of("contacts", bumped)
    ]
    assert sent == [{"teamleader_status": "out_of_scope"}], "marketing was false before, nothing else is written"
    assert world.held("contacts", bumped)["city"] == "Brugge"
    assert world.outcome("contact", edited) == ("updated", "changed_2_to_5_years")
    assert world.held("contacts", edited)["teamleader_marketing"] == "false"
    assert world.held("contacts", edited)["teamleader_status"] == "active"
    assert ("marketing_needs_person", edited) in world.notices()
    # the company lost no eligible contact: those of the link changes are 3 years old
    assert world.outcome("company", company)[1] == "eligible_contact"

    # a record out of scope gets nothing but its mark, once; an edit brings it back
    world.edit("contacts", bumped, first_name="Mieke")
    assert done(world.sync())
    assert world.outcome("contact", bumped) == ("updated", "changed_within_2_years")
    values = world.held("contacts", bumped)
    assert (values["firstname"], values["teamleader_status"], values["teamleader_marketing"]) == (
        "Mieke",
        "active",
        "true",
    )
    assert values["city"] == "Brugge"
    assert done(world.sync())
    assert world.product.writes() == []


def test_marketing_status_is_asked_once(make: Make) -> None:
    world = story(make)
    asked = world.contact("asked@voorbeeld.be")
    stays = world.contact("stays@voorbeeld.be", changed=world.ago(years=2) + YEAR / 365)
    assert done(world.sync())
    assert world.held("contacts", asked)["hs_marketable_status"] == "true"
    assert len([w for w in world.product.writes() if "/imports" in w["path"]]) == 1

    # a person sets it back by hand: reported, never asked again
    world.portal.set_marketable(world.id_of("contacts", asked), False)
    world.portal.marketing_update_day()
    world.edit("contacts", asked, last_name="Anders")
    assert done(world.sync())
    assert ("marketing_not_confirmed", asked) in world.notices()
    assert not [w for w in world.product.writes() if "imports" in w["path"]]
    assert world.held("contacts", asked).get("hs_marketable_status") != "true"
    assert world.held("contacts", asked)["teamleader_marketing"] == "true"

    # from marketing to non-marketing: the property, a notice, no failure
    assert done(world.sync(minutes=3 * DAYS))
    assert world.outcome("contact", stays) == ("updated", "changed_2_to_5_years")
    assert world.held("contacts", stays)["hs_marketable_status"] == "true"
    assert ("marketing_needs_person", stays) in world.notices()


def test_property_only_asks_nothing(make: Make) -> None:
    world = story(make, TL_HUBSPOT_MARKETING__METHOD="property_only")
    contact = world.contact("stil@voorbeeld.be")
    assert done(world.sync())
    assert world.held("contacts", contact)["teamleader_marketing"] == "true"
    assert world.held("contacts", contact).get("hs_marketable_status") != "true"
    assert not [w for w in world.product.writes() if "imports" in w["path"]]
