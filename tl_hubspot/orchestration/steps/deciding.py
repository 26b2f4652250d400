"""The rules over the warehouse: links adopted, decisions, eligible records. Each step reads tables, calls one pure
function, writes a table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from tl_hubspot.orchestration import tombstones
from tl_hubspot.orchestration.run import ENTITIES, Platform, Run, source
from tl_hubspot.orchestration.steps import unchanged
from tl_hubspot.planning import adopt, stages
from tl_hubspot.rules import companies as company_rules
from tl_hubspot.rules import contacts as contact_rules
from tl_hubspot.rules import deals as deal_rules
from tl_hubspot.rules import eligible
from tl_hubspot.warehouse.store import Warehouse, insert, upsert

SOURCES = {"contact": "teamleader.contacts", "company": "teamleader.companies", "deal": "teamleader.deals"}
LINKS = "teamleader.contact_company_links"
_ADOPTION = "adoption"
MIRRORS = {"contact": "hubspot.contacts", "company": "hubspot.companies", "deal": "hubspot.deals"}


def links(platform: Platform, run: Run) -> dict[str, Any]:
    """HubSpot records that carry a teamleader_id become links; links follow merges."""
    print_ = unchanged.fingerprint(platform.warehouse, [*SOURCES.values(), *MIRRORS.values(), "sync.links"], {})
    if made_by := unchanged.made_by(platform.warehouse, _ADOPTION, print_):
        return {"unchanged_since_run": made_by}
    adopted = {e: adoption(platform, e) for e in ENTITIES}
    stored = platform.warehouse.read("sync.links")
    changed = pl.concat([a.changed for a in adopted.values()])
    before = stored.select("entity_type", "teamleader_id", "first_run", was="matched_by")
    rows = (
        changed.join(before, on=["entity_type", "teamleader_id"], how="left")
        .with_columns(
            pl.col("first_run").fill_null(run.run_id),
            last_run=pl.lit(run.run_id),
            matched_by=pl.when(pl.col("matched_by") == "link").then("was").otherwise("matched_by"),
        )
        .drop("was")
    )
    with platform.warehouse.transaction() as con:
        upsert(con, "sync.links", rows)
        gone = pl.concat([a.gone for a in adopted.values()])
        tombstones.bury(con, platform.settings.data, run.run_id, platform.clock(), gone)
        unchanged.remember(con, _ADOPTION, print_, run)
    return {f"adopted_{e}": a.changed.height for e, a in adopted.items()}


def adoption(platform: Platform, entity_type: str) -> adopt.Adoption:
    """What adoption finds now; `changed` is empty once it is stored."""
    ids = platform.warehouse.read(f"select id from {SOURCES[entity_type]} where deleted_at is null").get_column("id")
    mirror = platform.warehouse.read(f"select {', '.join(adopt.LOOKED_AT)} from {MIRRORS[entity_type]}")
    return adopt.adopt(entity_type, ids, platform.warehouse.read("sync.links"), mirror)


def linked_ids(platform: Platform, entity_type: str) -> pl.Series:
    """Teamleader ids that have a HubSpot record."""
    query = "select teamleader_id from sync.links where entity_type = ?"
    return platform.warehouse.read(query, [entity_type]).get_column("teamleader_id")


def contacts(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.contacts."""

    def decide() -> pl.DataFrame:
        people = source(platform.warehouse, SOURCES["contact"], contact_rules.LOOKED_AT)
        return contact_rules.decide(people, linked_ids(platform, "contact"), platform.rules(run))

    return _decided(platform, run, "decisions.contacts", ["teamleader.contacts", "sync.links"], decide)


def companies(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.companies."""

    def decide() -> pl.DataFrame:
        rules = platform.rules(run)
        return company_rules.decide(
            company_rules.group(source(platform.warehouse, SOURCES["company"], company_rules.LOOKED_AT), rules),
            _looked_at(platform, LINKS),
            _looked_at(platform, "decisions.contacts"),
            linked_ids(platform, "company"),
            rules,
        )

    made_of = ["teamleader.companies", LINKS, "decisions.contacts", "sync.links"]
    return _decided(platform, run, "decisions.companies", made_of, decide)


def deals(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.deals."""

    def decide() -> pl.DataFrame:
        return deal_rules.decide(
            source(platform.warehouse, SOURCES["deal"], deal_rules.LOOKED_AT),
            platform.warehouse.read("select deal_id, started_at from teamleader.deal_phase_history"),
            _looked_at(platform, "decisions.contacts"),
            linked_ids(platform, "deal"),
            mapped_stages(platform),
            platform.rules(run),
        )

    made_of = [
        *("teamleader.deals", "teamleader.deal_phase_history", "decisions.contacts", "sync.links"),
        *("teamleader.reference", "hubspot.pipeline_stages"),
    ]
    return _decided(platform, run, "decisions.deals", made_of, decide)


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
    made_of = ["decisions.contacts", "decisions.companies", "decisions.deals", LINKS]

    def choose() -> pl.DataFrame:
        read = functools.partial(_looked_at, platform)
        firms = read("decisions.companies")
        if name == "contacts":
            return eligible.contacts(read("decisions.contacts"), firms, read(LINKS))
        if name == "companies":
            return eligible.companies(firms)
        if name == "deals":
            return eligible.deals(read("decisions.deals"), firms)
        chosen = platform.warehouse.read("eligible.deals")
        return eligible.relations(chosen, read("decisions.contacts"), firms, read(LINKS))

    known, rows = _computed(platform, run, f"eligible.{name}", made_of, {}, choose)
    return {"rows": rows} | known


def _looked_at(platform: Platform, table: str) -> pl.DataFrame:
    return platform.warehouse.read(f"select {', '.join(eligible.LOOKED_AT[table])} from {table}")


def _decided(
    platform: Platform, run: Run, table: str, made_of: Sequence[str], decide: Callable[[], pl.DataFrame]
) -> dict[str, Any]:
    facts = {"rules": unchanged.facts_of(platform.rules(run)), "pipelines": asdict(platform.mapping)["pipelines"]}
    known, _ = _computed(platform, run, table, made_of, facts, decide)
    with platform.warehouse.transaction() as con:
        con.execute(f"update {table} set as_of = $1 where as_of is distinct from $1", [run.as_of])
        counts = con.execute(f"select status, reason, count(*) from {table} group by all order by all").fetchall()
    return {f"{status}/{reason}": count for status, reason, count in counts} | known


def _computed(
    platform: Platform,
    run: Run,
    table: str,
    made_of: Sequence[str],
    facts: Mapping[str, Any],
    compute: Callable[[], pl.DataFrame],
) -> tuple[dict[str, str], int]:
    """Fill `table`, unless it was made of the same before; what to tell of that, and the number of rows."""
    print_ = unchanged.fingerprint(platform.warehouse, made_of, facts)
    made_by = unchanged.made_by(platform.warehouse, table, print_)
    if made_by is not None:
        return {"unchanged_since_run": made_by}, platform.warehouse.count(table)
    frame = compute()
    with platform.warehouse.transaction() as con:
        con.execute(f"delete from {table}")
        insert(con, table, frame)
        unchanged.remember(con, table, print_, run)
    return {}, frame.height
