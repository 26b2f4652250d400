"""Webhook registrations and the queue of deliveries to real URLs. What happens when is told by `sandbox`."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import requests

from tl_hubspot import decoding
from tl_hubspot.sandbox.teamleader.defaults import ACCOUNT_ID
from tl_hubspot.sandbox.teamleader.errors import bad
from tl_hubspot.sandbox.teamleader.requests import Call
from tl_hubspot.sandbox.teamleader.store import Store
from tl_hubspot.sandbox.teamleader.switches import Switches

_TIMEOUT = 10.0


def register(call: Call, store: Store, switches: Switches) -> None:
    """Add event types to a URL."""
    url = call.body["url"]
    if not url.startswith("https://" if switches.webhook_https_only else ("https://", "http://")):
        raise bad("url must be valid", "url")
    with store.transaction():
        for name in call.body["types"]:
            store.execute("INSERT OR IGNORE INTO webhooks VALUES (?, ?)", [url, name])


def unregister(call: Call, store: Store) -> None:
    """Take event types from a URL."""
    with store.transaction():
        for name in call.body["types"]:
            store.execute("DELETE FROM webhooks WHERE url = ? AND type = ?", [call.body["url"], name])


def registered(store: Store) -> dict[str, Any]:
    """webhooks.list: URLs in order, each with its types."""
    urls: dict[str, list[str]] = {}
    for row in store.query("SELECT url, type FROM webhooks ORDER BY url, type"):
        urls.setdefault(row["url"], []).append(row["type"])
    return {"data": [{"url": url, "types": types} for url, types in urls.items()]}


def emit(store: Store, event: str, subject_type: str, subject_id: str) -> None:
    """Queue one thin message for each URL that registered for the event."""
    payload = {
        "type": event,
        "subject": {"type": subject_type, "id": subject_id},
        "account": {"type": "account", "id": ACCOUNT_ID},
    }
    store.execute(
        "INSERT INTO deliveries (url, payload) SELECT url, ? FROM webhooks WHERE type = ? ORDER BY url",
        [msgspec.json.encode(payload).decode(), event],
    )


def pending(store: Store) -> list[dict[str, Any]]:
    """The queued messages, oldest first: `{"url", "payload"}`."""
    rows = store.query("SELECT url, payload FROM deliveries ORDER BY n")
    return [{"url": row["url"], "payload": decoding.decode(row["payload"])} for row in rows]


def deliver(store: Store, switches: Switches, random: Random) -> int:
    """POST the queued messages; returns how many requests were answered with 2xx.

    A message that a receiver did not take stays queued for the next time; a dropped one is gone.
    """
    rows = store.query("SELECT n, url, payload FROM deliveries ORDER BY n")
    if switches.webhook_reorder:
        random.shuffle(rows)
    delivered = 0
    with requests.Session() as session:
        for row in rows:
            if random.random() < switches.webhook_drop_rate:
                store.execute("DELETE FROM deliveries WHERE n = ?", [row["n"]])
                continue
            times = 2 if random.random() < switches.webhook_duplicate_rate else 1
            taken = sum(_post(session, row["url"], row["payload"]) for _ in range(times))
            delivered += taken
            if taken:
                store.execute("DELETE FROM deliveries WHERE n = ?", [row["n"]])
    return delivered


def _post(session: requests.Session, url: str, payload: str) -> bool:
    headers = {"Content-Type": "application/json"}
    try:
        return session.post(url, data=payload.encode(), headers=headers, timeout=_TIMEOUT).ok
    except requests.RequestException:
        return False
