"""Deals: does each belong in HubSpot, with which label and contact, and why (the table of deal rules).

Lives here: the facts the rules look at, the ordered rules, the hold for phases without a stage. Which stage a phase
becomes lives in `planning`; which deals need their phase history read in `demand`.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from datetime import date
from typing import NamedTuple

import polars as pl

from tl_hubspot.rules.contacts import eligible_ids, is_in
from tl_hubspot.rules.rule import Facts, Rule, Said, first_hit
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.told import told
from tl_hubspot.rules.windows import on

INACTIVE_LABEL = "inactief"
CLOSED = ("won", "lost")
LOOKED_AT = (
    *("id", "status", "pipeline_id", "current_phase_id", "created_at", "closed_at"),
    *("customer_type", "customer_id", "contact_person_id"),
)
"""Columns of `teamleader.deals` that the rules look at."""


class MappedStages(NamedTuple):
    """What HubSpot has a stage for: (pipeline_id, phase_id) of open deals, pipeline_id of won and lost ones."""

    phases: AbstractSet[tuple[str, str]]
    closed_pipelines: AbstractSet[str]


def _say_no_contact(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said("The deal names no contact: its customer is no contact and there is no contact person.")
    return Said("The deal names a contact, so it may be imported.", facts["source_contact_id"])


def _say_contact(facts: Facts, hit: bool) -> Said:
    source, counts = facts["source_contact_id"], facts["eligible_id"]
    if hit:
        reason = facts["contact_reason"]
        why = told("is not imported ({reason})", reason=reason) if reason else "does not exist"
        sentence = told("Contact {contact} {why}, so the deal is not imported either.", contact=source, why=why)
    elif counts != source:
        sentence = told(
            "Contact {contact} is a duplicate; contact {other} is imported and takes its deals.",
            contact=source,
            other=counts,
        )
    else:
        sentence = told("Contact {contact} is imported, so the deal may be imported.", contact=source)
    return Said(sentence, source)


def _say_open_recent(facts: Facts, hit: bool) -> Said:
    if facts["is_closed"]:
        return Said("The deal is closed; this rule is for open deals.", facts["status"])
    return _status_changed(
        facts,
        "that is less than 2 years ago, so it is imported." if hit else "that is 2 years ago or more.",
    )


def _say_inactive(facts: Facts, hit: bool) -> Said:
    if facts["is_closed"]:
        return Said("The deal is closed; this rule is for open deals.", facts["status"])
    day, limit = facts["created_on"], facts["five_years_ago"]
    if day is None:
        return Said("It is not known when the deal was created.", limit=limit)
    verdict = (
        told("that is not more than 5 years ago, so it is imported with the label {label}.", label=INACTIVE_LABEL)
        if hit
        else "that is more than 5 years ago."
    )
    sentence = told("Created on {day}; {verdict} (Limit {limit}.)", day=day, verdict=verdict, limit=limit)
    return Said(sentence, day.isoformat(), limit, day)


def _say_open_rest(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said("An open deal that is older and has not moved for 2 years stays out of HubSpot.", facts["status"])
    return Said("The deal is closed; this rule is for open deals.", facts["status"])


def _say_closed(facts: Facts, hit: bool) -> Said:
    mode = facts["deals_closed"]
    if mode == "never":
        return Said("By configuration no closed deal is imported (deals.closed: never).", facts["status"])
    if facts["linked"]:
        return Said("It is in HubSpot already, so it is kept up to date.", facts["status"])
    if mode == "linked_only":
        return Said(
            "By configuration only closed deals that are in HubSpot already are imported (deals.closed: linked_only).",
            facts["status"],
        )
    return _status_changed(
        facts, "that is less than 2 years ago, so it is imported." if hit else "that is 2 years ago or more."
    )


def _say_closed_rest(facts: Facts, hit: bool) -> Said:
    return Said("A closed deal that none of the rules above takes stays out of HubSpot.", facts["status"])


def _say_unmapped(facts: Facts, hit: bool) -> Said:
    what = "closed stages for its pipeline" if facts["is_closed"] else "a stage for its phase"
    if hit:
        return Said(
            told("HubSpot has no mapping to {what}, so the deal is held until somebody maps it.", what=what),
            facts["current_phase_id"],
        )
    return Said(told("There is a mapping to {what}.", what=what), facts["current_phase_id"])


def _status_changed(facts: Facts, verdict: str) -> Said:
    day: date | None = facts["status_changed_on"]
    limit: date = facts["two_years_ago"]
    if day is None:
        return Said("It is not known when its status changed.", limit=limit)
    pattern = "Its status last changed on {day}; {verdict} (Limit {limit}.)"
    return Said(told(pattern, day=day, verdict=verdict, limit=limit), day.isoformat(), limit, day)


_C = pl.col
_OPEN = ~_C("is_closed")
_MOVED_RECENTLY = _C("status_changed_on") > _C("two_years_ago")
_TAKES_CLOSED = (
    pl.when(_C("deals_closed") == "recent")
    .then(_MOVED_RECENTLY.fill_null(False) | _C("linked"))
    .otherwise((_C("deals_closed") == "linked_only") & _C("linked"))
)

RULES = (
    Rule(
        1,
        "Does the deal name a contact?",
        _C("source_contact_id").is_null(),
        "skip",
        "no_contact",
        _say_no_contact,
    ),
    Rule(
        2,
        "Is that contact imported?",
        _C("eligible_id").is_null(),
        "skip",
        "contact_not_eligible",
        _say_contact,
    ),
    Rule(
        3,
        "Open: did its status change in the last 2 years?",
        _OPEN & _MOVED_RECENTLY,
        "sync",
        "changed_within_2_years",
        _say_open_recent,
    ),
    Rule(
        4,
        "Open: was it created in the last 5 years?",
        _OPEN & (_C("created_on") >= _C("five_years_ago")),
        "sync",
        "inactive",
        _say_inactive,
    ),
    Rule(
        5,
        "Open: otherwise",
        _OPEN,
        "skip",
        "too_old",
        _say_open_rest,
    ),
    Rule(
        6,
        "Closed: did its status change in the last 2 years, or is it in HubSpot already?",
        _TAKES_CLOSED,
        "sync",
        "closed",
        _say_closed,
    ),
    Rule(
        7,
        "Closed: otherwise",
        pl.lit(True),
        "skip",
        "closed_too_old",
        _say_closed_rest,
    ),
)
HOLD = Rule(
    8,
    "Does HubSpot have a stage for it?",
    ~_C("is_mapped"),
    "held",
    "unmapped_stage",
    _say_unmapped,
)
"""Asked only of deals that the rules sync; the label that they give stays."""

COLUMNS = (
    "teamleader_id",
    "status",
    "reason",
    "duplicate_of",
    "label",
    "contact_id",
    "source_contact_id",
    "company_id",
    "deal_status",
    "created_on",
    "status_changed_at",
    "status_changed_on",
    "linked",
    "as_of",
)


def decide(
    deals: pl.DataFrame,
    phase_history: pl.DataFrame,
    contact_decisions: pl.DataFrame,
    linked_ids: Collection[str] | pl.Series,
    mapped: MappedStages,
    settings: RuleSettings,
) -> pl.DataFrame:
    """`decisions.deals`: one row per deal, sorted by teamleader_id.

    `deals`, `phase_history`: `teamleader.deals` without deleted ones, `teamleader.deal_phase_history`.
    `linked_ids`: Teamleader ids that have a HubSpot record. A company never lends a deal its contacts. A status other
    than won and lost counts as open.
    """
    prepared = prepare(deals, phase_history, mapped, settings)
    return decision(facts(prepared, contact_decisions, linked_ids, settings), settings)


def prepare(
    deals: pl.DataFrame,
    phase_history: pl.DataFrame,
    mapped: MappedStages,
    settings: RuleSettings,
) -> pl.DataFrame:
    """The facts that depend neither on the date nor on contacts. One row per deal.

    status_changed_at is the latest of creation, the phase changes and, for won and lost only, closing.
    """
    moves = (
        phase_history.select("deal_id", started_at(phase_history["started_at"], settings.phase_history_timezone))
        .group_by("deal_id")
        .agg(moved_at=pl.col("started_at").max())
    )
    phases = pl.DataFrame(
        sorted(mapped.phases), schema={"pipeline_id": pl.String, "current_phase_id": pl.String}, orient="row"
    ).with_columns(phase_is_mapped=pl.lit(True))
    is_closed = pl.col("status").is_in(CLOSED).fill_null(False)
    customer = pl.when(pl.col("customer_type") == "contact").then(pl.col("customer_id"))
    return (
        deals.select(
            "id",
            "status",
            "pipeline_id",
            "current_phase_id",
            "created_at",
            is_closed=is_closed,
            closed_at=pl.when(is_closed).then(pl.col("closed_at")),
            source_contact_id=pl.coalesce(customer, "contact_person_id"),
            company_id=pl.when(pl.col("customer_type") == "company").then(pl.col("customer_id")),
        )
        .join(moves, left_on="id", right_on="deal_id", how="left", maintain_order="left")
        .join(phases, on=["pipeline_id", "current_phase_id"], how="left", maintain_order="left")
        .with_columns(
            status_changed_at=pl.max_horizontal("created_at", "moved_at", "closed_at"),
            is_mapped=pl.when("is_closed")
            .then(is_in(pl.col("pipeline_id"), mapped.closed_pipelines))
            .otherwise(pl.col("phase_is_mapped").fill_null(False)),
        )
        .drop("moved_at", "closed_at", "phase_is_mapped")
    )


def facts(
    prepared: pl.DataFrame,
    contact_decisions: pl.DataFrame,
    linked_ids: Collection[str] | pl.Series,
    settings: RuleSettings,
) -> pl.DataFrame:
    """All that the rules look at, one row per deal: `prepare` plus dates, limits, link, the contact that counts."""
    reasons = contact_decisions.select(source_contact_id="teamleader_id", contact_reason="reason")
    eligible = eligible_ids(contact_decisions).rename({"contact_id": "source_contact_id"})
    return (
        prepared.join(reasons, on="source_contact_id", how="left", maintain_order="left")
        .join(eligible, on="source_contact_id", how="left", maintain_order="left")
        .with_columns(
            is_in(pl.col("id"), linked_ids).alias("linked"),
            created_on=on(pl.col("created_at"), settings.timezone),
            status_changed_on=on(pl.col("status_changed_at"), settings.timezone),
            two_years_ago=pl.lit(settings.two_years_ago),
            five_years_ago=pl.lit(settings.five_years_ago),
            deals_closed=pl.lit(settings.deals_closed),
        )
    )


def decision(facts: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """`decisions.deals` from the facts."""
    held = (pl.col("status") == "sync") & HOLD.hits
    return (
        facts.rename({"status": "deal_status"})
        .with_columns(first_hit(RULES))
        .with_columns(label=pl.when(pl.col("reason") == "inactive").then(pl.lit(INACTIVE_LABEL)).otherwise(pl.lit("")))
        .with_columns(
            status=pl.when(held).then(pl.lit(HOLD.status)).otherwise("status"),
            reason=pl.when(held).then(pl.lit(HOLD.reason)).otherwise("reason"),
            teamleader_id="id",
            duplicate_of=pl.lit(None, pl.String),
            contact_id=pl.coalesce("eligible_id", "source_contact_id"),
            as_of=pl.lit(settings.as_of_utc, pl.Datetime("us", "UTC")),
        )
        .select(COLUMNS)
        .sort("teamleader_id")
    )


def started_at(texts: pl.Series, timezone: str) -> pl.Series:
    """Instants in UTC of `phase_history[].started_at`; null when unreadable.

    Two forms occur: `2017-05-01T12:00:00+00:00`, and `2017-05-01 12:00:00`, which is in `timezone`.
    """
    text = pl.col("text")
    # nearly all are written in exactly one of the two ways, which is read in a third of the time
    instant = text.str.slice(0, 19).str.replace(" ", "T", literal=True)
    instant = instant.str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False, time_unit="us")
    zoned = (text.str.len_bytes() == 25) & text.str.ends_with("+00:00")
    there = _in(timezone, instant).dt.convert_time_zone("UTC")
    plain = pl.when(zoned).then(instant.dt.replace_time_zone("UTC")).when(text.str.len_bytes() == 19).then(there)
    frame = texts.alias("text").to_frame().with_columns(plain=plain)
    others = frame.filter(pl.col("plain").is_null() & text.is_not_null()).select("text").unique()
    if others.is_empty():
        return frame["plain"].alias(texts.name)
    read = others.with_columns(other=_any_started_at(text, timezone))
    both = frame.join(read, on="text", how="left", maintain_order="left")
    return both.select(pl.coalesce("plain", "other").alias(texts.name)).to_series()


def _in(timezone: str, naive: pl.Expr) -> pl.Expr:
    return naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")


def _any_started_at(text: pl.Expr, timezone: str) -> pl.Expr:
    iso = text.str.strip_chars().str.replace(r"^([0-9-]{10})[ tT]+", "${1}T").str.replace(r"[zZ]$", "+00:00")
    zoned = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", strict=False, time_unit="us", time_zone="UTC")
    naive = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
    there = _in(timezone, naive)
    # A time that the clocks skipped in spring is read as if they had been put forward already.
    skipped = _in(timezone, naive.dt.offset_by("1h"))
    return pl.coalesce(zoned, pl.coalesce(there, skipped).dt.convert_time_zone("UTC"))
