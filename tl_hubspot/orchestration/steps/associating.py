"""Associations of HubSpot into the warehouse: all of them, or only those that the plan may act on.

Making or removing an association moves no modified date that could be relied on, so that no search finds it. What the
plan does with associations is decided in `planning.relations`; about which there is doubt in `doubtful`; records are
`mirroring`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.hubspot import mirror
from tl_hubspot.hubspot.associations import READ_BATCH
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.orchestration.steps import doubtful
from tl_hubspot.orchestration.steps.affected import union
from tl_hubspot.orchestration.steps.changed import Changed, keys_of
from tl_hubspot.orchestration.steps.mirroring import TABLES
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import delete, fetch, frame_of, insert, upsert

RELATIONS = (("contact", "company"), ("deal", "contact"), ("deal", "company"))
FEW_CALLS = 6
"""So many calls read all associations: no more than the doubtful ones of three kinds would take."""
_PAIR = ["from_type", "from_id", "to_type", "to_id"]
_TABLE = "hubspot.associations"


def associations(platform: Platform, run: Run) -> dict[str, Any]:
    """Associations of active contacts and deals: every one in a full run and while there are few, else those of records
    that changed in HubSpot and those about which wish, memory and mirror do not agree."""
    started = platform.clock()
    whole = _is_whole(platform, run)
    doubts, made_of, rows = (None, None, None) if whole else doubtful.find(platform.warehouse)
    if doubts is None:
        asked = {relation: _active(platform, relation[0]) for relation in RELATIONS}
    else:
        asked = {r: _changed(platform, r[0]) | doubts.by_relation.get(r, set()) for r in RELATIONS}
        asked = {r: ids & _active(platform, r[0]) if ids else ids for r, ids in asked.items()}
    mark = {"entity_type": "association", "read_until": started, "base": "list", "run_id": run.run_id}
    if not whole and made_of is None and not any(asked.values()):
        # records and associations are as they were when those of archived records were last looked for
        platform.warehouse.upsert("sync.readings", frame_of("sync.readings", [mark]))
    else:
        frame = _read(platform, run, asked)
        with platform.warehouse.transaction() as con:
            if doubts is None:
                doubtful.forget(con)
            elif made_of is not None:
                doubtful.remember(con, run, doubts, made_of)
            _forget(con, asked, whole=whole)
            _leave_out_inactive(con, rows)
            insert(con, _TABLE, frame)
            upsert(con, "sync.readings", frame_of("sync.readings", [mark]))
    read = sum(map(len, asked.values()))
    way = "all" if whole else "changed or doubtful"
    return {"associations": platform.warehouse.count(_TABLE), "way": way, "records_read": read}


def _forget(con: duckdb.DuckDBPyConnection, asked: Mapping[tuple[str, str], set[str]], *, whole: bool) -> None:
    """What was known of the records asked for goes."""
    for (from_type, to_type), ids in asked.items():
        kind = pl.DataFrame({"from_type": [from_type], "to_type": [to_type]})
        if whole:
            delete(con, _TABLE, kind)
        else:
            of_asked = pl.DataFrame({"from_id": sorted(ids)}, {"from_id": pl.String()})
            delete(con, _TABLE, of_asked.join(kind, how="cross"))


def _leave_out_inactive(con: duckdb.DuckDBPyConnection, changed: Changed | None) -> None:
    """HubSpot shows no association of an archived record: those with one at an end go. Where it is known which rows
    `changed`, only their ends are looked at."""
    for end in ("from", "to"):
        for kind, table in TABLES.items():
            if changed is not None and not _has_inactive(con, kind, changed):
                continue
            gone = fetch(
                con,
                f"select {', '.join(_PAIR)} from {_TABLE} where {end}_type = ?"
                f" and {end}_id not in (select id from {table} where not archived)",
                [kind],
            )
            delete(con, _TABLE, gone)


def _has_inactive(con: duckdb.DuckDBPyConnection, kind: str, changed: Changed) -> bool:
    """Whether a changed record of that kind, or one at an end of a changed association, is no active one."""
    ids = [keys_of(changed, TABLES[kind], "id")]
    ids += [keys_of(changed, _TABLE, f"{end}_id", **{f"{end}_type": kind}) for end in ("from", "to")]
    asked = union(*ids)
    with registered(con, _ids=asked.to_frame()):
        active = con.execute(
            f"select count(*) from {TABLES[kind]} where not archived and id in (from _ids)"
        ).fetchall()[0][0]
    return bool(active < asked.len())


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


def _ids(platform: Platform, query: str, parameters: list[Any] | None = None) -> set[str]:
    return set(platform.warehouse.read(query, parameters).to_series().to_list())
