"""The stored plan to HubSpot, and what was settled without a call into memory."""

from __future__ import annotations

from typing import Any

import polars as pl

from tl_hubspot.errors import ConfigurationError, HeldByGuard
from tl_hubspot.hubspot.provision import PipelineWanted, PropertyWanted, StageWanted
from tl_hubspot.orchestration import consent
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import conclude, deciding, looked_at, unchanged
from tl_hubspot.planning import preflight
from tl_hubspot.pushing import retries
from tl_hubspot.pushing.push import Outcome, PushSettings
from tl_hubspot.pushing.push import push as push_plan
from tl_hubspot.warehouse.rows import delete, fetch


def push(platform: Platform, run: Run) -> dict[str, Any]:
    """Push the plan of this run. Raises what stopped it, after everything confirmed was stored."""
    row = platform.run_row(run.run_id)
    if row["digest"] is None:
        raise ConfigurationError(
            "This run has made no plan, so there is nothing that it may push",
            where=f"run {run.run_id}",
            mend="Start the whole job `sync`; what was confirmed before is not written again",
        )
    _decided(platform, run)
    if row["status"] == "held":
        raise HeldByGuard(
            "The plan is over a limit, nothing was pushed",
            where=f"digest {row['digest']}",
            mend=f"Look at `tl-hubspot plan`, then run `tl-hubspot approve {row['digest']}`",
        )
    ledger = WarehouseLedger(platform.warehouse, platform.settings.log_file)
    changes = platform.warehouse.read("select * exclude (run_id, digest) from sync.plan where run_id = ?", [run.run_id])
    due, waiting = retries.split(changes, platform.warehouse.read("sync.failures"), platform.clock())
    left = [_waiting(row) for row in waiting.iter_rows(named=True)]
    result = push_plan(due, platform.hubspot, ledger, _settings(platform, run), platform.progress, left)
    if result.stopped is None:
        _settle(platform, run, ledger)
    status = conclude.pushed(platform, run, result, due)
    if result.stopped is not None:
        raise result.stopped
    facts: dict[str, Any] = {"status": status, "provisioned": len(result.provisioned.created)}
    if platform.hubspot.daily_remaining is not None:
        facts["daily_calls_left"] = platform.hubspot.daily_remaining
    return facts | _NOTHING | result.counts | dict(result.outcomes.group_by("bucket").len().iter_rows())


_NOTHING = dict.fromkeys(("created", "updated", "failed", "associated", "unsubscribed", "marketing_confirmed"), 0)
"""So that a run with nothing to do has its place in a plot."""


def _waiting(failure: dict[str, Any]) -> Outcome:
    again = f"tried {failure['attempts']} times, again after {failure['next_attempt_at']:%Y-%m-%d %H:%M %Z}"
    names = ("entity_type", "teamleader_id", "hubspot_id", "reason", "http_status", "correlation_id")
    return Outcome(bucket="failed", message=f"{failure['message']}; {again}", **{n: failure[n] for n in names})


def _decided(platform: Platform, run: Run) -> None:
    """Say in the consent ledger what differs from what it last said, before anything is done about it."""
    if "contact" not in run.options.entities:
        return
    plan = looked_at.plan(platform.warehouse)
    if unchanged.made_by(platform.warehouse, consent.FACTS, plan):
        return
    with platform.warehouse.roomy():
        for which in looked_at.conditions(platform.warehouse, consent.FACTS):
            with platform.warehouse.transaction() as con:
                consent.record_decisions(con, platform.settings.data, run.run_id, platform.clock(), which)
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, consent.FACTS, plan, run)


def _settings(platform: Platform, run: Run) -> PushSettings:
    mapping = platform.mapping
    properties = platform.warehouse.read("hubspot.properties")
    wanted, _ = preflight.check(mapping, properties)
    labels = properties.select("object_type", "name", "label").iter_rows()
    return PushSettings(
        run_id=run.run_id,
        properties=tuple(
            PropertyWanted(w.object_type, w.name, w.label, w.type, w.field_type, w.options, w.unique) for w in wanted
        ),
        pipelines=tuple(
            PipelineWanted(
                p.symbol,
                p.label,
                tuple(StageWanted(s.symbol, s.label, s.probability, s.is_closed) for s in p.stages),
            )
            for p in deciding.deal_stages(platform).to_provision
        ),
        property_group=mapping.property_group,
        protected_names=tuple(mapping.protected_names),
        labels={(kind, name): label for kind, name, label in labels},
        canary=platform.settings.hubspot.canary,
        now=platform.clock,
    )


def _settle(platform: Platform, run: Run, ledger: WarehouseLedger) -> None:
    """Remember what needed no call, and forget what is used up."""
    settled = platform.warehouse.read("sync.settled")
    run_id = run.run_id
    with ledger.together():
        ledger.link(
            [
                {
                    "entity_type": row["entity_type"],
                    "teamleader_id": row["teamleader_id"],
                    "hubspot_id": row["hubspot_id"],
                    "first_run": run_id,
                    "last_run": run_id,
                    # by an address or a key it would have had to be given the id
                    "matched_by": "teamleader_id",
                }
                for row in settled.filter(pl.col("hubspot_id").is_not_null()).iter_rows(named=True)
            ]
        )
        ledger.shadow(
            [
                {
                    "entity_type": row["entity_type"],
                    "teamleader_id": row["teamleader_id"],
                    "fields": row["shadow"],
                    "written": "{}",
                    "run_id": run_id,
                }
                for row in settled.iter_rows(named=True)
            ]
        )
    with platform.warehouse.transaction() as con:
        # asked again only after the decision was something else in between
        marketing = "select teamleader_id from eligible.contacts where marketing"
        over = fetch(con, f"select teamleader_id from sync.marketing_requests where teamleader_id not in ({marketing})")
        delete(con, "sync.marketing_requests", over)
        con.execute(
            "delete from sync.releases r where exists (select 1 from sync.links l where l.entity_type = r.entity_type"
            " and l.teamleader_id = r.teamleader_id and l.last_run = ?)",
            [run_id],
        )
