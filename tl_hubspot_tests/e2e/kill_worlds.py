"""Two small worlds in which one run does everything that a push can do; see `killing`.

`first`: an empty installation beside a portal in which people have worked. `later`: an installation that has run once,
after which people changed things in both systems.
"""

from __future__ import annotations

from collections.abc import Callable

from tl_hubspot.sandbox.worlds import reference
from tl_hubspot_tests.e2e.builders import START, YEAR, Story, done, story
from tl_hubspot_tests.e2e.conftest import Make

World = Callable[..., Story]
SETTINGS = {"TL_HUBSPOT_RELATIONS__REMOVE_STALE": "true", "TL_HUBSPOT_GUARDS__VANISHED_SHARE": "1"}


def first(make: Make, *, enterprise: bool = False, **switches: object) -> Story:
    """Nothing was ever synchronised: provisioning, creates, first matches, relations, opt-outs, marketing."""
    world = story(make, **SETTINGS)
    world.portal.set_profile(marketing_enterprise=enterprise)
    world.portal.set_switches(**switches)
    world.portal.define_property("contacts", **reference.hubspot_property("contacts", "teamleader_id"))
    world.person_has("bekend@voorbeeld.be", phone="+32 2 555 01 01")
    world.person_has("hoofd@voorbeeld.be", "tweede@voorbeeld.be")
    world.person_has("oud@voorbeeld.be")
    world.portal.create("companies", {"name": "Bekend BV", "domain": "bekend.be"})
    known = world.contact("bekend@voorbeeld.be", first_name="An")
    second = world.contact("tweede@voorbeeld.be", consent=False)
    world.contact("oud@voorbeeld.be", consent=False, changed=world.ago(years=6))
    fresh = [world.contact(f"nieuw{n}@voorbeeld.be") for n in range(3)]
    world.contact("weg@voorbeeld.be", consent=False)
    carried = world.contact("teamleader@voorbeeld.be")
    world.person_has("gekozen@voorbeeld.be", teamleader_id=carried)
    firms = [
        world.company("Bekend", website="https://bekend.be"),
        world.company("Firma BV", website="https://firma.be"),
    ]
    for person, firm in ((known, 0), (second, 0), (fresh[0], 1), (fresh[0], 0), (fresh[1], 1)):
        world.teamleader.link(person, firms[firm])
    world.deal("Dak", ("company", firms[1]), contact_person=fresh[0])
    world.deal("Gevel", ("contact", known), created=START - 3 * YEAR)
    return world


def later(make: Make, *, enterprise: bool = False, **switches: object) -> Story:
    """Everything was synchronised once: updates, addresses that move, marks of deletion, relations both ways."""
    world = story(make, **SETTINGS)
    world.portal.set_profile(marketing_enterprise=enterprise)
    world.portal.set_switches(**switches)
    world.person_has("p2@voorbeeld.be", "s2@voorbeeld.be")
    world.person_has("p3@voorbeeld.be", "s3@voorbeeld.be")
    person = {
        name: world.contact(f"{name}@voorbeeld.be", telephones=[("phone", "+32 2 555 00 01")])
        for name in ("een", "s2", "s3", "geeft", "links", "rechts", "bezet", "leeg", "kiest", "weg", "stil", "optuit")
    }
    person["los"] = world.contact("los@voorbeeld.be", consent=None)
    firms = [world.company(f"Firma {n}", website=f"https://firma{n}.be") for n in range(3)]
    for name, firm in (("een", 0), ("s2", 0), ("links", 1), ("weg", 1)):
        world.teamleader.link(person[name], firms[firm])
    deals = [
        world.deal("Dak", ("contact", person["een"])),
        world.deal("Gevel", ("company", firms[0]), contact_person=person["een"]),
        world.deal("Gaat", ("contact", person["s2"])),
    ]
    assert done(world.sync())

    portal = world.portal
    portal.patch("contacts", world.id_of("contacts", person["leeg"]), {"email": ""})
    portal.patch("contacts", world.id_of("contacts", person["kiest"]), {"email": "gekozen@voorbeeld.be"})
    portal.patch("contacts", world.id_of("contacts", person["kiest"]), {"hs_additional_emails": ""})
    portal.patch("contacts", world.id_of("contacts", person["stil"]), {"lastname": "Zelfde"})
    world.person_has("ingenomen@voorbeeld.be")
    world.product.systems.clock.advance(3600)
    world.edit(
        "contacts", person["een"], last_name="Nieuw", telephones=[{"type": "phone", "number": "+32 2 555 00 09"}]
    )
    world.edit("contacts", person["stil"], last_name="Zelfde")
    world.mail(person["een"], "eennieuw@voorbeeld.be")  # the old one is kept
    world.mail(person["s2"], "s2nieuw@voorbeeld.be")  # a secondary one is exchanged
    world.mail(person["s3"], "p3@voorbeeld.be")
    world.mail(person["geeft"], "y@voorbeeld.be")
    world.contact("geeft@voorbeeld.be", changed=world.now)  # takes what another gives up
    world.mail(person["links"], "rechts@voorbeeld.be")
    world.mail(person["rechts"], "links@voorbeeld.be")
    world.edit(
        "contacts", person["bezet"], last_name="Bezet", emails=[{"type": "primary", "email": "ingenomen@voorbeeld.be"}]
    )
    world.mail(person["leeg"], "leeg2@voorbeeld.be")
    world.mail(person["kiest"], "kiest2@voorbeeld.be")
    world.edit("contacts", person["optuit"], marketing_mails_consent=False)
    world.edit("contacts", person["s2"], marketing_mails_consent=False)
    world.edit("contacts", person["los"], marketing_mails_consent=True)
    fresh = [world.contact(f"vers{n}@voorbeeld.be", changed=world.now, consent=n != 1) for n in range(2)]
    world.teamleader.unlink(person["s2"], firms[0])
    world.teamleader.link(person["s2"], firms[1])
    world.teamleader.link(fresh[0], firms[2])
    world.teamleader.link(person["rechts"], firms[0])
    world.edit("companies", firms[0], name="Firma Nieuw")
    for kind, gone in (("contacts", person["weg"]), ("deals", deals[2])):
        world.teamleader.delete(kind, gone)
    world.teamleader.move(deals[0], reference.PHASES_OF[reference.PIPELINES[0]["id"]][2])
    world.edit("deals", deals[1], title="Gevel en dak")
    world.deal("Vers", ("contact", fresh[0]))
    world.product.systems.clock.advance(3600)
    return world
