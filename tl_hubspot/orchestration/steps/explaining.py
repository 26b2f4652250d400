"""Everything known about one record, for `explain`: its rules, its HubSpot record, what the last runs did with it.

Reads the analysts' copy, so that it works while a run is going on; the working database when nothing was published.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import published
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.orchestration.steps.published import DECISIONS
from tl_hubspot.rules import trace
from tl_hubspot.warehouse.store import Warehouse

_TRACES = {"contact": trace.trace_contact, "company": trace.trace_company, "deal": trace.trace_deal}
_LAST_PUSHES = 5


def explain(platform: Platform, entity_type: str, record: str) -> dict[str, Any]:
    """The answer as a JSON-ready dict.

    `record`: Teamleader id or HubSpot id. Raises ConfigurationError when nothing was read yet, or when neither system
    has such a record.
    """
    warehouse = published.readable(platform)
    teamleader_id = _teamleader_id(warehouse, entity_type, record)
    rules = published.rules(platform, warehouse, entity_type)
    tables = published.tables(platform, warehouse)
    decision = warehouse.read(f"select * from {DECISIONS[entity_type]} where teamleader_id = ?", [teamleader_id])
    link = _one(
        warehouse,
        "select hubspot_id from sync.links where entity_type = ? and teamleader_id = ?",
        [entity_type, teamleader_id],
    )
    known = decision.row(0, named=True) if decision.height else {}
    deleted = not known
    return {
        "entity_type": entity_type,
        "teamleader_id": teamleader_id,
        "hubspot_id": link["hubspot_id"] if link else None,
        "as_of": rules.as_of_utc.isoformat(),
        "deleted_in_teamleader": deleted,
        "decision": {
            "status": known.get("status"),
            "reason": known.get("reason"),
            "duplicate_of": known.get("duplicate_of"),
        },
        "steps": [] if deleted else [_plain(asdict(s)) for s in _TRACES[entity_type](teamleader_id, tables, rules)],
        "what_would_change": [] if deleted else trace.what_would_change(entity_type, teamleader_id, tables, rules),
        "outcome": _one(
            warehouse,
            "select run_id, bucket, reason, hubspot_id from sync.outcomes where entity_type = ? and teamleader_id = ?",
            [entity_type, teamleader_id],
        ),
        "planned": _planned(warehouse, entity_type, teamleader_id),
        "notices": _notices(warehouse, entity_type, teamleader_id),
        "last_pushes": _pushes(warehouse, entity_type, teamleader_id),
    }


def _teamleader_id(warehouse: Warehouse, entity_type: str, record: str) -> str:
    if warehouse.read(f"select id from {SOURCES[entity_type]} where id = ?", [record]).height:
        return record
    linked = _one(
        warehouse,
        "select teamleader_id from sync.links where entity_type = ? and hubspot_id = ?",
        [entity_type, record],
    )
    if linked:
        return str(linked["teamleader_id"])
    if warehouse.read(f"select id from {MIRRORS[entity_type]} where id = ?", [record]).height:
        raise ConfigurationError(
            f"HubSpot {entity_type} {record} is not linked to a Teamleader {entity_type}",
            mend="It was made in HubSpot and no record of Teamleader matches it",
        )
    raise ConfigurationError(
        f"Neither Teamleader nor HubSpot has a {entity_type} {record}",
        mend="Give a Teamleader id or a HubSpot id; a record added just now appears after the next run",
    )


def _planned(warehouse: Warehouse, entity_type: str, teamleader_id: str) -> list[dict[str, Any]]:
    rows = warehouse.read(
        "select action, reason, hubspot_id, fields, details from sync.plan where entity_type = ? and teamleader_id = ?",
        [entity_type, teamleader_id],
    )
    return [
        {
            "action": row["action"],
            "reason": row["reason"],
            "hubspot_id": row["hubspot_id"],
            "matched_by": json.loads(row["details"]).get("matched_by"),
            "fields": json.loads(row["fields"]),
        }
        for row in rows.iter_rows(named=True)
    ]


def _notices(warehouse: Warehouse, entity_type: str, teamleader_id: str) -> list[dict[str, Any]]:
    query = "select code, message from sync.notices where entity_type = ? and teamleader_id = ?"
    return warehouse.read(query, [entity_type, teamleader_id]).to_dicts()


def _pushes(warehouse: Warehouse, entity_type: str, teamleader_id: str) -> list[dict[str, Any]]:
    rows = warehouse.read(
        "select run_id, action, state, intended_at, settled_at, fields, message from sync.journal"
        " where entity_type = ? and teamleader_id = ? order by intended_at desc limit ?",
        [entity_type, teamleader_id, _LAST_PUSHES],
    )
    return [_plain(row) | {"fields": json.loads(row["fields"] or "{}")} for row in rows.iter_rows(named=True)]


def _one(warehouse: Warehouse, query: str, parameters: list[Any]) -> dict[str, Any] | None:
    rows = warehouse.read(query, parameters)
    return rows.row(0, named=True) if rows.height else None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in values.items()}
