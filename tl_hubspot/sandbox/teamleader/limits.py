"""The sliding window of calls and its X-RateLimit headers, on the virtual clock. Tokens are in `oauth`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil

from tl_hubspot.sandbox.teamleader import times
from tl_hubspot.sandbox.teamleader.switches import Switches


@dataclass
class Limiter:
    """Calls counted per client and account; this sandbox has one of each. The caller holds the store's lock."""

    _calls: deque[float] = field(default_factory=deque)
    _answers: int = 0

    def admit(self, now: float, switches: Switches) -> tuple[bool, dict[str, str]]:
        """Count one call at `now` (seconds). Whether it may pass, and the headers of its answer."""
        limit, window = switches.rate_limit, switches.rate_window
        if limit is None:
            return True, {}
        # A clock that was set back leaves calls in the future; they cannot be in the window.
        self._calls = deque(at for at in self._calls if now - window < at <= now)
        passes = len(self._calls) < limit
        if passes or switches.rejected_calls_count:
            self._calls.append(now)
        # One more call passes once so many have dropped out that less than the limit is left.
        over = max(len(self._calls) - limit, 0)
        reset = self._calls[over] + window if len(self._calls) > over else now + window
        self._answers += 1
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(limit - len(self._calls), 0)),
            "X-RateLimit-Reset": self._reset(reset, switches),
        }
        if not passes and switches.retry_after:
            headers["Retry-After"] = str(max(ceil(reset - now), 1))
        return passes, headers

    def _reset(self, seconds: float, switches: Switches) -> str:
        form = switches.rate_reset_format
        if form == "alternate":
            form = "milliseconds" if self._answers % 2 else "seconds"
        return times.reset_with_milliseconds(seconds) if form == "milliseconds" else times.reset_with_seconds(seconds)

    def clear(self) -> None:
        self._calls.clear()
