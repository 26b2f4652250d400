"""Ask marketing status for contacts by one import, and remember what was asked and what read back as true.

Who should be a marketing contact is decided in `planning`; the import itself is in `hubspot.marketing`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tl_hubspot.hubspot.marketing import MarketingOutcome, make_marketing
from tl_hubspot.pushing.change import Change
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.work import Work

STEP = "marketing"
_IMAGES = {"hs_marketable_status": {"before": "false", "after": "true"}}


def push(work: Work, changes: Sequence[Change]) -> None:
    """Carry out rows `marketing`; contacts that are not in HubSpot after all are left to the next run."""
    by_id: dict[str, Change] = {}
    skipped: list[Row] = []
    for change in changes:
        hubspot_id = work.hubspot_id(change.key, change.hubspot_id)
        if hubspot_id is None or work.failed(change.key):
            skipped.append(work.skip_row(change, "record_failed"))
        else:
            by_id[hubspot_id] = change
    if skipped:
        work.counts["marketing_skipped"] += len(skipped)
        work.ledger.log(skipped)
    if not by_id:
        return
    call_id = work.new_call()
    intentions = {i: work.intention(call_id, i, change, i, _IMAGES) for i, change in by_id.items()}
    work.ledger.intend(list(intentions.values()))
    done = 0
    name = name_of(work.settings.run_id, call_id)
    for ids, outcome in make_marketing(work.gateway, list(by_id), name, patience=work.settings.marketing_patience):
        requests: list[Row] = []
        settled: list[Row] = []
        logged: list[Row] = []
        for hubspot_id in ids:
            change, error = by_id[hubspot_id], outcome.errors.get(hubspot_id)
            confirmed = hubspot_id in outcome.confirmed
            if confirmed or (outcome.asked and error is None):
                work.counts["marketing_confirmed" if confirmed else "marketing_unconfirmed"] += 1
                requests.append(request_row(work, change, hubspot_id, outcome))
                settled.append(work.settlement(intentions[hubspot_id], hubspot_id=hubspot_id))
                said = "marketing contact" if confirmed else f"asked, not yet confirmed ({outcome.state.lower()})"
                logged.append(work.log_row(change, hubspot_id, level="info" if confirmed else "warning", message=said))
            else:
                work.counts["marketing_failed"] += 1
                reason = (error or f"import_{outcome.state}").lower()
                message = f"not made a marketing contact: {reason}"
                settled.append(work.settlement(intentions[hubspot_id], hubspot_id=hubspot_id, message=message))
                logged.append(work.failure_row(change, hubspot_id, reason, message))
        with work.ledger.together():
            work.ledger.settle(settled)
            work.ledger.marketing_request(requests)
            work.ledger.log(logged)
        done += len(ids)
        work.progress(STEP, done, len(by_id))


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
