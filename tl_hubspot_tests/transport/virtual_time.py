"""A monotonic clock that only sleeping moves, so that waits of minutes take no time."""

from __future__ import annotations

import threading
from collections.abc import Callable


class VirtualTime:
    """`clock` and `sleep` for a limiter or a client; `on_sleep` is told of every second that passes."""

    def __init__(self, start: float = 1000.0, on_sleep: Callable[[float], None] | None = None) -> None:
        self._now = start
        self._lock = threading.Lock()
        self._on_sleep = on_sleep
        self.naps: list[float] = []

    def clock(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds
            self.naps.append(seconds)
        if self._on_sleep:
            self._on_sleep(seconds)

    @property
    def slept(self) -> float:
        return sum(self.naps)
