"""HubSpot into the warehouse: records, associations and definitions as they stand before the plan.

The mirror is read in full: HubSpot gives 100 records per call, archived ones too, and whatever a person changed,
merged or deleted there must be known before anything is decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from tl_hubspot.hubspot import mirror
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.warehouse.store import frame_of, insert

TABLES = {"contact": "hubspot.contacts", "company": "hubspot.companies", "deal": "hubspot.deals"}
_RELATIONS = (("contact", "company"), ("deal", "contact"), ("deal", "company"))


def definitions(platform: Platform, run: Run) -> dict[str, int]:
    """Properties, pipelines, owners and currencies of the portal."""
    found = platform.definitions
    tables = {
        "hubspot.properties": found.properties,
        "hubspot.pipeline_stages": found.pipeline_stages,
        "hubspot.owners": found.owners,
        "hubspot.currencies": found.currencies,
    }
    for table, rows in tables.items():
        _replace(platform, run, table, [rows])
    return {name.partition(".")[2]: len(rows) for name, rows in tables.items()}


def records(platform: Platform, run: Run, entity_type: str) -> dict[str, int]:
    """All records of one type, archived ones too."""
    properties = platform.mapping.properties(entity_type)
    batches: Iterable[list[dict[str, Any]]]
    if entity_type == "contact":
        batches = mirror.read_contacts(platform.hubspot, properties)
    elif entity_type == "company":
        vat = platform.mapping.property_for("company", "vat_number") or "vat_number"
        batches = mirror.read_companies(platform.hubspot, properties, vat_property=vat)
    else:
        batches = mirror.read_deals(platform.hubspot, properties)
    shown = _reporting(platform, f"HubSpot {entity_type} records", batches)
    frame = _replace(platform, run, TABLES[entity_type], shown)
    return {"records": frame.height, "archived": int(frame["archived"].sum())}


def associations(platform: Platform, run: Run) -> dict[str, int]:
    """Associations of all active contacts and deals."""
    batches: list[list[dict[str, Any]]] = []
    for from_type, to_type in _RELATIONS:
        ids = platform.warehouse.read(f"select id from {TABLES[from_type]} where not archived order by id")
        batches.extend(mirror.read_associations(platform.hubspot, from_type, to_type, ids.get_column("id").to_list()))
    return {"associations": _replace(platform, run, "hubspot.associations", batches).height}


def _replace(platform: Platform, run: Run, table: str, batches: Iterable[list[dict[str, Any]]]) -> pl.DataFrame:
    stamp = {"_loaded_at": platform.clock(), "_run_id": run.run_id}
    frames = [frame_of(table, [row | stamp for row in rows]) for rows in batches]
    frame = pl.concat([frame_of(table, []), *frames])
    with platform.warehouse.transaction() as con:
        con.execute(f"delete from {table}")
        insert(con, table, frame)
    return frame


def _reporting(
    platform: Platform, what: str, batches: Iterable[list[dict[str, Any]]]
) -> Iterable[list[dict[str, Any]]]:
    done = 0
    for rows in batches:
        done += len(rows)
        platform.progress(what, done, None)
        yield rows
