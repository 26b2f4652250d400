"""Who becomes non-marketing, inactive or out of scope in the coming days, and on which day, if nothing happens.

Decisions of the days on which a limit is reached, compared with each other. The rules themselves live in `contacts`,
`companies` and `deals`; the words for people in `trace` and in the reports.
"""

from __future__ import annotations

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
    "old_label": pl.String(),
    "status": pl.String(),
    "reason": pl.String(),
    "label": pl.String(),
    "effect": pl.String(),
}
"""`effect`: one of EFFECTS; labels are those of deals, else empty."""

EFFECTS = ("non_marketing", "marketing", "inactive", "out_of_scope", "in_scope", "none")
"""What a change of decision means: none when the record stays what it is, only for another reason."""


def ageing(source: evaluate.Source, settings: RuleSettings, days: int) -> pl.DataFrame:
    """Every change of a decision from tomorrow to `days` days after as_of: one row per record and day.

    Columns as in COLUMNS; sorted by day, kind and id.
    """
    return changes(evaluate.prepare(source, settings), settings, settings.as_of_date + timedelta(days=days))


def changes(prepared: evaluate.Prepared, settings: RuleSettings, until: date) -> pl.DataFrame:
    """As `ageing`, up to and including the day `until`."""
    dates, limits = _crossing(prepared, settings, until)
    prepared = _concerned(prepared, dates, settings)
    before = evaluate.decide(prepared, settings)
    found = [pl.DataFrame(schema=COLUMNS)]
    for day in limits:
        after = evaluate.decide(prepared, at_noon(settings, day))
        found += [
            _differences(kind, day, getattr(before, table), getattr(after, table)) for kind, table in _TABLES.items()
        ]
        before = after
    return pl.concat(found).sort("on", "entity_type", "teamleader_id")


_TABLES = {"contact": "contacts", "company": "companies", "deal": "deals"}


def at_noon(settings: RuleSettings, day: date) -> RuleSettings:
    """The same settings, evaluated at noon of `day`."""
    return replace(settings, as_of=datetime.combine(day, time(12), ZoneInfo(settings.timezone)))


_EFFECT = (
    pl.when(pl.col("status") == pl.col("old_status"))
    .then(pl.when(pl.col("label") > pl.col("old_label")).then(pl.lit("inactive")).otherwise(pl.lit("none")))
    .when(pl.col("status") == "skip")
    .then(pl.lit("out_of_scope"))
    .when(pl.col("old_status") == "skip")
    .then(pl.lit("in_scope"))
    .otherwise("status")
)


def _differences(entity_type: str, day: date, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    def outcomes(decided: pl.DataFrame) -> pl.DataFrame:
        label = "label" if "label" in decided.columns else pl.lit("").alias("label")
        return decided.select("teamleader_id", "status", "reason", label)

    was = {name: f"old_{name}" for name in ("status", "reason", "label")}
    differing = pl.any_horizontal(pl.col(now) != pl.col(old) for now, old in was.items())
    return (
        outcomes(new)
        .join(outcomes(old).rename(was), on="teamleader_id")
        .filter(differing)
        .with_columns(entity_type=pl.lit(entity_type), on=pl.lit(day, pl.Date()), effect=_EFFECT)
        .select(COLUMNS.keys())
    )


def _crossing(prepared: evaluate.Prepared, settings: RuleSettings, until: date) -> tuple[list[date], list[date]]:
    """Dates of records that reach 2 or exceed 5 years by `until`, and the days on which they do, in order."""
    dates = pl.concat(
        frame.select(on(pl.col(column), settings.timezone).alias("day"))
        for frame, column in (
            (prepared.contacts, "changed_at"),
            (prepared.deals, "created_at"),
            (prepared.deals, "status_changed_at"),
        )
    )["day"]
    # Far enough from the end of the calendar to add some years.
    ahead = {}
    for day in dates.drop_nulls().unique():
        if day.year < 9990:
            both = first_day_reaching(day, 2), first_day_reaching(day + timedelta(days=1), 5)
            ahead[day] = [limit for limit in both if settings.as_of_date < limit <= until]
    ahead = {day: limits for day, limits in ahead.items() if limits}
    return list(ahead), sorted({limit for limits in ahead.values() for limit in limits})


def _concerned(prepared: evaluate.Prepared, dates: list[date], settings: RuleSettings) -> evaluate.Prepared:
    """The records whose decision may change because a date of theirs is among `dates`, and all that their decisions
    depend on: of many thousands a few hundred, which are then decided once per day."""

    def reaches(column: str) -> pl.Expr:
        return on(pl.col(column), settings.timezone).is_in(dates).fill_null(False)

    people, links = prepared.contacts, prepared.source.contact_company_links
    moving = _with_same_address(people, people.filter(reaches("changed_at"))["id"])["id"]
    sales = prepared.deals.filter(
        reaches("status_changed_at") | reaches("created_at") | _among("source_contact_id", moving)
    )
    places = prepared.groups.join(links.filter(_among("contact_id", moving)), left_on="id", right_on="company_id")
    groups = prepared.groups.filter(_among("group_id", places["group_id"]))
    links = links.filter(_among("company_id", groups["id"]))
    people = _with_same_address(people, pl.concat([moving, links["contact_id"], sales["source_contact_id"]]))
    return evaluate.Prepared(replace(prepared.source, contact_company_links=links), people, groups, sales)


def _with_same_address(people: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    addresses = people.filter(_among("id", ids))["address"].drop_nulls()
    return people.filter(_among("id", ids) | _among("address", addresses))


def _among(column: str, values: pl.Series) -> pl.Expr:
    return pl.col(column).is_in(values.implode()).fill_null(False)
