"""Which HubSpot contact is whose, and what becomes of addresses when they change, move, swap or are merged away."""

from __future__ import annotations

import pytest

from tl_hubspot.sandbox.worlds import reference
from tl_hubspot_tests.e2e.builders import done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("looked_at", "stays_open")


def test_first_match(make: Make) -> None:
    world = story(make)
    world.portal.define_property("contacts", **reference.hubspot_property("contacts", "teamleader_id"))
    filled = world.person_has("gevuld@voorbeeld.be", firstname="Oud", phone="+32 2 555 01 01", city="Gent")
    both = world.person_has("hoofd@voorbeeld.be", "tweede@voorbeeld.be")
    gone = world.person_has("weg@voorbeeld.be")
    world.portal.archive("contacts", gone)
    match = world.contact("gevuld@voorbeeld.be", first_name="Nieuw", last_name="Naam")
    winner = world.contact("hoofd@voorbeeld.be")
    second = world.contact("tweede@voorbeeld.be")
    fresh = world.contact("weg@voorbeeld.be")
    known = world.contact("teamleader@voorbeeld.be")
    carries = world.person_has("gekozen@voorbeeld.be", teamleader_id=known)
    deleted = world.contact("verwijderd@voorbeeld.be")
    world.portal.archive("contacts", world.person_has("verwijderd@voorbeeld.be", teamleader_id=deleted))
    stranger = world.person_has("vreemd@voorbeeld.be", teamleader_id="0000-not-in-teamleader")

    assert done(world.sync())
    values = world.held("contacts", match)
    assert world.id_of("contacts", match) == filled
    assert (values["firstname"], values["phone"], values["city"]) == ("Nieuw", "+32 2 555 01 01", "Gent")
    assert world.id_of("contacts", winner) == both
    assert world.outcome("contact", second) == ("held", "claimed_by_other")
    assert world.outcome("contact", fresh) == ("created", "changed_within_2_years")
    assert world.id_of("contacts", known) == carries
    assert world.addresses(known) == ("gekozen@voorbeeld.be", {"teamleader@voorbeeld.be"})
    assert world.outcome("contact", deleted) == ("held", "deleted_in_hubspot")
    assert "unknown_teamleader_id" in {code for code, _ in world.notices()}
    assert "lastname" not in world.portal.get("contacts", stranger)["properties"]
    assert set(world.logged("hold")) == {second, deleted}

    assert done(world.sync())
    assert world.product.writes() == []
    world.release("contact", deleted)
    assert done(world.sync())
    assert world.outcome("contact", deleted) == ("created", "changed_within_2_years")
    assert world.held("contacts", deleted)["email"] == "verwijderd@voorbeeld.be"
    assert done(world.sync())
    assert world.product.writes() == []


def test_addresses_change_and_move(make: Make) -> None:
    world = story(make)
    # HubSpot may keep a replaced primary as a secondary address: also where another contact needs it
    world.portal.set_switches(old_primary_on_email_change="kept")
    world.person_has("p2@voorbeeld.be", "s2@voorbeeld.be")
    simple = world.contact("een@voorbeeld.be")
    second = world.contact("s2@voorbeeld.be")
    chosen = world.contact("drie@voorbeeld.be")
    gives = world.contact("x@voorbeeld.be")
    chain = world.contact("keten@voorbeeld.be")
    left, right = world.contact("links@voorbeeld.be"), world.contact("rechts@voorbeeld.be")
    taken = world.contact("acht@voorbeeld.be")
    assert done(world.sync())
    assert world.addresses(second) == ("p2@voorbeeld.be", {"s2@voorbeeld.be"})

    other = world.person_has("bezet@voorbeeld.be")
    world.portal.patch("contacts", world.id_of("contacts", chosen), {"email": "persoon@voorbeeld.be"})
    world.portal.patch("contacts", world.id_of("contacts", chosen), {"hs_additional_emails": ""})
    world.mail(simple, "nieuw@voorbeeld.be")
    world.mail(second, "s2nieuw@voorbeeld.be")
    world.mail(gives, "y@voorbeeld.be")
    takes = world.contact("x@voorbeeld.be", changed=world.now)
    world.mail(chain, "ketting@voorbeeld.be")
    world.mail(left, "rechts@voorbeeld.be")
    world.mail(right, "links@voorbeeld.be")
    world.edit("contacts", taken, last_name="Verhuisd", emails=[{"type": "primary", "email": "bezet@voorbeeld.be"}])
    assert done(world.sync())

    assert world.addresses(simple) == ("nieuw@voorbeeld.be", {"een@voorbeeld.be"})
    assert world.addresses(second) == ("p2@voorbeeld.be", {"s2nieuw@voorbeeld.be"})
    assert world.addresses(chosen) == ("persoon@voorbeeld.be", {"drie@voorbeeld.be"})
    assert world.addresses(gives) == ("y@voorbeeld.be", set())
    assert world.addresses(takes) == ("x@voorbeeld.be", set())
    assert world.outcome("contact", takes)[0] == "created"
    assert world.addresses(left) == ("rechts@voorbeeld.be", set())
    assert world.addresses(right) == ("links@voorbeeld.be", set())
    assert world.addresses(taken) == ("acht@voorbeeld.be", set())
    assert world.held("contacts", taken)["lastname"] == "Verhuisd"
    assert ("email_taken", taken) in world.notices()
    assert "teamleader_id" not in world.portal.get("contacts", other)["properties"]

    # reported again, written never; a primary that a person chose stays when Teamleader's address changes
    world.mail(chosen, "vier@voorbeeld.be")
    assert done(world.sync())
    assert world.addresses(chosen) == ("persoon@voorbeeld.be", {"vier@voorbeeld.be"})
    assert ("email_taken", taken) in world.notices()
    assert [i["id"] for i in world.written("/contacts/batch/update")] == [world.id_of("contacts", chosen)]

    # the other record lets the address go: now it goes over
    world.portal.patch("contacts", other, {"email": "vrij@voorbeeld.be"})
    world.portal.patch("contacts", other, {"hs_additional_emails": ""})
    assert done(world.sync())
    assert world.addresses(taken) == ("bezet@voorbeeld.be", {"acht@voorbeeld.be"})
    assert done(world.sync())
    assert world.product.writes() == []


@pytest.mark.parametrize("changes_id", [False, True])
def test_merges_in_hubspot_are_followed(make: Make, changes_id: bool) -> None:
    world = story(make)
    world.portal.set_switches(merge_changes_id=changes_id)
    away = world.contact("weg@voorbeeld.be")
    stays = world.contact("blijft@voorbeeld.be")
    one, two = world.contact("een@voorbeeld.be"), world.contact("twee@voorbeeld.be")
    old_one = world.contact("oud1@voorbeeld.be", changed=world.ago(years=4.9))
    old_two = world.contact("oud2@voorbeeld.be", changed=world.ago(years=4.9))
    assert done(world.sync())
    main = world.person_has("hoofd@voorbeeld.be", city="Gent")
    ids = {c: world.id_of("contacts", c) for c in (away, stays, one, two, old_one, old_two)}
    survivor = world.portal.merge("contacts", main, ids[away])
    kept = world.portal.merge("contacts", ids[stays], world.person_has("dubbel@voorbeeld.be"))
    # the records of two Teamleader contacts become one: the first keeps it, the other is held
    joint = world.portal.merge("contacts", ids[one], ids[two])
    world.portal.merge("contacts", ids[old_one], ids[old_two])
    count = world.portal.count("contacts")
    for contact in (away, stays, one, two):
        world.edit("contacts", contact, last_name="Gevolgd")
    assert done(world.sync())
    links = dict(world.product.read("select teamleader_id, hubspot_id from sync.links").iter_rows())
    assert (links[away], links[stays], links[one]) == (survivor, kept, joint)
    for record in (survivor, kept, joint):
        assert world.portal.get("contacts", record)["properties"]["lastname"] == "Gevolgd"
    assert world.portal.get("contacts", survivor)["properties"]["email"] == "hoofd@voorbeeld.be"
    assert sorted([world.outcome("contact", one), world.outcome("contact", two)]) == [
        ("held", "claimed_by_other"),
        ("updated", "changed_within_2_years"),
    ]
    assert world.portal.count("contacts") == count, "nothing is created again"
    assert done(world.sync())
    assert world.product.writes() == []

    # two years on the merged pair falls out of scope: one update of the one record
    assert done(world.sync(minutes=365 * 24 * 60))
    marked = [i for i in world.written("/contacts/batch/update") if i["id"] == links[old_one]]
    assert len(marked) == 1 and marked[0]["properties"]["teamleader_status"] == "out_of_scope"
    assert done(world.sync())
    assert world.product.writes() == []


def test_the_winner_of_duplicates_takes_the_record_over(make: Make) -> None:
    world = story(make)
    company = world.company("Samen NV", website="https://samen.be")
    first = world.contact("samen@voorbeeld.be", telephones=[("phone", "+32 9 225 50 01")])
    world.teamleader.link(first, company)
    deal = world.deal("Offerte", ("contact", first))
    assert done(world.sync())
    record = world.id_of("contacts", first)
    assert world.held("contacts", first)["phone"] == "+3292255001"

    second = world.contact("samen@voorbeeld.be", changed=world.now, telephones=[("phone", "+32 9 225 50 01")])
    assert done(world.sync())
    assert world.outcome("contact", first) == ("skipped", "duplicate_email")
    assert world.outcome("contact", second) == ("updated", "changed_within_2_years")
    assert world.id_of("contacts", second) == record
    assert world.product.hubspot("contacts", first) is None
    assert world.id_of("companies", company) in world.related("contacts", second, "companies")
    assert record in world.related("deals", deal, "contacts")
    assert done(world.sync())
    assert world.product.writes() == []

    # what the sync wrote in the name of the first is cleared in the name of the second
    world.edit("contacts", second, telephones=[])
    assert done(world.sync())
    assert "phone" not in world.held("contacts", second)

    # and back again
    world.edit("contacts", first, last_name="Terug")
    assert done(world.sync())
    assert world.outcome("contact", second) == ("skipped", "duplicate_email")
    assert world.id_of("contacts", first) == record
    assert world.held("contacts", first)["lastname"] == "Terug"
    assert world.portal.count("contacts") == 1
    assert done(world.sync())
    assert world.product.writes() == []


def test_an_archived_record_is_held_until_it_is_released(make: Make) -> None:
    world = story(make)
    contact = world.contact("a@voorbeeld.be")
    company = world.company("Firma BV", website="https://firma.be")
    world.teamleader.link(contact, company)
    deal = world.deal("Plan", ("contact", contact))
    assert done(world.sync())
    record = {
        kind: world.id_of(kind, t) for kind, t in (("contacts", contact), ("companies", company), ("deals", deal))
    }
    for kind, hubspot_id in record.items():
        world.portal.archive(kind, hubspot_id)
    world.edit("contacts", contact, last_name="Anders")
    assert done(world.sync())
    names = {"contacts": ("contact", contact), "companies": ("company", company), "deals": ("deal", deal)}
    for entity, teamleader_id in names.values():
        assert world.outcome(entity, teamleader_id) == ("held", "deleted_in_hubspot")
    assert world.product.writes() == []
    for entity, teamleader_id in names.values():
        world.release(entity, teamleader_id)
    assert done(world.sync())
    for kind, (entity, teamleader_id) in names.items():
        assert world.outcome(entity, teamleader_id)[0] == "created"
        assert world.id_of(kind, teamleader_id) != record[kind]
    assert world.held("contacts", contact)["lastname"] == "Anders"
    assert world.id_of("companies", company) in world.related("contacts", contact, "companies")
    assert world.id_of("contacts", contact) in world.related("deals", deal, "contacts")
    assert done(world.sync())
    assert world.product.writes() == []
    # a release is used up: archived once more, held once more
    world.portal.archive("contacts", world.id_of("contacts", contact))
    assert done(world.sync())
    assert world.outcome("contact", contact) == ("held", "deleted_in_hubspot")
