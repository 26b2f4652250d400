"""The small lists that records refer to, as rows of `teamleader.reference`.

Large lists are read in `extraction`; what the rows are for is decided by rules and mapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.errors import BadAnswer
from tl_hubspot.teamleader.client import TeamleaderClient
from tl_hubspot.teamleader.endpoints import ENDPOINTS, PAGE_SIZE

_COLUMNS = ("kind", "id", "name", "parent_id", "position", "email", "context", "type", "probability", "is_default")
_CONTEXTS = {"sale": "deal"}
"""Live answers call the context of deal fields `sale`, the documentation `deal`."""
_REASKS = 3


class _Item(msgspec.Struct):
    id: str
    name: str | None = None
    label: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    context: str | None = None
    type: str | None = None
    probability: msgspec.Raw = msgspec.Raw(b"null")


class _Meta(msgspec.Struct):
    default: str | None = None


Row = dict[str, Any]


def read_reference(client: TeamleaderClient, countries: Iterable[str] | None = None) -> list[Row]:
    """All rows; columns of `teamleader.reference` but for `_loaded_at` and `_run_id`. `payload` is text."""
    rows = [
        *_rows(client, "user", "users.list", {"filter": {"status": ["active", "deactivated"]}}),
        *_rows(client, "deal_pipeline", "dealPipelines.list", {"filter": {"status": ["open", "pending_deletion"]}}),
    ]
    for pipeline in [row["id"] for row in rows if row["kind"] == "deal_pipeline"]:
        for row in _rows(client, "deal_phase", "dealPhases.list", {"filter": {"deal_pipeline_id": pipeline}}):
            rows.append({**row, "parent_id": pipeline})
    rows += _rows(client, "deal_source", "dealSources.list", {})
    rows += _rows(client, "lost_reason", "lostReasons.list", {})
    for body in [{}] if countries is None else [{"country": country} for country in sorted(set(countries))]:
        rows += _rows(client, "business_type", "businessTypes.list", body)
    rows += _rows(client, "custom_field_definition", "customFieldDefinitions.list", {})
    # A legal form may be listed for several countries.
    return list({(row["kind"], row["id"]): row for row in rows}.values())


def _rows(client: TeamleaderClient, kind: str, endpoint: str, body: Mapping[str, Any]) -> Iterator[Row]:
    for position, (raw, default) in enumerate(_all(client, endpoint, body)):
        try:
            item = decoding.decode(raw, type=_Item)
        except msgspec.MsgspecError:
            raise BadAnswer("Teamleader's list holds something that is not a record", where=endpoint) from None
        probability = bytes(item.probability).decode()
        full_name = " ".join(part for part in (item.first_name, item.last_name) if part)
        values = {
            "kind": kind,
            "id": item.id,
            "name": item.name or item.label or full_name or None,
            "position": position,
            "email": item.email,
            "context": _CONTEXTS.get(item.context, item.context) if item.context else None,
            "type": item.type,
            "probability": None if probability == "null" else probability,
            "is_default": item.id == default if kind == "deal_pipeline" else None,
        }
        yield {**dict.fromkeys(_COLUMNS), **values, "payload": bytes(raw).decode()}


def _all(client: TeamleaderClient, endpoint: str, body: Mapping[str, Any]) -> list[tuple[msgspec.Raw, str | None]]:
    """Every item once, with the list's default id. A list without pages would give the same rows for every number."""
    found: dict[str, tuple[msgspec.Raw, str | None]] = {}
    paged = ENDPOINTS[endpoint].paged
    number, stale = 1, 0
    while True:
        page = {"page": {"size": PAGE_SIZE, "number": number}} if paged else {}
        answer = client.call(endpoint, {**body, **page})
        try:
            items = decoding.decode(answer.data, type=list[msgspec.Raw])
            ids = [decoding.decode(item, type=_Id).id for item in items]
            meta = decoding.decode(answer.meta, type=_Meta | None)
        except msgspec.MsgspecError:
            raise BadAnswer("Teamleader's list holds something that is not a record", where=endpoint) from None
        fresh = [id for id in ids if id not in found]
        for id, item in zip(ids, items, strict=True):
            found.setdefault(id, (item, meta.default if meta else None))
        if not fresh and stale < (1 if number == 1 else _REASKS):
            # An empty or repeated page may be a slip: it is believed only when it comes again.
            client.sleep(2.0**stale)
            stale += 1
            continue
        if len(items) < PAGE_SIZE or not paged:
            return list(found.values())
        if not fresh:
            raise BadAnswer("Teamleader repeats the same page", where=endpoint, mend="Try again later")
        number, stale = number + 1, 0


class _Id(msgspec.Struct):
    id: str
