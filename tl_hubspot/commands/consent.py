"""`tl-hubspot consent`: is the evidence whole, and what is known of one person's consent.

Only prints; the ledger is read by `orchestration.steps.evidence`.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from tl_hubspot.errors import ExitCode, TlHubspotError

app = typer.Typer(help="The consent ledger: verify it, or show what is known of one person.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


class Broken(TlHubspotError):
    """The ledger is not what was written."""

    exit_code = ExitCode.RECORDS_FAILED


@app.command()
def verify(
    noted: Annotated[
        str | None, typer.Option(metavar="HASH", help="A last hash noted earlier, which must still be in the ledger.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Whether every row is as it was written; exit code 1 names the first that is not."""
    from tl_hubspot.orchestration.steps import evidence
    from tl_hubspot.reporting import consent

    platform = _platform()
    found = evidence.verify(platform, noted)
    if as_json:
        broken = {"seq": found.broken.seq, "what": found.broken.what} if found.broken else None
        _print({"rows": found.head.seq, "last_hash": found.head.hash, "whole": broken is None, "broken": broken})
    if found.broken is not None:
        raise Broken(
            consent.verified(found.head, found.broken).rstrip("."),
            where=str(platform.settings.database),
            mend="Compare it with a copy of the data folder; nothing that the program does changes or removes a row",
        )
    if not as_json:
        sys.stdout.write(consent.verified(found.head, None) + "\n")


@app.command()
def show(
    person: Annotated[str, typer.Argument(metavar="ADDRESS|TEAMLEADER_ID|HUBSPOT_ID")], as_json: Json = False
) -> None:
    """What Teamleader and HubSpot said of one person, what was decided and done, oldest first."""
    from tl_hubspot.orchestration.steps import evidence
    from tl_hubspot.reporting import consent

    rows = evidence.history(_platform(), person)
    if as_json:
        _print(consent.to_json(rows))
    else:
        sys.stdout.write(consent.sentences(rows) + "\n")


def _platform() -> Any:
    from tl_hubspot.config import settings
    from tl_hubspot.orchestration.run import Platform, RunOptions

    return Platform(settings.load(), RunOptions(command="consent"))


def _print(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")
