"""Who becomes non-marketing, inactive or out of scope in the coming days, and on which day, if nothing happens.

Decisions of the days on which a limit is reached, compared with each other. The rules themselves live in `contacts`,
`companies` and `deals`; the words for people in `trace` and in the reports.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from tl_hubspot.rules import evaluate
from tl_hubspot.rules.contacts import is_in
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
    limits = _limits(prepared, settings, until)
    prepared = _concerned(prepared, limits, settings)
    before = evaluate.decide(prepared, settings)
    found = [pl.DataFrame(schema=COLUMNS)]
    for day in sorted({*limits.two_years.values(), *limits.five_years.values()}):
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


@dataclass(frozen=True)
class _Limits:
    """Dates of records, each with the day within the time looked at on which it reaches 2 or exceeds 5 years."""

    two_years: dict[date, date]
    five_years: dict[date, date]


def _limits(prepared: evaluate.Prepared, settings: RuleSettings, until: date) -> _Limits:
    zone = settings.timezone
    dates = pl.concat(
        frame.select(on(pl.col(column), zone).alias("day"))
        for frame, column in (
            (prepared.contacts, "changed_at"),
            (prepared.deals, "created_at"),
            (prepared.deals, "status_changed_at"),
        )
    )["day"]
    # Far enough from the end of the calendar to add some years.
    days = [day for day in dates.drop_nulls().unique() if day.year < 9990]
    two = {day: first_day_reaching(day, 2) for day in days}
    five = {day: first_day_reaching(day + timedelta(days=1), 5) for day in days}

    def ahead(limits: dict[date, date]) -> dict[date, date]:
        return {day: limit for day, limit in limits.items() if settings.as_of_date < limit <= until}

    return _Limits(ahead(two), ahead(five))


def _concerned(prepared: evaluate.Prepared, limits: _Limits, settings: RuleSettings) -> evaluate.Prepared:
    """The records whose decision may change at one of the limits, and all that their decisions depend on."""

    def reaches(column: str, days: Iterable[date]) -> pl.Expr:
        return on(pl.col(column), settings.timezone).is_in(list(days)).fill_null(False)

    people, links = prepared.contacts, prepared.source.contact_company_links
    ageing_people = people.filter(reaches("changed_at", limits.two_years) | reaches("changed_at", limits.five_years))[
        "id"
    ]
    moving = _with_same_address(people, ageing_people)["id"]
    sales = prepared.deals.filter(
        reaches("status_changed_at", limits.two_years)
        | reaches("created_at", limits.five_years)
        | _among("source_contact_id", moving)
    )
    places = prepared.groups.join(links.filter(_among("contact_id", moving)), left_on="id", right_on="company_id")
    groups = prepared.groups.filter(_among("group_id", places["group_id"]))
    links = links.filter(_among("company_id", groups["id"]))
    people = _with_same_address(people, pl.concat([moving, links["contact_id"], sales["source_contact_id"]]))
    source = replace(
        prepared.source,
        contact_company_links=links,
        linked_contacts=_intersection(people["id"], prepared.source.linked_contacts),
        linked_companies=_intersection(groups["id"], prepared.source.linked_companies),
        linked_deals=_intersection(sales["id"], prepared.source.linked_deals),
    )
    return evaluate.Prepared(source, people, groups, sales)


def _intersection(ids: pl.Series, linked: Collection[str] | pl.Series) -> pl.Series:
    return ids.to_frame("id").filter(is_in(pl.col("id"), linked))["id"]


def _with_same_address(people: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    addresses = people.filter(_among("id", ids))["address"].drop_nulls()
    return people.filter(_among("id", ids) | _among("address", addresses))


def _among(column: str, values: pl.Series) -> pl.Expr:
    return pl.col(column).is_in(values.implode()).fill_null(False)
