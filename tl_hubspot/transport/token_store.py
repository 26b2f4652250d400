"""The file that holds a system's OAuth2 tokens, and the lock that lets one process at a time replace them.

Getting tokens, and what a refusal means, is in `tokens`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from filelock import FileLock
from filelock import Timeout as LockTimeout

from tl_hubspot import decoding
from tl_hubspot.errors import ConfigurationError, TlHubspotError

_LOCK_SECONDS = 600.0
_LOCK_POLL_SECONDS = 0.02

BROKEN = (msgspec.MsgspecError, UnicodeDecodeError)
"""What reading JSON raises when it is none, or not of the shape expected."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Issuer:
    """A system that gives tokens: its `name` as people read it, its two addresses below the host of the sign-in, and
    the `scope` to ask for (empty: the client's own)."""

    name: str
    authorize_path: str
    token_path: str
    scope: str = ""

    @property
    def command(self) -> str:
        """What a person runs to sign in."""
        return f"`tl-hubspot auth {self.name.lower()}`"

    def variable(self, what: str) -> str:
        """The environment variable of `what`: CLIENT_ID, REFRESH_TOKEN, …"""
        return f"{self.name.upper()}_{what}"

    @property
    def mend(self) -> str:
        """What helps when there is no usable token."""
        return f"Run {self.command}, or put a new token in {self.variable('REFRESH_TOKEN')}"


class Tokens(msgspec.Struct, frozen=True):
    """A pair of tokens as stored. `started_from` is the fingerprint of the configured first token that it replaces."""

    access_token: str
    refresh_token: str
    expires_at: float
    """Unix time at which the access token should be replaced."""
    started_from: str

    def __repr__(self) -> str:
        return f"Tokens(expires_at={self.expires_at:.0f})"

    __str__ = __repr__


class _Attempt(msgspec.Struct):
    """A refresh that was begun and whose answer is not stored: fingerprint of its refresh token, Unix time."""

    token: str
    begun: float


class TokenStore:
    """The file that holds the tokens: JSON, mode 0600, replaced as a whole; `locked` excludes other processes.

    Beside it, while a refresh is under way, lies a note of that attempt: what is left of it after a crash tells why the
    refresh token no longer works. ConfigurationError when the folder or a file in it cannot be used.
    """

    def __init__(self, path: Path, issuer: Issuer) -> None:
        self.path = Path(path)
        self.issuer = issuer
        self._note = self.path.with_name(f"{self.path.name}.attempt")
        with self._usable():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FileLock(f"{self.path}.lock", timeout=_LOCK_SECONDS, mode=0o600, poll_interval=_LOCK_POLL_SECONDS)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store against all other processes; TlHubspotError when one keeps it for ten minutes."""
        try:
            with self._usable():
                self._lock.acquire()
        except LockTimeout:
            raise TlHubspotError(
                f"Another process has held the {self.issuer.name} token store for too long",
                where=str(self.path),
                mend="Stop the process that holds it",
            ) from None
        try:
            self._finish_writing()
            yield
        finally:
            self._lock.release()

    def read(self) -> Tokens | None:
        """The stored tokens, or None when there are none. ConfigurationError when the file is not a token store."""
        with self._usable():
            try:
                return _decoded(self.path, Tokens)
            except BROKEN:
                # The decoder's own message could quote the file.
                raise ConfigurationError(
                    f"The {self.issuer.name} token store cannot be read",
                    where=str(self.path),
                    mend=f"Delete the file. {self.issuer.mend}",
                ) from None

    def write(self, tokens: Tokens) -> None:
        """Replace the stored tokens; on return they are on disk. A crash leaves the old or the new ones."""
        try:
            _replace(self.path, msgspec.json.encode(tokens))
        except OSError as error:
            raise TlHubspotError(
                f"{self.issuer.name}'s new tokens cannot be stored: {error.strerror}",
                where=str(self.path),
                mend=f"Mend that; should {self.issuer.name} then refuse the stored token, run {self.issuer.command}",
            ) from None
        self.settle()

    def begin(self, refresh_token: str, now: float) -> bool:
        """Note that `refresh_token` is about to be used; False when an earlier attempt with it is still open."""
        if self.unanswered(refresh_token) is not None:
            return False
        with self._usable():
            _replace(self._note, msgspec.json.encode(_Attempt(fingerprint(refresh_token), now)))
        return True

    def settle(self) -> None:
        """Forget the noted attempt: its answer is stored, or it has not touched the token."""
        self._note.unlink(missing_ok=True)

    def unanswered(self, refresh_token: str) -> float | None:
        """Unix time of the first attempt with this token whose answer was never stored; None when there is none."""
        with self._usable():
            try:
                attempt = _decoded(self._note, _Attempt)
            except BROKEN:
                return None
        return attempt.begun if attempt and attempt.token == fingerprint(refresh_token) else None

    def _finish_writing(self) -> None:
        """Put in place what a process that was killed while writing has left whole: it is newer than the store."""
        new = _new(self.path)
        with self._usable():
            try:
                left = _decoded(new, Tokens)
            except BROKEN:
                new.unlink()
                return
        if left is not None:
            self.write(left)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f"The {self.issuer.name} token store cannot be used: {error.strerror}",
                where=str(self.path),
                mend="Make its folder one that you may write to, or set TL_HUBSPOT_DATA to another one",
            ) from None


def _decoded(path: Path, kind: type[_Result]) -> _Result | None:
    """What a file holds, None when there is none."""
    try:
        return decoding.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes) -> None:
    """Replace a file durably. One process at a time may do so: what it writes first has a fixed name."""
    new = _new(path)
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _new(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def fingerprint(token: str) -> str:
    """A text by which a token is known again, and from which it cannot be told."""
    return hashlib.sha256(token.encode()).hexdigest()
