"""What readings of Teamleader share: the extraction, watermarks, readings broken off, the stamp of stored rows.

What is read, and how it is stored, lives in `extract`, `links` and `phases`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.teamleader.extraction import Extraction, Position, Stream
from tl_hubspot.warehouse.rows import frame_of, upsert


def extraction_of(platform: Platform) -> Extraction:
    """Reader of Teamleader that reports its progress to the run."""
    return Extraction(platform.teamleader, platform.progress, platform.book)


def watermark(platform: Platform, stream: str) -> dict[str, Any] | None:
    """Row of `sync.watermarks` of a stream; None before its first complete reading."""
    rows = platform.warehouse.read("select * from sync.watermarks where stream = ?", [stream])
    return rows.row(0, named=True) if rows.height else None


def set_watermark(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    stream: str,
    read_until: datetime,
    mark: dict[str, Any] | None,
    swept_as_of: datetime | None = None,
) -> None:
    """Store up to when a stream was read, in the transaction of `con`; `mark` is its row before.

    `swept_as_of`: all of it was read, in a reading that began at this as_of; None: as the run says.
    """
    full_as_of = swept_as_of or (run.as_of if run.is_full or mark is None else mark["full_as_of"])
    row = {"stream": stream, "read_until": read_until, "full_as_of": full_as_of, "run_id": run.run_id}
    upsert(con, "sync.watermarks", frame_of("sync.watermarks", [row]))


def stamp(platform: Platform, run: Run) -> dict[str, Any]:
    """Values of `_loaded_at` and `_run_id` of rows that are stored now."""
    return {"_loaded_at": platform.clock(), "_run_id": run.run_id}


@dataclass(frozen=True)
class Reading:
    """The reading of one list, over as many runs as it takes: what is asked for, when it began, how far it got.

    `since` None: all records. `read_from` (the server's clock when it began) is None before the first answer; the
    watermark is set to it, and to `as_of` for a reading of all, however late it ends.
    """

    stream: Stream
    since: datetime | None
    as_of: datetime
    began_at: datetime
    run_id: str
    read_from: datetime | None = None
    position: Position | None = None

    @property
    def is_full(self) -> bool:
        """Whether all records are read, not only those that changed."""
        return self.since is None

    def keep(self, con: duckdb.DuckDBPyConnection) -> None:
        """Store it, in the transaction that stores what it has read so far."""
        row = {
            "stream": self.stream,
            "is_full": self.is_full,
            "since": self.since,
            "status": self.position.status if self.position else None,
            "until": self.position.until if self.position else None,
            "read_from": self.read_from,
            "as_of": self.as_of,
            "began_at": self.began_at,
            "run_id": self.run_id,
        }
        upsert(con, "sync.unfinished", frame_of("sync.unfinished", [row]))

    def forget(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let go of it and of what it has met: it is at its end, or about to begin."""
        con.execute("delete from sync.unfinished where stream = ?", [self.stream])
        con.execute("delete from sync.seen where stream = ?", [self.stream])


def broken_off(platform: Platform, stream: Stream, *, full: bool) -> Reading | None:
    """The reading of a list that an earlier run began and could not finish, as long as it is worth going on with.

    One of changes is of no use where all is to be read (`full`). One that began longer ago than a sweep lasts is not
    gone on with: changes that Teamleader does not tell may have happened since among the records that it has met.
    """
    rows = platform.warehouse.read("select * from sync.unfinished where stream = ?", [stream])
    if rows.is_empty():
        return None
    row = rows.row(0, named=True)
    age = platform.clock() - row["began_at"]
    if (full and not row["is_full"]) or not timedelta(0) <= age < timedelta(hours=platform.settings.full_sweep_hours):
        return None
    position = Position(row["status"], row["until"]) if row["status"] is not None else None
    names = ("since", "as_of", "began_at", "run_id", "read_from")
    return Reading(stream, **{name: row[name] for name in names}, position=position)
