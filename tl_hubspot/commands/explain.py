"""`tl-hubspot explain contact|company|deal ID`: why one record is what it is, and what would change it.

The facts are in `orchestration.steps.explaining`, the words in `reporting.explanation`.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import click
import typer
from rich.console import Console

from tl_hubspot.errors import ConfigurationError

_out = Console(highlight=False)


def explain(
    entity: Annotated[str, typer.Argument(metavar="contact|company|deal")],
    record: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Teamleader id, HubSpot id, e-mail address, VAT number, or the address of its page;"
            " of a contact also its Crmoffice id (crmoffice:ID where HubSpot has the same number).",
        ),
    ],
    lang: Annotated[str, typer.Option("--lang", metavar="en|nl", help="English or Dutch.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Why one record is what it is: every rule in order, with its input, limit, date and outcome."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import explaining
    from tl_hubspot.reporting import explanation

    kind = cli._entity(entity)
    if lang not in explanation.LANGUAGES:
        raise ConfigurationError(f"'{lang}' is no language that is spoken here", where="--lang", mend="Write en or nl")
    platform = cli._platform("explain")
    try:
        answer = explaining.explain(platform, kind, record)
        if "candidates" in answer:
            answer = explaining.explain(platform, kind, _chosen(answer, lang, as_json=as_json))
    except ConfigurationError as error:
        raise explanation.said(error, lang) from error
    if as_json:
        cli._print_json(explanation.translated(answer, lang))
    else:
        _out.print(explanation.render(answer, lang))


def _chosen(answer: dict[str, Any], lang: str, *, as_json: bool) -> str:
    """Which of several records is meant: asked on a terminal; ConfigurationError where nobody can be asked."""
    from tl_hubspot import cli
    from tl_hubspot.reporting import explanation

    rows = answer["candidates"]
    if as_json:
        cli._print_json(answer)
    else:
        _out.print(explanation.candidates(answer, lang))
    if as_json or not (sys.stdin and sys.stdin.isatty() and _out.is_terminal):
        raise ConfigurationError(
            f"{len(rows)} records are meant by that", mend="Run explain again with the Teamleader id of one of them"
        )
    number = typer.prompt(explanation.speaker(lang)("Which one"), type=click.IntRange(1, len(rows)))
    return str(rows[number - 1]["teamleader_id"])
