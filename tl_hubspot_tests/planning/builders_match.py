"""Small frames for the tests of matching: rows are given by the columns that matter, the rest is null or a default.

Column types are those of the working database. What the tests assert stands in the test modules.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tl_hubspot.planning.match_frames import Matching
from tl_hubspot.warehouse.schema import table

Row = dict[str, Any]

_TYPES: dict[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BOOLEAN": pl.Boolean(),
    "INTEGER": pl.Int32(),
    "TIMESTAMPTZ": pl.Datetime("us", "UTC"),
    "DATE": pl.Date(),
    "VARCHAR[]": pl.List(pl.String()),
    "STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR)": pl.Struct(
        dict.fromkeys(("line_1", "postal_code", "city", "country"), pl.String())
    ),
    'STRUCT("type" VARCHAR, email VARCHAR)[]': pl.List(pl.Struct({"type": pl.String(), "email": pl.String()})),
    'STRUCT("type" VARCHAR, number VARCHAR)[]': pl.List(pl.Struct({"type": pl.String(), "number": pl.String()})),
    "STRUCT(id VARCHAR, value VARCHAR)[]": pl.List(pl.Struct({"id": pl.String(), "value": pl.String()})),
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def frame(name: str, rows: Iterable[Row], **defaults: Any) -> pl.DataFrame:
    """Rows of the table of that name; KeyError for a column that it does not have."""
    schema = {c.name: _TYPES[c.type] for c in table(name).columns}
    filled = [{**defaults, **row} for row in rows]
    for row in filled:
        if unknown := set(row) - set(schema):
            raise KeyError(f"{name} has no {unknown}")
    return pl.DataFrame(filled, schema=schema)


def eligible_contacts(*rows: tuple[str, str]) -> pl.DataFrame:
    """eligible.contacts from (teamleader_id, address)."""
    return frame("eligible.contacts", ({"teamleader_id": i, "address": a} for i, a in rows), marketing=False)


def contact_decisions(*rows: Row) -> pl.DataFrame:
    """decisions.contacts."""
    return frame("decisions.contacts", rows, status="non_marketing", opted_out=False)


def hubspot_contacts(*rows: Row) -> pl.DataFrame:
    """hubspot.contacts; `emails` = [primary, *secondaries] in short."""
    return frame("hubspot.contacts", map(_with_emails, rows), archived=False, merged_ids=[], createdate=LONG_AGO)


def _with_emails(row: Row) -> Row:
    rest = {k: v for k, v in row.items() if k != "emails"}
    if "emails" in row:
        emails = row["emails"]
        rest |= {"email": emails[0] if emails else None, "secondary_emails": emails[1:]}
    return rest


def hubspot_companies(*rows: Row) -> pl.DataFrame:
    """hubspot.companies."""
    return frame("hubspot.companies", rows, archived=False, merged_ids=[], createdate=LONG_AGO)


def hubspot_deals(*rows: Row) -> pl.DataFrame:
    """hubspot.deals."""
    return frame("hubspot.deals", rows, archived=False, merged_ids=[], createdate=LONG_AGO)


def links(entity_type: str, pairs: dict[str, str] | None = None) -> pl.DataFrame:
    """sync.links from teamleader_id → hubspot_id."""
    rows = ({"teamleader_id": t, "hubspot_id": h} for t, h in (pairs or {}).items())
    return frame("sync.links", rows, entity_type=entity_type)


def releases(entity_type: str, *ids: str) -> pl.DataFrame:
    """sync.releases."""
    return frame("sync.releases", ({"teamleader_id": i} for i in ids), entity_type=entity_type)


def pushed(
    addresses: dict[str, str | None] | None = None,
    wrote: dict[str, str] | None = None,
    added: dict[str, str] | None = None,
) -> pl.DataFrame:
    """The address last pushed per contact that has a shadow, and what the sync itself put there."""
    items = (addresses or {}).items()
    return pl.DataFrame(
        {
            "teamleader_id": [i for i, _ in items],
            "address": [a for _, a in items],
            "wrote": [(wrote or {}).get(i) for i, _ in items],
            "added": [(added or {}).get(i) for i, _ in items],
        },
        schema=dict.fromkeys(("teamleader_id", "address", "wrote", "added"), pl.String),
    )


def by_id(matching: Matching) -> dict[str, Row]:
    """Rows of the matches frame by teamleader_id; every id once."""
    rows = {row["teamleader_id"]: row for row in matching.matches.iter_rows(named=True)}
    assert len(rows) == matching.matches.height
    return rows


def codes(notices: pl.DataFrame) -> list[tuple[str, str | None, str | None]]:
    """(code, teamleader_id, hubspot_id) of the notices."""
    return list(notices.select("code", "teamleader_id", "hubspot_id").iter_rows())
