"""Everything known about one contact between HubSpot and Crmoffice, for `explain`: facts from the tables alone.

What would be written next is asked of the planner itself, with this pair alone and what was last read of it. Words are
in `reporting.explanation_pair`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way.waiting import is_in_use
from tl_hubspot.two_way import frames, merge
from tl_hubspot.two_way.clocks import INTERVALS, later
from tl_hubspot.two_way.flows import OTHER, SIDES, SYSTEM, Field, Flow, Side
from tl_hubspot.two_way.frames import Memory, Plan, System
from tl_hubspot.two_way.plan import plan
from tl_hubspot.warehouse.store import Warehouse

PREFIX = "crmoffice:"
"""In front of an id of Crmoffice, where HubSpot has the same number."""
_RECORDS = {
    "a": "select id, properties from two_way.hubspot_contacts where flow = $flow and id = $id",
    "b": "select * exclude (modifiedAt), modifiedAt as modified_at from crmoffice.contacts"
    " where $flow is not null and id = $id",
}
_CONFLICTS = """
select conflict_id, kind, field, a_value as hubspot_value, b_value as crmoffice_value, state, detected_at,
  case winner when 'a' then 'hubspot' when 'b' then 'crmoffice' end as winner
from two_way.conflicts where flow = ? and link_id = ? order by detected_at desc, conflict_id
"""


@dataclass(frozen=True)
class Contact:
    """Who is meant, by the ids in the two systems; None where there is none that is known."""

    hubspot_id: str | None
    crmoffice_id: str | None


def find(platform: Platform, warehouse: Warehouse, text: str) -> Contact | None:
    """The contact with that id of HubSpot or of Crmoffice (`crmoffice:ID`), or that address in HubSpot."""
    flow = _flow(platform, warehouse)
    if flow is None:
        return None
    only, text = text.startswith(PREFIX), text.removeprefix(PREFIX).strip()
    by_name = {"flow": flow.name, "id": text}
    if "@" in text:
        query = (
            "select id from hubspot.contacts where not archived and (email = ? or list_contains(secondary_emails, ?))"
        )
        ids = warehouse.read(query, [text.lower()] * 2)["id"].to_list()
        return _whole(warehouse, flow, Contact(ids[0], None)) if len(ids) == 1 else None
    for side in ("b",) if only else SIDES:
        known = warehouse.read(f"select 1 from two_way.links where flow = $flow and {side}_id = $id", by_name).height
        if known or warehouse.read(_RECORDS[side], by_name).height:
            return _whole(warehouse, flow, Contact(text, None) if side == "a" else Contact(None, text))
    return None


def explain(platform: Platform, warehouse: Warehouse, contact: Contact) -> dict[str, Any] | None:
    """What is known about the contact; None where Crmoffice is not in use, or neither side of it was read.

    `link`: the pair, or None; `fields`: per field both values, what both were last known to hold, the clocks, the
    policy, and what would be done next; `conflicts`: newest first; `ambiguous`, `unmatched`, `not_made`: why there is
    no pair.
    """
    flow = _flow(platform, warehouse)
    if flow is None:
        return None
    contact = _whole(warehouse, flow, contact)
    link = _link(warehouse, flow, contact)
    ids: dict[Side, str | None] = {"a": contact.hubspot_id, "b": contact.crmoffice_id}
    records = {side: _record(warehouse, flow, side, ids[side]) for side in SIDES}
    if link is None and not any(records.values()):
        return None
    query = "select side, reason from two_way.unmatched where flow = ? and id = ? and side = ?"
    shared = "select key, candidates from two_way.ambiguous where flow = ? and id = ? and side = ?"
    side: Side = "a" if contact.hubspot_id else "b"
    alone = [flow.name, ids[side], side]
    unmatched = warehouse.read(query, alone)["reason"].to_list()
    refused = (
        "select reason, attempts, until from two_way.holds where flow = ? and link_id = ? order by until desc limit 1"
    )
    not_made = warehouse.read(refused, [flow.name, f"new:{OTHER[side]}:{ids[side]}"]).to_dicts() if not link else []
    number = contact.hubspot_id
    there = _record(warehouse, flow, "b", number) if number and number != contact.crmoffice_id else None
    return {
        "flow": flow.name,
        "hubspot_id": contact.hubspot_id,
        "crmoffice_id": contact.crmoffice_id,
        "same_number_in_crmoffice": there is not None,
        "link": _plain({k: link[k] for k in ("link_id", "state", "reason", "how", "created_at")}) if link else None,
        "key": list(flow.keys[0]) if flow.keys else [],
        "fields": _fields(platform, warehouse, flow, link, records) if link else [],
        "conflicts": [_plain(r) for r in warehouse.read(_CONFLICTS, [flow.name, link["link_id"]]).to_dicts()]
        if link
        else [],
        "unmatched": unmatched[0] if unmatched and not link else None,
        "not_made": [_plain(row) | {"system": SYSTEM[OTHER[side]]} for row in not_made],
        "ambiguous": [row["candidates"] for row in warehouse.read(shared, alone).to_dicts()] if not link else [],
    }


def _flow(platform: Platform, warehouse: Warehouse) -> Flow | None:
    if not is_in_use(warehouse):
        return None
    return next((flow for flow in platform.flows if flow.enabled and flow.fields), None)


def _whole(warehouse: Warehouse, flow: Flow, contact: Contact) -> Contact:
    link = _link(warehouse, flow, contact)
    return Contact(link["a_id"], link["b_id"]) if link else contact


def _link(warehouse: Warehouse, flow: Flow, contact: Contact) -> dict[str, Any] | None:
    query = (
        "select * from two_way.links where flow = ? and (a_id = ? or b_id = ?)"
        " order by state = 'broken', created_at desc limit 1"
    )
    rows = warehouse.read(query, [flow.name, contact.hubspot_id, contact.crmoffice_id]).to_dicts()
    return rows[0] if rows else None


def _record(warehouse: Warehouse, flow: Flow, side: Side, record: str | None) -> dict[str, Any] | None:
    """The record as it was last read: `id`, the flow's fields, `modified_at` where it is known."""
    rows = warehouse.read(_RECORDS[side], {"flow": flow.name, "id": record}).to_dicts() if record else []
    if not rows:
        return None
    row = rows[0]
    if side == "a":
        return {"id": row["id"], **{n: json.loads(row["properties"]).get(n) for n in flow.names}, "modified_at": None}
    return {"id": row["id"], **{f.name: row.get(f.b) for f in flow.fields}, "modified_at": row["modified_at"]}


# ---------------------------------------------------------------------- what the planner says about the pair


def _fields(
    platform: Platform,
    warehouse: Warehouse,
    flow: Flow,
    link: dict[str, Any],
    records: dict[Side, dict[str, Any] | None],
) -> list[dict[str, Any]]:
    memory = _memory(warehouse, flow, link)
    a, b = (_system(warehouse, flow, side, records[side]) for side in SIDES)
    made = plan(a, b, memory, flow, platform.clock()) if all(records.values()) else Plan()
    mapped = platform.mapping.properties("contact")
    from_teamleader = warehouse.read(
        "select 1 from sync.links where entity_type = 'contact' and hubspot_id = ?", [link["a_id"]]
    ).height
    return [
        _field(flow, field, link, records, memory, made) | {"teamleader": from_teamleader > 0 and field.a in mapped}
        for field in flow.fields
    ]


def _field(
    flow: Flow,
    field: Field,
    link: dict[str, Any],
    records: dict[Side, dict[str, Any] | None],
    memory: Memory,
    made: Plan,
) -> dict[str, Any]:
    name = field.name
    values = {side: record[name] if (record := records[side]) else None for side in SIDES}
    base = {side: _one(memory.shadows, f"{side}:{name}") for side in SIDES}
    clocks: dict[str, dict[str, Any]] = {}
    for side in SIDES:
        own = made.intervals.filter(side=side, id=link[f"{side}_id"], field=name).to_dicts()
        clocks[side] = own[0] if own and own[0]["value"] == values[side] else dict.fromkeys(INTERVALS)
    row: dict[str, Any] = {}
    for side in SIDES:
        row |= {side: values[side], f"base_{side}": base[side]}
        row |= {f"{side}_{bound}": clocks[side][bound] for bound in ("earliest", "latest")}
    row["a_by_teamleader"] = bool(clocks["a"]["by_teamleader"])
    judged = merge.merge(pl.DataFrame([row], schema=merge.ROWS), field, flow)
    rule, effect, winner = judged.select("rule", "effect", "winner").row(0)
    writes = made.writes.filter(link_id=link["link_id"], field=name).to_dicts()
    held = made.held.filter(link_id=link["link_id"], field=name)["reason"].to_list()
    refused = memory.holds.filter(pl.col("field") == name).to_dicts()
    unsettled = memory.writes.filter(pl.col("field") == name).height > 0
    active = link["state"] == "linked" and all(records.values())
    return {
        "field": name,
        "crmoffice_field": field.b,
        "hubspot_value": values["a"],
        "crmoffice_value": values["b"],
        "last_agreed": {"hubspot": base["a"], "crmoffice": base["b"]} if base["a"] is not None else None,
        "hubspot_changed": _interval(clocks["a"]),
        "crmoffice_changed": _interval(clocks["b"]),
        "changed_by_teamleader": row["a_by_teamleader"],
        "compare": field.compare,
        "policy": field.policy,
        "owner": field.owner,
        "tie_side": SYSTEM[flow.tie_side].lower(),
        "max_skew_seconds": int(flow.max_skew.total_seconds()),
        "rule": rule if active else None,
        "winner": SYSTEM[winner].lower() if active and winner else None,
        "wins_by": _wins_by(judged, field, flow, winner) if active and winner and rule in ("M3", "M8") else None,
        "next": "unsettled" if unsettled else effect if active else "none",
        "writes": [{"system": SYSTEM[w["side"]].lower(), "old": w["pre_image"], "new": w["value"]} for w in writes],
        "held": held[0] if held else None,
        "refused": [
            _plain({k: hold[k] for k in ("reason", "attempts", "until")} | {"system": SYSTEM[hold["side"]]})
            for hold in refused
            if hold["value"] == values["b" if hold["side"] == "a" else "a"] != base["b" if hold["side"] == "a" else "a"]
        ],
    }


def _wins_by(judged: pl.DataFrame, field: Field, flow: Flow, winner: Side) -> str:
    """Why one of two edits wins: policy, teamleader, later, or tie, where nobody can tell which is later."""
    if field.policy != "newest":
        return "policy"
    if field.owner == "teamleader" and judged["rule"][0] == "M8" and judged["a_by_teamleader"][0]:
        return "teamleader"
    return "later" if judged.select(later(winner, OTHER[winner], flow.max_skew)).item() else "tie"


def _memory(warehouse: Warehouse, flow: Flow, link: dict[str, Any]) -> Memory:
    key = [flow.name, link["link_id"]]

    def read(table: str, shape: dict[str, pl.DataType]) -> pl.DataFrame:
        query = f"select {', '.join(shape)} from two_way.{table} where flow = ? and link_id = ?"
        return warehouse.read(query, key).cast(shape)  # type: ignore[arg-type]

    query = (
        f"select {', '.join(INTERVALS)} from two_way.intervals"
        " where flow = ? and (side = 'a' and id = ? or side = 'b' and id = ?)"
    )
    intervals = warehouse.read(query, [flow.name, link["a_id"], link["b_id"]])
    return Memory(
        links=read("links", frames.LINKS),
        shadows=frames.wide(read("shadows", frames.SHADOWS), flow.names),
        intervals=intervals.cast(INTERVALS),  # type: ignore[arg-type]
        holds=read("holds", frames.HOLDS),
        writes=read("write_intents", frames.WRITES),
        creations=frames.empty(frames.CREATIONS, flow.names),
    )


def _system(warehouse: Warehouse, flow: Flow, side: Side, record: dict[str, Any] | None) -> System:
    """This record alone, as if nothing else were known of that side: never a suspicion, never a creation."""
    query = "select poll, planned_from from two_way.polls where flow = ? and side = ?"
    polls = warehouse.read(query, [flow.name, side]).rows()
    poll, previous = polls[0] if polls else (None, None)
    shape = {**dict.fromkeys(("id", *flow.names), pl.String()), "modified_at": pl.Datetime("us", "UTC")}
    rows = pl.DataFrame([record] if record else [], schema=shape)
    return System(rows, complete=False, indexed=False, poll=poll, previous_poll=previous)


def _one(frame: pl.DataFrame, column: str) -> str | None:
    return frame[column][0] if frame.height and column in frame.columns else None


def _interval(clock: dict[str, Any]) -> list[str | None] | None:
    """Not before, not after; None where nothing changed since they agreed."""
    if clock["latest"] is None:
        return None
    return [bound.isoformat() if bound else None for bound in (clock["earliest"], clock["latest"])]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in values.items()}
