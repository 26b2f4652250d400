"""The `demo` and `generated` worlds: any number of ordinary customers in realistic proportions.

Every record is a pure function of (seed, index), so a million of them stream through in constant memory. Who has
which peculiarity is decided by slots: contacts come in blocks of 100 and companies in blocks of 20, each block deals
its slots out in an order of its own, and a slot says what a record is (the constants below). So proportions are exact.
The named edge cases live in `subset`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar, NamedTuple

from tl_hubspot.sandbox.worlds import fakes, reference, shapes
from tl_hubspot.sandbox.worlds.model import (
    CONTACT_TO_COMPANY_PRIMARY,
    Association,
    Case,
    Record,
    local,
    years_ago,
)
from tl_hubspot.sandbox.worlds.reference import teamleader_id

BLOCK, COMPANY_BLOCK = 100, 20

# Contact slots. What no line mentions is an active, consenting contact with an address: up to WITHIN_TWO_YEARS changed
# within two years, from there on two to five years ago.
NO_EMAIL = range(5)
INVALID_EMAIL = range(5, 8)
TOO_OLD = range(8, 20)
DUPLICATE = range(20, 24)  # each shares its address with the slot 20 further on, which changed later and wins
DUPLICATE_DISTANCE = 20
OPTED_OUT = frozenset((3, 8, 24, 25, 26, 27))
CONSENT_ABSENT, CONSENT_NULL = frozenset((28, 29)), frozenset((30,))
DEACTIVATED = frozenset((31, 32))
WITHIN_TWO_YEARS = range(28, 70)
# In HubSpot before the first sync. Opted-out addresses among them are few on purpose: unsubscribes are guarded.
IN_HUBSPOT = frozenset((9, 24, 28, *range(44, 58), *range(70, 77)))
IN_HUBSPOT_EVERY_SECOND_BLOCK = 8
BY_SECONDARY = 56
OPTED_OUT_IN_HUBSPOT = 57  # in every second block
CLAIMING, CLAIMED_TOO = 44, 45  # in every fifth block one HubSpot contact has the addresses of both
UNRELATED_PER_BLOCK = 3

# Company slots. What no line mentions is Belgian, with VAT number, website and e-mail address.
SAME_VAT, SAME_VAT_WINNER = 0, 5
NAME_ONLY, NO_VAT, SOCIAL_NETWORK, COMPANY_DEACTIVATED = 1, 2, 3, 4
DUTCH = range(14, 19)
HUBSPOT_HAS_VAT = frozenset((6, 7, 14))
HUBSPOT_HAS_DOMAIN = frozenset((8, 9))

REASONS_PER_BLOCK = {
    "no_email": 5,
    "invalid_email": 3,
    "too_old": 12,
    "deactivated": 2,
    "duplicate_email": 4,
    "opted_out": 4,
    "consent_unknown": 3,
    "changed_within_2_years": 37,
    "changed_2_to_5_years": 30,
}
"""How many of 100 contacts get which reason at the first sync: in `demo` ten times as many."""

PRIVATE_MAIL = ("thuispost.example", "mailhuis.example", "postvak.example")
# Streams of random numbers: what one kind of record draws never shifts what another gets.
_CONTACT_BLOCK, _COMPANY_BLOCK, _PERSON, _CONTACT, _COMPANY, _DEAL, _IN_HUBSPOT, _UNRELATED, _COMPANY_IN_HUBSPOT = (
    range(9)
)


class Person(NamedTuple):
    """What other records need to know of a contact; `links` are company indexes, first-listed first."""

    first_name: str
    last_name: str
    gender: str
    email: str
    links: tuple[int, ...]


class Portfolio:
    """Source of `contacts` contacts, `companies` companies and `deals` deals around as_of."""

    custom_properties: ClassVar[dict[str, tuple[str, ...]]] = {"companies": ("vat_number",)}

    def __init__(self, seed: int, as_of: datetime, contacts: int, companies: int, deals: int) -> None:
        if min(contacts, companies, deals) < 0:
            raise ValueError("a world cannot have fewer than no records")
        self.seed, self.as_of = seed, as_of
        self.contacts, self.companies, self.deals = contacts, companies, deals
        self.cases: list[Case] = []
        # Three days of distance: nobody sits on a limit by accident, whatever the hour of as_of.
        margin = timedelta(days=3)
        two, five = local(years_ago(as_of, 2)), local(years_ago(as_of, 5))
        self._recent = (as_of - timedelta(hours=2), two + margin)
        self._older = (two - margin, five + margin)
        self._ancient = (five - margin, local(years_ago(as_of, 9)))
        self._slots = lru_cache(maxsize=64)(self._deal_slots)

    def teamleader(self, kind: str) -> Iterator[Record]:
        if kind == "contacts":
            return map(self.contact, range(self.contacts))
        if kind == "companies":
            return map(self.company, range(self.companies))
        return map(self.deal, range(self.deals) if self.contacts or self.companies else ())

    def hubspot_objects(self, object_type: str) -> Iterator[Record]:
        if object_type == "contacts":
            return self._hubspot_contacts()
        return self._hubspot_companies() if object_type == "companies" else iter(())

    def hubspot_associations(self) -> Iterator[Association]:
        for index in range(self.contacts):
            links = self.person(index).links if self.contact_in_hubspot(index) else ()
            if links and self.company_in_hubspot(links[0]):
                contact, company = hubspot_contact_id(index), hubspot_company_id(links[0])
                yield "contacts", "companies", contact, company, CONTACT_TO_COMPANY_PRIMARY

    # -- who is what --------------------------------------------------------------------------------------------

    def _draw(self, stream: int, index: int) -> random.Random:
        return random.Random(((self.seed * 16 + stream) << 40) + index)

    def _deal_slots(self, stream: int, block: int, size: int) -> list[int]:
        slots = list(range(size))
        self._draw(stream, block).shuffle(slots)
        return slots

    def contact_slot(self, index: int) -> int:
        """Slot (0…99) of a contact; an index beyond the last contact has one too."""
        block, place = divmod(index, BLOCK)
        return self._slots(_CONTACT_BLOCK, block, BLOCK)[place]

    def company_slot(self, index: int) -> int:
        """Slot (0…19) of a company."""
        block, place = divmod(index, COMPANY_BLOCK)
        return self._slots(_COMPANY_BLOCK, block, COMPANY_BLOCK)[place]

    def _contact_at(self, block: int, slot: int) -> int:
        return block * BLOCK + self._slots(_CONTACT_BLOCK, block, BLOCK).index(slot)

    def _company_at(self, block: int, slot: int) -> int:
        return block * COMPANY_BLOCK + self._slots(_COMPANY_BLOCK, block, COMPANY_BLOCK).index(slot)

    def contact_in_hubspot(self, index: int) -> bool:
        """Whether HubSpot holds a contact of its own for this one before the first sync."""
        block, slot = index // BLOCK, self.contact_slot(index)
        if slot == IN_HUBSPOT_EVERY_SECOND_BLOCK:
            return block % 2 == 0
        return slot in IN_HUBSPOT and not (slot == CLAIMED_TOO and block % 5 == 0)

    def company_in_hubspot(self, index: int) -> bool:
        """Whether HubSpot holds the company before the first sync."""
        slot = self.company_slot(index)
        return slot == NAME_ONLY or slot in HUBSPOT_HAS_VAT or slot in HUBSPOT_HAS_DOMAIN

    # -- Teamleader ---------------------------------------------------------------------------------------------

    def person(self, index: int) -> Person:
        """Name, address and companies of a contact, whatever its slot."""
        draw = self._draw(_PERSON, index)
        first, gender = draw.choice(fakes.FIRST_NAMES)
        last = draw.choice(fakes.FAMILY_NAMES)
        chance = draw.random()
        count = 0 if chance < 0.15 else 1 if chance < 0.70 else 2 if chance < 0.95 else 3
        # Squared: a few companies have many contacts, and some have none.
        drawn = (int(self.companies * draw.random() ** 2) for _ in range(count if self.companies else 0))
        links = tuple(dict.fromkeys(drawn))
        at_work = links and draw.random() < 0.8
        domain = fakes.company_domain(links[0]) if at_work else draw.choice(PRIVATE_MAIL)
        return Person(first, last, gender, f"{fakes.mailbox(first, last)}.{index}@{domain}", links)

    def contact(self, index: int) -> Record:
        """contacts.info of a contact."""
        block, slot = index // BLOCK, self.contact_slot(index)
        person, draw = self.person(index), self._draw(_CONTACT, index)
        email = person.email
        if slot in DUPLICATE:
            email = self.person(self._contact_at(block, slot + DUPLICATE_DISTANCE)).email
        if slot in INVALID_EMAIL:
            typed = {5: email.replace("@", " at "), 6: email.replace(".", "..", 1), 7: email.replace("@", "@@")}[slot]
        elif draw.random() < 0.1:
            typed = f" {email.capitalize()} "
        else:
            typed = email
        emails: list[tuple[str, str]] = [("primary", typed)]
        if slot in NO_EMAIL:
            emails = [("primary", " ")] if slot == NO_EMAIL[-1] else []
        if slot in TOO_OLD:
            span = self._ancient
        elif slot in WITHIN_TWO_YEARS or slot in NO_EMAIL or slot in (24, 25):
            span = self._recent
        else:
            span = self._older
        updated = _between(draw, *span)
        added = _between(draw, updated, updated - timedelta(days=1500))
        dutch = draw.random() < 0.25
        country = "NL" if dutch else "BE"
        postal_code, city = draw.choice(fakes.DUTCH_CITIES if dutch else fakes.BELGIAN_CITIES)
        telephones = [
            (kind, fakes.telephone(kind, country, draw.randrange(10_000), international=draw.random() < 0.4))
            for kind, share in (("mobile", 0.75), ("phone", 0.45))
            if draw.random() < share
        ]
        return shapes.contact(
            teamleader_id("contacts", index + 1),
            first_name=person.first_name,
            last_name=person.last_name,
            gender=person.gender,
            emails=emails,
            telephones=telephones,
            address=shapes.postal(f"{draw.choice(fakes.STREETS)} {draw.randint(1, 240)}", postal_code, city, country),
            companies=[
                shapes.link(teamleader_id("companies", company + 1), draw.choice(fakes.POSITIONS), draw.random() < 0.2)
                for company in person.links
            ],
            consent=None if slot in CONSENT_NULL else slot not in OPTED_OUT,
            consent_visible=slot not in CONSENT_ABSENT,
            status="deactivated" if slot in DEACTIVATED else "active",
            language="nl" if dutch else draw.choices(("nl", "fr", "en"), (75, 18, 7))[0],
            tags=draw.sample(("klant", "prospect", "beurs", "nieuwsbrief"), draw.randrange(3)),
            added_at=added,
            updated_at=updated,
        )

    def company(self, index: int) -> Record:
        """companies.info of a company."""
        slot, draw = self.company_slot(index), self._draw(_COMPANY, index)
        dutch = slot in DUTCH
        country = "NL" if dutch else "BE"
        postal_code, city = draw.choice(fakes.DUTCH_CITIES if dutch else fakes.BELGIAN_CITIES)
        legal_form = draw.choice(fakes.DUTCH_LEGAL_FORMS if dutch else fakes.BELGIAN_LEGAL_FORMS)
        own, name, domain = index, f"{fakes.company_name(index)} {legal_form}", fakes.company_domain(index)
        if slot == SAME_VAT:
            own = self._company_at(index // COMPANY_BLOCK, SAME_VAT_WINNER)
            name, domain = f"{fakes.company_name(own)} {city}", fakes.company_domain(own)
        vat: str | None = None
        if slot not in (NAME_ONLY, NO_VAT):
            vat = fakes.dutch_vat(own) if dutch else draw.choice(_VAT_NOTATIONS)(fakes.belgian_vat(own))
        website: str | None = draw.choice(("www.{}", "https://www.{}", "http://{}/", "{}")).format(domain)
        emails = [("primary", f"info@{domain}")]
        if slot == SOCIAL_NETWORK:
            website, emails = f"https://www.facebook.com/{domain.split('.')[0]}", []
        elif slot == NAME_ONLY:
            website, emails = None, []
        updated = _between(draw, self._recent[0], self._older[1])
        return shapes.company(
            teamleader_id("companies", index + 1),
            name=name,
            business_type=reference.BUSINESS_TYPE_ID[legal_form],
            vat_number=vat,
            website=website,
            emails=emails,
            telephones=[("phone", fakes.telephone("phone", country, draw.randrange(10_000)))],
            address=shapes.postal(f"{draw.choice(fakes.STREETS)} {draw.randint(1, 240)}", postal_code, city, country),
            responsible_user=draw.choice(reference.USERS)["id"],
            status="deactivated" if slot == COMPANY_DEACTIVATED else "active",
            language="nl" if dutch else draw.choice(("nl", "nl", "nl", "fr")),
            tags=draw.sample(("klant", "leverancier", "partner"), draw.randrange(2)),
            added_at=_between(draw, updated, updated - timedelta(days=2000)),
            updated_at=updated,
        )

    def deal(self, index: int) -> Record:
        """deals.info of a deal: most with a contact, about half of them open."""
        draw = self._draw(_DEAL, index)
        who = draw.randrange(self.contacts) if self.contacts else None
        person: str | None = None
        if who is None or (self.companies and draw.random() < 0.08):
            customer = ("company", teamleader_id("companies", draw.randrange(self.companies) + 1))
        else:
            person, links = teamleader_id("contacts", who + 1), self.person(who).links
            if links and draw.random() < 0.75:
                customer = ("company", teamleader_id("companies", links[0] + 1))
            else:
                customer, person = ("contact", person), None
        pipeline = draw.choices(reference.PIPELINES, (3, 1))[0]["id"]
        created = self.as_of - timedelta(days=2 + 2400 * draw.random() ** 1.8)
        phases: list[tuple[str, datetime]] = []
        moment = created
        for phase in reference.PHASES_OF[pipeline][: draw.randint(1, 5)]:
            phases.append((phase, moment))
            moment += timedelta(days=draw.expovariate(1 / 25))
            if moment >= self.as_of:
                break
        last = phases[-1][1]
        status = draw.choices(("open", "new", "won", "lost"), (47, 3, 28, 22))[0]
        if status == "new":
            phases, last = phases[:1], created
        closed = min(last + timedelta(days=draw.uniform(1, 60)), self.as_of - timedelta(hours=1))
        closed_at = closed if status in ("won", "lost") else None
        current = phases[-1][0]
        title = f"{draw.choice(('Offerte', 'Project', 'Onderhoud', 'Levering', 'Renovatie'))} {index + 1}"
        return shapes.deal(
            teamleader_id("deals", index + 1),
            title=title,
            reference=f"{created.year}/{index + 1}",
            customer=customer,
            contact_person=person,
            status=status,
            phases=phases,
            current_phase=current,
            pipeline=pipeline,
            user=draw.choice(reference.USERS)["id"],
            department=draw.choices(reference.DEPARTMENTS, (4, 1))[0]["id"],
            amount=round(draw.uniform(400, 45_000), 2) if draw.random() < 0.9 else None,
            probability=reference.PROBABILITY[current],
            estimated_closing_date=(created + timedelta(days=90)).date().isoformat(),
            source=draw.choice(reference.SOURCES)["id"] if draw.random() < 0.7 else None,
            lost_reason=draw.choice(reference.LOST_REASONS)["id"] if draw.random() < 0.8 else None,
            lost_remark="Misschien volgend jaar" if draw.random() < 0.3 else None,
            closed_at=closed_at,
            created_at=created,
            updated_at=closed_at or last,
        )

    # -- HubSpot before the first sync --------------------------------------------------------------------------

    def _hubspot_contacts(self) -> Iterator[Record]:
        for index in range(self.contacts):
            if self.contact_in_hubspot(index):
                yield self._hubspot_contact(index)
            place = index % BLOCK
            if place < UNRELATED_PER_BLOCK:
                yield self._unrelated_contact(index)

    def _hubspot_contact(self, index: int) -> Record:
        block, slot = index // BLOCK, self.contact_slot(index)
        person, draw = self.person(index), self._draw(_IN_HUBSPOT, index)
        properties: Record = {"email": person.email, "firstname": person.first_name, "lastname": person.last_name}
        secondary = []
        if slot == BY_SECONDARY:
            properties["email"], secondary = f"prive.{index}@{PRIVATE_MAIL[0]}", [person.email]
        elif slot == CLAIMING and block % 5 == 0:
            secondary = [self.person(self._contact_at(block, CLAIMED_TOO)).email]
        # What people typed in HubSpot themselves.
        if draw.random() < 0.4:
            properties["jobtitle"] = draw.choice(fakes.POSITIONS)
        if draw.random() < 0.4:
            properties["phone"] = fakes.telephone("phone", "BE", draw.randrange(10_000))
        if draw.random() < 0.2:
            properties["firstname"] = f"{person.first_name[0]}."
        created = _between(draw, self._recent[0], self._older[1])
        return {
            "id": hubspot_contact_id(index),
            "properties": properties,
            "secondary_emails": secondary,
            "marketable": slot in WITHIN_TWO_YEARS and draw.random() < 0.5,
            "opted_out": slot == OPTED_OUT_IN_HUBSPOT and block % 2 == 0,
            "createdAt": shapes.stamp(created),
            "updatedAt": shapes.stamp(_between(draw, self._recent[0], created)),
        }

    def _unrelated_contact(self, index: int) -> Record:
        draw = self._draw(_UNRELATED, index)
        first, last = draw.choice(fakes.FIRST_NAMES)[0], draw.choice(fakes.FAMILY_NAMES)
        created = shapes.stamp(_between(draw, *self._recent))
        return {
            "id": str(int(hubspot_contact_id(index)) + 5),
            "properties": {
                "email": f"{fakes.mailbox(first, last)}.{index}@nergens-anders.example",
                "firstname": first,
                "lastname": last,
            },
            "createdAt": created,
            "updatedAt": created,
        }

    def _hubspot_companies(self) -> Iterator[Record]:
        for index in range(self.companies):
            slot = self.company_slot(index)
            if self.company_in_hubspot(index):
                draw = self._draw(_COMPANY_IN_HUBSPOT, index)
                created = _between(draw, self._recent[0], self._older[1])
                properties: Record = {"name": fakes.company_name(index)}
                if slot in HUBSPOT_HAS_VAT:
                    vat = fakes.dutch_vat(index) if slot in DUTCH else f"BE{fakes.belgian_vat(index)}"
                    properties |= {"vat_number": vat, "domain": fakes.company_domain(index)}
                elif slot in HUBSPOT_HAS_DOMAIN:
                    properties |= {"domain": fakes.company_domain(index), "phone": "02 555 00 00"}
                else:
                    properties["name"] = fakes.company_name(index).upper()
                yield {
                    "id": hubspot_company_id(index),
                    "properties": properties,
                    "createdAt": shapes.stamp(created),
                    "updatedAt": shapes.stamp(_between(draw, self._recent[0], created)),
                }
            if index % COMPANY_BLOCK == 0:
                yield {
                    "id": str(int(hubspot_company_id(index)) + 5),
                    "properties": {"name": f"Eigen relatie {index}", "domain": f"eigen-relatie-{index}.example"},
                    "createdAt": shapes.stamp(self._older[0]),
                    "updatedAt": shapes.stamp(self._older[0]),
                }


_VAT_NOTATIONS = (
    lambda vat: f"BE{vat}",
    lambda vat: f"BE {vat[:4]}.{vat[4:7]}.{vat[7:]}",
    lambda vat: f"{vat[:4]}.{vat[4:7]}.{vat[7:]}",
    lambda vat: vat[1:],
)
"""How people type a Belgian enterprise number of ten digits."""


def hubspot_contact_id(index: int) -> str:
    """Id of the HubSpot contact that stands for a Teamleader contact before the first sync."""
    return str(100_000_000 + 10 * index)


def hubspot_company_id(index: int) -> str:
    """Id of the HubSpot company that stands for a Teamleader company before the first sync."""
    return str(50_000_000 + 10 * index)


def _between(draw: random.Random, later: datetime, earlier: datetime) -> datetime:
    return earlier + (later - earlier) * draw.random()
