"""OAuth2 tokens of Teamleader: the token store, refreshing, exchanging the code of a sign-in.

A refresh token works once, so one process refreshes at a time and the new pair is on disk before it is used.
Requests for data live in `client`; waiting for a person who signs in with a browser lives in `sign_in`.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import requests
import tenacity
import urllib3
from filelock import FileLock
from filelock import Timeout as LockTimeout
from pydantic import SecretStr

from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, TlHubspotError, Unreachable

_EARLY = 300.0
"""Seconds before its end at which an access token counts as used up (a tenth of its life when that is shorter)."""
_LOCK_SECONDS = 600.0
_LOCK_POLL_SECONDS = 0.02
_MEND = "Run `tl-hubspot auth teamleader`, or put a new token in TEAMLEADER_REFRESH_TOKEN"

_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError)
"""What reading JSON raises when it is none, or not of the shape expected."""

_Result = TypeVar("_Result")


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


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0
    refresh_token: str | None = None

    def __repr__(self) -> str:
        return "_Granted()"


class _OAuthError(msgspec.Struct):
    error: str = ""


class _Attempt(msgspec.Struct):
    """A refresh that was begun and whose answer is not stored: fingerprint of its refresh token, Unix time."""

    token: str
    begun: float


class _Refused(Exception):
    """The token endpoint refused the grant."""


class _TryAgain(Exception):
    """A failure of the token endpoint that may pass, and that has not touched the grant."""


class _AnswerLost(_TryAgain):
    """The same, but nobody knows whether the grant was carried out."""


class TokenStore:
    """The file that holds the tokens: JSON, mode 0600, replaced as a whole; `locked` excludes other processes.

    Beside it, while a refresh is under way, lies a note of that attempt: what is left of it after a crash tells why the
    refresh token no longer works. ConfigurationError when the folder or a file in it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
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
                "Another process has held the Teamleader token store for too long",
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
            except _BROKEN:
                # The decoder's own message could quote the file.
                raise ConfigurationError(
                    "The Teamleader token store cannot be read", where=str(self.path), mend=f"Delete the file. {_MEND}"
                ) from None

    def write(self, tokens: Tokens) -> None:
        """Replace the stored tokens; on return they are on disk. A crash leaves the old or the new ones."""
        try:
            _replace(self.path, msgspec.json.encode(tokens))
        except OSError as error:
            raise TlHubspotError(
                f"Teamleader's new tokens cannot be stored: {error.strerror}",
                where=str(self.path),
                mend="Mend that; should Teamleader then refuse the stored token, run `tl-hubspot auth teamleader`",
            ) from None
        self.settle()

    def begin(self, refresh_token: str, now: float) -> bool:
        """Note that `refresh_token` is about to be used; False when an earlier attempt with it is still open."""
        if self.unanswered(refresh_token) is not None:
            return False
        with self._usable():
            _replace(self._note, msgspec.json.encode(_Attempt(_fingerprint(refresh_token), now)))
        return True

    def settle(self) -> None:
        """Forget the noted attempt: its answer is stored, or it has not touched the token."""
        self._note.unlink(missing_ok=True)

    def unanswered(self, refresh_token: str) -> float | None:
        """Unix time of the first attempt with this token whose answer was never stored; None when there is none."""
        with self._usable():
            try:
                attempt = _decoded(self._note, _Attempt)
            except _BROKEN:
                return None
        return attempt.begun if attempt and attempt.token == _fingerprint(refresh_token) else None

    def _finish_writing(self) -> None:
        """Put in place what a process that was killed while writing has left whole: it is newer than the store."""
        new = _new(self.path)
        with self._usable():
            try:
                left = _decoded(new, Tokens)
            except _BROKEN:
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
                f"The Teamleader token store cannot be used: {error.strerror}",
                where=str(self.path),
                mend="Make its folder one that you may write to, or set TL_HUBSPOT_DATA to another one",
            ) from None


class TokenGrant:
    """The right to call Teamleader: gives access tokens, refreshing them ahead of their end or when refused.

    `refresh_token` is the configured first token; it starts a new chain whenever it differs from the one that the
    stored chain started from. Raises CredentialsRefused, Unreachable, BadAnswer or ConfigurationError.
    """

    def __init__(
        self,
        auth_url: str,
        client_id: str,
        client_secret: str | SecretStr,
        refresh_token: str | SecretStr | None,
        store: TokenStore,
        *,
        session: requests.Session,
        timeout: tuple[float, float] = (10.0, 60.0),
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._token_url = f"{auth_url.rstrip('/')}/oauth2/access_token"
        self._authorize_url = f"{auth_url.rstrip('/')}/oauth2/authorize"
        self._client_id = client_id
        self._client_secret = _secret(client_secret)
        self._first = _secret(refresh_token or "")
        self._store = store
        self._session = session
        self._timeout = timeout
        self._sleep = sleep
        self._now = now
        self._tokens: Tokens | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"TokenGrant(token_url={self._token_url!r}, store={str(self._store.path)!r})"

    def access_token(self) -> str:
        """An access token that is not about to end."""
        with self._lock:
            if self._tokens is None or self._tokens.expires_at <= self._now():
                self._tokens = self._renewed(refused=None)
            return self._tokens.access_token

    def renew(self, refused: str) -> str:
        """Another access token after Teamleader refused this one; refreshes only if nobody else has done so."""
        with self._lock:
            if self._tokens is None or self._tokens.access_token == refused:
                self._tokens = self._renewed(refused)
            return self._tokens.access_token

    def authorize_url(self, redirect_uri: str, state: str) -> str:
        """Address of Teamleader's sign-in page, which comes back to `redirect_uri` with `code` and `state`."""
        query = {"client_id": self._client_id, "response_type": "code", "redirect_uri": redirect_uri, "state": state}
        return f"{self._authorize_url}?{urlencode(query)}"

    def sign_in(self, code: str, redirect_uri: str) -> None:
        """Exchange the code of the sign-in page for tokens and store them in place of the present ones."""
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        with self._lock, self._store.locked():
            try:
                self._tokens = self._exchanged(grant)
            except _Refused:
                raise CredentialsRefused(
                    "Teamleader refused the sign-in",
                    where=self._token_url,
                    mend="Start again with `tl-hubspot auth teamleader`; a code works once and for ten minutes",
                ) from None

    def _renewed(self, refused: str | None) -> Tokens:
        """Tokens whose access token differs from `refused` and is not used up, refreshed when need be."""
        with self._store.locked():
            tried: set[str] = set()
            while True:
                stored = self._chain()
                if stored and stored.access_token != refused and stored.expires_at > self._now():
                    return stored
                token = stored.refresh_token if stored else self._first.get_secret_value()
                if not token:
                    raise ConfigurationError("There is no Teamleader token yet", mend=_MEND)
                if token in tried:
                    raise self._refusal(token)
                tried.add(token)
                try:
                    return self._exchanged({"grant_type": "refresh_token", "refresh_token": token})
                except _Refused:
                    # A process that does not share the lock (another machine) may have rotated the token meanwhile.
                    continue

    def _chain(self) -> Tokens | None:
        """The stored tokens, unless a person has configured another first token since."""
        stored, first = self._store.read(), self._first.get_secret_value()
        return None if stored and first and stored.started_from != _fingerprint(first) else stored

    def _started_from(self) -> str:
        """Fingerprint of the first token that the next tokens are newer than: the configured or the last known one."""
        first = self._first.get_secret_value()
        stored = None if first else self._store.read()
        return stored.started_from if stored else _fingerprint(first)

    def _refusal(self, token: str) -> CredentialsRefused:
        """What a person is told of a refused refresh token: the likeliest reason, and the way out."""
        begun = self._store.unanswered(token)
        why, mend = "it is wrong, it was withdrawn in Teamleader, or another program has used it", _MEND
        if begun is not None:
            why = (
                f"a refresh begun on {datetime.fromtimestamp(begun, UTC):%Y-%m-%d %H:%M} UTC was cut off before its"
                " answer was stored, and a refresh token works once"
            )
        elif token == self._first.get_secret_value() and self._store.read():
            why = "it is the one in TEAMLEADER_REFRESH_TOKEN, and the stored sign-in was made without it"
            mend = (
                "Remove TEAMLEADER_REFRESH_TOKEN to use the stored sign-in, or run `tl-hubspot auth teamleader`, or put"
                " a new token in TEAMLEADER_REFRESH_TOKEN"
            )
        return CredentialsRefused(f"Teamleader refused the refresh token: {why}", where=self._token_url, mend=mend)

    def _exchanged(self, grant: dict[str, str]) -> Tokens:
        """New tokens for a refresh token or a code, stored; asks again for as long as that can help."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            stop=tenacity.stop_after_attempt(6),
            wait=tenacity.wait_exponential_jitter(initial=1, max=60),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            tokens: Tokens = retrying(_undisturbed, lambda: self._exchange(grant))
            return tokens
        except _TryAgain as error:
            raise Unreachable(
                f"Teamleader's sign-in service gave no usable answer: {error}",
                where=self._token_url,
                mend="Check TEAMLEADER_AUTH_URL; when it is right, try again later",
            ) from None

    def _exchange(self, grant: dict[str, str]) -> Tokens:
        """Ask once. The note of the attempt stays behind only when nobody knows whether the token has been used."""
        started_from = self._started_from()
        used = grant.get("refresh_token")
        noted = used is not None and self._store.begin(used, self._now())
        try:
            granted = self._ask(grant)
        except _AnswerLost:
            raise
        except Exception:
            if noted:
                self._store.settle()
            raise
        refresh_token = granted.refresh_token or used
        if refresh_token is None:
            raise BadAnswer("Teamleader's sign-in gave no refresh token", where=self._token_url)
        tokens = Tokens(
            access_token=granted.access_token,
            refresh_token=refresh_token,
            expires_at=self._now() + granted.expires_in - min(_EARLY, granted.expires_in / 10),
            started_from=started_from,
        )
        self._store.write(tokens)
        return tokens

    def _ask(self, grant: dict[str, str]) -> _Granted:
        secret = {"client_id": self._client_id, "client_secret": self._client_secret.get_secret_value()}
        try:
            answer = self._session.post(
                self._token_url,
                data=secret | grant,
                headers={"Accept": "application/json"},
                auth=_unchanged,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise (_TryAgain if _never_sent(error) else _AnswerLost)(type(error).__name__) from None
        if answer.status_code in (400, 401, 403):
            if _reason(answer.content) == "invalid_client":
                raise CredentialsRefused(
                    "Teamleader does not know this client id with this client secret",
                    where=self._token_url,
                    mend="Check TEAMLEADER_CLIENT_ID and TEAMLEADER_CLIENT_SECRET",
                )
            raise _Refused
        if answer.status_code == 429:
            raise _TryAgain("status 429")
        if answer.status_code >= 500:
            raise _AnswerLost(f"status {answer.status_code}")
        if answer.status_code != 200:
            raise BadAnswer(
                f"Teamleader's sign-in service answered {answer.status_code}",
                where=self._token_url,
                mend="Check TEAMLEADER_AUTH_URL",
            )
        try:
            return msgspec.json.decode(answer.content, type=_Granted)
        except _BROKEN:
            raise _AnswerLost("broken JSON") from None


def _undisturbed(work: Callable[[], _Result]) -> _Result:
    """The result of `work`, done to its end even if Ctrl-C or a stopping run interrupts meanwhile.

    Signal handlers raise in the main thread only; in a thread of its own nothing comes between Teamleader's answer and
    the disk.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def _decoded(path: Path, kind: type[_Result]) -> _Result | None:
    """What a file holds, None when there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
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


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _never_sent(error: requests.RequestException) -> bool:
    """Whether there was no connection at all, so that the request cannot have arrived."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, urllib3.exceptions.NewConnectionError)


def _secret(value: str | SecretStr) -> SecretStr:
    return value if isinstance(value, SecretStr) else SecretStr(value)


def _reason(content: bytes) -> str:
    """OAuth2's own word for a refusal, when the answer has one: Teamleader may use its own envelope instead."""
    try:
        return msgspec.json.decode(content, type=_OAuthError).error
    except _BROKEN:
        return ""


def _unchanged(request: Any) -> Any:
    """requests' `auth` that adds nothing: without one it would look for credentials in a .netrc file."""
    return request
