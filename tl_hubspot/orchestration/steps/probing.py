"""Whether Teamleader has anything new: one cheap call per stream, nothing stored.

When to look, and what to do about it, is the business of `orchestration.automation`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import Unreachable
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.teamleader.client import Answer
from tl_hubspot.teamleader.endpoints import timestamp

# Oldest change first, so that a record with a time in the future does not hide the others, nor counts as a change for
# ever. Deals cannot be sorted so: a page of them is looked at.
_PAGES: dict[str, tuple[list[dict[str, str]], int]] = {
    "contacts": ([{"field": "updated_at", "order": "asc"}], 1),
    "companies": ([{"field": "updated_at", "order": "asc"}], 1),
    "deals": ([{"field": "created_at", "order": "desc"}], 20),
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
    for stream, (sort, size) in _PAGES.items():
        body = {"filter": {"updated_since": timestamp(since)}, "page": {"size": size, "number": 1}, "sort": sort}
        answer = platform.teamleader.call(f"{stream}.list", body)
        until = until or answer.server_time
        if any(at <= answer.server_time for at in _times(answer)):
            changed.append(stream)
    assert until is not None
    return Seen(tuple(changed), until)


def _times(answer: Answer) -> Iterator[datetime]:
    """When the records of a list were updated; a time that cannot be read says nothing."""
    for record in decoding.decode(answer.data):
        with contextlib.suppress(msgspec.ValidationError):
            yield decoding.convert(record, _Record).updated_at


class _Record(msgspec.Struct):
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)]


def _impatient() -> Callable[[float], None]:
    left = _PATIENCE

    def sleep(seconds: float) -> None:
        nonlocal left
        left -= seconds
        if left < 0:
            raise Unreachable("Teamleader is too busy to be asked", mend="The next look tries again")
        time.sleep(seconds)

    return sleep
