"""Who becomes non-marketing, inactive or out of scope in the coming days, and on which day, if nothing happens.

Decisions of the days on which a limit is reached, compared with each other. The rules themselves live in `contacts`,
`companies` and `deals`; the words for people in `trace` and in the reports.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from tl_hubspot.rules import evaluate
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.windows import first_day_reaching, on

COLUMNS = {
    "entity_type": pl.String(),
    "teamleader_id": pl.String(),
    "on": pl.Date(),
    "old_status": pl.String(),
    "old_reason": pl.String(),
    "status": pl.String(),
    "reason": pl.String(),
}


def ageing(source: evaluate.Source, settings: RuleSettings, days: int) -> pl.DataFrame:
    """Every change of a decision from tomorrow to `days` days after as_of: one row per record and day.

    Columns entity_type, teamleader_id, on, old_status, old_reason, status, reason; sorted by day, kind and id.
    """
    return changes(evaluate.prepare(source, settings), settings, settings.as_of_date + timedelta(days=days))


def changes(prepared: evaluate.Prepared, settings: RuleSettings, until: date) -> pl.DataFrame:
    """As `ageing`, up to and including the day `until`."""
    before = evaluate.decide(prepared, settings)
    found = [pl.DataFrame(schema=COLUMNS)]
    for day in _limit_days(prepared, settings, until):
        after = evaluate.decide(prepared, at_noon(settings, day))
        for entity_type, old, new in (
            ("contact", before.contacts, after.contacts),
            ("company", before.companies, after.companies),
            ("deal", before.deals, after.deals),
        ):
            found.append(_differences(entity_type, day, old, new))
        before = after
    return pl.concat(found).sort("on", "entity_type", "teamleader_id")


def at_noon(settings: RuleSettings, day: date) -> RuleSettings:
    """The same settings, evaluated at noon of `day`."""
    return replace(settings, as_of=datetime.combine(day, time(12), ZoneInfo(settings.timezone)))


def _differences(entity_type: str, day: date, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    pairs = new.select("teamleader_id", "status", "reason").join(
        old.select("teamleader_id", old_status="status", old_reason="reason"), on="teamleader_id"
    )
    differing = (pl.col("status") != pl.col("old_status")) | (pl.col("reason") != pl.col("old_reason"))
    return (
        pairs.filter(differing)
        .with_columns(entity_type=pl.lit(entity_type), on=pl.lit(day, pl.Date()))
        .select(COLUMNS.keys())
    )


def _limit_days(prepared: evaluate.Prepared, settings: RuleSettings, until: date) -> list[date]:
    """The days after as_of, up to `until`, on which some record reaches 2 years or exceeds 5 years."""
    zone = settings.timezone
    changed = prepared.contacts.select(on(pl.col("changed_at"), zone)).to_series()
    created = prepared.deals.select(on(pl.col("created_at"), zone)).to_series()
    moved = prepared.deals.select(on(pl.col("status_changed_at"), zone)).to_series()
    two = (first_day_reaching(day, 2) for day in _days(changed, moved))
    five = (first_day_reaching(day + timedelta(days=1), 5) for day in _days(changed, created))
    return sorted({day for day in (*two, *five) if settings.as_of_date < day <= until})


def _days(*series: pl.Series) -> Iterable[date]:
    # Far enough from the end of the calendar to add some years.
    return (day for day in pl.concat(series).drop_nulls().unique() if day.year < 9990)
