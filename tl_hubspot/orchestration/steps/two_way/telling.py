"""What the report and the digest say about the two-way flow, as facts from the tables; without anybody's values.

Words: `reporting.report.two_way`. What waits for a person is `waiting`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way import waiting
from tl_hubspot.orchestration.steps.two_way.waiting import Row
from tl_hubspot.warehouse.store import Warehouse

CYCLES = 20
"""Cycles that are listed."""
LISTED = 50
"""Conflicts that are listed."""

_CYCLES = """
select run_id, started_at, finished_at, status, counts, calls, error from two_way.runs where flow in (select unnest(?))
order by started_at desc limit ?
"""
_CONFLICTS = """
select conflict_id, kind, a_id as hubspot_id, b_id as crmoffice_id, field, detected_at, state,
  case winner when 'a' then 'hubspot' when 'b' then 'crmoffice' end as winner, count(*) over () as total
from two_way.conflicts order by detected_at desc, conflict_id limit ?
"""
_UNMATCHED = """
select side, reason, count(*) as records from two_way.unmatched where flow in (select unnest(?))
group by all order by all
"""


@dataclass(frozen=True)
class Facts:
    """`cycles`, newest first, with `counts` as a dict; `conflicts`, newest first, each with the `total` of all;
    `unmatched`: records per side and reason; `waiting`: see `waiting.waiting`."""

    cycles: list[Row]
    conflicts: list[Row]
    unmatched: list[Row]
    waiting: list[Row]


def tell(platform: Platform, warehouse: Warehouse) -> Facts | None:
    """None where Crmoffice is not in use."""
    if not waiting.is_in_use(warehouse):
        return None
    try:
        flows = [flow for flow in platform.flows if flow.enabled and flow.fields]
    except ConfigurationError:
        flows = []  # a mistake in the file of flows stops the flow itself, not the report of another one
    names = [flow.name for flow in flows]
    cycles: list[dict[str, Any]] = warehouse.read(_CYCLES, [names, CYCLES]).to_dicts()
    return Facts(
        cycles=[row | {"counts": json.loads(row["counts"] or "{}")} for row in cycles],
        conflicts=warehouse.read(_CONFLICTS, [LISTED]).to_dicts(),
        unmatched=warehouse.read(_UNMATCHED, [names]).to_dicts(),
        waiting=waiting.waiting(warehouse, flows),
    )
