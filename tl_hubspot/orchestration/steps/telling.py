"""What past runs did, as facts for `runs` and `run`: from what the runs stored, nothing is computed anew.

Reads the analysts' copy, so that it works while a run is going on; the working database when nothing was published.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tl_hubspot.orchestration.run import Platform, is_going_on
from tl_hubspot.orchestration.steps.finding import find
from tl_hubspot.orchestration.steps.published import readable
from tl_hubspot.warehouse.store import Warehouse

_FAILURES = """
with failed as (
  select entity_type, teamleader_id, reason, http_status, message, timestamp from sync.log
  where run_id = $run and action = 'fail'
), waiting as (
  select entity_type, teamleader_id, f.reason, http_status, since as timestamp,
    f.message || '; tried ' || attempts || ' times since ' || strftime(since, '%Y-%m-%d') || ', not again before '
      || strftime(next_attempt_at, '%Y-%m-%d %H:%M %Z') as message
  from sync.outcomes o join sync.failures f using (entity_type, teamleader_id) anti join failed using (entity_type,
    teamleader_id) where o.run_id = $run and o.bucket = 'failed'
)
select entity_type, reason, count(distinct teamleader_id) as records, max(http_status) as http_status,
  list(distinct teamleader_id order by teamleader_id)[:3] as examples, arg_min(message, timestamp) as message
from (from failed union all by name from waiting) group by all order by records desc, entity_type, reason
"""
"""Those that were tried, and those that only wait for their next attempt."""
_HELD = """
select entity_type, reason, count(*) as records, min(teamleader_id) as example from sync.outcomes
where run_id = ? and bucket = 'held' group by all order by records desc, entity_type, reason
"""
_NOTICES = """
select code, count(*) as records, arg_min(entity_type, notice.rowid) as entity_type,
  arg_min(coalesce(teamleader_id, hubspot_id), notice.rowid) as example, arg_min(message, notice.rowid) as message
from sync.notices notice group by code order by records desc, code
"""
_PUSHED = """
select entity_type, action, state, count(*) as records from sync.journal where run_id = ? group by all order by all
"""
_NOTICED_BY = "select run_id from sync.made_of where name = 'sync.plan'"


def runs(platform: Platform, limit: int) -> list[dict[str, Any]]:
    """The latest runs, newest first; ready for JSON. ConfigurationError when there is no database yet."""
    rows = readable(platform).read("from sync.runs order by started_at desc limit ?", [limit])
    going_on = is_going_on(platform.settings.data)
    return [_run(row, going_on=going_on) for row in rows.iter_rows(named=True)]


def run(platform: Platform, wanted: str) -> dict[str, Any]:
    """Everything stored about one run (see `finding`); ready for JSON. ConfigurationError when there is no such run."""
    warehouse = readable(platform)
    row = find(warehouse, wanted)
    run_id = row["run_id"]
    counts = json.loads(row["counts"] or "{}")
    also = counts.get("also", {})
    told = _run(row, going_on=is_going_on(platform.settings.data))
    return told | {
        "protected_writes": row["protected_writes"],
        "by_entity": {k: v["buckets"] for k, v in counts.items() if k in ("contact", "company", "deal")},
        "reasons": {k: v["reasons"] for k, v in counts.items() if k in ("contact", "company", "deal")},
        "also": also,
        "provisioned": counts.get("provisioned", []),
        "undo": counts.get("undo"),
        "teamleader_calls": warehouse.read(
            "select stream, made from sync.calls where run_id = ? and made > 0 order by stream", [run_id]
        ).to_dicts(),
        "planned": _planned(warehouse, run_id),
        "pushed": warehouse.read(_PUSHED, [run_id]).to_dicts(),
        "limits": [limit for limit in json.loads(row["limits"] or "[]") if limit["exceeded"]],
        "failures": _failures(warehouse, run_id, told["reasons_failed"]),
        "held": warehouse.read(_HELD, [run_id]).to_dicts(),
        "notices": _notices(warehouse, run_id),
        "log": str(platform.settings.log_file),
    }


def _run(row: dict[str, Any], *, going_on: bool) -> dict[str, Any]:
    counts, calls = json.loads(row["counts"] or "{}"), json.loads(row["calls"] or "{}")
    buckets: dict[str, int] = {}
    failed: dict[str, int] = {}
    for kind in ("contact", "company", "deal"):
        own = counts.get(kind, {"buckets": {}, "reasons": {}})
        for bucket, n in own["buckets"].items():
            buckets[bucket] = buckets.get(bucket, 0) + n
        failed |= {f"{kind}/{r.partition('/')[2]}": n for r, n in own["reasons"].items() if r.startswith("failed/")}
    hubspot = calls.get("hubspot", {})
    finished = row["finished_at"]
    return {
        "run_id": row["run_id"],
        "command": row["command"],
        "as_of": _text(row["as_of"]),
        "is_full": row["is_full"],
        "started_at": _text(row["started_at"]),
        "finished_at": _text(finished),
        "seconds": (finished - row["started_at"]).total_seconds() if finished else None,
        # a row that says running while nobody runs is of a run that was killed
        "status": "killed" if row["status"] == "running" and not going_on else row["status"],
        "error": row["error"],
        "digest": row["digest"],
        "buckets": buckets,
        "reasons_failed": failed,
        "undone": counts.get("undo"),
        "writes": hubspot.get("writes", 0),
        "calls": {s: c.get("reads", 0) + c.get("writes", 0) for s, c in calls.items()},
    }


def _planned(warehouse: Warehouse, run_id: str) -> list[dict[str, Any]]:
    query = "select entity_type, action, count(*) as records from sync.plan where run_id = ? group by all order by all"
    return warehouse.read(query, [run_id]).to_dicts()


def _failures(warehouse: Warehouse, run_id: str, counted: dict[str, int]) -> list[dict[str, Any]]:
    """From the log; from the counts of the run what the log does not have: it is old, or records wait after earlier
    failures and were not tried."""
    logged = warehouse.read(_FAILURES, {"run": run_id}).to_dicts()
    rest = dict(counted)
    for row in logged:
        of = f"{row['entity_type']}/{row['reason']}"
        rest[of] = rest.get(of, 0) - row["records"]
    return logged + [
        dict(zip(("entity_type", "reason"), of.split("/", 1), strict=True))
        | {"records": n, "http_status": None, "examples": [], "message": None}
        for of, n in rest.items()
        if n > 0
    ]


def _notices(warehouse: Warehouse, run_id: str) -> list[dict[str, Any]] | None:
    """None when a later run has taken their place."""
    made_by = warehouse.read(_NOTICED_BY)["run_id"].to_list()
    return warehouse.read(_NOTICES).to_dicts() if made_by == [run_id] else None


def _text(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
