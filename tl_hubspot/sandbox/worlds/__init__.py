"""Sample data of the sandbox: `world(name)` gives Teamleader's records and what HubSpot holds before the first sync.

`subset` (50 contacts with every edge case), `demo` (1,000 contacts, a healthy portal) and `generated` (any size). The
servers that hold the records live in `sandbox.teamleader` and `sandbox.hubspot`.
"""

from __future__ import annotations

from datetime import datetime

from tl_hubspot.sandbox.worlds.model import DEFAULT_AS_OF, HUBSPOT_TYPES, TEAMLEADER_KINDS, Case, Source, World
from tl_hubspot.sandbox.worlds.portfolio import Portfolio
from tl_hubspot.sandbox.worlds.subset import COMPANIES, CONTACTS, DEALS, Subset

WORLDS = ("subset", "demo", "generated")


def world(
    name: str,
    *,
    seed: int = 1,
    as_of: datetime = DEFAULT_AS_OF,
    contacts: int | None = None,
    companies: int | None = None,
    deals: int | None = None,
) -> World:
    """One of `WORLDS`. Only `generated` takes sizes; by default companies are contacts / 5 and deals contacts * 3 / 10.

    ValueError: unknown name, a size for a world of fixed size, a negative size, or an as_of without time zone.
    """
    if as_of.tzinfo is None:
        raise ValueError("as_of needs a time zone")
    sizes = (contacts, companies, deals)
    if name == "generated":
        contacts = 10_000 if contacts is None else contacts
        companies = contacts // 5 if companies is None else companies
        deals = contacts * 3 // 10 if deals is None else deals
        return World(name, seed, as_of, Portfolio(seed, as_of, contacts, companies, deals))
    if name not in WORLDS:
        raise ValueError(f"unknown world {name!r}, expected one of {', '.join(WORLDS)}")
    fixed = (CONTACTS, COMPANIES, DEALS) if name == "subset" else (1000, 200, 300)
    if any(size not in (None, own) for size, own in zip(sizes, fixed, strict=True)):
        raise ValueError(f"world {name!r} has a fixed size; use 'generated'")
    source: Source = Subset(seed, as_of) if name == "subset" else Portfolio(seed, as_of, *fixed)
    return World(name, seed, as_of, source)


__all__ = [
    "DEFAULT_AS_OF",
    "HUBSPOT_TYPES",
    "TEAMLEADER_KINDS",
    "WORLDS",
    "Case",
    "World",
    "world",
]
