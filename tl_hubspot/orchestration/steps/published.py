"""What the last run left, for commands that only look: the database, the instant of its decisions, the rules' tables.

Reads the analysts' copy, so that it works while a run is going on; the working database when nothing was published.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import polars as pl

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform, source
from tl_hubspot.orchestration.steps import deciding
from tl_hubspot.orchestration.steps.affected import LINKS
from tl_hubspot.orchestration.steps.deciding import SOURCES
from tl_hubspot.rules.evaluate import Source
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse.store import Warehouse

DECISIONS = {"contact": "decisions.contacts", "company": "decisions.companies", "deal": "decisions.deals"}


@contextlib.contextmanager
def opened(platform: Platform) -> Iterator[Warehouse]:
    """As `readable`, held open meanwhile: many small questions then cost next to nothing each."""
    warehouse = readable(platform)
    warehouse.hold()
    try:
        yield warehouse
    finally:
        warehouse.release()


def readable(platform: Platform) -> Warehouse:
    """The analysts' copy, else the working database; ConfigurationError when there is neither."""
    published, wait = platform.settings.published, platform.settings.lock_timeout_seconds
    if published.exists():
        return Warehouse(published.resolve(), lock_timeout=wait, read_only=True)
    if platform.warehouse.exists():
        return Warehouse(platform.warehouse.path, lake=platform.warehouse.lake, lock_timeout=wait, read_only=True)
    raise ConfigurationError(
        "Nothing was read yet",
        where=str(platform.settings.data),
        mend="Run `tl-hubspot plan` first, or set TL_HUBSPOT_DATA to the folder of an earlier run",
    )


def rules(platform: Platform, warehouse: Warehouse, entity_type: str) -> RuleSettings:
    """The rules as of the last decisions on that kind of record; ConfigurationError when there are none."""
    as_of = warehouse.read(f"select max(as_of) as at from {DECISIONS[entity_type]}").item()
    if as_of is None:
        raise ConfigurationError("Nothing was decided yet", mend="Run `tl-hubspot plan` first")
    return platform.rules_at(as_of)


def tables(platform: Platform, warehouse: Warehouse) -> Source:
    """All that the rules look at."""

    def linked(entity_type: str) -> pl.Series:
        query = "select teamleader_id from sync.links where entity_type = ?"
        return warehouse.read(query, [entity_type]).get_column("teamleader_id")

    return Source(
        contacts=source(warehouse, SOURCES["contact"]),
        companies=source(warehouse, SOURCES["company"]),
        deals=source(warehouse, SOURCES["deal"]),
        contact_company_links=warehouse.read(LINKS),
        deal_phase_history=warehouse.read("teamleader.deal_phase_history"),
        linked_contacts=linked("contact"),
        linked_companies=linked("company"),
        linked_deals=linked("deal"),
        mapped=deciding.mapped_stages(platform, warehouse),
    )
