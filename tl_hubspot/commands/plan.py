"""`tl-hubspot plan`: everything up to the plan, shown to a person; changes nothing in HubSpot.

The plan is made in `orchestration.steps.planning`; its words are in `reporting.plan`, its page in `plan_page` there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tl_hubspot.errors import ExitCode

_out = Console(highlight=False)
_Words = list[str] | None


def plan(
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="Decide as if it were this date or instant (default: now)."),
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", metavar="LIST", help="Change only these: contacts,companies,deals.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read all of Teamleader again: finds silent changes and deletions.")
    ] = False,
    subset: Annotated[
        str | None,
        typer.Option(
            "--subset",
            metavar="N,N,N",
            help="To begin with: only so many contacts, companies and deals that belong together: 50,10,10.",
        ),
    ] = None,
    calls: Annotated[
        bool, typer.Option("--calls", help="Only how many calls to Teamleader the next run needs, and how long.")
    ] = False,
    entity: Annotated[_Words, typer.Option("--entity", metavar="KIND", help="Show only this kind of record.")] = None,
    action: Annotated[
        _Words, typer.Option("--action", metavar="ACTION", help="Show only this: create, update …")
    ] = None,
    reason: Annotated[
        _Words, typer.Option("--reason", metavar="REASON", help="Show only what has this reason.")
    ] = None,
    record: Annotated[_Words, typer.Option("--record", metavar="ID", help="Show only this record.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all records, not the first 5 of each.")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the plan as a page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Everything up to the plan; changes nothing in HubSpot. Shows old and new value per field."""
    from tl_hubspot import cli

    if calls:
        cli._plan_calls(as_of, full, as_json)
        return
    from dataclasses import replace

    from tl_hubspot.orchestration.steps import costing, planning
    from tl_hubspot.planning import plan as plans
    from tl_hubspot.planning.forecast import tally
    from tl_hubspot.reporting import plan as printed
    from tl_hubspot.reporting.plan_view import Chosen

    chosen = Chosen(entity or (), action or (), reason or (), record or ())
    platform = cli._platform("plan", as_of=as_of, only=only, full=full, subset=subset)
    finished = cli._execute(platform)
    made = planning.stored_plan(platform, finished.run)
    if as_json:
        cli._print_json(plans.to_json(replace(made, changes=chosen.of(made.changes))))
    if not as_json or html is not None:
        calls_to_push = planning.forecast(platform, [tally(made.changes)]).sentence(platform.hubspot.daily_remaining)
        costs = [*costing.marketing(platform, made).sentences(), calls_to_push]
        if html is not None:
            from tl_hubspot.reporting import plan_page

            plan_page.write(html, made, chosen, costs, finished.run)
            cli._err.print(f"The page is {html}", markup=False, soft_wrap=True)
        elif not as_json:
            _out.print(printed.render(made, chosen, costs, everything=everything))
    cli._exit(ExitCode.HELD if made.held else ExitCode.DONE)
