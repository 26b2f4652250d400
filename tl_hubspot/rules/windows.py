"""Instants, calendar dates and age limits: `as_of`, N years ago, the first day on which a limit is reached.

Calendar arithmetic only. Which limit decides what lives in `contacts` and `deals`.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEARS = range(1970, 9900)
_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)


def as_of_instant(text: str | None, timezone: str, now: datetime) -> datetime:
    """The instant meant by `text`, in UTC. None or blank: `now` (aware).

    A date is noon of that day in `timezone`; a full ISO instant is taken as it is, one without offset is in
    `timezone`. ValueError with a text for the user otherwise.
    """
    text = (text or "").strip()
    if not text:
        instant = now
    else:
        try:
            if _DATE.fullmatch(text):
                instant = datetime.combine(date.fromisoformat(text), time(12))
            elif _DATE.match(text):
                instant = datetime.fromisoformat(text)
            else:
                raise ValueError
        except ValueError:
            raise ValueError(
                f"{text!r} is not a date; write 2026-11-02 (noon of that day in {timezone})"
                " or an ISO instant such as 2026-11-02T09:30:00+01:00"
            ) from None
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=ZoneInfo(timezone))
    require_range(instant)
    return instant.astimezone(UTC)


def require_range(instant: datetime) -> None:
    """ValueError unless the year leaves room for the calendar arithmetic of the rules."""
    if instant.year not in _YEARS:
        raise ValueError(f"the year of {instant.date()} must be between {_YEARS.start} and {_YEARS.stop - 1}")


def years_before(day: date, years: int) -> date:
    """The same day `years` calendar years earlier; 29 February becomes 28 February."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def first_day_reaching(day: date, years: int) -> date:
    """The first date D with `years_before(D, years) >= day`: when `day` is N years ago for the first time."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def on(instant: pl.Expr, timezone: str) -> pl.Expr:
    """Calendar date in `timezone` of an instant (Datetime with a zone)."""
    return instant.dt.convert_time_zone(timezone).dt.date()


def spoken(day: date) -> str:
    """A date as people read it: 3 May 2023. The same in every locale."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
