"""What Crmoffice holds before the first sync: some of a world's people, typed in their own way, and some of its own.

Derived from the world's Teamleader records, so that the same person can be met in all three systems.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any

from tl_hubspot.sandbox.worlds import fakes, reference

Record = dict[str, Any]

# Of ten people that have a mobile number; what no line mentions is not in Crmoffice.
SAME = (0, 1, 2)
WITHOUT_PHONE = 4
OTHER_PHONE = 6
OWN_PER_PEOPLE = 20
"""One person more for so many, whom only Crmoffice knows."""
COMPANIES = 10
_PREFIXES = {"BE": "32", "NL": "31"}


def contacts(people: Iterable[Record], seed: int, companies: list[str]) -> Iterator[Record]:
    """Contacts for `people` (contacts.info), some of whom work at one of the `companies` (ids)."""
    place = 0
    for index, person in enumerate(people):
        draw = random.Random((seed << 40) + index)
        telephones = {entry["type"]: entry["number"] for entry in person["telephones"]}
        if "mobile" in telephones:
            place += 1
            if (place - 1) % 10 in (*SAME, WITHOUT_PHONE, OTHER_PHONE):
                yield _known(person, telephones, (place - 1) % 10, draw, companies)
        if index % OWN_PER_PEOPLE == OWN_PER_PEOPLE - 1:
            yield {
                "givenName": draw.choice(fakes.FIRST_NAMES)[0],
                "familyName": draw.choice(fakes.FAMILY_NAMES),
                "mobilePhone": f"900 0{draw.randrange(10)} {draw.randrange(1000):03d}",
                "title": "Kontaktperson",
            }


def companies(records: Iterable[Record]) -> Iterator[Record]:
    """The first ten of `records` (companies.info)."""
    for index, company in zip(range(COMPANIES), records, strict=False):
        place = company["addresses"][0]["address"] if company["addresses"] else {}
        address = {
            "streetAddress": place.get("line_1"),
            "postCode": place.get("postal_code"),
            "postalArea": place.get("city"),
            "country": place.get("country"),
        }
        yield {"orgNr": f"9{index:08d}", "visitAddress": address, "postAddress": address}


def users() -> list[str]:
    """Names of the users."""
    return [user["email"].partition("@")[0] for user in reference.USERS]


def _known(person: Record, telephones: dict[str, str], slot: int, draw: random.Random, companies: list[str]) -> Record:
    country = person["addresses"][0]["address"]["country"] if person["addresses"] else "BE"
    direct = telephones.get("phone")
    if slot == WITHOUT_PHONE:
        direct = None
    elif slot == OTHER_PHONE:
        direct = fakes.telephone("phone", country, draw.randrange(10_000))
    return {
        "givenName": person["first_name"],
        "familyName": person["last_name"],
        "mobilePhone": _international(telephones["mobile"], country, draw.choice(("+", "00"))),
        "directPhone": direct and _international(direct, country, "+"),
        "company": {"id": draw.choice(companies)} if companies and draw.random() < 0.3 else None,
        "title": draw.choice((None, *fakes.POSITIONS)),
    }


def _international(number: str, country: str, start: str) -> str:
    """A number as people write it, with its country."""
    bare = f"{_PREFIXES[country]} {number[1:]}" if number.startswith("0") else number.removeprefix("+")
    return f"{start}{bare}"
