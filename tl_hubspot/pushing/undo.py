"""Take a run back from its journal: fields that still hold what the run wrote get their old value, associations go.

What a person changed since is left alone, and what cannot be taken back is listed. Undo is itself journalled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tl_hubspot.hubspot.associations import ARCHIVE_BATCH, Pair, disassociate
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import BATCH, Write, batch_read
from tl_hubspot.pushing.change import SECONDARY_EMAILS, Change, same_value
from tl_hubspot.pushing.ledger import Ledger, Row
from tl_hubspot.pushing.recovery import images
from tl_hubspot.pushing.relations import association_image, association_of
from tl_hubspot.pushing.work import PushSettings, Work, chunked

REASONS = {
    "create": "a created record is not deleted; archive it in HubSpot if it must go",
    "unsubscribe": "an opt-out cannot be taken back",
    "marketing": "marketing status can only be lowered by a workflow or by hand",
    "disassociate": "an association that was taken away is made again by hand",
}
CHANGED_SINCE = "the value was changed since"
ADDRESSES = "secondary addresses are put back by hand"
GONE = "the record no longer exists"


@dataclass(frozen=True)
class Left:
    """Something of the run that was not taken back; `property` is None for the whole action."""

    entity_type: str
    teamleader_id: str
    hubspot_id: str | None
    property: str | None
    reason: str


@dataclass
class UndoResult:
    """`undone`: fields set back; `disassociated`: associations removed; `left`: everything else, each with a reason."""

    undone: int = 0
    disassociated: int = 0
    left: list[Left] = field(default_factory=list)


@dataclass
class _Record:
    change: Change
    before: dict[str, str]
    after: dict[str, str]


def undo(gateway: HubSpotGateway, ledger: Ledger, journal: Sequence[Row], settings: PushSettings) -> UndoResult:
    """Undo the calls of one run. `journal`: its rows of `sync.journal` with state `done`, oldest first.

    `settings.run_id` is the run that undoes.
    """
    work = Work(gateway, ledger, settings, None)
    result = UndoResult()
    records: dict[tuple[str, str], _Record] = {}
    made: dict[tuple[str, str], list[tuple[Row, Pair]]] = {}
    for row in journal:
        if row["action"] in ("update", "mark_deleted") and row["hubspot_id"]:
            _collect(row, records)
        elif row["action"] == "associate":
            from_type, to_type, pair = association_of(images(row)["association"]["after"])
            made.setdefault((from_type, to_type), []).append((row, pair))
        else:
            reason = REASONS.get(row["action"], "not an action that can be taken back")
            result.left.append(Left(row["entity_type"], row["teamleader_id"], row["hubspot_id"], None, reason))
    for (from_type, to_type), pairs in made.items():
        for chunk in chunked(pairs, ARCHIVE_BATCH):
            _disassociate(work, from_type, to_type, chunk, result)
    for entity_type in ("deal", "contact", "company"):
        for part in chunked([r for key, r in records.items() if key[0] == entity_type], BATCH):
            _write_back(work, entity_type, part, result)
    return result


def _collect(row: Row, records: dict[tuple[str, str], _Record]) -> None:
    # A record written twice in a run goes back to what it was before the first call.
    key = row["entity_type"], row["hubspot_id"]
    change = Change(row["entity_type"], row["teamleader_id"], row["hubspot_id"], "undo", None)
    record = records.setdefault(key, _Record(change, {}, {}))
    for name, image in images(row).items():
        record.before.setdefault(name, image["before"] or "")
        record.after[name] = image["after"] or ""


def _write_back(work: Work, entity_type: str, records: Sequence[_Record], result: UndoResult) -> None:
    names = list(dict.fromkeys(name for record in records for name in record.after))
    ids = [str(record.change.hubspot_id) for record in records]
    now = {r.id: r.properties for r in batch_read(work.gateway, entity_type, ids, names)}
    call_id = work.new_call()
    writes: list[Write] = []
    intentions: dict[str, Row] = {}
    changes: dict[str, Change] = {}
    for place, record in enumerate(records):
        change, hubspot_id = record.change, str(record.change.hubspot_id)
        current = now.get(hubspot_id)

        def leave(name: str | None, reason: str, change: Change = change) -> None:
            result.left.append(Left(entity_type, change.teamleader_id, change.hubspot_id, name, reason))

        if current is None:
            leave(None, GONE)
            continue
        back: dict[str, str] = {}
        for name, after in record.after.items():
            if name == SECONDARY_EMAILS:
                leave(name, ADDRESSES)
            elif not same_value(after, current.get(name)):
                leave(name, CHANGED_SINCE)
            elif not same_value(after, record.before[name]):
                back[name] = record.before[name]
        if back:
            trace = f"{call_id}-{place}"
            restored = {name: {"before": current.get(name) or None, "after": value} for name, value in back.items()}
            writes.append(Write(trace, hubspot_id, back))
            intentions[trace] = work.intention(call_id, trace, change, hubspot_id, restored)
            changes[trace] = change
    if not writes:
        return
    work.ledger.intend(list(intentions.values()))
    outcome = work.wire.update(entity_type, writes)
    settled: list[Row] = []
    logged: list[Row] = []
    for write in writes:
        change, written = changes[write.trace_id], outcome[write.trace_id]
        message = None
        if written.state == "done":
            result.undone += len(write.properties)
            logged.append(work.log_row(change, write.key, message=f"{len(write.properties)} fields set back"))
        else:
            message = written.problem.message if written.problem else "missing in answer"
            result.left.append(Left(entity_type, change.teamleader_id, write.key, None, message))
            logged.append(work.failure_row(change, write.key, "undo", message, written.problem))
        settled.append(work.settlement(intentions[write.trace_id], hubspot_id=write.key, message=message))
    with work.ledger.together():
        work.ledger.settle(settled)
        work.ledger.log(logged)


def _disassociate(
    work: Work, from_type: str, to_type: str, pairs: Sequence[tuple[Row, Pair]], result: UndoResult
) -> None:
    call_id = work.new_call()
    changes: dict[Pair, Change] = {}
    intentions: dict[Pair, Row] = {}
    for place, (row, pair) in enumerate(pairs):
        changes[pair] = Change("relation", row["teamleader_id"], None, "undo", None)
        image = association_image(("disassociate", from_type, to_type, False), pair)
        intentions[pair] = work.intention(call_id, f"{call_id}-{place}", changes[pair], None, image)
    work.ledger.intend(list(intentions.values()))
    outcome = disassociate(work.gateway, from_type, to_type, list(intentions))
    settled: list[Row] = []
    logged: list[Row] = []
    for pair, problem in outcome.items():
        message = problem.message if problem else None
        settled.append(work.settlement(intentions[pair], hubspot_id=None, message=message))
        if problem is None:
            result.disassociated += 1
            logged.append(work.log_row(changes[pair], None, message=f"{from_type} to {to_type} taken away"))
        else:
            result.left.append(Left("relation", changes[pair].teamleader_id, None, None, problem.message))
            logged.append(work.failure_row(changes[pair], None, "undo", problem.message, problem))
    with work.ledger.together():
        work.ledger.settle(settled)
        work.ledger.log(logged)
