"""Make contacts marketing contacts: one import file of record ids per run, followed until done and read back.

The CRM API cannot write `hs_marketable_status`; an import with `marketableContactImport` can raise it, and nothing can
lower it. Who should be a marketing contact is decided in `planning`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import BATCH, batch_read, pages
from tl_hubspot.hubspot.reactions import AnswerLost, Refused
from tl_hubspot.hubspot.subscriptions import Subscriptions

ROWS_PER_FILE = 1_000_000
"""HubSpot takes 1,048,576 rows, the heading among them."""

LOOKS = (0.5, 1, 2, 3, 5, 8, 13, 20)
"""Seconds between looks at a running import; the last one goes on until `patience` is over."""

FINISHED = ("DONE", "FAILED", "CANCELED", "REVERTED")


@dataclass
class MarketingOutcome:
    """`state` of the import when last seen, ids that read back as marketing contacts, error code by record id."""

    import_id: str = ""
    state: str = ""
    confirmed: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """HubSpot took the file and has not given it up: asking again would only repeat it."""
        return bool(self.import_id) and self.state not in ("FAILED", "CANCELED", "REVERTED")


def make_marketing(
    gateway: HubSpotGateway, contact_ids: Sequence[str], name: str, *, patience: float = 600.0
) -> Iterable[tuple[Sequence[str], MarketingOutcome]]:
    """Ask marketing status for existing contacts; yields (record ids, outcome) per file (one up to 1,000,000 ids).

    `name`: of the import, different for each run, so that one whose answer was lost can be found. `patience`: seconds
    to wait for an import; one that still runs then stays asked and unconfirmed. A file that HubSpot refuses is an
    error of each of its ids.
    """
    for start in range(0, len(contact_ids), ROWS_PER_FILE):
        ids = contact_ids[start : start + ROWS_PER_FILE]
        part = name if len(contact_ids) <= ROWS_PER_FILE else f"{name} ({start // ROWS_PER_FILE + 1})"
        try:
            outcome = MarketingOutcome(import_id=_start(gateway, ids, part))
        except Refused as refused:
            # Records are written by now; that HubSpot does not take the file concerns marketing status alone.
            yield ids, MarketingOutcome(state="REFUSED", errors=dict.fromkeys(ids, refused.problem.reason))
            continue
        yield ids, _became(gateway, outcome, ids, patience)


def asked_before(gateway: HubSpotGateway, contact_ids: Sequence[str], name: str) -> MarketingOutcome:
    """What became of an import of that name, at one look; without `import_id` when HubSpot never got it."""
    found = MarketingOutcome(import_id=_find(gateway, name) or "")
    if found.import_id:
        return _became(gateway, found, contact_ids, patience=0)
    found.confirmed = marketing_contacts(gateway, contact_ids)
    return found


def _became(
    gateway: HubSpotGateway, outcome: MarketingOutcome, ids: Sequence[str], patience: float
) -> MarketingOutcome:
    outcome.state = _follow(gateway, outcome.import_id, patience)
    outcome.errors = _errors(gateway, outcome.import_id)
    outcome.confirmed = marketing_contacts(gateway, ids)
    return outcome


def marketing_contacts(gateway: HubSpotGateway, contact_ids: Sequence[str]) -> set[str]:
    """Those of the contacts that HubSpot shows as marketing contacts."""
    chunks = (contact_ids[start : start + BATCH] for start in range(0, len(contact_ids), BATCH))
    return {
        record.id
        for _, records in gateway.run(
            lambda chunk: batch_read(gateway, "contact", chunk, ["hs_marketable_status"]), chunks
        )
        for record in records
        if record.properties.get("hs_marketable_status") == "true"
    }


def opted_out_now(gateway: HubSpotGateway, contact_ids: Sequence[str]) -> tuple[set[str], set[str]]:
    """(those that are active contacts, those of them that HubSpot shows opted out), read at this moment.

    HubSpot shows it of the primary address (`hs_email_optout`); of secondary ones it is asked for, one call each: the
    opt-out of any address of a contact is the person's.
    """
    chunks = (contact_ids[start : start + BATCH] for start in range(0, len(contact_ids), BATCH))
    properties = ["hs_email_optout", "hs_additional_emails"]
    records = [
        record
        for _, found in gateway.run(lambda chunk: batch_read(gateway, "contact", chunk, properties), chunks)
        for record in found
    ]
    out = {record.id for record in records if record.properties.get("hs_email_optout") == "true"}
    further = {
        address: record.id
        for record in records
        if record.id not in out
        for address in (record.properties.get("hs_additional_emails") or "").split(";")
        if address.strip()
    }
    asked = Subscriptions(gateway).opted_out(list(further)) if further else set()
    # an answer may come under another id: the record was merged away, and the next run follows it
    return {record.id for record in records} & set(contact_ids), out | {further[address] for address in asked}


def _start(gateway: HubSpotGateway, ids: Sequence[str], name: str) -> str:
    request = {
        "name": name,
        "importOperations": {"0-1": "UPDATE"},
        "dateFormat": "YEAR_MONTH_DAY",
        "marketableContactImport": True,
        "files": [
            {
                "fileName": "contacts.csv",
                "fileFormat": "CSV",
                "fileImportPage": {
                    "hasHeader": True,
                    "columnMappings": [
                        {"columnObjectTypeId": "0-1", "columnName": "id", "columnType": "HUBSPOT_OBJECT_ID"}
                    ],
                },
            }
        ],
    }
    file = "\n".join(["id", *ids, ""]).encode()
    form = [("importRequest", msgspec.json.encode(request).decode()), ("files", ("contacts.csv", file, "text/csv"))]
    try:
        answer: dict[str, Any] = gateway.call(routes.IMPORT_CREATE, answer=dict[str, Any], form=form)
        return str(answer["id"])
    except AnswerLost:
        if found := _find(gateway, name):
            return found
        # It never arrived. The file only raises a status, so that even a hidden first one makes this no harm.
        answer = gateway.call(routes.IMPORT_CREATE, answer=dict[str, Any], form=form)
        return str(answer["id"])


def _find(gateway: HubSpotGateway, name: str) -> str | None:
    """Id of the import of that name; of one in several files the first."""
    for page in pages(gateway, routes.IMPORT_LIST, query=[("limit", 100)]):
        for found in page:
            own = found.get("importName") or (found.get("importRequestJson") or {}).get("name")
            if own and (own == name or own.startswith(f"{name} (")):
                return str(found["id"])
    return None


def _follow(gateway: HubSpotGateway, import_id: str, patience: float) -> str:
    looks, waited = iter(LOOKS), 0.0
    while True:
        answer: dict[str, Any] = gateway.call(routes.IMPORT_GET, answer=dict[str, Any], path={"id": import_id})
        state = str(answer.get("state") or "")
        if state in FINISHED or waited >= patience:
            return state
        pause = next(looks, LOOKS[-1])
        gateway.sleep(pause)
        waited += pause


def _errors(gateway: HubSpotGateway, import_id: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for page in pages(gateway, routes.IMPORT_ERRORS, path={"id": import_id}, query=[("limit", 100)]):
        for error in page:
            row = (error.get("sourceData") or {}).get("rowData") or [""]
            found[str(row[0])] = str(error.get("errorType") or "IMPORT_ERROR")
    return found
