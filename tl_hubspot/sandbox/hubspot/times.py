"""Instants as the sandbox keeps them (integer milliseconds since 1970 UTC) and as HubSpot writes them (ISO, `Z`).

Pure conversions; the clock itself is `control.Clock`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)
DAY_MS = 86_400_000


def to_ms(instant: datetime) -> int:
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=1024)  # each record shows its instants several times, and a batch those of its neighbours
def to_iso(milliseconds: int) -> str:
    """`2026-01-31T09:30:00.123Z`"""
    return (_NAIVE_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds") + "Z"


def parse_instant(text: str) -> int:
    """Milliseconds from ISO 8601 (no zone: UTC; a date alone: its midnight) or from digits; ValueError otherwise."""
    stripped = text.strip()
    if stripped.lstrip("-").isdigit() and len(stripped) != 8:
        milliseconds = int(stripped)
        _EPOCH + timedelta(milliseconds=milliseconds)  # raises OverflowError when no such instant exists
        return milliseconds
    if len(stripped) < 10 or stripped[4] != "-":
        raise ValueError(f"not an instant: {text!r}")
    return to_ms(datetime.fromisoformat(stripped))


def parse_date(text: str) -> date:
    """A calendar date from `YYYY-MM-DD`, or from an instant at midnight UTC; ValueError otherwise."""
    stripped = text.strip()
    if len(stripped) == 10 and stripped[4] == "-":
        return date.fromisoformat(stripped)
    milliseconds = parse_instant(stripped)
    if milliseconds % DAY_MS:
        raise ValueError("not at midnight UTC")
    return (_EPOCH + timedelta(milliseconds=milliseconds)).date()
