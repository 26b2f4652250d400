"""Teamleader's records into the warehouse: as received, with typed columns, and what was found deleted.

Links between records live in `links`, phases of deals in `phases`. Paging and calls are the business of `teamleader`,
when a contact counts as changed that of `rules.changes`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import duckdb
import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import preflight
from tl_hubspot.orchestration.steps.reading import extraction_of, set_watermark, stamp, watermark
from tl_hubspot.rules import changes
from tl_hubspot.teamleader.extraction import Batch, Presence, Stream
from tl_hubspot.warehouse import typed
from tl_hubspot.warehouse.store import fetch, frame_of, upsert

STREAMS: tuple[Stream, ...] = ("contacts", "companies", "deals")
_NO_INSTANT = pl.lit(None, pl.Datetime("us", "UTC"))


def reference(platform: Platform, run: Run) -> int:
    """All small lists, read anew in every run."""
    rows = [dict(row) | stamp(platform, run) for row in extraction_of(platform).reference()]
    frame = frame_of("teamleader.reference", rows)
    # a renamed custom field would look emptied everywhere, and the sync would carry that over
    preflight.custom_fields(platform, frame)
    return platform.warehouse.replace("teamleader.reference", frame)


def records(platform: Platform, run: Run, stream: Stream) -> dict[str, int]:
    """New and changed records of `stream`; in a full run all of them, and those that are gone are marked deleted.

    Returns counts: read, new, changed, unchanged, deleted, unreadable_dates.
    """
    table, extraction = f"teamleader.{stream}", extraction_of(platform)
    mark = watermark(platform, stream)
    since = None
    if not run.is_full and mark is not None:
        since = mark["read_until"] - timedelta(seconds=platform.settings.teamleader.overlap_seconds)
    counts = dict.fromkeys(("read", "new", "changed", "unchanged", "deleted", "unreadable_dates"), 0)
    read_from: datetime | None = None
    seen: set[str] = set()
    for batch in getattr(extraction, stream)(updated_since=since):
        read_from = read_from or batch.server_time
        with platform.warehouse.transaction() as con:
            store(con, platform, run, table, batch, counts)
        if run.is_full:
            seen.update(record.id for record in batch.records)
    if run.is_full:
        known = platform.warehouse.read(f"select id from {table} where deleted_at is null")["id"]
        counts["deleted"] = mark_deleted(platform, run, stream, set(known) - seen)
    with platform.warehouse.transaction() as con:
        set_watermark(con, run, stream, read_from or platform.clock(), mark)
    return counts


def store(
    con: duckdb.DuckDBPyConnection, platform: Platform, run: Run, table: str, batch: Batch, counts: dict[str, int]
) -> None:
    """Merge a batch into its table, in the transaction of `con`; what it did is added to `counts`."""
    received = pl.DataFrame(
        {"id": [r.id for r in batch.records], "payload": [r.payload.decode() for r in batch.records]},
        schema={"id": pl.String(), "payload": pl.String()},
    )
    frame = typed.typed(con, table, received)
    if table == "teamleader.contacts":
        prints = [changes.watched_fingerprint(r.payload) for r in batch.records]
        frame = frame.join(received.select("id", pl.Series("watched_hash", prints, pl.String())), on="id", how="left")
        con.register("_received", received)
        stored = fetch(con, f"select * exclude (payload) from {table} where id in (select id from _received)")
        con.unregister("_received")
        versions = changes.next_versions(stored, frame, run.as_of)
        frame = frame.join(versions.select("id", "changed_at", "consent_withdrawn_at"), on="id", how="left")
    counts["unreadable_dates"] += typed.unreadable(con, table, received).height
    stamps = [pl.lit(v).alias(k) for k, v in stamp(platform, run).items()]
    merged = upsert(con, table, frame.with_columns(_NO_INSTANT.alias("deleted_at"), *stamps))
    counts["read"] += frame.height
    counts["new"] += merged.inserted
    counts["changed"] += merged.updated
    counts["unchanged"] += merged.unchanged


def mark_deleted(platform: Platform, run: Run, stream: Stream, absent: Collection[str]) -> int:
    """Known records that a list does not show any more: those answered 404 when asked by id are deleted."""
    if not absent:
        return 0
    # hidden is not gone: a permission that changed must not delete anything
    looks = extraction_of(platform).exists(stream, sorted(absent))
    gone = sorted(id for id, presence in looks if presence is Presence.GONE)
    rows = pl.DataFrame({"id": gone}, schema={"id": pl.String()}).with_columns(
        pl.lit(platform.clock()).alias("deleted_at"), pl.lit(run.run_id).alias("_run_id")
    )
    return platform.warehouse.upsert(f"teamleader.{stream}", rows).updated
