"""What a person decides about pairs: who belongs together, and what may be tried or paired again.

Only what the planner goes by is changed; the next cycle carries it out. Deciding conflicts is in `conflicts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way import cycle, memory
from tl_hubspot.orchestration.steps.two_way.sides import CrmofficeSide, HubSpotSide, Side
from tl_hubspot.two_way import flows as words
from tl_hubspot.two_way.flows import SIDES, SYSTEM, Flow
from tl_hubspot.two_way.frames import LINKS
from tl_hubspot.two_way.matching import link_id

_LIST = "`tl-hubspot crmoffice held` lists what waits, with its ids"


def link(platform: Platform, hubspot_id: str, crmoffice_id: str) -> str:
    """Make the two contacts a pair; returns what happens next.

    ConfigurationError: one of them is not there, or belongs to another pair, also one that has ended.
    """
    cycle.enter(platform)
    flow, ids = _flow(platform), {"a": hubspot_id, "b": crmoffice_id}
    systems: dict[words.Side, Side] = {
        "a": HubSpotSide(platform.hubspot, flow, lambda: platform.mapping.protected_names),
        "b": CrmofficeSide(platform.crmoffice, flow),
    }
    for side in SIDES:
        if ids[side] not in systems[side].read([ids[side]]):
            raise ConfigurationError(f"{SYSTEM[side]} has no contact {ids[side]}", mend=_LIST)
    row = pl.DataFrame([{"a_id": hubspot_id, "b_id": crmoffice_id, "created_at": platform.clock()}])
    made = row.with_columns(
        link_id=link_id("a_id", "b_id"), state=pl.lit("linked"), reason=pl.lit(None, pl.String), how=pl.lit("operator")
    )
    with platform.warehouse.transaction() as con:
        _refuse_taken(con, flow, ids)
        memory.put(con, "links", flow, made.select(list(LINKS)))
        for side in SIDES:
            # of a creation of which nobody knew what became, this was it
            con.execute(
                "delete from two_way.create_intents where flow = ? and side = ? and source_id = ?",
                [flow.name, words.OTHER[side], ids[side]],
            )
            con.execute(
                "delete from two_way.ambiguous where flow = ? and side = ? and id = ?", [flow.name, side, ids[side]]
            )
    return (
        f"HubSpot contact {hubspot_id} and Crmoffice contact {crmoffice_id} are linked. The next sync makes them equal;"
        " `tl-hubspot crmoffice plan` shows how."
    )


def release(platform: Platform, pair: str) -> str:
    """Forget that a pair has ended, or that a value was refused; returns what happens next.

    ConfigurationError: nothing of that name waits, or the HubSpot contact has to come back from Teamleader first.
    """
    cycle.enter(platform)
    query = "select * from two_way.links where link_id = ? and state = 'broken'"
    ended = platform.warehouse.read(query, [pair]).to_dicts()
    if ended:
        return _release_ended(platform, ended[0])
    with platform.warehouse.transaction() as con:
        held = con.execute("select count(*) from two_way.holds where link_id = ?", [pair]).fetchall()[0][0]
        con.execute("delete from two_way.holds where link_id = ?", [pair])
    if not held:
        raise ConfigurationError(f"Nothing waits under the name {pair}", mend=_LIST)
    return "What was refused is sent again with the next sync."


def _flow(platform: Platform) -> Flow:
    flow = next((f for f in platform.flows if f.enabled and f.fields), None)
    if flow is None:
        raise ConfigurationError("No flow keeps fields equal", where="file of flows", mend="Switch one on")
    return flow


def _refuse_taken(con: duckdb.DuckDBPyConnection, flow: Flow, ids: Mapping[str, str]) -> None:
    known = memory.links(con, flow)
    for side in SIDES:
        taken = known.filter(pl.col(f"{side}_id") == ids[side]).to_dicts()
        if not taken:
            continue
        other = words.OTHER[side]
        what = f"{SYSTEM[side]} contact {ids[side]}"
        if taken[0]["state"] == "broken":
            raise ConfigurationError(
                f"{what} belonged to a pair that has ended",
                mend=f"Run `tl-hubspot crmoffice release {taken[0]['link_id']}` first",
            )
        raise ConfigurationError(
            f"{what} is linked with {SYSTEM[other]} contact {taken[0][f'{other}_id']} already",
            mend="One contact has one counterpart: merge the two, or choose another one",
        )


def _release_ended(platform: Platform, row: Mapping[str, Any]) -> str:
    if row["reason"] in ("deleted_a", "deleted_a_edited_b"):
        query = "select teamleader_id from sync.links where entity_type = 'contact' and hubspot_id = ?"
        source = platform.warehouse.read(query, [row["a_id"]])["teamleader_id"].to_list()
        if source:
            raise ConfigurationError(
                f"HubSpot contact {row['a_id']} came from Teamleader; Crmoffice would make a second one",
                where=row["link_id"],
                mend=f"Run `tl-hubspot release contact {source[0]}` and `tl-hubspot sync`; then release this pair",
            )
    with platform.warehouse.transaction() as con:
        for table in ("links", "shadows", "holds"):
            con.execute(f"delete from two_way.{table} where flow = ? and link_id = ?", [row["flow"], row["link_id"]])
    return (
        "Released: the next sync looks at what is left of the pair as if it were new: it is linked with whoever fits"
        " the key, else made on the other side. `tl-hubspot crmoffice plan` shows it."
    )
