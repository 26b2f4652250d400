"""What time alone will change, as a page of HTML: how many in which week, then who and when.

The words are those of `reporting.ageing`. Altair is slow to import, and so is this module: only where a page is made.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
from markupsafe import Markup

from tl_hubspot.reporting import ageing as told
from tl_hubspot.reporting import pages
from tl_hubspot.reporting.ageing import EFFECTS, KINDS
from tl_hubspot.reporting.pages.pictures import WIDTH, svg

_COLOURS = {
    "non_marketing": "var(--created)",
    "marketing": "var(--updated)",
    "inactive": "var(--held)",
    "out_of_scope": "var(--failed)",
    "in_scope": "var(--unchanged)",
}
_SHORT = {
    "non_marketing": "non-marketing",
    "marketing": "marketing",
    "inactive": "inactief",
    "out_of_scope": "out of scope",
    "in_scope": "into scope",
}
_BARS = 20
"""At most about that many stretches of time stand beside each other."""


def write(path: Path, answer: dict[str, Any]) -> Path:
    """Store the page; ConfigurationError when the place cannot be written to."""
    return pages.write(path, page(answer))


def page(answer: dict[str, Any]) -> str:
    """The page."""
    groups = told.groups(answer)
    stretch = _stretch(answer["days"])
    days = "day" if stretch == 1 else f"{stretch} days"
    return pages.render(
        "ageing.html.j2",
        title=f"What time changes in {answer['days']:,} days",
        kicker="Teamleader to HubSpot",
        lead=told.lead(answer),
        cards=_cards(answer["totals"]),
        picture=_picture(answer, stretch) if groups else None,
        caption=f"Records whose decision changes, per {days}, by what happens to them.",
        groups=[
            {"heading": g.heading, "heads": _heads(g.rows[0]), "rows": [_row(row) for row in g.rows]} for g in groups
        ],
        foot=told.FOOT,
    )


def _cards(totals: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    return [
        {"number": counts[effect], "label": f"{KINDS[kind].lower()} {words}"}
        for kind, counts in totals.items()
        for effect, words in EFFECTS.items()
        if counts.get(effect)
    ]


def _stretch(days: int) -> int:
    """Days per bar: single days, weeks, or as many weeks as keep the bars apart."""
    return 1 if days <= _BARS else 7 * -(-days // (7 * _BARS))


def _picture(answer: dict[str, Any], stretch: int) -> Markup:
    first = date.fromisoformat(answer["from"]) + timedelta(days=1)
    found = [row for row in answer["changes"] if row["effect"] in EFFECTS]
    starts = [first + (date.fromisoformat(row["on"]) - first) // (d := timedelta(days=stretch)) * d for row in found]
    bars = (
        pl.DataFrame({"start": starts, "effect": [row["effect"] for row in found]})
        .group_by("start", "effect")
        .len("records")
        .sort("start", "effect")
    )
    effects = [effect for effect in EFFECTS if effect in bars["effect"]]
    every = [first + timedelta(days=n) for n in range(0, answer["days"], stretch)]
    shown = bars.select(pl.col("start").cast(pl.String), "records", what=pl.col("effect").replace(_SHORT))
    chart = (
        alt.Chart(shown)
        .mark_bar()
        .encode(
            x=alt.X(
                "start:O",
                title="from",
                scale=alt.Scale(domain=[str(day) for day in every]),
                axis=alt.Axis(labelAngle=-45, labelOverlap=True),
            ),
            y=alt.Y("sum(records):Q", title="records", axis=alt.Axis(tickMinStep=1, format="d")),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=[_SHORT[e] for e in effects], range=[_COLOURS[e] for e in effects]),
                sort=[_SHORT[e] for e in effects],
            ),
        )
        .properties(width=WIDTH, height=170)
    )
    numbers = ", ".join(f"{EFFECTS[e]}: {bars.filter(effect=e)['records'].sum():,}" for e in effects)
    return svg(chart, f"Bars of the records that reach a limit from {first} on; {numbers}.")


def _heads(row: dict[str, Any]) -> list[str]:
    return ["On", "Teamleader", *(["Name"] if "name" in row else []), "HubSpot"]


def _row(row: dict[str, Any]) -> list[Any]:
    there = row["teamleader_id"]
    if row["teamleader_url"]:
        there = Markup('<a href="{}" rel="noreferrer">{}</a>').format(row["teamleader_url"], there)
    name = [row["name"] or "(no name)"] if "name" in row else []
    return [row["on"], there, *name, row["hubspot_id"] or "not in HubSpot"]
