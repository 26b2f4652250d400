"""The DuckDB file: opening it safely, making its tables, reading and writing frames, and the analysts' copy.

Short connections only: open, one transaction, close. Every write is by column name, in one transaction, from frames
with a known schema. What the tables mean stands in `warehouse.schema`.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb
import polars as pl
from filelock import FileLock, Timeout

from tl_hubspot.errors import ConfigurationError, WarehouseError
from tl_hubspot.warehouse import copying, schema, upgrade
from tl_hubspot.warehouse import lake as lakes
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import TEXTS, Merged, Parameters, fetch, insert, taken, touch, upsert

_ENOUGH, _ROOMY = "512MB", "2GB"
_CONFIG = {
    "autoinstall_known_extensions": "false",
    "storage_compatibility_version": "v1.5.0",
    "memory_limit": _ENOUGH,
    **TEXTS,
    # each checkpoint compresses the last row group anew: with the default of 16 MB that is after nearly every commit
    "checkpoint_threshold": "256MB",
    # its threads mostly wait for one another, in a loop that takes a processor: on two cores storing takes half the
    # time with one, planning a tenth less
    "threads": "1",
}
SPARSE = 100
"""Rows are few when their table has so many times more."""
_MARK = upgrade.MARK
_Written = TypeVar("_Written")


class Warehouse:
    """The working database at `path`, or on `lake` beside that path; made on first use, unless `read_only`.

    Raises WarehouseError from every call when the file is locked for longer than `lock_timeout` seconds, is no DuckDB
    file, belongs to another program, or was written by a newer version; ConfigurationError for a folder that cannot be
    written to.
    """

    def __init__(
        self, path: Path, *, lake: lakes.Lake | None = None, lock_timeout: float = 60.0, read_only: bool = False
    ) -> None:
        self.path = Path(path)
        self.lake = lake
        self.run_id: str | None = None
        """What is written from now on belongs to this run: a snapshot of a lake says so."""
        self.lock_timeout = lock_timeout
        self.read_only = read_only
        self._prepared = False
        self._held: duckdb.DuckDBPyConnection | None = None
        self._picking = threading.Lock()
        """The same row cannot be deleted twice at once."""
        self._idle: deque[duckdb.DuckDBPyConnection] = deque()
        """Connections to a lake that is held, to be used again: another one asks its catalog first."""

    # ------------------------------------------------------------------ opening

    @contextlib.contextmanager
    def connect(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, closed at the end whatever happens; waits for another process's lock, fails fast otherwise."""
        con = self._connection(read_only=read_only or self.read_only)
        try:
            yield con
        except duckdb.Error as error:
            if self.lake is None or isinstance(error, lakes.OF_THE_STATEMENT):
                raise
            raise self.lake.unusable(error) from None
        finally:
            if self.lake is not None:
                # closing one whose transaction lost its catalog would end the program without a word
                with contextlib.suppress(duckdb.Error):
                    con.execute("rollback")
            if self.lake is not None and self._held is not None:
                self._idle.append(con)
            else:
                con.close()

    def hold(self) -> None:
        """Keep the file open until `release`: a connection then costs next to nothing.

        For the length of a run, which nobody else may disturb anyway; other processes cannot open the file meanwhile.
        """
        self._held = self._connection(read_only=self.read_only)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open meanwhile, for several queries in a row."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Close the file that is held, if it is."""
        if self._held is not None:
            while self._idle:
                self._idle.pop().close()
            self._held.close()
            self._held = None

    @contextlib.contextmanager
    def roomy(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection; meanwhile queries, of others too, may take 2 GB: one that joins several tables of a million
        rows needs more than is enough for everything else."""
        with self.connect() as con:
            con.execute(f"set global memory_limit = '{_ROOMY}'")
            try:
                yield con
            finally:
                con.execute(f"set global memory_limit = '{_ENOUGH}'")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A writing connection in one transaction: all of it is stored, or nothing."""
        with self.connect() as con:
            con.execute("begin")
            try:
                yield con
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # the connection may be what is lost
                    con.execute("rollback")
                raise
            if self.lake is not None:
                self.lake.commit(con, self.run_id)
                return
            con.execute("commit")

    def exists(self) -> bool:
        """Whether it was made; to look does not make it."""
        if self.lake is None:
            return self.path.exists()
        return self._prepared or self.lake.exists()

    def size(self) -> int:
        """Bytes that it takes, the older states of a lake left out."""
        if self.lake is None:
            return self.path.stat().st_size
        with self.connect() as con:
            return self.lake.size(con)

    def _open(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if self.lake is not None:
            return self.lake.open(read_only=self.read_only)
        return _open(self.path, read_only=read_only, timeout=self.lock_timeout)

    def _connection(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if self._held is not None and self.lake is None:
            return self._held.cursor()
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        if not self._prepared:
            con = self._prepare()
            if self.read_only or not read_only:
                return con
            con.close()
        return self._open(read_only=read_only)

    def _prepare(self) -> duckdb.DuckDBPyConnection:
        if not self.read_only:
            self._make_folder()
        con = self._open(read_only=self.read_only)
        try:
            version = self._version(con)
            if not self.read_only:
                if self.lake is not None and version:
                    lakes.claim(con, self.lake, self.path.parent)
                self._complete(con, version)
                if self.lake is not None:
                    lakes.claim(con, self.lake, self.path.parent)
        except BaseException:
            con.close()
            raise
        self._prepared = True
        return con

    def _make_folder(self) -> None:
        folder = self.path.parent
        try:
            # whoever else may look into it is for its owner to say
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.path.exists():
                tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise ConfigurationError(
                f"The data folder cannot be used: {error.strerror}",
                where=str(folder),
                mend="Set TL_HUBSPOT_DATA to a folder that you may write to",
            ) from None

    @property
    def _where(self) -> str:
        return str(self.path) if self.lake is None else self.lake.where

    def _version(self, con: duckdb.DuckDBPyConnection) -> int:
        """Version of the tables, 0 of a new file; WarehouseError when a newer program, or another one, made them."""
        query = "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
        tables = {f"{s}.{t}" for s, t in con.execute(query).fetchall()}
        version = 0
        if _MARK in tables:
            application, version = con.execute(f"select application, schema_version from {_MARK}").fetchall()[0]
            if application != schema.APPLICATION or version > schema.SCHEMA_VERSION:
                newer = f"it was written by a newer {application} (tables of version {version})"
                raise WarehouseError(
                    f"The database cannot be used: {newer}", where=self._where, mend="Upgrade tl-hubspot"
                )
        elif tables and not self.read_only:
            raise WarehouseError(
                "The database belongs to another program: it holds tables that are not ours",
                where=self._where,
                mend="Set TL_HUBSPOT_DATA to another folder, or move that file away",
            )
        return int(version)

    def _complete(self, con: duckdb.DuckDBPyConnection, version: int) -> None:
        """Make what is missing: all of it in a new file, what came later in one that an older version wrote, of which
        a copy is kept."""
        changes = upgrade.changes(con, version)
        if changes is None:
            return
        copy = self._keep(con, version) if version and self.lake is None else None
        try:
            upgrade.complete(con, version, changes, in_file=self.lake is None)
        except duckdb.Error as error:
            raise WarehouseError(
                f"The database could not be brought from version {version} of its tables to {schema.SCHEMA_VERSION};"
                f" nothing in it was changed: {str(error).splitlines()[0]}",
                where=self._where,
                mend="Go on with the tl-hubspot of before and report this"
                + (f"; a copy is {copy.name}" if copy else ""),
            ) from error
        if self.lake is None:
            con.execute("checkpoint").fetchall()

    def _keep(self, con: duckdb.DuckDBPyConnection, version: int) -> Path:
        """A copy of the file as that version left it, beside it."""
        kept = self.path.with_name(f"{self.path.stem}.version-{version}{self.path.suffix}")
        part = self.path.with_name(f".{kept.name}.part")
        block = self._checkpoint(con)
        try:
            part.unlink(missing_ok=True)
            part.touch(mode=0o600)
            _run_copying(self.path, part, block)
            return part.replace(kept)
        except OSError as error:
            raise WarehouseError(
                f"The database is not brought to a newer version without a copy, which failed: {error.strerror}",
                where=str(kept),
                mend="Make room there and try again",
            ) from None

    # ------------------------------------------------------------------ reading

    def read(self, query: str, parameters: Parameters = None, **frames: pl.DataFrame) -> pl.DataFrame:
        """Frame of a table (`teamleader.contacts`) or of a query with its `parameters`; instants are in UTC. The query
        knows `frames` by their names: a parameter that is a long list takes DuckDB a fifth of a millisecond per item.
        """
        with self.connect() as con, registered(con, **frames):
            return fetch(con, query, parameters)

    def pick(self, table: str, where: str, columns: str = "*", **frames: pl.DataFrame) -> pl.DataFrame:
        """`read` of the rows of a table for which `where` holds, by ids in `frames`: quick where these are few of many,
        because they are `taken`, and that is taken back."""
        asked = sum(frame.height for frame in frames.values())
        if self.lake is not None or self.read_only or not asked or asked * SPARSE > self.count(table):
            return self.read(f"select {columns} from {table} where {where}", None, **frames)
        with self._picking, self.connect() as con, registered(con, **frames):
            con.execute("begin")
            try:
                return taken(con, table, where, columns)
            finally:
                con.execute("rollback")

    def count(self, table: str, where: str = "true") -> int:
        """Number of rows."""
        with self.connect() as con:
            return int(con.execute(f"select count(*) from {table} where {where}").fetchall()[0][0])

    # ------------------------------------------------------------------ writing

    def replace(self, table: str, frame: pl.DataFrame) -> int:
        """The table holds exactly `frame` afterwards."""

        def replaced(con: duckdb.DuckDBPyConnection) -> int:
            con.execute(f"delete from {table}")
            if table in schema.STAMPS:
                touch(con, table, None)
            return insert(con, table, frame)

        return self._write(replaced)

    def append(self, table: str, frame: pl.DataFrame) -> int:
        """`frame` is added."""
        return self._write(lambda con: insert(con, table, frame))

    def upsert(self, table: str, frame: pl.DataFrame) -> Merged:
        """`frame` is merged by the table's key."""
        return self._write(lambda con: upsert(con, table, frame))

    def _write(self, write: Callable[[duckdb.DuckDBPyConnection], _Written]) -> _Written:
        """One transaction; done again when somebody else changed the same table of a lake meanwhile."""

        def once() -> _Written:
            with self.transaction() as con:
                return write(con)

        return once() if self.lake is None else lakes.again(once)

    # ------------------------------------------------------------------ publishing

    def publish(self, target: Path, *, keep: int = 2) -> Path:
        """Consistent copy of the database for readers; `target` is a symlink switched atomically to it.

        Readers that are connected keep their version; the `keep` newest versions stay on disk.
        """
        lock = FileLock(f"{target}.lock")
        try:
            lock.acquire(timeout=self.lock_timeout)
        except Timeout:
            raise WarehouseError("The published copy is being made by another process", where=str(target)) from None
        try:
            version = target.with_name(f"{target.stem}.{time.time_ns()}{target.suffix}")
            part = target.with_name(f".{target.name}.part")
            part.unlink(missing_ok=True)
            versions = sorted(target.parent.glob(f"{target.stem}.*{target.suffix}"))
            current = target.resolve().name  # alone: the folder may be named by another way to it
            older = [v for v in versions if v.name != current]
            for old in older[: max(0, len(older) + 2 - keep)]:
                old.replace(part)  # the newest one stays: most of it is right already
            self._copy(part)
            part.replace(version)
            link = target.with_name(f".{target.name}.new")
            link.unlink(missing_ok=True)
            link.symlink_to(version.name)
            link.replace(target)
            return version
        finally:
            lock.release()

    def _copy(self, part: Path) -> None:
        """Make `part` a copy; what it may hold is an older one."""
        if self.lake is not None:
            part.unlink(missing_ok=True)
            Warehouse(part).count("sync.runs")
            with self.connect() as con:
                lakes.copy(con, part)
            return
        # The open connection keeps other processes out meanwhile.
        with self.connect() as holder:
            block = self._checkpoint(holder)
            if part.exists() and _run_copying(self.path, part, block) == copying.IN_USE:
                part.unlink()  # whoever reads it keeps it
            if not part.exists():
                part.touch()
                _run_copying(self.path, part, block)

    def _checkpoint(self, con: duckdb.DuckDBPyConnection) -> int:
        """Everything is in the file itself afterwards; returns the size of its blocks in bytes."""
        con.execute("checkpoint").fetchall()
        if self.path.with_name(self.path.name + ".wal").exists():
            raise WarehouseError(
                "The database has changes that are not yet in its file", where=str(self.path), mend="Try again"
            )
        return int(con.execute("select block_size from pragma_database_size()").fetchall()[0][0])


def _run_copying(source: Path, target: Path, block: int) -> int:
    command = [sys.executable, "-I", "-S", copying.__file__, str(source), str(target), str(block)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, copying.IN_USE):
        target.unlink(missing_ok=True)
        reason = (done.stderr.strip().splitlines() or ["unknown"])[-1]
        raise WarehouseError(f"The copy could not be made: {reason}", where=str(target))
    return done.returncode


@contextlib.contextmanager
def apart() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to no warehouse, for work on frames: a query in one that is written to keeps checkpoints waiting."""
    with duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "1"}) as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def _open(path: Path, *, read_only: bool, timeout: float) -> duckdb.DuckDBPyConnection:
    deadline, delay = time.monotonic() + timeout, 0.05
    while True:
        try:
            con = duckdb.connect(str(path), read_only=read_only, config=dict(_CONFIG))
            con.execute("set global TimeZone = 'UTC'")
            return con
        except duckdb.IOException as error:
            message = str(error)
            if "Could not set lock on file" not in message:
                raise _unusable(path, message) from None
            if time.monotonic() + delay > deadline:
                holder = message.partition("held in ")[2].partition(". See")[0]
                raise WarehouseError(
                    f"The database is locked by another program{f' ({holder})' if holder else ''}",
                    where=str(path),
                    mend="Close the program that has it open (analysts read analytics.duckdb beside it) and try again",
                ) from None
            time.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, 1.0)
        except (duckdb.Error, duckdb.ConnectionException) as error:
            raise _unusable(path, str(error)) from None


def _unusable(path: Path, message: str) -> WarehouseError:
    first = message.splitlines()[0]
    if "version number" in first:
        return WarehouseError(
            f"The database file was written by a newer DuckDB: {first}", where=str(path), mend="Upgrade tl-hubspot"
        )
    return WarehouseError(
        f"The database file cannot be opened: {first}",
        where=str(path),
        mend="Restore it from a copy, or move it away: the next `tl-hubspot sync` builds it anew from both systems",
    )
