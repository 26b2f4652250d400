"""Whether Teamleader has anything new: one cheap call per stream, nothing stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from tl_hubspot.orchestration.run import Platform

# newest first where the list can be sorted so; deals cannot be sorted by updated_at
_SORTS = {
    "contacts": [{"field": "updated_at", "order": "desc"}],
    "companies": [{"field": "updated_at", "order": "desc"}],
    "deals": [{"field": "created_at", "order": "desc"}],
}


@dataclass(frozen=True)
class Seen:
    """Streams with changes, the newest record of each (id and updated_at), and the server's time of the look."""

    changed: tuple[str, ...]
    latest: dict[str, list[str]]
    until: datetime


def changed_since(platform: Platform, since: datetime) -> Seen:
    """Streams in which a record was updated after `since` (aware)."""
    client = platform.teamleader
    latest: dict[str, list[str]] = {}
    until = since
    for stream, sort in _SORTS.items():
        body = {
            "filter": {"updated_since": (since + timedelta(seconds=1)).isoformat(timespec="seconds")},
            "page": {"size": 1, "number": 1},
            "sort": sort,
        }
        for record in msgspec.json.decode(client.call(f"{stream}.list", body).data):
            latest[stream] = [record["id"], record["updated_at"]]
            until = max(until, datetime.fromisoformat(record["updated_at"]))
    return Seen(tuple(latest), latest, until)
