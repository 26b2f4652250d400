"""Which contacts need links (`rules.demand`), kept in a table as long as no contact differs and the day is the same.

Reading links is `links`, reading phases of deals `phases`.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import unchanged
from tl_hubspot.rules import demand
from tl_hubspot.warehouse.store import insert

TABLE = "sync.demanded_contacts"
_SOURCE = "teamleader.contacts"


def contacts(platform: Platform, as_of: datetime) -> pl.DataFrame:
    """Contacts that need links at that instant: id, updated_at, links_read_at, _loaded_at; sorted by id."""
    names = ", ".join(dict.fromkeys([*demand.CONTACT_COLUMNS, "links_read_at", "_loaded_at"]))
    query = f"select {names} from {_SOURCE} where deleted_at is null order by id"
    wanted = demand.contact_links(platform.warehouse.read(query), platform.rules_at(as_of))
    return wanted.select("id", "updated_at", "links_read_at", "_loaded_at")


def keep(platform: Platform, run: Run) -> None:
    """The table holds the contacts that need links in this run, as they are now."""
    print_ = unchanged.fingerprint(platform.warehouse, [_SOURCE], {"rules": unchanged.facts_of(platform.rules(run))})
    if unchanged.made_by(platform.warehouse, TABLE, print_):
        return
    wanted = contacts(platform, run.as_of).select("id")
    with platform.warehouse.transaction() as con:
        con.execute(f"delete from {TABLE}")
        insert(con, TABLE, wanted)
        unchanged.remember(con, TABLE, print_, run)
