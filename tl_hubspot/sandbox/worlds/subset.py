"""The `subset` world: 50 contacts, 10 companies and 10 deals that hold every edge case of the decision, matching and
relation rules once, each with its `Case`: what must have become of it after the first sync.

The expectations are derived by hand from the rules, never by running the product: they are its end-to-end oracle.
Left out, because the first sync cannot show them: what needs a link table with a past (merged records, changed
addresses of linked contacts, removed links) and `unmapped_stage`, which only configuration can produce.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, ClassVar

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

CONTACTS, COMPANIES, DEALS = 50, 10, 10


def contact_id(number: int) -> str:
    """Teamleader id of the subset's contact 1…50."""
    return teamleader_id("contacts", 1000 + number)


def company_id(letter: str) -> str:
    """Teamleader id of the subset's company A…J."""
    return teamleader_id("companies", 500 + ord(letter) - ord("A"))


def deal_id(number: int) -> str:
    """Teamleader id of the subset's deal 1…10."""
    return teamleader_id("deals", 300 + number)


def ours(id: str) -> str:
    """How `Case.expected` names the HubSpot record that carries a teamleader_id."""
    return f"teamleader:{id}"


MISSING_CONTACT = teamleader_id("contacts", 999_999)
"""Referred to by a deal, but not in Teamleader."""
FOREIGN_CONTACT = teamleader_id("contacts", 888_888)
"""Carried by a HubSpot contact, but not in Teamleader."""


class Subset:
    """Source of the subset. Times follow as_of; ids and cases do not depend on the seed, names and telephones do."""

    custom_properties: ClassVar[dict[str, tuple[str, ...]]] = {
        "contacts": ("teamleader_id", "teamleader_marketing", "teamleader_status"),
        "companies": ("teamleader_id", "vat_number"),
        "deals": ("teamleader_id", "teamleader_label", "teamleader_status"),
    }

    def __init__(self, seed: int, as_of: datetime) -> None:
        self.as_of = as_of
        self.two, self.five = years_ago(as_of, 2), years_ago(as_of, 5)
        self._random = random.Random(seed)
        self._contacts: dict[int, Record] = {}
        self._companies: dict[str, Record] = {}
        self._deals: dict[int, Record] = {}
        self._hubspot: dict[str, list[Record]] = {"contacts": [], "companies": [], "deals": []}
        self._associations: list[Association] = []
        self.cases: list[Case] = []
        self._names = self._random.sample(
            [(first, gender, last) for first, gender in fakes.FIRST_NAMES for last in fakes.FAMILY_NAMES], CONTACTS
        )
        self._decisions()
        self._duplicates()
        self._opt_outs()
        self._matching()
        self._company_rules()
        self._deal_rules()
        self._relations()

    def teamleader(self, kind: str) -> Iterator[Record]:
        books: dict[str, dict[Any, Record]] = {
            "contacts": self._contacts,
            "companies": self._companies,
            "deals": self._deals,
        }
        return (deepcopy(books[kind][key]) for key in sorted(books[kind]))

    def hubspot_objects(self, object_type: str) -> Iterator[Record]:
        return map(deepcopy, self._hubspot[object_type])

    def hubspot_associations(self) -> Iterator[Association]:
        return iter(self._associations)

    # -- building blocks ----------------------------------------------------------------------------------------

    def ago(self, days: float) -> datetime:
        return self.as_of - timedelta(days=days)

    def address(self, number: int) -> str:
        """The ordinary address of contact 1…50, already normalised."""
        first, _, last = self._names[number - 1]
        return f"{fakes.mailbox(first, last)}@klant{number:02d}.example"

    def contact(self, number: int, **given: Any) -> str:
        """Add contact `number`: recently changed, consenting, active, reachable, unless `given` says otherwise."""
        first, gender, last = self._names[number - 1]
        postal_code, city = fakes.BELGIAN_CITIES[number % len(fakes.BELGIAN_CITIES)]
        defaults: Record = {
            "first_name": first,
            "last_name": last,
            "gender": gender,
            "emails": [("primary", self.address(number))],
            "telephones": [("mobile", fakes.telephone("mobile", "BE", self._random.randrange(10_000)))],
            "address": shapes.postal(f"{fakes.STREETS[number % 16]} {number}", postal_code, city, "BE"),
            "added_at": self.ago(3000),
            "updated_at": self.ago(100),
        }
        links = [shapes.link(company_id(letter), "Zaakvoerder") for letter in given.pop("linked", "")]
        self._contacts[number] = shapes.contact(contact_id(number), companies=links, **{**defaults, **given})
        return contact_id(number)

    def company(self, letter: str, name: str, **given: Any) -> str:
        """Add company `letter`, last changed half a year ago and in Belgium unless `given` says otherwise."""
        postal_code, city = fakes.BELGIAN_CITIES[ord(letter) % len(fakes.BELGIAN_CITIES)]
        defaults: Record = {
            "added_at": self.ago(2500),
            "updated_at": self.ago(180),
            "address": shapes.postal("Industrieweg 7", postal_code, city, "BE"),
            "telephones": [("phone", fakes.telephone("phone", "BE", self._random.randrange(10_000)))],
            "responsible_user": reference.USERS[0]["id"],
        }
        self._companies[letter] = shapes.company(company_id(letter), name=name, **{**defaults, **given})
        return company_id(letter)

    def deal(self, number: int, customer: tuple[str, str], **given: Any) -> str:
        """Add deal `number`, open, in the first pipeline, in the last phase of its history or else the first one."""
        pipeline = reference.PIPELINES[0]["id"]
        phases = list(zip(reference.PHASES_OF[pipeline], given.pop("phase_times", ()), strict=False))
        current = phases[-1][0] if phases else reference.PHASES_OF[pipeline][0]
        defaults: Record = {
            "title": f"Offerte {number}",
            "reference": f"{self.as_of.year}/{number}",
            "amount": 1250.5 * number,
            "probability": reference.PROBABILITY[current],
            "source": reference.SOURCES[number % 4]["id"],
            "updated_at": self.ago(20),
        }
        self._deals[number] = shapes.deal(
            deal_id(number),
            customer=customer,
            phases=phases,
            current_phase=current,
            pipeline=pipeline,
            user=reference.USERS[1]["id"],
            department=reference.DEPARTMENTS[0]["id"],
            **{**defaults, **given},
        )
        return deal_id(number)

    def in_hubspot(self, object_type: str, id: str, properties: Record, **given: Any) -> str:
        """Add a record that HubSpot holds before the first sync."""
        created = shapes.stamp(given.pop("created", self.ago(700)))
        record: Record = {
            "id": id,
            "properties": properties,
            "createdAt": created,
            "updatedAt": shapes.stamp(self.ago(60)),
        }
        self._hubspot[object_type].append(record | given)
        return id

    def case(self, name: str, entity: str, id: str, spec: str, story: str, **expected: Any) -> None:
        self.cases.append(Case(name, entity, id, spec, story, expected))

    # -- contacts -----------------------------------------------------------------------------------------------

    def _decisions(self) -> None:
        skipped = {"status": "skip", "bucket": "skipped"}
        marketing = {"status": "marketing", "reason": "changed_within_2_years", "bucket": "created", "unsubscribed": []}
        older = {"status": "non_marketing", "reason": "changed_2_to_5_years", "bucket": "created", "unsubscribed": []}

        def valid(email: str, wanted: bool = True) -> Record:
            return {
                "properties": {
                    "email": email,
                    "teamleader_marketing": str(wanted).lower(),
                    "teamleader_status": "active",
                }
            }

        id = self.contact(1, emails=[])
        self.case(
            "no_email_empty_list", "contact", id, "§3.2 row 1",
            "A contact without any e-mail entry is skipped.", **skipped, reason="no_email",
        )  # fmt: skip
        id = self.contact(2, emails=[("primary", "\u00a0 \u3000")], consent=False)
        self.case(
            "no_email_only_white_space", "contact", id, "§3.2 row 1",
            "An entry of nothing but Unicode white space is no address.", **skipped, reason="no_email",
        )  # fmt: skip
        self.case(
            "opted_out_without_address", "contact", id, "§3.3",
            "An opt-out without an address cannot be carried out: skipped, and counted by its own check.",
            **skipped, reason="no_email", unsubscribed=[], report="opted_out_without_address",
        )  # fmt: skip
        email = self.address(3)
        id = self.contact(3, emails=[("primary", "  "), ("invoicing", email)], linked="G")
        self.case(
            "email_of_other_type", "contact", id, "§3.2 row 1",
            "The primary entry is blank, so the first non-blank one of another type is the address.",
            **marketing, **valid(email),
        )  # fmt: skip
        id = self.contact(
            4,
            emails=[
                ("invoicing", "facturen@klant04.example"),
                ("primary", "\u2003 Joris.DE-WITTE@Voorbeeldzaak.EXAMPLE\u00a0"),
            ],
        )
        self.case(
            "email_white_space_and_upper_case", "contact", id, "§2 address",
            "Unicode white space around the address goes, capitals become small.",
            **marketing, **valid("joris.de-witte@voorbeeldzaak.example"),
        )  # fmt: skip
        self.case(
            "email_primary_before_other_type", "contact", id, "§3.2 row 1",
            "An entry of type primary wins from an earlier one of another type.",
            properties={"email": "joris.de-witte@voorbeeldzaak.example"},
        )  # fmt: skip
        # Decomposed é: NFC first, then punycode.
        id = self.contact(5, emails=[("primary", "Info@Cafe\u0301-De-Hoek.example")])
        self.case(
            "email_international_domain", "contact", id, "§2 address",
            "A domain with an accent, typed in decomposed form, is written in punycode.",
            **marketing, **valid("info@xn--caf-de-hoek-dbb.example"),
        )  # fmt: skip

        invalid = {
            6: ("last_label_of_digits", "hilde@10.0.0.1", "The last label of the domain is a number."),
            7: ("two_dots", "jan..maes@klant07.example", "Two dots in a row are no dot-atom."),
            8: ("one_label", "jan@localhost", "The domain has one label only."),
            9: ("accent_in_local_part", "andré@klant09.example", "The local part is not ASCII."),
            10: ("local_part_of_65", f"{'a' * 65}@klant10.example", "The local part is one character too long."),
        }
        for number, (name, email, story) in invalid.items():
            id = self.contact(number, emails=[("primary", email)])
            self.case(f"invalid_email_{name}", "contact", id, "§3.2 row 2", story, **skipped, reason="invalid_email")

        id = self.contact(11, added_at=None, updated_at=None)
        self.case(
            "no_date", "contact", id, "§3.2 row 3",
            "Neither updated_at nor added_at is known.", **skipped, reason="no_date",
        )  # fmt: skip
        id = self.contact(12, added_at=self.ago(365), updated_at=None, linked="J")
        self.case(
            "added_at_stands_in_for_updated_at", "contact", id, "§3.1",
            "Without updated_at the contact counts as changed when it was added.",
            **marketing, **valid(self.address(12)),
        )  # fmt: skip
        id = self.contact(13, updated_at=self.ago(-30))
        self.case(
            "changed_in_the_future", "contact", id, "§3.1",
            "A time in the future counts as recent and is reported.",
            **marketing, **valid(self.address(13)), report="future_date",
        )  # fmt: skip

        day = timedelta(days=1)
        id = self.contact(14, updated_at=local(self.two, 23, 59, 59))
        self.case(
            "exactly_two_years", "contact", id, "§3.2 row 11",
            "Changed in the last second, Brussels time, of the day two years ago: imported, not marketing.",
            **older, **valid(self.address(14), False),
        )  # fmt: skip
        id = self.contact(15, updated_at=local(self.two + day, 0, 0, 0), linked="B")
        self.case(
            "two_years_less_one_day_at_midnight", "contact", id, "§3.2 row 10",
            "Changed at the first moment of the next day in Brussels, in UTC still exactly two years ago: marketing.",
            **marketing, **valid(self.address(15)),
        )  # fmt: skip
        id = self.contact(16, updated_at=local(self.two - day))
        self.case(
            "two_years_and_one_day", "contact", id, "§3.2 row 11",
            "Changed two years and one day ago.", **older, **valid(self.address(16), False),
        )  # fmt: skip
        id = self.contact(17, updated_at=local(self.five, 0, 0, 0))
        self.case(
            "exactly_five_years_at_midnight", "contact", id, "§3.2 row 11",
            "Changed at the first moment, Brussels time, of the day five years ago, in UTC the day before: imported.",
            **older, **valid(self.address(17), False),
        )  # fmt: skip
        id = self.contact(18, updated_at=local(self.five - day, 23, 59, 59), linked="H")
        self.case(
            "five_years_and_one_second", "contact", id, "§3.2 row 4",
            "Changed one second before that midnight: too old.", **skipped, reason="too_old",
        )  # fmt: skip
        id = self.contact(19, updated_at=local(self.five + day))
        self.case(
            "five_years_less_one_day", "contact", id, "§3.2 row 11",
            "Changed one day less than five years ago.", **older, **valid(self.address(19), False),
        )  # fmt: skip

        id = self.contact(20, status="deactivated")
        self.case(
            "deactivated_never_linked", "contact", id, "§3.2 row 5",
            "Deactivated in Teamleader and unknown to HubSpot.", **skipped, reason="deactivated",
        )  # fmt: skip
        id = self.contact(21, status="deactivated")
        self.in_hubspot("contacts", "9021", {"email": self.address(21), "teamleader_id": id})
        self.case(
            "deactivated_but_linked", "contact", id, "§3.2 row 9",
            "Deactivated, but a HubSpot contact carries its teamleader_id: kept up to date as non-marketing.",
            status="non_marketing", reason="deactivated", bucket="updated", hubspot_id="9021", unsubscribed=[],
            properties={
                "email": self.address(21), "teamleader_marketing": "false", "teamleader_status": "deactivated"
            },
        )  # fmt: skip
        id = self.contact(48, updated_at=local(self.five - 40 * day))
        self.in_hubspot(
            "contacts",
            "9048",
            {
                "email": self.address(48),
                "lastname": "Zoals Voorheen",
                "teamleader_id": id,
                "teamleader_marketing": "true",
                "teamleader_status": "active",
            },
        )
        self.case(
            "linked_becomes_too_old", "contact", id, "§3.2",
            "A linked contact that falls out of scope loses teamleader_marketing, is marked, and nothing else changes.",
            status="skip", reason="too_old", hubspot_id="9048", unsubscribed=[],
            properties={
                "teamleader_marketing": "false", "teamleader_status": "out_of_scope", "lastname": "Zoals Voorheen"
            },
        )  # fmt: skip

    def _duplicates(self) -> None:
        lost = {"status": "skip", "reason": "duplicate_email", "bucket": "skipped"}
        won = {"status": "marketing", "reason": "changed_within_2_years"}

        winner, email = self.contact(22, updated_at=self.ago(365)), self.address(22)
        loser = self.contact(23, emails=[("primary", email)], status="deactivated", updated_at=self.ago(10))
        self.in_hubspot("contacts", "9023", {"email": email, "teamleader_id": loser})
        self.case(
            "duplicate_active_before_deactivated", "contact", loser, "§3.2 row 6",
            "The deactivated one of two loses, although it changed later.", **lost, duplicate_of=winner,
        )  # fmt: skip
        self.case(
            "duplicate_winner_takes_over_link", "contact", winner, "§3.2",
            "The winner has no link of its own and takes over the loser's HubSpot contact.",
            **won, bucket="updated", hubspot_id="9023",
            properties={
                "email": email, "teamleader_id": winner, "teamleader_status": "active", "teamleader_marketing": "true"
            },
        )  # fmt: skip

        winner, email = self.contact(24, updated_at=self.ago(50)), self.address(24)
        loser = self.contact(25, emails=[("primary", f" {email.upper()}")], updated_at=self.ago(300), linked="I")
        self.case(
            "duplicate_latest_changed_at", "contact", loser, "§3.2 row 6",
            "Same address in capitals: the one that changed earlier loses.", **lost, duplicate_of=winner,
        )  # fmt: skip
        self.case(
            "duplicate_winner", "contact", winner, "§3.2 row 6",
            "One HubSpot contact for the two.", **won, bucket="created", properties={"email": email},
        )  # fmt: skip

        changed = self.ago(77)
        winner, email = self.contact(26, updated_at=changed, added_at=self.ago(900)), self.address(26)
        loser = self.contact(27, emails=[("primary", email)], updated_at=changed, added_at=self.ago(800), consent=False)
        self.case(
            "duplicate_earliest_added_at", "contact", loser, "§3.2 row 6",
            "Changed in the same second: the one added later loses.", **lost, duplicate_of=winner,
        )  # fmt: skip
        self.case(
            "duplicate_loser_opts_winner_out", "contact", winner, "§3.3",
            "The loser is opted out, so the address is, and with it the winner: created and unsubscribed in one run.",
            status="non_marketing", reason="opted_out", bucket="created", unsubscribed=[email],
            properties={"email": email, "teamleader_marketing": "false", "teamleader_opt_out": "true"},
        )  # fmt: skip

        email = self.address(28)
        same: Record = {"emails": [("primary", email)], "updated_at": self.ago(66), "added_at": self.ago(600)}
        winner, loser = sorted((self.contact(28, **same), self.contact(29, **same)))
        self.case(
            "duplicate_smallest_id", "contact", loser, "§3.2 row 6",
            "Changed and added in the same second: the greater id loses.", **lost, duplicate_of=winner,
        )  # fmt: skip
        self.case(
            "duplicate_smallest_id_winner", "contact", winner, "§3.2 row 6",
            "The smallest id wins.", **won, bucket="created", properties={"email": email},
        )  # fmt: skip

    def _opt_outs(self) -> None:
        opted_out = {"status": "non_marketing", "reason": "opted_out"}
        too_old = {"status": "skip", "reason": "too_old", "bucket": "skipped"}
        never = local(self.five - timedelta(days=400))

        id, email = self.contact(30, consent=False), self.address(30)
        self.in_hubspot("contacts", "9030", {"email": email})
        self.case(
            "opted_out_known_to_hubspot", "contact", id, "§3.2 row 7, §3.3",
            "An opted-out address that HubSpot has is unsubscribed from all e-mail.",
            **opted_out, bucket="updated", hubspot_id="9030", unsubscribed=[email],
            properties={"teamleader_marketing": "false", "teamleader_opt_out": "true"},
        )  # fmt: skip
        id, email = self.contact(31, consent=False), self.address(31)
        self.case(
            "opted_out_created_by_the_run", "contact", id, "§3.3",
            "An opted-out contact that the run itself creates is unsubscribed in the same run.",
            **opted_out, bucket="created", unsubscribed=[email],
            properties={"email": email, "teamleader_marketing": "false", "teamleader_opt_out": "true"},
        )  # fmt: skip
        id = self.contact(32, consent=False, updated_at=never)
        self.case(
            "opted_out_unknown_to_hubspot", "contact", id, "§3.3",
            "A skipped contact's opted-out address that HubSpot does not know: no call, and no new contact.",
            **too_old, unsubscribed=[],
        )  # fmt: skip
        id, email = self.contact(33, consent=False, updated_at=never), self.address(33)
        self.in_hubspot("contacts", "9033", {"email": email, "lastname": "Zoals Voorheen"})
        self.case(
            "opted_out_although_skipped", "contact", id, "§3.3",
            "Too old to import, but HubSpot has the address: it is unsubscribed there and nothing else is written.",
            **too_old, unsubscribed=[email], untouched="9033",
            properties={"lastname": "Zoals Voorheen", "teamleader_id": None},
        )  # fmt: skip
        email = self.address(35)
        id = self.contact(34, emails=[("primary", email)], consent=False, updated_at=never)
        self.case(
            "skipped_is_no_duplicate", "contact", id, "§3.2 rows 4 and 6",
            "Too old comes before duplicate.", **too_old, duplicate_of=None,
        )  # fmt: skip
        id = self.contact(35, linked="E")
        self.case(
            "opted_out_by_skipped_contact", "contact", id, "§3.3",
            "Consents itself, but a skipped contact with the same address is opted out, so the address is.",
            **opted_out, bucket="created", unsubscribed=[email],
            properties={"email": email, "teamleader_marketing": "false", "teamleader_opt_out": "true"},
        )  # fmt: skip
        id, email = self.contact(36, consent=False), self.address(36)
        self.in_hubspot("contacts", "9036", {"email": "eerste.keus@klant36.example"}, secondary_emails=[email])
        self.case(
            "opted_out_secondary_address", "contact", id, "§3.3",
            "The opted-out address is a secondary one in HubSpot: the primary is unsubscribed too.",
            **opted_out, bucket="updated", hubspot_id="9036", unsubscribed=[email, "eerste.keus@klant36.example"],
            properties={"email": "eerste.keus@klant36.example", "hs_additional_emails": email},
        )  # fmt: skip
        unknown = {"status": "non_marketing", "reason": "consent_unknown", "bucket": "created", "unsubscribed": []}
        id = self.contact(37, consent_visible=False)
        self.case(
            "consent_absent", "contact", id, "§3.2 row 8",
            "Teamleader does not give the property.", **unknown, properties={"teamleader_marketing": "false"},
        )  # fmt: skip
        id = self.contact(38, consent=None)
        self.case(
            "consent_null", "contact", id, "§3.2 row 8",
            "Teamleader gives null.", **unknown, properties={"teamleader_marketing": "false"},
        )  # fmt: skip
        id, email = self.contact(39), self.address(39)
        self.in_hubspot("contacts", "9039", {"email": email}, opted_out=True)
        self.case(
            "opted_out_in_hubspot_already", "contact", id, "§3.3",
            "Consents in Teamleader, but HubSpot shows the person as opted out: never asked for marketing status.",
            status="marketing", reason="changed_within_2_years", bucket="updated", hubspot_id="9039",
            asked=False, unsubscribed=[], properties={"teamleader_marketing": "false"},
        )  # fmt: skip

    def _matching(self) -> None:
        decided = {"status": "marketing", "reason": "changed_within_2_years"}
        wanted = {"teamleader_marketing": "true"}

        id = self.contact(40, linked="C")
        self.in_hubspot("contacts", "9040", {"email": "werk@klant40.example", "teamleader_id": id})
        self.case(
            "matched_by_teamleader_id", "contact", id, "§3.4",
            "HubSpot's contact carries the id and another primary: that stays, Teamleader's address becomes secondary.",
            **decided, bucket="updated", hubspot_id="9040",
            properties=wanted | {"email": "werk@klant40.example", "hs_additional_emails": self.address(40)},
        )  # fmt: skip
        id = self.contact(41, linked="A", telephones=[], language=None)
        self.in_hubspot(
            "contacts",
            "9041",
            {
                "email": self.address(41),
                "firstname": "Oude Voornaam",
                "phone": "02 555 00 41",
                "hs_analytics_source": "ORGANIC_SEARCH",
            },
        )
        self.case(
            "matched_by_primary_address", "contact", id, "§3.4",
            "Found by its primary address: a filled Teamleader value overwrites, an empty one never does.",
            **decided, bucket="updated", hubspot_id="9041",
            properties=wanted
            | {
                "email": self.address(41), "teamleader_id": id, "firstname": self._names[40][0],
                "phone": "02 555 00 41",
            },
        )  # fmt: skip
        self.case(
            "protected_property_kept", "contact", id, "§7",
            "HubSpot's original source is never written.", properties={"hs_analytics_source": "ORGANIC_SEARCH"},
        )  # fmt: skip
        id = self.contact(42, linked="D")
        self.in_hubspot("contacts", "9042", {"email": "gekozen@klant42.example"}, secondary_emails=[self.address(42)])
        self.case(
            "matched_by_secondary_address", "contact", id, "§3.4",
            "Found by a secondary address: HubSpot's primary stays.",
            **decided, bucket="updated", hubspot_id="9042",
            properties=wanted
            | {
                "email": "gekozen@klant42.example", "hs_additional_emails": self.address(42), "teamleader_id": id
            },
        )  # fmt: skip
        first, second = self.contact(43), self.contact(44)
        self.in_hubspot("contacts", "9043", {"email": self.address(43)}, secondary_emails=[self.address(44)])
        self.case(
            "claims_by_primary_first", "contact", first, "§3.4",
            "Two contacts match one HubSpot contact: the one with its primary address gets it.",
            **decided, bucket="updated", hubspot_id="9043",
            properties=wanted | {"email": self.address(43), "teamleader_id": first},
        )  # fmt: skip
        self.case(
            "claimed_by_other", "contact", second, "§3.4",
            "The one with its secondary address is held.", bucket="held", reason="claimed_by_other",
        )  # fmt: skip
        id = self.contact(45)
        self.in_hubspot("contacts", "9045", {"email": self.address(45), "teamleader_id": id}, archived=True)
        self.case(
            "deleted_in_hubspot", "contact", id, "§3.4",
            "A person archived the HubSpot contact that carries the id: not created again.",
            bucket="held", reason="deleted_in_hubspot",
        )  # fmt: skip
        id = self.contact(46)
        self.in_hubspot("contacts", "9046", {"email": self.address(46)}, archived=True)
        self.case(
            "archived_with_same_address", "contact", id, "§3.4",
            "An archived HubSpot contact that only shares the address is no match.",
            **decided, bucket="created", not_hubspot_id="9046", properties=wanted | {"email": self.address(46)},
        )  # fmt: skip
        id = self.contact(47)
        self.in_hubspot("contacts", "9047", {"email": "vorige@klant47.example", "teamleader_id": id})
        self.in_hubspot("contacts", "9147", {"email": self.address(47), "lastname": "Zoals Voorheen"})
        self.case(
            "email_taken", "contact", id, "§3.4",
            "The address belongs to another HubSpot contact: left alone, the rest updated, the pair reported.",
            **decided, bucket="updated", hubspot_id="9047", report="email_taken",
            properties=wanted
            | {
                "email": "vorige@klant47.example", "hs_additional_emails": None,
                "lastname": self._contacts[47]["last_name"],
            },
        )  # fmt: skip
        id = self.contact(49, emails=[("primary", self.address(15).replace("@", "+nieuws@"))], linked="ABC")
        self.case(
            "plus_tag_is_another_address", "contact", id, "§2 address",
            "Dots and +tags count: no duplicate of the contact without the tag.",
            **decided, bucket="created",
            properties=wanted | {"email": self.address(15).replace("@", "+nieuws@")},
        )  # fmt: skip
        self.contact(50, linked="E")
        self.in_hubspot("contacts", "9050", {"email": self.address(50)})
        self.in_hubspot(
            "contacts",
            "9098",
            {
                "email": "vreemd@elders.example",
                "lastname": "Zoals Voorheen",
                "teamleader_id": FOREIGN_CONTACT,
                "teamleader_marketing": "true",
            },
        )
        self.case(
            "unknown_teamleader_id", "contact", FOREIGN_CONTACT, "§3.4",
            "A HubSpot contact carries an id that Teamleader does not have: reported, not changed.",
            untouched="9098", report="unknown_teamleader_id",
            properties={"teamleader_marketing": "true", "lastname": "Zoals Voorheen"},
        )  # fmt: skip
        self.in_hubspot("contacts", "9099", {"email": "los@elders.example", "lastname": "Zoals Voorheen"})
        self.case(
            "unrelated_hubspot_contact", "contact", "", "§3.4",
            "A HubSpot contact that nothing in Teamleader matches is left alone.",
            untouched="9099", properties={"lastname": "Zoals Voorheen", "teamleader_id": None},
        )  # fmt: skip

    # -- companies ----------------------------------------------------------------------------------------------

    def _company_rules(self) -> None:
        synced = {"status": "sync", "reason": "eligible_contact"}
        lost = {"status": "skip", "reason": "duplicate_company", "bucket": "skipped"}
        vat = [fakes.belgian_vat(20 + n) for n in range(4)]

        # Two unrelated firms with the same name; J, with neither valid VAT nor domain, fits both.
        a = self.company(
            "A",
            "Garage Noorderlicht BV",
            vat_number=f"{vat[0][1:4]}.{vat[0][4:7]}.{vat[0][7:]}",
            website="www.garage-noorderlicht-gent.example",
            business_type=reference.BUSINESS_TYPE_ID["BV"],
        )
        self.in_hubspot(
            "companies",
            "8001",
            {
                "name": "Garage Noorderlicht",
                "vat_number": f"BE {vat[0][:4]}.{vat[0][4:7]}.{vat[0][7:]}",
                "domain": "noorderlicht-autos-9041.github.io",
            },
        )
        self.case(
            "company_by_vat_of_nine_digits", "company", a, "§4 key 1",
            "Nine digits without country code, in Belgium: same enterprise number as HubSpot's with BE, zero and dots.",
            **synced, bucket="updated", hubspot_id="8001",
            properties={"vat_number": f"BE{vat[0]}", "name": "Garage Noorderlicht BV", "teamleader_id": a},
        )  # fmt: skip
        b = self.company(
            "B", "GARAGE NOORDERLICHT N.V.", website="https://noorderlicht-autos-9041.github.io/contact?taal=nl"
        )
        self.case(
            "company_claimed_by_stronger_key", "company", b, "§4 matching",
            "HubSpot's company has B's domain, but A claims it by VAT, which is stronger: B creates its own.",
            **synced, bucket="created", not_hubspot_id="8001", properties={"teamleader_id": b},
        )  # fmt: skip
        self.case(
            "company_domain_private_suffix", "company", b, "§4 key 2",
            "github.io is in the private part of the public suffix list: the registrable domain has three labels.",
            properties={"domain": "noorderlicht-autos-9041.github.io"},
        )  # fmt: skip
        c = self.company(
            "C",
            "Kwekerij Lavendelveste B.V.",
            vat_number=fakes.dutch_vat(33),
            website="HTTPS://WWW.Kwekerij-Lavendelveste.Example/over-ons",
            address=shapes.postal("Dorpsplein 3", "4811 LM", "Breda", "NL"),
        )
        self.in_hubspot(
            "companies",
            "8003",
            {
                "name": "Lavendel",
                "domain": "lavendel-shop-9041.example",
                "hs_additional_domains": "lavendelveste.example;kwekerij-lavendelveste.example",
            },
        )
        self.case(
            "company_by_additional_domain", "company", c, "§4 key 2",
            "HubSpot has no VAT number for it, so the website's domain is compared, with additional domains too.",
            **synced, bucket="updated", hubspot_id="8003", properties={"vat_number": fakes.dutch_vat(33)},
        )  # fmt: skip
        d = self.company("D", "Tuinen Wilgendonk", emails=[("primary", "info@tuinen-wilgendonk.example")])
        self.in_hubspot("companies", "8004", {"domain": "tuinen-wilgendonk.example"}, created=self.ago(200))
        self.in_hubspot("companies", "8005", {"domain": "tuinen-wilgendonk.example"}, created=self.ago(1500))
        self.case(
            "company_ambiguous_match", "company", d, "§4 matching",
            "Two HubSpot companies have the domain of its e-mail address: the oldest is taken and it is reported.",
            **synced, bucket="updated", hubspot_id="8005", report="ambiguous_company_match",
        )  # fmt: skip
        e = self.company(
            "E",
            "Drukkerij Peeters-Noël & Zonen bvba",
            website="https://www.facebook.com/drukkerij.voorbeeld.9041",
            emails=[("primary", "drukkerij.voorbeeld.9041@gmail.com")],
        )
        self.in_hubspot("companies", "8006", {"name": "DRUKKERIJ PEETERS NOEL ZONEN"})
        self.case(
            "company_by_name", "company", e, "§4 key 3",
            "No VAT, no domain on either side: names are equal without accents, punctuation and legal form.",
            **synced, bucket="updated", hubspot_id="8006",
            properties={"name": "Drukkerij Peeters-Noël & Zonen bvba", "teamleader_id": e},
        )  # fmt: skip
        self.case(
            "company_free_mail_and_social_network", "company", e, "§4 key 2",
            "A page on a social network and an address at a free-mail host give no domain.",
            properties={"domain": None},
        )  # fmt: skip
        f = self.company(
            "F",
            "Brouwerij Distelhorst",
            vat_number=f"BE {vat[1][:4]}.{vat[1][4:7]}.{vat[1][7:]}",
            website="http://brouwerij-distelhorst.example",
        )
        self.in_hubspot(
            "companies",
            "8007",
            {"name": "Brouwerij Distelhorst", "domain": "brouwerij-distelhorst.example", "vat_number": f"BE{vat[2]}"},
        )
        self.case(
            "company_vat_differs", "company", f, "§4 keys",
            "HubSpot has a company with the same domain and name but another VAT number: never joined, a new one.",
            **synced, bucket="created", not_hubspot_id="8007",
            properties={"vat_number": f"BE{vat[1]}", "domain": "brouwerij-distelhorst.example"},
        )  # fmt: skip
        self.case(
            "company_with_other_vat_untouched", "company", "", "§4 keys",
            "HubSpot's company with the other VAT number is left alone.",
            untouched="8007", properties={"vat_number": f"BE{vat[2]}", "teamleader_id": None},
        )  # fmt: skip
        g = self.company(
            "G", "Distelhorst Brouwers", vat_number=f"be{vat[1]}", status="deactivated", updated_at=self.ago(5)
        )
        self.case(
            "duplicate_company_by_vat", "company", g, "§4 groups",
            "Same enterprise number in another notation: one group, and the deactivated one loses.",
            **lost, duplicate_of=f,
        )  # fmt: skip
        self.case(
            "company_eligible_by_losers_contact", "company", f, "§4 eligible",
            "Its only eligible contact is linked to the loser of its group.", **synced,
        )  # fmt: skip
        h = self.company("H", "Dakwerken Zwaluwschans", website="dakwerken-zwaluwschans.example")
        self.case(
            "company_without_eligible_contact", "company", h, "§4 eligible",
            "Its only contact is too old.", status="skip", reason="no_eligible_contact", bucket="skipped",
        )  # fmt: skip
        i = self.company(
            "I",
            "Optiek Zeesterpunt",
            status="deactivated",
            vat_number=f"BE{vat[3]}",
            website="optiek-zeesterpunt.example",
        )
        self.in_hubspot("companies", "8009", {"name": "Onder een andere naam", "teamleader_id": i})
        self.case(
            "company_by_teamleader_id", "company", i, "§4 matching",
            "HubSpot's company carries the id: matched, whatever its name and keys.",
            **synced, bucket="updated", hubspot_id="8009", properties={"name": "Optiek Zeesterpunt"},
        )  # fmt: skip
        self.case(
            "company_eligible_by_duplicate_contact", "company", i, "§4 eligible",
            "Its only contact lost as a duplicate to one that is eligible.", **synced,
        )  # fmt: skip
        self.case(
            "company_deactivated_but_synced", "company", i, "§4 eligible",
            "Deactivated companies are treated as active ones.", **synced,
            properties={"teamleader_status": "deactivated"},
        )  # fmt: skip
        j = self.company("J", "Garage Noorderlicht", vat_number="BE 0123.456.780")
        self.case(
            "company_fits_two_groups", "company", j, "§4 groups",
            "Without domain it joins by name, and fits two groups: the one whose winner ranks first, and reported.",
            **lost, duplicate_of=a, report="ambiguous_company_group",
        )  # fmt: skip
        self.case(
            "company_vat_check_digits_wrong", "company", j, "§4 key 1",
            "A number whose check digits are wrong counts as none, so the name may be compared.",
            **lost, duplicate_of=a,
        )  # fmt: skip
        self.in_hubspot("companies", "8090", {"name": "Los Bedrijf", "domain": "los-bedrijf-9041.example"})

    # -- deals --------------------------------------------------------------------------------------------------

    def _deal_rules(self) -> None:
        skipped = {"status": "skip", "bucket": "skipped"}
        day = timedelta(days=1)
        recent, old = self.ago(90), local(self.two - 300 * day)

        id = self.deal(1, ("company", company_id("A")), created_at=recent, phase_times=[recent])
        self.in_hubspot(
            "deals",
            "7001",
            {
                "dealname": "Zoals voorheen",
                "pipeline": "default",
                "dealstage": "appointmentscheduled",
                "teamleader_id": id,
                "teamleader_label": "inactief",
                "teamleader_status": "open",
            },
        )
        self.case(
            "deal_no_contact", "deal", id, "§5 row 1",
            "The customer is a company and there is no contact person.", status="skip", reason="no_contact",
        )  # fmt: skip
        self.case(
            "deal_linked_becomes_skip", "deal", id, "§5",
            "HubSpot's deal carries the id: it keeps its label, is marked out of scope, and nothing else changes.",
            hubspot_id="7001",
            properties={
                "teamleader_status": "out_of_scope", "teamleader_label": "inactief", "dealname": "Zoals voorheen"
            },
        )  # fmt: skip
        id = self.deal(2, ("contact", contact_id(18)), created_at=recent, phase_times=[recent])
        self.case(
            "deal_contact_not_eligible", "deal", id, "§5 row 2",
            "Its customer is a contact that is too old.", **skipped, reason="contact_not_eligible",
        )  # fmt: skip
        id = self.deal(
            3, ("company", company_id("G")), contact_person=contact_id(3), created_at=old, phase_times=[old, recent]
        )
        self.case(
            "deal_open_changed_recently", "deal", id, "§5 row 3",
            "Created long ago, but it moved to another phase within two years.",
            status="sync", reason="changed_within_2_years", bucket="created",
            properties={"dealname": "Offerte 3", "teamleader_status": "open", "teamleader_label": None},
        )  # fmt: skip
        self.case(
            "deal_by_contact_person", "deal", id, "§5 row 1",
            "The customer is a company: the contact person is the contact, and a losing company stands for the winner.",
            associations={"contacts": [ours(contact_id(3))], "companies": [ours(company_id("F"))]},
        )  # fmt: skip
        created = local(self.five, 0, 0, 0)
        id = self.deal(
            4,
            ("contact", contact_id(49)),
            created_at=created,
            phase_times=[created, local(self.two, 23, 59, 59)],
        )
        self.case(
            "deal_inactive", "deal", id, "§5 row 4",
            "Last moved exactly two years ago and created exactly five years ago, by the clock of Brussels: inactive.",
            status="sync", reason="inactive", bucket="created", properties={"teamleader_label": "inactief"},
        )  # fmt: skip
        self.case(
            "deal_of_contact_gets_no_company", "relation", id, "§6",
            "The customer is a contact: no company, although that contact has three.",
            associations={"contacts": [ours(contact_id(49))], "companies": []},
        )  # fmt: skip
        created = local(self.five - day, 23, 59, 59)
        id = self.deal(
            5, ("contact", contact_id(14)), created_at=created, phase_times=[created], closed_at=self.ago(200)
        )
        self.case(
            "deal_open_too_old", "deal", id, "§5 row 5",
            "Created a second too early; closed_at of a deal that was opened again does not count.",
            **skipped, reason="too_old",
        )  # fmt: skip
        id = self.deal(
            6,
            ("company", company_id("H")),
            contact_person=contact_id(50),
            created_at=old,
            phase_times=[old, old + day],
            status="won",
            closed_at=self.ago(30),
        )
        self.in_hubspot(
            "deals", "7006", {"dealname": "Offerte 6", "pipeline": "default", "dealstage": "appointmentscheduled"}
        )
        self.case(
            "deal_won_recently", "deal", id, "§5 row 6",
            "Nothing but closed_at lies within two years; a HubSpot deal with the same title is no match.",
            status="sync", reason="closed", bucket="created", not_hubspot_id="7006",
            properties={"teamleader_status": "won", "teamleader_label": None},
        )  # fmt: skip
        self.case(
            "deal_company_not_synced", "relation", id, "§6",
            "Its company is not synced: the deal goes without.",
            associations={"contacts": [ours(contact_id(50))], "companies": []},
        )  # fmt: skip
        id = self.deal(
            7,
            ("contact", contact_id(14)),
            created_at=old,
            phase_times=[old],
            status="lost",
            closed_at=local(self.two, 23, 59, 59),
            lost_reason=reference.LOST_REASONS[0]["id"],
        )
        self.case(
            "deal_closed_too_old", "deal", id, "§5 row 7",
            "Lost exactly two years ago and not in HubSpot.", **skipped, reason="closed_too_old",
        )  # fmt: skip
        id = self.deal(
            8,
            ("contact", contact_id(14)),
            created_at=old,
            phase_times=[old],
            status="lost",
            closed_at=old + 30 * day,
            lost_reason=reference.LOST_REASONS[1]["id"],
            lost_remark="Volgend jaar opnieuw",
        )
        self.in_hubspot(
            "deals",
            "7008",
            {
                "dealname": "Oude titel",
                "pipeline": "default",
                "dealstage": "appointmentscheduled",
                "teamleader_id": id,
            },
        )
        self.case(
            "deal_closed_old_but_linked", "deal", id, "§5 row 6",
            "Lost long ago, but HubSpot's deal carries the id.",
            status="sync", reason="closed", bucket="updated", hubspot_id="7008",
            properties={"dealname": "Offerte 8", "teamleader_status": "lost"},
        )  # fmt: skip
        id = self.deal(9, ("contact", contact_id(25)), title=" ", created_at=self.ago(60), status="new")
        self.case(
            "deal_without_history", "deal", id, "§5",
            "Status new and no phase history: its creation is the last change.",
            status="sync", reason="changed_within_2_years", bucket="created", properties={"teamleader_status": "open"},
        )  # fmt: skip
        self.case(
            "deal_of_duplicate_loser", "relation", id, "§3.2",
            "Its customer lost as a duplicate: the deal goes to the winner, and gets no company.",
            associations={"contacts": [ours(contact_id(24))], "companies": []},
        )  # fmt: skip
        self.case(
            "deal_title_empty", "deal", id, "§7",
            "An empty title falls back to the reference.", properties={"dealname": f"{self.as_of.year}/9"},
        )  # fmt: skip
        id = self.deal(10, ("contact", MISSING_CONTACT), created_at=recent, phase_times=[recent])
        self.case(
            "deal_contact_does_not_exist", "deal", id, "§5 row 2",
            "Its customer is a contact that Teamleader no longer has.", **skipped, reason="contact_not_eligible",
        )  # fmt: skip

    # -- relations ----------------------------------------------------------------------------------------------

    def _relations(self) -> None:
        self._associations.append(("contacts", "companies", "9050", "8090", CONTACT_TO_COMPANY_PRIMARY))
        a, b, c, e = (ours(company_id(letter)) for letter in "ABCE")
        self.case(
            "many_companies_per_contact", "relation", contact_id(49), "§6",
            "Linked to three companies: all three stay, the first-listed is primary.",
            associations={"companies": [a, b, c]}, company_primary=a,
        )  # fmt: skip
        self.case(
            "many_contacts_per_company", "relation", contact_id(15), "§6",
            "Shares its company with another contact.", associations={"companies": [b]}, company_primary=b,
        )  # fmt: skip
        self.case(
            "primary_company_kept", "relation", contact_id(50), "§6",
            "A person gave the contact a primary company in HubSpot: it stays primary, Teamleader's is added.",
            associations={"companies": [e, "hubspot:8090"]}, company_primary="hubspot:8090",
        )  # fmt: skip
        self.case(
            "losers_company_for_winner", "relation", contact_id(24), "§3.2",
            "The winner of duplicates gets the company of the loser.",
            associations={"companies": [ours(company_id("I"))]}, company_primary=ours(company_id("I")),
        )  # fmt: skip
        self.case(
            "contact_of_losing_company", "relation", contact_id(12), "§4 groups",
            "Linked to a duplicate company that joined by name: attached to the winner.",
            associations={"companies": [a]}, company_primary=a,
        )  # fmt: skip
        self.case(
            "contact_of_losing_company_by_vat", "relation", contact_id(3), "§4 groups",
            "Linked to a duplicate company with the same VAT number: attached to the winner.",
            associations={"companies": [ours(company_id("F"))]}, company_primary=ours(company_id("F")),
        )  # fmt: skip
