"""Rate limits: a sliding 10-second window per app, a daily counter per account, 5 searches a second; and their headers.

Times are the virtual clock's. What a refused call looks like is in `errors`.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tl_hubspot.sandbox.hubspot.errors import rate_limited
from tl_hubspot.sandbox.hubspot.times import to_ms

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

WINDOW_MS = 10_000
SEARCH_WINDOW_MS = 1_000


class _Window:
    def __init__(self, length_ms: int) -> None:
        self._length = length_ms
        self._times: deque[int] = deque()

    def used(self, now: int) -> int:
        if self._times and self._times[-1] > now:  # the clock was set back
            self._times.clear()
        while self._times and self._times[0] <= now - self._length:
            self._times.popleft()
        return len(self._times)

    def add(self, now: int) -> None:
        self._times.append(now)

    def clear(self) -> None:
        self._times.clear()


class Limiter:
    """Admits calls, or raises ApiError 429. A refused call does not count."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._window = _Window(WINDOW_MS)
        self._search = _Window(SEARCH_WINDOW_MS)
        self._day = ""
        self._today = 0

    def reset(self) -> None:
        self._window.clear()
        self._search.clear()
        self._today = 0

    def admit(self, path: str) -> dict[str, str]:
        """Count one call; returns its rate-limit headers (none for a search)."""
        profile, enforced = self._portal.profile, self._portal.switches.limits
        now = self._portal.now_ms()
        search = _is_search(path)
        if enforced:
            if self.used_today() >= profile.daily:
                raise rate_limited("DAILY", profile.portal_id)
            if search and self._search.used(now) >= profile.search_limit:
                raise rate_limited("SECONDLY", profile.portal_id)
            if not search and self._window.used(now) >= profile.burst:
                raise rate_limited("TEN_SECONDLY_ROLLING", profile.portal_id)
        self.used_today()
        self._today += 1
        if enforced:
            (self._search if search else self._window).add(now)
        return self.headers(path)

    def used_today(self) -> int:
        """Calls counted since midnight in the account's time zone."""
        today = self._local_now().date().isoformat()
        if today != self._day:
            self._day, self._today = today, 0
        return self._today

    def resets_at(self) -> int:
        """The next midnight in the account's time zone, in milliseconds."""
        midnight = self._local_now().replace(hour=0, minute=0, second=0, microsecond=0)
        return to_ms(midnight + timedelta(days=1))

    def _local_now(self) -> datetime:
        return self._portal.clock.now().astimezone(ZoneInfo(self._portal.profile.time_zone))

    def headers(self, path: str) -> dict[str, str]:
        if _is_search(path):
            return {}
        profile = self._portal.profile
        left = max(profile.burst - self._window.used(self._portal.now_ms()), 0)
        return {
            "X-HubSpot-RateLimit-Max": str(profile.burst),
            "X-HubSpot-RateLimit-Remaining": str(left),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(WINDOW_MS),
            "X-HubSpot-RateLimit-Daily": str(profile.daily),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(profile.daily - self.used_today(), 0)),
            "X-HubSpot-RateLimit-Secondly": str(profile.burst // 10),
            "X-HubSpot-RateLimit-Secondly-Remaining": str(min(profile.burst // 10, left)),
        }


def _is_search(path: str) -> bool:
    return path.startswith("/crm/v3/objects/") and path.rstrip("/").endswith("/search")
