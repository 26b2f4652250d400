"""From eligible records to the stored plan: match, relations, opt-outs, differences, limits.

Reads tables, calls `planning`, writes `sync.plan`, `sync.planned_outcomes` and `sync.settled`. Nothing is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

import polars as pl

from tl_hubspot.orchestration import tombstones
from tl_hubspot.orchestration.run import ENTITIES, Platform, Run
from tl_hubspot.orchestration.steps import changed, conclude, deciding, looked_at, unchanged
from tl_hubspot.orchestration.steps import scope as scopes
from tl_hubspot.orchestration.steps.affected import LINKS
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.orchestration.steps.plan_tables import Tables, entity_inputs, shadows
from tl_hubspot.orchestration.steps.scope import PLURALS, Scope
from tl_hubspot.orchestration.steps.unchanged import MadeOf
from tl_hubspot.planning import (
    adopt,
    desired,
    match_companies,
    match_contacts,
    match_deals,
    opt_outs,
    preflight,
    relations,
    subset,
)
from tl_hubspot.planning import forecast as forecasts
from tl_hubspot.planning import plan as plans
from tl_hubspot.planning.adopt import Adoption
from tl_hubspot.planning.forecast import Forecast, Tally
from tl_hubspot.planning.guards import GuardSettings, Limit
from tl_hubspot.planning.match_frames import Matching, buried
from tl_hubspot.planning.opt_outs import OptOutPlan, plan_opt_outs
from tl_hubspot.planning.plan import Plan
from tl_hubspot.planning.plan_inputs import PlanInputs, PlanSettings
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse.rows import delete, fetch, insert, set_all


def plan(platform: Platform, run: Run) -> dict[str, Any]:
    """Make and store the plan; a plan over a limit ends the run as held."""
    made_of = unchanged.made_of(platform.warehouse, _MADE_OF, _facts(platform, run), _figures(platform, run))
    made_by = None
    if run.options.approved is None:
        made_by = unchanged.made_by(platform.warehouse, "sync.plan", made_of.fingerprint)
    before = made_by and platform.run_row(made_by)
    if before and before["status"] in ("done", "planned"):
        told: dict[str, Any] = {"unchanged_since_run": made_by}
        digest, limits = before["digest"], _limits(before)
        of_others = unchanged.result_of(platform.warehouse, "sync.plan", made_of.fingerprint)
        with platform.warehouse.transaction() as con:
            unchanged.remember(con, "sync.plan", made_of, run, of_others)
            set_all(con, "sync.plan", "run_id", run.run_id)
            con.execute("delete from sync.notices where found_by = 'push'")
        tallies = [forecasts.tally(platform.warehouse.read("sync.plan"))]
    else:
        scope = _scope(platform, run, made_of)
        made = make(platform, run, scope)
        tallies = store(platform, run, made, made_of, scope)
        told = {} if scope is None else {"looked_at": scope.size}
        digest, limits = made.digest, made.limits
    held, expected = conclude.planned(platform, run, digest, limits), forecast(platform, tallies)
    counts = platform.warehouse.read("select entity_type, action, count(*) from sync.plan group by all order by all")
    facts = told | {"digest": digest, "held": held} | _NOTHING | {f"{e} {a}": n for e, a, n in counts.iter_rows()}
    return facts | {"calls_to_push": expected.total, "seconds_to_push": round(expected.seconds, 1)}


def _scope(platform: Platform, run: Run, made_of: MadeOf) -> Scope | None:
    """The records that this plan has to look at; None for all.

    A held plan says nothing of the records that it was held for, and an approved one is made again as it was.
    """
    if run.options.approved is not None or run.options.subset is not None:
        return None
    of_held = "run_id in (select run_id from sync.runs where status = 'held')"
    if platform.warehouse.count(unchanged.TABLE, f"name = 'sync.plan' and {of_held}"):
        return None
    if platform.settings.marketing.method == "workflow":  # who waits for it is counted, and told nowhere
        return None
    since = changed.since(platform.warehouse, "sync.plan", made_of)
    return None if since is None else scopes.find(platform.warehouse, since)


_NOTHING = {f"{entity_type} {action}": 0 for entity_type in ENTITIES for action in ("create", "update")}
"""So that a plan without changes has its place in a plot."""


def forecast(platform: Platform, tallies: Iterable[Tally]) -> Forecast:
    """How many calls pushing what was tallied takes, and how long."""
    return forecasts.forecast(tallies, platform.hubspot.calls_per_second)


_MADE_OF = (
    *(f"{room}.{name}" for room in ("teamleader", "hubspot", "decisions", "eligible") for name in PLURALS.values()),
    *("teamleader.contact_company_links", "teamleader.reference", "eligible.relations"),
    *("hubspot.associations", "hubspot.properties", "hubspot.pipeline_stages", "hubspot.owners", "hubspot.currencies"),
    *("sync.links", "sync.shadows", "sync.relations", "sync.opt_outs", "sync.marketing_requests", "sync.releases"),
    "sync.undone_addresses",
    "sync.tombstones",
)


def _facts(platform: Platform, run: Run) -> dict[str, Any]:
    """What else the plan depends on."""
    settings = platform.settings
    return {
        "rules": unchanged.facts_of(platform.rules(run)),
        "mapping": asdict(platform.mapping),
        "settings": [group.model_dump() for group in (settings.guards, settings.marketing, settings.relations)],
        "entities": run.options.entities,
        "subset": run.options.subset,
    }


def _figures(platform: Platform, run: Run) -> dict[str, Any]:
    """Numbers that it depends on. Contacts of the future become contacts of today without any change."""
    return {
        "vanished": {e: _vanished(platform, e) for e in run.options.entities},
        "future": platform.warehouse.count("decisions.contacts", "changed_at > as_of"),
    }


def store(
    platform: Platform, run: Run, made: Planned, made_of: MadeOf | str, scope: Scope | None = None
) -> list[Tally]:
    """The plan takes the place of the one before; of records out of `scope` stays what was planned of them.

    Returns what there is to push. ConfigurationError, and nothing is stored, when another plan was approved.
    """
    tallies = []
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, "sync.plan", made_of, run, looked_at.keep(con, scope))
        con.execute("delete from sync.plan")
        con.execute("delete from sync.settled")
        for part in made.parts():
            tallies.append(forecasts.tally(part.changes))
            insert(con, "sync.plan", part.changes.with_columns(pl.lit(run.run_id).alias("run_id")))
            insert(con, "sync.settled", part.settled)
        if run.options.approved is not None:
            conclude.require_digest(made.digest, run.options.approved)
        con.execute("update sync.plan set digest = ?", [made.digest])
        if scope is None:
            con.execute("delete from sync.planned_outcomes")
        else:
            for entity_type in run.options.entities:
                ids = scope.looked_at[entity_type].alias("teamleader_id").to_frame()
                delete(con, "sync.planned_outcomes", ids.with_columns(entity_type=pl.lit(entity_type)))
        insert(con, "sync.planned_outcomes", made.outcomes)
        notices = made.notices
        if scope is not None:
            before = fetch(con, "select * exclude (found_by) from sync.notices where found_by = 'plan'")
            notices = pl.concat([before.filter(~scope.tells_of()), notices.filter(scope.tells_of())])
        con.execute("delete from sync.notices where found_by <> 'recovery'")
        insert(con, "sync.notices", notices.with_columns(pl.lit("plan").alias("found_by")))
    return tallies


def stored_plan(platform: Platform, run: dict[str, Any]) -> Plan:
    """The plan of `run` (row of sync.runs) as stored."""
    read = platform.warehouse.read
    return Plan(
        changes=read("select * exclude (run_id, digest) from sync.plan where run_id = ?", [run["run_id"]]),
        settled=read("sync.settled"),
        outcomes=read("sync.planned_outcomes"),
        notices=read("select * exclude (found_by) from sync.notices where found_by = 'plan'"),
        limits=_limits(run),
        digest=run["digest"],
    )


def _limits(run: dict[str, Any]) -> list[Limit]:
    return [Limit(**limit) for limit in json.loads(run["limits"] or "[]")]


def _portal(platform: Platform, tables: Tables) -> Portal:
    return Portal(
        properties=tables("hubspot.properties"),
        owners=tables("hubspot.owners"),
        currencies=tables("hubspot.currencies"),
        stages=deciding.deal_stages(platform),
    )


def _matchings(tables: Tables, rules: RuleSettings, graves: pl.DataFrame) -> dict[str, Matching]:
    """Which HubSpot record belongs to each eligible record."""
    links, releases = tables.links(), tables("sync.releases")

    def chosen(table: str) -> pl.DataFrame:
        return tables(table, ", ".join(_LOOKED_AT[table]))

    found = {
        "contact": match_contacts.match(
            chosen("eligible.contacts"),
            chosen("decisions.contacts"),
            tables("hubspot.contacts"),
            links,
            tables.pushed_addresses(),
            releases,
            tables("sync.undone_addresses"),
            graves,
        ),
        "company": match_companies.match(
            chosen("eligible.companies"),
            chosen("decisions.companies"),
            tables.existing("company", "id", "updated_at"),
            tables("hubspot.companies"),
            links,
            tables.pushed("company"),
            releases,
            rules,
        ),
        "deal": match_deals.match(
            chosen("eligible.deals"),
            chosen("decisions.deals"),
            tables("hubspot.deals"),
            links,
            tables.pushed("deal"),
            releases,
        ),
    }
    return {e: buried(m, graves, e) for e, m in found.items()}


_LOOKED_AT = match_contacts.LOOKED_AT | match_companies.LOOKED_AT | match_deals.LOOKED_AT


_DOUBLED = "Teamleader ids are carried by more than one HubSpot record"


class Planned(plans.Planner):
    """The plan of a run, with limits that only the tables know; `doubled`: ids that several HubSpot records carry."""

    def __init__(self, inputs: PlanInputs, settings: PlanSettings, doubled: int) -> None:
        super().__init__(inputs, settings)
        self._doubled = doubled

    @property
    def limits(self) -> list[Limit]:
        """All limits, exceeded or not."""
        return [
            *super().limits,
            _never("duplicate_teamleader_ids", self._doubled, _DOUBLED),
            _never("protected_fields", self.protected, "protected properties are in the plan"),
        ]


def make(platform: Platform, run: Run, scope: Scope | None = None) -> Planned:
    """Match, compare and plan, all records or those in `scope`; what was seen of relations and opt-outs on the way is
    remembered."""
    warehouse, settings = platform.warehouse, platform.settings
    tables = Tables(warehouse, scope)
    with warehouse.connect() as con:
        releases = tables("sync.releases")
        graves = tombstones.graves(con, settings.data, releases, lambda e: tables(f"eligible.{PLURALS[e]}"))
    facts, matched = _portal(platform, tables), _matchings(tables, platform.rules(run), graves)
    adopted, related, opted_out = _found(tables, matched, remove_stale=settings.relations.remove_stale)
    with warehouse.transaction() as con:
        insert(con, "sync.relations", related.found.with_columns(pl.lit(run.run_id).alias("run_id")))
        delete(con, "sync.relations", related.forget)
        delete(con, "sync.opt_outs", opted_out.forget)
    entities = run.options.entities
    mapping = preflight.effective(platform.mapping, facts.properties)
    inputs = PlanInputs(
        entities={
            e: partial(
                entity_inputs,
                tables,
                e,
                _looked_at(tables, matched[e].matches, e),
                desired.columns(e, mapping, facts),
            )
            for e in entities
        },
        links=tables.links(),
        linked=warehouse.count("sync.links"),
        at_rest=tables.at_rest(),
        shadows={e: shadows(tables, e) for e in entities},
        reference=tables("teamleader.reference"),
        portal=facts,
        relations=related.changes(entities),
        opt_outs=opted_out.changes if "contact" in entities else opted_out.changes.clear(),
        opted_out_records=opted_out.records,
        marketing_requests=tables("sync.marketing_requests"),
        notices=[
            *(_looked_at(tables, matched[e].notices, e) for e in entities),
            *(adopted[e].notices for e in entities),
            related.notices,
        ],
        vanished={e: _vanished(platform, e) for e in entities},
        confined_to=_chosen(run, tables),
    )
    chosen = PlanSettings(
        mapping=mapping,
        as_of=run.as_of,
        guards=GuardSettings(**settings.guards.model_dump()),
        marketing_method=settings.marketing.method,
        marketing_tier=settings.marketing.tier,
    )
    return Planned(inputs, chosen, sum(a.duplicates.height for a in adopted.values()))


def _looked_at(tables: Tables, frame: pl.DataFrame, entity_type: str) -> pl.DataFrame:
    return frame.filter(tables.are_looked_at(entity_type))


def _chosen(run: Run, tables: Tables) -> subset.Ids | None:
    """The only records that the run may change; None for all."""
    if run.options.subset is None:
        return None
    contacts, companies, deals = (tables(f"eligible.{name}") for name in PLURALS.values())
    return subset.choose(contacts, companies, deals, subset.Sizes.of(run.options.subset))


def _found(
    tables: Tables, matched: dict[str, Matching], *, remove_stale: bool
) -> tuple[dict[str, Adoption], relations.RelationPlan, OptOutPlan]:
    """What there is to say of links, relations and opt-outs."""
    links = tables.links()
    adopted = {e: adopt.adopt(e, tables.ids(e), links, _identities(tables, e)) for e in ENTITIES}
    opted_out = plan_opt_outs(
        tables.looked_at("contact")("decisions.contacts", ", ".join(opt_outs.LOOKED_AT)),
        tables("hubspot.contacts"),
        _looked_at(tables, matched["contact"].matches, "contact"),
        tables("sync.opt_outs"),
    )
    return adopted, _relations(tables, matched, remove_stale=remove_stale), opted_out


def _identities(tables: Tables, entity_type: str) -> pl.DataFrame:
    """HubSpot's records of that kind: who they are, not what they hold."""
    return tables(MIRRORS[entity_type], ", ".join(adopt.LOOKED_AT))


def _relations(tables: Tables, matched: dict[str, Matching], *, remove_stale: bool) -> relations.RelationPlan:
    records = {
        e: relations.Records(
            matches=matched[e].matches,
            source_ids=tables.ids(e),
            mirror=_identities(tables, e),
            winners=tables.winners(e),
        )
        for e in ENTITIES
    }
    pair = ", ".join(relations.PAIR)

    def present() -> pl.DataFrame:
        deals = tables.existing("deal", *relations.DEAL_COLUMNS)
        return relations.in_teamleader(tables(LINKS, "contact_id, company_id"), deals)

    return relations.plan_relations(
        tables("eligible.relations"),
        present,
        records,
        tables.links,
        tables("hubspot.associations", f"{pair}, is_primary"),
        tables("sync.relations", f"{pair}, origin"),
        remove_stale=remove_stale,
    )


def _vanished(platform: Platform, entity_type: str) -> tuple[int, int]:
    """Records found deleted since the last run that pushed their kind, and how many there were before."""
    table = SOURCES[entity_type]
    # an approved plan is another run than the one that found the records gone: only the time tells
    pushed = f"select max(finished_at) from sync.runs where {pushed_run(entity_type)}"
    vanished = platform.warehouse.count(table, f"deleted_at > coalesce(({pushed}), '-infinity'::timestamptz)")
    return vanished, platform.warehouse.count(table, "deleted_at is null") + vanished


def pushed_run(entity_type: str) -> str:
    """SQL condition on sync.runs: it pushed this kind of record (with `--only` others are left alone)."""
    return f"status in ('done', 'failed_records') and contains(limits, '\"vanished_{PLURALS[entity_type]}\"')"


def _never(name: str, value: int, what: str) -> Limit:
    return Limit(name, value, 0, value > 0, f"{value} {what}; there must be none.")
