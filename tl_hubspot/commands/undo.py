"""`tl-hubspot undo RUN`: take back what a run wrote to HubSpot, where nobody touched it since.

What happens is in `orchestration.steps.undoing`, the words are in `reporting.undoing`.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from tl_hubspot.errors import ExitCode

_out = Console(highlight=False)


def undo(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, its first characters, or `latest`.")],
    plan: Annotated[bool, typer.Option("--plan", help="Only show what it would do; writes nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Take back what a run wrote to HubSpot, only where nobody touched it since; lists what stays."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import undoing
    from tl_hubspot.reporting import undoing as printed

    platform = cli._platform("undo")
    with cli._progress() as progress:
        platform.progress = progress
        answer = undoing.undo(platform, run, plan_only=plan)
    if as_json:
        cli._print_json(answer)
    else:
        _out.print(printed.render(answer))
    cli._exit(ExitCode.RECORDS_FAILED if answer["counts"]["failed"] else ExitCode.DONE)
