"""The canary: of a large push a few records go first and are read back, before the rest goes.

It stops what is wrong as a whole (a mapping to the wrong property, a portal that takes values and drops them) after a
few records instead of all. A single record that fails is no reason: that is settled in `records`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tl_hubspot.errors import TlHubspotError
from tl_hubspot.hubspot.objects import BATCH, batch_read
from tl_hubspot.pushing.change import EMAIL, Change
from tl_hubspot.pushing.work import Work

_SECONDS = 2.0
"""Before it is read once more: a property that was just made takes up to a second to show."""
_PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals"}


class CanaryStopped(TlHubspotError):
    """The first records of a push are not in HubSpot as they were sent; the rest was not sent."""


def parts(changes: Sequence[Change], size: int) -> tuple[list[Change], Iterable[Change]]:
    """The canary and the rest; no canary when everything is one call or `size` is 0.

    The canary is taken from all over the list: neighbours are often alike.
    """
    if not 0 < size < len(changes) or len(changes) <= BATCH:
        return [], changes
    step = len(changes) // size
    chosen = {place * step for place in range(size)}
    return [changes[n] for n in sorted(chosen)], (c for n, c in enumerate(changes) if n not in chosen)


def look(work: Work, entity_type: str, sent: Sequence[Change], total: int) -> None:
    """Read the canary back. CanaryStopped when all of it failed for one reason, or more than half lack one value."""
    written = {work.ids[c.key]: c for c in sent if not work.failed(c.key) and c.key in work.ids}
    what = f"{len(sent)} of {total:,} {_PLURALS[entity_type]}"
    reasons = {work.outcomes[c.key].reason for c in sent if work.failed(c.key)}
    if not written and len(reasons) == 1:
        raise _stopped(work, f"The first {what} all failed ({reasons.pop()}); the others were not sent")
    lost = _lost(work, entity_type, written)
    if _too_many(lost, written):
        work.gateway.sleep(_SECONDS)
        lost = _lost(work, entity_type, written)
    if _too_many(lost, written):
        [(name, number)] = lost.most_common(1)
        said = (
            f"HubSpot does not hold {name} on {number} of them" if name else f"HubSpot does not know {number} of them"
        )
        raise _stopped(work, f"The first {what} were read back, and {said}; the others were not sent")


def _lost(work: Work, entity_type: str, written: Mapping[str, Change]) -> Counter[str]:
    """Property → number of records on which a value that was sent is empty now; "" for records that are not there."""
    names = list(dict.fromkeys(name for change in written.values() for name in change.fields))
    found = {r.id: r.properties for r in batch_read(work.gateway, entity_type, list(written), names)}
    lost: Counter[str] = Counter()
    for hubspot_id, change in written.items():
        if hubspot_id not in found:
            lost[""] += 1
            continue
        sent = {name for name, value in change.fields.items() if value}
        if change.key in work.addresses_refused:
            sent.discard(EMAIL)
        lost.update(name for name in sent if not found[hubspot_id].get(name))
    return lost


def _too_many(lost: Counter[str], written: Mapping[str, Change]) -> bool:
    return any(number > len(written) / 2 for number in lost.values())


def _stopped(work: Work, message: str) -> CanaryStopped:
    run_id = work.settings.run_id
    mend = f"Check the mapping and HUBSPOT_API_URL; `tl-hubspot undo {run_id}` takes back what was sent"
    return CanaryStopped(message, where=f"run {run_id}", mend=mend)
