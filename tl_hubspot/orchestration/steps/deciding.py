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
from tl_hubspot.orchestration.run import ENTITIES, Platform, Run
from tl_hubspot.orchestration.steps import changed, scope, unchanged
from tl_hubspot.orchestration.steps.affected import LINKS, Affected, ids_affected
from tl_hubspot.planning import adopt, stages
from tl_hubspot.rules import companies as company_rules
from tl_hubspot.rules import contacts as contact_rules
from tl_hubspot.rules import deals as deal_rules
from tl_hubspot.rules import eligible
from tl_hubspot.warehouse.rows import become, insert, set_all, touch, upsert
from tl_hubspot.warehouse.store import Warehouse

SOURCES = {"contact": "teamleader.contacts", "company": "teamleader.companies", "deal": "teamleader.deals"}
_ADOPTION = "adoption"
MIRRORS = {"contact": "hubspot.contacts", "company": "hubspot.companies", "deal": "hubspot.deals"}


def links(platform: Platform, run: Run) -> dict[str, Any]:
    """HubSpot records that carry a teamleader_id become links; links follow merges."""
    now = unchanged.made_of(platform.warehouse, [*SOURCES.values(), *MIRRORS.values(), "sync.links"], {})
    if made_by := unchanged.made_by(platform.warehouse, _ADOPTION, now.fingerprint):
        return {"unchanged_since_run": made_by}
    changed_rows = changed.since(platform.warehouse, _ADOPTION, now)
    near = None if changed_rows is None else scope.linked(platform.warehouse, changed_rows)
    adopted = [adoption(platform, e, near) for e in ENTITIES]
    new = pl.concat([a.changed for a in adopted])
    stored = "select entity_type, teamleader_id, first_run, matched_by as was from sync.links where true"
    before = _some(platform, stored, "teamleader_id", new["teamleader_id"])
    rows = (
        new.join(before, on=["entity_type", "teamleader_id"], how="left")
        .with_columns(
            pl.col("first_run").fill_null(run.run_id),
            last_run=pl.lit(run.run_id),
            matched_by=pl.when(pl.col("matched_by") == "link").then("was").otherwise("matched_by"),
        )
        .drop("was")
    )
    with platform.warehouse.transaction() as con:
        upsert(con, "sync.links", rows)
        gone = pl.concat([a.gone for a in adopted])
        tombstones.bury(con, platform.settings.data, run.run_id, platform.clock(), gone)
        unchanged.remember(con, _ADOPTION, now, run)
    return {f"adopted_{e}": a.changed.height for e, a in zip(ENTITIES, adopted, strict=True)}


def adoption(platform: Platform, entity_type: str, near: scope.Linked | None = None) -> adopt.Adoption:
    """What adoption finds now, of all records or of those `near`; `changed` is empty once it is stored."""
    own, theirs = (None, None) if near is None else near[entity_type]
    ids = _some(platform, f"select id from {SOURCES[entity_type]} where deleted_at is null", "id", own)
    mirror = _some(
        platform, f"select {', '.join(adopt.LOOKED_AT)} from {MIRRORS[entity_type]} where true", "id", theirs
    )
    linked = "select entity_type, teamleader_id, hubspot_id from sync.links where entity_type = ?"
    stored = _some(platform, linked, "teamleader_id", own, [entity_type])
    return adopt.adopt(entity_type, ids["id"], stored, mirror)


def linked_ids(platform: Platform, entity_type: str, ids: pl.Series | None = None) -> pl.Series:
    """Teamleader ids that have a HubSpot record; only these `ids` are asked about, all when None."""
    query = "select teamleader_id from sync.links where entity_type = ?"
    return _some(platform, query, "teamleader_id", ids, [entity_type]).get_column("teamleader_id")


def contacts(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.contacts."""
    rules = platform.rules(run)

    def decide(ids: pl.Series | None) -> pl.DataFrame:
        return contact_rules.decide(_source(platform, "contact", ids), linked_ids(platform, "contact", ids), rules)

    made_of = ["teamleader.contacts", "sync.links"]
    return _decided(platform, run, "decisions.contacts", made_of, decide, lambda a: a.contacts(rules))


def companies(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.companies."""
    rules = platform.rules(run)

    def decide(ids: pl.Series | None) -> pl.DataFrame:
        links = _looked_at(platform, LINKS, "company_id", ids)
        return company_rules.decide(
            company_rules.group(_source(platform, "company", ids), rules),
            links,
            _looked_at(platform, "decisions.contacts", "teamleader_id", _beside(ids, links["contact_id"])),
            linked_ids(platform, "company", ids),
            rules,
        )

    made_of = ["teamleader.companies", LINKS, "decisions.contacts", "sync.links"]
    return _decided(platform, run, "decisions.companies", made_of, decide, lambda a: a.companies(rules))


def deals(platform: Platform, run: Run) -> dict[str, Any]:
    """decisions.deals."""

    def decide(ids: pl.Series | None) -> pl.DataFrame:
        chosen = _source(platform, "deal", ids)
        people = pl.concat([chosen["customer_id"], chosen["contact_person_id"]]).drop_nulls().unique()
        phases = "select deal_id, started_at from teamleader.deal_phase_history where true"
        return deal_rules.decide(
            chosen,
            _some(platform, phases, "deal_id", ids),
            _looked_at(platform, "decisions.contacts", "teamleader_id", _beside(ids, people)),
            linked_ids(platform, "deal", ids),
            mapped_stages(platform),
            platform.rules(run),
        )

    made_of = [
        *("teamleader.deals", "teamleader.deal_phase_history", "decisions.contacts", "sync.links"),
        *("teamleader.reference", "hubspot.pipeline_stages"),
    ]
    return _decided(platform, run, "decisions.deals", made_of, decide, Affected.deals)


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
    read = functools.partial(_looked_at, platform)

    def firms(ids: pl.Series | None) -> pl.DataFrame:
        """Decisions of these companies and of the winners of their groups."""
        if ids is None:
            return read(_FIRMS)
        groups = "select group_id from decisions.companies where true"
        return read(
            _FIRMS, "teamleader_id", pl.concat([ids, _some(platform, groups, "teamleader_id", ids).to_series()])
        )

    def with_links(ids: pl.Series | None) -> list[pl.DataFrame]:
        """Decisions of these contacts and of those that lost to them, of their companies, and the links between."""
        if ids is not None:
            losers = "select teamleader_id from decisions.contacts where true"
            ids = pl.concat([ids, _some(platform, losers, "duplicate_of", ids).to_series()])
        links = read(LINKS, "contact_id", ids)
        return [read(_PEOPLE, "teamleader_id", ids), firms(_beside(ids, links["company_id"])), links]

    def choose(ids: pl.Series | None) -> pl.DataFrame:
        if name == "contacts":
            return eligible.contacts(*with_links(ids))
        if name == "companies":
            return eligible.companies(read(_FIRMS, "group_id", ids))
        if name == "deals":
            decided = read(_DEALS, "teamleader_id", ids)
            return eligible.deals(decided, firms(_beside(ids, decided["company_id"])))
        chosen = _some(platform, "select * from eligible.deals where true", "teamleader_id", ids)
        return eligible.relations(chosen, *with_links(ids))

    made_of = [_PEOPLE, _FIRMS, _DEALS, LINKS]
    known = _computed(platform, run, f"eligible.{name}", made_of, {}, choose, _ELIGIBLE[name])
    return {"rows": platform.warehouse.count(f"eligible.{name}")} | known


_PEOPLE, _FIRMS, _DEALS = "decisions.contacts", "decisions.companies", "decisions.deals"
_ELIGIBLE = {
    "contacts": Affected.eligible_contacts,
    "companies": Affected.eligible_companies,
    "deals": Affected.eligible_deals,
    "relations": Affected.relations,
}


def _source(platform: Platform, entity_type: str, ids: pl.Series | None) -> pl.DataFrame:
    rules = {"contact": contact_rules, "company": company_rules, "deal": deal_rules}[entity_type]
    query = f"select {', '.join(rules.LOOKED_AT)} from {SOURCES[entity_type]} where deleted_at is null"
    return _some(platform, query, "id", ids)


def _looked_at(platform: Platform, table: str, column: str = "", ids: pl.Series | None = None) -> pl.DataFrame:
    return _some(platform, f"select {', '.join(eligible.LOOKED_AT[table])} from {table} where true", column, ids)


def _some(
    platform: Platform, query: str, column: str, ids: pl.Series | None, parameters: Sequence[Any] = ()
) -> pl.DataFrame:
    """What the query finds, of it only rows with one of the `ids` in that column, unless that is None."""
    if ids is None:
        return platform.warehouse.read(query, parameters)
    if ids.is_empty():  # DuckDB would look through the table for none of them
        return platform.warehouse.read(f"{query} and false", parameters)
    return platform.warehouse.read(f"{query} and {column} in (from _ids)", parameters, _ids=ids.to_frame())


def _beside(ids: pl.Series | None, others: pl.Series) -> pl.Series | None:
    """The others, where only some records are looked at."""
    return None if ids is None else others


def _decided(
    platform: Platform,
    run: Run,
    table: str,
    made_of: Sequence[str],
    decide: Callable[[pl.Series | None], pl.DataFrame],
    affected: Callable[[Affected], pl.Series],
) -> dict[str, Any]:
    facts = {"rules": unchanged.facts_of(platform.rules(run)), "pipelines": asdict(platform.mapping)["pipelines"]}
    known = _computed(platform, run, table, made_of, facts, decide, affected)
    with platform.warehouse.transaction() as con:
        set_all(con, table, "as_of", run.as_of)
        counts = con.execute(f"select status, reason, count(*) from {table} group by all order by all").fetchall()
    return {f"{status}/{reason}": count for status, reason, count in counts} | known


def _computed(
    platform: Platform,
    run: Run,
    table: str,
    made_of: Sequence[str],
    facts: Mapping[str, Any],
    compute: Callable[[pl.Series | None], pl.DataFrame],
    affected: Callable[[Affected], pl.Series],
) -> dict[str, Any]:
    """Fill `table`, unless it was made of the same before; what to tell of that.

    Only the rows that follow from what changed are computed, when that is known: `affected` are the ids of the records
    that they are about.
    """
    now = unchanged.made_of(platform.warehouse, made_of, facts)
    made_by = unchanged.made_by(platform.warehouse, table, now.fingerprint)
    if made_by is not None:
        return {"unchanged_since_run": made_by}
    ids = ids_affected(platform.warehouse, table, now, affected)
    frame = None if ids is not None and ids.is_empty() else compute(ids)
    version = unchanged.version(platform.warehouse, table)
    with platform.warehouse.transaction() as con:
        if frame is None:
            is_other = False
        elif ids is None:
            con.execute(f"delete from {table}")
            insert(con, table, frame)
            touch(con, table, None)
            is_other = True
        else:
            column = "from_id" if table == "eligible.relations" else "teamleader_id"
            frame = frame.filter(pl.col(column).is_in(ids.implode()))
            is_other = become(con, table, frame, column, ids, eligible.LOOKED_AT.get(table, ()))
        unchanged.remember(con, table, now, run, now.fingerprint if is_other else version)
    return {} if ids is None else {"computed_for": ids.len()}
