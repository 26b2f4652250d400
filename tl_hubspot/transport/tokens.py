"""OAuth2 tokens of a system: refreshing them, exchanging the code of a sign-in.

A refresh token works once, so one process refreshes at a time and the new pair is on disk before it is used
(`token_store`). Requests for data live in each system's client; waiting for a person who signs in with a browser lives
in `sign_in`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
import requests
import tenacity
from pydantic import SecretStr

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, Unreachable
from tl_hubspot.transport.http import never_sent, unchanged
from tl_hubspot.transport.token_store import BROKEN, Tokens, TokenStore, fingerprint

_EARLY = 300.0
"""Seconds before its end at which an access token counts as used up (a tenth of its life when that is shorter)."""

_Result = TypeVar("_Result")


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
    """A failure of the token endpoint that may pass, and that has not touched the grant."""


class _AnswerLost(_TryAgain):
    """The same, but nobody knows whether the grant was carried out."""


class TokenGrant:
    """The right to call a system: gives access tokens, refreshing them ahead of their end or when refused.

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
        self._issuer = store.issuer
        self._token_url = f"{auth_url.rstrip('/')}{self._issuer.token_path}"
        self._authorize_url = f"{auth_url.rstrip('/')}{self._issuer.authorize_path}"
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
        """Another access token after the system refused this one; refreshes only if nobody else has done so."""
        with self._lock:
            if self._tokens is None or self._tokens.access_token == refused:
                self._tokens = self._renewed(refused)
            return self._tokens.access_token

    def authorize_url(self, redirect_uri: str, state: str) -> str:
        """Address of the sign-in page, which comes back to `redirect_uri` with `code` and `state`."""
        query = {"client_id": self._client_id, "response_type": "code", "redirect_uri": redirect_uri, "state": state}
        if self._issuer.scope:
            query["scope"] = self._issuer.scope
        return f"{self._authorize_url}?{urlencode(query)}"

    def sign_in(self, code: str, redirect_uri: str) -> None:
        """Exchange the code of the sign-in page for tokens and store them in place of the present ones."""
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        with self._lock, self._store.locked():
            try:
                self._tokens = self._exchanged(grant)
            except _Refused:
                raise CredentialsRefused(
                    f"{self._issuer.name} refused the sign-in",
                    where=self._token_url,
                    mend=f"Start again with {self._issuer.command}; a code works once and for minutes only",
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
                    raise ConfigurationError(f"There is no {self._issuer.name} token yet", mend=self._issuer.mend)
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
        return None if stored and first and stored.started_from != fingerprint(first) else stored

    def _started_from(self) -> str:
        """Fingerprint of the first token that the next tokens are newer than: the configured or the last known one."""
        first = self._first.get_secret_value()
        stored = None if first else self._store.read()
        return stored.started_from if stored else fingerprint(first)

    def _refusal(self, token: str) -> CredentialsRefused:
        """What a person is told of a refused refresh token: the likeliest reason, and the way out."""
        begun = self._store.unanswered(token)
        name, first = self._issuer.name, self._issuer.variable("REFRESH_TOKEN")
        why, mend = f"it is wrong, it was withdrawn in {name}, or another program has used it", self._issuer.mend
        if begun is not None:
            why = (
                f"a refresh begun on {datetime.fromtimestamp(begun, UTC):%Y-%m-%d %H:%M} UTC was cut off before its"
                " answer was stored, and a refresh token works once"
            )
        elif token == self._first.get_secret_value() and self._store.read():
            why = f"it is the one in {first}, and the stored sign-in was made without it"
            mend = f"Remove {first} to use the stored sign-in. Else: {self._issuer.mend}"
        return CredentialsRefused(f"{name} refused the refresh token: {why}", where=self._token_url, mend=mend)

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
                f"{self._issuer.name}'s sign-in service gave no usable answer: {error}",
                where=self._token_url,
                mend=f"Check {self._issuer.variable('AUTH_URL')}; when it is right, try again later",
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
            raise BadAnswer(f"{self._issuer.name}'s sign-in gave no refresh token", where=self._token_url)
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
                auth=unchanged,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise (_TryAgain if never_sent(error) else _AnswerLost)(type(error).__name__) from None
        if answer.status_code in (400, 401, 403):
            if _reason(answer.content) == "invalid_client":
                raise CredentialsRefused(
                    f"{self._issuer.name} does not know this client id with this client secret",
                    where=self._token_url,
                    mend=f"Check {self._issuer.variable('CLIENT_ID')} and {self._issuer.variable('CLIENT_SECRET')}",
                )
            raise _Refused
        if answer.status_code == 429:
            raise _TryAgain("status 429")
        if answer.status_code >= 500:
            raise _AnswerLost(f"status {answer.status_code}")
        if answer.status_code != 200:
            raise BadAnswer(
                f"{self._issuer.name}'s sign-in service answered {answer.status_code}",
                where=self._token_url,
                mend=f"Check {self._issuer.variable('AUTH_URL')}",
            )
        try:
            return decoding.decode(answer.content, type=_Granted)
        except BROKEN:
            raise _AnswerLost("broken JSON") from None


def _undisturbed(work: Callable[[], _Result]) -> _Result:
    """The result of `work`, done to its end even if Ctrl-C or a stopping run interrupts meanwhile.

    Signal handlers raise in the main thread only; in a thread of its own nothing comes between the system's answer and
    the disk.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def _secret(value: str | SecretStr) -> SecretStr:
    return value if isinstance(value, SecretStr) else SecretStr(value)


def _reason(content: bytes) -> str:
    """OAuth2's own word for a refusal, when the answer has one: a system may use its own envelope instead."""
    try:
        return decoding.decode(content, type=_OAuthError).error
    except BROKEN:
        return ""
