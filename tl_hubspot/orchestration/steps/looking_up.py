"""Which record a person means: by a Teamleader or HubSpot id, e-mail address, VAT number, or the address of its page.

Several records may be meant (two contacts with one address); who asked decides what becomes of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.rules import normalize
from tl_hubspot.warehouse.store import Warehouse

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_TEAMLEADER_PAGES = {"contact_detail.php": "contact", "company_detail.php": "company", "sale_detail.php": "deal"}
_HUBSPOT_PAGES = {
    "0-1": "contact",
    "0-2": "company",
    "0-3": "deal",
    **{kind: kind for kind in SOURCES},
}
_HUBSPOT_PAGE = re.compile(r"/contacts/\d+/(?:record/|objects/)?(0-1|0-2|0-3|contact|company|deal)/(\d+)(?:/|$)")


@dataclass(frozen=True)
class Found:
    """Teamleader ids of the records meant, and by what they were found."""

    ids: tuple[str, ...]
    by: str


@dataclass(frozen=True)
class Page:
    """A page in a browser. `entity_type` is None when the address does not say it."""

    system: str
    entity_type: str | None
    record: str


def look_up(warehouse: Warehouse, entity_type: str, text: str) -> Found:
    """The records that `text` may mean, at least one; ConfigurationError says where was looked when there is none."""
    text = text.strip()
    if page := page_of(text):
        return _by_page(warehouse, entity_type, page)
    if "://" in text:
        raise ConfigurationError(
            "That is not the address of a record in Teamleader or HubSpot",
            mend="Open the record and copy the address from the browser, or give its id",
        )
    if "@" in text:
        return _by_address(warehouse, entity_type, text)
    found = _by_id(warehouse, entity_type, text)
    if not found and entity_type == "company":
        found = _by_vat(warehouse, text)
    return found or _nobody(
        warehouse,
        f"Neither Teamleader nor HubSpot has a {entity_type} {text}",
        "Teamleader's ids, HubSpot's ids" + (" and VAT numbers" if entity_type == "company" else ""),
    )


def page_of(text: str) -> Page | None:
    """What the address of a page in Teamleader or HubSpot names; None when it is no such address."""
    try:
        url = urlsplit(text if "://" in text else f"https://{text}")
        host = url.hostname or ""
    except ValueError:
        return None
    if host.endswith(".hubspot.com") and (named := _HUBSPOT_PAGE.search(url.path)):
        return Page("HubSpot", _HUBSPOT_PAGES[named[1]], named[2])
    if host == "teamleader.eu" or host.endswith(".teamleader.eu"):
        kind = _TEAMLEADER_PAGES.get(url.path.rpartition("/")[2])
        if record := parse_qs(url.query).get("id", [None])[0] or next(iter(ID.findall(url.path)), None):
            return Page("Teamleader", kind, record)
    return None


def old_number(record_id: str) -> int | None:
    """The number that Teamleader's older addresses have, which it wrote into its ids of version 0; None for others."""
    digits = record_id.replace("-", "")
    if len(digits) != 32 or digits[12] != "0":
        return None
    try:
        length = int(digits[18], 16)
        return int(digits[-length:], 16) if length else None
    except ValueError:
        return None


def _by_page(warehouse: Warehouse, entity_type: str, page: Page) -> Found:
    if page.entity_type not in (entity_type, None):
        raise ConfigurationError(
            f"That is the address of a {page.entity_type}, not of a {entity_type}",
            mend=f"Write `tl-hubspot explain {page.entity_type}` and the address",
        )
    by = f"{page.system.lower()}_page"
    if page.system == "HubSpot":
        found = _linked(warehouse, entity_type, page.record)
    else:
        known = warehouse.read(f"select id from {SOURCES[entity_type]}")["id"]
        wanted = page.record.lower()
        is_number = wanted.isdecimal()
        found = [id for id in known if id == wanted or (is_number and old_number(id) == int(wanted))]
    return _found(found, by) or _nobody(
        warehouse, f"{page.system} has no {entity_type} {page.record} that was read", f"{page.system}'s ids"
    )


def _by_id(warehouse: Warehouse, entity_type: str, text: str) -> Found | None:
    own = warehouse.read(f"select id from {SOURCES[entity_type]} where id = ?", [text.lower()])["id"]
    return _found(own, "teamleader_id") or _found(_linked(warehouse, entity_type, text), "hubspot_id")


def _linked(warehouse: Warehouse, entity_type: str, hubspot_id: str) -> Iterable[str]:
    query = "select teamleader_id from sync.links where entity_type = ? and hubspot_id = ?"
    linked = warehouse.read(query, [entity_type, hubspot_id])["teamleader_id"]
    if linked.is_empty() and warehouse.read(f"select id from {MIRRORS[entity_type]} where id = ?", [hubspot_id]).height:
        raise ConfigurationError(
            f"HubSpot {entity_type} {hubspot_id} is not linked to a Teamleader {entity_type}",
            mend="It was made in HubSpot and no record of Teamleader matches it",
        )
    return linked


def _by_address(warehouse: Warehouse, entity_type: str, text: str) -> Found:
    if entity_type == "deal":
        raise ConfigurationError(
            "A deal has no e-mail address", mend="Give its Teamleader id, its HubSpot id or the address of its page"
        )
    address = normalize.address(text) or text.strip().lower()
    query = (
        f"select id from {SOURCES[entity_type]}"
        " where list_contains(list_transform(emails, lambda e: lower(trim(e.email))), $address) or id in ($also)"
    )
    also = "select null"
    if entity_type == "contact":
        also = (
            "select teamleader_id from decisions.contacts where address = $address union all"
            " select l.teamleader_id from sync.links l join hubspot.contacts h on h.id = l.hubspot_id"
            " where l.entity_type = 'contact' and (h.email = $address or list_contains(h.secondary_emails, $address))"
        )
    found = warehouse.read(query.replace("$also", also) + " order by id", {"address": address})["id"]
    where = "the addresses of Teamleader's companies"
    if entity_type == "contact":
        mirrored = (
            "select id from hubspot.contacts where not archived and (email = $a or list_contains(secondary_emails, $a))"
        )
        if found.is_empty() and (there := warehouse.read(mirrored, {"a": address})["id"].to_list()):
            _linked(warehouse, entity_type, there[0])
        where = "all addresses of Teamleader's contacts and of HubSpot's, secondary ones too"
    return _found(found, "email") or _nobody(
        warehouse, f"Neither Teamleader nor HubSpot has a {entity_type} with that e-mail address", where
    )


def _by_vat(warehouse: Warehouse, text: str) -> Found | None:
    # without a country it is taken as Belgian
    number = normalize.vat_number(text, None) or normalize.vat_number(text, "BE")
    if number is None:
        return None
    query = "select teamleader_id from decisions.companies where vat = ? order by teamleader_id"
    return _found(warehouse.read(query, [number])["teamleader_id"], "vat")


def _found(ids: Iterable[str], by: str) -> Found | None:
    several = tuple(dict.fromkeys(ids))
    return Found(several, by) if several else None


def _nobody(warehouse: Warehouse, what: str, where: str) -> Any:
    read_at = warehouse.read("select max(started_at) as at from sync.runs").item()
    when = f", as last read on {read_at:%Y-%m-%d %H:%M} UTC" if read_at else ""
    raise ConfigurationError(
        what,
        mend=f"Looked at {where}{when}. Give a Teamleader id or a HubSpot id; a record added just now appears after the"
        " next run",
    )
