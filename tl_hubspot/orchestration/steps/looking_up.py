"""Which record a person means: by a Teamleader or HubSpot id, e-mail address, VAT number, or the address of its page.

Several records may be meant (two contacts with one address), or one that HubSpot alone has; who asked decides what
becomes of that. Capital letters, blanks and punctuation never matter.
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
_TEAMLEADER_PAGES = {
    "contact_detail.php": "contact",
    "company_detail.php": "company",
    "sale_detail.php": "deal",
    "contacts": "contact",
    "companies": "company",
    "deals": "deal",
}
_HUBSPOT_PAGES = {
    "0-1": "contact",
    "0-2": "company",
    "0-3": "deal",
    **{kind: kind for kind in SOURCES},
}
_HUBSPOT_PAGE = re.compile(
    r"/(?:contacts|sales)/(\d+)/(?:record/|objects/)?(0-1|0-2|0-3|contact|company|deal)/(\d+)(?:/|$)"
)
_PLAIN = "regexp_replace(upper(vat_number), '[^0-9A-Z]', '', 'g')"
_ALIKE = {
    "contact": "select c.teamleader_id, h.id as hubspot_id from decisions.contacts c join hubspot.contacts h"
    " on h.email = c.address or list_contains(h.secondary_emails, c.address) where not h.archived",
    "company": "select c.teamleader_id, h.id as hubspot_id from decisions.companies c join hubspot.companies h"
    f" on {_PLAIN} in (c.vat, c.vat[3:], ltrim(c.vat[3:], '0')) where not h.archived",
}


@dataclass(frozen=True)
class Found:
    """Teamleader ids of the records meant, and by what they were found; where no record of Teamleader is meant, the
    id of the record in HubSpot."""

    ids: tuple[str, ...]
    by: str
    hubspot_id: str | None = None


@dataclass(frozen=True)
class Page:
    """A page in a browser. `entity_type` is None when the address does not say it; `portal` is HubSpot's alone."""

    system: str
    entity_type: str | None
    record: str
    portal: str | None = None


def look_up(warehouse: Warehouse, entity_type: str, text: str) -> Found:
    """The record or records that `text` may mean; ConfigurationError says where was looked when there is none."""
    text = text.strip().strip("<>").strip()
    if page := page_of(text):
        return _by_page(warehouse, entity_type, page)
    if "://" in text:
        raise ConfigurationError(
            "That is not the address of a record in Teamleader or HubSpot",
            mend="Open the record and copy the address from the browser, or give its id",
        )
    if "@" in text:
        return _by_address(warehouse, entity_type, re.sub("^mailto:", "", text, flags=re.IGNORECASE))
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
        url = urlsplit((text if "://" in text else f"https://{text}").lower())
        host = url.hostname or ""
    except ValueError:
        return None
    if host.endswith(".hubspot.com") and (named := _HUBSPOT_PAGE.search(url.path)):
        portal, kind, record = named.groups()
        return Page("HubSpot", _HUBSPOT_PAGES[kind], record, portal)
    if host == "teamleader.eu" or host.endswith(".teamleader.eu"):
        kind = next((_TEAMLEADER_PAGES[part] for part in url.path.split("/") if part in _TEAMLEADER_PAGES), None)
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


def same_in_hubspot(warehouse: Warehouse, entity_type: str, teamleader_id: str) -> list[str]:
    """Ids of the HubSpot records with the same address (contacts) or VAT number (companies), linked or not."""
    return _alike(warehouse, entity_type, "hubspot_id", teamleader_id=teamleader_id)


def _alike(warehouse: Warehouse, entity_type: str, wanted: str, **given: str) -> list[str]:
    """One side of the pairs with the same address or VAT number, the other side being `given`; deals have neither."""
    if entity_type not in _ALIKE:
        return []
    [(name, value)] = given.items()
    query = f"select distinct {wanted} as id from ({_ALIKE[entity_type]}) where {name} = ? order by id"
    return warehouse.read(query, [value])["id"].to_list()


def _by_page(warehouse: Warehouse, entity_type: str, page: Page) -> Found:
    if page.entity_type not in (entity_type, None):
        raise ConfigurationError(
            f"That is the address of a {page.entity_type}, not of a {entity_type}",
            mend=f"Write `tl-hubspot explain {page.entity_type}` and the address",
        )
    by = f"{page.system.lower()}_page"
    if page.system == "HubSpot":
        portals = warehouse.read("select portal_id from hubspot.account")["portal_id"].to_list()
        if portals and page.portal not in portals:
            raise ConfigurationError(
                f"That page is of HubSpot portal {page.portal}, and this program fills portal {portals[0]}",
                mend="Open the record in that portal, or use the settings and the data folder of the other one",
            )
        found = _in_hubspot(warehouse, entity_type, page.record, by)
    else:
        known = warehouse.read(f"select id from {SOURCES[entity_type]}")["id"]
        number = int(page.record) if page.record.isdecimal() else None
        found = _found(
            (id for id in known if id == page.record or (number is not None and old_number(id) == number)), by
        )
    return found or _nobody(
        warehouse, f"{page.system} has no {entity_type} {page.record} that was read", f"{page.system}'s ids"
    )


def _by_id(warehouse: Warehouse, entity_type: str, text: str) -> Found | None:
    own = warehouse.read(f"select id from {SOURCES[entity_type]} where id = ?", [text.lower()])["id"]
    return _found(own, "teamleader_id") or _in_hubspot(warehouse, entity_type, text, "hubspot_id")


def _in_hubspot(warehouse: Warehouse, entity_type: str, hubspot_id: str, by: str) -> Found | None:
    """What a HubSpot record is of: linked to it, or merged into one that is; about to be; or with the same key.

    A record that has none of these is one that HubSpot alone has. None when HubSpot has no such record.
    """
    merged = "" if entity_type == "deal" else " or list_contains(merged_ids, $id)"
    mirrored = f"select id from {MIRRORS[entity_type]} where id = $id{merged} order by id <> $id, id"
    now = next(iter(warehouse.read(mirrored, {"id": hubspot_id})["id"]), hubspot_id)
    for table in ("sync.links", "sync.plan"):
        query = (
            f"select distinct teamleader_id as id from {table} where entity_type = ? and hubspot_id in (?, ?)"
            " and teamleader_id is not null order by id"
        )
        if found := _found(warehouse.read(query, [entity_type, hubspot_id, now])["id"], by):
            return found
    if warehouse.read(f"select id from {MIRRORS[entity_type]} where id = ?", [now]).is_empty():
        return None
    return _found(_alike(warehouse, entity_type, "teamleader_id", hubspot_id=now), by) or Found((), by, now)


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
    found = _found(warehouse.read(query.replace("$also", also) + " order by id", {"address": address})["id"], "email")
    where = "the addresses of Teamleader's companies"
    if entity_type == "contact":
        mirrored = (
            "select id from hubspot.contacts where not archived and (email = $a or list_contains(secondary_emails, $a))"
        )
        for hubspot_id in warehouse.read(mirrored, {"a": address})["id"]:
            found = found or _in_hubspot(warehouse, entity_type, hubspot_id, "email")
        where = "all addresses of Teamleader's contacts and of HubSpot's, secondary ones too"
    return found or _nobody(
        warehouse, f"Neither Teamleader nor HubSpot has a {entity_type} with that e-mail address", where
    )


def _by_vat(warehouse: Warehouse, text: str) -> Found | None:
    """A number without a country is taken as Belgian; one that is not valid is compared as it was typed."""
    plain = re.sub("[^0-9A-Z]", "", text.upper())
    number = normalize.vat_number(text, None) or normalize.vat_number(text, "BE") or plain
    typed = sorted({number, plain, f"BE{plain}"} - {"", "BE"})
    query = (
        "select id from teamleader.companies left join decisions.companies on teamleader_id = id"
        f" where vat = ? or (vat is null and {_PLAIN} in (select unnest(?))) order by id"
    )
    if found := _found(warehouse.read(query, [number, typed])["id"], "vat"):
        return found
    query = f"select id from hubspot.companies where not archived and {_PLAIN} in (select unnest(?)) order by id"
    there = warehouse.read(query, [typed])["id"]
    return _in_hubspot(warehouse, "company", there[0], "vat") if there.len() else None


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
