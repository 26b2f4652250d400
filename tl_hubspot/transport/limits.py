"""How fast calls may go: an exact sliding window shared by all threads, and by all processes that share its file.

Knows neither HTTP nor a system: what a 429 or a header means is decided in that system's client, which then calls
`penalize`, `block_until`, `set_limit` or `finish`. Where calls are remembered is in `store`, counting them in `meter`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import NamedTuple, TypeVar

from tl_hubspot.transport.store import CallStore

_T = TypeVar("_T")

_LONGEST_NAP = 1.0
_SHORTEST_NAP = 0.001
_ASKING_NAP = 0.05
_UNANSWERED_SECONDS = 10.0
"""How long a call without an answer may be on its way to the server; its process may have been killed."""
_CLOCKS = 1.001
"""A minute of the server by our clock, should that be the faster one."""
_SPARE = 0.05
"""Share of the server's limit left free while others call too, and also the least that we take unless refused."""
_MOST_REFUSALS = 8

_NEWS_OF_OTHERS = 0.2
"""Share of a window for which it is believed that others still use as much as the last answer told."""

_LONGEST_BLOCK = 3600.0

_FREE = 0.5
"""Share of an even window that may be used at once; what follows is spread."""
_EVENLY = 0.9
"""A spread share of the calls takes this share of its time: the rest is for catching up."""
_TOGETHER = 0.05
"""The share of the calls that is spread: those in it may go at half their distance."""

_IMPOSSIBLE = """
select exists (select 1 from call where leaves > :last)
    or coalesce((select sent from call order by id desc limit 1) > :now, false)
    or (select coalesce(blocked_until > :blocked, false) or coalesce(asked_at > :now, false) from known)
"""


class Started(NamedTuple):
    """A call that may go: `sent` is the time of the window's clock at which it was counted."""

    id: int
    sent: float


class SlidingWindow:
    """Lets at most `calls` calls go in any window of `seconds` seconds, first come, first served within a process.

    Two ways to use it. `acquire` counts a call when it is sent. `start` and `finish` also keep to what the server says
    in its answers: a call then counts against the server's limit until `seconds` after its answer (the server counts it
    from some time in between), and room is left for others who use the same limit.

    `evenly`: a long row of calls is spread over the window. A server counts a call when it gets to it; one that has
    to deal with many at once does so late, and finds too many in a window that was kept where they were sent.

    `clock` gives monotonic seconds, `sleep` waits that many seconds (both replaceable by a virtual time). `file` is
    where the calls are kept for other processes, which must go by the same clock; None: this process alone.
    """

    def __init__(
        self,
        calls: int,
        seconds: float,
        *,
        evenly: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        file: Path | None = None,
    ) -> None:
        if calls < 1 or seconds <= 0:
            raise ValueError("a window needs at least one call and a positive length")
        self._calls = calls
        self._seconds = seconds
        self._evenly = evenly
        self._clock = clock
        self._sleep = sleep
        self._store = CallStore(file)
        self._queue: deque[threading.Event] = deque()
        """Who waits: the event of the first one is set."""
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SlidingWindow(calls={self._calls}, seconds={self._seconds:g})"

    def acquire(self) -> float:
        """Block until a call may go, count it, and return the seconds waited."""
        arrived = self._clock()
        return max(0.0, self._admit(told=False).sent - arrived)

    def start(self) -> Started:
        """Block until a call may go and count it; give the result to `finish` whatever becomes of the call.

        While it is not known how much of the server's limit is used (nobody has called for a window, or others held us
        back for a while), one call at a time goes to find out.
        """
        return self._admit(told=True)

    def finish(
        self,
        started: Started,
        *,
        answered: bool = False,
        refused: bool = False,
        limit: int | None = None,
        remaining: int | None = None,
    ) -> int:
        """A started call has ended. Returns how many calls of others the server counts, as far as that is known.

        `answered`: the server did its work, so that it has no limit when it names none. `refused`: there were too many
        calls. `limit`, `remaining`: what the answer says of the server's window.
        """

        def work(database: sqlite3.Connection) -> int:
            now = self._clock()
            leaves = now + self._seconds * _CLOCKS
            database.execute("update call set leaves = ?, under_way = 0 where id = ? and sent = ?", (leaves, *started))
            blocked_until, asked_at, others, refusals = database.execute(
                "select blocked_until, asked_at, others, refusals from known"
            ).fetchone()
            # Calls that were already under way when the first of them was refused say nothing new.
            if refused and (blocked_until is None or started.sent >= blocked_until):
                database.execute("update known set refusals = ?", (min(refusals + 1, _MOST_REFUSALS),))
            elif answered and refusals:
                database.execute("update known set refusals = ?", (refusals - 1,))
            counted = limit is not None and remaining is not None
            # Answers may overtake each other, and after a very late one it is no longer known what was counted then.
            is_news = (asked_at is None or started.sent >= asked_at) and now - started.sent < _UNANSWERED_SECONDS
            if is_news and (counted or answered):
                before, others = others, 0
                if limit is not None and remaining is not None:
                    # All that the server may have counted, so that our own calls are never taken for those of others.
                    query = "select count(*) from call where leaves > ?"
                    [ours] = database.execute(query, (started.sent,)).fetchone()
                    # With nothing remaining there may be more than it says; alone, nobody would have been refused.
                    at_least = before if remaining == 0 else 0
                    others = max(at_least, limit - remaining - ours, limit // 2 if refused else 0)
                database.execute(
                    "update known set asked_at = ?, server_limit = ?, others = ?",
                    (started.sent, limit if counted else None, others),
                )
            return int(others)

        return self._alone(work)

    def set_limit(self, calls: int) -> None:
        """Change how many calls of this process's window may go; calls already made still count."""
        if calls < 1:
            raise ValueError("a window needs at least one call")
        with self._lock:
            self._calls = calls

    @property
    def limit(self) -> int:
        """Calls per window now in force: our own limit, or the server's when it is lower."""
        [of_server] = self._alone(lambda database: database.execute("select server_limit from known").fetchone())
        return min(self._calls, of_server or self._calls)

    def block_until(self, monotonic: float) -> None:
        """Let no call go before this instant of the window's own clock; never shortens an earlier block."""
        query = "update known set blocked_until = max(?, coalesce(blocked_until, ?))"
        self._alone(lambda database: database.execute(query, (monotonic, monotonic)))

    def penalize(self, seconds: float) -> None:
        """Let no call go for this many seconds from now."""
        self.block_until(self._clock() + seconds)

    @property
    def used(self) -> int:
        """Calls sent in the window that ends now."""
        query = "select count(*) from call where sent + ? > ?"
        [count] = self._alone(lambda database: database.execute(query, (self._seconds, self._clock())).fetchone())
        return int(count)

    def close(self) -> None:
        """Let go of the file; the window may be used again."""
        with self._lock:
            self._store.close()

    def _alone(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._lock:
            return self._store.run(work)

    def _admit(self, *, told: bool) -> Started:
        turn = threading.Event()
        with self._lock:
            self._queue.append(turn)
            self._queue[0].set()
        try:
            turn.wait()
            # Only the head of the queue sleeps, outside the lock and in short naps, so that a change is noticed.
            while True:
                outcome = self._alone(lambda database: self._try(database, told))
                if isinstance(outcome, Started):
                    return outcome
                self._sleep(min(max(outcome, _SHORTEST_NAP), _LONGEST_NAP))
        finally:
            with self._lock:
                self._queue.remove(turn)
                if self._queue:
                    self._queue[0].set()

    def _try(self, database: sqlite3.Connection, told: bool) -> Started | float:
        """The call, counted, or the seconds until it may go as far as is known now."""
        now = self._clock()
        self._forget(database, now)
        wait = self._wait(database, now, told)
        if wait > 0:
            return wait
        leaves = now + (self._seconds * _CLOCKS + _UNANSWERED_SECONDS if told else self._seconds)
        query = "insert into call (sent, leaves, under_way) values (?, ?, ?)"
        return Started(int(database.execute(query, (now, leaves, told)).lastrowid or 0), now)

    def _forget(self, database: sqlite3.Connection, now: float) -> None:
        # A little later than they leave: an answer may tell of a count that was made some seconds ago.
        database.execute("delete from call where leaves <= ?", (now - _UNANSWERED_SECONDS,))
        # Times that cannot be are of a damaged file or, without its name saying so, of another start of the machine.
        limits = {
            "now": now,
            "last": now + 2 * self._seconds + _UNANSWERED_SECONDS,
            "blocked": now + _LONGEST_BLOCK,
        }
        [impossible] = database.execute(_IMPOSSIBLE, limits).fetchone()
        if impossible:
            database.execute("delete from call")
            database.execute("update known set blocked_until = null, asked_at = null")

    def _wait(self, database: sqlite3.Connection, now: float, told: bool) -> float:
        blocked_until, asked_at, server_limit, others, refusals = database.execute(
            "select blocked_until, asked_at, server_limit, others, refusals from known"
        ).fetchone()
        waits = [0.0 if blocked_until is None else blocked_until - now]
        waits.append(_until_fewer(database, self._calls, f"sent + {self._seconds!r}", "id") - now)
        if self._evenly and _until_fewer(database, ceil(self._calls * _FREE), f"sent + {self._seconds!r}", "id") > now:
            distance = self._seconds / self._calls
            for calls, seconds in ((1, distance / 2), (few := ceil(self._calls * _TOGETHER), few * _EVENLY * distance)):
                waits.append(_until_fewer(database, calls, f"sent + {seconds!r}", "id") - now)
        if told:
            spare = ceil((server_limit or 0) * _SPARE)
            # Refused calls count too: two who keep trying at a full limit would lock each other out for ever.
            least = max(spare >> refusals, 1)
            good_for = self._seconds * (max(_NEWS_OF_OTHERS, 1 / least) if others else 1)
            asks = asked_at is None or asked_at + good_for <= now
            if asks:
                query = "select exists (select 1 from call where under_way and sent > ?)"
                [asking] = database.execute(query, (now - _UNANSWERED_SECONDS,)).fetchone()
                waits.append(_ASKING_NAP if asking else 0.0)
                server_limit = server_limit or self._calls
            if server_limit is not None:
                others = 0 if asks else others
                room = max(server_limit - others - spare, least) if others else server_limit
                waits.append(_until_fewer(database, room, "leaves", "leaves") - now)
                if others and room < self._calls:
                    # Evenly, so that there is always a recent answer to tell what the others do.
                    waits.append(_until_fewer(database, 1, f"sent + {self._seconds / room!r}", "id") - now)
        return max(waits)


def _until_fewer(database: sqlite3.Connection, calls: int, time: str, order: str) -> float:
    """The time at which fewer than `calls` calls are left, when each goes at `time`."""
    # Ids may have gaps, but never fewer numbers than calls: mostly this alone tells that there is room.
    [numbers] = database.execute("select (select max(id) from call) - (select min(id) from call) + 1").fetchone()
    if numbers is None or numbers < calls:
        return float("-inf")
    query = f"select {time} from call order by {order} desc limit 1 offset ?"
    row = database.execute(query, (calls - 1,)).fetchone()
    return float("-inf") if row is None else float(row[0])
