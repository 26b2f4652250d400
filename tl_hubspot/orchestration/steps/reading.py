"""What the readings of Teamleader share: the extraction, watermarks, and the stamp of stored rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.teamleader.extraction import Extraction
from tl_hubspot.warehouse.store import frame_of, upsert


def extraction_of(platform: Platform) -> Extraction:
    """Reader of Teamleader that reports its progress to the run."""
    return Extraction(platform.teamleader, platform.progress, platform.book)


def watermark(platform: Platform, stream: str) -> dict[str, Any] | None:
    """Row of `sync.watermarks` of a stream; None before its first complete reading."""
    rows = platform.warehouse.read("select * from sync.watermarks where stream = ?", [stream])
    return rows.row(0, named=True) if rows.height else None


def set_watermark(
    con: duckdb.DuckDBPyConnection, run: Run, stream: str, read_until: datetime, mark: dict[str, Any] | None
) -> None:
    """Store up to when a stream was read, in the transaction of `con`; `mark` is its row before."""
    full_as_of = run.as_of if run.is_full or mark is None else mark["full_as_of"]
    row = {"stream": stream, "read_until": read_until, "full_as_of": full_as_of, "run_id": run.run_id}
    upsert(con, "sync.watermarks", frame_of("sync.watermarks", [row]))


def stamp(platform: Platform, run: Run) -> dict[str, Any]:
    """Values of `_loaded_at` and `_run_id` of rows that are stored now."""
    return {"_loaded_at": platform.clock(), "_run_id": run.run_id}
