"""HubSpot's records, associations and definitions as plain rows shaped like the `hubspot.*` tables.

Reading only. Storing the rows is the business of `warehouse`, writing records that of `pushing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.associations import READ_BATCH
from tl_hubspot.hubspot.associations import read_associations as _read_associations
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import OBJECT_TYPES, list_records, pages
from tl_hubspot.hubspot.reactions import Refused

Row = dict[str, Any]

CONTACT_PROPERTIES = (
    "email",
    "hs_additional_emails",
    "teamleader_id",
    "createdate",
    "hs_merged_object_ids",
    "hs_calculated_merged_vids",
    "hs_marketable_status",
    "hs_email_optout",
)
COMPANY_PROPERTIES = ("name", "domain", "hs_additional_domains", "teamleader_id", "createdate", "hs_merged_object_ids")
DEAL_PROPERTIES = ("dealname", "teamleader_id", "createdate", "hs_merged_object_ids")


class _Raw(msgspec.Struct):
    """A record whose properties stay the text that HubSpot sent."""

    id: str
    properties: msgspec.Raw
    createdAt: str | None = None
    updatedAt: str | None = None
    archived: bool = False


def read_contacts(gateway: HubSpotGateway, properties: Sequence[str]) -> Iterator[list[Row]]:
    """Batches of rows of `hubspot.contacts`, archived ones too. `properties`: those wanted in `properties`; the ones
    that columns come from are always read. Properties that the portal lacks are simply absent."""
    for record, values in _read(gateway, "contact", (*CONTACT_PROPERTIES, *properties)):
        yield [
            {
                "id": raw.id,
                "email": (v.get("email") or "").lower() or None,
                "secondary_emails": [address.lower() for address in split(v.get("hs_additional_emails"))],
                "teamleader_id": v.get("teamleader_id") or None,
                "createdate": instant(v.get("createdate")) or instant(raw.createdAt),
                "updated_at": instant(raw.updatedAt),
                "archived": raw.archived,
                "merged_ids": _merged(raw.id, v),
                "marketable": v.get("hs_marketable_status") == "true",
                "opted_out": v.get("hs_email_optout") == "true",
                "properties": bytes(raw.properties).decode(),
            }
            for raw, v in zip(record, values, strict=True)
        ]


def read_companies(
    gateway: HubSpotGateway, properties: Sequence[str], *, vat_property: str = "vat_number"
) -> Iterator[list[Row]]:
    """Batches of rows of `hubspot.companies`, archived ones too; `vat_property` fills the column `vat_number`."""
    for record, values in _read(gateway, "company", (*COMPANY_PROPERTIES, vat_property, *properties)):
        yield [
            {
                "id": raw.id,
                "name": v.get("name") or None,
                "domain": v.get("domain") or None,
                "additional_domains": split(v.get("hs_additional_domains")),
                "vat_number": v.get(vat_property) or None,
                "teamleader_id": v.get("teamleader_id") or None,
                "createdate": instant(v.get("createdate")) or instant(raw.createdAt),
                "updated_at": instant(raw.updatedAt),
                "archived": raw.archived,
                "merged_ids": _merged(raw.id, v),
                "properties": bytes(raw.properties).decode(),
            }
            for raw, v in zip(record, values, strict=True)
        ]


def read_deals(gateway: HubSpotGateway, properties: Sequence[str]) -> Iterator[list[Row]]:
    """Batches of rows of `hubspot.deals`, archived ones too."""
    for record, values in _read(gateway, "deal", (*DEAL_PROPERTIES, *properties)):
        yield [
            {
                "id": raw.id,
                "teamleader_id": v.get("teamleader_id") or None,
                "createdate": instant(v.get("createdate")) or instant(raw.createdAt),
                "updated_at": instant(raw.updatedAt),
                "archived": raw.archived,
                "merged_ids": _merged(raw.id, v),
                "properties": bytes(raw.properties).decode(),
            }
            for raw, v in zip(record, values, strict=True)
        ]


def read_associations(gateway: HubSpotGateway, from_type: str, to_type: str, ids: Sequence[str]) -> Iterator[list[Row]]:
    """Batches of rows of `hubspot.associations` for records of `from_type` (contact or deal), 1,000 per call, several
    calls at a time."""
    chunks = (ids[start : start + READ_BATCH] for start in range(0, len(ids), READ_BATCH))

    def read(chunk: Sequence[str]) -> list[Row]:
        return [
            {
                "from_type": from_type,
                "from_id": found.from_id,
                "to_type": to_type,
                "to_id": found.to_id,
                "is_primary": found.is_primary,
            }
            for part in _read_associations(gateway, from_type, to_type, chunk)
            for found in part
        ]

    for _, rows in gateway.run(read, chunks):
        yield rows


@dataclass(frozen=True)
class Account:
    """What is known of the portal. `calls_per_day`/`calls_today` are None when HubSpot does not tell."""

    portal_id: str = ""
    account_type: str = ""
    time_zone: str = ""
    company_currency: str = ""
    calls_per_day: int | None = None
    calls_today: int | None = None


@dataclass(frozen=True)
class Definitions:
    """Rows of the tables `hubspot.properties`, `.pipeline_stages`, `.owners`, `.currencies`, and the account."""

    properties: list[Row] = field(default_factory=list)
    pipeline_stages: list[Row] = field(default_factory=list)
    owners: list[Row] = field(default_factory=list)
    currencies: list[Row] = field(default_factory=list)
    account: Account = field(default_factory=Account)


def read_definitions(gateway: HubSpotGateway) -> Definitions:
    """Everything about the portal that a plan needs besides records (8 calls, more with many owners)."""
    account, details = _account(gateway)
    return Definitions(
        properties=[row for entity_type in OBJECT_TYPES for row in read_properties(gateway, entity_type)],
        pipeline_stages=read_pipeline_stages(gateway),
        owners=[
            {"id": str(owner["id"]), "email": (owner.get("email") or "").lower() or None}
            for page in pages(gateway, routes.OWNER_LIST, query=[("limit", 100)])
            for owner in page
        ],
        currencies=_currencies(gateway, details),
        account=account,
    )


def read_properties(gateway: HubSpotGateway, entity_type: str) -> list[Row]:
    """Rows of `hubspot.properties` of one entity type."""
    return [
        {
            "object_type": entity_type,
            "name": d["name"],
            "label": d.get("label") or "",
            "type": d.get("type") or "",
            "field_type": d.get("fieldType") or "",
            "read_only": bool((d.get("modificationMetadata") or {}).get("readOnlyValue") or d.get("calculated")),
            "unique_value": bool(d.get("hasUniqueValue")),
            "options": [str(option["value"]) for option in d.get("options") or ()],
        }
        for page in pages(gateway, routes.PROPERTY_LIST, path={"type": OBJECT_TYPES[entity_type]})
        for d in page
        if not d.get("archived")
    ]


def read_pipeline_stages(gateway: HubSpotGateway) -> list[Row]:
    """Rows of `hubspot.pipeline_stages`: the deal pipelines."""
    return [
        {
            "pipeline_id": pipeline["id"],
            "pipeline_label": pipeline.get("label") or "",
            "stage_id": stage["id"],
            "stage_label": stage.get("label") or "",
            "is_closed": str((stage.get("metadata") or {}).get("isClosed", "")).lower() == "true",
            "probability": (stage.get("metadata") or {}).get("probability"),
            "position": stage.get("displayOrder") or 0,
        }
        for page in pages(gateway, routes.PIPELINE_LIST, path={"type": "deals"})
        for pipeline in page
        if not pipeline.get("archived")
        for stage in pipeline.get("stages") or ()
        if not stage.get("archived")
    ]


def _read(
    gateway: HubSpotGateway, entity_type: str, properties: Sequence[str]
) -> Iterator[tuple[list[_Raw], list[dict[str, str | None]]]]:
    decoder = msgspec.json.Decoder(dict[str, str | None])
    for archived in (False, True):
        for page in list_records(gateway, entity_type, properties, archived=archived, item=_Raw):
            if page:
                yield page, [decoder.decode(raw.properties) for raw in page]


def _account(gateway: HubSpotGateway) -> tuple[Account, Mapping[str, Any]]:
    details = _optional(gateway, routes.ACCOUNT_DETAILS) or {}
    usage = (_optional(gateway, routes.API_USAGE) or {}).get("results") or [{}]
    account = Account(
        portal_id=str(details.get("portalId") or ""),
        account_type=details.get("accountType") or "",
        time_zone=details.get("timeZone") or "",
        company_currency=details.get("companyCurrency") or "",
        calls_per_day=usage[0].get("usageLimit"),
        calls_today=usage[0].get("currentUsage"),
    )
    return account, details


def _currencies(gateway: HubSpotGateway, details: Mapping[str, Any]) -> list[Row]:
    # A portal without the multi-currency tier refuses the currency routes: then the company currency is the only one.
    home = details.get("companyCurrency") or (_optional(gateway, routes.COMPANY_CURRENCY) or {}).get("id")
    rates = (_optional(gateway, routes.EXCHANGE_RATES) or {}).get("results") or ()
    codes = dict.fromkeys([home, *(details.get("additionalCurrencies") or ()), *(r["fromCurrencyCode"] for r in rates)])
    return [{"code": code, "is_company_currency": code == home} for code in codes if code]


def _optional(gateway: HubSpotGateway, route: routes.Route) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] | None = gateway.call(route, answer=dict[str, Any], expect=(400, 403, 404))
        return answer
    except Refused:
        return None


def split(value: str | None) -> list[str]:
    """The entries of a `;`-separated value, without blanks and repeats."""
    return list(dict.fromkeys(part.strip() for part in (value or "").split(";") if part.strip()))


def _merged(own_id: str, values: Mapping[str, str | None]) -> list[str]:
    # The two properties can disagree: either may lack an id that the other has.
    by_vid = (entry.split(":")[0] for entry in split(values.get("hs_calculated_merged_vids")))
    return [i for i in dict.fromkeys([*split(values.get("hs_merged_object_ids")), *by_vid]) if i != own_id]


def instant(value: str | None) -> datetime | None:
    """An aware UTC instant from HubSpot's ISO text or milliseconds; None when it is neither."""
    if not value:
        return None
    if value.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(value) / 1000, UTC)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
