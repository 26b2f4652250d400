"""`tl-hubspot ageing`: who becomes non-marketing, inactive or out of scope in the coming days, and when.

The facts are in `orchestration.steps.ageing`, the words in `reporting.ageing`, the page in `reporting.ageing_page`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

_out = Console(highlight=False)


def ageing(
    days: Annotated[int, typer.Option("--days", min=1, max=3_660, metavar="N", help="How many days ahead.")] = 90,
    entity: Annotated[
        list[str] | None, typer.Option("--entity", metavar="contact|company|deal", help="Only these (may be repeated).")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all records, not the first 20 of each.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Also show names (personal data).")] = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page with a picture.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Who becomes non-marketing, inactive or out of scope, and when, if nobody edits anything."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.run import ENTITIES
    from tl_hubspot.orchestration.steps import ageing as found
    from tl_hubspot.reporting import ageing as printed

    kinds = [cli._entity(kind) for kind in entity or ENTITIES]
    answer = found.ageing(cli._platform("ageing"), days, kinds, names=names)
    if html is not None:
        from tl_hubspot.reporting import ageing_page

        ageing_page.write(html, answer)
        cli._err.print(f"The page is {html}", markup=False, soft_wrap=True)
    if as_json:
        cli._print_json(answer)
    elif html is None:
        _out.print(printed.render(answer, everything=everything))
