"""The digest about the runs of a day or a week, or about one that failed: gathered, made, sent.

Facts come from `gathering`, words from `reporting.digest`, the way out is `mail`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tl_hubspot import mail
from tl_hubspot.errors import ConfigurationError, TlHubspotError
from tl_hubspot.orchestration.run import Platform, is_going_on
from tl_hubspot.orchestration.steps import gathering, publish, telling
from tl_hubspot.orchestration.steps.finding import LATEST
from tl_hubspot.orchestration.steps.published import readable
from tl_hubspot.reporting import digest
from tl_hubspot.reporting.digest import Digest, Period
from tl_hubspot.reporting.report import make

_log = logging.getLogger(__name__)
_RUNS = 10_000
"""More than a week can have."""
_UNEXPECTED = "An error that nobody expected; the run in the Dagster UI shows it."


def of_period(platform: Platform, period: Period) -> Digest:
    """About the runs since a day or a week ago. ConfigurationError when there was no run yet."""
    facts = gathering.gather(platform, LATEST)
    return digest.of_period(make.report(facts), telling.runs(platform, _RUNS), period, platform.clock(), facts.timezone)


def of_run(platform: Platform, wanted: str) -> Digest:
    """About one run (see `finding`)."""
    return digest.of_run(make.report(gathering.gather(platform, wanted)))


def of_failed_run(platform: Platform, run_id: str, error: str) -> Digest:
    """About a run that Dagster calls failed; `error`: what stopped it, in case the run could not store it itself."""
    _bring_up_to_date(platform, run_id)
    try:
        facts = gathering.gather(platform, run_id)
    except ConfigurationError:
        return digest.of_unopened(run_id, error)
    if facts.run["status"] in ("killed", "running"):
        facts = replace(facts, run=facts.run | {"status": "stopped", "error": error})
    return digest.of_run(make.report(facts))


def sentence_of(failures: Iterable[Any]) -> str:
    """What stopped a run, by Dagster's errors of its steps: our own sentence, nothing of any other error."""
    ours = {kind.__name__ for kind in _kinds(TlHubspotError)}
    for error in failures:
        while error is not None:
            if error.cls_name in ours:
                return str(error.message).partition(": ")[2].strip() or _UNEXPECTED
            error = error.cause
    return _UNEXPECTED


def _kinds(kind: type[TlHubspotError]) -> Iterable[type[TlHubspotError]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from _kinds(derived)


def send(platform: Platform, told: Digest) -> None:
    """Send it to everybody in `mail.to`; see `mail.send` for what may go wrong."""
    mail.send(platform.settings, told.subject, told.text, told.html)


def _bring_up_to_date(platform: Platform, run_id: str) -> None:
    """A run that failed under Dagster ends before the copy for readers is made."""
    if is_going_on(platform.settings.data) or not platform.warehouse.exists():
        return
    if platform.settings.published.exists():
        known = readable(platform).read("select finished_at from sync.runs where run_id = ?", [run_id])
        if known.height and known.item() is not None:
            return
    try:
        publish.publish(platform)
    except TlHubspotError as error:
        _log.warning("The digest is made of the copy as it was. %s", error.sentence)
