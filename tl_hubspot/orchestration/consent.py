"""The consent ledger on DuckDB: rows appended in the transaction of what they record, decisions by what differs.

The chain itself is `consent.chain`; who reports what is `steps.pushing` (decisions) and the pushing room (what was
done). Nothing here changes or removes a row, and neither does anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.consent import pseudonyms
from tl_hubspot.consent.chain import SAID, Head, chained
from tl_hubspot.consent.pseudonyms import Pseudonyms
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import delete, fetch, insert, polars_schema, upsert

Row = dict[str, Any]
LEDGER, HEAD, FACTS, TOMBSTONES = "sync.consent_ledger", "sync.consent_head", "sync.consent_facts", "sync.tombstones"

_KNOWN = ("consent", "opted_out", "decision")
_SHOWN = ("hubspot_opted_out", "hubspot_marketing")


def names(con: duckdb.DuckDBPyConnection, folder: Path) -> Pseudonyms:
    """The pseudonyms of a data folder; ConfigurationError when hashes are in use and their key is gone."""
    in_use = con.execute(f"select exists (from {LEDGER}) or exists (from {TOMBSTONES})").fetchall()[0][0]
    return pseudonyms.load(folder, in_use=in_use)


def head(con: duckdb.DuckDBPyConnection) -> Head:
    """The end of the ledger as it was last written."""
    rows = con.execute(f"select seq, hash from {HEAD}").fetchall()
    return Head(*rows[0]) if rows else Head()


def record(con: duckdb.DuckDBPyConnection, folder: Path, events: Sequence[Row]) -> None:
    """Append what was done; see `pushing.ledger.Ledger.consent`."""
    if not events:
        return
    ids = list({e["teamleader_id"] for e in events})
    with registered(con, _ids=pl.DataFrame({"teamleader_id": ids}, schema={"teamleader_id": pl.String()})):
        rows = fetch(con, f"select f.* from {FACTS} f semi join _ids using (teamleader_id)").to_dicts()
    facts = {row["teamleader_id"]: row for row in rows}
    complete = []
    for event in events:
        known = facts.get(event["teamleader_id"], {})
        before = {name: known.get(name) for name in (*_KNOWN, *_SHOWN)}
        complete.append(before | event | {"address": event["address"] or known.get("address")})
    types = polars_schema(LEDGER)
    columns = {name: types.get(name, pl.String()) for name in (*SAID, "address") if name != "address_hash"}
    _append(con, folder, pl.DataFrame(complete, schema=columns))
    _now_shown(con, events)


def record_decisions(
    con: duckdb.DuckDBPyConnection, folder: Path, run_id: str, at: datetime, which: str = "true"
) -> int:
    """Append a row per contact of which Teamleader, the decision or HubSpot says something else than the ledger last
    said; returns how many. `which`: SQL condition on `teamleader_id`, of the contacts that are looked at."""
    rows = fetch(con, _NEWS.format(which=which))
    if rows.is_empty():
        return 0
    stamp = [pl.lit(at, pl.Datetime("us", "UTC")).alias("at"), pl.lit(run_id).alias("run_id")]
    _append(con, folder, rows.with_columns(stamp))
    gone = rows.filter(pl.col("event") == "deleted")
    delete(con, FACTS, gone.select("teamleader_id"))
    upsert(con, FACTS, rows.filter(pl.col("event") != "deleted").drop("event", "hubspot_id"))
    return rows.height


def _append(con: duckdb.DuckDBPyConnection, folder: Path, rows: pl.DataFrame) -> None:
    """rows: the columns of SAID, with `address` in the place of its hash."""
    hashed = names(con, folder)
    said = rows.with_columns(pl.Series("address_hash", [hashed.address(a) for a in rows["address"]], pl.String)).select(
        SAID
    )
    links = list(chained(said.iter_rows(), head(con)))
    columns = pl.DataFrame(links, schema={"seq": pl.Int32, "previous_hash": pl.String, "hash": pl.String}, orient="row")
    insert(con, LEDGER, pl.concat([said, columns], how="horizontal"))
    seq, _, last = links[-1]
    con.execute(f"delete from {HEAD}")
    con.execute(f"insert into {HEAD} (seq, hash) values (?, ?)", [seq, last])


def _now_shown(con: duckdb.DuckDBPyConnection, events: Sequence[Row]) -> None:
    """What HubSpot confirmed is known: the next run, which sees it there, has nothing to add."""
    for name in _SHOWN:
        shown = {e["hubspot_id"] for e in events if e.get(name)}
        if shown:
            frame = pl.DataFrame({"hubspot_id": list(shown)}, schema={"hubspot_id": pl.String()})
            with registered(con, _shown=frame):
                # the record may be another contact's: a skipped one speaks for the address, and has no record itself
                con.execute(
                    f"update {FACTS} f set {name} = true from _shown s join sync.links l using (hubspot_id)"
                    " where l.entity_type = 'contact' and f.teamleader_id = l.teamleader_id"
                )


_NEWS = f"""
with linked as (select teamleader_id, hubspot_id from sync.links where entity_type = 'contact' and {{which}}),
planned as (select teamleader_id, hubspot_id from sync.planned_outcomes where entity_type = 'contact' and {{which}}),
decided as (from decisions.contacts where {{which}}),
said as (from {FACTS} where {{which}}),
now as (
  select d.teamleader_id, coalesce(p.hubspot_id, l.hubspot_id) as hubspot_id, d.address, d.consent, d.opted_out,
    d.status as decision, d.reason, m.opted_out as hubspot_opted_out, m.marketable as hubspot_marketing
  from decided d left join planned p using (teamleader_id) left join linked l using (teamleader_id)
    left join hubspot.contacts m on m.id = coalesce(p.hubspot_id, l.hubspot_id) and not m.archived
),
news as (
  select coalesce(n.teamleader_id, f.teamleader_id) as teamleader_id, n.hubspot_id, n.consent, n.opted_out,
    n.hubspot_opted_out, n.hubspot_marketing, n.teamleader_id is null as is_gone, f.teamleader_id is null as is_new,
    case when is_gone then f.address else n.address end as address,
    case when is_gone then 'deleted' else n.decision end as decision,
    case when is_gone then 'deleted_in_teamleader' else n.reason end as reason,
    (n.address, n.consent, n.opted_out, n.decision, n.reason) is distinct from
      (f.address, f.consent, f.opted_out, f.decision, f.reason) as is_decided,
    (coalesce(n.hubspot_opted_out, false), coalesce(n.hubspot_marketing, false)) is distinct from
      (coalesce(f.hubspot_opted_out, false), coalesce(f.hubspot_marketing, false)) as is_shown
  from now n full join said f on n.teamleader_id = f.teamleader_id
)
select teamleader_id, coalesce(n.hubspot_id, l.hubspot_id) as hubspot_id, address, consent, opted_out, decision, reason,
  n.hubspot_opted_out, n.hubspot_marketing,
  case when is_gone then 'deleted' when is_decided then 'decided' else 'seen_in_hubspot' end as event
from news n left join linked l using (teamleader_id)
where is_gone or (is_new and address is not null) or (not is_new and (is_decided or is_shown))
order by teamleader_id
"""
"""Contacts with an address, or that had one, of which the facts differ. No record in HubSpot, and one that is neither
opted out nor marketing, are the same."""
