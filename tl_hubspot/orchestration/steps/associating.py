"""Associations of HubSpot into the warehouse: all of them, or only those that the plan may act on.

Making or removing an association moves no modified date that could be relied on, so that no search finds it. What the
plan does with associations is decided in `planning.relations`; records are `mirroring`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import duckdb
import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.hubspot import mirror
from tl_hubspot.hubspot.associations import READ_BATCH
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import unchanged
from tl_hubspot.orchestration.steps.mirroring import TABLES
from tl_hubspot.planning.match_emails import addresses
from tl_hubspot.planning.match_links import follow_merges
from tl_hubspot.warehouse.history import registered
from tl_hubspot.warehouse.store import delete, fetch, frame_of, insert, upsert

RELATIONS = (("contact", "company"), ("deal", "contact"), ("deal", "company"))
FEW_CALLS = 6
"""So many calls read all associations: no more than the doubtful ones of three kinds would take."""
_PAIR = ["from_type", "from_id", "to_type", "to_id"]
_TABLE = "hubspot.associations"
_DOUBTS = "doubtful associations"


def associations(platform: Platform, run: Run) -> dict[str, Any]:
    """Associations of active contacts and deals: every one in a full run and while there are few, else those of records
    that changed in HubSpot and those about which wish, memory and mirror do not agree."""
    started = platform.clock()
    whole = _is_whole(platform, run)
    new: _Doubts | None = None
    if whole:
        asked = {relation: _active(platform, relation[0]) for relation in RELATIONS}
    else:
        doubtful, new = _doubtful(platform)
        asked = {r: _changed(platform, r[0]) | doubtful.get(r, set()) for r in RELATIONS}
        asked = {r: ids & _active(platform, r[0]) if ids else ids for r, ids in asked.items()}
    mark = {"entity_type": "association", "read_until": started, "base": "list", "run_id": run.run_id}
    if not whole and new is None and not any(asked.values()):
        # records and associations are as they were when those of archived records were last looked for
        platform.warehouse.upsert("sync.readings", frame_of("sync.readings", [mark]))
    else:
        frame = _read(platform, run, asked)
        with platform.warehouse.transaction() as con:
            _store(con, asked, frame, whole=whole)
            upsert(con, "sync.readings", frame_of("sync.readings", [mark]))
            if new is not None:
                unchanged.remember(con, _DOUBTS, new.made_of, run, new.text)
    read = sum(map(len, asked.values()))
    way = "all" if whole else "changed or doubtful"
    return {"associations": platform.warehouse.count(_TABLE), "way": way, "records_read": read}


def _store(
    con: duckdb.DuckDBPyConnection, asked: Mapping[tuple[str, str], set[str]], frame: pl.DataFrame, *, whole: bool
) -> None:
    """What was read takes the place of what was known of the records asked for."""
    for (from_type, to_type), ids in asked.items():
        kind = pl.DataFrame({"from_type": [from_type], "to_type": [to_type]})
        if whole:
            delete(con, _TABLE, kind)
        else:
            of_asked = pl.DataFrame({"from_id": sorted(ids)}, {"from_id": pl.String()})
            delete(con, _TABLE, of_asked.join(kind, how="cross"))
        # HubSpot shows no association of an archived record
        gone = fetch(
            con,
            f"select {', '.join(_PAIR)} from {_TABLE} where from_type = ? and to_type = ?"
            f" and not (from_id in (select id from {TABLES[from_type]} where not archived)"
            f" and to_id in (select id from {TABLES[to_type]} where not archived))",
            [from_type, to_type],
        )
        delete(con, _TABLE, gone)
    insert(con, _TABLE, frame)


def _active(platform: Platform, kind: str) -> set[str]:
    return _ids(platform, f"select id from {TABLES[kind]} where not archived")


def _is_whole(platform: Platform, run: Run) -> bool:
    forced = platform.settings.hubspot.mirror
    active = {kind: platform.warehouse.count(table, "not archived") for kind, table in TABLES.items()}
    calls = sum(-(-active[from_type] // READ_BATCH) for from_type, _ in RELATIONS)
    known = platform.warehouse.count("sync.readings", "entity_type = 'association'") > 0
    return run.is_full or not known or forced == "list" or (forced == "auto" and calls <= FEW_CALLS)


def _read(platform: Platform, run: Run, asked: Mapping[tuple[str, str], set[str]]) -> pl.DataFrame:
    stamp = {"_loaded_at": platform.clock(), "_run_id": run.run_id}
    frames = [
        frame_of(_TABLE, [row | stamp for row in rows])
        for (from_type, to_type), ids in asked.items()
        for rows in mirror.read_associations(platform.hubspot, from_type, to_type, sorted(ids))
    ]
    return pl.concat([frame_of(_TABLE, []), *frames]).unique(_PAIR, keep="last", maintain_order=True)


def _changed(platform: Platform, kind: str) -> set[str]:
    """Records of which another version was stored since associations were read, also by a run that did not get here."""
    before = "select read_until from sync.readings where entity_type = 'association'"
    return _ids(platform, f"select id from {TABLES[kind]} where not archived and _loaded_at >= ({before})")


class _Doubts(NamedTuple):
    """What was found now, as it is remembered."""

    made_of: str
    text: str


def _doubtful(platform: Platform) -> tuple[dict[tuple[str, str], set[str]], _Doubts | None]:
    """Records whose associations the plan may act on, by kind of relation; the second is None where that was known.

    Wished for and not remembered: it would be written, perhaps as primary. Wished for or remembered and not in the
    mirror: the sync made it since, a person removed it, or records were merged. And contacts that will be matched by
    their address for the first time.
    """
    of = ["eligible.relations", "eligible.contacts", "sync.links", "sync.relations", _TABLE, *TABLES.values()]
    made_of = unchanged.fingerprint(platform.warehouse, of, {})
    known = unchanged.result_of(platform.warehouse, _DOUBTS, made_of)
    new = None
    if known is None:
        with (
            platform.warehouse.roomy() as con,
            registered(con, _first=_first_matches(platform), _moved=_moved(platform)),
        ):
            known = msgspec.json.encode(con.execute(_DOUBTFUL).fetchall()).decode()
        new = _Doubts(made_of, known)
    doubtful: dict[tuple[str, str], set[str]] = {}
    for from_type, to_type, from_id in decoding.decode(known, type=list[tuple[str, str, str]]):
        doubtful.setdefault((from_type, to_type), set()).add(from_id)
    return doubtful, new


_DOUBTFUL = f"""
with ends as (
  select entity_type as kind, teamleader_id, hubspot_id from sync.links
  union all by name select 'contact' as kind, teamleader_id, hubspot_id from _first
), wished as (
  select r.from_type, f.hubspot_id as from_id, r.to_type, t.hubspot_id as to_id from eligible.relations r
  join ends f on f.kind = r.from_type and f.teamleader_id = r.from_id
  left join ends t on t.kind = r.to_type and t.teamleader_id = r.to_id
), remembered as (
  select from_type, coalesce(f.now, from_id) as from_id, to_type, coalesce(t.now, to_id) as to_id from sync.relations
  left join _moved f on f.kind = from_type and f.id = from_id
  left join _moved t on t.kind = to_type and t.id = to_id
), pairs as (
  from wished anti join remembered using (from_type, from_id, to_type, to_id)
  union all from wished anti join {_TABLE} using (from_type, from_id, to_type, to_id)
  union all from remembered anti join {_TABLE} using (from_type, from_id, to_type, to_id)
)
select distinct from_type, to_type, from_id from pairs
union select 'contact', 'company', hubspot_id from _first
"""
"""Wish, memory and mirror compared; `_moved`: records that were merged into another one."""


def _first_matches(platform: Platform) -> pl.DataFrame:
    """Eligible contacts without a link that a HubSpot contact has the address of: teamleader_id, hubspot_id."""
    unlinked = platform.warehouse.read(
        "select teamleader_id, address from eligible.contacts"
        " where teamleader_id not in (select teamleader_id from sync.links where entity_type = 'contact')"
    )
    if unlinked.is_empty():
        return pl.DataFrame(schema={"teamleader_id": pl.String(), "hubspot_id": pl.String()})
    # who may have such an address: the mirror has them in small letters, beyond ASCII a normal form differs in more
    contacts = platform.warehouse.read(
        "select id, createdate, email, secondary_emails, archived from hubspot.contacts where not archived and"
        " (email in (from _addresses) or len(secondary_emails) > 0 or strlen(email) > length(email))",
        _addresses=unlinked.select("address"),
    )
    return unlinked.join(addresses(contacts), on="address").select("teamleader_id", "hubspot_id")


def _moved(platform: Platform) -> pl.DataFrame:
    """Remembered ends of associations whose record was merged into another one: kind, id, now."""
    frames = [pl.DataFrame(schema={"kind": pl.String(), "id": pl.String(), "now": pl.String()})]
    for kind, table in TABLES.items():
        if not platform.warehouse.count(table, "len(merged_ids) > 0"):
            continue
        records = platform.warehouse.read(f"select id, createdate, archived, merged_ids from {table}")
        ids = platform.warehouse.read(
            "select from_id as id from sync.relations where from_type = $1"
            " union select to_id from sync.relations where to_type = $1",
            [kind],
        )["id"]
        ends = follow_merges(ids, records).filter(pl.col("stored_id") != pl.col("hubspot_id"))
        frames.append(ends.select(pl.lit(kind).alias("kind"), id="stored_id", now="hubspot_id"))
    return pl.concat(frames)


def _ids(platform: Platform, query: str, parameters: list[Any] | None = None) -> set[str]:
    return set(platform.warehouse.read(query, parameters).to_series().to_list())
