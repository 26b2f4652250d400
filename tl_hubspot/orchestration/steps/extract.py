"""Teamleader's records into the warehouse: as received, with typed columns, and what was found deleted.

A few pages are stored at once, together with the position reached, so that the next run goes on where one was killed.
Links between records live in `links`, phases of deals in `phases`; paging and calls are the business of `teamleader`,
when a contact counts as changed that of `rules.changes`, what cannot be stored that of `warehouse.intake`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.config.settings import TeamleaderSettings
from tl_hubspot.orchestration.behind import Behind
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import preflight
from tl_hubspot.orchestration.steps.reading import (
    Reading,
    broken_off,
    extraction_of,
    set_watermark,
    stamp,
    watermark,
)
from tl_hubspot.rules import changes
from tl_hubspot.teamleader.extraction import Batch, Presence, Stream
from tl_hubspot.warehouse import intake, typed
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import fetch, frame_of, insert, merge, places, upsert
from tl_hubspot.warehouse.store import apart

STREAMS: tuple[Stream, ...] = ("contacts", "companies", "deals")
_NO_INSTANT = pl.lit(None, pl.Datetime("us", "UTC"))
_COUNTS = ("read", "new", "changed", "unchanged", "deleted", "rejected", "unreadable_dates")
_LOOKS = 100
"""Looks at absent records that are stored at once."""


def reference(platform: Platform, run: Run) -> int:
    """All small lists, read anew in every run."""
    rows = [dict(row) | stamp(platform, run) for row in extraction_of(platform).reference()]
    frame = frame_of("teamleader.reference", rows)
    # a renamed custom field would look emptied everywhere, and the sync would carry that over
    preflight.custom_fields(platform, frame)
    return platform.warehouse.replace("teamleader.reference", frame)


def records(platform: Platform, run: Run, stream: Stream) -> dict[str, int]:
    """New and changed records of `stream`; when a sweep is due all of them, and those that are gone are marked deleted.

    A reading that an earlier run could not finish is finished first, and followed by what changed since it began.
    Returns counts: read, new, changed, unchanged, deleted, rejected, unreadable_dates (both of records stored now),
    went_on (1 after a reading that was broken off).
    """
    counts = dict.fromkeys((*_COUNTS, "went_on"), 0)
    mark = watermark(platform, stream)
    full = mark is None or (run.is_full and _is_due(platform, run, mark["full_as_of"]))
    if begun := broken_off(platform, stream, full=full):
        counts["went_on"] = 1
        take(platform, run, begun, _batches(platform, begun), mark, counts)
        mark, full = watermark(platform, stream), False
    since = None
    if not full and mark is not None:
        since = mark["read_until"] - timedelta(seconds=platform.settings.teamleader.overlap_seconds)
    reading = Reading(stream, since, run.as_of, platform.clock(), run.run_id)
    take(platform, run, reading, _batches(platform, reading), mark, counts)
    return counts


def _batches(platform: Platform, reading: Reading) -> Iterator[Batch]:
    read: Callable[..., Iterator[Batch]] = getattr(extraction_of(platform), reading.stream)
    return read(updated_since=reading.since, position=reading.position)


def _is_due(platform: Platform, run: Run, full_as_of: datetime) -> bool:
    """Whether all of a list is to be read in a run that reads all: not when a run before it got that far."""
    return run.options.full or run.as_of - full_as_of >= timedelta(hours=platform.settings.full_sweep_hours)


def take(
    platform: Platform,
    run: Run,
    reading: Reading,
    batches: Iterable[Batch],
    mark: dict[str, Any] | None,
    counts: dict[str, int],
) -> None:
    """Store what a reading gives from its position to the end, look for deletions when it is full, set the watermark.

    `mark`: row of `sync.watermarks` before; what was done is added to `counts`.
    """
    begins = reading.read_from is None

    def keep(reading: Reading, received: Received, begins: bool, is_last: bool) -> None:
        with platform.warehouse.transaction() as con:
            if begins:
                reading.forget(con)
            store(con, platform, run, received, counts)
            if is_last and not reading.is_full:
                _end(con, run, reading, mark)
                return
            if reading.is_full:
                _see(con, reading.stream, received.taken.names)
            reading.keep(con)

    # of a first reading nearly all will be new
    ahead = apart() if mark is None else nullcontext()
    with ahead as frames, Behind() as behind:
        for batch, is_last in _joined(batches, platform.settings.teamleader):
            reading = replace(
                reading, read_from=reading.read_from or batch.server_time, position=batch.position or reading.position
            )
            received = receive(batch)
            if frames is not None:
                received = replace(received, typed=typed.typed(frames, received.table, received.taken.records))
            behind.do(partial(keep, reading, received, begins, is_last))
            begins = False
    if reading.is_full:
        counts["deleted"] += _sweep(platform, run, reading.stream)
        with platform.warehouse.transaction() as con:
            unseen = "stream = $1 and record not in (select record from sync.seen where stream = $1)"
            con.execute(f"delete from teamleader.rejected where {unseen}", [reading.stream])
            _end(con, run, reading, mark)


def _joined(batches: Iterable[Batch], limits: TeamleaderSettings) -> Iterator[tuple[Batch, bool]]:
    """Batches joined until they hold enough records or have taken long enough to come, and whether it is the last one;
    a record's last version counts."""
    waiting: list[Batch] = []
    size, began = 0, time.monotonic()
    for batch in batches:
        if size >= limits.records_per_commit or (size and time.monotonic() - began >= limits.seconds_per_commit):
            yield _join(waiting), False
            waiting, size, began = [], 0, time.monotonic()
        waiting.append(batch)
        size += len(batch.records)
    yield _join(waiting), True


def _join(batches: list[Batch]) -> Batch:
    every = [record for batch in batches for record in batch.records]
    newest = {record.id: record for record in every if record.id is not None}
    return replace(batches[-1], records=[*newest.values(), *(r for r in every if r.id is None)])


def _end(con: duckdb.DuckDBPyConnection, run: Run, reading: Reading, mark: dict[str, Any] | None) -> None:
    assert reading.read_from is not None
    swept_as_of = reading.as_of if reading.is_full else (mark or {}).get("full_as_of")
    set_watermark(con, run, reading.stream, reading.read_from, mark, swept_as_of)
    reading.forget(con)


def _see(con: duckdb.DuckDBPyConnection, stream: Stream, names: Collection[str]) -> None:
    frame = pl.DataFrame({"record": sorted(names)}, schema={"record": pl.String()})
    insert(con, "sync.seen", frame.with_columns(pl.lit(stream).alias("stream")))


@dataclass(frozen=True)
class Received:
    """Records of a stream, sorted out; their typed columns where those were made beforehand."""

    stream: Stream
    taken: intake.Intake
    typed: pl.DataFrame | None = None

    @property
    def table(self) -> str:
        """Where they go."""
        return f"teamleader.{self.stream}"


def receive(batch: Batch) -> Received:
    """Sort out what of a batch are records, and which of their fields can be read."""
    records = ((record.id, record.payload) for record in batch.records)
    return Received(batch.stream, intake.sort_out(f"teamleader.{batch.stream}", records))


def store(
    con: duckdb.DuckDBPyConnection, platform: Platform, run: Run, received: Received, counts: dict[str, int]
) -> None:
    """Merge records into their table, in the transaction of `con`; what it did is added to `counts`."""
    stamps = [pl.lit(v).alias(k) for k, v in stamp(platform, run).items()]
    table, taken = received.table, received.taken
    known = places(con, table, taken.records)
    frame, stored = _differing(con, table, taken.records, known)
    if frame.height:
        if received.typed is None:
            frame = typed.typed(con, table, frame)
        else:
            frame = received.typed.join(frame, on="id", how="semi", maintain_order="left")
        if table == "teamleader.contacts":
            versions = changes.next_versions(stored, frame, run.as_of)
            frame = frame.join(versions.select("id", "changed_at", "consent_withdrawn_at"), on="id", how="left")
        frame = frame.with_columns(_NO_INSTANT.alias("deleted_at"), *stamps)
    merged = merge(con, table, frame, known, stored)
    counts["read"] += taken.records.height
    counts["new"] += merged.inserted
    counts["changed"] += merged.updated
    counts["unchanged"] += taken.records.height - merged.inserted - merged.updated
    counts["unreadable_dates"] += typed.unreadable(con, table, frame).height
    counts["rejected"] = counts.get("rejected", 0) + _reject(con, received.stream, taken, stamps)


def _differing(
    con: duckdb.DuckDBPyConnection, table: str, received: pl.DataFrame, known: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The records that are new, say something else than the stored ones, or were thought deleted; and what is stored of
    them, whole and with its place. Texts are read of those that are `known` alone, in a first reading of none."""
    if known.is_empty():
        return received, fetch(con, f"select *, rowid as _at from {table} limit 0")
    with registered(con, _received=received.select("id", text="payload").join(known, on="id", how="inner")):
        found = fetch(
            con,
            f"select t.*, t.rowid as _at from {table} t join _received r on t.rowid = r._at"
            " where t.payload is distinct from r.text or t.deleted_at is not null",
        )
    was_deleted = pl.col("deleted_at").is_not_null()
    told = found.select("id", "payload", was_deleted).join(received.select("id", text="payload"), on="id", how="left")
    differs = [
        was_deleted or stored is None or not changes.same_record(stored, payload)
        for stored, payload, was_deleted in told.select("payload", "text", "deleted_at").iter_rows()
    ]
    other = found.filter(pl.Series(differs, dtype=pl.Boolean()))
    same = known.join(other, on="id", how="anti")
    return received.join(same, on="id", how="anti", maintain_order="left"), other


def _reject(con: duckdb.DuckDBPyConnection, stream: Stream, taken: intake.Intake, stamps: list[pl.Expr]) -> int:
    """What could not be loaded as it is, instead of what was known of the same records before."""
    rows = frame_of("teamleader.rejected", [row | {"stream": stream} for row in taken.rejected])
    rows = rows.unique(["record", "field"], keep="last", maintain_order=True)
    with registered(con, _names=pl.DataFrame({"record": taken.names}, schema={"record": pl.String()}), _now=rows):
        # a record that a page holds twice is told only when the two differ
        twins = con.sql(
            f"select record from _now n join teamleader.{stream} t on t.id = n.id and t.payload = n.payload"
            " where not n.is_loaded"
        ).pl()
        con.execute(
            "delete from teamleader.rejected where stream = ? and record in (select record from _names)"
            " and (record, field) not in (select (record, field) from _now)",
            [stream],
        )
    rows = rows.filter(~pl.col("record").is_in(twins["record"].implode()))
    upsert(con, "teamleader.rejected", rows.with_columns(*stamps))
    return rows.height


def _sweep(platform: Platform, run: Run, stream: Stream) -> int:
    """Mark deleted what a complete reading has not met."""
    absent = platform.warehouse.read(
        f"select id from teamleader.{stream} where deleted_at is null"
        " and id not in (select record from sync.seen where stream = ?)",
        [stream],
    )
    return mark_deleted(platform, run, stream, absent["id"], in_sweep=True)


def mark_deleted(
    platform: Platform, run: Run, stream: Stream, absent: Collection[str], *, in_sweep: bool = False
) -> int:
    """Known records that a list does not show any more: those answered 404 when asked by id are deleted.

    `in_sweep`: those that exist count as met, so that a sweep that is gone on with does not ask again.
    """
    if not len(absent):
        return 0
    deleted = 0
    looks = extraction_of(platform).exists(stream, sorted(absent))
    while some := list(islice(looks, _LOOKS)):
        # hidden is not gone: a permission that changed must not delete anything
        gone = [id for id, presence in some if presence is Presence.GONE]
        rows = pl.DataFrame({"id": gone}, schema={"id": pl.String()}).with_columns(
            pl.lit(platform.clock()).alias("deleted_at"), pl.lit(run.run_id).alias("_run_id")
        )
        with platform.warehouse.transaction() as con:
            deleted += upsert(con, f"teamleader.{stream}", rows).updated
            if in_sweep:
                _see(con, stream, {id for id, _ in some}.difference(gone))
    return deleted
