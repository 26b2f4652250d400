"""Companies over several runs: groups that change their winner, that join later, and candidates that compete."""

from __future__ import annotations

import pytest

from tl_hubspot.sandbox.worlds.fakes import belgian_vat
from tl_hubspot_tests.e2e.builders import done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("looked_at", "stays_open")

FIRST, SECOND, THIRD = (f"BE{belgian_vat(number)}" for number in (901, 902, 903))


def test_groups_change(make: Make) -> None:
    world = story(make)
    person = world.contact("werk@voorbeeld.be")
    older = world.company("Groep Noord", vat_number=FIRST, changed=world.ago(days=60))
    newer = world.company("Groep Noord NV", vat_number=FIRST, changed=world.ago(days=20))
    bare = world.company("Later Bekend", changed=world.ago(days=90))
    late = world.company("Later Bekend Holding", vat_number=SECOND, changed=world.ago(days=10))
    split = world.company("Samen Uit", website="https://samenuit.be", changed=world.ago(days=90))
    apart = world.company("Samen Thuis", website="https://samenuit.be", changed=world.ago(days=10))
    for company in (older, newer, bare, late, split, apart):
        world.teamleader.link(person, company)
    twins = [world.portal.create("companies", {"name": "Tweeling", "domain": "tweeling.be"})["id"] for _ in range(2)]
    twin = world.company("Tweeling", website="https://www.tweeling.be")
    world.teamleader.link(person, twin)
    lonely = world.company("Niemand BV")
    deal = world.deal("Werf", ("company", older), contact_person=person)

    assert done(world.sync())
    assert world.outcome("company", older) == ("skipped", "duplicate_company")
    assert world.outcome("company", newer) == ("created", "eligible_contact")
    assert world.outcome("company", bare)[0] == world.outcome("company", late)[0] == "created"
    assert world.outcome("company", split) == ("skipped", "duplicate_company")
    assert world.outcome("company", lonely) == ("skipped", "no_eligible_contact")
    assert world.id_of("companies", twin) == min(twins, key=int)
    assert ("ambiguous_company_match", twin) in world.notices()
    group = world.id_of("companies", newer)
    assert list(world.related("deals", deal, "companies")) == [group], "the deal of a loser goes to the winner"
    alone = world.id_of("companies", apart)
    joined = {c: world.id_of("companies", c) for c in (bare, late)}

    # another winner, a VAT number that joins two companies that are both in HubSpot, one that separates a group
    count = world.portal.count("companies")
    world.edit("companies", older, website="https://noord.be")
    world.edit("companies", bare, vat_number=SECOND)
    world.edit("companies", split, vat_number=THIRD)
    world.edit("companies", apart, vat_number=FIRST, name="Groep Noord Zuid")
    assert done(world.sync())
    # older and apart changed at the same time; the group keeps its one record whoever wins
    decisions = {c: world.decision("companies", c) for c in (older, newer, apart)}
    (winner,) = (c for c, row in decisions.items() if row["status"] == "sync")
    assert {row["duplicate_of"] for row in decisions.values()} == {None, winner}
    assert world.outcome("company", winner) == ("updated", "eligible_contact")
    assert world.id_of("companies", winner) in (group, alone)
    assert world.outcome("company", split)[0] in ("created", "updated")
    # the joined pair: the winner keeps its own record; the other's record is marked, not erased and not created again
    assert world.outcome("company", bare) == ("updated", "eligible_contact")
    assert world.outcome("company", late)[1] == "duplicate_company"
    assert world.id_of("companies", bare) == joined[bare]
    assert world.portal.get("companies", joined[late])["properties"]["teamleader_status"] == "out_of_scope"
    assert world.portal.count("companies") <= count + 1
    assert done(world.sync())
    assert world.product.writes() == []


def test_the_record_stays_with_the_group(make: Make) -> None:
    world = story(make)
    person = world.contact("werk@voorbeeld.be")
    first = world.company("Groep Noord", vat_number=FIRST, changed=world.ago(days=20), website="https://noord.be")
    second = world.company("Groep Noord NV", vat_number=FIRST, changed=world.ago(days=60))
    world.teamleader.link(person, first)
    deal = world.deal("Werf", ("company", first), contact_person=person)
    assert done(world.sync())
    record = world.id_of("companies", first)
    world.portal.patch("companies", record, {"city": "Gent", "phone": "+32 9 000 00 00"})

    world.edit("companies", second, name="Groep Noord Groep")
    assert done(world.sync())
    assert world.outcome("company", first) == ("skipped", "duplicate_company")
    assert world.outcome("company", second) == ("updated", "eligible_contact")
    values = world.held("companies", second)
    assert world.id_of("companies", second) == record
    assert (values["name"], values["city"], values["teamleader_status"]) == ("Groep Noord Groep", "Gent", "active")
    assert world.portal.count("companies") == 1
    assert list(world.related("deals", deal, "companies")) == [record]
    assert list(world.related("contacts", person, "companies")) == [record]
    assert done(world.sync())
    assert world.product.writes() == []

    # the winner is deleted in Teamleader: the group goes on with the other one
    world.teamleader.delete("companies", second)
    assert world.sync(full=True).exit_code in (0, 3)
    if world.outcome("company", first)[0] == "held":  # one of two companies vanished: more than 20 %
        digest = world.product.read("select digest from sync.runs order by started_at desc limit 1").item()
        assert done(world.approve(digest))
    assert world.id_of("companies", first) == record
    assert world.held("companies", first)["teamleader_status"] == "active"
    assert world.portal.count("companies") == 1
    assert done(world.sync())
    assert world.product.writes() == []
