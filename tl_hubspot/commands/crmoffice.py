"""`tl-hubspot crmoffice …`: the two-way flow between HubSpot and Crmoffice.

What is done stands in `orchestration.steps.two_way`, what is said about it in `reporting.two_way`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tl_hubspot.errors import ConfigurationError

if TYPE_CHECKING:
    from tl_hubspot.orchestration.run import Platform
    from tl_hubspot.orchestration.steps.two_way.cycle import Cycle

app = typer.Typer(help="Keep contacts equal in HubSpot and Crmoffice, whichever side is edited.", no_args_is_help=True)
_out = Console(highlight=False)

Full = Annotated[bool, typer.Option("--full", help="Read both systems whole, not only what changed.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command()
def sync(full: Full = False, as_json: Json = False) -> None:
    """One cycle: read both sides, link, and write what differs to the other side."""
    _cycle(full=full, as_json=as_json, writes=True)


@app.command()
def plan(
    full: Full = False,
    everything: Annotated[bool, typer.Option("--all", help="Every record, not only the first of each kind.")] = False,
    as_json: Json = False,
) -> None:
    """What `crmoffice sync` would do now, with old and new values; writes to neither system."""
    _cycle(full=full, as_json=as_json, writes=False, everything=everything)


@app.command()
def conflicts(as_json: Json = False) -> None:
    """Every conflict there was: both values, who won, and the value that lost."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps.two_way import conflicts as log
    from tl_hubspot.reporting import two_way as printed

    entries = log.entries(cli._platform("crmoffice"))
    if as_json:
        cli._print_json({"conflicts": entries})
    else:
        _out.print(printed.conflict_log(entries), soft_wrap=True)


@app.command()
def resolve(
    conflict: Annotated[str, typer.Argument(metavar="CONFLICT", help="Id, as `crmoffice conflicts` shows it.")],
    use: Annotated[str, typer.Option("--use", metavar="hubspot|crmoffice", help="Whose value counts.")],
) -> None:
    """Decide a conflict that waits for you, or put back the value that lost."""
    from tl_hubspot.orchestration.steps.two_way import conflicts as log

    if use not in ("hubspot", "crmoffice"):
        raise ConfigurationError(f"'{use}' is no side", where="--use", mend="Write hubspot or crmoffice")
    _settle(lambda platform: log.resolve(platform, conflict, "hubspot" if use == "hubspot" else "crmoffice"))


@app.command()
def held(as_json: Json = False) -> None:
    """What waits for you, and the command that settles it: conflicts, refused values, people who look the same."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps.two_way import waiting
    from tl_hubspot.reporting import two_way_waiting as printed

    platform = cli._platform("crmoffice")
    rows = waiting.waiting(platform.warehouse, platform.flows) if platform.warehouse.exists() else []
    if as_json:
        cli._print_json({"waiting": printed.as_json(rows)})
    else:
        _out.print(printed.render(rows), crop=False)


@app.command()
def link(
    hubspot: Annotated[str, typer.Argument(metavar="HUBSPOT_ID", help="Contact in HubSpot.")],
    crmoffice: Annotated[str, typer.Argument(metavar="CRMOFFICE_ID", help="Contact in Crmoffice.")],
) -> None:
    """Say that two contacts are the same person, where the key does not tell."""
    from tl_hubspot.orchestration.steps.two_way import settling

    _settle(lambda platform: settling.link(platform, hubspot, crmoffice))


@app.command()
def release(
    pair: Annotated[str, typer.Argument(metavar="PAIR", help="Name of the pair, as `crmoffice held` shows it.")],
) -> None:
    """Let a refused value be sent again at once, or what is left of a pair be linked or made again."""
    from tl_hubspot.orchestration.steps.two_way import settling

    _settle(lambda platform: settling.release(platform, pair))


def _settle(decide: Callable[[Platform], str]) -> None:
    from tl_hubspot import cli

    platform = cli._platform("crmoffice")
    try:
        said = decide(platform)
    finally:
        platform.close()
    _out.print(said, markup=False, soft_wrap=True)


def approve(digest: str) -> None:
    """One cycle of the flow that was held with this digest, and the end; comes back when there is no such flow."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps.two_way import cycle

    platform = cli._platform("crmoffice", approved=digest)
    if cycle.held_flow(platform) is not None:
        _told(platform, cycle.approve, as_json=False, writes=True)


def _cycle(*, full: bool, as_json: bool, writes: bool, everything: bool = False) -> None:
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps.two_way import cycle

    steps = partial(cycle.sync if writes else cycle.plan, full=full)
    _told(cli._platform("crmoffice"), steps, as_json=as_json, writes=writes, everything=everything)


def _told(
    platform: Platform,
    steps: Callable[[Platform], list[Cycle]],
    *,
    as_json: bool,
    writes: bool,
    everything: bool = False,
) -> None:
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import publish
    from tl_hubspot.orchestration.steps.two_way import cycle
    from tl_hubspot.reporting import two_way, two_way_plan

    try:
        with cli._progress() as progress:
            platform.progress = progress
            cycles = steps(platform)
        if writes:
            publish.publish(platform)
    finally:
        platform.close()
    code = cycle.exit_code(cycles)
    if as_json:
        cli._print_json({"flows": [_as_json(made) for made in cycles]})
    else:
        for made in cycles:
            told = made.flow, made.status, made.counts, made.plan
            if writes:
                _out.print(two_way.summary(*told), soft_wrap=True)
            else:
                _out.print(two_way_plan.render(*told, everything=everything))
    cli._exit(code)


def _as_json(made: Cycle) -> dict[str, object]:
    from tl_hubspot.reporting import two_way_plan

    return two_way_plan.plan_json(made.flow, made.plan) | {"status": made.status, "counts": made.counts}
