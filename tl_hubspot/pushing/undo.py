"""Carry an undo out: with the calls of a push, journalled like them, so that it can be repeated, settled and undone.

What is taken back is decided in `undo_plan`. Links, remembered values and associations stay as they are: the next sync
then counts what was taken back like something that a person changed, and leaves it until Teamleader changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from tl_hubspot.errors import ConfigurationError, TlHubspotError
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import BATCH, batch_archive, batch_read
from tl_hubspot.pushing import addresses, records, relations
from tl_hubspot.pushing.beside import Beside
from tl_hubspot.pushing.change import EMAIL, Change
from tl_hubspot.pushing.ledger import Ledger, Row, Rows
from tl_hubspot.pushing.undo_plan import ARCHIVE, REASON, Created, Left, Undoing, first_difference
from tl_hubspot.pushing.wire import ProtectedProperty
from tl_hubspot.pushing.work import PushSettings, Work, chunked

_RECORDS = ("company", "contact", "deal")


@dataclass
class Undone:
    """What an undo did. `fields`: fields set back, in `records` records; `archived`, `disassociated`, `associated`:
    how many; `left`: what was not taken back, that which failed included; `failed`: how many of those failed;
    `stopped`: why it ended early. Store the result, then raise that."""

    records: int = 0
    fields: int = 0
    archived: int = 0
    disassociated: int = 0
    associated: int = 0
    failed: int = 0
    left: list[Left] = field(default_factory=list)
    stopped: TlHubspotError | None = None


class _JournalOnly:
    """A ledger that keeps the journal and the log (as `undo`) and nothing else. `failures`: those that were logged."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.intend, self.settle, self.together = ledger.intend, ledger.settle, ledger.together
        self.failures: list[Left] = []

    def log(self, rows: Rows) -> None:
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
        if frame.is_empty():
            return
        told = pl.col("action").is_in(["fail", "skip"])
        self._ledger.log(frame.with_columns(action=pl.when(told).then("action").otherwise(pl.lit("undo"))))
        for row in frame.filter(action="fail").iter_rows(named=True):
            of = row["entity_type"], row["teamleader_id"], row.get("hubspot_id")
            self.failures.append(Left(*of, None, "failed", row["message"]))

    def _nothing(self, rows: Rows) -> None:
        pass

    link = shadow = relation = forget_relation = opt_out = marketing_request = consent = _nothing


def carry_out(
    gateway: HubSpotGateway,
    ledger: Ledger,
    undoing: Undoing,
    settings: PushSettings,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Undone:
    """Write what `undoing` says, and look once more before each call whether it still holds.

    `settings.run_id` is the run that undoes. Raises ProtectedProperty before the first call.
    """
    journal = _JournalOnly(ledger)
    work = Work(gateway, journal, settings, on_progress)
    done = Undone(left=list(undoing.left))
    work.wire.check_plan((change.entity_type, name) for change in undoing.changes for name in change.fields)
    try:
        _steps(work, undoing, done)
    except (ProtectedProperty, ConfigurationError):
        raise
    except TlHubspotError as error:
        done.stopped = error
    done.left += journal.failures
    _account(work, undoing.changes, done)
    return done


def _steps(work: Work, undoing: Undoing, done: Undone) -> None:
    # Links go first, while both of their records are there.
    Beside(work, relations.plan_of([c for c in undoing.changes if c.entity_type == "relation"])).finish()
    for entity_type in _RECORDS:
        changes = [c for c in undoing.changes if c.entity_type == entity_type]
        addresses.update(work, [c for c in changes if c.email], "addresses")
        records.update(work, entity_type, [c for c in changes if not c.email], entity_type)
    for entity_type in reversed(_RECORDS):
        for chunk in chunked([c for c in undoing.archive if c.entity_type == entity_type], BATCH):
            _archive(work, entity_type, chunk, done)


def _archive(work: Work, entity_type: str, chunk: Sequence[Created], done: Undone) -> None:
    names = list(dict.fromkeys(name for created in chunk for name in created.written))
    now = {r.id: r.properties for r in batch_read(work.gateway, entity_type, [c.hubspot_id for c in chunk], names)}
    call_id = work.new_call()
    intentions: dict[str, Row] = {}
    changes: dict[str, Change] = {}
    for place, created in enumerate(chunk):
        hubspot_id = created.hubspot_id
        if hubspot_id not in now:
            continue
        if differs := first_difference(created.written, now[hubspot_id]):
            done.left.append(Left(entity_type, created.teamleader_id, hubspot_id, differs, "changed_since"))
            continue
        change = Change(entity_type, created.teamleader_id, hubspot_id, ARCHIVE, REASON)
        changes[hubspot_id] = change
        intentions[hubspot_id] = work.intention(call_id, f"{call_id}-{place}", change, hubspot_id)
    if not intentions:
        return
    work.ledger.intend(list(intentions.values()))
    problem = batch_archive(work.gateway, entity_type, list(intentions))
    message = problem.message if problem else None
    with work.ledger.together():
        for hubspot_id, change in changes.items():
            intention = intentions[hubspot_id]
            work.ledger.settle([work.settlement(intention, hubspot_id=hubspot_id, message=message)])
            if problem is None:
                work.ledger.log([work.log_row(change, hubspot_id, message="archived: the undone run had created it")])
            else:
                work.ledger.log([work.failure_row(change, hubspot_id, problem.reason, problem.message, problem)])
    if problem is None:
        done.archived += len(intentions)


def _account(work: Work, changes: Sequence[Change], done: Undone) -> None:
    """Count what was confirmed, and list what was not."""
    kept: set[tuple[str, str, str]] = set()
    for notice in work.notices:
        code, told = notice["code"], notice["message"]
        name, message = (EMAIL, told) if code == "email_taken" else (told.partition(" ")[0], None)
        key = notice["entity_type"], notice["teamleader_id"]
        kept.add((*key, name))
        done.left.append(Left(*key, notice["hubspot_id"], name, code, message))
    done.disassociated, done.associated = work.counts["disassociated"], work.counts["associated"]
    for change in changes:
        outcome = work.outcomes.get(change.key)
        if outcome is not None and outcome.bucket == "updated":
            written = sum((*change.key, name) not in kept for name in change.fields)
            written += change.email is not None and change.email.is_secondary
            done.fields += written
            done.records += bool(written)
        elif outcome is None and change.entity_type != "relation" and done.stopped is not None:
            done.left.append(Left(*change.key, change.hubspot_id, None, "failed", "the undo stopped before it"))
    done.failed = sum(entry.code == "failed" for entry in done.left)
