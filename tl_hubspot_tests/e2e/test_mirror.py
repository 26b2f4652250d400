"""Whichever way HubSpot is read, the outcome is the same: twin installations, one reads lists, the other does not.

The same hands do the same in both portals; after every run decisions, plans, portals and what is remembered are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tl_hubspot.errors import TlHubspotError
from tl_hubspot_tests.e2e.builders import Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

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
class Twins:
    """Two stories: `list` reads everything in every run, `other` reads the way under test."""

    list: Story
    other: Story
    whole: bool
    """Whether the mirror of `other` holds the whole portal too."""

    def both(self, hands: Callable[[Story], Any]) -> Any:
        """The same in both; what it gives has to be the same."""
        one, two = hands(self.list), hands(self.other)
        assert one == two
        return one

    def sync(self, **options: Any) -> None:
        """One run each, then everything is compared."""
        assert self.both(lambda s: done(s.sync(**options)))
        self.compare()

    def compare(self) -> None:
        self.both(lambda s: rows(s, "select entity_type, teamleader_id, hubspot_id from sync.links"))
        self.both(lambda s: rows(s, "select * exclude (run_id) from sync.outcomes"))
        self.both(lambda s: rows(s, "select * exclude (run_id) from sync.relations"))
        self.both(lambda s: rows(s, "select entity_type, teamleader_id, hubspot_id, action, reason from sync.plan"))
        self.both(lambda s: sorted(map(str, s.notices())))
        for kind in MIRRORS:
            self.both(lambda s, kind=kind: portal(s, kind))  # type: ignore[misc]
            if self.whole:
                self.both(lambda s, kind=kind: rows(s, f"select * exclude ({DATES}) from hubspot.{kind}"))  # type: ignore[misc]

    def compare_associations(self) -> None:
        self.both(lambda s: rows(s, f"select {OWN} from hubspot.associations"))

    def calls(self, path: str) -> tuple[int, int]:
        """Calls of the latest run, (list, other)."""
        return tuple(s.portal.log.count(path) for s in (self.list, self.other))  # type: ignore[return-value]


def rows(world: Story, query: str) -> list[tuple[Any, ...]]:
    return sorted(world.product.read(query).iter_rows(), key=str)


def portal(world: Story, kind: str) -> list[dict[str, Any]]:
    """What the portal has."""
    return [{"id": r["id"], **{n: r["properties"].get(n) for n in COMPARED}} for r in world.portal.all(kind)]


def ways(world: Story) -> dict[str, str]:
    """How the latest run read: where search was used, the number of searches per type."""
    return {kind: "search" if world.portal.log.count(f"/crm/v3/objects/{kind}/search") else "list" for kind in MIRRORS}


def twins(make: Make, way: str, **environment: str) -> Twins:
    one = story(make, TL_HUBSPOT_HUBSPOT__MIRROR="list", **environment)
    two = story(make, TL_HUBSPOT_HUBSPOT__MIRROR=way, **environment)
    # one id means one record in both: what differs is only how it is read
    return Twins(one, two, whole=way != "keyed")


@pytest.mark.parametrize(("way", "changes_id"), [("search", True), ("keyed", False)])
def test_what_people_do_in_hubspot(make: Make, way: str, changes_id: bool) -> None:
    pair = twins(make, way)
    pair.both(lambda s: s.portal.set_switches(merge_changes_id=changes_id))
    pair.both(lambda s: [s.person_has(f"vreemd{n}@elders.be") for n in range(3)])
    names = ("edited", "archived", "merged", "merged_away", "opted", "touched_gone", "moved")
    contact = {n: pair.both(lambda s, n=n: s.contact(f"{n}@voorbeeld.be")) for n in names}
    company = pair.both(lambda s: s.company("Firma BV", website="https://firma.be"))
    pair.both(lambda s: s.teamleader.link(contact["edited"], company))
    deal = pair.both(lambda s: s.deal("Plan", ("contact", contact["edited"])))
    pair.sync()
    pair.sync()

    def people(s: Story) -> None:
        ids = {n: s.id_of("contacts", c) for n, c in contact.items()}
        s.portal.patch(
            "contacts", ids["edited"], {"jobtitle": "Zaakvoerder", "hs_additional_emails": "twee@voorbeeld.be"}
        )
        s.portal.patch("companies", s.id_of("companies", company), {"phone": "+32 2 111 11 11"})
        s.portal.patch("deals", s.id_of("deals", deal), {"amount": "4321"})
        s.portal.archive("contacts", ids["archived"])
        s.portal.merge("contacts", s.person_has("hoofd@elders.be"), ids["merged"])
        s.portal.merge("contacts", ids["merged_away"], s.person_has("dubbel@elders.be"))
        s.portal.optout("opted@voorbeeld.be")
        s.portal.gdpr_delete(ids["touched_gone"])
        # the next contacts of Teamleader are there already, one by a further address, one that opted out
        s.person_has("nieuw@voorbeeld.be", city="Gent")
        s.person_has("prive@elders.be", "werk@voorbeeld.be")

    pair.both(people)
    for name in ("edited", "touched_gone", "merged", "opted"):
        pair.both(lambda s, name=name: s.edit("contacts", contact[name], last_name="Nieuwe Naam"))
    fresh = [pair.both(lambda s, a=a: s.contact(a, changed=s.now)) for a in ("nieuw@voorbeeld.be", "werk@voorbeeld.be")]
    pair.sync()
    pair.compare_associations()
    assert pair.other.outcome("contact", contact["touched_gone"]) == ("held", "deleted_in_hubspot")
    assert [pair.other.outcome("contact", c)[0] for c in fresh] == ["updated", "updated"]
    assert pair.other.outcome("contact", contact["merged"])[0] == "updated"
    assert pair.other.held("contacts", contact["edited"])["jobtitle"] == "Zaakvoerder"
    assert pair.other.addresses(fresh[1]) == ("prive@elders.be", {"werk@voorbeeld.be"})
    assert pair.other.outcome("contact", contact["archived"]) == ("held", "deleted_in_hubspot")
    if way == "search":
        assert set(ways(pair.other).values()) == {"search"} and set(ways(pair.list).values()) == {"list"}

    # put back from the recycle bin, and changed in Teamleader
    pair.both(lambda s: s.portal.restore("contacts", next(s.portal.all("contacts", archived=True))["id"]))
    pair.both(lambda s: s.edit("contacts", contact["archived"], last_name="Terug"))
    pair.sync()
    assert pair.other.held("contacts", contact["archived"])["lastname"] == "Terug"


def test_associations_that_people_make_and_take_away(make: Make) -> None:
    pair = twins(make, "search")
    one, two, three = (pair.both(lambda s, n=n: s.contact(f"c{n}@voorbeeld.be")) for n in range(3))
    first = pair.both(lambda s: s.company("Eerste BV", website="https://eerste.be"))
    second = pair.both(lambda s: s.company("Tweede BV", website="https://tweede.be"))
    for contact in (one, two):
        pair.both(lambda s, contact=contact: s.teamleader.link(contact, first))
    pair.both(lambda s: s.teamleader.link(three, second))
    deal = pair.both(lambda s: s.deal("Plan", ("company", first), contact_person=one))
    pair.sync()
    pair.sync()
    pair.compare_associations()

    def people(s: Story) -> None:
        ids = {c: s.id_of("contacts", c) for c in (one, two, three)}
        at = {c: s.id_of("companies", c) for c in (first, second)}
        s.portal.remove_association("contacts", ids[one], "companies", at[first])
        s.portal.add_association("contacts", ids[two], "companies", at[second], 1)
        s.portal.remove_association("deals", s.id_of("deals", deal), "contacts", ids[one])
        s.portal.add_association("contacts", ids[three], "companies", at[first], 279)

    pair.both(people)
    # Teamleader links what a person linked meanwhile; what a person removed stays removed
    pair.both(lambda s: s.teamleader.link(two, second))
    pair.both(lambda s: s.teamleader.link(three, first))
    assert pair.both(lambda s: done(s.sync()))
    assert pair.both(lambda s: s.written("/associations/")) == []
    pair.both(lambda s: rows(s, "select * exclude (run_id) from sync.relations"))
    # an association that nothing in Teamleader touches is looked at in the next full run
    pair.sync(full=True)
    pair.compare_associations()
    assert ("removed_by_person", f"{one}>{first}") in pair.other.notices()
    assert pair.both(lambda s: s.product.writes()) == []
    assert pair.both(lambda s: s.related("contacts", one, "companies")) == {}


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
