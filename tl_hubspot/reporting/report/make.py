"""Facts become a report, and a report becomes a page. `view` has the shapes; nothing here reads or writes anything."""

from __future__ import annotations

from typing import Any

from tl_hubspot.reporting import pages
from tl_hubspot.reporting import runs as told
from tl_hubspot.reporting.report import state, troubles, two_way, view
from tl_hubspot.reporting.report.view import Report, RunLine

AROUND = 10
"""Runs of the time line on a report; the index has all."""


def report(facts: Any) -> Report:
    """The report of `facts` (`orchestration.steps.gathering.Facts`)."""
    run, timezone, account, now = facts.run, facts.timezone, facts.account, facts.state
    of_state: dict[str, Any] = {}
    if now is not None:
        of_state = {
            "duplicates": state.duplicates(now.duplicates, account),
            "duplicates_total": state.totals(now.duplicates),
            "quality": state.quality(now.quality, now.totals, account),
            "drift": state.drift(now.drift, account),
            "drift_said": state.drift_said(now.compared, now.drift),
            "soon": state.soon(now.soon),
        }
    return Report(
        run_id=run["run_id"],
        title=f"{view.title(run)} of {view.when(run['started_at'], timezone)}",
        kicker=f"Teamleader to HubSpot · run {run['run_id'][:8]}",
        ended=told.capital(told.END[run["status"]]),
        tone=view.TONES[run["status"]],
        error=run["error"],
        course=view.course(run, timezone),
        cards=view.cards(run),
        buckets=view.bucket_rows(run),
        reasons=view.reason_rows(run),
        also=view.also(run),
        for_good=troubles.for_good(run),
        guards=troubles.guards(run),
        approve=f"tl-hubspot approve {run['digest']}" if run["limits"] and run["digest"] else "",
        failures=troubles.failures(run, facts.troubled, account, timezone),
        held=troubles.held(run, facts.troubled, account),
        notices=troubles.notices(run),
        timeline=view.timeline(around(facts.runs, run["run_id"]), timezone, run["run_id"]),
        is_latest=now is not None,
        two_way=two_way.two_way(facts.two_way, account, timezone),
        **of_state,
    )


def around(runs: list[dict[str, Any]], run_id: str) -> list[dict[str, Any]]:
    """The runs of a short time line: those just before and after that run."""
    at = next((n for n, run in enumerate(runs) if run["run_id"] == run_id), 0)
    first = max(0, min(at - AROUND // 2, len(runs) - AROUND))
    return runs[first : first + AROUND]


def page(facts: Any) -> str:
    """The report as one HTML document."""
    from tl_hubspot.reporting.report import charts

    made = report(facts)
    return pages.render(
        "report.html.j2", title=made.title, kicker=made.kicker, report=made, pictures=charts.of_report(facts)
    )


def index(facts: Any, reports: frozenset[str]) -> str:
    """The list of runs as one HTML document; `reports`: ids of the runs whose report lies beside it."""
    from tl_hubspot.reporting.report import charts

    runs, timezone = facts.runs, facts.timezone
    lines: tuple[RunLine, ...] = view.timeline(runs, timezone, reports=reports)
    between = two_way.two_way(facts.two_way_now, facts.account, timezone)
    return pages.render(
        "index.html.j2", title="Runs", runs=lines, pictures=charts.of_runs(runs, timezone), two_way=between
    )
