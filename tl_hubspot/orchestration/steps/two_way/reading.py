"""Reading both systems into the mirrors, all of them or what changed, and the mirrors as the planner's frames.

A side is listed when it was never listed, when a day has passed, when it is small, or when it is not known what became
of a creation there; else only changes are read. A record that a mirror lacks is a suspicion, never proof of a deletion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import msgspec
import polars as pl

from tl_hubspot.crmoffice import contacts
from tl_hubspot.hubspot import search
from tl_hubspot.hubspot.mirror import instant
from tl_hubspot.hubspot.objects import BATCH, PAGE, Record, batch_read, list_records
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way.sides import Values, stored
from tl_hubspot.two_way.clocks import INSTANT
from tl_hubspot.two_way.flows import Flow, Side
from tl_hubspot.two_way.frames import System
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import delete, fetch, frame_of, insert, upsert

SMALL = 2_000
"""Records up to which the whole list is read every time: it takes few calls, and shows what is gone at once."""
LAG = timedelta(minutes=30)
"""How far HubSpot's index may lag behind."""
MIRRORS: dict[Side, str] = {"a": "two_way.hubspot_contacts", "b": "crmoffice.contacts"}


@dataclass(frozen=True)
class _Poll:
    """How a side is read: since when (None: the whole list)."""

    side: Side
    since: datetime | None
    known: int


def read(platform: Platform, flow: Flow, run_id: str, *, full: bool) -> dict[str, int]:
    """Bring both mirrors up to date; returns how many records of each side were read."""
    hubspot = _read_hubspot(platform, flow, run_id, _poll(platform, flow, "a", full=full))
    crmoffice = _read_crmoffice(platform, flow, run_id, _poll(platform, flow, "b", full=full))
    return {"read_hubspot": hubspot, "read_crmoffice": crmoffice}


def _poll(platform: Platform, flow: Flow, side: Side, *, full: bool) -> _Poll:
    with platform.warehouse.connect() as con:
        query = "select since, listed_at from two_way.polls where flow = ? and side = ?"
        rows = con.execute(query, [flow.name, side]).fetchall()
        known = con.execute(f"select count(*) from {MIRRORS[side]} {_where(side)}", _of(side, flow)).fetchall()[0][0]
        made = "select count(*) from two_way.create_intents where flow = ? and side = ?"
        is_open = con.execute(made, [flow.name, side]).fetchall()[0][0]
    if full or is_open or known <= SMALL or not rows or rows[0][1] is None:
        return _Poll(side, None, known)
    since, listed_at = rows[0]
    too_old = platform.clock() - listed_at > timedelta(hours=platform.settings.full_sweep_hours)
    return _Poll(side, None if too_old else since, known)


# ---------------------------------------------------------------------- HubSpot


def _read_hubspot(platform: Platform, flow: Flow, run_id: str, poll: _Poll) -> int:
    gateway = platform.hubspot
    if poll.since is not None:
        try:
            changes = search.Changes(gateway, "contact", poll.since, [], item=Record)
            began = _server_time(platform)
            hits = _unread(platform, flow, _hubspot_rows((hit for page in changes.pages() for hit in page), flow))
        except search.CapReached:
            return _read_hubspot(platform, flow, run_id, _Poll("a", None, poll.known))
        # the index shows records as they were: values are asked by id
        parts = [hits[start : start + BATCH] for start in range(0, len(hits), BATCH)]
        read = gateway.run(lambda part: batch_read(gateway, "contact", part, flow.names), parts)
        rows = _hubspot_rows((record for _, found in read for record in found), flow)
        gone = pl.DataFrame({"id": sorted(set(hits) - set(rows["id"]))}, schema={"id": pl.String})
        with platform.warehouse.transaction() as con:
            _merge(con, "a", flow, rows, platform.clock(), run_id)
            delete(con, MIRRORS["a"], gone.with_columns(flow=pl.lit(flow.name)))
            _polled(con, flow, "a", began, _server_time(platform), began - LAG)
            held = fetch(con, "select count(*) from two_way.hubspot_contacts where flow = ?", [flow.name]).item()
        if search.count(gateway, "contact") == held:
            return rows.height
        # something was archived, or the index lags
    pages = list_records(gateway, "contact", flow.names)
    listed = [_hubspot_rows(next(pages, []), flow)]
    began = _server_time(platform)
    for page in pages:
        listed.append(_hubspot_rows(page, flow))
        platform.progress("HubSpot", len(listed) * PAGE, None)
    rows = pl.concat(listed).unique("id", keep="last")
    with platform.warehouse.transaction() as con:
        _replace(con, "a", flow, rows, platform.clock(), run_id)
        _polled(con, flow, "a", began, _server_time(platform), began - LAG, listed_at=platform.clock())
    return rows.height


def _unread(platform: Platform, flow: Flow, hits: pl.DataFrame) -> list[str]:
    """The hits without those that the mirror has as young already: a search goes back by more than has changed."""
    query = "select id, updated_at as known_at from two_way.hubspot_contacts where flow = ? and id in (from _hits)"
    with platform.warehouse.connect() as con, registered(con, _hits=hits.select("id")):
        known = fetch(con, query, [flow.name])
    is_known = (pl.col("updated_at") <= pl.col("known_at")).fill_null(False)
    return hits.join(known, on="id", how="left").filter(~is_known)["id"].to_list()


def _hubspot_rows(records: Iterable[Record], flow: Flow) -> pl.DataFrame:
    rows = [
        {
            "id": record.id,
            "properties": msgspec.json.encode(stored(record.properties, flow)).decode(),
            "createdate": instant(record.createdAt),
            "updated_at": instant(record.updatedAt),
        }
        for record in records
    ]
    texts, instants = ("id", "properties"), ("createdate", "updated_at")
    shape: dict[str, Any] = {**dict.fromkeys(texts, pl.String()), **dict.fromkeys(instants, INSTANT)}
    return pl.DataFrame(rows, schema=shape).with_columns(flow=pl.lit(flow.name))


def _server_time(platform: Platform) -> datetime:
    return platform.hubspot.server_time or platform.clock()


# ---------------------------------------------------------------------- Crmoffice


def _read_crmoffice(platform: Platform, flow: Flow, run_id: str, poll: _Poll) -> int:
    reading = contacts.read(platform.crmoffice, poll.since)
    found, count = [_crmoffice_rows([])], 0
    for batch in reading:
        found.append(_crmoffice_rows(batch))
        count += len(batch)
        platform.progress("Crmoffice", count, None)
    deleted = [] if reading.is_complete else contacts.deletions(platform.crmoffice, poll.since)
    rows = pl.concat(found).unique("id", keep="last")
    began = reading.watermark or platform.clock()
    until = reading.until or began
    with platform.warehouse.transaction() as con:
        if reading.is_complete:
            _replace(con, "b", flow, rows, platform.clock(), run_id)
        else:
            _merge(con, "b", flow, rows, platform.clock(), run_id)
            gone = pl.DataFrame({"id": [deletion.id for deletion in deleted]}, schema={"id": pl.String})
            delete(con, MIRRORS["b"], gone.join(rows, on="id", how="anti"))
        listed_at = platform.clock() if reading.is_complete else None
        _polled(con, flow, "b", began, until, began, listed_at=listed_at)
    return rows.height


def _crmoffice_rows(found: Iterable[contacts.Contact]) -> pl.DataFrame:
    rows = [
        {
            "id": contact.id,
            **{name: value or "" for name, value in contact.values.items()},
            "company_id": (contact.record.get("company") or {}).get("id"),
            "modifiedAt": contact.modified_at,
        }
        for contact in found
    ]
    texts = ("id", "givenName", "familyName", "mobilePhone", "directPhone", "company_id")
    return pl.DataFrame(rows, schema={**dict.fromkeys(texts, pl.String), "modifiedAt": INSTANT})


# ---------------------------------------------------------------------- the mirrors


def _where(side: Side) -> str:
    return "where flow = ?" if side == "a" else ""


def _of(side: Side, flow: Flow) -> list[str]:
    return [flow.name] if side == "a" else []


def _polled(
    con: duckdb.DuckDBPyConnection,
    flow: Flow,
    side: Side,
    began: datetime,
    until: datetime,
    since: datetime,
    *,
    listed_at: datetime | None = None,
) -> None:
    row: dict[str, Any] = {"flow": flow.name, "side": side, "began_at": began, "since": since}
    row["poll"] = until + timedelta(seconds=1)  # the systems' clocks tell whole seconds
    row |= {"listed_at": listed_at} if listed_at else {}
    upsert(con, "two_way.polls", frame_of("two_way.polls", [row]).select(list(row)))


def _replace(
    con: duckdb.DuckDBPyConnection, side: Side, flow: Flow, rows: pl.DataFrame, at: datetime, run_id: str
) -> None:
    """The mirror holds exactly these rows."""
    stamped = _stamped(con, side, flow, rows, at, run_id)
    con.execute(f"delete from {MIRRORS[side]} {_where(side)}", _of(side, flow))
    insert(con, MIRRORS[side], stamped)


def _merge(
    con: duckdb.DuckDBPyConnection, side: Side, flow: Flow, rows: pl.DataFrame, at: datetime, run_id: str
) -> None:
    upsert(con, MIRRORS[side], _stamped(con, side, flow, rows, at, run_id))


def _stamped(
    con: duckdb.DuckDBPyConnection, side: Side, flow: Flow, rows: pl.DataFrame, at: datetime, run_id: str
) -> pl.DataFrame:
    query = f"select id, first_seen_at from {MIRRORS[side]} {_where(side) or 'where true'} and id in (from _rows)"
    with registered(con, _rows=rows.select("id")):
        known = fetch(con, query, _of(side, flow))
    return rows.join(known, on="id", how="left").with_columns(
        pl.col("first_seen_at").fill_null(pl.lit(at)), _loaded_at=pl.lit(at), _run_id=pl.lit(run_id)
    )


def remember(
    con: duckdb.DuckDBPyConnection, flow: Flow, side: Side, records: Mapping[str, Values], at: datetime, run_id: str
) -> None:
    """Records as they are since a look by id or a write: id → all fields of the flow (None: not known)."""
    if not records:
        return
    if side == "a":
        texts = {i: msgspec.json.encode(dict(values)).decode() for i, values in records.items()}
        rows = pl.DataFrame({"flow": flow.name, "id": list(texts), "properties": list(texts.values())})
    else:
        columns = {f.b: [values.get(f.name) for values in records.values()] for f in flow.fields}
        shape = dict.fromkeys(("id", *columns), pl.String)
        rows = pl.DataFrame({"id": list(records), **columns}, schema=shape)
    _merge(con, side, flow, rows, at, run_id)


def forget(con: duckdb.DuckDBPyConnection, flow: Flow, side: Side, ids: Iterable[str]) -> None:
    """Records that a look by id did not find."""
    rows = pl.DataFrame({"id": sorted(ids)}, schema={"id": pl.String})
    delete(con, MIRRORS[side], rows.with_columns(flow=pl.lit(flow.name)) if side == "a" else rows)


def found_since(con: duckdb.DuckDBPyConnection, flow: Flow, side: Side, since: datetime) -> pl.DataFrame:
    """`side`, `id` and the fields of the records that the flow met first after that instant."""
    return _records(con, flow, side, since).select(pl.lit(side).alias("side"), "id", *flow.names)


def systems(platform: Platform, flow: Flow) -> dict[Side, System]:
    """Both sides as they were read last."""
    with platform.warehouse.connect() as con:
        return {"a": _system(con, flow, "a"), "b": _system(con, flow, "b")}


def _system(con: duckdb.DuckDBPyConnection, flow: Flow, side: Side) -> System:
    query = "select poll, planned_from, listed_at from two_way.polls where flow = ? and side = ?"
    rows = con.execute(query, [flow.name, side]).fetchall()
    poll, previous, listed_at = rows[0] if rows else (None, None, None)
    records = _records(con, flow, side, None)
    indexed = listed_at is not None
    return System(records, complete=indexed, indexed=indexed, poll=poll, previous_poll=previous)


def _records(con: duckdb.DuckDBPyConnection, flow: Flow, side: Side, since: datetime | None) -> pl.DataFrame:
    """`id`, the flow's fields, and what else the planner makes use of."""
    met = f"first_seen_at > '{since.isoformat()}'::timestamptz" if since else "true"
    if side == "b":
        columns = ", ".join(f'"{f.b}" as "{f.name}"' for f in flow.fields)
        return fetch(con, f"select id, {columns}, modifiedAt as modified_at from crmoffice.contacts where {met}")
    query = f"select id, properties, createdate as created_at from two_way.hubspot_contacts where flow = ? and {met}"
    frame = fetch(con, query, [flow.name])
    decoded = pl.col("properties").str.json_decode(pl.Struct(dict.fromkeys(flow.names, pl.String())))
    return frame.with_columns(decoded).unnest("properties")
