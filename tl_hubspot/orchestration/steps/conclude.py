"""How a run ends: buckets that add up, the log of decisions, and the row in `sync.runs`.

Every source record of the run is in exactly one bucket; a sum that does not match stops the run as an error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.errors import ConfigurationError, ExitCode, TlHubspotError
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import ENTITIES, Platform, Run
from tl_hubspot.orchestration.steps import looked_at, unchanged
from tl_hubspot.planning.guards import Limit
from tl_hubspot.pushing import retries
from tl_hubspot.pushing.push import PushResult
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import fetch, frame_of, polars_schema, set_all, upsert

# No approval makes these right: they are faults, not sizes.
_NEVER_APPROVED = ("duplicate_teamleader_ids", "protected_fields")
_STATUS = {
    "done": ExitCode.DONE,
    "planned": ExitCode.DONE,
    "failed_records": ExitCode.RECORDS_FAILED,
    "held": ExitCode.HELD,
}
_SOURCES = {"contact": "teamleader.contacts", "company": "teamleader.companies", "deal": "teamleader.deals"}
_DECISIONS = {"contact": "decisions.contacts", "company": "decisions.companies", "deal": "decisions.deals"}
_LOGGED = "sync.logged_decisions"
_CONCLUDED, _AS_PLANNED = "outcomes of the plan", "as planned"
"""What became of every record of a plan is stored and logged; the result is given when no push said otherwise."""


def require_digest(made: str, digest: str) -> None:
    """ConfigurationError unless the plan is the one that was approved."""
    if made != digest:
        raise ConfigurationError(
            "The plan is not the one that was approved: HubSpot or Teamleader changed since, or it was pushed already",
            where=f"its digest is now {made}",
            mend="Run `tl-hubspot plan`, look at it, and approve the digest that it prints",
        )


def planned(platform: Platform, run: Run, digest: str, limits: list[Limit]) -> bool:
    """Store what the plan is; returns whether it is held. A held run (not a mere plan) ends here."""
    limits = [_approved(limit, run, digest) for limit in limits]
    held = any(limit.exceeded for limit in limits)
    columns: dict[str, Any] = {"digest": digest, "limits": [vars(limit) for limit in limits]}
    if run.options.command == "plan":
        platform.close_run(run.run_id, "planned", **columns)
    elif held:
        _conclude(platform, run, _HELD, looked_at.all_of(platform.warehouse))
        platform.close_run(run.run_id, "held", counts=_counts(platform, run, {}), **columns)
    else:
        platform.close_run(run.run_id, "running", **columns)
    return held


def pushed(platform: Platform, run: Run, result: PushResult, due: pl.DataFrame) -> str:
    """Store what became of every record; returns the status of the run. `due`: the rows of the plan that were pushed,
    those of records that wait after a failure left out."""
    _remember_failures(platform, run, result, due)
    became = result.outcomes.select("entity_type", "teamleader_id", "hubspot_id", "bucket", "reason")
    plan, warehouse = looked_at.plan(platform.warehouse), platform.warehouse
    if became.is_empty() and unchanged.result_of(warehouse, _CONCLUDED, plan) == _AS_PLANNED:
        with warehouse.transaction() as con:
            _of_this_run(con, run)
    else:
        records = looked_at.conditions(warehouse, _CONCLUDED)
        _conclude(platform, run, _BECAME, records, _became=became)
        with warehouse.transaction() as con:
            unchanged.remember(con, _CONCLUDED, plan, run, _AS_PLANNED if became.is_empty() else None)
    if result.notices:
        rows = [notice | {"found_by": "push"} for notice in result.notices]
        platform.warehouse.append("sync.notices", frame_of("sync.notices", rows))
    status = "stopped" if result.stopped else "failed_records" if result.failed else "done"
    counts = _counts(platform, run, result.counts)
    if result.provisioned.created:
        counts["provisioned"] = result.provisioned.created
    platform.close_run(run.run_id, status, counts=counts, protected_writes=result.protected_writes)
    return status


def _remember_failures(platform: Platform, run: Run, result: PushResult, due: pl.DataFrame) -> None:
    of_run = pl.col("entity_type").is_in(run.options.entities)
    before = platform.warehouse.read("sync.failures")
    rows = retries.remembered(result.outcomes, due, before.filter(of_run), platform.clock())
    if rows or before.height:
        now = frame_of("sync.failures", rows)
        platform.warehouse.replace("sync.failures", pl.concat([before.filter(~of_run), now]))


def stopped(platform: Platform, run_id: str, cause: BaseException) -> None:
    """The run did not get to its end."""
    if platform.warehouse.count("sync.runs", f"run_id = '{run_id}'"):
        sentence = cause.sentence if isinstance(cause, TlHubspotError) else type(cause).__name__
        platform.close_run(run_id, "stopped", error=sentence)


def exit_code(status: str) -> ExitCode:
    """The exit code of a run that ended with this status."""
    return _STATUS.get(status, ExitCode.STOPPED)


def _approved(limit: Limit, run: Run, digest: str) -> Limit:
    if run.options.approved == digest and limit.name not in _NEVER_APPROVED and limit.exceeded:
        return replace(limit, exceeded=False, sentence=f"{limit.sentence} Approved by a person.")
    return limit


_HELD = """
select * replace (
  case when bucket in ('created', 'updated') then 'held' else bucket end as bucket,
  case when bucket in ('created', 'updated') then 'guard' else reason end as reason
) from sync.planned_outcomes where {of_run}
"""
"""Nothing was pushed: what would have been written waits for a person."""
_BECAME = """
select entity_type, teamleader_id, coalesce(b.hubspot_id, p.hubspot_id) as hubspot_id,
  coalesce(b.bucket, p.bucket) as bucket,
  case when b.bucket <> p.bucket then coalesce(b.reason, p.reason) else p.reason end as reason
from (from sync.planned_outcomes where {of_run}) p left join _became b using (entity_type, teamleader_id)
"""
"""What the push says of a record; what went as planned keeps the reason of its decision."""
_CHANGES = """
create or replace temp table _outcomes as
select w.* replace (coalesce(w.entity_type, o.entity_type) as entity_type,
    coalesce(w.teamleader_id, o.teamleader_id) as teamleader_id),
  w.entity_type is null as is_gone
from ({wanted}) w full join (from sync.outcomes where {of_run}) o
  on o.entity_type = w.entity_type and o.teamleader_id = w.teamleader_id
where is_gone or (o.hubspot_id, o.bucket, o.reason) is distinct from (w.hubspot_id, w.bucket, w.reason)
"""
_SAME = "o.entity_type = c.entity_type and o.teamleader_id = c.teamleader_id"


def _of_this_run(con: duckdb.DuckDBPyConnection, run: Run) -> None:
    if set(run.options.entities) == set(ENTITIES):
        set_all(con, "sync.outcomes", "run_id", run.run_id)
    else:
        con.execute(f"update sync.outcomes set run_id = ? where entity_type in ({_listed(run)})", [run.run_id])


def _listed(run: Run) -> str:
    return ", ".join(f"'{e}'" for e in run.options.entities)


def _conclude(platform: Platform, run: Run, wanted: str, records: list[str], **frames: pl.DataFrame) -> None:
    """The outcomes of the run's entities become what the query over `frames` says of those `{of_run}`, and what that is
    news of is logged.

    records: SQL conditions on `teamleader_id`, see `looked_at`. Only what differs is written.
    """
    ledger = WarehouseLedger(platform.warehouse, platform.settings.log_file)
    # a column changed in every row (the digest of a new plan, the run of some entities) takes memory until the next
    # checkpoint, and what is compared here joins the largest tables
    with platform.warehouse.roomy():
        with platform.warehouse.transaction() as con, registered(con, **frames):
            con.execute(f"delete from {unchanged.TABLE} where name = ?", [_CONCLUDED])
            _of_this_run(con, run)
            for which in records:
                of_run = f"{which} and entity_type in ({_listed(run)})"
                con.execute(_CHANGES.format(wanted=wanted.format(of_run=of_run), of_run=of_run))
                con.execute(f"delete from sync.outcomes o using _outcomes c where {_SAME}")
                con.execute(
                    "insert into sync.outcomes by name"
                    " select ? as run_id, * exclude (is_gone) from _outcomes where not is_gone",
                    [run.run_id],
                )
            _require_sums(con, run, records[0] if len(records) == 1 else "true")
        for which in records:
            ledger.log(_decision_rows(platform, run, which))


def _require_sums(con: duckdb.DuckDBPyConnection, run: Run, written: str) -> None:
    """Every record that Teamleader has must be in exactly one bucket. `written`: SQL condition that finds the outcomes
    written now; others were there once before."""
    for entity_type in run.options.entities:
        of_entity = f"from sync.outcomes where entity_type = '{entity_type}'"
        found = con.execute(f"select count(*), count(bucket) {of_entity}").fetchall()[0]
        ((twice,),) = con.execute(
            f"select count(*) - count(distinct teamleader_id) {of_entity} and {written}"
        ).fetchall()
        expected = con.execute(f"select count(*) from {_SOURCES[entity_type]} where deleted_at is null").fetchall()[0]
        if set(found) != set(expected) or twice:
            raise TlHubspotError(
                f"The buckets do not add up: {found[0]} outcomes, {twice} of them twice, for {expected[0]}"
                f" {entity_type} records",
                where=f"run {run.run_id}",
                mend="This is a fault of the program; what was confirmed is kept. Please report it",
            )


def _decision_rows(platform: Platform, run: Run, which: str) -> list[dict[str, Any]]:
    """Rows of sync.log for decisions that are new or changed and have no row of their own from the push; `which`:
    SQL that says of which records."""
    key = ["entity_type", "teamleader_id"]
    decided = " union all ".join(
        f"select '{e}' as entity_type, teamleader_id, status from {_DECISIONS[e]} where {which}"
        for e in run.options.entities
    )
    with platform.warehouse.transaction() as con:
        new = fetch(
            con,
            f"""with now as (
              select o.* replace (case when bucket = 'held' then 'held' else status end as status) from (
                select * from (select * exclude (run_id) from sync.outcomes where run_id = ? and {which})
                left join ({decided}) using (entity_type, teamleader_id)
              ) o
            )
            select * from now n where not exists (
              from (from {_LOGGED} where {which}) l
              where l.entity_type = n.entity_type and l.teamleader_id = n.teamleader_id
              and l.status is not distinct from n.status and l.reason is not distinct from n.reason
            ) order by entity_type, teamleader_id""",
            [run.run_id],
        )
        upsert(con, _LOGGED, new.select(*key, "status", "reason"))
    quiet = new.filter(~pl.col("bucket").is_in(["created", "updated", "failed"]))
    now = platform.clock()
    rows = []
    for row in quiet.iter_rows(named=True):
        action, message = _worded(row["entity_type"], row["bucket"], row["status"], row["reason"])
        rows.append(
            dict.fromkeys(polars_schema("sync.log"))
            | {"timestamp": now, "run_id": run.run_id, "action": action, "level": "info", "message": message}
            | {name: row[name] for name in (*key, "hubspot_id", "reason")}
        )
    return rows


def _worded(entity_type: str, bucket: str, status: str, reason: str) -> tuple[str, str]:
    if bucket == "skipped":
        return "skip", f"Decision: not synchronised ({reason})."
    if bucket == "held":
        return "hold", f"Held until a person looks at it ({reason})."
    action = "marketing" if entity_type == "contact" else "update"
    return action, f"Decision: {status} ({reason}); HubSpot holds it already, nothing to write."


def _counts(platform: Platform, run: Run, also: dict[str, int]) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    query = "select entity_type, bucket, reason, count(*) from sync.outcomes where run_id = ? group by all order by all"
    for entity, bucket, reason, n in platform.warehouse.read(query, [run.run_id]).iter_rows():
        own = counts.setdefault(entity, {"buckets": {}, "reasons": {}})
        own["buckets"][bucket] = own["buckets"].get(bucket, 0) + n
        own["reasons"][f"{bucket}/{reason}"] = n
    return counts | {"also": also}
