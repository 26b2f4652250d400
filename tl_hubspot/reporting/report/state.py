"""Duplicates with the survivor and why, flaws in the data, drift, and what ages soon: the tables in words. Pure.

Which record survives is decided in `rules.duplicates`, what counts as drift in `planning.audit`; here it is only said.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Protocol

from tl_hubspot.reporting import runs as told
from tl_hubspot.reporting.audit import KINDS
from tl_hubspot.reporting.links import hubspot_page
from tl_hubspot.reporting.report.troubles import record
from tl_hubspot.reporting.report.view import Duplicate, Finding, Record
from tl_hubspot.reporting.words import NAMES
from tl_hubspot.rules.windows import spoken

Rows = Sequence[dict[str, Any]]


class State(Protocol):
    """What is looked at: `orchestration.steps.gathering.State`."""

    duplicates: Any
    quality: Any
    totals: Any
    soon: Any
    drift: Any
    compared: Any


def duplicates(rows: Rows, account: dict[str, Any]) -> dict[str, tuple[Duplicate, ...]]:
    """Per kind of record who is left out, for whom, and why; as many as are listed."""
    found: dict[str, list[Duplicate]] = {}
    for row in rows:
        kind = row["entity_type"]
        loser = Record(kind, row["teamleader_id"], None, row["lost_web_url"], None)
        page = hubspot_page(account, kind, row["hubspot_id"])
        winner = Record(kind, row["duplicate_of"], row["hubspot_id"], row["won_web_url"], page)
        found.setdefault(kind, []).append(Duplicate(loser, winner, why(row)))
    return {kind: tuple(of) for kind, of in found.items()}


def totals(rows: Rows) -> dict[str, int]:
    """How many duplicates there are of each kind, listed or not."""
    return {row["entity_type"]: row["total"] for row in rows}


_SAME = {
    "address": "the same e-mail address",
    "vat": "the same VAT number",
    "domain": "the same domain",
    "name": "the same name",
}


def why(row: dict[str, Any]) -> str:
    """Why one of two records for the same thing goes first: the first difference in the order of `rules.duplicates`."""
    same = _SAME.get(row["joined_by"], "the same key")
    return f"{same[:1].upper()}{same[1:]}; the survivor {_goes_first(row)}."


def _goes_first(row: dict[str, Any]) -> str:
    if (row["won_status"] == "deactivated") != (row["lost_status"] == "deactivated"):
        return "is active, the other one is deactivated"
    if row["won_has_vat"] and not row["lost_has_vat"] and row["entity_type"] == "company":
        return "has a VAT number"
    won, lost = row["won_moved_at"], row["lost_moved_at"]
    if won != lost and won is not None:
        return f"was changed last ({_dates(won, lost)})"
    won, lost = row["won_added_at"], row["lost_added_at"]
    if won != lost and won is not None:
        return f"was added first ({_dates(won, lost)})"
    return "has the smaller id; nothing else tells them apart"


def _dates(won: datetime, lost: datetime | None) -> str:
    if lost is None:
        return f"{spoken(won.date())}, the other one has no date"
    if won.date() == lost.date():
        return f"{spoken(won.date())}, {won:%H:%M} and {lost:%H:%M} UTC"
    return f"{spoken(won.date())}, the other one {spoken(lost.date())}"


_QUALITY = {
    "unmapped_stage": (
        "Deals in a phase that has no stage in HubSpot",
        "Name a HubSpot stage for the phase under `pipelines` in the mapping file; the rest of the deal is written.",
    ),
    "invalid_email": (
        "Contacts with an e-mail address that cannot be one",
        "Correct the address in Teamleader; they are not imported until then.",
    ),
    "no_email": (
        "Contacts without an e-mail address",
        "Add one in Teamleader where it is known; they are not imported until then.",
    ),
    "opted_out_without_address": (
        "Contacts that said no to marketing e-mail but have no address, so that HubSpot cannot be told",
        "Add the address in Teamleader: the next run carries the opt-out over.",
    ),
    "consent_unknown": (
        "Contacts without an answer about marketing e-mail",
        "Tick or untick the box in Teamleader; they are non-marketing until then.",
    ),
    "no_vat": (
        "Companies in HubSpot without a valid VAT number",
        "Add it in Teamleader: without it a company is recognised by its domain or its name only.",
    ),
    "no_key": (
        "Companies in HubSpot with neither VAT number nor domain",
        "Add one of them in Teamleader: the name alone is a weak key, so these may become duplicates.",
    ),
    "rejected": (
        "Records or fields of Teamleader that could not be read",
        "Correct the field in Teamleader; the table teamleader.rejected has the details.",
    ),
}
"""What a flaw is and what to do, by code, the most pressing first."""


def quality(rows: Rows, eligible: dict[str, int], account: dict[str, Any]) -> tuple[Finding, ...]:
    """Flaws in the data. `eligible`: records that belong in HubSpot, per kind."""
    by_code = {code: list(own) for code, own in groupby(rows, key=lambda row: row["code"])}
    return tuple(
        Finding(
            what=what,
            do=do,
            count=own[0]["total"],
            of=eligible.get("company", 0) if code in ("no_vat", "no_key") else 0,
            records=tuple(record(row, account) for row in own if row["teamleader_id"]),
            notes=tuple(row["detail"] or "" for row in own if row["teamleader_id"]),
        )
        for code, (what, do) in _QUALITY.items()
        if (own := by_code.get(code))
    )


def drift(rows: Rows, account: dict[str, Any]) -> tuple[tuple[Any, ...], ...]:
    """Rows kind of record, field, number, what happened, examples as records."""
    return tuple(
        (
            told.capital(NAMES[row["entity_type"]][1]),
            row["field"] or "",
            row["records"],
            told.capital(KINDS[row["kind"]]),
            tuple(
                Record(row["entity_type"], None, i, None, hubspot_page(account, row["entity_type"], i))
                for i in row["examples"]
            ),
        )
        for row in rows
    )


def drift_said(compared: int, rows: Rows) -> str:
    """How much was compared, and what that says."""
    if not compared:
        return (
            "HubSpot was not read since the records were written. The next run compares;"
            " `tl-hubspot audit` does it now."
        )
    looked = f"{compared:,} {'record' if compared == 1 else 'records'} read from HubSpot since they were last written"
    if not rows:
        return f"None: {looked}, and all still are as the sync left them."
    n = sum(row["records"] for row in rows)
    return (
        f"{n:,} {'difference' if n == 1 else 'differences'} in {looked}. What people change in HubSpot stays until"
        " Teamleader changes the same field. `tl-hubspot audit` reads all of it anew."
    )


def soon(counts: dict[str, int]) -> tuple[str, ...]:
    """What the passing of time will do within 90 days, if nobody edits the contacts."""
    told_ = []
    if n := counts["non_marketing"]:
        told_.append(f"{n:,} marketing {told.noun('contact', n)} will be 2 years old and become non-marketing.")
    if n := counts["out_of_scope"]:
        told_.append(f"{n:,} {told.noun('contact', n)} in HubSpot will be over 5 years old and go out of scope.")
    return tuple(told_)
