"""Who becomes non-marketing, inactive or out of scope in the coming days, from what the last run left.

What crosses which limit is found in `rules.ageing`; words and pictures are in `reporting`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import polars as pl

from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import published
from tl_hubspot.orchestration.steps.deciding import SOURCES
from tl_hubspot.rules import ageing as rules
from tl_hubspot.warehouse.store import Warehouse

_NAMES = {
    "contact": "concat_ws(' ', first_name, last_name)",
    "company": "name",
    "deal": "title",
}


def ageing(platform: Platform, days: int, entities: Collection[str], *, names: bool = False) -> dict[str, Any]:
    """The answer as a JSON-ready dict: `totals` per kind and effect, and `changes` in the order of days.

    `names`: each change also says the record's name. ConfigurationError when nothing was decided yet.
    """
    with published.opened(platform) as warehouse:
        settings = published.rules(platform, warehouse, "contact")
        found = rules.ageing(published.tables(platform, warehouse), settings, days)
        found = found.filter(pl.col("entity_type").is_in(list(entities)))
        known = _known(warehouse, found, names=names)
    changes = found.join(known, on=["entity_type", "teamleader_id"], how="left", maintain_order="left")
    counted = changes.group_by("entity_type", "effect", maintain_order=True).len()
    totals: dict[str, dict[str, int]] = {kind: {} for kind in SOURCES if kind in entities}
    for kind, effect, number in counted.iter_rows():
        totals[kind][effect] = number
    return {
        "as_of": settings.as_of_utc.isoformat(),
        "from": settings.as_of_date.isoformat(),
        "until": (settings.as_of_date + timedelta(days=days)).isoformat(),
        "days": days,
        "totals": totals,
        "changes": [row | {"on": row["on"].isoformat()} for row in changes.iter_rows(named=True)],
    }


def _known(warehouse: Warehouse, found: pl.DataFrame, *, names: bool) -> pl.DataFrame:
    """Columns entity_type, teamleader_id, hubspot_id, teamleader_url and, when wanted, name of the records found."""
    frames = []
    for kind, table in SOURCES.items():
        query = (
            f"select '{kind}' as entity_type, t.id as teamleader_id, l.hubspot_id, web_url as teamleader_url"
            f"{f', {_NAMES[kind]} as name' if names else ''} from {table} t"
            f" left join sync.links l on l.entity_type = '{kind}' and l.teamleader_id = t.id"
            " where t.id in (from _ids)"
        )
        ids = found.filter(pl.col("entity_type") == kind).select("teamleader_id")
        frames.append(warehouse.read(query, _ids=ids))
    return pl.concat(frames)
