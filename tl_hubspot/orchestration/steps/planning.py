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
from tl_hubspot.orchestration.steps import conclude, deciding, unchanged
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.planning import forecast as forecasts
from tl_hubspot.planning import match_companies, match_contacts, match_deals, preflight, relations, subset
from tl_hubspot.planning import plan as plans
from tl_hubspot.planning.adopt import Adoption, adopt
from tl_hubspot.planning.forecast import Forecast, Tally
from tl_hubspot.planning.guards import GuardSettings, Limit
from tl_hubspot.planning.mapping import SECONDARY_EMAILS
from tl_hubspot.planning.match_frames import Matching, buried
from tl_hubspot.planning.opt_outs import OptOutPlan, plan_opt_outs
from tl_hubspot.planning.plan import Plan
from tl_hubspot.planning.plan_inputs import DECIDED, EntityInputs, PlanInputs, PlanSettings, Reader
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse.store import Warehouse, delete, frame_of, insert

_PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals"}


def plan(platform: Platform, run: Run) -> dict[str, Any]:
    """Make and store the plan; a plan over a limit ends the run as held."""
    print_ = unchanged.fingerprint(platform.warehouse, _MADE_OF, _facts(platform, run))
    made_by = None if run.options.approved is not None else unchanged.made_by(platform.warehouse, "sync.plan", print_)
    before = made_by and platform.run_row(made_by)
    if before and before["status"] in ("done", "planned"):
        told, digest, limits = {"unchanged_since_run": made_by}, before["digest"], _limits(before)
        with platform.warehouse.transaction() as con:
            unchanged.remember(con, "sync.plan", print_, run)
            con.execute("update sync.plan set run_id = ?", [run.run_id])
            con.execute("delete from sync.notices where found_by = 'push'")
        tallies = [forecasts.tally(platform.warehouse.read("sync.plan"))]
    else:
        made = make(platform, run)
        tallies = store(platform, run, made, print_)
        told, digest, limits = {}, made.digest, made.limits
    held, expected = conclude.planned(platform, run, digest, limits), forecast(platform, tallies)
    counts = platform.warehouse.read("select entity_type, action, count(*) from sync.plan group by all order by all")
    facts = told | {"digest": digest, "held": held} | _NOTHING | {f"{e} {a}": n for e, a, n in counts.iter_rows()}
    return facts | {"calls_to_push": expected.total, "seconds_to_push": round(expected.seconds, 1)}


_NOTHING = {f"{entity_type} {action}": 0 for entity_type in ENTITIES for action in ("create", "update")}
"""So that a plan without changes has its place in a plot."""


def forecast(platform: Platform, tallies: Iterable[Tally]) -> Forecast:
    """How many calls pushing what was tallied takes, and how long."""
    return forecasts.forecast(tallies, platform.hubspot.calls_per_second)


_MADE_OF = (
    *(f"{room}.{name}" for room in ("teamleader", "hubspot", "decisions", "eligible") for name in _PLURALS.values()),
    *("teamleader.contact_company_links", "teamleader.reference", "eligible.relations"),
    *("hubspot.associations", "hubspot.properties", "hubspot.pipeline_stages", "hubspot.owners", "hubspot.currencies"),
    *("sync.links", "sync.shadows", "sync.relations", "sync.opt_outs", "sync.marketing_requests", "sync.releases"),
    "sync.undone_addresses",
    "sync.tombstones",
)


def _facts(platform: Platform, run: Run) -> dict[str, Any]:
    """What else the plan depends on. Contacts of the future become contacts of today without any change."""
    settings = platform.settings
    return {
        "rules": unchanged.facts_of(platform.rules(run)),
        "mapping": asdict(platform.mapping),
        "settings": [group.model_dump() for group in (settings.guards, settings.marketing, settings.relations)],
        "entities": run.options.entities,
        "subset": run.options.subset,
        "vanished": {e: _vanished(platform, e) for e in run.options.entities},
        "future": platform.warehouse.count("decisions.contacts", "changed_at > as_of"),
    }


def store(platform: Platform, run: Run, made: Planned, made_of: str) -> list[Tally]:
    """The plan takes the place of the one before; `made_of`: fingerprint of what it was made of.

    Returns what there is to push. ConfigurationError, and nothing is stored, when another plan was approved.
    """
    tallies = []
    with platform.warehouse.transaction() as con:
        unchanged.remember(con, "sync.plan", made_of, run)
        con.execute("delete from sync.plan")
        con.execute("delete from sync.settled")
        for part in made.parts():
            tallies.append(forecasts.tally(part.changes))
            insert(con, "sync.plan", part.changes.with_columns(pl.lit(run.run_id).alias("run_id")))
            insert(con, "sync.settled", part.settled)
        if run.options.approved is not None:
            conclude.require_digest(made.digest, run.options.approved)
        con.execute("update sync.plan set digest = ?", [made.digest])
        con.execute("delete from sync.planned_outcomes")
        insert(con, "sync.planned_outcomes", made.outcomes)
        con.execute("delete from sync.notices where found_by <> 'recovery'")
        insert(con, "sync.notices", made.notices.with_columns(pl.lit("plan").alias("found_by")))
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


def _entity(warehouse: Warehouse, entity_type: str, matches: pl.DataFrame) -> EntityInputs:
    source, mirror, plural = SOURCES[entity_type], MIRRORS[entity_type], _PLURALS[entity_type]
    return EntityInputs(
        source=_reader(warehouse, source, "* exclude (payload)"),
        deleted=warehouse.read(f"select id from {source} where deleted_at is not null").get_column("id"),
        decisions=warehouse.read(f"select {', '.join(DECIDED[entity_type])} from decisions.{plural}"),
        eligible=warehouse.read(f"eligible.{plural}"),
        matches=matches,
        mirror=warehouse.read(f"select * exclude (properties) from {mirror}"),
        held=_reader(warehouse, mirror),
    )


class _Tables:
    """Tables as frames, without the largest columns of the records; those are read with some rows.

    Nothing is kept: of a large account it is cheaper to read a table again than to hold it.
    """

    def __init__(self, warehouse: Warehouse) -> None:
        self._read = warehouse.read

    def __call__(self, table: str) -> pl.DataFrame:
        if table in _READ_ONLY_PARTLY:
            return self._read(f"select * exclude ({_READ_ONLY_PARTLY[table]}) from {table}")
        return self._read(table)

    def existing(self, entity_type: str, *columns: str) -> pl.DataFrame:
        """These columns of the records that Teamleader has, deleted ones left out."""
        return self._read(f"select {', '.join(columns)} from {SOURCES[entity_type]} where deleted_at is null")

    def ids(self, entity_type: str) -> pl.Series:
        """Ids of the records that Teamleader has."""
        return self.existing(entity_type, "id").get_column("id")

    def winners(self, entity_type: str) -> pl.DataFrame:
        """Duplicates and what they count for, see `relations.Records`."""
        table = f"decisions.{_PLURALS[entity_type]}"
        query = f"select teamleader_id, duplicate_of as winner from {table} where duplicate_of is not null"
        return self._read(query)

    def pushed_addresses(self) -> pl.DataFrame:
        """What the sync last pushed of the addresses of contacts, see `match_contacts.match`."""
        return self._read(
            "select teamleader_id, fields->>'$.email' as address, written->>'$.email' as wrote,"
            f" written->>'$.{SECONDARY_EMAILS}' as added from sync.shadows where entity_type = 'contact'"
        )

    def pushed(self, entity_type: str) -> pl.Series:
        """Ids of the records that have a shadow."""
        query = f"select teamleader_id from sync.shadows where entity_type = '{entity_type}'"
        return self._read(query).get_column("teamleader_id")


def _reader(warehouse: Warehouse, table: str, columns: str = "*", key: str = "id", where: str = "true") -> Reader:
    """Reads rows of a table by key."""
    query = f"select {columns} from {table} where {where} and {key} in (from _keys)"

    def some(keys: pl.Series) -> pl.DataFrame:
        return frame_of(table, []) if keys.is_empty() else warehouse.read(query, _keys=keys.to_frame())

    return some


def _shadows(warehouse: Warehouse, entity_type: str) -> Reader:
    columns = "teamleader_id, fields, written"
    return _reader(warehouse, "sync.shadows", columns, "teamleader_id", f"entity_type = '{entity_type}'")


_READ_ONLY_PARTLY = {MIRRORS["contact"]: "properties", MIRRORS["deal"]: "properties"}
"""Tables of which a plan needs a large column only with some rows."""


def _portal(platform: Platform, tables: _Tables) -> Portal:
    return Portal(
        properties=tables("hubspot.properties"),
        owners=tables("hubspot.owners"),
        currencies=tables("hubspot.currencies"),
        stages=deciding.deal_stages(platform),
    )


def _matchings(tables: _Tables, rules: RuleSettings, graves: pl.DataFrame) -> dict[str, Matching]:
    """Which HubSpot record belongs to each eligible record."""
    links, releases = tables("sync.links"), tables("sync.releases")
    found = {
        "contact": match_contacts.match(
            tables("eligible.contacts"),
            tables("decisions.contacts"),
            tables("hubspot.contacts"),
            links,
            tables.pushed_addresses(),
            releases,
            tables("sync.undone_addresses"),
            graves,
        ),
        "company": match_companies.match(
            tables("eligible.companies"),
            tables("decisions.companies"),
            tables.existing("company", "id", "updated_at"),
            tables("hubspot.companies"),
            links,
            tables.pushed("company"),
            releases,
            rules,
        ),
        "deal": match_deals.match(
            tables("eligible.deals"),
            tables("decisions.deals"),
            tables("hubspot.deals"),
            links,
            tables.pushed("deal"),
            releases,
        ),
    }
    return {e: buried(m, graves, e) for e, m in found.items()}


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


def make(platform: Platform, run: Run) -> Planned:
    """Match, compare and plan; what was seen of relations and opt-outs on the way is remembered."""
    warehouse, settings = platform.warehouse, platform.settings
    tables = _Tables(warehouse)
    with warehouse.connect() as con:
        graves = tombstones.graves(con, settings.data, tables("sync.releases"))
    facts, matched = _portal(platform, tables), _matchings(tables, platform.rules(run), graves)
    adopted, related, opted_out = _found(tables, matched, remove_stale=settings.relations.remove_stale)
    with warehouse.transaction() as con:
        insert(con, "sync.relations", related.found.with_columns(pl.lit(run.run_id).alias("run_id")))
        delete(con, "sync.relations", related.forget)
        delete(con, "sync.opt_outs", opted_out.forget)
    entities = run.options.entities
    mapping = preflight.effective(platform.mapping, facts.properties)
    inputs = PlanInputs(
        entities={e: partial(_entity, warehouse, e, matched[e].matches) for e in entities},
        links=tables("sync.links"),
        shadows={e: _shadows(warehouse, e) for e in entities},
        reference=tables("teamleader.reference"),
        portal=facts,
        relations=related.changes(entities),
        opt_outs=opted_out.changes if "contact" in entities else opted_out.changes.clear(),
        opted_out_records=opted_out.records,
        marketing_requests=tables("sync.marketing_requests"),
        notices=[*(matched[e].notices for e in entities), *(adopted[e].notices for e in entities), related.notices],
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


def _chosen(run: Run, tables: _Tables) -> subset.Ids | None:
    """The only records that the run may change; None for all."""
    if run.options.subset is None:
        return None
    contacts, companies, deals = (tables(f"eligible.{name}") for name in _PLURALS.values())
    return subset.choose(contacts, companies, deals, subset.Sizes.of(run.options.subset))


def _found(
    tables: _Tables, matched: dict[str, Matching], *, remove_stale: bool
) -> tuple[dict[str, Adoption], relations.RelationPlan, OptOutPlan]:
    """What there is to say of links, relations and opt-outs."""
    links = tables("sync.links")
    adopted = {e: adopt(e, tables.ids(e), links, tables(MIRRORS[e])) for e in ENTITIES}
    opted_out = plan_opt_outs(
        tables("decisions.contacts"), tables("hubspot.contacts"), matched["contact"].matches, tables("sync.opt_outs")
    )
    return adopted, _relations(tables, matched, remove_stale=remove_stale), opted_out


def _relations(tables: _Tables, matched: dict[str, Matching], *, remove_stale: bool) -> relations.RelationPlan:
    records = {
        e: relations.Records(
            matches=matched[e].matches, source_ids=tables.ids(e), mirror=tables(MIRRORS[e]), winners=tables.winners(e)
        )
        for e in ENTITIES
    }
    remembered, present = tables("sync.relations"), pl.DataFrame(schema=dict.fromkeys(relations.PAIR, pl.String))
    if remembered.height:  # what Teamleader has matters only to what may be gone
        deals = tables.existing("deal", *relations.DEAL_COLUMNS)
        present = relations.in_teamleader(tables("teamleader.contact_company_links"), deals)
    return relations.plan_relations(
        tables("eligible.relations"),
        present,
        records,
        tables("sync.links"),
        tables("hubspot.associations"),
        remembered,
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
    return f"status in ('done', 'failed_records') and contains(limits, '\"vanished_{_PLURALS[entity_type]}\"')"


def _never(name: str, value: int, what: str) -> Limit:
    return Limit(name, value, 0, value > 0, f"{value} {what}; there must be none.")
