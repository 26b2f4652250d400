"""The consent ledger as people ask for it: is the chain whole, and what happened to one person.

Reads only. Who writes it is `orchestration.consent`; the words are `reporting.consent`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tl_hubspot.consent import pseudonyms
from tl_hubspot.consent.chain import Broken, Head, first_break
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration import consent
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.rules import normalize
from tl_hubspot.warehouse.rows import fetch

_PART = 50_000


@dataclass(frozen=True)
class Verified:
    """What looking through the ledger found: rows and last hash as written, and the first row that does not hold."""

    head: Head
    broken: Broken | None


def verify(platform: Platform, noted: str | None = None) -> Verified:
    """Look through the working database's ledger; `noted`: a hash that was noted earlier and must still be in it."""
    warehouse = platform.earlier("Nothing was synchronised yet")
    with warehouse.connect() as con:
        head = consent.head(con)

        def rows() -> Iterator[dict[str, Any]]:
            ordered = f"select * from {consent.LEDGER} order by seq, hash"
            for start in range(0, warehouse.count(consent.LEDGER), _PART):
                yield from fetch(con, f"{ordered} limit {_PART} offset {start}").iter_rows(named=True)

        broken = first_break(rows(), head)
        if (
            broken is None
            and noted
            and not con.execute(f"select 1 from {consent.LEDGER} where hash = ?", [noted]).fetchall()
        ):
            broken = Broken(head.seq, "not of the ledger whose hash was noted")
    return Verified(head, broken)


def history(platform: Platform, person: str) -> list[dict[str, Any]]:
    """Rows of the ledger about one person, oldest first.

    `person`: an address, a Teamleader id or a HubSpot id. Raises ConfigurationError when the ledger knows nobody such.
    """
    warehouse = platform.earlier("Nothing was synchronised yet")
    where, value = "teamleader_id = $it or hubspot_id = $it", person
    if "@" in person:
        address = normalize.address(person)
        known = pseudonyms.load(platform.settings.data, in_use=True).address(address)
        where, value = "address_hash = $it", known or ""
    rows = warehouse.read(f"select * from {consent.LEDGER} where {where} order by seq", {"it": value})
    if rows.is_empty():
        raise ConfigurationError(
            "The consent ledger has no row about that person",
            where=str(platform.settings.database),
            mend="Give an address, a Teamleader id or a HubSpot id of a contact that was synchronised",
        )
    return rows.to_dicts()
