"""Changes of e-mail addresses: in an order in which an address is free before somebody takes it, then made true.

`planning` says which address a contact gets and loses. The primary address travels with the other properties
(`records`); here secondary ones are put and taken away, and what HubSpot made of a changed primary is corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tl_hubspot.hubspot.emails import Addresses, SecondaryEmails
from tl_hubspot.hubspot.objects import Write
from tl_hubspot.hubspot.reactions import Problem
from tl_hubspot.pushing import records
from tl_hubspot.pushing.change import EMAIL, SECONDARY_EMAILS, Change, same_value
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.work import Key, Work, grouped

VACATE = "vacate"
"""Trace id of a call that only gives an address up."""


def update(work: Work, changes: Sequence[Change], step: str) -> None:
    """Carry out updates of contacts that change addresses, level by level."""
    emails = SecondaryEmails(work.gateway)
    ordered, circular = levels(changes)
    for change in circular:
        _vacate(work, emails, change)
    for level in ordered:
        records.update(work, "contact", level, step)
        _correct(work, emails, [c for c in level if not work.failed(c.key)])


def levels(changes: Sequence[Change]) -> tuple[list[list[Change]], list[Change]]:
    """(levels, circular): a change takes only addresses that earlier levels or nobody gives up.

    Where addresses go round in a circle (two contacts swap), one contact of each circle is in `circular`: its old
    address must be given up before the first level.
    """
    giver = {c.email.frees: c for c in changes if c.email and c.email.frees}
    waits_for: dict[Key, Change] = {}
    for change in changes:
        other = giver.get(change.email.new) if change.email else None
        if other is not None and other.key != change.key:
            waits_for[change.key] = other
    circular = _circles(changes, waits_for)
    vacated = {c.key for c in circular}
    waits_for = {key: other for key, other in waits_for.items() if other.key not in vacated}
    depth: dict[Key, int] = {}
    for change in changes:
        chain: list[Change] = []
        current: Change | None = change
        while current is not None and current.key not in depth:
            chain.append(current)
            current = waits_for.get(current.key)
        below = depth[current.key] if current is not None else -1
        for link in reversed(chain):
            below += 1
            depth[link.key] = below
    ordered: list[list[Change]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for change in changes:
        ordered[depth[change.key]].append(change)
    return ordered, circular


def _circles(changes: Sequence[Change], waits_for: dict[Key, Change]) -> list[Change]:
    """One change of each circle. Every change waits for at most one other, so a walk ends or closes."""
    found: list[Change] = []
    finished: set[Key] = set()
    for change in changes:
        walked: dict[Key, Change] = {}
        current: Change | None = change
        while current is not None and current.key not in finished and current.key not in walked:
            walked[current.key] = current
            current = waits_for.get(current.key)
        if current is not None and current.key in walked:
            found.append(current)
        finished |= walked.keys()
    return found


def _vacate(work: Work, emails: SecondaryEmails, change: Change) -> None:
    """Give an old address up before the new one is free. Interrupted here, the next run finds a contact without it."""
    email, hubspot_id = change.email, change.hubspot_id
    if email is None or email.frees is None or hubspot_id is None:
        return
    name = EMAIL if email.action == "replace_primary" else SECONDARY_EMAILS
    intention = work.intention(
        work.new_call(), VACATE, change, hubspot_id, {name: {"before": email.frees, "after": ""}}
    )
    work.ledger.intend([intention])
    problem: Problem | None = None
    if name == EMAIL:
        written = work.wire.update("contact", [Write(VACATE, hubspot_id, {EMAIL: ""})])[VACATE]
        problem = written.problem
    # HubSpot may keep a replaced primary as a secondary address, which is not free either.
    problem = problem or emails.remove(hubspot_id, email.frees)
    message = problem.message if problem else None
    work.ledger.settle([work.settlement(intention, hubspot_id=hubspot_id, message=message)])


@dataclass
class _Correction:
    """What is left to do for one contact, in this order, and what came of it."""

    change: Change
    hubspot_id: str
    add: str | None
    remove: str | None
    before: Addresses
    intention: Row
    problem: Problem | None = None
    taken: bool = False


def _correct(work: Work, emails: SecondaryEmails, changes: Sequence[Change]) -> None:
    """Make the addresses of updated contacts what the plan says, whatever HubSpot did by itself."""
    ids = {c.key: work.ids[c.key] for c in changes if c.email and c.key not in work.addresses_refused}
    now = emails.read(list(ids.values()))
    call_id = work.new_call()
    corrections: list[_Correction] = []
    settled: list[Change] = []
    for change in changes:
        email, hubspot_id = change.email, ids.get(change.key)
        if email is None or hubspot_id is None:
            continue
        if hubspot_id not in now:
            work.ledger.log([work.fail(change, "deleted_in_hubspot", Problem(404, "OBJECT_NOT_FOUND"))])
            continue
        before = now[hubspot_id]
        wanted = email.new if email.is_secondary else email.old if email.keep_old else None
        add = wanted if wanted and wanted not in before else None
        remove = email.frees if email.frees in before else None
        if add or remove:
            after = [a for a in (*before.secondary, add) if a and a != remove]
            images = {SECONDARY_EMAILS: {"before": ";".join(before.secondary) or None, "after": ";".join(after)}}
            intention = work.intention(call_id, f"{call_id}-{len(corrections)}", change, hubspot_id, images)
            corrections.append(_Correction(change, hubspot_id, add, remove, before, intention))
        elif email.is_exchange:
            settled.append(change)
    if corrections:
        work.ledger.intend([c.intention for c in corrections])
    for finished in grouped(work.gateway.run(partial(_carry_out, emails), corrections)):
        with work.ledger.together():
            for _, correction in finished:
                _remember(work, correction)
    if settled:
        with work.ledger.together():
            work.ledger.link([work.link_row(change, ids[change.key]) for change in settled])
            work.ledger.shadow([shadow_of(work, change) for change in settled])
        work.open_addresses -= {change.key for change in settled}


def _carry_out(emails: SecondaryEmails, correction: _Correction) -> _Correction:
    """Called in a worker thread. The old address goes only once the new one is there: never none at all."""
    if correction.add:
        correction.problem = emails.add(correction.hubspot_id, correction.add)
        correction.taken = correction.problem is not None and correction.problem.is_conflict
    if correction.remove and correction.problem is None:
        correction.problem = emails.remove(correction.hubspot_id, correction.remove)
    return correction


def _remember(work: Work, correction: _Correction) -> None:
    change, hubspot_id, problem = correction.change, correction.hubspot_id, correction.problem
    logged: list[Row] = []
    work.open_addresses.discard(change.key)
    if problem is None:
        logged.append(work.log_row(change, hubspot_id, message="secondary addresses written"))
    elif correction.taken:
        logged.append(records.address_taken(work, change, hubspot_id, problem))
        if not change.fields:
            work.succeed(change, hubspot_id, "unchanged", "email_taken")
    else:
        logged.append(work.fail(change, "address_not_written", problem))
    message = problem.message if problem else None
    work.ledger.settle([work.settlement(correction.intention, hubspot_id=hubspot_id, message=message)])
    if problem is None:
        work.ledger.link([work.link_row(change, hubspot_id)])
        work.ledger.shadow([shadow_of(work, change)])
    work.ledger.log(logged)


def shadow_of(work: Work, change: Change) -> Row:
    """The rest of the shadow that was held back until all addresses have their place."""
    remembered = change.shadow if not change.fields else {EMAIL: change.shadow.get(EMAIL)}
    # what the sync had written as the primary counts no more once Teamleader's address is a secondary one
    email = change.email
    own = {EMAIL: None} if email and email.is_secondary and same_value(email.new, change.shadow.get(EMAIL)) else {}
    return work.shadow_row(change, remembered, {SECONDARY_EMAILS: None, **own})
