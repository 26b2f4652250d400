"""Fields and relations over several runs: what people changed in HubSpot stays until Teamleader has something new."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml

from tl_hubspot_tests.e2e.builders import done, story
from tl_hubspot_tests.e2e.conftest import Make

pytestmark = pytest.mark.usefixtures("stays_open")


def phones(number: str) -> list[dict[str, str]]:
    return [{"type": "phone", "number": number}]


def test_values_of_people_survive(make: Make) -> None:
    world = story(make)
    mapping = yaml.safe_load((files("tl_hubspot.config") / "mapping.yaml").read_text())
    for row in mapping["contacts"]:
        if row["property"] in ("website", "salutation"):
            row["policy"] = {"website": "if_empty", "salutation": "on_create"}[row["property"]]
    path = world.product.data / "mapping.yaml"
    path.write_text(yaml.safe_dump(mapping, allow_unicode=True))
    world.product.environment["TL_HUBSPOT_MAPPING"] = str(path)

    full: dict[str, Any] = {
        "telephones": [("phone", "+32 9 225 50 01")],
        "website": "https://oud.be",
        "gender": "female",
    }
    edited = world.contact("edited@voorbeeld.be", **full)
    emptied = world.contact("emptied@voorbeeld.be", **full)
    cleared = world.contact("cleared@voorbeeld.be", **full)
    foreign = world.contact("foreign@voorbeeld.be", **full)
    blank = world.contact("blank@voorbeeld.be", first_name="Ann")
    assert done(world.sync())
    ids = {c: world.id_of("contacts", c) for c in (edited, emptied, cleared, foreign, blank)}
    assert world.held("contacts", edited)["salutation"] == "Mevrouw"

    # people work in HubSpot, Teamleader changes something else
    world.portal.patch("contacts", ids[edited], {"phone": "0476 00 00 01", "website": "https://persoon.be"})
    world.portal.patch("contacts", ids[emptied], {"phone": "", "website": ""})
    world.portal.patch("contacts", ids[foreign], {"phone": "0476 00 00 02"})
    world.portal.patch("contacts", ids[blank], {"phone": "0476 00 00 03"})
    for contact in (edited, emptied):
        world.edit("contacts", contact, last_name="Nieuw")
    world.edit("contacts", cleared, telephones=[])
    world.edit("contacts", foreign, telephones=[])
    assert done(world.sync())
    assert world.held("contacts", edited)["phone"] == "0476 00 00 01"
    assert world.held("contacts", edited)["lastname"] == "Nieuw"
    assert "phone" not in world.held("contacts", emptied)
    assert "website" not in world.held("contacts", emptied)
    assert "phone" not in world.held("contacts", cleared), "the sync wrote it, HubSpot still held it"
    assert world.held("contacts", foreign)["phone"] == "0476 00 00 02", "a person's value is not erased"
    assert world.held("contacts", blank)["phone"] == "0476 00 00 03"
    sent = {i["id"]: set(i["properties"]) for i in world.written("/contacts/batch/update")}
    assert sent[ids[edited]] == {"lastname", "teamleader_changed_at"}

    # now Teamleader changes the very fields; if_empty fills only what is empty, on_create never again
    for contact in (edited, emptied):
        world.edit(
            "contacts", contact, telephones=phones("+32 9 225 50 99"), website="https://nieuw.be", salutation="Dr."
        )
    assert done(world.sync())
    for contact in (edited, emptied):
        assert world.held("contacts", contact)["phone"] == "+3292255099"
        assert world.held("contacts", contact)["salutation"] == "Mevrouw"
    assert world.held("contacts", edited)["website"] == "https://persoon.be"
    assert world.held("contacts", emptied)["website"] == "https://nieuw.be"
    # what was emptied in Teamleader stays empty there and comes back as a value
    world.edit("contacts", cleared, telephones=phones("+32 9 225 50 03"))
    assert done(world.sync())
    assert world.held("contacts", cleared)["phone"] == "+3292255003"
    assert done(world.sync())
    assert world.product.writes() == []
    assert world.product.read("select sum(protected_writes) from sync.runs").item() == 0


def test_relations_are_written_once(make: Make) -> None:
    world = story(make)
    person = world.contact("werk@voorbeeld.be")
    first, second, third = (world.company(f"Bedrijf {n}", website=f"https://bedrijf{n}.be") for n in "abc")
    for company in (first, second, third):
        world.teamleader.link(person, company)
    settled = world.contact("vast@voorbeeld.be")
    world.teamleader.link(settled, first)
    theirs = world.portal.create("companies", {"name": "Van een mens"})["id"]
    known = world.person_has("vast@voorbeeld.be")
    world.portal.add_association("contacts", known, "companies", theirs, 1)
    deal = world.deal("Offerte", ("company", first), contact_person=person)

    assert done(world.sync())
    ids = {c: world.id_of("companies", c) for c in (first, second, third)}
    related = world.related("contacts", person, "companies")
    assert set(related) == set(ids.values())
    assert [c for c, types in related.items() if 1 in types] == [ids[first]]
    related = world.related("contacts", settled, "companies")
    assert set(related) == {theirs, ids[first]}
    assert [c for c, types in related.items() if 1 in types] == [theirs], "primary only where there was none"
    assert set(world.related("deals", deal, "companies")) == {ids[first]}

    # a person removes one link in HubSpot; Teamleader removes another one
    world.portal.remove_association("contacts", world.id_of("contacts", person), "companies", ids[second])
    world.portal.remove_association("deals", world.id_of("deals", deal), "contacts", world.id_of("contacts", person))
    world.teamleader.unlink(person, third)
    assert done(world.sync(full=True))
    assert set(world.related("contacts", person, "companies")) == {ids[first], ids[third]}
    assert world.related("deals", deal, "contacts") == {}
    told = world.notices()
    assert ("removed_by_person", f"{person}>{second}") in told
    assert ("removed_by_person", f"{deal}>{person}") in told
    assert ("stale_relation", f"{person}>{third}") in told
    assert not [w for w in world.product.writes() if "associations" in w["path"]]

    # with remove_stale the sync takes away what it made, never what people made
    world.product.environment["TL_HUBSPOT_RELATIONS__REMOVE_STALE"] = "true"
    world.teamleader.unlink(settled, first)
    assert done(world.sync(full=True))
    assert set(world.related("contacts", person, "companies")) == {ids[first]}
    assert set(world.related("contacts", settled, "companies")) == {theirs}
    assert done(world.sync())
    assert world.product.writes() == []
    # linked anew in Teamleader: a new relation
    world.teamleader.link(person, third)
    assert done(world.sync(full=True))
    assert set(world.related("contacts", person, "companies")) == {ids[first], ids[third]}
