"""Lists: pages of contacts and companies in the three styles, users, and the feed of deletions.

Values in a list of contacts may be from before a change (`Switches.list_lag`); which contacts there are never is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.control import isoformat
from tl_hubspot.sandbox.crmoffice.contacts import shown
from tl_hubspot.sandbox.crmoffice.errors import bad
from tl_hubspot.sandbox.crmoffice.store import Record, Store, decoded
from tl_hubspot.sandbox.crmoffice.switches import Switches

LARGEST, USUAL = 500, 100

Query = Mapping[str, str]


class _Cursor(msgspec.Struct):
    path: str
    after: int
    since: str | None


@dataclass
class _Page:
    """Which part of a list is asked for: after an id, or after so many records; at most `limit` of them."""

    limit: int
    offset: int = 0
    after: int = 0
    since: str | None = None


def contacts(store: Store, switches: Switches, query: Query, now: float) -> Record:
    """The envelope of a list of contacts. ApiError 400."""
    since = query.get("modifiedSince") if switches.since_filter else None
    page = _page("contacts", switches, query, since)
    bound = None if page.since is None else _instant("modifiedSince", page.since)
    condition, values = ("modified >= ?", (bound,)) if bound is not None else ("true", ())

    def items(rows: list[Any]) -> list[Record]:
        earlier = store.shown_before((row["id"] for row in rows), now - switches.list_lag) if switches.list_lag else {}
        pairs = [(row["id"], *earlier.get(row["id"], (None, row["modified"])), row["body"]) for row in rows]
        return [
            shown(number, record if record is not None else decoded(body), modified, switches)
            for number, record, modified, body in pairs
        ]

    return _envelope(store, switches, "contacts", page, condition, values, items)


def companies(store: Store, switches: Switches, query: Query) -> Record:
    """The envelope of a list of companies. ApiError 400."""
    page = _page("companies", switches, query, None)
    return _envelope(
        store,
        switches,
        "companies",
        page,
        "true",
        (),
        lambda rows: [{"id": str(row["id"]), **decoded(row["body"])} for row in rows],
    )


def users(store: Store) -> list[Record]:
    """The bare array of users."""
    return [{"userName": row["name"]} for row in store.query("select name from users order by rowid")]


def deleted(store: Store, query: Query) -> Record:
    """The feed of deletions, oldest first. ApiError 400."""
    since = _instant("since", query["since"]) if "since" in query else 0.0
    rows = store.query("select * from deleted where at >= ? order by at, id", since)
    items = [{"id": str(row["id"]), "deletedAt": isoformat(datetime.fromtimestamp(row["at"], UTC))} for row in rows]
    return {"items": items, "total": len(items), "next": None}


def _envelope(
    store: Store,
    switches: Switches,
    table: str,
    page: _Page,
    condition: str,
    values: tuple[Any, ...],
    items: Callable[[list[Any]], list[Record]],
) -> Record:
    [[total]] = store.query(f"select count(*) from {table} where {condition}", *values)
    rows = store.query(
        f"select * from {table} where id > ? and {condition} order by id limit ? offset ?",
        *(page.after, *values, page.limit + 1, page.offset),
    )
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    following = None
    if more and switches.page_style == "offset":
        parts = {"offset": page.offset + page.limit, "limit": page.limit}
        following = f"{table}?{urlencode(parts | ({'modifiedSince': page.since} if page.since else {}))}"
    elif more:
        cursor = _Cursor(table, rows[-1]["id"], page.since)
        cursor_parts = {"cursor": base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode(), "limit": page.limit}
        following = f"{table}?{urlencode(cursor_parts)}"
    return {"items": items(rows), "total": total, "next": following}


def _page(path: str, switches: Switches, query: Query, since: str | None) -> _Page:
    if switches.page_style == "none":
        return _Page(2**62, since=since)
    limit = _number(query, "limit", USUAL)
    if not 1 <= limit <= LARGEST:
        raise bad(f"limit must be a number from 1 to {LARGEST}.")
    if switches.page_style == "offset":
        return _Page(limit, offset=_number(query, "offset", 0), since=since)
    if "offset" in query:
        raise bad("offset is not known here; follow next.")
    if "cursor" not in query:
        return _Page(limit, since=since)
    try:
        cursor = decoding.decode(base64.urlsafe_b64decode(query["cursor"]), type=_Cursor)
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise bad("cursor is not one that was given.") from None
    if cursor.path != path:
        raise bad("cursor is of another list.")
    return _Page(limit, after=cursor.after, since=cursor.since)


def _number(query: Query, name: str, usual: int) -> int:
    text = query.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise bad(f"{name} must be a whole number, not negative.")
    return int(text)


def _instant(name: str, text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise bad(f"{name} must be a time like 2026-01-31T09:30:00.123Z.") from None
    if instant.tzinfo is None or len(text) < 20:
        raise bad(f"{name} must be a time like 2026-01-31T09:30:00.123Z.")
    return instant.timestamp()
