"""Whichever way HubSpot is read, the outcome is the same: installations beside each other that differ in nothing else.

The same hands do the same in all portals; after every run plans, portals and what is remembered are equal.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tl_hubspot.errors import TlHubspotError
from tl_hubspot_tests.e2e.builders import Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")

OWN = "* exclude (_loaded_at, _run_id)"
DATES = "createdate, updated_at, properties, _loaded_at, _run_id"
COMPARED = (
    *("email", "hs_additional_emails", "firstname", "lastname", "jobtitle", "city", "phone", "name", "domain"),
    *("dealname", "amount", "teamleader_id", "teamleader_status", "teamleader_marketing", "hs_merged_object_ids"),
    *("hs_marketable_status", "hs_email_optout"),
)
"""Values of the portal that are no dates and no ids of runs."""
MIRRORS = ("contacts", "companies", "deals")


@dataclass
class Alike:
    """Stories beside each other, one per way of reading; the first reads lists in every run."""

    stories: dict[str, Story]

    def all(self, hands: Callable[[Story], Any]) -> Any:
        """The same in all of them; what it gives has to be the same."""
        given = {way: hands(s) for way, s in self.stories.items()}
        for way, one in given.items():
            assert one == given["list"], way
        return given["list"]

    def __getitem__(self, way: str) -> Story:
        return self.stories[way]

    def sync(self, **options: Any) -> None:
        """One run each, then everything is compared."""
        assert self.all(lambda s: done(s.sync(**options)))
        self.all(lambda s: rows(s, "select entity_type, teamleader_id, hubspot_id from sync.links"))
        self.all(lambda s: rows(s, "select * exclude (run_id) from sync.outcomes"))
        self.all(lambda s: rows(s, "select * exclude (run_id) from sync.relations"))
        self.all(lambda s: rows(s, "select entity_type, teamleader_id, hubspot_id, action, reason from sync.plan"))
        for kind in MIRRORS:
            self.all(partial(portal, kind=kind))
            mirrors = [rows(self[w], f"select * exclude ({DATES}) from hubspot.{kind}") for w in ("list", "search")]
            assert mirrors[0] == mirrors[1]

    def compare_associations(self) -> None:
        self.all(lambda s: rows(s, f"select {OWN} from hubspot.associations"))


def rows(world: Story, query: str) -> list[tuple[Any, ...]]:
    return sorted(world.product.read(query).iter_rows(), key=str)


def portal(world: Story, kind: str) -> list[dict[str, Any]]:
    """What the portal has."""
    return [{"id": r["id"], **{n: r["properties"].get(n) for n in COMPARED}} for r in world.portal.all(kind)]


def ways(world: Story) -> dict[str, str]:
    """How the latest run read: where search was used, the number of searches per type."""
    return {kind: "search" if world.portal.log.count(f"/crm/v3/objects/{kind}/search") else "list" for kind in MIRRORS}


def test_what_people_do_in_hubspot(make: Make) -> None:
    all_ways = ("list", "search") + (("keyed",) if "TL_HUBSPOT_ALL_WAYS" in os.environ else ())
    alike = Alike({way: story(make, TL_HUBSPOT_HUBSPOT__MIRROR=way) for way in all_ways})
    alike.all(lambda s: s.portal.set_switches(merge_changes_id=True))
    alike.all(lambda s: [s.person_has(f"vreemd{n}@elders.be") for n in range(3)])
    names = ("edited", "archived", "merged", "merged_away", "opted", "gone", "parted", "joined", "primary")
    contact = alike.all(lambda s: {n: s.contact(f"{n}@voorbeeld.be") for n in names})
    one = alike.all(lambda s: s.company("Eerste BV", website="https://eerste.be"))
    two = alike.all(lambda s: s.company("Tweede BV", website="https://tweede.be"))
    linked = {"edited": one, "parted": one, "joined": two, "primary": one}
    alike.all(lambda s: [s.teamleader.link(contact[name], company) for name, company in linked.items()])
    deal = alike.all(lambda s: s.deal("Plan", ("company", one), contact_person=contact["edited"]))
    alike.sync()
    alike.sync()
    alike.compare_associations()

    def people(s: Story) -> None:
        ids = {n: s.id_of("contacts", c) for n, c in contact.items()}
        at_one, at_two = s.id_of("companies", one), s.id_of("companies", two)
        edits = {"jobtitle": "Zaakvoerder", "hs_additional_emails": "twee@voorbeeld.be"}
        s.portal.patch("contacts", ids["edited"], edits)
        s.portal.patch("companies", at_one, {"phone": "+32 2 111 11 11"})
        s.portal.patch("deals", s.id_of("deals", deal), {"amount": "4321"})
        s.portal.archive("contacts", ids["archived"])
        s.portal.merge("contacts", s.person_has("hoofd@elders.be"), ids["merged"])
        s.portal.merge("contacts", ids["merged_away"], s.person_has("dubbel@elders.be"))
        s.portal.optout("opted@voorbeeld.be")
        s.portal.gdpr_delete(ids["gone"])
        s.portal.remove_association("contacts", ids["parted"], "companies", at_one)
        s.portal.add_association("contacts", ids["joined"], "companies", at_one, 279)
        s.portal.add_association("contacts", ids["primary"], "companies", at_two, 1)
        # the next contacts of Teamleader are there already, one by a further address
        s.person_has("nieuw@voorbeeld.be", city="Gent")
        s.person_has("prive@elders.be", "werk@voorbeeld.be")

    def teamleader(s: Story) -> list[str]:
        for name in ("edited", "gone", "merged", "opted"):
            s.edit("contacts", contact[name], last_name="Nieuwe Naam")
        # what a person linked in HubSpot meanwhile, Teamleader links now too
        s.teamleader.link(contact["joined"], one)
        s.teamleader.link(contact["primary"], two)
        return [s.contact(a, changed=s.now) for a in ("nieuw@voorbeeld.be", "werk@voorbeeld.be")]

    alike.all(people)
    fresh = alike.all(teamleader)
    alike.sync()
    assert [ways(alike[way])["contacts"] for way in ("list", "search")] == ["list", "search"]
    assert alike.all(lambda s: s.written("/associations/")) == []
    for way in all_ways:
        world = alike[way]
        assert {world.outcome("contact", contact[n]) for n in ("archived", "gone")} == {("held", "deleted_in_hubspot")}
        assert {world.outcome("contact", c)[0] for c in (*fresh, contact["merged"])} == {"updated"}
        assert world.held("contacts", contact["edited"])["jobtitle"] == "Zaakvoerder"
        assert world.addresses(fresh[1]) == ("prive@elders.be", {"werk@voorbeeld.be"})
        assert world.related("contacts", contact["parted"], "companies") == {}

    # put back from the recycle bin; what no search shows, a full run does
    alike.all(lambda s: s.portal.restore("contacts", next(s.portal.all("contacts", archived=True))["id"]))
    alike.all(lambda s: s.edit("contacts", contact["archived"], last_name="Terug"))
    alike.sync()
    assert {alike[way].held("contacts", contact["archived"])["lastname"] for way in all_ways} == {"Terug"}
    alike.sync(full=True)
    alike.compare_associations()
    assert ("removed_by_person", f"{contact['parted']}>{one}") in alike.all(lambda s: s.notices())
    assert alike.all(lambda s: s.written("/associations/")) == []


def test_the_index_lags_behind(make: Make) -> None:
    world = story(make, TL_HUBSPOT_HUBSPOT__MIRROR="search")
    world.portal.set_switches(search_lag_seconds=600)
    known = world.contact("bekend@voorbeeld.be")
    quiet = world.contact("stil@voorbeeld.be")
    merged = world.contact("weg@voorbeeld.be")
    assert done(world.sync())
    assert done(world.sync())

    # seconds before the run: the index knows nothing of it
    world.portal.patch("contacts", world.id_of("contacts", known), {"city": "Brugge"})
    world.portal.patch("contacts", world.id_of("contacts", quiet), {"city": "Gent"})
    survivor = world.portal.merge("contacts", world.person_has("hoofd@elders.be"), world.id_of("contacts", merged))
    theirs = world.person_has("nieuw@voorbeeld.be", city="Aalst")
    for contact in (known, merged):
        world.edit("contacts", contact, last_name="Anders")
    fresh = world.contact("nieuw@voorbeeld.be", changed=world.now)
    assert done(world.sync(minutes=0.1))
    assert set(ways(world).values()) == {"search"}
    # what the plan touches was looked up, the rest is seen later
    assert cities(world) == ["Aalst", "Brugge"]
    assert world.outcome("contact", fresh) == ("updated", "changed_within_2_years")
    assert world.id_of("contacts", fresh) == theirs
    assert world.outcome("contact", merged) == ("updated", "changed_within_2_years")
    assert world.id_of("contacts", merged) == survivor
    # the overlap brings what the index had not shown
    assert done(world.sync(minutes=11))
    assert cities(world) == ["Aalst", "Brugge", "Gent"]
    assert world.product.writes() == []


def cities(world: Story) -> list[str]:
    """What the mirror has as city."""
    query = "select json_extract_string(properties, '$.city') as city from hubspot.contacts where city is not null"
    return [row[0] for row in rows(world, query)]


def test_a_large_portal_where_little_happens(make: Make) -> None:
    world = story(make, TL_HUBSPOT_HUBSPOT__MIRROR="search")
    load(world, 2_100, archived=250)
    contact = world.contact("a@voorbeeld.be")
    ours = world.person_has("a@voorbeeld.be")
    assert done(world.sync())
    assert world.portal.log.count("/crm/v3/objects/contacts/search") == 0
    assert world.portal.log.count("/crm/v3/objects/contacts", "GET") > 22
    assert done(world.sync())
    assert reading(world) == ("search", 1)
    before = rows(world, f"select {OWN} from hubspot.contacts")
    assert done(world.sync(minutes=60))
    assert reading(world) == ("search", 0)
    assert world.product.writes() == []
    # the changes, and whether any record left: two searches; no list, nothing looked up, no association
    assert world.portal.log.count("/crm/v3/objects/contacts/search") == 2
    assert world.portal.log.count("/crm/v3/objects/contacts", "GET") == 0
    assert world.portal.log.count("/(batch/read|associations)") == 0
    assert rows(world, f"select {OWN} from hubspot.contacts") == before

    # one leaves: the number tells, the archive says which
    world.portal.archive("contacts", ours)
    assert done(world.sync())
    assert world.portal.log.count("/crm/v3/objects/contacts", "GET") == 3
    assert world.outcome("contact", contact) == ("held", "deleted_in_hubspot")
    # one is deleted for good: neither the changes nor the archive explain it, so that everything is read
    world.portal.gdpr_delete("7001")
    assert done(world.sync())
    assert world.portal.log.count("/crm/v3/objects/contacts", "GET") > 22
    assert rows(world, "select id from hubspot.contacts where id = '7001'") == []


def test_by_itself_a_portal_far_larger_than_teamleader_is_read_by_key(make: Make) -> None:
    world = story(make)
    load(world, 2_100, archived=0)
    contact = world.contact("a@voorbeeld.be")
    world.person_has("prive@elders.be", "a@voorbeeld.be")
    assert done(world.sync())
    assert world.outcome("contact", contact) == ("updated", "changed_within_2_years")
    assert world.portal.log.count("/crm/v3/objects/contacts", "GET") == 0
    assert rows(world, "select base, portal from sync.readings where entity_type = 'contact'") == [("keyed", 2101)]
    assert rows(world, "select base from sync.readings where entity_type = 'company'") == [("list",)]
    assert world.product.read("select count(*) from hubspot.contacts").item() == 1
    assert done(world.sync())
    assert world.product.writes() == []
    # a person's contact that gets an address of Teamleader, and another that does not concern it
    world.person_has("b@voorbeeld.be")
    world.person_has("vreemd@elders.be")
    fresh = world.contact("b@voorbeeld.be", changed=world.now)
    assert done(world.sync())
    assert world.outcome("contact", fresh) == ("updated", "changed_within_2_years")
    assert world.product.read("select count(*) from hubspot.contacts").item() == 2


def test_what_makes_a_reading_begin_anew(make: Make) -> None:
    world = story(make, TL_HUBSPOT_HUBSPOT__MIRROR="search")
    contact = world.contact("a@voorbeeld.be")
    assert done(world.sync())
    assert set(ways(world).values()) == {"list"}
    # a search that is refused stops the run; nothing of it is stored, nothing is lost
    record = world.id_of("contacts", contact)
    world.portal.patch("contacts", record, {"city": "Gent"})
    world.fail("status", "/contacts/search", status=400, times=1)
    with pytest.raises(TlHubspotError):
        world.sync()
    assert done(world.sync())
    assert set(ways(world).values()) == {"search"}
    assert cities(world) == ["Gent"]
    # properties that were not read before
    platform = world.product.platform()
    with platform.warehouse.transaction() as con:
        con.execute("update sync.readings set properties = list_filter(properties, lambda p: p <> 'createdate')")
    platform.close()
    assert done(world.sync())
    assert set(ways(world).values()) == {"list"}


def load(world: Story, contacts: int, archived: int) -> None:
    world.portal.load_objects(
        "contacts",
        [
            {
                "id": str(7000 + n),
                "properties": {"firstname": f"n{n}"},
                "createdAt": "2020-01-01T00:00:00.000Z",
                "archived": n > contacts,
            }
            for n in range(1, contacts + archived + 1)
        ],
    )


def reading(world: Story) -> tuple[str, int]:
    """How contacts were read in the latest run, and how many rows of the mirror it stored anew."""
    way = "search" if world.portal.log.count("/crm/v3/objects/contacts", "GET") == 0 else "list"
    run = world.product.read("select run_id from sync.runs order by started_at desc limit 1").item()
    return way, int(world.product.read("select count(*) from hubspot.contacts where _run_id = ?", [run]).item())
