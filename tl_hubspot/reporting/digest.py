"""The digest: a report in an e-mail, as text and as HTML. Pure: it says, it sends nothing.

What a run did and what to do about it comes from the same view as the report (`reporting.report.view`); sending is
`tl_hubspot.mail`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from tl_hubspot.reporting import pages
from tl_hubspot.reporting.report import view
from tl_hubspot.reporting.report.view import Record, Report, RunLine

Period = Literal["daily", "weekly"]
DAYS: dict[str, int] = {"daily": 1, "weekly": 7}
RECORDS, RUNS = 5, 20
"""So many records per problem and runs are named; the report has the others."""


@dataclass(frozen=True)
class Digest:
    """One e-mail. `has_news`: something was written, went wrong, or waits for a person."""

    subject: str
    text: str
    html: str
    has_news: bool


def of_run(report: Report) -> Digest:
    """About one run that did not end well."""
    return _digest(f"{report.title}: {_short(report)}", report, (), (report.ended, *report.course), has_news=True)


def of_period(report: Report, runs: Sequence[dict[str, Any]], period: Period, now: datetime, timezone: str) -> Digest:
    """About the runs since a day or a week before `now`. `runs`: rows as of `telling.runs`; `report`: of the latest."""
    since = now - timedelta(days=DAYS[period])
    recent = [run for run in runs if datetime.fromisoformat(run["started_at"]) >= since]
    written = {b: sum(run["buckets"].get(b, 0) for run in recent) for b in ("created", "updated")}
    bad = [run for run in recent if run["status"] not in ("done", "planned", "running")]
    name = "Today" if period == "daily" else "This week"
    counted = _counted(len(recent), "run")
    sentences = [
        f"{counted} since {view.when(since, timezone)}:"
        f" {_counted(written['created'], 'record')} created in HubSpot, {written['updated']:,} updated.",
        _ended(len(recent), len(bad)),
    ]
    if report.problems:
        subject = f"{name}: {_short(report)}"
    elif bad:
        subject = f"{name}: {len(bad):,} of {counted} did not end well"
    else:
        subject = f"{name}: {counted}, nothing to do"
    lines = view.timeline(recent[:RUNS], timezone)
    # a schedule that stopped is news too
    has_news = bool(report.problems or bad or any(written.values()) or not recent)
    return _digest(subject, report, lines, sentences, has_news=has_news)


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what if n == 1 else what + 's'}"


def _ended(runs: int, badly: int) -> str:
    if not runs:
        return "Nothing ran."
    if runs == 1:
        return "It did not end well." if badly else "It ended well."
    return f"{badly:,} of them did not end well." if badly else "All ended well."


def of_unopened(run_id: str, error: str) -> Digest:
    """About a run that failed before it began: nothing is stored of it."""
    sentences = (f"Run {run_id[:8]} failed before it began. {error}", "The run in the Dagster UI shows more.")
    return Digest(
        subject="tl-hubspot: a run failed before it began",
        text="\n\n".join(sentences) + "\n",
        html=pages.render("digest.html.j2", title="A run failed", sentences=sentences, report=None, runs=()),
        has_news=True,
    )


def _short(report: Report) -> str:
    if report.error:
        return "the run stopped"
    if report.guards:
        return "held by a limit, nothing was pushed"
    n = report.problems
    if not n:
        return report.ended
    return f"{n:,} {'record needs' if n == 1 else 'records need'} a person"


def _digest(
    subject: str, report: Report, runs: Sequence[RunLine], sentences: Sequence[str], *, has_news: bool
) -> Digest:
    return Digest(
        subject=f"tl-hubspot · {subject}",
        text=_text(subject, report, runs, sentences),
        html=pages.render(
            "digest.html.j2", title=subject, sentences=sentences, report=report, runs=runs, listed=RECORDS
        ),
        has_news=has_news,
    )


def _text(heading: str, report: Report, runs: Sequence[RunLine], sentences: Sequence[str]) -> str:
    lines = [heading, "=" * len(heading), "", *sentences]
    if report.error:
        lines += ["", f"Why it stopped: {report.error}"]
    if report.guards:
        lines += ["", "Nothing was pushed: the plan is over a limit.", *(f"  * {g}" for g in report.guards)]
        lines += ["  What to do: look at `tl-hubspot plan`, then mend the cause, or push exactly this plan:"]
        lines += [f"  {report.approve}"]
    for trouble in (*report.failures, *report.held, *report.waiting):
        lines += ["", f"* {trouble.what}", *([f"  {trouble.said}"] if trouble.said else [])]
        lines += [f"  What to do: {trouble.do}"] if trouble.do else []
        lines += [f"  - {_named(record)}" for record in trouble.records[:RECORDS]]
        if trouble.count > RECORDS:
            lines.append(f"  - and {trouble.count - min(RECORDS, len(trouble.records)):,} more")
    if report.cards:
        lines += ["", "The latest run in numbers: " + ", ".join(f"{c.value} {c.label}" for c in report.cards) + "."]
    if runs:
        lines += ["", "Runs", *(f"  {r.when}  {r.command}: {r.ended}; {r.written}" for r in runs)]
    return "\n".join([*lines, "", _more(report), ""])


def _named(record: Record) -> str:
    pages_ = [url for url in (record.teamleader_url, record.hubspot_url) if url]
    ids = [f"Teamleader {record.teamleader_id}" if record.teamleader_id else ""]
    ids.append(f"HubSpot {record.hubspot_id}" if record.hubspot_id else "")
    ids.append(f"Crmoffice {record.crmoffice_id}" if record.crmoffice_id else "")
    return f"{record.entity_type}: {', '.join(filter(None, ids))} {' '.join(pages_)}".rstrip()


def _more(report: Report) -> str:
    return f"The whole report: tl-hubspot report {report.run_id[:8]}"
