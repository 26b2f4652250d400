"""Webhook events on disk: appended durably by any number of processes, taken away in batches, deleted when used.

One JSON line per event. What an event means is known by `teamleader.webhooks`, how it arrives by `receiver`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import ConfigurationError

SECRET = re.compile(r"[A-Za-z0-9_-]{22,128}")
"""What a secret may look like: safe in a URL, and at least 128 bits."""

_INCOMING = "incoming.jsonl"
_BATCH = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{8}")
_STAMP = "%Y%m%dT%H%M%S%fZ"


class Event(msgspec.Struct, frozen=True):
    """All that is kept of a webhook: its type, the id of the record and of the account, and when it came."""

    type: str
    subject_id: str | None
    account_id: str | None
    received_at: datetime


@dataclass(frozen=True)
class Drained:
    """The events of a batch in the order of arrival; `unreadable`: lines that a crash left unfinished."""

    events: list[Event]
    unreadable: int


class Spool:
    """The events in `folder` (made on first use, readable by its owner only); safe for many threads and processes.

    An event is in exactly one file: `incoming.jsonl` until it is drained, then in its batch, until that is
    acknowledged. OSError when the disk does not take or give something.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, events: Sequence[Event]) -> None:
        """Store events; on return they survive a crash of the process and of the machine."""
        lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        with self._locked():
            file = os.open(self.folder / _INCOMING, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(file).st_size
                if size == 0:
                    self._sync_folder()  # an event must not be in a file whose name is lost
                elif os.pread(file, 1, size - 1) != b"\n":
                    lines = b"\n" + lines  # a line that a crash cut short must not spoil the next one
                _write(file, lines)
                os.fsync(file)
            finally:
                os.close(file)

    def drain(self, patience: timedelta = timedelta(0)) -> str | None:
        """Take everything that waits as one batch; returns its id, None when nothing waits.

        Batches that were never acknowledged are taken along with new events; without new events not before the latest
        of them is older than `patience`.
        """
        if not self.folder.exists():
            return None
        with self._locked():
            left = self._batches()
            incoming = self.folder / _INCOMING
            files = [path for paths in left.values() for path in paths]
            if incoming.exists() and incoming.stat().st_size:
                files.append(incoming)
            elif not left or _age(max(left)) < patience:
                return None
            batch = f"{datetime.now(UTC).strftime(_STAMP)}-{secrets.token_hex(4)}"
            for number, path in enumerate(files):
                path.rename(self.folder / f"{batch}.{number:04d}.jsonl")
            self._sync_folder()
            return batch

    def read(self, batch: str) -> Drained:
        """The events of a batch; none when it was acknowledged or went into a later batch."""
        events: list[Event] = []
        unreadable = 0
        for path in self._batches().get(batch, []):
            with contextlib.suppress(FileNotFoundError):
                for line in path.read_bytes().split(b"\n"):
                    if not line:
                        continue
                    try:
                        events.append(decoding.decode(line, type=Event))
                    except (msgspec.MsgspecError, UnicodeDecodeError):
                        unreadable += 1
        return Drained(events, unreadable)

    def acknowledge(self, batch: str) -> None:
        """Delete a batch whose events were used; nothing happens when it is gone already."""
        for path in self._batches().get(batch, []):
            path.unlink(missing_ok=True)

    def waiting(self) -> int:
        """How many events wait, drained ones that were not acknowledged included."""
        files = [self.folder / _INCOMING, *(path for paths in self._batches().values() for path in paths)]
        return sum(path.read_bytes().count(b"\n") for path in files if path.exists())

    def secret(self) -> str:
        """The secret of this installation: made once, kept beside the events; ConfigurationError when it is spoilt."""
        path = self.folder / "secret"
        with self._locked():
            if not path.exists():
                new = path.with_name("secret.new")
                new.unlink(missing_ok=True)
                file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    _write(file, secrets.token_urlsafe(32).encode() + b"\n")
                    os.fsync(file)
                finally:
                    os.close(file)
                new.rename(path)
                self._sync_folder()
            text = path.read_bytes().decode(errors="replace").strip()
        if not SECRET.fullmatch(text):
            raise ConfigurationError(
                "The secret of the webhooks is not usable",
                where=str(path),
                mend="Delete the file, start `tl-hubspot webhooks serve` again and register anew",
            )
        return text

    def _batches(self) -> dict[str, list[Path]]:
        """Files of each batch, in the order of arrival."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.folder.glob("*.*.jsonl")):
            batch = path.name.split(".")[0]
            if _BATCH.fullmatch(batch):
                found.setdefault(batch, []).append(path)
        return found

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else writes or drains; the system lets go of the lock when a process dies."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _age(batch: str) -> timedelta:
    return datetime.now(UTC) - datetime.strptime(batch.split("-")[0], _STAMP).replace(tzinfo=UTC)
