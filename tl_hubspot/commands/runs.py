"""`tl-hubspot runs` and `tl-hubspot run ID`: what past runs did, and what to do about what failed.

The facts are in `orchestration.steps.telling`, the words in `reporting.runs`.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

_out = Console(highlight=False)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def runs(
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="How many of the latest runs.")] = 20,
    as_json: Json = False,
) -> None:
    """The latest runs: when, what, how it ended, how much was written."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import telling
    from tl_hubspot.reporting import runs as printed

    found = telling.runs(cli._platform("runs"), limit)
    if as_json:
        cli._print_json({"runs": found})
    else:
        _out.print(printed.table(found))


def run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, its first characters, or `latest`.")],
    as_json: Json = False,
) -> None:
    """What one run did, what failed and what to do about it, in sentences."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import telling
    from tl_hubspot.reporting import runs as printed
    from tl_hubspot.reporting.reasons import advice

    told = telling.run(cli._platform("run"), run)
    if as_json:
        told["failures"] = [row | vars(advice(row["reason"])) for row in told["failures"]]
        cli._print_json(told)
    else:
        _out.print(printed.render(told))
