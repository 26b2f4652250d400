"""Past runs in words: a table of the latest, and what one did, what failed, and what to do about it.

Words only: every fact comes from `orchestration.steps.telling`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tl_hubspot.reporting.reasons import advice
from tl_hubspot.reporting.words import NAMES, made_in_portal, meaning, to_do

ENDED = {
    "done": "done, all confirmed",
    "failed_records": "done, some failed",
    "held": "held by a limit, nothing pushed",
    "planned": "planned only",
    "stopped": "stopped",
    "killed": "killed",
    "running": "still running",
}
COMMANDS = {
    "sync": "A sync",
    "plan": "A plan (nothing is pushed)",
    "approve": "The push of an approved plan",
    "undo": "An undo",
}
BUCKETS = ("created", "updated", "unchanged", "skipped", "held", "failed")
ALSO = {
    "associated": "links made",
    "disassociated": "links taken away",
    "relations_failed": "links that failed",
    "relations_skipped": "links left to the next run",
    "unsubscribed": "addresses unsubscribed",
    "unsubscribes_failed": "addresses that could not be unsubscribed",
    "unsubscribes_skipped": "unsubscribes left to the next run",
    "marketing_confirmed": "marketing contacts confirmed",
    "marketing_unconfirmed": "marketing contacts asked for, not confirmed yet",
    "marketing_failed": "marketing contacts that failed",
    "marketing_skipped": "marketing contacts left to the next run",
}


def table(runs: Sequence[dict[str, Any]]) -> RenderableType:
    """The latest runs, newest first."""
    if not runs:
        return Text("There was no run yet.")
    shown = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("run", "began (UTC)", "command", "how it ended", "writes", "calls", "took"):
        shown.add_column(name, no_wrap=name != "how it ended", justify="right" if name in _RIGHT else "left")
    for run in runs:
        shown.add_row(
            run["run_id"][:8],
            _when(run["started_at"]),
            run["command"],
            _ended(run),
            f"{run['writes']:,}",
            f"{sum(run['calls'].values()):,}",
            took(run["seconds"]),
        )
    return Group(shown, Text("\nWhat one of them did: tl-hubspot run RUN"))


_RIGHT = ("writes", "calls", "took")


def _ended(run: dict[str, Any]) -> str:
    counts = [f"{run['buckets'][b]:,} {b}" for b in ("created", "updated", "held", "failed") if run["buckets"].get(b)]
    if run["undone"]:
        counts = [f"{run['undone'][name]:,} {what}" for name, what in UNDONE if run["undone"].get(name)]
    return ENDED[run["status"]] + (f": {', '.join(counts)}" if counts else "")


UNDONE = (("fields", "fields set back"), ("archived", "archived"), ("disassociated", "links removed"))


def render(run: dict[str, Any]) -> RenderableType:
    """One run in sentences."""
    parts: list[RenderableType] = [Text(_headline(run), style="bold"), Text(_course(run))]
    if run["error"]:
        parts.append(Text(f"Why it stopped: {run['error']}", style="bold red"))
    parts += _section("What it read", _read(run))
    parts += _section("What it did", _did(run))
    parts += _section("What it would do", _planned(run))
    parts += _section("Held by a limit", _guarded(run))
    parts += _section("Held records", _held(run))
    parts += _section("What failed, and what to do", _failed(run))
    parts += _section("To look at", _notices(run))
    parts += _section("Cannot be taken back", for_good(run))
    parts.append(Text(f"\nWrites to protected properties: {run['protected_writes'] or 0}."))
    parts.append(Text(f"The log, one line per event: {run['log']} (run_id {run['run_id']})", overflow="fold"))
    if run["command"] in ("sync", "approve") and any(row["state"] == "done" for row in run["pushed"]):
        parts.append(Text(f"What undoing it would do: tl-hubspot undo {run['run_id'][:8]} --plan"))
    return Group(*parts)


def _headline(run: dict[str, Any]) -> str:
    return f"Run {run['run_id'][:8]}: {COMMANDS.get(run['command'], run['command'])}. {capital(END[run['status']])}"


END = {
    "done": "done: everything is confirmed.",
    "failed_records": "done, but some records failed; the next sync tries them again.",
    "held": "held: the plan is over a limit, so nothing was pushed.",
    "planned": "planned: nothing was changed in HubSpot.",
    "stopped": "stopped before its end; what was confirmed is kept, and the next run goes on from there.",
    "killed": "killed before its end; the next run settles what was under way and goes on from there.",
    "running": "still running.",
}


def _course(run: dict[str, Any]) -> str:
    lasted = f", took {took(run['seconds'])}" if run["seconds"] is not None else ""
    return f"Began {_when(run['started_at'])} UTC{lasted}, decided as of {_when(run['as_of'])} UTC."


def _read(run: dict[str, Any]) -> Iterable[str]:
    if run["command"] == "undo":
        return
    calls = run["calls"]
    what = "All of Teamleader" if run["is_full"] else "What changed in Teamleader"
    by_stream = ", ".join(f"{row['stream'].replace('_', ' ')} {row['made']:,}" for row in run["teamleader_calls"])
    yield f"{what}, with {calls.get('teamleader', 0):,} calls{f' ({by_stream})' if by_stream else ''}."
    yield f"HubSpot, with {calls.get('hubspot', 0) - run['writes']:,} calls."


def _did(run: dict[str, Any]) -> Iterable[str]:
    for kind, buckets in run["by_entity"].items():
        numbers = ", ".join(f"{buckets[b]:,} {b}" for b in BUCKETS if buckets.get(b))
        yield f"{capital(NAMES[kind][1])}: {numbers}."
        for reason, n in run["reasons"][kind].items():
            bucket, _, code = reason.partition("/")
            if bucket == "skipped":
                yield f"   {n:,} skipped: {meaning(code, kind)}."
    also = [f"{n:,} {ALSO.get(name, name.replace('_', ' '))}" for name, n in run["also"].items() if n]
    if also:
        yield f"Also: {', '.join(also)}."
    if run["provisioned"]:
        yield f"Made in HubSpot: {made_in_portal(run['provisioned'])}."
    if undo := run["undo"]:
        numbers = ", ".join(f"{undo[name]:,} {what}" for name, what in UNDONE if undo.get(name)) or "nothing was left"
        yield f"It took back run {undo['of'][:8]}: {numbers}."
        if undo["left"]:
            yield f"Left as it is: {sum(undo['left'].values()):,} ({', '.join(_worded_left(undo['left']))})."
    if not run["by_entity"] and not run["undo"]:
        done: dict[tuple[str, str], int] = {}
        for row in run["pushed"]:
            if row["state"] == "done":
                done[row["entity_type"], row["action"]] = row["records"]
        for (kind, action), n in done.items():
            yield f"Confirmed: {action.replace('_', ' ')} of {n:,} {noun(kind, n)}."
    if run["command"] != "plan":
        yield f"{run['writes']:,} writing {'call' if run['writes'] == 1 else 'calls'} to HubSpot."


def _worded_left(left: dict[str, int]) -> list[str]:
    return [f"{n:,} {code.replace('_', ' ')}" for code, n in left.items()]


def _planned(run: dict[str, Any]) -> Iterable[str]:
    if run["status"] in ("planned", "held"):
        for row in run["planned"]:
            yield f"{row['action'].replace('_', ' ')}: {row['records']:,} {noun(row['entity_type'], row['records'])}."


def _guarded(run: dict[str, Any]) -> Iterable[str]:
    for limit in run["limits"]:
        yield limit["sentence"]
    if run["limits"]:
        yield "Look at `tl-hubspot plan`, then mend the cause, or push exactly this plan:"
        yield f"tl-hubspot approve {run['digest']}"


def _held(run: dict[str, Any]) -> Iterable[str]:
    for row in run["held"]:
        if row["reason"] != "guard":
            what = f"{row['records']:,} {noun(row['entity_type'], row['records'])}"
            advised = to_do(row["reason"], row["entity_type"], row["example"])
            yield f"{what}, for example {row['example']}: {meaning(row['reason'], row['entity_type'])}. {advised}"


def _failed(run: dict[str, Any]) -> Iterable[str]:
    for row in run["failures"]:
        told = advice(row["reason"])
        what = f"{row['records']:,} {noun(row['entity_type'], row['records'])}"
        examples = f", for example {', '.join(row['examples'])}" if row["examples"] else ""
        said = f" HubSpot says: {row['message']}." if row["message"] else ""
        yield f"{what} ({row['reason']}){examples}: {told.means}.{said} {told.do}"


def _notices(run: dict[str, Any]) -> Iterable[str]:
    if run["notices"] is None:
        if run["command"] in ("sync", "approve", "plan"):
            yield "What this run had to report was replaced by that of a later run."
        return
    for row in run["notices"]:
        example = f", for example {row['entity_type']} {row['example']}" if row["example"] else ""
        yield f"{row['code']} ({row['records']:,}){example}: {row['message']}"


def for_good(run: dict[str, Any]) -> Iterable[str]:
    done = {row["action"]: row["records"] for row in run["pushed"] if row["state"] == "done"}
    if n := done.get("unsubscribe"):
        yield f"{n:,} {'person was' if n == 1 else 'people were'} unsubscribed; only they can subscribe again."
    if n := done.get("marketing"):
        yield (
            f"{n:,} {noun('contact', n)} were asked to be made marketing contacts; only a workflow or a person can"
            " change that back."
        )


def noun(kind: str, n: int) -> str:
    return NAMES[kind][n != 1]


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _when(instant: str | None) -> str:
    return datetime.fromisoformat(instant).strftime("%Y-%m-%d %H:%M") if instant else "?"


def took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _section(title: str, lines: Iterable[str]) -> list[RenderableType]:
    shown = [Padding(Text(line.rstrip()), (0, 0, 0, 3)) for line in lines]
    return [Text(f"\n{title}", style="bold"), *shown] if shown else []
