"""Which contacts need links (`rules.demand`), kept in a table as long as no contact differs and the day is the same.

Reading links is `links`, reading phases of deals `phases`.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import changed, unchanged
from tl_hubspot.rules import demand
from tl_hubspot.warehouse.rows import delete, insert

TABLE = "sync.demanded_contacts"
_SOURCE = "teamleader.contacts"


def contacts(platform: Platform, as_of: datetime, ids: pl.Series | None = None) -> pl.DataFrame:
    """Contacts that need links at that instant: id, updated_at, links_read_at, _loaded_at; sorted by id. Only these
    `ids` are looked at, all when None."""
    names = ", ".join(dict.fromkeys([*demand.CONTACT_COLUMNS, "links_read_at", "_loaded_at"]))
    query = f"select {names} from {_SOURCE} where deleted_at is null"
    if ids is None:
        people = platform.warehouse.read(query)
    else:
        people = platform.warehouse.read(f"{query} and id in (from _ids)", _ids=ids.to_frame())
    wanted = demand.contact_links(people.sort("id"), platform.rules_at(as_of))
    return wanted.select("id", "updated_at", "links_read_at", "_loaded_at")


def keep(platform: Platform, run: Run) -> None:
    """The table holds the contacts that need links in this run, as they are now."""
    facts = {"rules": unchanged.facts_of(platform.rules(run))}
    now = unchanged.made_of(platform.warehouse, [_SOURCE], facts)
    if unchanged.made_by(platform.warehouse, TABLE, now.fingerprint):
        return
    since = changed.since(platform.warehouse, TABLE, now)
    ids = None if since is None else since.get(_SOURCE, pl.DataFrame({"id": []}, {"id": pl.String}))["id"]
    wanted = contacts(platform, run.as_of, ids).select("id")
    with platform.warehouse.transaction() as con:
        if ids is None:
            con.execute(f"delete from {TABLE}")
        else:
            delete(con, TABLE, ids.to_frame())
        insert(con, TABLE, wanted)
        unchanged.remember(con, TABLE, now, run)
