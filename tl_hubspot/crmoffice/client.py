"""One call to Crmoffice, done properly: pacing, authorization, retries, and what each status means.

What to ask for is in `contacts`, `lists` and `writes`; the table of statuses in `reactions`; tokens in
`transport.tokens`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import requests
import tenacity
from pydantic import SecretStr

from tl_hubspot import decoding
from tl_hubspot.crmoffice.capabilities import Capabilities
from tl_hubspot.crmoffice.reactions import (
    Changed,
    FieldProblem,
    NotFound,
    OutcomeUnknown,
    Reaction,
    Refused,
    problem,
    reaction,
)
from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, Unreachable
from tl_hubspot.transport.http import Bearer, instant, never_sent, session
from tl_hubspot.transport.limits import SlidingWindow
from tl_hubspot.transport.meter import CallMeter
from tl_hubspot.transport.store import file_for
from tl_hubspot.transport.token_store import Issuer, TokenStore
from tl_hubspot.transport.tokens import TokenGrant

SYSTEM = "crmoffice"
ISSUER = Issuer("Crmoffice", "/connect/authorize", "/connect/token", scope="crmoffice offline_access")
WINDOW_SECONDS = 10.0
_ATTEMPTS = 8
_RATE_LIMITED_ATTEMPTS = 20
_LONGEST_WAIT = 600.0
_LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)

_Body = TypeVar("_Body")
_log = logging.getLogger(__name__)


class _TryAgain(Exception):
    """A failure that may pass; `broken` when there was an answer, but not a usable one. `wait`: seconds at least."""

    def __init__(self, what: str, *, broken: bool = False, wait: float = 0.0) -> None:
        super().__init__(what)
        self.broken, self.wait = broken, wait


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: the decoded body (None without one), the `ETag`, and the server's clock when it answered."""

    body: Any
    etag: str | None
    server_time: datetime | None


class CrmofficeClient:
    """Calls Crmoffice; may be shared by threads, all of which share one window of calls.

    `rate_limit` is calls per 10 s. `state` is the folder where all processes of this machine that use the same
    `api_url` and `client_id` count their calls together; None: this client counts alone. `workers` is how many calls
    may be under way. `page_size` is how many records a list is asked for at a time, 2 to 500. `clock` (monotonic
    seconds) and `sleep` may be replaced by a virtual time. Secrets are never in a message, a log line or a repr.
    """

    def __init__(
        self,
        api_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str | SecretStr,
        refresh_token: str | SecretStr | None,
        token_store_path: Path | str,
        *,
        capabilities: Capabilities | None = None,
        rate_limit: int = 100,
        meter: CallMeter | None = None,
        timeout: tuple[float, float] = (10.0, 60.0),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        workers: int = 8,
        page_size: int = 500,
        state: Path | None = None,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.capabilities = capabilities or Capabilities()
        self.workers, self.page_size = workers, page_size
        self.meter = meter or CallMeter()
        file = file_for(state, SYSTEM, self.api_url, client_id) if state else None
        self.window = SlidingWindow(rate_limit, WINDOW_SECONDS, clock=clock, sleep=sleep, file=file)
        self.sleep = sleep
        self._timeout = timeout
        self._session = session(workers)
        self.grant = TokenGrant(
            auth_url,
            client_id,
            client_secret,
            refresh_token,
            TokenStore(Path(token_store_path), ISSUER),
            session=self._session,
            timeout=timeout,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"CrmofficeClient(api_url={self.api_url!r})"

    def __enter__(self) -> CrmofficeClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and let go of the file of calls."""
        self._session.close()
        self.window.close()

    def get(self, reference: str, kind: type[_Body]) -> Answer:
        """Read `reference` (`contacts?limit=100`, relative to the base), whose body is of this kind.

        NotFound; CredentialsRefused; Unreachable or BadAnswer when there is nothing usable after all retries.
        """
        return self._call("GET", reference, kind)

    def send(
        self,
        method: str,
        reference: str,
        body: Mapping[str, Any] | None,
        kind: type[_Body],
        *,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> Answer:
        """Write. Repeated only when nothing can have been done, or `repeatable` (the server knows a repeat as one).

        OutcomeUnknown when it may have been done; Refused, Changed or NotFound when it was not; else as `get`.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        return self._call(method, reference, kind, content=content, headers=headers, repeatable=repeatable)

    def _call(
        self,
        method: str,
        reference: str,
        kind: type[_Body],
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Answer:
        where = f"{method} {self.api_url}/{reference.partition('?')[0]}"
        growing = tenacity.wait_exponential_jitter(initial=1, max=60)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=lambda state: max(growing(state), _asked_for(state)),
            sleep=self.sleep,
            before_sleep=lambda state: self._note_retry(where, state),
            reraise=True,
        )
        try:
            response = retrying(self._answered, method, reference, where, content, headers or {}, repeatable, kind)
        except _TryAgain as error:
            unusable = BadAnswer if error.broken else Unreachable
            raise unusable(
                f"Crmoffice gave no usable answer after {_ATTEMPTS} attempts: {error}",
                where=where,
                mend=f"{'Check CRMOFFICE_API_URL; when it is right, t' if error.broken else 'T'}ry again later",
            ) from None
        return response

    def _note_retry(self, where: str, state: tenacity.RetryCallState) -> None:
        self.meter.count(SYSTEM, "retries")
        _log.warning("%s: %s; asking again", where, state.outcome.exception() if state.outcome else "failed")

    def _answered(
        self,
        method: str,
        reference: str,
        where: str,
        content: bytes,
        headers: Mapping[str, str],
        repeatable: bool,
        kind: type[_Body],
    ) -> Answer:
        """One attempt, with the waits and the new token that it may need. _TryAgain when another one can help."""

        def failed(what: str, *, broken: bool = False, wait: float = 0.0) -> Exception:
            if repeatable:
                return _TryAgain(what, broken=broken, wait=wait)
            return OutcomeUnknown(f"It is not known whether Crmoffice carried out a change: {what}", where=where)

        token = self.grant.access_token()
        renewed = False
        for _ in range(_RATE_LIMITED_ATTEMPTS):
            try:
                response = self._sent(method, reference, where, content, headers, token)
            except _LOST as error:
                name = type(error).__name__
                raise (_TryAgain(name) if never_sent(error) else failed(name)) from None
            except requests.exceptions.ContentDecodingError:
                raise failed("broken compression", broken=True) from None
            match reaction(response.status_code):
                case Reaction.USE:
                    try:
                        return _decoded(response, kind, dated=method == "GET")
                    except (msgspec.MsgspecError, UnicodeDecodeError):
                        raise failed("an answer that is not of its shape", broken=True) from None
                case Reaction.WAIT:
                    self.meter.count(SYSTEM, "rate_limited")
                    self.meter.count(SYSTEM, "retries")
                    self.window.penalize(_retry_after(response, where) + random.random())
                case Reaction.RETRY:
                    raise failed(f"status {response.status_code}", wait=_retry_after(response, where, usual=0.0))
                case Reaction.RENEW_TOKEN if not renewed:
                    renewed = True
                    self.meter.count(SYSTEM, "retries")
                    token = self.grant.renew(refused=token)
                case _:
                    raise _refusal(response, where)
        raise _TryAgain("too many calls, however long we wait")

    def _sent(
        self, method: str, reference: str, where: str, content: bytes, headers: Mapping[str, str], token: str
    ) -> requests.Response:
        self.window.acquire()
        self.meter.count(SYSTEM, "reads" if method == "GET" else "writes")
        typed = {"Content-Type": "application/json"} if content else {}
        try:
            return self._session.request(
                method,
                f"{self.api_url}/{reference}",
                data=content or None,
                headers={"Accept": "application/json", **typed, **headers},
                auth=Bearer(token),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except (*_LOST, requests.exceptions.ContentDecodingError):
            raise
        except requests.RequestException as error:
            raise Unreachable(
                f"Crmoffice cannot be called: {type(error).__name__}", where=where, mend="Check CRMOFFICE_API_URL"
            ) from None


def _decoded(response: requests.Response, kind: type[_Body], *, dated: bool) -> Answer:
    body = decoding.decode(response.content, type=kind) if response.content or kind is not type(None) else None
    server_time = instant(response.headers.get("Date", ""))
    if dated and server_time is None:
        raise msgspec.DecodeError("an answer without a Date header")
    return Answer(body, response.headers.get("ETag"), server_time)


def _refusal(response: requests.Response, where: str) -> Exception:
    """The error of an answer that will not mend itself."""
    status, said = response.status_code, problem(response.content)
    kind = reaction(status)
    if kind is Reaction.NOT_FOUND and said.error == "not_found":
        return NotFound(where)
    if kind is Reaction.CHANGED:
        return Changed(said.error)
    if kind is Reaction.REFUSED:
        return Refused(tuple(FieldProblem(field.name, field.code) for field in said.fields))
    if kind is Reaction.RENEW_TOKEN:
        return CredentialsRefused(
            "Crmoffice refuses the access token that it has just given",
            where=where,
            mend="Check that CRMOFFICE_API_URL and CRMOFFICE_AUTH_URL are of the same tenant, then run"
            f" {ISSUER.command}",
        )
    if kind is Reaction.FORBIDDEN:
        return CredentialsRefused(
            "Crmoffice does not allow this",
            where=where,
            mend=f"Give the client the scope `crmoffice`, then run {ISSUER.command}",
        )
    if kind is Reaction.WRONG_VERB:
        allowed = response.headers.get("Allow", "")
        return ConfigurationError(
            f"Crmoffice does not know this verb here{f'; it allows {allowed[:50]}' if allowed else ''}",
            where=where,
            mend="Correct `write` in CRMOFFICE_CAPABILITIES: patch or put_full",
        )
    return BadAnswer(
        f"Crmoffice answered {status}{f' ({said.told})' if said.told else ''}",
        where=where,
        mend="Check CRMOFFICE_API_URL and CRMOFFICE_CAPABILITIES",
    )


def _retry_after(response: requests.Response, where: str, usual: float = 1.0) -> float:
    """Seconds that the server asks to wait; Unreachable when that is longer than a run should."""
    text = response.headers.get("Retry-After", "")
    seconds = float(text) if text.isascii() and text.isdigit() else usual
    if seconds > _LONGEST_WAIT:
        raise Unreachable(
            f"Crmoffice asks to be left alone for {seconds / 60:.0f} minutes", where=where, mend="Run again later"
        )
    return seconds


def _asked_for(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return error.wait if isinstance(error, _TryAgain) else 0.0
