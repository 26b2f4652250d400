"""Tombstones: HubSpot records that people archived or erased after they were linked, so that none is made again.

Rows hold hashes only (`consent.pseudonyms`). They also stand in a file beside the database, so that a database that is
lost or put back from a copy does not bring anybody back. What a tombstone forbids is applied in `planning.match_*`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars as pl

from tl_hubspot import decoding
from tl_hubspot.consent.pseudonyms import Pseudonyms
from tl_hubspot.orchestration import consent
from tl_hubspot.planning.match_frames import DELETED_IN_HUBSPOT, GDPR_DELETED, GRAVES
from tl_hubspot.planning.match_links import MISSING
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import fetch, frame_of, upsert
from tl_hubspot.warehouse.schema import table

Row = dict[str, Any]
TABLE = "sync.tombstones"
FILE = "tombstones.jsonl"
ARCHIVED = "archived"
RECYCLE_BIN = timedelta(days=90)
"""So long HubSpot lists what was archived; what is in neither list before that was deleted for good."""


def bury(con: duckdb.DuckDBPyConnection, folder: Path, run_id: str, at: datetime, gone: pl.DataFrame) -> int:
    """A tombstone for each linked record that is gone; returns how many are new or tell something else now.

    gone: `entity_type`, `teamleader_id`, `hubspot_id`, `state` (archived or missing). A contact that was a record when
    HubSpot was last read, less than 90 days ago, and now is in no list, was erased; so was one that stays in the bin
    without any value.
    """
    _put_back(con, folder)
    if gone.is_empty():
        return 0
    last = con.execute("select max(started_at) from sync.runs where run_id <> ?", [run_id]).fetchall()[0][0]
    recently = last is not None and at - last < RECYCLE_BIN
    hashed = consent.names(con, folder)
    known = {_key(row): row for row in fetch(con, TABLE).iter_rows(named=True)}
    with registered(con, _gone=gone):
        rows = fetch(con, _GONE).to_dicts()
    made = []
    for row in rows:
        stone = _stone(hashed, row, run_id, at, is_erased=row["is_blank"] or (row["state"] == MISSING and recently))
        before = known.get(_key(stone))
        if before is None:
            made.append(stone)
        elif before["kind"] == ARCHIVED != stone["kind"] and at - before["found_at"] < RECYCLE_BIN:
            made.append(stone | {name: before[name] for name in ("found_at", "run_id", "released_at")})
    _store(con, folder, made)
    return len(made)


def graves(
    con: duckdb.DuckDBPyConnection, folder: Path, released: pl.DataFrame, eligible: Callable[[str], pl.DataFrame]
) -> pl.DataFrame:
    """GRAVES: eligible records that tombstones forbid to make, those that a person released left out.

    released: sync.releases; eligible: reads rows of eligible.contacts, .companies or .deals by entity type.
    """
    stones = fetch(con, f"from {TABLE} where released_at is null")
    if stones.is_empty():
        return pl.DataFrame(schema=GRAVES)
    hashed = consent.names(con, folder)
    ids = {(s["entity_type"], s["teamleader_hash"]): s["kind"] for s in stones.iter_rows(named=True)}
    erased = set(stones["address_hashes"].explode().drop_nulls())
    found = []
    for entity_type in ("contact", "company", "deal"):
        records = eligible(entity_type)
        texts = records["address"] if "address" in records.columns else [None] * records.height
        for teamleader_id, address in zip(records["teamleader_id"], texts, strict=True):
            kind = ids.get((entity_type, hashed.of(entity_type, teamleader_id)))
            by_address = erased and address and hashed.address(address) in erased
            if kind or by_address:
                reason = GDPR_DELETED if by_address or kind == GDPR_DELETED else DELETED_IN_HUBSPOT
                found.append((entity_type, teamleader_id, reason))
    frame = pl.DataFrame(found, schema=GRAVES, orient="row")
    return frame.join(released, on=["entity_type", "teamleader_id"], how="anti")


def release(con: duckdb.DuckDBPyConnection, folder: Path, at: datetime, entity_type: str, teamleader_id: str) -> None:
    """A person lets a record be made again: its tombstones, and those of its address, count no more."""
    stones = fetch(con, f"from {TABLE} where released_at is null")
    if stones.is_empty():
        return
    hashed = consent.names(con, folder)
    own = hashed.of(entity_type, teamleader_id)
    addresses: set[str | None] = set()
    if entity_type == "contact":
        query = "select address from decisions.contacts where teamleader_id = ? and address is not null"
        addresses = {hashed.address(address) for (address,) in con.execute(query, [teamleader_id]).fetchall()}
    freed = [
        row | {"released_at": at}
        for row in stones.iter_rows(named=True)
        if (row["entity_type"], row["teamleader_hash"]) == (entity_type, own)
        or not addresses.isdisjoint(row["address_hashes"])
    ]
    _store(con, folder, freed)


_GONE = """
select g.*, g.entity_type = 'contact' and coalesce(m.archived and m.email is null and m.teamleader_id is null, false)
    as is_blank,
  list_distinct(list_filter([d.address, lower(trim(s.fields ->> '$.email'))], lambda a: a is not null)) as addresses
from _gone g left join hubspot.contacts m on g.entity_type = 'contact' and m.id = g.hubspot_id
  left join decisions.contacts d on g.entity_type = 'contact' and d.teamleader_id = g.teamleader_id
  left join sync.shadows s on g.entity_type = 'contact' and s.entity_type = 'contact'
    and s.teamleader_id = g.teamleader_id
order by all
"""


def _stone(hashed: Pseudonyms, row: Row, run_id: str, at: datetime, *, is_erased: bool) -> Row:
    entity_type = row["entity_type"]
    is_erased = is_erased and entity_type == "contact"
    return {
        "entity_type": entity_type,
        "teamleader_hash": hashed.of(entity_type, row["teamleader_id"]),
        "hubspot_hash": hashed.of(f"hubspot {entity_type}", row["hubspot_id"]),
        "address_hashes": sorted(hashed.of("address", a) for a in row["addresses"]) if is_erased else [],
        "kind": GDPR_DELETED if is_erased else ARCHIVED,
        "found_at": at,
        "run_id": run_id,
        "released_at": None,
    }


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in table(TABLE).key)


def _store(con: duckdb.DuckDBPyConnection, folder: Path, rows: Sequence[Row]) -> None:
    """Into the table, and at the end of the file: there the last line about a record counts."""
    if not rows:
        return
    upsert(con, TABLE, frame_of(TABLE, rows))
    path = folder / FILE
    path.touch(mode=0o600)
    with path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def _put_back(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Tombstones of the file that the table lacks: the database is a new or an older one."""
    path = folder / FILE
    if not path.exists():
        return
    decoder = decoding.decoder(_Line)
    last = {}
    for text in path.read_bytes().splitlines():
        try:
            row = msgspec.structs.asdict(decoder.decode(text))
        except msgspec.MsgspecError:
            continue  # a line that a crash cut short: its transaction was not committed either
        last[_key(row)] = row
    known = {_key(row) for row in fetch(con, TABLE).iter_rows(named=True)}
    missing = [row for key, row in last.items() if key not in known]
    if missing:
        upsert(con, TABLE, frame_of(TABLE, missing))


class _Line(msgspec.Struct):
    entity_type: str
    teamleader_hash: str
    hubspot_hash: str
    address_hashes: list[str]
    kind: str
    found_at: datetime
    run_id: str
    released_at: datetime | None = None
