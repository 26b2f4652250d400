"""The pictures of the report: ages against the limits, decisions over time, calls and rates.

Numbers come from the facts, the look from `pages.pictures`. Imported only where a picture is drawn: Altair is slow to
import.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import polars as pl
from markupsafe import Markup

from tl_hubspot.reporting.pages.pictures import WIDTH, svg
from tl_hubspot.rules.windows import spoken, years_before

SHOWN = 30
"""Runs of a picture, the latest."""
OLDEST = 8
"""Years that the pictures of ages show; what is older is said in words."""
_HEIGHT = 240
_APART = "#"

_CONTACTS = {"marketing": "marketing", "non_marketing": "non-marketing", "skip": "not in HubSpot"}
_DEALS = {"sync": "in HubSpot", "inactive": "labelled inactief", "held": "held", "skip": "not in HubSpot"}
_COLOURS = {
    "marketing": "var(--updated)",
    "in HubSpot": "var(--updated)",
    "non-marketing": "var(--created)",
    "labelled inactief": "var(--created)",
    "not in HubSpot": "var(--skipped)",
    "held": "var(--held)",
    "failed": "var(--failed)",
    "Teamleader": "var(--updated)",
    "HubSpot": "var(--created)",
}


@dataclass(frozen=True)
class Picture:
    """SVG, its heading, and what it shows in words."""

    heading: str
    svg: Markup
    caption: str


def of_report(facts: Any) -> tuple[Picture, ...]:
    """The pictures of one run's report; those of ages only while the tables are of this run."""
    ages = [] if facts.state is None else _ages(facts)
    return (*ages, *of_runs(facts.runs, facts.timezone))


def of_runs(runs: list[dict[str, Any]], timezone: str) -> tuple[Picture, ...]:
    """The pictures that tell of the latest runs together."""
    latest = [_labelled(run, timezone) for run in runs[:SHOWN]][::-1]
    return tuple(_over_time(latest)) if latest else ()


# --- ages ------------------------------------------------------------------------------------------------------------


def _ages(facts: Any) -> list[Picture]:
    as_of = datetime.fromisoformat(facts.run["as_of"]).astimezone(ZoneInfo(facts.timezone)).date()
    found = []
    for kind, names, heading, what in (
        ("contact", _CONTACTS, "Contacts by their last change", "contacts by the quarter of their last change"),
        ("deal", _DEALS, "Deals by their last change of status", "deals by the quarter of their last change of status"),
    ):
        rows = [row for row in facts.state.ages if row["entity_type"] == kind]
        if rows:
            found.append(_age(rows, names, heading, what, as_of))
    return found


def _age(rows: list[dict[str, Any]], names: dict[str, str], heading: str, what: str, as_of: date) -> Picture:
    frame = pl.DataFrame(rows, schema_overrides={"month": pl.Date}).with_columns(
        state=pl.col("status").replace_strict(names, default=pl.col("status")),
        quarter=pl.col("month").dt.truncate("1q"),
    )
    since = years_before(as_of, OLDEST)
    older = frame.filter(pl.col("month") < since)["records"].sum()
    shown = (
        frame.filter(pl.col("month") >= since)
        .group_by("quarter", "state")
        .agg(pl.col("records").sum())
        .sort("quarter", "state")
        .with_columns(until=pl.col("quarter").dt.offset_by("1q"))
    )
    limits = pl.DataFrame({"day": [years_before(as_of, n) for n in (2, 5)], "limit": ["2 years ago", "5 years ago"]})
    bars = (
        alt.Chart(shown)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("quarter:T", title=None, axis=alt.Axis(format="%Y", tickCount={"interval": "year", "step": 1})),
            x2="until:T",
            y=alt.Y("sum(records):Q", title=None, axis=alt.Axis(tickCount=4, tickMinStep=1)),
            color=_colour(names.values(), shown["state"]),
            order=alt.Order("state:N", sort="descending"),
        )
    )
    lines = alt.Chart(limits).mark_rule(strokeDash=[4, 3]).encode(x="day:T")
    words = alt.Chart(limits).mark_text(align="right", dx=-5, y=-8).encode(x="day:T", text="limit:N")
    chart = (bars + lines + words).properties(width=WIDTH, height=_HEIGHT)
    counts = ", ".join(
        f"{n:,} {state}" for state, n in frame.group_by("state", maintain_order=True).agg(pl.sum("records")).iter_rows()
    )
    more = f" {older:,} older ones are not in the picture." if older else ""
    caption = (
        f"{counts}. The lines are the limits of {spoken(as_of)}: {spoken(years_before(as_of, 2))} and"
        f" {spoken(years_before(as_of, 5))}.{more}"
    )
    return Picture(heading, svg(chart, f"Bars: {what}. {caption}"), caption)


# --- runs ------------------------------------------------------------------------------------------------------------


def _labelled(run: dict[str, Any], timezone: str) -> dict[str, Any]:
    local = datetime.fromisoformat(run["started_at"]).replace(tzinfo=UTC).astimezone(ZoneInfo(timezone))
    # two runs of the same minute are two runs: what tells them apart is not shown
    return run | {"label": f"{local.day} {spoken(local.date()).split()[1][:3]} {local:%H:%M}{_APART}{run['run_id']}"}


def _over_time(runs: list[dict[str, Any]]) -> Iterator[Picture]:
    decided = [
        {"run": run["label"], "state": state, "value": n}
        for run in runs
        for state, n in contact_states(run["contact_reasons"]).items()
    ]
    if decided:
        states = ["marketing", "non-marketing", "not in HubSpot", "held", "failed"]
        last = [row for row in decided if row["run"] == decided[-1]["run"]]
        now = ", ".join(f"{row['value']:,} {row['state']}" for row in last)
        yield _bars(decided, states, "Decisions on contacts, run by run", f"The last of these runs: {now}.")
    calls, rates = [], []
    for run in runs:
        for system, name in (("teamleader", "Teamleader"), ("hubspot", "HubSpot")):
            n = run["calls"].get(system, 0)
            calls.append({"run": run["label"], "state": name, "value": n})
            if run["seconds"]:
                rates.append({"run": run["label"], "state": name, "value": round(n / run["seconds"], 2)})
    total = sum(row["value"] for row in calls)
    systems = ["Teamleader", "HubSpot"]
    of = "1 run" if len(runs) == 1 else f"{len(runs):,} runs"
    yield _bars(calls, systems, "Calls, run by run", f"{total:,} calls to both systems in {of}.")
    if rates:
        top = max(row["value"] for row in rates)
        yield _bars(rates, systems, "Calls per second, run by run", f"On average over a run; {top:,.1f} at most.")


def contact_states(reasons: dict[str, int]) -> dict[str, int]:
    """Contacts per state from the counts of a run (`bucket/reason` → number), in a fixed order."""
    counts = dict.fromkeys(("marketing", "non-marketing", "not in HubSpot", "held", "failed"), 0)
    for name, n in reasons.items():
        bucket, _, reason = name.partition("/")
        if bucket == "skipped":
            state = "not in HubSpot"
        elif bucket in ("held", "failed"):
            state = bucket
        else:
            state = "marketing" if reason == "changed_within_2_years" else "non-marketing"
        counts[state] += n
    return {state: n for state, n in counts.items() if n}


def _bars(rows: list[dict[str, Any]], states: list[str], heading: str, said: str) -> Picture:
    axis_of_runs = alt.Axis(labelAngle=-40, labelOverlap=True, labelExpr=f"split(datum.label, '{_APART}')[0]")
    chart = (
        alt.Chart(pl.DataFrame(rows))
        .mark_bar()
        .encode(
            x=alt.X("run:N", sort=None, title=None, axis=axis_of_runs),
            y=alt.Y("sum(value):Q", title=None, axis=alt.Axis(tickCount=4)),
            color=_colour(states, {row["state"] for row in rows}),
            order=alt.Order("place:O"),
        )
        .transform_calculate(place=f"indexof({states!r}, datum.state)")
        .properties(width=WIDTH, height=_HEIGHT)
    )
    return Picture(heading, svg(chart, f"{heading}: bars. {said}"), said)


def _colour(states: Iterable[str], present: Iterable[str]) -> Any:
    """Colours of the states that there are, in the order of `states`."""
    found = set(present)
    names = [state for state in states if state in found]
    return alt.Color("state:N", title=None, scale=alt.Scale(domain=names, range=[_COLOURS[name] for name in names]))
