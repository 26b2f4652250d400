"""Where the calls made lately are kept, so that every process of this machine that uses the same key can count them.

A small SQLite file per key, never in the data folder: two data folders may share a client. What the rows mean for the
next call is decided in `limits`.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import platform
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")

_FORMAT = "1"
_BUSY_SECONDS = 5.0
"""A transaction takes less than a millisecond; one that lasts this long belongs to a process that was suspended."""
_OLD_SECONDS = 86_400.0
_DAMAGE = (TypeError, ValueError, OverflowError)
"""What `work` stumbles over when the damage is such that SQLite itself reads on."""

_SCHEMA = """
create table if not exists call (
    id integer primary key,
    sent real not null,
    -- when it has surely left the server's window, which counts it from some time between sending and answer
    leaves real not null,
    under_way integer not null
);
create index if not exists call_leaves on call (leaves);
create table if not exists known (
    one integer primary key check (one = 1),
    blocked_until real,
    -- the server's word in its answer to the call sent at asked_at: its limit, and how many calls of others it counts
    asked_at real,
    server_limit integer,
    others integer not null,
    -- how often in a row it refused calls although we had waited
    refusals integer not null
);
insert or ignore into known values (1, null, null, null, 0, 0);
"""

_log = logging.getLogger(__name__)


def file_for(folder: Path, *key: str) -> Path:
    """The file of a key (system, host, client id or token): a hash, from which none of them can be told.

    It is of this start of this machine, because its times are of the monotonic clock.
    """
    text = "\n".join((_FORMAT, _machine(), *key))
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()}.calls"


class CallStore:
    """A SQLite database with the tables `call` and `known`, in a file or (without one) in memory of this process.

    A file that is damaged or gone is started afresh; one that cannot be used at all is replaced by memory, with a
    warning: then the server's answers alone tell of the other processes. The caller keeps threads apart.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._inode: int | None = None
        self._database: sqlite3.Connection | None = None

    @property
    def path(self) -> Path | None:
        """The file; None when the calls are kept in memory."""
        return self._path

    def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The result of `work`, done alone among all processes; done again when a file had to be replaced."""
        if self._path is not None:
            for prepare in (self._follow, self._start_afresh):
                try:
                    prepare()
                    return self._transaction(work)
                except (sqlite3.Error, OSError, *_DAMAGE) as error:
                    trouble = error
                    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                        break
            _log.warning(
                "calls are not counted together with those of other processes: %s (%s)", self._path.parent, trouble
            )
            self.close()
            self._path = None
        if self._database is None:
            self._open()
        return self._transaction(work)

    def close(self) -> None:
        """Let go of the file; what was counted stays."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _transaction(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        assert self._database is not None
        try:
            self._database.execute("begin immediate")
            result = work(self._database)
            self._database.execute("commit")
        except BaseException:
            self._database.rollback()
            raise
        return result

    def _follow(self) -> None:
        """Open the file, again when somebody has replaced or removed it."""
        assert self._path is not None
        if self._database is not None:
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == self._inode:
                    return
        self.close()
        self._open()

    def _start_afresh(self) -> None:
        assert self._path is not None
        self.close()
        # The journal first: it must never be taken for that of the new file.
        for path in (self._path.with_name(f"{self._path.name}-journal"), self._path):
            path.unlink(missing_ok=True)
        self._open()

    def _open(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                self._path.chmod(0o600)
            else:
                _remove_old(self._path.parent)
            self._inode = self._path.stat().st_ino
        self._database = sqlite3.connect(
            self._path or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        # A killed process must leave the file whole, and does; a machine that loses power may not, as its next start
        # has another file.
        self._database.execute("pragma synchronous = off")
        self._database.execute("pragma journal_mode = persist")
        self._database.executescript(f"begin immediate; {_SCHEMA} commit;")


def _machine() -> str:
    """What tells this machine, and where the system knows it this start of it, from others that share the folder."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return platform.node()


def _remove_old(folder: Path) -> None:
    """Files of earlier starts, and of keys no longer used."""
    for path in folder.glob("*.calls*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _OLD_SECONDS:
                path.unlink()
