"""One door to HubSpot: sends a call of the route table through the official client, waits, retries, counts.

Limits, time-outs, repeating and the translation of failures happen here and nowhere else. What is sent, and what an
answer means for a record, is known by the modules around it (`objects`, `mirror`, `provision`, …).
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import ceil
from pathlib import Path
from typing import Any, TypeVar

import hubspot
import msgspec
import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer, CredentialsRefused, TlHubspotError, Unreachable
from tl_hubspot.hubspot import reactions
from tl_hubspot.hubspot.reactions import Action, AnswerLost, Reaction, Refused, Trouble
from tl_hubspot.hubspot.routes import Route
from tl_hubspot.transport.limits import SlidingWindow
from tl_hubspot.transport.meter import CallMeter
from tl_hubspot.transport.store import file_for

Item = TypeVar("Item")
Result = TypeVar("Result")

log = logging.getLogger(__name__)
# urllib3 writes whole paths at level DEBUG, and some of HubSpot's paths hold e-mail addresses.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

LIMIT_SECONDS = 10.0
_NOT_HUBSPOT = "Check HUBSPOT_API_URL; when it is right, HubSpot has trouble: run again later"
JITTER_SECONDS = 0.15
"""How much longer our window is than HubSpot's, because calls do not arrive as evenly as they were sent."""
_LEAST_LEFT = 0.01
"""Share of the portal's limit that an answer should say is left; with less, the next call waits until it is again."""
_AT_FIRST = 4
"""Calls under way at a time while it is not known how long they take, and also the least."""
_SPARE = 1.5
_RESERVE_SECONDS = 1.0
"""How long the limit is used up with calls that are ready, while the caller deals with those that came back."""
_LATELY = 50
"""Calls whose duration tells how many should be under way."""


class _Again(Exception):
    """One attempt failed in a way that the table allows to repeat; `final` is raised when repeats are used up."""

    def __init__(self, reaction: Reaction, final: TlHubspotError) -> None:
        super().__init__(reaction.why)
        self.reaction, self.final = reaction, final


class HubSpotGateway:
    """Calls to one HubSpot portal. Safe for use by many threads; keep one per process.

    `rate_limit`: calls per 10 s that the portal allows, of which `rate_share` is used; a lower limit in the answers'
    headers is followed. `search_rate`: searches per second. `workers`: most calls under way at a time; how many of
    them are used follows from how long calls take. `timeout`: seconds (connect, read). `clock` and `sleep` are the
    time that waiting and limits go by. `state`: folder where all processes of this machine that use the same
    token count their calls together; None: this gateway counts alone.
    """

    def __init__(
        self,
        api_url: str,
        access_token: str,
        *,
        rate_limit: int = 100,
        rate_share: float = 0.95,
        search_rate: int = 4,
        workers: int = 48,
        meter: CallMeter | None = None,
        timeout: tuple[float, float] = (10, 100),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        state: Path | None = None,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.workers = workers
        self.meter = meter or CallMeter()
        self._timeout = timeout
        self._share = rate_share
        self._limit = rate_limit
        self.clock, self.sleep = clock, sleep
        self.server_time: datetime | None = None
        """HubSpot's time at its latest answer, to the second; None before the first one."""
        self.daily_remaining: int | None = None
        """Calls that the account has left today, all its apps together; None where HubSpot does not tell."""
        self._took: deque[float] = deque(maxlen=_LATELY)
        calls, searches = (
            file_for(state, "hubspot", what, self.api_url, access_token) if state else None
            for what in ("calls", "searches")
        )
        seconds = LIMIT_SECONDS + JITTER_SECONDS
        self._window = SlidingWindow(
            self._calls(rate_limit), seconds, evenly=True, clock=clock, sleep=sleep, file=calls
        )
        self._searches = SlidingWindow(search_rate, 1.0, clock=clock, sleep=sleep, file=searches)
        client = hubspot.Client.create(
            access_token=access_token,
            host=self.api_url,
            # Repeating is decided by the table in `reactions`, never by urllib3.
            retry=False,
            connection_pool_maxsize=workers + 2,
        )
        # One generated ApiClient serves every path: kept, so that connections are kept too.
        self._client = client.crm.contacts.basic_api.api_client
        self._client.set_default_header("Accept-Encoding", "gzip")
        self._client.set_default_header("Accept", "application/json")
        # Bodies are plain JSON values: the client's walk through 2,000 pairs costs more than all the rest of the call.
        self._client.sanitize_for_serialization = _as_it_is

    def __repr__(self) -> str:
        return f"HubSpotGateway({self.api_url!r})"

    @property
    def together(self) -> int:
        """How many calls under way at a time use all of our share of the limit, by how long they took lately."""
        took = list(self._took)
        if not took:
            return min(self.workers, _AT_FIRST)
        useful = ceil(_SPARE * self.calls_per_second * sum(took) / len(took))
        return min(self.workers, max(_AT_FIRST, useful))

    @property
    def _ready(self) -> int:
        """How many calls may wait beside those under way."""
        return min(self.workers, ceil(_RESERVE_SECONDS * self.calls_per_second))

    @property
    def calls_per_second(self) -> float:
        """Our share of the limit."""
        return self._calls(self._limit) / LIMIT_SECONDS

    def call(
        self,
        route: Route,
        *,
        answer: Any = Any,
        path: Mapping[str, str] | None = None,
        query: Sequence[tuple[str, Any]] = (),
        body: Any = None,
        form: Sequence[tuple[str, Any]] | None = None,
        expect: Collection[int] = (),
    ) -> Any:
        """The answer of a 2xx, decoded as type `answer` (None when it has no body).

        `form`: multipart parts instead of a JSON `body`. `expect`: statuses that the caller handles itself, raised as
        `Refused` whatever the table says. Raises Refused (4xx of this request), CredentialsRefused, Unreachable,
        BadAnswer, AnswerLost (a write that must not be repeated and whose outcome is unknown).
        """

        def attempt() -> Any:
            return self._attempt(route, answer, path or {}, query, body, form, expect)

        retrying = Retrying(
            retry=retry_if_exception_type(_Again),
            stop=lambda state: state.attempt_number > len(_reaction(state).waits),
            wait=_seconds,
            before_sleep=lambda state: self._before_repeat(route, state),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _Again as again:
            raise again.final from None

    def run(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Work on items in threads; yields (item, result) as each is finished, in no order.

        `items` is drawn lazily in the caller's thread, so many at a time as are under way `together`, and some that are
        ready to follow. When one fails, no further
        item is drawn, what is already under way is still yielded, and then the failure is raised: no confirmed call is
        lost.
        """
        failure: BaseException | None = None
        under_way: dict[Future[Result], Item] = {}
        back: list[tuple[Item, Future[Result]]] = []
        drawing = iter(items)
        exhausted = False
        with ThreadPoolExecutor(self.workers, thread_name_prefix="hubspot") as pool:
            while True:
                while not exhausted and failure is None and len(under_way) < self.together + self._ready:
                    try:
                        item = next(drawing)
                    except StopIteration:
                        exhausted = True
                    except Exception as error:  # drawing journals an intent: calls under way must still be settled
                        failure = error
                    else:
                        under_way[pool.submit(work, item)] = item
                # The workers are busy again before anybody deals with what came back.
                for item, future in back:
                    if future.exception() is None:
                        yield item, future.result()
                if not under_way:
                    break
                finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
                back = [(under_way.pop(future), future) for future in finished]
                failure = failure or next(filter(None, (future.exception() for _, future in back)), None)
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Close kept connections."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()
        self._window.close()
        self._searches.close()

    # --- one attempt -------------------------------------------------------------------------------------------------

    def _attempt(
        self,
        route: Route,
        answer: Any,
        path: Mapping[str, str],
        query: Sequence[tuple[str, Any]],
        body: Any,
        form: Sequence[tuple[str, Any]] | None,
        expect: Collection[int],
    ) -> Any:
        if route.search:
            self._searches.acquire()
        self._window.acquire()
        headers = {"Content-Type": "multipart/form-data" if form else "application/json"}
        sent = self.clock()
        try:
            response = self._client.call_api(
                route.path,
                route.method,
                path_params=dict(path),
                query_params=list(query),
                header_params=headers,
                body=body,
                post_params=list(form) if form else None,
                auth_settings=["oauth2"],
                _preload_content=False,
                _request_timeout=self._timeout,
            )
            raw = response.data
            received = response.headers
            self._took.append(self.clock() - sent)
        except HTTPError as error:
            self._count(route)
            not_sent = isinstance(error, ConnectTimeoutError | NewConnectionError)
            raise self._no_answer(route, reactions.NOT_SENT if not_sent else reactions.NO_ANSWER) from None
        except Exception as error:
            # Each sub-package of the client has its own ApiException; they share attributes, not a base class.
            code = getattr(error, "status", None)
            if code is None:
                raise
            self._took.append(self.clock() - sent)
            self._count(route, code)
            # The client turns a failed TLS handshake into an ApiException of status 0.
            refused = self._not_ok(route, error, expect) if code else self._no_answer(route, reactions.NOT_SENT)
            raise refused from None
        self._count(route)
        self._follow(received)
        if not raw:
            return None
        try:
            return decoding.decode(raw, type=answer)
        except msgspec.ValidationError as error:
            raise BadAnswer(
                "HubSpot sent an answer of an unknown shape", where=_where(route), mend=_NOT_HUBSPOT
            ) from error
        except msgspec.DecodeError:
            raise self._no_answer(route, reactions.BROKEN) from None

    def _no_answer(self, route: Route, reaction: Reaction) -> Exception:
        if reaction.action is Action.REPEAT and not route.repeatable:
            return AnswerLost(f"HubSpot's answer to a write was lost: {reaction.why}", where=_where(route))
        if reaction is reactions.BROKEN:
            return _Again(
                reaction, BadAnswer(f"HubSpot keeps sending {reaction.why}", where=_where(route), mend=_NOT_HUBSPOT)
            )
        return _Again(
            reaction,
            Unreachable(
                f"HubSpot cannot be reached: {reaction.why} after {len(reaction.waits) + 1} attempts",
                where=f"{self.api_url}, {_where(route)}",
                mend="Check HUBSPOT_API_URL and the network, then run again: what was confirmed is remembered",
            ),
        )

    def _not_ok(self, route: Route, error: Any, expect: Collection[int]) -> Exception:
        headers = error.headers or urllib3.HTTPHeaderDict()
        self._follow(headers)
        body = reactions.body_of(error.body)
        problem = reactions.problem(body, error.status, headers.get("X-HubSpot-Correlation-Id"))
        if error.status in expect:
            return Refused(problem, where=_where(route))
        reaction = reactions.react(error.status, body, headers)
        match reaction.action:
            case Action.REFUSE:
                return Refused(problem, where=_where(route))
            case Action.CREDENTIALS:
                return _credentials(route, problem)
            case Action.STOP:
                return Unreachable(f"HubSpot refuses further calls: {reaction.why}", mend="Run again later")
            case Action.REPEAT if not route.repeatable:
                return AnswerLost(f"HubSpot's answer to a write was lost (status {error.status})", where=_where(route))
        final: Unreachable = Unreachable(
            f"HubSpot did not take the call: {reaction.why}", where=_where(route), mend="Run again later"
        )
        if error.status >= 500:
            final = Trouble(error.status, reaction.why, where=_where(route))
        return _Again(reaction, final)

    def _before_repeat(self, route: Route, state: RetryCallState) -> None:
        reaction, seconds = _reaction(state), state.next_action.sleep if state.next_action else 0.0
        self.meter.count("hubspot", "retries")
        log.info("repeat %s in %.1f s: %s", _where(route), seconds, reaction.why)
        if reaction.everybody:
            self._window.penalize(seconds)

    def _count(self, route: Route, status: int = 0) -> None:
        self.meter.count("hubspot", "writes" if route.write else "reads")
        if status == 429:
            self.meter.count("hubspot", "rate_limited")

    def _calls(self, limit: float) -> int:
        return max(1, int(limit * self._share))

    def _follow(self, headers: Mapping[str, str]) -> None:
        """Keep the server's time and what is left of the day's calls; lower the window when the portal allows less,
        and wait a moment when hardly a call is left: HubSpot may have counted some calls later than they were sent."""
        with contextlib.suppress(ValueError):
            self.server_time = parsedate_to_datetime(headers.get("Date", ""))
        with contextlib.suppress(ValueError):
            self.daily_remaining = int(headers.get("X-HubSpot-RateLimit-Daily-Remaining", ""))
        try:
            allowed = int(headers.get("X-HubSpot-RateLimit-Max", ""))
            seconds = int(headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", "10000")) / 1000
        except ValueError:
            return
        allowed = int(allowed * LIMIT_SECONDS / seconds) if seconds > 0 else 0
        if 0 < allowed < self._limit:
            log.info("the portal allows %d calls per %d s, fewer than configured", allowed, LIMIT_SECONDS)
            self._limit = allowed
            self._window.set_limit(self._calls(allowed))
        with contextlib.suppress(ValueError):
            missing = ceil(_LEAST_LEFT * allowed) - int(headers.get("X-HubSpot-RateLimit-Remaining", ""))
            if allowed > 0 and missing > 0:
                self._window.penalize(missing * LIMIT_SECONDS / allowed)


def _as_it_is(value: Item) -> Item:
    return value


def _reaction(state: RetryCallState) -> Reaction:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _Again)
    return error.reaction


def _seconds(state: RetryCallState) -> float:
    """Before the next attempt, with some jitter; asked also when there will be none."""
    waits = _reaction(state).waits
    return waits[min(state.attempt_number, len(waits)) - 1] * random.uniform(1.0, 1.2) if waits else 0.0


def _where(route: Route) -> str:
    # The template, not the path: paths can hold addresses.
    return f"{route.method} {route.path}"


def _credentials(route: Route, problem: reactions.Problem) -> CredentialsRefused:
    if problem.status == 401:
        return CredentialsRefused(
            "HubSpot refused the access token",
            where=_where(route),
            mend="In HubSpot, under Development, Keys, Service keys (or Settings, Integrations, Private apps), copy the"
            " key, and write it to .env as HUBSPOT_ACCESS_TOKEN",
        )
    scopes = f": {', '.join(problem.scopes)}" if problem.scopes else ""
    return CredentialsRefused(
        f"HubSpot's access token lacks a scope{scopes}",
        where=_where(route),
        mend="Add the scope to the private app or service key in HubSpot",
    )
