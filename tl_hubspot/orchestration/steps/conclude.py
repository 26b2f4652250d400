"""How a run ends: buckets that add up, the log of decisions, and the row in `sync.runs`.

Every source record of the run is in exactly one bucket; a sum that does not match stops the run as an error.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import polars as pl

from tl_hubspot.errors import ConfigurationError, ExitCode, TlHubspotError
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.planning.guards import Limit
from tl_hubspot.planning.plan import Plan
from tl_hubspot.pushing.push import PushResult
from tl_hubspot.warehouse.store import delete, fetch, insert, polars_schema, upsert

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
GUARD = "guard"


def require_digest(made: Plan, digest: str) -> None:
    """ConfigurationError unless the plan is the one that was approved."""
    if made.digest != digest:
        raise ConfigurationError(
            "The plan is not the one that was approved: HubSpot or Teamleader changed since, or it was pushed already",
            where=f"its digest is now {made.digest}",
            mend="Run `tl-hubspot plan`, look at it, and approve the digest that it prints",
        )


def planned(platform: Platform, run: Run, made: Plan) -> bool:
    """Store what the plan is; returns whether it is held. A held run (not a mere plan) ends here."""
    limits = [_approved(limit, run, made) for limit in made.limits]
    held = any(limit.exceeded for limit in limits)
    columns: dict[str, Any] = {
        "digest": made.digest,
        "limits": [vars(limit) for limit in limits],
        "notices": made.notices.to_dicts(),
    }
    if run.options.command == "plan":
        platform.close_run(run.run_id, "planned", **columns)
    elif held:
        writes = pl.col("bucket").is_in(["created", "updated"])
        outcomes = made.outcomes.with_columns(
            reason=pl.when(writes).then(pl.lit(GUARD)).otherwise("reason"),
            bucket=pl.when(writes).then(pl.lit("held")).otherwise("bucket"),
        )
        _store_outcomes(platform, run, outcomes)
        platform.close_run(run.run_id, "held", counts=_counts(outcomes, {}), **columns)
    else:
        platform.close_run(run.run_id, "running", **columns)
    return held


def pushed(platform: Platform, run: Run, result: PushResult) -> str:
    """Store what became of every record; returns the status of the run."""
    key = ["entity_type", "teamleader_id"]
    intended = platform.warehouse.read("sync.planned_outcomes")
    became = result.outcomes.select(*key, "hubspot_id", "bucket", "reason").rename(
        {"hubspot_id": "_id", "bucket": "_bucket", "reason": "_reason"}
    )
    # what went as planned keeps the reason of its decision
    as_planned = pl.col("_bucket").is_null() | (pl.col("_bucket") == pl.col("bucket"))
    outcomes = intended.join(became, on=key, how="left").select(
        *key,
        hubspot_id=pl.coalesce("_id", "hubspot_id"),
        bucket=pl.coalesce("_bucket", "bucket"),
        reason=pl.when(as_planned).then("reason").otherwise(pl.coalesce("_reason", "reason")),
    )
    _store_outcomes(platform, run, outcomes)
    status = "stopped" if result.stopped else "failed_records" if result.failed else "done"
    row = platform.run_row(run.run_id)
    notices = json.loads(row["notices"] or "[]") + result.notices
    platform.close_run(
        run.run_id,
        status,
        counts=_counts(outcomes, result.counts),
        notices=notices,
        protected_writes=result.protected_writes,
    )
    return status


def stopped(platform: Platform, run_id: str, cause: BaseException) -> None:
    """The run did not get to its end."""
    if platform.warehouse.count("sync.runs", f"run_id = '{run_id}'"):
        sentence = cause.sentence if isinstance(cause, TlHubspotError) else type(cause).__name__
        notice = {
            "code": "stopped",
            "entity_type": None,
            "teamleader_id": None,
            "hubspot_id": None,
            "message": sentence,
        }
        before = json.loads(platform.run_row(run_id)["notices"] or "[]")
        platform.close_run(run_id, "stopped", notices=[*before, notice])


def exit_code(status: str) -> ExitCode:
    """The exit code of a run that ended with this status."""
    return _STATUS.get(status, ExitCode.STOPPED)


def _approved(limit: Limit, run: Run, made: Plan) -> Limit:
    if run.options.approved == made.digest and limit.name not in _NEVER_APPROVED and limit.exceeded:
        return replace(limit, exceeded=False, sentence=f"{limit.sentence} Approved by a person.")
    return limit


def _store_outcomes(platform: Platform, run: Run, outcomes: pl.DataFrame) -> None:
    """Replace the outcomes of the run's entities, after asserting that each source record is there exactly once."""
    for entity_type in run.options.entities:
        own = outcomes.filter(pl.col("entity_type") == entity_type)
        expected = platform.warehouse.count(_SOURCES[entity_type], "deleted_at is null")
        if own.height != expected or own["teamleader_id"].n_unique() != expected or own["bucket"].null_count():
            raise TlHubspotError(
                f"The buckets do not add up: {own.height} outcomes for {expected} {entity_type} records",
                where=f"run {run.run_id}",
                mend="This is a fault of the program; what was confirmed is kept. Please report it",
            )
    ledger = WarehouseLedger(platform.warehouse, platform.settings.log_file)
    with platform.warehouse.transaction() as con:
        entities = pl.DataFrame({"entity_type": list(run.options.entities)})
        delete(con, "sync.outcomes", entities)
        insert(con, "sync.outcomes", outcomes.with_columns(pl.lit(run.run_id).alias("run_id")))
    ledger.log(_decision_rows(platform, run))


def _decision_rows(platform: Platform, run: Run) -> list[dict[str, Any]]:
    """Rows of sync.log for decisions that are new or changed and have no row of their own from the push."""
    key = ["entity_type", "teamleader_id"]
    decided = " union all ".join(
        f"select '{e}' as entity_type, teamleader_id, status from {_DECISIONS[e]}" for e in run.options.entities
    )
    with platform.warehouse.transaction() as con:
        new = fetch(
            con,
            f"""with now as (
              select o.* replace (case when bucket = 'held' then 'held' else status end as status) from (
                select * exclude (run_id) from sync.outcomes left join ({decided}) using (entity_type, teamleader_id)
                where run_id = ?
              ) o
            )
            select * from now n where not exists (
              from sync.logged_decisions l where l.entity_type = n.entity_type and l.teamleader_id = n.teamleader_id
              and l.status is not distinct from n.status and l.reason is not distinct from n.reason
            ) order by entity_type, teamleader_id""",
            [run.run_id],
        )
        upsert(con, "sync.logged_decisions", new.select(*key, "status", "reason"))
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


def _counts(outcomes: pl.DataFrame, also: dict[str, int]) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for entity, bucket, reason, n in (
        outcomes.group_by("entity_type", "bucket", "reason").len().sort(pl.all()).iter_rows()
    ):
        own = counts.setdefault(entity, {"buckets": {}, "reasons": {}})
        own["buckets"][bucket] = own["buckets"].get(bucket, 0) + n
        own["reasons"][f"{bucket}/{reason}"] = n
    return counts | {"also": also}
