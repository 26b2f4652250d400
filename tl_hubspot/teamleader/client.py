"""One call to Teamleader, done properly: pacing, authorization, retries, and what each status means.

What to ask for, in which order, and how to be complete lives in `paging` and `extraction`; tokens in
`transport.tokens`.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from math import ceil
from pathlib import Path
from typing import Any

import msgspec
import requests
import tenacity
from pydantic import SecretStr

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer, CredentialsRefused, Unreachable
from tl_hubspot.teamleader.endpoints import Body, check_request
from tl_hubspot.teamleader.text import mended
from tl_hubspot.transport.http import Bearer, instant, session
from tl_hubspot.transport.limits import SlidingWindow, Started
from tl_hubspot.transport.meter import CallMeter
from tl_hubspot.transport.store import file_for
from tl_hubspot.transport.token_store import Issuer, TokenStore
from tl_hubspot.transport.tokens import TokenGrant

API_VERSION = "2023-09-26"
SYSTEM = "teamleader"
ISSUER = Issuer("Teamleader", "/oauth2/authorize", "/oauth2/access_token")
WINDOW_SECONDS = 60.0
CALLS_PER_WINDOW = 200
"""What Teamleader allows at most."""
_LATELY = 32
_SPARE = 1.5
"""So many more calls under way than are needed on average, to make up for the time before."""
_LONGEST_WAIT = 65.0
_DEFAULT_WAIT = 60.0
_ATTEMPTS = 8
_RATE_LIMITED_ATTEMPTS = 20

_log = logging.getLogger(__name__)


class Reaction(Enum):
    """What to do about an answer."""

    USE = auto()
    RENEW_TOKEN = auto()
    WAIT = auto()
    """Too many calls: wait until the server's window has room, then ask again."""
    RETRY = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    GIVE_UP = auto()


_REACTIONS = {
    200: Reaction.USE,
    401: Reaction.RENEW_TOKEN,
    403: Reaction.FORBIDDEN,
    404: Reaction.NOT_FOUND,
    408: Reaction.RETRY,
    429: Reaction.WAIT,
}


def reaction(status: int) -> Reaction:
    """The reaction to a status: 5xx may pass; whatever else is not in the table will not mend itself."""
    return _REACTIONS.get(status, Reaction.RETRY if status >= 500 else Reaction.GIVE_UP)


class NotFound(Exception):
    """An `.info` of an id that Teamleader does not have (deleted, or never there)."""


class Forbidden(CredentialsRefused):
    """403: the grant lacks a scope, the user may not see the record, or the plan lacks the module."""


class _TryAgain(Exception):
    """A failure that may pass; `broken` when there was an answer, but not a usable one."""

    def __init__(self, what: str, *, broken: bool = False) -> None:
        super().__init__(what)
        self.broken = broken


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` and `meta` exactly as received (JSON; `null` when absent), and the server's clock when it answered."""

    data: msgspec.Raw
    meta: msgspec.Raw
    server_time: datetime


class _Envelope(msgspec.Struct):
    data: msgspec.Raw
    meta: msgspec.Raw = msgspec.Raw(b"null")


class _Errors(msgspec.Struct):
    class Item(msgspec.Struct):
        title: str = ""

    errors: list[Item] = []


class TeamleaderClient:
    """Calls Teamleader; may be shared by threads, all of which share one window of calls.

    `rate_limit` is calls per 60 s; the server's own limit wins when it is lower. `state` is the folder where all
    processes of this machine that use the same `api_url` and `client_id` count their calls together; None: this client
    counts alone. `workers` is how many calls may be under way. `clock` (monotonic seconds) and `sleep` may be replaced
    by a virtual time. Secrets are never in a message, a log line or a repr.
    """

    def __init__(
        self,
        api_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str | SecretStr,
        refresh_token: str | SecretStr | None,
        token_store_path: Path | str,
        rate_limit: int = 180,
        meter: CallMeter | None = None,
        timeout: tuple[float, float] = (10.0, 60.0),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        workers: int = 8,
        state: Path | None = None,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.workers = workers
        self.meter = meter or CallMeter()
        file = file_for(state, SYSTEM, self.api_url, client_id) if state else None
        self.window = SlidingWindow(rate_limit, WINDOW_SECONDS, clock=clock, sleep=sleep, file=file)
        self.sleep = sleep
        self._clock = clock
        self._took: deque[float] = deque(maxlen=_LATELY)
        """Seconds that the latest calls took, without what they waited for the window."""
        self._interval = WINDOW_SECONDS / min(rate_limit, CALLS_PER_WINDOW)
        self._timeout = timeout
        self.other_versions: set[str] = set()
        """Versions of the API that answers were in, other than the one that was asked for."""
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
        return f"TeamleaderClient(api_url={self.api_url!r})"

    def __enter__(self) -> TeamleaderClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, and let go of the file of calls."""
        self._session.close()
        self.window.close()

    @property
    def useful_together(self) -> int:
        """How many calls under way at a time use all that Teamleader allows, by how long they took lately; 1 while one
        after the other is fast enough, at most `workers`."""
        took = list(self._took)
        calls = sum(took) / max(1, len(took)) / self._interval
        return 1 if calls <= 1 else min(self.workers, ceil(_SPARE * calls))

    def call(self, endpoint: str, body: Body) -> Answer:
        """Call `endpoint` (`contacts.list`, …) and return its answer.

        ValueError when the request is not one that the endpoint documents; NotFound for an unknown id; Forbidden;
        CredentialsRefused; Unreachable or BadAnswer when Teamleader gives nothing usable after all retries.
        """
        row = check_request(endpoint, body)
        content = msgspec.json.encode(body)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_exponential_jitter(initial=1, max=60),
            sleep=self.sleep,
            before_sleep=lambda state: self._note_retry(endpoint, state),
            reraise=True,
        )
        try:
            return retrying(self._call_once, endpoint, row.scope, content)
        except _TryAgain as error:
            kind = BadAnswer if error.broken else Unreachable
            raise kind(
                f"Teamleader gave no usable answer after {_ATTEMPTS} attempts: {error}",
                where=f"{self.api_url}/{endpoint}",
                mend=f"{'Check TEAMLEADER_API_URL; when it is right, t' if error.broken else 'T'}ry again later",
            ) from None

    def _note_retry(self, endpoint: str, state: tenacity.RetryCallState) -> None:
        self.meter.count(SYSTEM, "retries")
        _log.warning("%s: %s; asking again", endpoint, state.outcome.exception() if state.outcome else "failed")

    def _call_once(self, endpoint: str, scope: str, content: bytes) -> Answer:
        token = self.grant.access_token()
        renewed = False
        for _ in range(_RATE_LIMITED_ATTEMPTS):
            response = self._send(endpoint, content, token)
            match reaction(response.status_code):
                case Reaction.USE:
                    return self._read(endpoint, response)
                case Reaction.WAIT:
                    self.meter.count(SYSTEM, "rate_limited")
                    self.meter.count(SYSTEM, "retries")
                    self.window.penalize(_wait_seconds(response) + random.random())
                case Reaction.RENEW_TOKEN if not renewed:
                    renewed = True
                    self.meter.count(SYSTEM, "retries")
                    token = self.grant.renew(refused=token)
                case Reaction.RENEW_TOKEN:
                    raise CredentialsRefused(
                        "Teamleader refuses the access token that it has just given",
                        where=f"{self.api_url}/{endpoint}",
                        mend="Check that TEAMLEADER_API_URL and TEAMLEADER_AUTH_URL are of the same account, then run "
                        "`tl-hubspot auth teamleader`",
                    )
                case Reaction.RETRY:
                    raise _TryAgain(f"status {response.status_code}")
                case Reaction.FORBIDDEN:
                    raise Forbidden(
                        f"Teamleader does not allow {endpoint}",
                        where=f"{self.api_url}/{endpoint}",
                        mend=f"Give the integration the scope `{scope}` and sign in as an administrator",
                    )
                case Reaction.NOT_FOUND if endpoint.endswith(".info"):
                    raise NotFound(endpoint)
                case _:
                    raise BadAnswer(
                        f"Teamleader answered {response.status_code}{_title(response)}",
                        where=f"{self.api_url}/{endpoint}",
                        mend="Check TEAMLEADER_API_URL",
                    )
        raise _TryAgain("too many calls, however long we wait")

    def _send(self, endpoint: str, content: bytes, token: str) -> requests.Response:
        started = self.window.start()
        self.meter.count(SYSTEM, "reads")
        response: requests.Response | None = None
        began = self._clock()
        try:
            response = self._session.post(
                f"{self.api_url}/{endpoint}",
                data=content,
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "X-Api-Version": API_VERSION,
                },
                auth=Bearer(token),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise _TryAgain(type(error).__name__) from None
        except requests.exceptions.ContentDecodingError:
            raise _TryAgain("broken compression", broken=True) from None
        except requests.RequestException as error:
            raise Unreachable(
                f"Teamleader cannot be called: {type(error).__name__}",
                where=f"{self.api_url}/{endpoint}",
                mend="Check TEAMLEADER_API_URL",
            ) from None
        finally:
            self._took.append(self._clock() - began)
            self._follow(started, response)
        return response

    def _follow(self, started: Started, response: requests.Response | None) -> None:
        """Keep to the server's own limit, which other users of the same integration eat from too."""
        if response is None:
            self.window.finish(started)
            return
        remaining = _number(response, "X-RateLimit-Remaining")
        others = self.window.finish(
            started,
            answered=response.status_code == 200,
            refused=response.status_code == 429,
            limit=_number(response, "X-RateLimit-Limit") or None,
            remaining=remaining,
        )
        # Our own calls leave when the window says so; when those of others do, only the server knows.
        if others and remaining == 0 and response.status_code != 429:
            self.window.penalize(_wait_seconds(response))

    def _read(self, endpoint: str, response: requests.Response) -> Answer:
        try:
            response.content.decode()
            envelope = decoding.decode(mended(response.content), type=_Envelope)
        except (UnicodeDecodeError, msgspec.MsgspecError):
            raise _TryAgain("broken JSON", broken=True) from None
        server_time = instant(response.headers.get("Date", ""))
        if server_time is None:
            raise _TryAgain("an answer without a Date header", broken=True)
        version = response.headers.get("X-Api-Version", API_VERSION)
        if version != API_VERSION and version not in self.other_versions:
            self.other_versions.add(version)
            _log.warning("Teamleader answers in version %s of its API; %s was asked for", version, API_VERSION)
        return Answer(envelope.data, envelope.meta, server_time)


def _number(response: requests.Response, header: str) -> int | None:
    value = response.headers.get(header, "")
    return int(value) if value.isascii() and value.isdigit() else None


def _wait_seconds(response: requests.Response) -> float:
    """Seconds until the server's window has room, reckoned in the server's own time; 60 when it does not say."""
    reset = instant(response.headers.get("X-RateLimit-Reset", ""))
    if reset is None:
        return _DEFAULT_WAIT
    server_now = instant(response.headers.get("Date", "")) or datetime.now(UTC)
    # Date has whole seconds only: it may be almost one second behind, never ahead. So may the reset be, in one form.
    cut_off = 0.0 if reset.microsecond else 1.0
    return min(max((reset - server_now).total_seconds() + cut_off, 1.0), _LONGEST_WAIT)


def _title(response: requests.Response) -> str:
    """Teamleader's own words for what was wrong with the request, cut short."""
    try:
        titles: list[Any] = [e.title for e in decoding.decode(response.content, type=_Errors).errors]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return f": {'; '.join(titles)[:200]}" if titles else ""
