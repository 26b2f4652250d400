"""Contacts by id together with the history of some properties: which value was written when, by what kind of source.

HubSpot keeps the last twenty values of a property. What is concluded from them is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.mirror import instant
from tl_hubspot.hubspot.objects import OBJECT_TYPES, Page

BATCH = 50
"""Records per call with history; without it HubSpot takes 100."""
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a property ("" for empty), since `at`. `source`: HubSpot's word, CRM_UI is a person."""

    value: str
    at: datetime
    source: str


@dataclass(frozen=True)
class Told:
    """One record: the properties as they are, and the history of each, newest first."""

    id: str
    properties: dict[str, str | None]
    history: dict[str, list[Entry]]


class _Version(msgspec.Struct):
    value: str | None = None
    timestamp: str = ""
    sourceType: str = ""


class _Record(msgspec.Struct):
    id: str
    properties: dict[str, str | None] = {}
    propertiesWithHistory: dict[str, list[_Version]] = {}


def read_with_history(gateway: HubSpotGateway, ids: Iterable[str], names: Iterable[str]) -> Iterator[Told]:
    """Contacts by record id, 50 per call, several calls at a time; those that are archived or gone are absent, and so
    are those that were merged away, whatever HubSpot answers for them."""
    distinct, wanted = list(dict.fromkeys(ids)), list(names)
    chunks = [distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH)]

    def read(chunk: list[str]) -> list[_Record]:
        body: dict[str, Any] = {
            "inputs": [{"id": i} for i in chunk],
            "properties": wanted,
            "propertiesWithHistory": wanted,
        }
        page: Page[_Record] = (
            gateway.call(routes.BATCH_READ, answer=Page[_Record], path={"type": OBJECT_TYPES["contact"]}, body=body)
            or Page()
        )
        return page.results

    asked = set(distinct)
    for _, records in gateway.run(read, chunks):
        for record in records:
            if record.id in asked:
                history = {name: _entries(rows) for name, rows in record.propertiesWithHistory.items()}
                yield Told(record.id, record.properties, history)


def _entries(versions: list[_Version]) -> list[Entry]:
    entries = [Entry(v.value or "", instant(v.timestamp) or _UNKNOWN, v.sourceType) for v in versions]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)
