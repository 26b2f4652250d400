"""Carry opt-outs over: unsubscribe addresses, remember each as soon as it is confirmed. Never the other way.

Which addresses is decided in `planning.opt_outs`; the calls are in `hubspot.subscriptions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tl_hubspot.hubspot.reactions import Problem
from tl_hubspot.hubspot.subscriptions import BATCH, Subscriptions
from tl_hubspot.pushing.change import Change
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.work import Key, Work, chunked, grouped

STEP = "opt-outs"
_IMAGES = {"hs_email_optout": {"before": None, "after": "true"}}


def push(work: Work, changes: Sequence[Change]) -> None:
    """Carry out rows `unsubscribe`; an opt-out counts as done when all its addresses are unsubscribed."""
    subscriptions = Subscriptions(work.gateway)
    ready = [c for c in changes if work.hubspot_id(c.key, c.hubspot_id) is not None]
    if len(ready) < len(changes):
        # Contacts that were to be created in this push and were not: HubSpot does not know their addresses.
        skipped = [work.skip_row(c, "record_failed") for c in changes if work.hubspot_id(c.key, c.hubspot_id) is None]
        work.counts["unsubscribes_skipped"] += len(skipped)
        work.ledger.log(skipped)
    done = 0
    for chunk in chunked(ready, BATCH):
        call_id = work.new_call()
        intentions = {
            c.key: work.intention(call_id, f"{call_id}-{n}", c, work.hubspot_id(c.key, c.hubspot_id), _IMAGES)
            for n, c in enumerate(chunk)
        }
        work.ledger.intend(list(intentions.values()))
        wanted = {c.key: addresses_of(c) for c in chunk}
        of_address: dict[str, list[Change]] = {}
        for change in chunk:
            for address in wanted[change.key]:
                of_address.setdefault(address, []).append(change)
        problems: dict[tuple[str, str], Problem] = {}
        for answered in grouped(subscriptions.unsubscribe(list(of_address))):
            finished: list[Change] = []
            for address, problem in answered:
                for change in of_address[address]:
                    if problem is not None:
                        problems[change.key] = problem
                    wanted[change.key].discard(address)
                    if not wanted[change.key]:
                        finished.append(change)
            _settle(work, finished, intentions, problems)
            done += len(finished)
            work.progress(STEP, done, len(changes))


def addresses_of(change: Change) -> set[str]:
    """The addresses that a row `unsubscribe` asks for."""
    return {a.lower() for a in change.details.get("addresses", ())}


def row(work: Work, change: Change) -> Row:
    """The row of `sync.opt_outs` once all of them are unsubscribed."""
    return {
        "address": change.details["address"],
        "unsubscribed": list(change.details["addresses"]),
        "run_id": work.settings.run_id,
        "at": work.settings.now(),
    }


def consents(work: Work, change: Change, hubspot_id: str | None) -> list[Row]:
    """What the consent ledger says of it: one event per address."""
    return [
        work.consent_row(change, hubspot_id, "unsubscribed", address=address, hubspot_opted_out=True)
        for address in change.details["addresses"]
    ]


def _settle(
    work: Work, changes: Sequence[Change], intentions: Mapping[Key, Row], problems: Mapping[Key, Problem]
) -> None:
    settled: list[Row] = []
    known: list[Row] = []
    logged: list[Row] = []
    said: list[Row] = []
    for change in changes:
        intention, problem = intentions[change.key], problems.get(change.key)
        hubspot_id, message = intention["hubspot_id"], problem.message if problem else None
        settled.append(work.settlement(intention, hubspot_id=hubspot_id, message=message))
        if problem is None:
            work.counts["unsubscribed"] += 1
            known.append(row(work, change))
            said += consents(work, change, hubspot_id)
            logged.append(work.log_row(change, hubspot_id, message="unsubscribed from all e-mail"))
        else:
            work.counts["unsubscribes_failed"] += 1
            if hubspot_id is not None:
                work.never_ask.add(hubspot_id)
            address = change.details["address"]
            said.append(
                work.consent_row(change, hubspot_id, "unsubscribe_failed", address=address, reason=problem.reason)
            )
            message = f"not unsubscribed: {problem.message}"
            logged.append(work.failure_row(change, hubspot_id, problem.reason, message, problem))
    with work.ledger.together():
        work.ledger.settle(settled)
        work.ledger.opt_out(known)
        work.ledger.consent(said)
        work.ledger.log(logged)
