"""Instants, calendar dates and limits, with the days on which calendars bite."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.windows import as_of_instant, first_day_reaching, on, spoken, years_before

NOW = datetime(2026, 11, 2, 8, 30, tzinfo=timezone(timedelta(hours=1)))
BRUSSELS = "Europe/Brussels"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "2026-11-02T07:30:00"),
        ("", "2026-11-02T07:30:00"),
        ("2026-11-02", "2026-11-02T11:00:00"),
        (" 2026-07-02 ", "2026-07-02T10:00:00"),
        ("2024-02-29", "2024-02-29T11:00:00"),
        ("2026-11-02T00:15:00", "2026-11-01T23:15:00"),
        ("2026-11-02 00:15", "2026-11-01T23:15:00"),
        ("2026-11-02T00:15:00Z", "2026-11-02T00:15:00"),
        ("2026-11-02T00:15:00.5-05:00", "2026-11-02T05:15:00.5"),
        # the clocks go forward on 29 March 2026 at 2:00, and back on 25 October at 3:00
        ("2026-03-29", "2026-03-29T10:00:00"),
        ("2026-10-25", "2026-10-25T11:00:00"),
        ("2026-03-29T01:59:00", "2026-03-29T00:59:00"),
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00"),
    ],
)
def test_as_of(text: str | None, expected: str) -> None:
    assert as_of_instant(text, BRUSSELS, NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["yesterday", "02/11/2026", "2026-02-29", "2026-13-01", "20261102", "2026-11-02T25:00"]
)
def test_as_of_that_is_no_date_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date; write 2026-11-02 \(noon of that day in Europe/Brussels\)"):
        as_of_instant(text, BRUSSELS, NOW)


def test_as_of_out_of_range() -> None:
    with pytest.raises(ValueError, match="must be between"):
        as_of_instant("0001-01-01", BRUSSELS, NOW)


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        ("2026-11-02", 2, "2024-11-02"),
        ("2024-02-29", 2, "2022-02-28"),
        ("2024-02-29", 4, "2020-02-29"),
        ("2028-02-29", 5, "2023-02-28"),
        ("2026-02-28", 2, "2024-02-28"),
    ],
)
def test_years_before(day: str, years: int, expected: str) -> None:
    assert years_before(date.fromisoformat(day), years) == date.fromisoformat(expected)


@run(deadline=None, max_examples=60)
@given(st.dates(date(1980, 1, 1), date(2100, 1, 1)), st.sampled_from([2, 5]))
def test_first_day_reaching_is_the_first(day: date, years: int) -> None:
    first = first_day_reaching(day, years)
    assert years_before(first, years) >= day
    assert years_before(first - timedelta(days=1), years) < day


def test_calendar_date_is_that_of_the_zone() -> None:
    instants = ["2026-10-31T22:59:59", "2026-10-31T23:00:00", "2026-06-30T21:59:59", "2026-06-30T22:00:00"]
    frame = pl.DataFrame({"at": [datetime.fromisoformat(t).replace(tzinfo=UTC) for t in instants]})
    days = frame.select(on(pl.col("at"), BRUSSELS)).to_series().to_list()
    assert [d.isoformat() for d in days] == ["2026-10-31", "2026-11-01", "2026-06-30", "2026-07-01"]


def test_settings_take_the_date_in_their_zone() -> None:
    late = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert RuleSettings(as_of=late).as_of_date == date(2026, 11, 1)
    assert RuleSettings(as_of=late, timezone="UTC").two_years_ago == date(2024, 10, 31)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"as_of": datetime(2026, 1, 1)}, "time zone"),
        ({"timezone": "Europe/Atlantis"}, "unknown time zone"),
        ({"timezone": "../etc"}, "unknown time zone"),
        ({"phase_history_timezone": ""}, "unknown time zone"),
        ({"consent_false_means": "maybe"}, "opt_out, not_asked"),
        ({"deals_closed": "always"}, "recent, linked_only, never"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RuleSettings(**({"as_of": NOW} | changes))  # type: ignore[arg-type]


def test_spoken() -> None:
    assert spoken(date(2023, 5, 3)) == "3 May 2023"
