"""Whether Teamleader has anything new: one cheap call per stream, nothing stored.

When to look, and what to do about it, is the business of `orchestration.automation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from tl_hubspot.errors import Unreachable
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.teamleader.endpoints import timestamp

# The order does not matter for one record; it is asked for because that of a list without one may cost Teamleader more.
_SORTS = {
    "contacts": [{"field": "updated_at", "order": "desc"}],
    "companies": [{"field": "updated_at", "order": "desc"}],
    "deals": [{"field": "created_at", "order": "desc"}],
}
_PATIENCE = 20.0
"""Seconds to wait for Teamleader altogether: Dagster gives a sensor a minute."""


@dataclass(frozen=True)
class Seen:
    """Streams with changes, and Teamleader's clock when the look began: what changed later is for the next one."""

    changed: tuple[str, ...]
    until: datetime


def changed_since(platform: Platform, since: datetime) -> Seen:
    """Streams in which a record was updated at or after `since` (aware).

    Raises:
        TlHubspotError: Teamleader cannot be asked, or does not answer within 20 seconds.
    """
    platform.sleep = _impatient()
    changed: list[str] = []
    until: datetime | None = None
    for stream, sort in _SORTS.items():
        body = {"filter": {"updated_since": timestamp(since)}, "page": {"size": 1, "number": 1}, "sort": sort}
        answer = platform.teamleader.call(f"{stream}.list", body)
        until = until or answer.server_time
        if msgspec.json.decode(answer.data):
            changed.append(stream)
    assert until is not None
    return Seen(tuple(changed), until)


def _impatient() -> Callable[[float], None]:
    left = _PATIENCE

    def sleep(seconds: float) -> None:
        nonlocal left
        left -= seconds
        if left < 0:
            raise Unreachable("Teamleader is too busy to be asked", mend="The next look tries again")
        time.sleep(seconds)

    return sleep
