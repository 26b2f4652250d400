"""Addresses of records in HubSpot, for people to click on. Teamleader gives its own with each record (`web_url`)."""

from __future__ import annotations

from typing import Any

_TYPES = {"contact": "0-1", "company": "0-2", "deal": "0-3"}


def hubspot_page(account: dict[str, Any], entity_type: str, hubspot_id: str | None) -> str | None:
    """Page of a record; None while the portal or the record is not known. `account`: row of hubspot.account, or {}."""
    portal = portal_page(account)
    if not (portal and hubspot_id and entity_type in _TYPES):
        return None
    return f"{portal}/record/{_TYPES[entity_type]}/{hubspot_id}"


def portal_page(account: dict[str, Any]) -> str | None:
    """Page of the portal's records; None while the portal is not known."""
    host = account.get("ui_domain") or "app.hubspot.com"
    return f"https://{host}/contacts/{account['portal_id']}" if account.get("portal_id") else None
