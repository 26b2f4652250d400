"""Ask marketing status for contacts by one import, and remember what was asked and what read back as true.

Who should be a marketing contact is decided in `planning`; the import itself is in `hubspot.marketing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tl_hubspot.hubspot.marketing import MarketingOutcome, make_marketing, opted_out_now
from tl_hubspot.pushing.change import Change
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.work import Work

STEP = "marketing"
OPTED_OUT = "opted_out_in_hubspot"
_IMAGES = {"hs_marketable_status": {"before": "false", "after": "true"}}


def push(work: Work, changes: Sequence[Change]) -> None:
    """Carry out rows `marketing`; contacts that are not in HubSpot after all are left to the next run, and so are those
    that HubSpot shows opted out now, whatever it showed when the plan was made."""
    by_id: dict[str, Change] = {}
    left: list[tuple[Change, str]] = []
    for change in changes:
        hubspot_id = work.hubspot_id(change.key, change.hubspot_id)
        if hubspot_id is None or work.failed(change.key):
            left.append((change, "record_failed"))
        else:
            by_id[hubspot_id] = change
    found, opted_out = opted_out_now(work.gateway, list(by_id))
    for hubspot_id in list(by_id):
        if hubspot_id not in found:
            reason = "deleted_in_hubspot"
        elif hubspot_id in work.never_ask:
            reason = "opt_out_failed"
        elif hubspot_id in opted_out:
            reason = OPTED_OUT
        else:
            continue
        left.append((by_id.pop(hubspot_id), reason))
    if left:
        work.counts["marketing_skipped"] += len(left)
        _not_asked(work, left)
    if not by_id:
        return
    call_id = work.new_call()
    intentions = {i: work.intention(call_id, i, change, i, _IMAGES) for i, change in by_id.items()}
    with work.ledger.together():
        work.ledger.intend(list(intentions.values()))
        work.ledger.consent(
            [work.consent_row(c, i, "marketing_asked", hubspot_opted_out=False) for i, c in by_id.items()]
        )
    done = 0
    name = name_of(work.settings.run_id, call_id)
    for ids, outcome in make_marketing(work.gateway, list(by_id), name, patience=work.settings.marketing_patience):
        requests: list[Row] = []
        settled: list[Row] = []
        logged: list[Row] = []
        said: list[Row] = []
        for hubspot_id in ids:
            change, error = by_id[hubspot_id], outcome.errors.get(hubspot_id)
            confirmed = hubspot_id in outcome.confirmed
            if confirmed or (outcome.asked and error is None):
                work.counts["marketing_confirmed" if confirmed else "marketing_unconfirmed"] += 1
                requests.append(request_row(work, change, hubspot_id, outcome))
                settled.append(work.settlement(intentions[hubspot_id], hubspot_id=hubspot_id))
                if confirmed:
                    said.append(work.consent_row(change, hubspot_id, "marketing_confirmed", hubspot_marketing=True))
                text = "marketing contact" if confirmed else f"asked, not yet confirmed ({outcome.state.lower()})"
                logged.append(work.log_row(change, hubspot_id, level="info" if confirmed else "warning", message=text))
            else:
                work.counts["marketing_failed"] += 1
                reason = (error or f"import_{outcome.state}").lower()
                message = f"not made a marketing contact: {reason}"
                settled.append(work.settlement(intentions[hubspot_id], hubspot_id=hubspot_id, message=message))
                said.append(work.consent_row(change, hubspot_id, "marketing_failed", reason=reason))
                logged.append(work.failure_row(change, hubspot_id, reason, message))
        with work.ledger.together():
            work.ledger.settle(settled)
            work.ledger.marketing_request(requests)
            work.ledger.consent(said)
            work.ledger.log(logged)
        done += len(ids)
        work.progress(STEP, done, len(by_id))


def _not_asked(work: Work, left: Sequence[tuple[Change, str]]) -> None:
    said: list[Row] = []
    for change, reason in left:
        hubspot_id = work.hubspot_id(change.key, change.hubspot_id)
        shown = True if reason == OPTED_OUT else None
        said.append(work.consent_row(change, hubspot_id, "not_asked", reason=reason, hubspot_opted_out=shown))
    with work.ledger.together():
        work.ledger.consent(said)
        work.ledger.log([work.skip_row(change, reason) for change, reason in left])


def name_of(run_id: str, call_id: str) -> str:
    """Name of the import of one call, by which it is found again when its answer was lost."""
    return f"Teamleader marketing contacts {run_id} {call_id[:8]}"


def request_row(work: Work, change: Change, hubspot_id: str, outcome: MarketingOutcome) -> Row:
    """The row of `sync.marketing_requests` of a contact that was asked for."""
    return {
        "teamleader_id": change.teamleader_id,
        "hubspot_id": hubspot_id,
        "import_id": outcome.import_id,
        "confirmed": hubspot_id in outcome.confirmed,
        "run_id": work.settings.run_id,
    }
