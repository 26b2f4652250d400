"""Reading a list of Crmoffice completely in whichever style its pages have, although it changes while it is read.

Ids ascend and new records come last, so only deletions can move what is still to be read. What the records are is in
`contacts`; a single call in `client`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec

from tl_hubspot.crmoffice.client import SYSTEM, CrmofficeClient
from tl_hubspot.errors import BadAnswer

_REASKS = 3
"""How often an answer is asked for that cannot be right, or that is empty: one empty answer alone is not believed."""

Record = dict[str, Any]


class _Envelope(msgspec.Struct):
    items: list[Record]
    total: int
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records in ascending order of id that no earlier page had, and the server's time when it answered."""

    items: list[Record]
    server_time: datetime


def rfc3339(moment: datetime) -> str:
    """`2026-01-31T09:30:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pages(client: CrmofficeClient, path: str, *, since: datetime | None = None) -> Iterator[Page]:
    """All records of `contacts` or `companies`, or those that changed at `since` or later; at least one page.

    BadAnswer when a page stays incomplete or contradicts itself however often it is asked for.
    """
    query = {"modifiedSince": rfc3339(since)} if since else {}
    match client.capabilities.page_style:
        case "offset":
            return _by_offset(client, path, query)
        case "cursor":
            return _by_cursor(client, path, query)
        case _:
            return _whole(client, path, query)


def total(client: CrmofficeClient, path: str) -> int:
    """How many records the list has."""
    query = {} if client.capabilities.page_style == "none" else {"limit": 1}
    return int(client.get(_reference(path, query), _Envelope).body.total)


def _whole(client: CrmofficeClient, path: str, query: dict[str, Any]) -> Iterator[Page]:
    envelope, server_time = _asked(client, _reference(path, query), _wrong_total)
    yield Page(envelope.items, server_time)


def _by_cursor(client: CrmofficeClient, path: str, query: dict[str, Any]) -> Iterator[Page]:
    reference: str | None = _reference(path, query | {"limit": client.page_size})
    last = read = 0

    def wrong(envelope: _Envelope) -> str | None:
        if envelope.items and _number(envelope.items[0]) <= last:
            return "records that an earlier page had"
        if envelope.next is None:
            # what was deleted meanwhile was read too; with a filter, what changed meanwhile may stand before the cursor
            fewer = read + len(envelope.items) < envelope.total and not query
            return "fewer records than it says there are" if fewer else None
        if not envelope.next.startswith(f"{path}?"):
            return "a next page that is not of this list"
        return None if len(envelope.items) == client.page_size else "a page that is not full and not the last"

    while reference:
        envelope, server_time = _asked(client, reference, wrong)
        yield Page(envelope.items, server_time)
        read += len(envelope.items)
        last = _number(envelope.items[-1]) if envelope.items else last
        reference = envelope.next


def _by_offset(client: CrmofficeClient, path: str, query: dict[str, Any]) -> Iterator[Page]:
    """Each page begins with the last record of the one before: when it does not, something before it was deleted, and
    what moved into the gap is read by going back."""
    size = client.page_size
    offset, last, back = 0, 0, 1
    while True:
        reference = _reference(path, {"offset": offset, "limit": size} | query)
        envelope, server_time = _asked(client, reference, partial(_wrong_part, offset=offset, size=size))
        if offset and (not envelope.items or _number(envelope.items[0]) > last):
            offset, back = max(0, offset - back), min(2 * back, size - 1)
            continue
        fresh = [item for item in envelope.items if _number(item) > last]
        if fresh or last == 0:
            yield Page(fresh, server_time)
        if envelope.next is None:
            return
        last = _number(envelope.items[-1])
        offset, back = offset + len(envelope.items) - 1, 1


def _asked(
    client: CrmofficeClient, reference: str, wrong: Callable[[_Envelope], str | None]
) -> tuple[_Envelope, datetime]:
    """A page that can be right, asked for again while it cannot; an empty one is believed at the third time."""
    for attempt in range(1, _REASKS + 1):
        answer = client.get(reference, _Envelope)
        envelope: _Envelope = answer.body
        what = _wrong_order(envelope) or wrong(envelope)
        last = attempt == _REASKS
        if last and what:
            where = f"GET {client.api_url}/{reference.partition('?')[0]}"
            raise BadAnswer(
                f"Crmoffice's list cannot be right: {what}",
                where=where,
                mend="Check page_style in CRMOFFICE_CAPABILITIES; when it is right, try again later",
            )
        if last or (envelope.items and not what):
            break
        client.meter.count(SYSTEM, "retries")
    assert answer.server_time is not None
    return envelope, answer.server_time


def _wrong_order(envelope: _Envelope) -> str | None:
    before = 0
    for item in envelope.items:
        text = item.get("id")
        if not (isinstance(text, str) and text.isascii() and text.isdigit()):
            return "a record without an id of digits"
        if int(text) <= before:
            return "ids that do not ascend"
        before = int(text)
    return None


def _wrong_part(envelope: _Envelope, *, offset: int, size: int) -> str | None:
    should = max(0, min(size, envelope.total - offset))
    if len(envelope.items) != should or (envelope.next is None) != (offset + size >= envelope.total):
        return f"{len(envelope.items)} records where there should be {should}"
    return None


def _wrong_total(envelope: _Envelope) -> str | None:
    if envelope.next is not None:
        return "a next page where there should be one page only"
    return None if len(envelope.items) == envelope.total else "another number of records than it says"


def _number(item: Record) -> int:
    return int(item["id"])


def _reference(path: str, query: dict[str, Any]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
