"""The plan of one cycle: from the mirrors and the memory, with suspected records looked up and conflicts dated.

Writes to no system. What was looked up is told to the planner, and records that are there after all go into the mirror.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from tl_hubspot import decoding
from tl_hubspot.crmoffice import contacts
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.hubspot import mirror
from tl_hubspot.hubspot.property_history import read_with_history
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way import memory, reading
from tl_hubspot.orchestration.steps.two_way.sides import CrmofficeSide, Values, stored
from tl_hubspot.two_way.clocks import TIMES
from tl_hubspot.two_way.flows import SIDES, Flow, Side
from tl_hubspot.two_way.frames import LOOKUPS, Memory, Plan, System
from tl_hubspot.two_way.links import base
from tl_hubspot.two_way.plan import plan

_PERSON = "CRM_UI"


@dataclass(frozen=True)
class Made:
    """A plan, and what it was made of."""

    plan: Plan
    memory: Memory
    at: datetime


def make(platform: Platform, flow: Flow, run_id: str) -> Made:
    """The plan of this moment. Where a person approved deletions (`RunOptions.approved`) it goes on beyond the breaker
    when they are those very ones; ConfigurationError when they are not."""
    at, known = platform.clock(), memory.load(platform.warehouse, flow)
    sides = reading.systems(platform, flow)
    made = plan(sides["a"], sides["b"], known, flow, at)
    approved = platform.options.approved
    if approved is not None:
        _require(made.digest, approved)
        flow = replace(flow, max_delete_ratio=1.0)
        made = plan(sides["a"], sides["b"], known, flow, at)
    if made.suspected.height:
        for side in SIDES:
            ids = made.suspected.filter(pl.col("side") == side)["id"].to_list()
            sides[side] = _looked_up(platform, flow, side, sides[side], ids, at, run_id)
        made = plan(sides["a"], sides["b"], known, flow, at)
    agreed = {side: _agreed_by_list(made, known, flow, side) for side in SIDES}
    if any(agreed.values()):
        for side, ids in agreed.items():
            sides[side] = _looked_up(platform, flow, side, sides[side], ids, at, run_id) if ids else sides[side]
        made = plan(sides["a"], sides["b"], known, flow, at)
    if made.conflicts.height:
        sides["a"] = replace(sides["a"], times=_times(platform, flow, made.conflicts["a_id"]))
        made = plan(sides["a"], sides["b"], known, flow, at)
    return Made(made, known, at)


def _require(digest: str | None, approved: str) -> None:
    if digest != approved:
        raise ConfigurationError(
            "The deletions are not those that were approved: others were found since, or they were carried out already",
            where=f"their digest is now {digest}" if digest else "no breaker stops the flow",
            mend="Run `tl-hubspot crmoffice plan`, look at it, and approve the digest that it prints",
        )


# ---------------------------------------------------------------------- look-ups


def _agreed_by_list(made: Plan, known: Memory, flow: Flow, side: Side) -> list[str]:
    """Records of `side` of which a list alone says that they were changed to what the other side holds. A list may show
    what was there before the flow's own write; nothing is written in this case, so that no re-reading would find it."""
    own = made.shadows.join(known.shadows, on="link_id")
    moved = [(pl.col("field") == name) & (pl.col(side) != pl.col(base(side, name))) for name in flow.names]
    links = own.filter(pl.any_horizontal(pl.lit(False), *moved)).select("link_id").unique()
    return known.links.join(links, on="link_id", how="semi")[f"{side}_id"].sort().to_list()


def _looked_up(
    platform: Platform, flow: Flow, side: Side, system: System, ids: list[str], at: datetime, run_id: str
) -> System:
    look = _in_hubspot if side == "a" else _in_crmoffice
    outcomes, there = look(platform, flow, ids)
    with platform.warehouse.transaction() as con:
        reading.remember(con, flow, side, there, at, run_id)
    rows = [{"id": i, **values} for i, values in there.items()]
    fresh = pl.DataFrame(rows, schema=dict.fromkeys(("id", *flow.names), pl.String))
    records = pl.concat([system.records, fresh], how="diagonal")
    return replace(system, records=records, looked_up=pl.concat([system.looked_up, outcomes]))


_Looked = tuple[pl.DataFrame, dict[str, Values]]


def _in_hubspot(platform: Platform, flow: Flow, ids: list[str]) -> _Looked:
    found = mirror.look_up(platform.hubspot, mirror.Wanted("contact", tuple(flow.names)), ids)
    active = {row["id"]: row for row in found.rows if not row["archived"]}
    survivors = {merged: i for i, row in active.items() for merged in row["merged_ids"]}
    rows, there = [], set[str]()
    for i in ids:
        survivor = survivors.get(i)
        outcome = "present" if i in active else "merged" if survivor else "gone"
        rows.append({"id": i, "outcome": outcome, "survivor": None if i in active else survivor})
        there |= {i} & active.keys() | ({survivor} if survivor else set())
    decode = decoding.decoder(dict[str, str | None]).decode
    values: dict[str, Values] = {i: stored(decode(active[i]["properties"]), flow) for i in sorted(there)}
    return pl.DataFrame(rows, schema=LOOKUPS), values


def _in_crmoffice(platform: Platform, flow: Flow, ids: list[str]) -> _Looked:
    side = CrmofficeSide(platform.crmoffice, flow)
    found = {i: contact for i, contact in contacts.look_up(platform.crmoffice, ids) if contact is not None}
    rows = [{"id": i, "outcome": "present" if i in found else "gone", "survivor": None} for i in ids]
    return pl.DataFrame(rows, schema=LOOKUPS), {i: side.values(contact) for i, contact in found.items()}


# ---------------------------------------------------------------------- when HubSpot's values came about


def _times(platform: Platform, flow: Flow, ids: Iterable[str]) -> pl.DataFrame:
    """TIMES of these contacts: when each property got its present value, and whether Teamleader's flow wrote it."""
    told = list(read_with_history(platform.hubspot, ids, flow.names))
    written = _by_teamleader(platform, [record.id for record in told])
    rows = []
    for record in told:
        for name, entries in record.history.items():
            if entries:
                same = written.get(record.id, {}).get(name) == entries[0].value and entries[0].source != _PERSON
                rows.append({"id": record.id, "field": name, "at": entries[0].at, "by_teamleader": same})
    return pl.DataFrame(rows, schema=TIMES)


def _by_teamleader(platform: Platform, ids: list[str]) -> dict[str, dict[str, str | None]]:
    """What the flow from Teamleader remembers as written: HubSpot record id → property → value."""
    query = (
        "select l.hubspot_id, s.written from sync.links l join sync.shadows s using (entity_type, teamleader_id)"
        " where entity_type = 'contact' and list_contains(?, l.hubspot_id)"
    )
    rows = platform.warehouse.read(query, [ids]).iter_rows()
    return {i: decoding.decode(text or "{}", type=dict[str, str | None]) for i, text in rows}
