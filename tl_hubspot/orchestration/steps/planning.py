"""From eligible records to the stored plan: match, relations, opt-outs, differences, limits.

Reads tables, calls `planning`, writes `sync.plan`, `sync.planned_outcomes` and `sync.settled`. Nothing is decided here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import polars as pl

from tl_hubspot.orchestration.run import ENTITIES, Platform, Run, source
from tl_hubspot.orchestration.steps import conclude, deciding
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.planning import match_companies, match_contacts, match_deals, preflight, relations
from tl_hubspot.planning import plan as plans
from tl_hubspot.planning.guards import GuardSettings, Limit
from tl_hubspot.planning.match_frames import Matching
from tl_hubspot.planning.opt_outs import plan_opt_outs
from tl_hubspot.planning.plan import EntityInputs, Plan, PlanInputs, PlanSettings
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.warehouse.store import delete, insert

_PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals"}


def plan(platform: Platform, run: Run) -> dict[str, Any]:
    """Make and store the plan; a plan over a limit ends the run as held."""
    made = _build(platform, run)
    approved = run.options.approved
    if approved is not None:
        conclude.require_digest(made, approved)
    with platform.warehouse.transaction() as con:
        con.execute("delete from sync.plan")
        stamp = [pl.lit(run.run_id).alias("run_id"), pl.lit(made.digest).alias("digest")]
        insert(con, "sync.plan", made.changes.with_columns(*stamp))
        con.execute("delete from sync.planned_outcomes")
        insert(con, "sync.planned_outcomes", made.outcomes)
        con.execute("delete from sync.settled")
        insert(con, "sync.settled", made.settled)
    held = conclude.planned(platform, run, made)
    counts = made.changes.group_by("entity_type", "action").len()
    return {"digest": made.digest, "held": held} | {
        f"{e} {a}": n for e, a, n in counts.sort("entity_type", "action").iter_rows()
    }


def stored_plan(platform: Platform, run: dict[str, Any]) -> Plan:
    """The plan of `run` (row of sync.runs) as stored."""
    read = platform.warehouse.read
    limits = [Limit(**limit) for limit in json.loads(run["limits"] or "[]")]
    return Plan(
        changes=read("select * exclude (run_id, digest) from sync.plan where run_id = ?", [run["run_id"]]),
        settled=read("sync.settled"),
        outcomes=read("sync.planned_outcomes"),
        notices=pl.DataFrame(json.loads(run["notices"] or "[]"), schema=_notice_schema()),
        limits=limits,
        digest=run["digest"],
    )


def portal(platform: Platform) -> Portal:
    """What HubSpot offers, as read in this run."""
    read = platform.warehouse.read
    return Portal(
        properties=read("hubspot.properties"),
        owners=read("hubspot.owners"),
        currencies=read("hubspot.currencies"),
        stages=deciding.deal_stages(platform),
    )


def matchings(platform: Platform, run: Run) -> dict[str, Matching]:
    """Which HubSpot record belongs to each eligible record."""
    read, shadows = platform.warehouse.read, platform.warehouse.read("sync.shadows")
    links, releases = read("sync.links"), read("sync.releases")

    def pushed(entity_type: str) -> pl.DataFrame:
        return shadows.filter(pl.col("entity_type") == entity_type)

    addresses = pushed("contact").select("teamleader_id", address=pl.col("fields").str.json_path_match("$.email"))
    return {
        "contact": match_contacts.match(
            read("eligible.contacts"), read("decisions.contacts"), read("hubspot.contacts"), links, addresses, releases
        ),
        "company": match_companies.match(
            read("eligible.companies"),
            read("decisions.companies"),
            source(platform.warehouse, SOURCES["company"]),
            read("hubspot.companies"),
            links,
            pushed("company").get_column("teamleader_id"),
            releases,
            platform.rules(run),
        ),
        "deal": match_deals.match(
            read("eligible.deals"),
            read("decisions.deals"),
            read("hubspot.deals"),
            links,
            pushed("deal").get_column("teamleader_id"),
            releases,
        ),
    }


def _build(platform: Platform, run: Run) -> Plan:
    read, settings = platform.warehouse.read, platform.settings
    facts, matched = portal(platform), matchings(platform, run)
    links = read("sync.links")
    adopted = {e: deciding.adoption(platform, e) for e in ENTITIES}
    related = _relations(platform, matched)
    opted_out = plan_opt_outs(
        read("decisions.contacts"), read("hubspot.contacts"), matched["contact"].matches, read("sync.opt_outs")
    )
    with platform.warehouse.transaction() as con:  # what was seen in HubSpot or Teamleader, not what will be done
        insert(con, "sync.relations", related.found.with_columns(pl.lit(run.run_id).alias("run_id")))
        delete(con, "sync.relations", related.forget)
        delete(con, "sync.opt_outs", opted_out.forget)
    entities = run.options.entities
    touched = [e if e in entities else None for e in ENTITIES]
    both = pl.col("details").str.json_path_match("$.from_type").is_in(touched) & pl.col("details").str.json_path_match(
        "$.to_type"
    ).is_in(touched)
    inputs = PlanInputs(
        entities={
            e: EntityInputs(
                source=read(SOURCES[e]).drop("payload"),
                decisions=read(f"decisions.{_PLURALS[e]}"),
                eligible=read(f"eligible.{_PLURALS[e]}"),
                matches=matched[e].matches,
                mirror=read(MIRRORS[e]),
            )
            for e in entities
        },
        links=links,
        shadows=read("sync.shadows"),
        reference=read("teamleader.reference"),
        portal=facts,
        relations=related.changes.filter(both),
        opt_outs=opted_out.changes if "contact" in entities else opted_out.changes.clear(),
        marketing_requests=read("sync.marketing_requests"),
        notices=[*(matched[e].notices for e in entities), *(adopted[e].notices for e in entities), related.notices],
        vanished={e: _vanished(platform, e) for e in entities},
    )
    made = plans.build(
        inputs,
        PlanSettings(
            mapping=preflight.effective(platform.mapping, facts.properties),
            as_of=run.as_of,
            guards=GuardSettings(**settings.guards.model_dump()),
            marketing_method=settings.marketing.method,
            marketing_tier=settings.marketing.tier,
        ),
    )
    doubled = sum(a.duplicates.height for a in adopted.values())
    protected = len(plans.protected_fields(made, platform.mapping.protected_names, facts.properties))
    return replace(
        made,
        limits=[
            *made.limits,
            _never("duplicate_teamleader_ids", doubled, "Teamleader ids are carried by more than one HubSpot record"),
            _never("protected_fields", protected, "protected properties are in the plan"),
        ],
    )


def _relations(platform: Platform, matched: dict[str, Matching]) -> relations.RelationPlan:
    read = platform.warehouse.read
    nobody = pl.DataFrame(schema={"teamleader_id": pl.String(), "duplicate_of": pl.String()})
    decided = {"contact": read("decisions.contacts"), "company": read("decisions.companies"), "deal": nobody}
    records = {
        e: relations.Records(
            matches=matched[e].matches,
            source_ids=source(platform.warehouse, SOURCES[e]).get_column("id"),
            mirror=read(MIRRORS[e]),
            winners=relations.winners(decided[e]),
        )
        for e in ENTITIES
    }
    return relations.plan_relations(
        read("eligible.relations"),
        relations.in_teamleader(read("teamleader.contact_company_links"), source(platform.warehouse, SOURCES["deal"])),
        records,
        read("sync.links"),
        read("hubspot.associations"),
        read("sync.relations"),
        remove_stale=platform.settings.relations.remove_stale,
    )


def _vanished(platform: Platform, entity_type: str) -> tuple[int, int]:
    """Records found deleted since the last run that pushed, and how many there were before."""
    table = SOURCES[entity_type]
    settled = "_run_id in (select run_id from sync.runs where status in ('done', 'failed_records'))"
    vanished = platform.warehouse.count(table, f"deleted_at is not null and not {settled}")
    return vanished, platform.warehouse.count(table, "deleted_at is null") + vanished


def _never(name: str, value: int, what: str) -> Limit:
    return Limit(name, value, 0, value > 0, f"{value} {what}; there must be none.")


def _notice_schema() -> dict[str, pl.DataType]:
    return dict.fromkeys(("code", "entity_type", "teamleader_id", "hubspot_id", "message"), pl.String())
