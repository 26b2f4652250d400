"""Who is who over several runs: erased and archived people stay away, and every claim that loses says why."""

from __future__ import annotations

import json
import os

import pytest

from tl_hubspot.errors import ConfigurationError, ExitCode
from tl_hubspot.orchestration import tombstones
from tl_hubspot.sandbox.worlds import reference
from tl_hubspot_tests.e2e.builders import Story, done, second_installation, story
from tl_hubspot_tests.e2e.conftest import Make

ALL_WAYS = "TL_HUBSPOT_ALL_WAYS" in os.environ
all_ways = pytest.mark.skipif(not ALL_WAYS, reason="a minute: TL_HUBSPOT_ALL_WAYS=1")


def quiet(world: Story) -> bool:
    """Whether another run writes nothing."""
    return done(world.sync()) and world.product.writes() == []


def stones(world: Story) -> list[tuple[str, str, int]]:
    """(kind of record, kind of tombstone, known addresses) of tombstones that count."""
    rows = world.product.read("select * from sync.tombstones where released_at is null order by entity_type, kind")
    return [(r["entity_type"], r["kind"], len(r["address_hashes"])) for r in rows.iter_rows(named=True)]


@pytest.mark.parametrize("stays_archived", [False, pytest.param(True, marks=all_ways)])
def test_an_erased_person_is_not_brought_back_by_anybody(make: Make, stays_archived: bool) -> None:
    world = story(make)
    world.portal.set_switches(gdpr_deleted_stays_archived=stays_archived, recreate_after_gdpr_delete=True)
    erased = world.contact("weg@voorbeeld.be")
    moves = world.contact("verhuist@voorbeeld.be")
    archived = world.contact("bak@voorbeeld.be")
    assert done(world.sync())
    record = world.id_of("contacts", erased)
    world.portal.gdpr_delete(record)
    world.portal.archive("contacts", world.id_of("contacts", archived))
    assert done(world.sync())
    assert world.outcome("contact", erased) == ("held", "deleted_in_hubspot")
    assert ("gdpr_deleted", erased) in world.notices()
    assert world.outcome("contact", archived) == ("held", "deleted_in_hubspot")
    assert ("gdpr_deleted", archived) not in world.notices()
    assert stones(world) == [("contact", "archived", 0), ("contact", "gdpr_deleted", 1)]
    text = (world.product.data / tombstones.FILE).read_text()
    assert not any(name in text for name in (erased, record, "weg@voorbeeld.be")), "nobody is named"

    # the address under another id, on another contact, and as that of a record that was only archived
    world.edit("contacts", erased, emails=[{"type": "primary", "email": "anders@voorbeeld.be"}])
    again = world.contact("weg@voorbeeld.be", changed=world.now)
    world.mail(moves, "weg2@voorbeeld.be")
    world.edit("contacts", archived, emails=[{"type": "primary", "email": "elders@voorbeeld.be"}])
    fresh = world.contact("bak@voorbeeld.be", changed=world.now)
    assert done(world.sync())
    assert world.outcome("contact", again) == ("held", "gdpr_deleted")
    assert ("gdpr_deleted", again) in world.notices()
    assert world.outcome("contact", erased) == ("held", "deleted_in_hubspot")
    assert world.outcome("contact", fresh)[0] == "created", "an archived record that shares the address is no match"
    assert world.portal.find("contacts", "email", "weg@voorbeeld.be") is None
    assert quiet(world)

    if not ALL_WAYS:
        return
    # a linked contact that takes the address over keeps its own
    world.edit("contacts", again, emails=[{"type": "primary", "email": "derde@voorbeeld.be"}])
    world.mail(moves, "weg@voorbeeld.be")
    assert done(world.sync())
    assert world.outcome("contact", again)[0] == "created"
    assert world.addresses(moves) == ("weg2@voorbeeld.be", {"verhuist@voorbeeld.be"})
    assert ("gdpr_deleted", moves) in world.notices()
    assert quiet(world)

    # a person knows better
    world.release("contact", moves)
    assert done(world.sync())
    assert "weg@voorbeeld.be" in world.addresses(moves)[1] | {world.addresses(moves)[0]}
    world.release("contact", erased)
    assert done(world.sync())
    assert world.outcome("contact", erased)[0] == "created"
    assert world.held("contacts", erased)["email"] == "anders@voorbeeld.be"
    assert quiet(world)


@all_ways
@pytest.mark.parametrize("refused", [False, True])
def test_a_released_person_whom_hubspot_itself_blocks(make: Make, refused: bool) -> None:
    world = story(make)
    world.portal.set_switches(recreate_after_gdpr_delete=not refused)
    erased = world.contact("weg@voorbeeld.be")
    assert done(world.sync())
    world.portal.gdpr_delete(world.id_of("contacts", erased))
    assert done(world.sync())
    world.release("contact", erased)
    finished = world.sync()
    if refused:
        assert finished.exit_code == ExitCode.RECORDS_FAILED
        assert world.outcome("contact", erased) == ("failed", "validation_error")
        assert world.product.hubspot("contacts", erased) is None
    else:
        assert done(finished)
        assert world.held("contacts", erased)["email"] == "weg@voorbeeld.be"
        assert quiet(world)


def test_a_lost_database_brings_nobody_back(make: Make) -> None:
    world = story(make)
    erased, archived = world.contact("weg@voorbeeld.be"), world.contact("bak@voorbeeld.be")
    company = world.company("Firma BV", website="https://firma.be")
    world.teamleader.link(archived, company)
    world.portal.set_switches(recreate_after_gdpr_delete=True)
    assert done(world.sync())
    world.portal.gdpr_delete(world.id_of("contacts", erased))
    for kind, record in (("contacts", archived), ("companies", company)):
        world.portal.archive(kind, world.id_of(kind, record))
    assert done(world.sync())
    assert stones(world) == [("company", "archived", 0), ("contact", "archived", 0), ("contact", "gdpr_deleted", 1)]
    # HubSpot empties its bin in the course of time: nothing there tells of the archived ones any more
    for number in [r["id"] for r in world.portal.all("contacts", archived=True)]:
        world.portal.gdpr_delete(number)

    other = second_installation(world)
    (other.product.data / tombstones.FILE).write_bytes((world.product.data / tombstones.FILE).read_bytes() + b'{"cut')
    with pytest.raises(ConfigurationError, match="key of the hashed addresses is missing"):
        other.sync()
    key = (world.product.data / "pseudonyms.key").read_text()
    (other.product.data / "pseudonyms.key").write_text(key)
    assert done(other.sync())
    assert other.outcome("contact", erased) == ("held", "gdpr_deleted")
    assert other.outcome("contact", archived) == ("held", "deleted_in_hubspot")
    assert other.outcome("company", company) == ("held", "deleted_in_hubspot")
    assert other.portal.count("contacts") == 0
    assert quiet(other)


@all_ways
def test_a_record_that_is_missing_for_long_was_not_erased_for_sure(make: Make) -> None:
    world = story(make)
    one, two = world.contact("een@voorbeeld.be"), world.contact("twee@voorbeeld.be")
    assert done(world.sync())
    world.portal.archive("contacts", world.id_of("contacts", two))
    assert done(world.sync())
    # nobody looked for a hundred days; an archived record leaves the bin after ninety
    with world.product.platform().warehouse.transaction() as con:
        con.execute("update sync.runs set started_at = started_at - interval 100 days")
        con.execute("update sync.tombstones set found_at = found_at - interval 100 days")
    world.portal.gdpr_delete(world.id_of("contacts", one))
    for record in [r["id"] for r in world.portal.all("contacts", archived=True)]:
        world.portal.gdpr_delete(record)
    assert done(world.sync())
    assert stones(world) == [("contact", "archived", 0), ("contact", "archived", 0)]
    assert {world.outcome("contact", c) for c in (one, two)} == {("held", "deleted_in_hubspot")}
    assert quiet(world)


@all_ways
def test_an_archived_record_that_is_erased_soon_was_erased(make: Make) -> None:
    world = story(make)
    contact = world.contact("een@voorbeeld.be")
    assert done(world.sync())
    record = world.id_of("contacts", contact)
    world.portal.archive("contacts", record)
    assert done(world.sync())
    assert stones(world) == [("contact", "archived", 0)]
    world.portal.gdpr_delete(record)
    assert done(world.sync())
    assert stones(world) == [("contact", "gdpr_deleted", 1)]
    assert quiet(world)


@all_ways
def test_two_contacts_that_want_one_record_and_records_that_carry_another_id(make: Make) -> None:
    world = story(make)
    world.portal.define_property("contacts", **reference.hubspot_property("contacts", "teamleader_id"))
    shared = world.person_has("hoofd@voorbeeld.be", "tweede@voorbeeld.be")
    by_primary = world.contact("hoofd@voorbeeld.be")
    by_secondary = world.contact("tweede@voorbeeld.be")
    # a record that carries the id of a contact that Teamleader has, under the address of another
    owner = world.contact("eigenaar@voorbeeld.be")
    wants = world.contact("wil@voorbeeld.be")
    carried = world.person_has("wil@voorbeeld.be", teamleader_id=owner)
    # and one that carries an id that Teamleader does not have
    late = world.contact("vreemd@voorbeeld.be")
    foreign = world.person_has("vreemd@voorbeeld.be", teamleader_id="0000-not-in-teamleader")

    assert done(world.sync())
    assert world.outcome("contact", by_primary) == ("updated", "changed_within_2_years")
    assert world.outcome("contact", by_secondary) == ("held", "claimed_by_other")
    assert world.id_of("contacts", by_primary) == shared
    assert world.id_of("contacts", owner) == carried
    assert world.addresses(owner) == ("wil@voorbeeld.be", {"eigenaar@voorbeeld.be"})
    assert world.outcome("contact", wants) == ("held", "claimed_by_other")
    assert world.outcome("contact", late) == ("held", "claimed_by_other")
    values = world.portal.get("contacts", foreign)["properties"]
    assert values["teamleader_id"] == "0000-not-in-teamleader" and "lastname" not in values
    assert "unknown_teamleader_id" in {code for code, _ in world.notices()}
    assert world.portal.count("contacts") == 3
    assert quiet(world)
    assert world.outcome("contact", wants) == ("held", "claimed_by_other"), "said in every run"


@all_ways
def test_a_person_gives_a_linked_record_the_id_of_another_contact(make: Make) -> None:
    world = story(make)
    one = world.contact("een@voorbeeld.be")
    assert done(world.sync())
    record = world.id_of("contacts", one)
    stranger = world.contact("nieuw@voorbeeld.be", changed=world.now)
    world.portal.patch("contacts", record, {"teamleader_id": stranger})
    assert done(world.sync())
    # the link table comes first: the record is called by its own id again, and only then the other can be made
    assert world.id_of("contacts", one) == record
    assert world.outcome("contact", stranger) == ("held", "claimed_by_other")
    assert done(world.sync())
    assert world.outcome("contact", stranger)[0] == "created"
    assert world.portal.count("contacts") == 2
    assert quiet(world)


@all_ways
def test_an_address_that_is_taken_is_left_alone_in_every_way(make: Make) -> None:
    world = story(make)
    primary = world.contact("een@voorbeeld.be")
    secondary = world.contact("twee@voorbeeld.be")
    person = world.person_has("hoofd@voorbeeld.be", "twee@voorbeeld.be")
    assert done(world.sync())
    assert world.id_of("contacts", secondary) == person
    # wanted as the new primary, and as the secondary that replaces one
    other = world.person_has("bezet@voorbeeld.be", "ook@voorbeeld.be")
    world.mail(primary, "bezet@voorbeeld.be")
    world.mail(secondary, "ook@voorbeeld.be")
    assert done(world.sync())
    assert {("email_taken", primary), ("email_taken", secondary)} <= world.notices()
    assert world.addresses(primary) == ("een@voorbeeld.be", set())
    assert world.addresses(secondary) == ("hoofd@voorbeeld.be", {"twee@voorbeeld.be"})
    assert world.portal.get("contacts", other)["properties"]["email"] == "bezet@voorbeeld.be"
    assert quiet(world)
    assert ("email_taken", primary) in world.notices(), "reported until it is mended"


@all_ways
@pytest.mark.parametrize("changes_id", [False, True])
def test_two_linked_records_become_one_and_one_is_archived(make: Make, changes_id: bool) -> None:
    world = story(make)
    world.portal.set_switches(merge_changes_id=changes_id)
    one, two = world.contact("een@voorbeeld.be"), world.contact("twee@voorbeeld.be")
    assert done(world.sync())
    joint = world.portal.merge("contacts", world.id_of("contacts", one), world.id_of("contacts", two))
    assert done(world.sync())
    outcomes = {c: world.outcome("contact", c) for c in (one, two)}
    assert sorted(outcomes.values())[0] == ("held", "claimed_by_other")
    assert world.addresses(one if outcomes[two][0] == "held" else two)[1] != set()
    assert quiet(world)
    # the survivor goes: both are held, nothing is made again, and no tombstone says that it was erased
    world.portal.archive("contacts", joint)
    assert done(world.sync())
    assert {world.outcome("contact", c) for c in (one, two)} == {("held", "deleted_in_hubspot")}
    assert {kind for _, kind, _ in stones(world)} == {"archived"}
    assert world.portal.count("contacts") == 0
    assert quiet(world)


@all_ways
def test_tombstones_are_lines_of_hashes(make: Make) -> None:
    world = story(make)
    contact = world.contact("een@voorbeeld.be")
    assert done(world.sync())
    world.portal.archive("contacts", world.id_of("contacts", contact))
    assert done(world.sync())
    world.release("contact", contact)
    lines = [json.loads(line) for line in (world.product.data / tombstones.FILE).read_text().splitlines()]
    assert [line["released_at"] is None for line in lines] == [True, False]
    assert all(len(line[name]) == 64 for line in lines for name in ("teamleader_hash", "hubspot_hash"))
    assert (world.product.data / tombstones.FILE).stat().st_mode & 0o777 == 0o600
