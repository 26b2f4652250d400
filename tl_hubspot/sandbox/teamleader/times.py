"""Teamleader's ways to write an instant, to and from seconds since 1970. The clock itself is in `sandbox.control`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from math import ceil
from zoneinfo import ZoneInfo

_ATOM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
_LOOSE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:?\d\d|Z)")


def atom(seconds: float) -> str:
    """`2016-02-04T16:44:33+00:00`: the form of every `*_at` in answers."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def database(seconds: int, zone: str) -> str:
    """`2016-02-04 16:44:33` in a time zone: the form of the specification's `phase_history` example."""
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def is_atom_utc(text: str | datetime) -> bool:
    """Whether a text already has the form of an answer."""
    return isinstance(text, str) and len(text) == 25 and text.endswith("+00:00") and text[10] == "T"


def parse(text: str | datetime) -> int:
    """Seconds of an instant; without an offset it is UTC. ValueError when it is none."""
    instant = text if isinstance(text, datetime) else datetime.fromisoformat(text)
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())


def accepted(text: str, *, reject_fraction_and_z: bool) -> bool:
    """Whether the API takes this text as a datetime."""
    if not (_ATOM if reject_fraction_and_z else _LOOSE).fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def reset_with_milliseconds(seconds: float) -> str:
    """`2021-06-15T10:51:23.035+0100`: one form of X-RateLimit-Reset, never earlier than the instant."""
    up = ceil(seconds * 1000) / 1000
    local = datetime.fromtimestamp(up, timezone(timedelta(hours=1)))
    return local.isoformat(timespec="milliseconds")[:-6] + "+0100"


def reset_with_seconds(seconds: float) -> str:
    """`2026-02-08T11:09:08+00:00`: the other form, never earlier than the instant."""
    return atom(ceil(seconds))
