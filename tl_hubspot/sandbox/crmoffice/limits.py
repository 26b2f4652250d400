"""The limit of resource calls per sliding 10 s, on the virtual clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil

from tl_hubspot.sandbox.crmoffice.errors import ApiError

WINDOW_SECONDS = 10.0


@dataclass
class Limiter:
    """Calls of the one client. The caller holds the store's lock."""

    _calls: deque[float] = field(default_factory=deque)

    def admit(self, now: float, limit: int | None) -> None:
        """Count a call, or ApiError 429 with the seconds to wait; refused calls do not count."""
        if limit is None:
            return
        # A clock that was set back leaves calls in the future; they cannot be in the window.
        self._calls = deque(at for at in self._calls if now - WINDOW_SECONDS < at <= now)
        if len(self._calls) >= limit:
            wait = self._calls[len(self._calls) - limit] + WINDOW_SECONDS - now if limit else WINDOW_SECONDS
            raise ApiError(429, "Too many calls.", headers={"Retry-After": str(max(ceil(wait), 1))})
        self._calls.append(now)

    def clear(self) -> None:
        self._calls.clear()
