"""The conflict log as people see it, and what a person decides about a conflict.

A decision is carried out by the next cycle: here only what the planner goes by is changed, so that the chosen side
looks edited and the other one does not. What a conflict is stands in `tl_hubspot.two_way.merge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import polars as pl

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way import cycle, memory
from tl_hubspot.orchestration.steps.two_way.sides import CrmofficeSide, HubSpotSide, Side
from tl_hubspot.two_way import flows as words
from tl_hubspot.two_way.flows import OTHER, Flow

System = Literal["hubspot", "crmoffice"]
_SYSTEM: dict[str | None, System | None] = {"a": "hubspot", "b": "crmoffice", None: None}
_SIDE: dict[System, words.Side] = {"hubspot": "a", "crmoffice": "b"}


def entries(platform: Platform) -> list[dict[str, Any]]:
    """All conflicts ever logged, oldest first; the shape is SPEC's."""
    if not platform.warehouse.exists():
        return []
    theirs = {(flow.name, field.name): field.b for flow in platform.flows for field in flow.fields}
    rows = platform.warehouse.read("select * from two_way.conflicts order by detected_at, conflict_id")
    return [
        {
            "conflict_id": row["conflict_id"],
            "kind": row["kind"],
            "hubspot_id": row["a_id"],
            "crmoffice_id": row["b_id"],
            "field": row["field"],
            "crmoffice_field": theirs.get((row["flow"], row["field"])),
            "winner": _SYSTEM[row["winner"]],
            "hubspot_value": row["a_value"],
            "crmoffice_value": row["b_value"],
            "losing_side": _SYSTEM[row["losing_side"]],
            "losing_value": row["losing_value"],
            "base": {"hubspot": row["base_a"], "crmoffice": row["base_b"]},
            "state": row["state"],
            "detected_at": row["detected_at"].isoformat(),
        }
        for row in rows.iter_rows(named=True)
    ]


def resolve(platform: Platform, conflict_id: str, chosen: System) -> str:
    """Let the value of `chosen` win; returns what happens next. Of a decided conflict only the loser can be chosen: its
    value is put back. ConfigurationError: no such conflict, nothing to choose, or values that changed since."""
    cycle.enter(platform)
    rows = platform.warehouse.read("select * from two_way.conflicts where conflict_id = ?", [conflict_id])
    if rows.is_empty():
        raise ConfigurationError(
            f"There is no conflict {conflict_id}", mend="`tl-hubspot crmoffice conflicts` lists them with their ids"
        )
    row = rows.row(0, named=True)
    flow = next((f for f in platform.flows if f.name == row["flow"] and row["field"] in f.names), None)
    if flow is None:
        raise ConfigurationError(
            f"The field {row['field']} is no longer synchronised", where=f"conflict {conflict_id}",
            mend="Put it back into the file of flows first",
        )  # fmt: skip
    if row["state"] == "open":
        _let_win(platform, flow, row, _SIDE[chosen])
        return f"The value of {words.SYSTEM[_SIDE[chosen]]} goes to the other side with the next sync."
    if row["losing_side"] != _SIDE[chosen]:
        raise ConfigurationError(
            f"The value of {words.SYSTEM[_SIDE[chosen]]} has won already", where=f"conflict {conflict_id}",
            mend="Choose the other side to put its value back",
        )  # fmt: skip
    _put_back(platform, flow, row, _SIDE[chosen])
    return f"The value is back in {words.SYSTEM[_SIDE[chosen]]}; it goes to the other side with the next sync."


def _let_win(platform: Platform, flow: Flow, row: Mapping[str, Any], winner: words.Side) -> None:
    """The other side counts as unchanged, the winner as edited."""
    name, shadow = row["field"], {OTHER[winner]: row[f"{OTHER[winner]}_value"]}
    shadow[winner] = row[f"base_{winner}"] or ""
    rows = pl.DataFrame([{"link_id": row["link_id"], "field": name, **shadow}])
    with platform.warehouse.transaction() as con:
        memory.put(con, "shadows", flow, rows)
        _resolved(con, row)


def _put_back(platform: Platform, flow: Flow, row: Mapping[str, Any], side: words.Side) -> None:
    """Write the value that lost where it was lost, as a person would: the next cycle carries it over."""
    systems: dict[words.Side, Side] = {
        "a": HubSpotSide(platform.hubspot, flow, lambda: platform.mapping.protected_names),
        "b": CrmofficeSide(platform.crmoffice, flow),
    }
    record, name = row[f"{side}_id"], row["field"]
    seen = systems[side].read([record])
    answer = systems[side].write({record: {name: row["losing_value"]}}, seen).get(record) if seen else None
    if answer is None or answer.state != "done":
        if answer is not None and answer.stopped is not None:
            raise answer.stopped
        why = "the record is gone" if answer is None or answer.state == "gone" else f"the write was {answer.state}"
        raise ConfigurationError(
            f"The value cannot be put back: {why}", where=f"{words.SYSTEM[side]} {record}", mend="Look at the record"
        )
    with platform.warehouse.transaction() as con:
        _resolved(con, row)


def _resolved(con: Any, row: Mapping[str, Any]) -> None:
    con.execute(
        "update two_way.conflicts set state = 'resolved' where flow = ? and conflict_id = ?",
        [row["flow"], row["conflict_id"]],
    )
