"""`tl-hubspot report [RUN]`: writes the HTML report of a run and the index of runs.

The work is done in `orchestration.steps.reports`.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

_out = Console(highlight=False)


def report(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Id of the run, its first characters, or `latest`.")
    ] = "latest",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Write the report of a run as one HTML file, and the index of runs; open it in a browser, send it to anybody."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import reports

    path = reports.write(cli._platform("report"), run)
    index = path.with_name(reports.INDEX)
    if as_json:
        cli._print_json({"report": str(path), "index": str(index)})
    else:
        _out.print(f"Report: {path}\nAll runs: {index}", markup=False, soft_wrap=True)
