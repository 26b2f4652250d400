"""HubSpot's records, associations and definitions as plain rows shaped like the `hubspot.*` tables.

Reading only. Which of the ways of reading is taken is decided in `ways`; storing the rows is the business of
`warehouse`, writing records that of `pushing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.associations import READ_BATCH
from tl_hubspot.hubspot.associations import read_associations as _read_associations
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import BATCH, OBJECT_TYPES, Record, batch_read, get_record, list_records, pages
from tl_hubspot.hubspot.reactions import Refused
from tl_hubspot.hubspot.search import MODIFIED

Row = dict[str, Any]
_PROPERTIES = decoding.decoder(dict[str, str | None])

_MERGED = "hs_merged_object_ids"
_COLUMNS = {
    "contact": (
        "email",
        "hs_additional_emails",
        "teamleader_id",
        "createdate",
        _MERGED,
        "hs_calculated_merged_vids",
        "hs_marketable_status",
        "hs_email_optout",
    ),
    # a VAT number without a country is read with that of the address
    "company": ("name", "domain", "hs_additional_domains", "teamleader_id", "createdate", _MERGED, "country"),
    "deal": ("teamleader_id", "createdate", _MERGED),
}
"""Properties that the columns of the mirror come from."""


class Raw(msgspec.Struct):
    """A record whose properties stay the text that HubSpot sent."""

    id: str
    properties: msgspec.Raw
    createdAt: str | None = None
    updatedAt: str | None = None
    archived: bool = False


@dataclass(frozen=True)
class Wanted:
    """What is read of the records of one type: the mapped `properties`, and the ones that columns come from.

    `vat_property`: the company property that fills the column `vat_number`.
    """

    entity_type: str
    properties: tuple[str, ...] = ()
    vat_property: str = "vat_number"

    @property
    def names(self) -> tuple[str, ...]:
        """Every property that is asked for, and no other."""
        vat = [self.vat_property] if self.entity_type == "company" else []
        own = (*_COLUMNS[self.entity_type], MODIFIED[self.entity_type], *vat)
        return tuple(dict.fromkeys([*own, *self.properties]))


def read_list(gateway: HubSpotGateway, wanted: Wanted, *, archived: bool) -> Iterator[list[Row]]:
    """All active or all archived records as batches of rows of the mirror table. Properties that the portal lacks are
    simply absent."""
    for page in list_records(gateway, wanted.entity_type, wanted.names, archived=archived, item=Raw):
        if page:
            yield rows(wanted, page)


def read_by_key(
    gateway: HubSpotGateway,
    wanted: Wanted,
    keys: Iterable[str],
    id_property: str | None = None,
    *,
    archived: bool = False,
) -> list[Row]:
    """Records by record id or by the value of a unique property, 100 per call; those that there are not are absent.

    By `email` a record is found by its secondary addresses too.
    """
    distinct = list(dict.fromkeys(keys))
    chunks = (distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH))

    def read(chunk: Sequence[str]) -> list[Row]:
        found = batch_read(
            gateway, wanted.entity_type, chunk, wanted.names, id_property=id_property, archived=archived, item=Raw
        )
        return rows(wanted, found)

    by_id = {row["id"]: row for _, part in gateway.run(read, chunks) for row in part}
    return list(by_id.values())


@dataclass(frozen=True)
class LookedUp:
    """What became of records: `rows` as they are now, archived ones and survivors of merges too; `gone`: ids that are
    no record any more (merged away, or deleted for good)."""

    rows: list[Row]
    gone: list[str]


def look_up(gateway: HubSpotGateway, wanted: Wanted, ids: Iterable[str]) -> LookedUp:
    """Whether records exist, asked by id: the only answer that is believed about existence.

    1 call per 100 ids, again for those that are not active, and 1 for each that is not archived either: only the single
    read leads from a record that was merged away to the survivor.
    """
    asked = list(dict.fromkeys(ids))
    found = {row["id"]: row for row in read_by_key(gateway, wanted, asked)}
    absent = [i for i in asked if i not in found]
    found |= {row["id"]: row for row in read_by_key(gateway, wanted, absent, archived=True)}
    gone = [i for i in absent if i not in found]

    def follow(record_id: str) -> Record | None:
        return get_record(gateway, wanted.entity_type, record_id, wanted.names)

    for _, record in gateway.run(follow, gone):
        if record is not None:
            raw = Raw(
                record.id,
                msgspec.Raw(msgspec.json.encode(record.properties)),
                record.createdAt,
                record.updatedAt,
                record.archived,
            )
            found[record.id] = rows(wanted, [raw])[0]
    return LookedUp(list(found.values()), gone)


def rows(wanted: Wanted, records: Iterable[Raw]) -> list[Row]:
    """Rows of the mirror table of that type, without the columns that say when they were stored."""
    made = []
    for raw in records:
        v = _PROPERTIES.decode(raw.properties)
        row = {
            "id": raw.id,
            "teamleader_id": v.get("teamleader_id") or None,
            "createdate": instant(v.get("createdate")) or instant(raw.createdAt),
            # the index shows a record as it was: its own date goes with its own values
            "updated_at": instant(v.get(MODIFIED[wanted.entity_type])) or instant(raw.updatedAt),
            "archived": raw.archived,
            "merged_ids": _merged(raw.id, v),
            "properties": bytes(raw.properties).decode(),
        }
        if wanted.entity_type == "contact":
            row |= {
                "email": (v.get("email") or "").lower() or None,
                "secondary_emails": [address.lower() for address in split(v.get("hs_additional_emails"))],
                "marketable": v.get("hs_marketable_status") == "true",
                "opted_out": v.get("hs_email_optout") == "true",
            }
        elif wanted.entity_type == "company":
            row |= {
                "name": v.get("name") or None,
                "domain": v.get("domain") or None,
                "additional_domains": split(v.get("hs_additional_domains")),
                "vat_number": v.get(wanted.vat_property) or None,
            }
        made.append(row)
    return made


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
    ui_domain: str = ""
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
    parts: dict[str, Callable[[], Any]] = {
        **{t: partial(read_properties, gateway, t) for t in OBJECT_TYPES},
        "pipeline_stages": partial(read_pipeline_stages, gateway),
        "owners": partial(_owners, gateway),
        "account": partial(_account, gateway),
    }
    read = dict(gateway.run(lambda name: parts[name](), parts))
    account, details = read["account"]
    return Definitions(
        properties=[row for entity_type in OBJECT_TYPES for row in read[entity_type]],
        pipeline_stages=read["pipeline_stages"],
        owners=read["owners"],
        currencies=_currencies(gateway, details),
        account=account,
    )


def _owners(gateway: HubSpotGateway) -> list[Row]:
    return [
        {"id": str(owner["id"]), "email": (owner.get("email") or "").lower() or None}
        for page in pages(gateway, routes.OWNER_LIST, query=[("limit", 100)])
        for owner in page
    ]


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


def own_properties(gateway: HubSpotGateway, entity_type: str) -> list[str]:
    """Names of the properties that were made in this portal and whose values can be written."""
    return [
        d["name"]
        for page in pages(gateway, routes.PROPERTY_LIST, path={"type": OBJECT_TYPES[entity_type]})
        for d in page
        if not (d.get("archived") or d.get("hubspotDefined") or d.get("calculated"))
        and not (d.get("modificationMetadata") or {}).get("readOnlyValue")
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


def _account(gateway: HubSpotGateway) -> tuple[Account, Mapping[str, Any]]:
    details = _optional(gateway, routes.ACCOUNT_DETAILS) or {}
    usage = (_optional(gateway, routes.API_USAGE) or {}).get("results") or [{}]
    account = Account(
        portal_id=str(details.get("portalId") or ""),
        ui_domain=details.get("uiDomain") or "",
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
