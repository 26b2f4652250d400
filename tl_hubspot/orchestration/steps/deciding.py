"""The rules over the warehouse: links adopted, decisions, eligible records. Each step reads tables, calls one pure
function, writes a table.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from tl_hubspot.orchestration.run import ENTITIES, Platform, Run, source
from tl_hubspot.planning import adopt, stages
from tl_hubspot.rules import companies as company_rules
from tl_hubspot.rules import contacts as contact_rules
from tl_hubspot.rules import deals as deal_rules
from tl_hubspot.rules import eligible
from tl_hubspot.warehouse.store import Warehouse, upsert

SOURCES = {"contact": "teamleader.contacts", "company": "teamleader.companies", "deal": "teamleader.deals"}
MIRRORS = {"contact": "hubspot.contacts", "company": "hubspot.companies", "deal": "hubspot.deals"}


def links(platform: Platform, run: Run) -> dict[str, Any]:
    """HubSpot records that carry a teamleader_id become links; links follow merges."""
    adopted = {e: adoption(platform, e) for e in ENTITIES}
    stored = platform.warehouse.read("sync.links")
    changed = pl.concat([a.changed for a in adopted.values()])
    first = stored.select("entity_type", "teamleader_id", "first_run")
    rows = changed.join(first, on=["entity_type", "teamleader_id"], how="left").with_columns(
        pl.col("first_run").fill_null(run.run_id), pl.lit(run.run_id).alias("last_run")
    )
    with platform.warehouse.transaction() as con:
        upsert(con, "sync.links", rows)
    return {f"adopted_{e}": a.changed.height for e, a in adopted.items()}


def adoption(platform: Platform, entity_type: str) -> adopt.Adoption:
    """What adoption finds now; `changed` is empty once it is stored."""
    ids = platform.warehouse.read(f"select id from {SOURCES[entity_type]} where deleted_at is null").get_column("id")
    mirror = platform.warehouse.read(MIRRORS[entity_type])
    return adopt.adopt(entity_type, ids, platform.warehouse.read("sync.links"), mirror)


def linked_ids(platform: Platform, entity_type: str) -> pl.Series:
    """Teamleader ids that have a HubSpot record."""
    query = "select teamleader_id from sync.links where entity_type = ?"
    return platform.warehouse.read(query, [entity_type]).get_column("teamleader_id")


def contacts(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.contacts."""
    decided = contact_rules.decide(
        source(platform.warehouse, SOURCES["contact"], contact_rules.LOOKED_AT),
        linked_ids(platform, "contact"),
        platform.rules(run),
    )
    return _stored(platform, "decisions.contacts", decided)


def companies(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.companies."""
    rules, read = platform.rules(run), platform.warehouse.read
    decided = company_rules.decide(
        company_rules.group(source(platform.warehouse, SOURCES["company"], company_rules.LOOKED_AT), rules),
        read("teamleader.contact_company_links"),
        read("decisions.contacts"),
        linked_ids(platform, "company"),
        rules,
    )
    return _stored(platform, "decisions.companies", decided)


def deals(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.deals."""
    read = platform.warehouse.read
    decided = deal_rules.decide(
        source(platform.warehouse, SOURCES["deal"], deal_rules.LOOKED_AT),
        read("teamleader.deal_phase_history"),
        read("decisions.contacts"),
        linked_ids(platform, "deal"),
        mapped_stages(platform),
        platform.rules(run),
    )
    return _stored(platform, "decisions.deals", decided)


def deal_stages(platform: Platform, warehouse: Warehouse | None = None) -> stages.Stages:
    """Where each Teamleader phase goes in HubSpot."""
    read = (warehouse or platform.warehouse).read
    return stages.resolve(platform.mapping.pipelines, read("teamleader.reference"), read("hubspot.pipeline_stages"))


def mapped_stages(platform: Platform, warehouse: Warehouse | None = None) -> deal_rules.MappedStages:
    """What the deal rules need to know of the stages."""
    resolved = deal_stages(platform, warehouse)
    return deal_rules.MappedStages(resolved.mapped_phases, resolved.mapped_pipelines)


def eligible_records(platform: Platform, run: Run, name: str) -> dict[str, Any]:
    """eligible.contacts, .companies, .deals or .relations."""
    read = platform.warehouse.read
    companies, links = read("decisions.companies"), "teamleader.contact_company_links"
    if name == "contacts":
        frame = eligible.contacts(read("decisions.contacts"), companies, read(links))
    elif name == "companies":
        frame = eligible.companies(companies)
    elif name == "deals":
        frame = eligible.deals(read("decisions.deals"), companies)
    else:
        frame = eligible.relations(read("eligible.deals"), read("decisions.contacts"), companies, read(links))
    platform.warehouse.replace(f"eligible.{name}", frame)
    return {"rows": frame.height}


def _stored(platform: Platform, table: str, decided: pl.DataFrame) -> dict[str, Any]:
    platform.warehouse.replace(table, decided)
    counts = decided.group_by("status", "reason").len().sort("status", "reason")
    return {f"{status}/{reason}": count for status, reason, count in counts.iter_rows()}
