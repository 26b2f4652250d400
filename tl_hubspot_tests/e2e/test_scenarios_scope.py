"""Records that leave and come back: without address, deactivated, both linked and now duplicates, merged."""

from __future__ import annotations

import pytest

from tl_hubspot_tests.e2e.builders import done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("looked_at", "stays_open")


def test_linked_records_leave_and_come_back(make: Make) -> None:
    world = story(make)
    nameless = world.contact("zonder@voorbeeld.be")
    invalid = world.contact("fout@voorbeeld.be")
    retired = world.contact("gestopt@voorbeeld.be")
    never = world.contact("nooit@voorbeeld.be", status="deactivated")
    buyer, other = world.contact("koper@voorbeeld.be"), world.contact("ander@voorbeeld.be")
    silent = world.contact("stil@voorbeeld.be")
    company = world.company("Enkel BV", website="https://enkel.be")
    world.teamleader.link(nameless, company)
    deal = world.deal("Plan", ("contact", buyer))
    theirs = world.deal("Ander plan", ("contact", nameless))
    assert done(world.sync())
    assert world.outcome("contact", never) == ("skipped", "deactivated")

    world.edit("contacts", nameless, emails=[], first_name="Weg")
    world.mail(invalid, "geen adres")
    world.edit("contacts", retired, status="deactivated")
    world.edit("deals", deal, lead={"customer": {"type": "contact", "id": other}, "contact_person": None})
    world.teamleader.silent_update("contacts", silent, first_name="Stilletjes")
    assert done(world.sync())
    assert world.outcome("contact", nameless) == ("updated", "no_email")
    assert world.outcome("contact", invalid) == ("updated", "invalid_email")
    for contact in (nameless, invalid):
        values = world.held("contacts", contact)
        assert (values["teamleader_status"], values["teamleader_marketing"]) == ("out_of_scope", "false")
    assert world.held("contacts", nameless)["firstname"] != "Weg"
    assert world.addresses(nameless) == ("zonder@voorbeeld.be", set())
    assert world.outcome("contact", retired) == ("updated", "deactivated")
    assert world.held("contacts", retired)["teamleader_status"] == "deactivated"
    assert world.outcome("company", company) == ("updated", "no_eligible_contact")
    assert world.held("companies", company)["teamleader_status"] == "out_of_scope"
    assert world.outcome("deal", theirs) == ("updated", "contact_not_eligible")
    assert world.held("deals", theirs)["teamleader_status"] == "out_of_scope"
    # a new link is written, the stale one is kept and reported
    assert set(world.related("deals", deal, "contacts")) == {world.id_of("contacts", c) for c in (buyer, other)}
    assert ("stale_relation", f"{deal}>{buyer}") in world.notices()
    assert world.held("contacts", silent)["firstname"] != "Stilletjes", "no sign of it without a full read"

    # the marks are written once; a day later everything is read again and the silent change is found
    assert done(world.sync(minutes=25 * 60))
    assert {i["id"] for i in world.written("/batch/update")} == {world.id_of("contacts", silent)}
    assert world.held("contacts", silent)["firstname"] == "Stilletjes"

    world.mail(nameless, "terug@voorbeeld.be")
    world.edit("contacts", retired, status="active")
    assert done(world.sync())
    assert world.addresses(nameless) == ("terug@voorbeeld.be", {"zonder@voorbeeld.be"})
    assert world.held("contacts", nameless)["firstname"] == "Weg"
    for kind, record in (("contacts", nameless), ("contacts", retired), ("companies", company)):
        assert world.held(kind, record)["teamleader_status"] == "active"
    assert world.held("deals", theirs)["teamleader_status"] == "open"
    assert done(world.sync())
    assert world.product.writes() == []


def test_two_linked_contacts_get_the_same_address(make: Make) -> None:
    world = story(make)
    first, second = world.contact("een@voorbeeld.be"), world.contact("twee@voorbeeld.be")
    assert done(world.sync())
    ids = [world.id_of("contacts", c) for c in (first, second)]
    world.mail(second, "een@voorbeeld.be")
    assert done(world.sync())
    assert world.outcome("contact", first) == ("updated", "duplicate_email")
    assert world.held("contacts", first)["teamleader_status"] == "out_of_scope"
    assert world.addresses(second) == ("twee@voorbeeld.be", set())
    assert ("email_taken", second) in world.notices()
    assert done(world.sync())
    assert world.product.writes() == []
    # a person merges the two records, as the report asks for
    survivor = world.portal.merge("contacts", ids[0], ids[1])
    assert done(world.sync())
    record = world.portal.get("contacts", survivor)["properties"]
    assert record["teamleader_id"] == second
    assert (record["teamleader_status"], record["teamleader_marketing"]) == ("active", "true")
    assert "een@voorbeeld.be" in (record["email"], *record.get("hs_additional_emails", "").split(";"))
    assert not [n for n in world.notices() if n[0] == "email_taken"]
    assert done(world.sync())
    assert world.product.writes() == []
    assert world.portal.count("contacts") == 1


def test_records_merged_in_teamleader_keep_their_hubspot_record(make: Make) -> None:
    world = story(make)
    crowd = [world.contact(f"c{n}@voorbeeld.be") for n in range(8)]
    gone = world.contact("samen@voorbeeld.be", last_name="Peeters", telephones=[("phone", "+32 9 225 50 01")])
    assert done(world.sync())
    record = world.id_of("contacts", gone)
    world.teamleader.delete("contacts", gone)
    stays = world.contact("samen@voorbeeld.be", last_name="Peeters-Maes", changed=world.now)
    # before the deletion is seen the two are duplicates of each other, afterwards one is gone: one record all along
    assert done(world.sync())
    assert world.id_of("contacts", stays) == record
    assert done(world.sync(full=True))
    values = world.held("contacts", stays)
    assert (values["lastname"], values["teamleader_status"]) == ("Peeters-Maes", "active")
    assert world.portal.count("contacts") == len(crowd) + 1
    assert done(world.sync(full=True))
    assert world.product.writes() == []

    # found gone in the very run in which the other one appears
    world.teamleader.delete("contacts", stays)
    third = world.contact("samen@voorbeeld.be", last_name="Maes", changed=world.now)
    assert done(world.sync(full=True))
    assert world.outcome("contact", third) == ("updated", "changed_within_2_years")
    assert world.id_of("contacts", third) == record
    assert world.held("contacts", third)["teamleader_status"] == "active"
    assert done(world.sync(full=True))
    assert world.product.writes() == []
