"""How fast calls may go: an exact sliding window shared by all threads that talk to one system.

Knows neither HTTP nor a system: what a 429 or a header means is decided in that system's client, which then calls
`penalize`, `block_until` or `set_limit`. Counting calls lives in `meter`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_LONGEST_NAP = 1.0
_SHORTEST_NAP = 0.001


class SlidingWindow:
    """Lets at most `calls` calls go in any window of `seconds` seconds, first come, first served.

    `clock` gives monotonic seconds, `sleep` waits that many seconds (both replaceable by a virtual time).
    """

    def __init__(
        self,
        calls: int,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if calls < 1 or seconds <= 0:
            raise ValueError("a window needs at least one call and a positive length")
        self._calls = calls
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._granted: deque[float] = deque()
        self._queue: deque[object] = deque()
        self._blocked_until = float("-inf")
        self._turn = threading.Condition()

    def __repr__(self) -> str:
        return f"SlidingWindow(calls={self._calls}, seconds={self._seconds:g})"

    def acquire(self) -> float:
        """Block until a call may go, count it, and return the seconds waited."""
        ticket = object()
        arrived = self._clock()
        with self._turn:
            self._queue.append(ticket)
        try:
            with self._turn:
                self._turn.wait_for(lambda: self._queue[0] is ticket)
            # Only the head of the queue sleeps, outside the lock and in short naps, so that a changed limit is noticed.
            while True:
                with self._turn:
                    now = self._clock()
                    wait = self._wait(now)
                    if wait <= 0:
                        self._granted.append(now)
                        return max(0.0, now - arrived)
                self._sleep(min(max(wait, _SHORTEST_NAP), _LONGEST_NAP))
        finally:
            with self._turn:
                self._queue.remove(ticket)
                self._turn.notify_all()

    def set_limit(self, calls: int) -> None:
        """Change how many calls a window holds; calls already made still count."""
        if calls < 1:
            raise ValueError("a window needs at least one call")
        with self._turn:
            self._calls = calls

    @property
    def limit(self) -> int:
        """Calls per window now in force."""
        return self._calls

    def block_until(self, monotonic: float) -> None:
        """Let no call go before this instant of the window's own clock; never shortens an earlier block."""
        with self._turn:
            self._blocked_until = max(self._blocked_until, monotonic)

    def penalize(self, seconds: float) -> None:
        """Let no call go for this many seconds from now."""
        self.block_until(self._clock() + seconds)

    @property
    def used(self) -> int:
        """Calls counted in the window that ends now."""
        with self._turn:
            self._forget(self._clock())
            return len(self._granted)

    def _forget(self, now: float) -> None:
        # The same sum as in _wait, so that rounding cannot make the two disagree.
        while self._granted and self._granted[0] + self._seconds <= now:
            self._granted.popleft()

    def _wait(self, now: float) -> float:
        self._forget(now)
        wait = self._blocked_until - now
        excess = len(self._granted) - self._calls
        if excess >= 0:
            wait = max(wait, self._granted[excess] + self._seconds - now)
        return wait
