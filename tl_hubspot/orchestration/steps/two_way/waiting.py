"""What waits for a person between HubSpot and Crmoffice: facts from the tables, without anybody's values.

Read from a database that may be a copy; what a person decides is carried out in `conflicts` and `settling`, and said in
`reporting.two_way_waiting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tl_hubspot.two_way.flows import SYSTEM, Flow, Side
from tl_hubspot.warehouse.store import Warehouse

Row = dict[str, Any]

_STOPPED = """
select run_id, status as reason, error from two_way.runs where flow = ?
qualify row_number() over (order by started_at desc) = 1
"""
_CONFLICTS = """
select c.link_id as pair, c.a_id, c.b_id, c.field, c.conflict_id
from two_way.conflicts c join two_way.held h using (flow, link_id, field)
where c.flow = ? and c.state = 'open' and h.reason = 'conflict'
qualify row_number() over (partition by c.link_id, c.field order by c.detected_at desc, c.conflict_id) = 1
order by all
"""
_NOT_WRITTEN = """
select link_id as pair, a_id, b_id, field, h.reason from two_way.held h join two_way.links using (flow, link_id)
where flow = ? and h.reason = 'writing_off' order by all
"""
_REFUSED = """
select h.link_id as pair, l.a_id, l.b_id, h.field, h.side, h.reason, h.attempts, h.until
from two_way.holds h join two_way.links l using (flow, link_id)
left join two_way.shadows s on s.flow = h.flow and s.link_id = h.link_id and s.field = h.field
left join two_way.hubspot_contacts a on a.flow = h.flow and a.id = l.a_id
left join crmoffice.contacts b on b.id = l.b_id
where h.flow = $flow and l.state = 'linked'
  and h.value = case h.side when 'b' then (a.properties->>h.field) else {theirs} end
  and h.value is distinct from case h.side when 'b' then s.a else s.b end
order by all
"""
"""A refusal is over when the value is no longer the one to send, or has been taken since."""
_REFUSED_NEW = """
with hold as (
  select *, split_part(link_id, ':', 3) as source_id from two_way.holds
  where flow = $flow and starts_with(link_id, 'new:')
)
select link_id as pair, if(side = 'b', source_id, null) as a_id, if(side = 'a', source_id, null) as b_id,
  null as field, side, reason, attempts, until
from hold h
where not exists (
    select 1 from two_way.links l where l.flow = h.flow and h.source_id = if(h.side = 'b', l.a_id, l.b_id)
  )
  and exists (select 1 from {mirrors} m where m.source = if(h.side = 'b', 'a', 'b') and m.id = h.source_id)
qualify row_number() over (partition by link_id order by until desc) = 1
order by all
"""
_UNCLEAR = """
select if(side = 'b', source_id, null) as a_id, if(side = 'a', source_id, null) as b_id, side
from two_way.create_intents where flow = ? order by all
"""
_ENDED = """
select link_id as pair, a_id, b_id, reason from two_way.links l
where flow = $flow and state = 'broken' and (
  exists (select 1 from {mirrors} m where m.source = 'a' and m.id = l.a_id) and not starts_with(reason, 'deleted_a')
  or exists (select 1 from {mirrors} m where m.source = 'b' and m.id = l.b_id) and not starts_with(reason, 'deleted_b')
) and reason <> 'deleted_both'
order by all
"""
_MIRRORS = (
    "(select 'a' as source, id from two_way.hubspot_contacts where flow = $flow"
    " union all select 'b', id from crmoffice.contacts)"
)


def waiting(warehouse: Warehouse, flows: Iterable[Flow]) -> list[Row]:
    """What waits, the most pressing kind first. `kind` says which of these count:

    stopped (`reason`: held or stopped, `error`), unclear (a creation of which nobody knows what became), conflict
    (`conflict_id`), refused (`system`, `reason`, `attempts`, `until`; `field` None: a record that could not be made),
    ambiguous (`hubspot_ids`, `crmoffice_ids`), not_written (`reason`), ended (`reason`). All have `flow`, `pair`,
    `hubspot_id`, `crmoffice_id` and `field`, None where there is none.
    """
    return [_whole(flow, row) for flow in flows if flow.enabled and flow.fields for row in _of_flow(warehouse, flow)]


def is_in_use(warehouse: Warehouse) -> bool:
    """Whether there was a cycle between HubSpot and Crmoffice."""
    known = warehouse.read("select 1 from duckdb_tables() where schema_name = 'two_way' and table_name = 'runs'")
    # the copy may have been published by an older version
    return known.height > 0 and warehouse.count("two_way.runs") > 0


def _whole(flow: Flow, row: Row) -> Row:
    ids = {"hubspot_id": row.pop("a_id", None), "crmoffice_id": row.pop("b_id", None)}
    side: Side | None = row.pop("side", None)
    system = {"system": SYSTEM[side]} if side else {}
    return {"flow": flow.name, "kind": row.pop("kind"), "pair": None, "field": None, **ids, **system, **row}


def _of_flow(warehouse: Warehouse, flow: Flow) -> Iterator[Row]:
    def found(kind: str, query: str, parameters: Any) -> Iterator[Row]:
        yield from ({"kind": kind, **row} for row in warehouse.read(query, parameters).iter_rows(named=True))

    by_name = {"flow": flow.name}
    theirs = " ".join(f"when '{f.name}' then b.\"{f.b}\"" for f in flow.fields)
    for row in found("stopped", _STOPPED, [flow.name]):
        if row["reason"] in ("held", "stopped"):
            yield row
    yield from found("unclear", _UNCLEAR, [flow.name])
    yield from found("conflict", _CONFLICTS, [flow.name])
    yield from found("refused", _REFUSED.format(theirs=f"case h.field {theirs} end"), by_name)
    yield from found("refused", _REFUSED_NEW.format(mirrors=_MIRRORS), by_name)
    yield from _ambiguous(warehouse, flow)
    yield from found("not_written", _NOT_WRITTEN, [flow.name])
    yield from found("ended", _ENDED.format(mirrors=_MIRRORS), by_name)


def _ambiguous(warehouse: Warehouse, flow: Flow) -> Iterator[Row]:
    """A row per group of records that share a key; those without anybody on the other side are one group."""
    rows = warehouse.read("select * from two_way.ambiguous where flow = ? order by side, id", [flow.name])
    groups: dict[tuple[str, frozenset[str], str], dict[str, list[str]]] = {}
    for row in rows.iter_rows(named=True):
        # all of one side that share a key have the same candidates on the other
        theirs = {row["side"]: row["candidates"]} if row["candidates"] else {}
        others = frozenset(theirs.get(row["side"], ()))
        if row["side"] == "b" and others:
            continue  # stands with the candidates of side a
        group = groups.setdefault((row["side"], others, row["key"]), {"a": [], "b": []})
        group[row["side"]].append(row["id"])
        group["b" if row["side"] == "a" else "a"] = sorted(others)
    for (_, _, key), group in groups.items():
        yield {"kind": "ambiguous", "key": key, "hubspot_ids": group["a"], "crmoffice_ids": group["b"]}
