"""docs/performance.md and its pictures, made from the files in benchmarks/results: `python benchmarks/page.py`.

Figures come from the results alone; what can only be told in words stands in `page_words.py`. Measuring is the business
of the other scripts.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import page_words as words

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE, IMAGES = ROOT / "docs" / "performance.md", ROOT / "docs" / "images"
MILLION, WIDTH = 1_000_000, 900
GROWTH = "performance-growth.svg"
Row = dict[str, Any]


class Target(NamedTuple):
    """What is promised of one figure at a million contacts."""

    words: str
    benchmark: str
    case: str
    figure: str
    limit: float
    unit: str
    at_least: bool = False


_SHARE = ("share_of_the_limit", 0.95, "", True)
_PUSH = "first push, 0.3 s per call"
TARGETS = (
    Target("decide, match and plan, everything new", "decide_and_plan", "all of these", "seconds", 12, "s"),
    Target("… its memory", "decide_and_plan", "all of these", "peak_mib", 3 * 1024, "MiB"),
    Target("load contacts from JSON pages", "load", "first", "seconds", 60, "s"),
    Target("… its memory", "load", "first", "peak_mib", 1.2 * 1024, "MiB"),
    Target("`tl-hubspot sync`, nothing changed", "later_runs", "nothing changed again", "seconds", 6, "s"),
    Target("`tl-hubspot sync`, 1,000 changes", "later_runs", "1,000 contacts changed", "seconds", 8, "s"),
    Target("publish the analysts' copy", "publish", "every 100th contact changed", "seconds", 2, "s"),
    Target(
        "push without limits, calls a second", "journal", "no latency, no limit", "calls_per_second", 100, "/s", True
    ),
    Target("push of 325,000 changes, against its calls at the rate", "push", _PUSH, "times_calls_at_the_rate", 1.1, ""),
    Target("… its calls, against the least possible", "push", _PUSH, "times_least_calls", 1.03, ""),
    Target("… its memory, MiB", "push", _PUSH, "peak_mib", 1024, ""),
    Target("share of HubSpot's limit used, 0.1 s per call", "push_rate", "0.1 s per call", *_SHARE),
    Target("… at 1.5 s per call", "push_rate", "1.5 s per call", *_SHARE),
)
TITLES = {
    "load": "Load Teamleader's contacts from JSON pages",
    "decide_and_plan": "Decide, match and plan",
    "publish": "Publish the analysts' copy",
    "later_runs": "`tl-hubspot sync` in a large account",
    "whole_run": "`tl-hubspot sync` from the first run on",
    "push": "Push into a portal that limits calls",
    "journal": "Push without limits, and what the journal costs",
    "push_rate": "How much of HubSpot's limit a push uses",
    "calls": "Calls to Teamleader against the least possible",
    "mirror": "Read HubSpot's contacts back",
    "two_way": "A cycle between HubSpot and Crmoffice",
    "two_way_planner": "Plan a cycle between HubSpot and Crmoffice",
}
"""Benchmarks that the page tells, in this order."""
GROWING = ("load", "decide_and_plan", "publish", "later_runs", "whole_run", "two_way_planner")
"""Those whose records are the contacts of an account; the planner's are linked ones."""


def results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The stored results that the page tells, small worlds first."""
    found = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    mine = [told for told in found if told.get("benchmark") in TITLES]
    return sorted(mine, key=lambda told: (list(TITLES).index(told["benchmark"]), told["rows"][0]["records"]))


def profiles(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """The stored profiles by name, as `flames.py` wrote them."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("profile-*.json"))}


def page(told: list[dict[str, Any]], profiled: dict[str, dict[str, Any]]) -> str:
    """The text of docs/performance.md."""
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for result in told:
        for row in result["rows"]:
            rows[result["benchmark"], row["case"]].append(row)
    measured = {result["benchmark"] for result in told}
    parts = [
        words.INTRODUCTION.format(machines=_machines(told)),
        "## Against what is promised",
        words.PROMISES,
        _promises(rows),
        "## How it grows",
        words.GROWTH,
        _growth(rows),
        f"![Seconds by number of contacts](images/{GROWTH})",
    ]
    for name in (name for name in TITLES if name in measured):
        parts += [f"## {TITLES[name]}", words.OF[name], _figures(name, told)]
    parts.append(words.PROFILES)
    parts += [f"![{flames['profile']}](images/performance-{name}.svg)" for name, flames in profiled.items()]
    parts += ["## Ten million contacts, on paper", words.TEN_MILLION, _ten_million(rows), words.ten_million_calls()]
    parts += [words.MEMORY, words.MEASURED, _moments(told)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _machines(told: list[dict[str, Any]]) -> str:
    machines = dict.fromkeys(
        "{cores} cores of {processor}, {memory_gib} GiB, {system}".format(**result["machine"]) for result in told
    )
    named = ", ".join(f"{name} {number}" for name, number in told[0]["versions"].items())
    return f"{' and '.join(machines)}; {named}"


def _promises(rows: dict[tuple[str, str], list[Row]]) -> str:
    lines = []
    for target in TARGETS:
        measured = [row for row in rows.get((target.benchmark, target.case), ()) if target.figure in row]
        promised = f"{'≥' if target.at_least else '≤'} {_number(target.limit)} {target.unit}".strip()
        if not measured:
            lines.append((target.words, "", promised, "not measured here", ""))
            continue
        row = measured[-1]
        figure, at = row[target.figure], f"{_number(row[target.figure])} {target.unit} at {row['records']:,}"
        enough = target.at_least or 10 * row["records"] >= MILLION
        if enough and row["records"] < MILLION and target.unit and not target.at_least:
            figure = _at(MILLION, measured, target.figure)
            at = f"{at}, so about {_number(figure)} {target.unit}"
        ratio = figure / target.limit
        kept = "yes" if (ratio >= 1 if target.at_least else ratio <= 1) else "**no**"
        kept = kept if enough or ratio > 1 else "not measured at that size"
        lines.append((target.words, f"{ratio:.2f} ×", promised, at, kept))
    return _table(("what", "measured / promised", "promised", "measured", "kept"), lines)


def _growth(rows: dict[tuple[str, str], list[Row]]) -> str:
    lines = []
    for (benchmark, case), measured in rows.items():
        timed = [r for r in measured if "seconds" in r and benchmark in GROWING]
        if len(timed) < 2:
            continue
        sizes = ", ".join(f"{_number(r['seconds'])} s at {r['records']:,}" for r in timed)
        lines.append((f"{TITLES[benchmark]}: {case}", f"{exponent(timed[-2], timed[-1], 'seconds'):.2f}", sizes))
    return _table(("what", "exponent", "seconds"), lines)


def exponent(first: Row, last: Row, figure: str) -> float:
    """By which power of the number of records a figure grows between two sizes."""
    return math.log(last[figure] / first[figure]) / math.log(last["records"] / first["records"])


def _figures(name: str, told: list[dict[str, Any]]) -> str:
    mine = [row for result in told if result["benchmark"] == name for row in result["rows"]]
    figures = list(dict.fromkeys(f for row in mine for f in row if f not in ("case", "records")))
    head = ("what", "contacts", *(f.replace("_mib", ", MiB").replace("_", " ") for f in figures))
    return _table(head, [(r["case"], f"{r['records']:,}", *(_number(r.get(f, "")) for f in figures)) for r in mine])


def _ten_million(rows: dict[tuple[str, str], list[Row]]) -> str:
    lines = []
    for (benchmark, case), measured in rows.items():
        sized = [r for r in measured if "seconds" in r and benchmark in GROWING]
        if (
            len(sized) < 2
            or sized[-1]["records"] < MILLION / 2
            or (benchmark == "decide_and_plan" and case not in ("all of these", "match, plan and store"))
        ):
            continue
        known = {f: [r for r in sized if f in r] for f in ("seconds", "peak_mib", "size_mib")}
        figures = [_number(_at(10 * MILLION, known[f], f)) if len(known[f]) > 1 else "" for f in known]
        lines.append((f"{TITLES[benchmark]}: {case}", *figures))
    return _table(("what", "seconds", "peak, MiB", "on disk, MiB"), lines)


def _at(records: int, measured: list[Row], figure: str) -> float:
    """The figure at another size: by the line through the last two that were measured, in proportion where there is
    one."""
    last = measured[-1]
    if len(measured) == 1:
        return float(last[figure] * records / last["records"])
    first = measured[-2]
    slope = (last[figure] - first[figure]) / (last["records"] - first["records"])
    return float(last[figure] + slope * (records - last["records"]))


def _moments(told: list[dict[str, Any]]) -> str:
    lines = []
    for result in told:
        loop = " and ".join(f"{seconds:.2f} s" for seconds in result["loop_seconds"])
        size = f"{result['rows'][0]['records']:,}"
        on = result["machine"]["processor"], result["measured_at"][:10]
        lines.append((TITLES[result["benchmark"]], size, *on, loop))
    return _table(("what", "contacts", "processor", "day", "the loop before and after"), lines)


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return (
        f"{value:,.0f}"
        if isinstance(value, int) or value >= 100
        else f"{value:,.1f}"
        if value >= 10
        else f"{value:.2f}"
    )


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    rule = "|".join(["---", *["--:"] * (len(head) - 1)])
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(line)} |" for line in lines)])


def pictures(told: list[dict[str, Any]], profiled: dict[str, dict[str, Any]]) -> dict[str, str]:
    """SVG texts by the names of their files."""
    import altair as alt
    import vl_convert

    shown = {("load", "first"), ("decide_and_plan", "all of these"), ("publish", "every 100th contact changed")}
    shown |= {("whole_run", "first run"), ("later_runs", "nothing changed again")}
    shown |= {("two_way_planner", "1 % edited on each side")}
    sized = [
        {"what": f"{TITLES[told_['benchmark']]}: {row['case']}", "contacts": row["records"], "seconds": row["seconds"]}
        for told_ in told
        for row in told_["rows"]
        if (told_["benchmark"], row["case"]) in shown
    ]
    growth = (
        alt.Chart(alt.Data(values=sized), width=640, height=300)
        .mark_line(point=True)
        .encode(
            x=alt.X("contacts:Q").scale(type="log"),
            y=alt.Y("seconds:Q").scale(type="log"),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="bottom", columns=1, labelLimit=0)),
        )
    )
    drawn = {GROWTH: growth}
    for name, flames in profiled.items():
        boxes = [
            box | {"middle": (box["start"] + box["end"]) / 2, "text": _fitting(box), "below": box["depth"] + 0.95}
            for box in flames["boxes"]
        ]
        base = alt.Chart(alt.Data(values=boxes), width=WIDTH, height=20 * (2 + max(box["depth"] for box in boxes)))
        start, depth = alt.X("start:Q", title="share of the samples").axis(format="%"), alt.Y("depth:Q", axis=None)
        drawn[f"performance-{name}.svg"] = base.mark_rect(stroke="white").encode(
            x=start.scale(domain=[0, 1]),
            x2="end:Q",
            y=depth.scale(reverse=True),
            y2="below:Q",
            color=alt.Color("depth:Q", legend=None).scale(scheme="oranges"),
        ) + base.mark_text(fontSize=9).encode(x="middle:Q", y="depth:Q", yOffset=alt.value(9), text="text:N")
    return {name: str(vl_convert.vegalite_to_svg(chart.to_dict())) for name, chart in drawn.items()}


def _fitting(box: dict[str, Any]) -> str:
    """As much of the name as there is room for."""
    letters = int((box["end"] - box["start"]) * WIDTH / 5)
    name: str = box["name"]
    return name[:letters] if letters > 2 else ""


if __name__ == "__main__":
    found, profiled = results(), profiles()
    PAGE.write_text(page(found, profiled))
    for name, svg in pictures(found, profiled).items():
        (IMAGES / name).write_text(svg)
