"""HubSpot's search: counting records, and reading those that changed since an instant, below its cap of 10,000 results.

The index lags behind the records, seconds as a rule and many minutes at times, and knows no archived ones: what it says
is a hint where to look, never a word on whether a record exists. Reading by list, id or key lives in `objects`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from tl_hubspot import decoding
from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import BATCH, OBJECT_TYPES, Paging, Record, batch_read

PAGE = 200
CAP = 10_000
"""Results of one query that can be paged through."""
LONGEST_BODY = 2_800
"""Characters of a request that is asked with its properties (HubSpot refuses more than 3,000)."""
MODIFIED = {"contact": "lastmodifieddate", "company": "hs_lastmodifieddate", "deal": "hs_lastmodifieddate"}
"""The property that says when a record last changed."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

R = TypeVar("R")
Filter = dict[str, Any]


class CapReached(Exception):
    """More records changed in one millisecond than a query can give: search cannot tell them apart."""


class _Answer(msgspec.Struct, Generic[R]):
    total: int
    results: list[R] = []
    paging: Paging | None = None


def count(gateway: HubSpotGateway, entity_type: str, *filters: Filter) -> int:
    """Number of active records that fit all filters, as the index has it (1 call)."""
    body = {"limit": 1, "properties": ["hs_object_id"], "filterGroups": [{"filters": list(filters)}] if filters else []}
    answer: _Answer[Any] = gateway.call(
        routes.SEARCH, answer=_Answer[Any], path={"type": OBJECT_TYPES[entity_type]}, body=body
    )
    return answer.total


class Changes:
    """Records that changed at `since` or later, newest first. Making one asks the first page: 1 call.

    `total`: how many there are by the index. Newest first because pages go by offset: a record that changes while we
    page moves to the front and pushes the others back, so that one may come twice (it is left out) but none is missed.
    """

    def __init__(
        self, gateway: HubSpotGateway, entity_type: str, since: datetime, properties: Sequence[str], item: Any = Record
    ) -> None:
        self._gateway, self._entity_type = gateway, entity_type
        self._modified = MODIFIED[entity_type]
        self._since = str(_milliseconds(since))
        self._names = list(dict.fromkeys([self._modified, *properties]))
        self._in_body = sum(len(name) + 3 for name in self._names) + 400 <= LONGEST_BODY
        self._item = item
        self._shape: Any = _Answer[item] if self._in_body else _Answer[Record]
        self._first = self._ask("", "")
        self.total = self._first.total

    def pages(self) -> Iterator[list[Any]]:
        """Pages of items (shaped like `Record`), each record once. Raises CapReached when 10,000 records or more carry
        the same instant."""
        seen: set[str] = set()
        answer, until = self._first, ""
        while True:
            known, read, oldest = len(seen), 0, until
            while True:
                read += len(answer.results)
                fresh = [hit for hit in answer.results if hit.id not in seen]
                seen.update(hit.id for hit in fresh)
                if answer.results:
                    oldest = self._instant_of(answer.results[-1]) or oldest
                if fresh:
                    yield self._items(fresh)
                after = answer.paging.after if answer.paging else ""
                if not after:
                    return
                if read + PAGE > CAP:
                    break
                answer = self._ask(until, after)
            if oldest == until or len(seen) == known:
                raise CapReached
            until = oldest
            answer = self._ask(until, "")

    def _ask(self, until: str, after: str) -> _Answer[Any]:
        filters = [{"propertyName": self._modified, "operator": "GTE", "value": self._since}]
        if until:
            filters.append({"propertyName": self._modified, "operator": "LTE", "value": until})
        body: dict[str, Any] = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": self._modified, "direction": "DESCENDING"}],
            "properties": self._names if self._in_body else [self._modified],
            "limit": PAGE,
        }
        if after:
            body["after"] = after
        answer: _Answer[Any] = self._gateway.call(
            routes.SEARCH, answer=self._shape, path={"type": OBJECT_TYPES[self._entity_type]}, body=body
        )
        return answer

    def _instant_of(self, hit: Any) -> str:
        """When a result changed, as text for a filter."""
        values = hit.properties
        if isinstance(values, msgspec.Raw):
            values = decoding.decode(values, type=dict[str, str | None])
        text = values.get(self._modified)
        return str(_milliseconds(datetime.fromisoformat(text))) if text else ""

    def _items(self, hits: list[Any]) -> list[Any]:
        if self._in_body:
            return hits
        ids = [hit.id for hit in hits]
        parts = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
        return [
            item
            for part in parts
            for item in batch_read(self._gateway, self._entity_type, part, self._names, item=self._item)
        ]


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
