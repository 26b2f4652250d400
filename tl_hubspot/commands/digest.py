"""`tl-hubspot digest`: the summary of a day or a week, or of one run, on the screen or as an e-mail.

The work is done in `orchestration.steps.digesting`, the words are in `reporting.digest`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

_out = Console(highlight=False)


class Period(StrEnum):
    """How far back it looks."""

    daily = "daily"
    weekly = "weekly"


def digest(
    period: Annotated[Period, typer.Option(help="How far back it looks: a day or a week.")] = Period.daily,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="About this run only: its id, or `latest`.")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it to the addresses in TL_HUBSPOT_MAIL__TO.")] = False,
    if_news: Annotated[
        bool, typer.Option("--if-news", help="With --send: no e-mail when there is nothing to say.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """What the latest runs did, what failed and what to do: shown, or sent by e-mail."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import digesting

    platform = cli._platform("digest")
    if send:
        platform.settings.require_mail()
    told = digesting.of_run(platform, run) if run else digesting.of_period(platform, period.value)
    sent = send and (told.has_news or not if_news)
    if sent:
        digesting.send(platform, told)
    if as_json:
        cli._print_json({"subject": told.subject, "text": told.text, "has_news": told.has_news, "sent": sent})
    elif sent:
        sent_to = len(platform.settings.mail.to)
        _out.print(f"Sent to {sent_to:,} {'address' if sent_to == 1 else 'addresses'}: {told.subject}", markup=False)
    elif send:
        _out.print("Nothing to say, so nothing was sent.")
    else:
        _out.print(told.text, markup=False, soft_wrap=True)
