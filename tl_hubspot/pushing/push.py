"""Turn a plan into calls, in the order that keeps HubSpot consistent at every moment; account for every row.

The steps are in the modules around this one, the calls in `hubspot`, what is remembered behind `ledger`. Whether a plan
may be pushed at all (guards, approval) is decided before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import polars as pl

from tl_hubspot.errors import ConfigurationError, TlHubspotError
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.provision import Provisioned, provision
from tl_hubspot.pushing import addresses, marketing, opt_outs, records
from tl_hubspot.pushing.beside import Beside
from tl_hubspot.pushing.change import WRITES, PlannedChanges
from tl_hubspot.pushing.ledger import Ledger, Row
from tl_hubspot.pushing.records import Part
from tl_hubspot.pushing.wire import ProtectedProperty
from tl_hubspot.pushing.work import Outcome, PushSettings, Work

__all__ = ["OUTCOMES", "Outcome", "PushResult", "PushSettings", "push"]

OUTCOMES = {
    "entity_type": pl.String,
    "teamleader_id": pl.String,
    "hubspot_id": pl.String,
    "bucket": pl.String,
    "reason": pl.String,
    "message": pl.String,
    "http_status": pl.Int64,
    "correlation_id": pl.String,
}


@dataclass
class PushResult:
    """What a push did. `outcomes`: one row per create, update and mark_deleted row of the plan; bucket created,
    updated, unchanged (only an address was refused, reason `email_taken`) or failed.

    `counts`: associated, disassociated, relations_failed, relations_skipped, unsubscribed, unsubscribes_failed,
    unsubscribes_skipped, marketing_confirmed, marketing_unconfirmed, marketing_failed, marketing_skipped.
    `stopped`: why the push ended early; rows that were not reached are failed / `not_attempted`. Store the result,
    then raise it.
    """

    outcomes: pl.DataFrame
    counts: dict[str, int] = field(default_factory=dict)
    notices: list[Row] = field(default_factory=list)
    provisioned: Provisioned = field(default_factory=Provisioned)
    protected_writes: int = 0
    stopped: TlHubspotError | None = None

    @property
    def failed(self) -> int:
        """Everything that did not succeed: records, relations, opt-outs, marketing requests."""
        steps = ("relations_failed", "unsubscribes_failed", "marketing_failed")
        return self.outcomes.filter(pl.col("bucket") == "failed").height + sum(self.counts.get(s, 0) for s in steps)


_STEPS = {"company": "companies", "contact": "contacts", "deal": "deals"}
_UPDATES = ("update", "mark_deleted")


def push(
    plan_changes: pl.DataFrame,
    gateway: HubSpotGateway,
    ledger: Ledger,
    settings: PushSettings,
    on_progress: Callable[[str, int, int], None] | None = None,
    waiting: Iterable[Outcome] = (),
) -> PushResult:
    """Carry out a plan's `changes`. Rows `hold` are nobody's call; an empty plan makes no call at all.

    `waiting`: records that failed before and are not tried now; nothing is related to them. `on_progress(step, done,
    total)`. Raises ProtectedProperty before the first call when a row names a protected
    property, ConfigurationError when the portal cannot take the mapping (before any record is written); anything else
    that ends the push early is in `PushResult.stopped`.
    """
    todo = plan_changes.filter(pl.col("action") != "hold")
    work = Work(gateway, ledger, settings, on_progress)
    work.outcomes = {(outcome.entity_type, outcome.teamleader_id): outcome for outcome in waiting}
    work.wire.check_plan(PlannedChanges(todo.filter(pl.col("action").is_in(WRITES))).properties())
    if todo.is_empty():
        return PushResult(_frame(work))
    provisioned = Provisioned()
    stopped: TlHubspotError | None = None
    try:
        provisioned = provision(gateway, settings.properties, settings.pipelines, group=settings.property_group)
        work.symbols = provisioned.symbols
        _steps(work, todo)
    except (ProtectedProperty, ConfigurationError):
        raise
    except TlHubspotError as error:
        stopped = error
        _account_for_the_rest(work, todo)
    return PushResult(
        outcomes=_frame(work),
        counts=dict(work.counts),
        notices=work.notices,
        provisioned=provisioned,
        stopped=stopped,
    )


def _steps(work: Work, todo: pl.DataFrame) -> None:
    records_of = {kind: todo.filter(pl.col("entity_type") == kind) for kind in ("company", "contact", "deal")}

    def part(entity_type: str, *actions: str, where: pl.Expr | bool = True) -> Part:
        changes = PlannedChanges(records_of[entity_type].filter(pl.col("action").is_in(actions), where))
        return Part(entity_type, changes, _STEPS[entity_type], creates="create" in actions)

    has_address = pl.col("details").str.json_path_match("$.email.action").fill_null("none") != "none"
    parts = [part("company", *_UPDATES), part("company", "create")]
    addressed = part("contact", *_UPDATES, where=has_address)
    if addressed.changes:
        # Addresses are given up before anybody else is written, so that nobody meets one that is still taken.
        records.write(work, parts)
        addresses.update(work, list(addressed.changes), addressed.step)
        parts = []
    parts += [part("contact", *_UPDATES, where=~has_address), part("contact", "create")]
    parts += [part("deal", *_UPDATES), part("deal", "create")]
    written = pl.concat([rows.filter(pl.col("action").is_in(WRITES)) for rows in records_of.values()])
    beside = Beside(work, todo.filter(entity_type="relation"), written)
    records.write(work, parts, beside)
    beside.finish()
    opt_outs.push(work, part("contact", "unsubscribe").changes)
    marketing.push(work, part("contact", "marketing").changes)


def _account_for_the_rest(work: Work, todo: pl.DataFrame) -> None:
    logged = [
        work.fail(change, "not_attempted", message="the push stopped before this record was confirmed")
        for change in PlannedChanges(todo.filter(pl.col("action").is_in(WRITES)))
        if change.key not in work.outcomes or change.key in work.open_addresses
    ]
    work.ledger.log(logged)


def _frame(work: Work) -> pl.DataFrame:
    outcomes = work.outcomes.values()
    return pl.DataFrame({name: [getattr(o, name) for o in outcomes] for name in OUTCOMES}, schema=OUTCOMES)
