"""`tl-hubspot audit`: reads HubSpot back and lists what is no longer as the sync confirmed it.

What counts as drift stands in `planning.audit`, the words are in `reporting.audit`.
"""

from __future__ import annotations

import random
from typing import Annotated

import typer
from rich.console import Console

_out = Console(highlight=False)


def audit(
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, metavar="N", help="Only N linked records of each kind, at random.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Which ones: the same seed takes the same records.")
    ] = None,
    values: Annotated[bool, typer.Option("--values", help="Also show the values (personal data).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Read HubSpot back and list what is no longer as the sync confirmed it; writes nothing."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import auditing
    from tl_hubspot.reporting import audit as printed

    platform = cli._platform("audit")
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    with cli._progress() as progress:
        platform.progress = progress
        answer = auditing.audit(platform, size=sample, seed=chosen, values=values)
    if as_json:
        cli._print_json(answer)
    else:
        _out.print(printed.render(answer))
