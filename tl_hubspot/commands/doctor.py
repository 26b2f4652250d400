"""`tl-hubspot doctor`: everything that a sync needs, looked at; changes nothing.

What is looked at is in `orchestration.steps.doctor`, the layout of the list in `reporting.checklist`.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from tl_hubspot.errors import ConfigurationError

_out = Console(highlight=False)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    seen: Annotated[
        str, typer.Option("--seen", metavar="TOPICS", help="What you have seen to yourself, like Companies,HubSpot.")
    ] = "",
) -> None:
    """Check configuration, credentials, scopes, properties, pipelines and limits; say how to mend each."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps.doctor import TOPICS, examine
    from tl_hubspot.reporting import checklist

    topics = [topic.strip() for topic in seen.split(",") if topic.strip()]
    if unknown := [t for t in topics if t.casefold() not in {known.casefold() for known in TOPICS}]:
        raise ConfigurationError(
            f"'{unknown[0]}' is nothing that the doctor looks at", where="--seen", mend=f"Write {', '.join(TOPICS)}"
        )
    with cli._progress() as progress:
        findings = []
        for finding in checklist.seen(examine(cli._settings), topics):
            findings.append(finding)
            progress("Looking", len(findings), None)
    if as_json:
        cli._print_json([f.as_dict() for f in findings])
    else:
        _out.print(checklist.render(findings))
    cli._exit(checklist.exit_code(findings))
