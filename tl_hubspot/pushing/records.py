"""Write companies, contacts and deals: updates by record id, creates by upsert on `teamleader_id`, in batches of 100.

Intent before each call, outcome after it, every record accounted for. Secondary addresses are in `addresses`, relations
between records in `relations`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from tl_hubspot.hubspot.objects import BATCH, BatchOutcome, Record, Write, Written, batch_read, get_record
from tl_hubspot.hubspot.reactions import Problem
from tl_hubspot.pushing import canary
from tl_hubspot.pushing.beside import Beside
from tl_hubspot.pushing.change import EMAIL, SECONDARY_EMAILS, Change, same_value
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.wire import SYMBOL, SYMBOLIC
from tl_hubspot.pushing.work import Work, chunked, grouped, to_json

KEY = "teamleader_id"
GROUP = 32
"""Batches whose intents, or outcomes, become durable at once: a transaction costs more than the rows in it."""
READ_GROUP = 8
"""The same for intents of updates, which hold what was read: it shall not be old when the call is made."""
EXISTED = "the record was there already"
"""What the journal notes of a create that found its record: another installation was faster."""
BESIDE = "beside"
"""Member of the journal's image of an address: the further addresses that the contact had before."""
EXPECTED = "expected"
"""Member of `Change.details`, property → value: a field is written only where HubSpot still holds that value."""


@dataclass
class _Sent:
    """One record in a batch: what was intended for which id."""

    change: Change
    call_id: str
    hubspot_id: str | None
    """None: to be made."""
    fields: dict[str, str]
    before: Mapping[str, str | None]


@dataclass(eq=False)
class Part:
    """Changes of records of one type that go the same way. `step`: what progress is told of.

    creates: by upsert, so that a repeat after a lost answer or a crash cannot make a second record. Otherwise updates:
    a record that was merged away is followed to its survivor; a deleted one fails.
    """

    entity_type: str
    changes: Sequence[Change]
    step: str
    creates: bool = False
    done: int = 0


@dataclass
class _Batch:
    part: Part
    creates: bool
    sent: dict[str, _Sent] = field(default_factory=dict)
    """Trace id → record."""

    @property
    def entity_type(self) -> str:
        return self.part.entity_type

    @property
    def writes(self) -> list[Write]:
        return [
            Write(trace, s.change.teamleader_id, {**s.fields, KEY: s.change.teamleader_id})
            if self.creates
            else Write(trace, s.hubspot_id or "", s.fields)
            for trace, s in self.sent.items()
        ]


def write(work: Work, parts: Sequence[Part], beside: Beside | None = None) -> None:
    """Write the parts one after the other; relations are made `beside` them. A long part does not wait for its last
    answers before the next one begins: HubSpot's limit would go unused meanwhile."""
    left = deque(part for part in parts if part.changes)
    while left:
        together = [left.popleft()]
        while left and len(together[-1].changes) > GROUP * BATCH:
            together.append(left.popleft())
        _write(work, (batch for part in together for batch in _batches(work, part)), beside)


def update(work: Work, entity_type: str, changes: Sequence[Change], step: str) -> None:
    """Update existing records."""
    write(work, [Part(entity_type, changes, step)])


# --- batches before the call -----------------------------------------------------------------------------------------


def _batches(work: Work, part: Part) -> Iterator[_Batch]:
    prepare = _creates if part.creates else _updates
    first, rest = canary.parts(part.changes, work.settings.canary)
    if first:
        _write(work, prepare(work, part, first))
        canary.look(work, part.entity_type, first, len(part.changes))
    yield from prepare(work, part, rest)


def _creates(work: Work, part: Part, changes: Iterable[Change]) -> Iterator[_Batch]:
    for chunks in grouped(grouped(changes, BATCH), GROUP):
        batches = [_Batch(part, creates=True) for _ in chunks]
        with work.ledger.together():
            for batch, chunk in zip(batches, chunks, strict=True):
                call_id = work.new_call()
                for place, change in enumerate(chunk):
                    fields = _resolved_fields(work, change)
                    if fields is not None:
                        _add(work, batch, call_id, place, change, None, fields, before={})
            _intend(work, batches)
        yield from (batch for batch in batches if batch.sent)


def _updates(work: Work, part: Part, changes: Iterable[Change]) -> Iterator[_Batch]:
    claimed: set[str] = set()
    read = partial(_current, work, part.entity_type)
    for parts in grouped(work.gateway.run(read, grouped(changes, BATCH)), READ_GROUP):
        batches = [_Batch(part, creates=False) for _ in parts]
        with work.ledger.together():
            for batch, (chunk, current) in zip(batches, parts, strict=True):
                call_id = work.new_call()
                for place, change in enumerate(chunk):
                    record = current.get(change.hubspot_id or "")
                    if record is None:
                        work.ledger.log([work.fail(change, "deleted_in_hubspot", Problem(404, "OBJECT_NOT_FOUND"))])
                    elif record.id in claimed:
                        message = "its HubSpot record was merged into that of another"
                        work.ledger.log([work.fail(change, "claimed_by_other", message=message)])
                    else:
                        claimed.add(record.id)
                        _prepare_update(work, batch, call_id, place, change, record)
            _intend(work, batches)
        yield from (batch for batch in batches if batch.sent)


def _prepare_update(work: Work, batch: _Batch, call_id: str, place: int, change: Change, record: Record) -> None:
    fields = _resolved_fields(work, change)
    if fields is None:
        return
    if EXPECTED in change.details:
        fields = _still_expected(work, change, record, fields)
    if change.email is not None and change.email.is_exchange:
        work.open_addresses.add(change.key)
    if fields:
        _add(work, batch, call_id, place, change, record.id, fields, before=record.properties)
    else:
        # Only addresses change; that is the next step's work.
        work.succeed(change, record.id, "updated")


def _still_expected(work: Work, change: Change, record: Record, fields: dict[str, str]) -> dict[str, str]:
    """The fields that hold what is expected of them, or all of them or none where they only make sense together."""
    expected = change.details[EXPECTED]
    # an address that had to be given up first, so that another contact could take it, is empty by now
    given_up = {EMAIL} if change.email is not None and not record.properties.get(EMAIL) else set()
    changed = {n for n in fields if n not in given_up and not same_value(expected.get(n), record.properties.get(n))}
    for name in sorted(changed):
        work.notice("changed_since", change, record.id, f"{name} was changed meanwhile")
    return {} if changed & set(SYMBOLIC) else {n: v for n, v in fields.items() if n not in changed}


def _current(work: Work, entity_type: str, chunk: Sequence[Change]) -> dict[str, Record]:
    """Planned id → the record now, with the values about to be written (the before-image); deleted ones are absent."""
    ids = list(dict.fromkeys(c.hubspot_id for c in chunk if c.hubspot_id))
    names = list(dict.fromkeys(name for c in chunk for name in c.fields))
    if EMAIL in names and entity_type == "contact":
        names.append(SECONDARY_EMAILS)
    found: dict[str, Record] = {r.id: r for r in batch_read(work.gateway, entity_type, ids, names)}
    current: dict[str, Record] = {}
    for planned in ids:
        # Only the single GET leads from a merged-away id to the survivor.
        record = found.get(planned) or get_record(work.gateway, entity_type, planned, names)
        if record is not None and not record.archived:
            current[planned] = record
    return current


def _resolved_fields(work: Work, change: Change) -> dict[str, str] | None:
    """The values to send, with ids in place of the symbols of pipelines and stages; None when one is not there."""
    if not any(name in change.fields for name in SYMBOLIC):
        return change.fields
    fields = {name: _id_of(work.symbols, name, value) for name, value in change.fields.items()}
    if any(name in SYMBOLIC and value.startswith(SYMBOL) for name, value in fields.items()):
        message = "its pipeline or stage could not be made in HubSpot"
        work.ledger.log([work.fail(change, "unmapped_stage", message=message)])
        return None
    return fields


def _id_of(symbols: Mapping[str, str], name: str, value: str) -> str:
    return symbols.get(value, value) if name in SYMBOLIC else value


def _add(
    work: Work,
    batch: _Batch,
    call_id: str,
    place: int,
    change: Change,
    hubspot_id: str | None,
    fields: dict[str, str],
    before: Mapping[str, str | None],
) -> None:
    batch.sent[f"{call_id}-{place}"] = _Sent(change, call_id, hubspot_id, fields, before)


def _intend(work: Work, batches: Sequence[_Batch]) -> None:
    rows = [
        (s.call_id, trace, s.change.entity_type, s.change.teamleader_id, s.hubspot_id, s.change.action, _images(s))
        for batch in batches
        for trace, s in batch.sent.items()
    ]
    if rows:
        names = ("call_id", "trace_id", "entity_type", "teamleader_id", "hubspot_id", "action", "fields")
        stamps = {"run_id": work.settings.run_id, "state": "intended", "intended_at": work.settings.now()}
        work.ledger.intend(_frame(names, rows).with_columns(**{n: pl.lit(v) for n, v in stamps.items()}))


def _images(sent: _Sent) -> str:
    before = sent.before
    images = {name: {"before": before.get(name) or None, "after": value} for name, value in sent.fields.items()}
    if EMAIL in images and SECONDARY_EMAILS in before:
        images[EMAIL][BESIDE] = before[SECONDARY_EMAILS] or ""
    return to_json(images)


def _frame(names: Sequence[str], rows: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
    columns = map(list, zip(*rows, strict=True))
    return pl.DataFrame(dict(zip(names, columns, strict=True)), schema=dict.fromkeys(names, pl.String()))


# --- calls and what became of them -----------------------------------------------------------------------------------


def _write(work: Work, batches: Iterable[_Batch], beside: Beside | None = None) -> None:
    """Send the batches, and once more those records whose new address another contact has."""
    without_address: list[tuple[Part, _Sent]] = []
    for answered in grouped((beside or work.gateway).run(partial(_send, work), batches), GROUP):
        _settle(work, answered, without_address)
        for part in dict.fromkeys(batch.part for batch, _ in answered):
            part.done += sum(len(batch.sent) for batch, _ in answered if batch.part is part)
            work.progress(part.step, part.done, len(part.changes))
    if without_address:
        _write(work, _again_without_address(work, without_address))


def _send(work: Work, batch: _Batch) -> BatchOutcome:
    """Called in a worker thread. An input that the answer leaves out is looked up once."""
    send = work.wire.upsert if batch.creates else work.wire.update
    outcome = send(batch.entity_type, batch.writes)
    missing = [w for w in batch.writes if outcome[w.trace_id].state == "missing"]
    if not missing:
        return outcome
    names = list(dict.fromkeys([KEY, *(name for w in missing for name in w.properties)]))
    records = batch_read(
        work.gateway, batch.entity_type, [w.key for w in missing], names, id_property=KEY if batch.creates else None
    )
    by_key = {(r.properties.get(KEY) or "") if batch.creates else r.id: r for r in records}
    for write in missing:
        record = by_key.get(write.key)
        if record is not None and all(same_value(v, record.properties.get(n)) for n, v in write.properties.items()):
            outcome[write.trace_id] = Written("done", hubspot_id=record.id)
    return outcome


_DONE = (
    *("call_id", "trace_id", "entity_type", "teamleader_id", "hubspot_id", "matched_by", "action", "reason"),
    *("note", "fields", "written", "message"),
)


def _settle(
    work: Work, answered: Sequence[tuple[_Batch, BatchOutcome]], without_address: list[tuple[Part, _Sent]]
) -> None:
    done: list[tuple[str | None, ...]] = []
    failed: list[Row] = []
    logged: list[Row] = []
    for batch, trace, sent, written in ((b, t, s, o[t]) for b, o in answered for t, s in b.sent.items()):
        change, planned_id = sent.change, sent.hubspot_id
        if written.state == "done":
            hubspot_id = written.hubspot_id or planned_id or ""
            work.succeed(change, hubspot_id, "created" if batch.creates else "updated")
            note = EXISTED if batch.creates and written.new is False else None
            fields = to_json(to_remember(change, sent.fields, work.symbols))
            key = "teamleader_id" if note else change.matched_by
            of = change.entity_type, change.teamleader_id, hubspot_id, key, change.action, change.reason
            said = f"{len(sent.fields)} fields written"
            done.append((sent.call_id, trace, *of, note, fields, to_json(sent.fields), said))
            continue
        problem = written.problem
        intention = {"call_id": sent.call_id, "trace_id": trace}
        message = problem.message if problem else "missing in answer"
        failed.append(work.settlement(intention, hubspot_id=planned_id, message=message))
        if problem and not batch.creates and _address_is_taken(problem, sent.fields):
            logged.append(address_taken(work, change, planned_id, problem))
            without_address.append((batch.part, sent))
            batch.part.done -= 1
        else:
            logged.append(work.fail(change, problem.reason if problem else "missing_in_answer", problem))
    with work.ledger.together():
        if done:
            _remember(work, _frame(_DONE, done))
        if failed:
            work.ledger.settle(failed)
        work.ledger.log(logged)


def _remember(work: Work, done: pl.DataFrame) -> None:
    """What was confirmed; columns `_DONE`."""
    run_id, now = pl.lit(work.settings.run_id), pl.lit(work.settings.now())
    record = ("entity_type", "teamleader_id", "hubspot_id")
    work.ledger.settle(
        done.select("call_id", "trace_id", "hubspot_id", state=pl.lit("done"), message="note", settled_at=now)
    )
    work.ledger.link(done.select(*record, "matched_by", first_run=run_id, last_run=run_id))
    work.ledger.shadow(done.select("entity_type", "teamleader_id", "fields", "written", run_id=run_id))
    said = ("action", "reason", "message")
    work.ledger.log(done.select(*record, *said, timestamp=now, run_id=run_id, level=pl.lit("info")))


def to_remember(change: Change, fields: Mapping[str, str], symbols: Mapping[str, str]) -> dict[str, str | None]:
    """The shadow that a call confirms which sent `fields`. The address is no part of it when it was not sent, or when
    the old one has not found its place: the next plan must still see that it changed."""
    shadow = change.shadow
    shadow |= {n: _id_of(symbols, n, value) for n in SYMBOLIC if (value := shadow.get(n))}
    if change.email is not None and (EMAIL not in fields or change.email.is_exchange):
        shadow.pop(EMAIL, None)
    return shadow


def _address_is_taken(problem: Problem, fields: Mapping[str, str]) -> bool:
    return bool(fields.get(EMAIL)) and problem.is_conflict and (not problem.properties or EMAIL in problem.properties)


def address_taken(work: Work, change: Change, hubspot_id: str | None, problem: Problem) -> Row:
    """Report that another HubSpot contact has the address; returns the row for the log."""
    work.addresses_refused.add(change.key)
    work.open_addresses.discard(change.key)
    holder = f"HubSpot contact {problem.existing_id}" if problem.existing_id else "another HubSpot contact"
    message = f"the address belongs to {holder}: two records to merge by a person"
    work.notice("email_taken", change, hubspot_id, message)
    return work.log_row(change, hubspot_id, reason="email_taken", level="warning", message=message, problem=problem)


def _again_without_address(work: Work, refused: Sequence[tuple[Part, _Sent]]) -> Iterator[_Batch]:
    """The rest of the fields of contacts whose new address another contact has."""
    for chunk in chunked(refused, BATCH):
        batch = _Batch(chunk[0][0], creates=False)
        call_id = work.new_call()
        for place, (_, sent) in enumerate(chunk):
            hubspot_id = sent.hubspot_id
            fields = {name: value for name, value in sent.fields.items() if name != EMAIL}
            if fields:
                _add(work, batch, call_id, place, sent.change, hubspot_id, fields, sent.before)
            else:
                work.succeed(sent.change, hubspot_id, "unchanged", "email_taken")
        _intend(work, [batch])
        if batch.sent:
            yield batch
