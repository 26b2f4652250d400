"""OAuth2 tokens of Teamleader: the token store file, refreshing, signing in.

A refresh token works once, so one process refreshes at a time and the new pair is on disk before it is used.
Requests for data live in `client`; the browser side of signing in lives in the command line.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import requests
import tenacity
from filelock import FileLock
from filelock import Timeout as LockTimeout
from pydantic import SecretStr

from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, TlHubspotError, Unreachable

_EARLY = 300.0
"""Seconds before its end at which an access token counts as used up (a tenth of its life when that is shorter)."""
_LOCK_SECONDS = 600.0
_MEND = "Run `tl-hubspot auth teamleader`, or put a new token in TEAMLEADER_REFRESH_TOKEN"


class Tokens(msgspec.Struct, frozen=True):
    """A pair of tokens as stored. `started_from` is the fingerprint of the configured first token of this chain."""

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


class _Refused(Exception):
    """The token endpoint refused the grant."""


class _TryAgain(Exception):
    """A failure of the token endpoint that may pass."""


class TokenStore:
    """The file that holds the tokens: JSON, mode 0600, replaced as a whole; `locked` excludes other processes."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{self.path}.lock", timeout=_LOCK_SECONDS, mode=0o600)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store against all other processes; TlHubspotError when one keeps it for ten minutes."""
        try:
            self._lock.acquire()
        except LockTimeout:
            raise TlHubspotError(
                "Another process has held the Teamleader token store for too long",
                where=str(self.path),
                mend="Stop the process that holds it",
            ) from None
        try:
            yield
        finally:
            self._lock.release()

    def read(self) -> Tokens | None:
        """The stored tokens, or None when there are none. ConfigurationError when the file is not a token store."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(content, type=Tokens)
        except msgspec.MsgspecError:
            # The decoder's own message could quote the file.
            raise ConfigurationError(
                "The Teamleader token store cannot be read", where=str(self.path), mend=f"Delete the file. {_MEND}"
            ) from None

    def write(self, tokens: Tokens) -> None:
        """Replace the stored tokens; on return they are on disk, and a crash leaves the old or the new ones."""
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(tokens))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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
                granted = self._request(grant)
            except _Refused:
                raise CredentialsRefused(
                    "Teamleader refused the sign-in",
                    where=self._token_url,
                    mend="Start again with `tl-hubspot auth teamleader`; a code works once and for ten minutes",
                ) from None
            if granted.refresh_token is None:
                raise BadAnswer("Teamleader's sign-in gave no refresh token", where=self._token_url)
            self._tokens = self._keep(granted, granted.refresh_token)

    def _renewed(self, refused: str | None) -> Tokens:
        """Tokens whose access token differs from `refused` and is not used up, refreshed when need be."""
        with self._store.locked():
            stored = self._chain()
            tried: set[str] = set()
            while True:
                if stored and stored.access_token != refused and stored.expires_at > self._now():
                    return stored
                token = stored.refresh_token if stored else self._first.get_secret_value()
                if not token:
                    raise ConfigurationError("There is no Teamleader token yet", mend=_MEND)
                if token in tried:
                    raise CredentialsRefused(
                        "Teamleader refused the refresh token", where=self._token_url, mend=_MEND
                    ) from None
                tried.add(token)
                try:
                    granted = self._request({"grant_type": "refresh_token", "refresh_token": token})
                except _Refused:
                    # A process that does not share the lock (another machine) may have rotated the token meanwhile.
                    stored = self._chain()
                    continue
                return self._keep(granted, token)

    def _chain(self) -> Tokens | None:
        """The stored tokens, unless a person has configured another first token since."""
        stored = self._store.read()
        if stored and self._first.get_secret_value() and stored.started_from != self._fingerprint():
            return None
        return stored

    def _keep(self, granted: _Granted, used: str) -> Tokens:
        life = granted.expires_in
        tokens = Tokens(
            access_token=granted.access_token,
            refresh_token=granted.refresh_token or used,
            expires_at=self._now() + life - min(_EARLY, life / 10),
            started_from=self._fingerprint(),
        )
        self._store.write(tokens)
        return tokens

    def _fingerprint(self) -> str:
        return hashlib.sha256(self._first.get_secret_value().encode()).hexdigest()

    def _request(self, grant: dict[str, str]) -> _Granted:
        body = {
            "client_id": self._client_id,
            "client_secret": self._client_secret.get_secret_value(),
            **grant,
        }
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            stop=tenacity.stop_after_attempt(6),
            wait=tenacity.wait_exponential_jitter(initial=1, max=60),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._ask, body)
        except _TryAgain as error:
            raise Unreachable(
                f"Teamleader's sign-in service gave no usable answer: {error}",
                where=self._token_url,
                mend="Check TEAMLEADER_AUTH_URL; when it is right, try again later",
            ) from None

    def _ask(self, body: dict[str, str]) -> _Granted:
        try:
            answer = self._session.post(
                self._token_url,
                data=body,
                headers={"Accept": "application/json"},
                auth=_unchanged,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise _TryAgain(type(error).__name__) from None
        if answer.status_code in (400, 401, 403):
            if _reason(answer.content) == "invalid_client":
                raise CredentialsRefused(
                    "Teamleader does not know this client id with this client secret",
                    where=self._token_url,
                    mend="Check TEAMLEADER_CLIENT_ID and TEAMLEADER_CLIENT_SECRET",
                )
            raise _Refused
        if answer.status_code == 429 or answer.status_code >= 500:
            raise _TryAgain(f"status {answer.status_code}")
        if answer.status_code != 200:
            raise BadAnswer(
                f"Teamleader's sign-in service answered {answer.status_code}",
                where=self._token_url,
                mend="Check TEAMLEADER_AUTH_URL",
            )
        try:
            return msgspec.json.decode(answer.content, type=_Granted)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _TryAgain("broken JSON") from None


def _secret(value: str | SecretStr) -> SecretStr:
    return value if isinstance(value, SecretStr) else SecretStr(value)


def _reason(content: bytes) -> str:
    """OAuth2's own word for a refusal, when the answer has one: Teamleader may use its own envelope instead."""
    try:
        return msgspec.json.decode(content, type=_OAuthError).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _unchanged(request: Any) -> Any:
    """requests' `auth` that adds nothing: without one it would look for credentials in a .netrc file."""
    return request
