"""From eligible records to the stored plan: match, relations, opt-outs, differences, limits.

Reads tables, calls `planning`, writes `sync.plan`, `sync.planned_outcomes` and `sync.settled`. Nothing is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

import polars as pl

from tl_hubspot.orchestration import tombstones
from tl_hubspot.orchestration.run import ENTITIES, Platform, Run
from tl_hubspot.orchestration.steps import changed, conclude, deciding, unchanged
from tl_hubspot.orchestration.steps import scope as scopes
from tl_hubspot.orchestration.steps.affected import LINKS
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.orchestration.steps.scope import PLURALS, Scope
from tl_hubspot.orchestration.steps.unchanged import MadeOf
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
from tl_hubspot.planning.plan_inputs import DECIDED, EntityInputs, MarketingCounts, PlanInputs, PlanSettings, Reader
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse.store import Warehouse, delete, fetch, frame_of, insert


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
        with platform.warehouse.transaction() as con:
            unchanged.remember(con, "sync.plan", made_of, run)
            con.execute("update sync.plan set run_id = ?", [run.run_id])
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


def _entity(tables: _Tables, entity_type: str, matches: pl.DataFrame) -> EntityInputs:
    source, mirror, plural = SOURCES[entity_type], MIRRORS[entity_type], PLURALS[entity_type]
    chosen = tables.looked_at(entity_type)
    return EntityInputs(
        source=_reader(tables.warehouse, source, "* exclude (payload)"),
        deleted=chosen(source, "id", "deleted_at is not null", "id").get_column("id"),
        decisions=chosen(f"decisions.{plural}", ", ".join(DECIDED[entity_type])),
        eligible=chosen(f"eligible.{plural}"),
        matches=matches,
        mirror=tables(mirror, "* exclude (properties)"),
        held=_reader(tables.warehouse, mirror),
    )


class _Tables:
    """Tables as frames: all of their rows, or those that `scope` names.

    Nothing is kept: of a large account it is cheaper to read a table again than to hold it.
    """

    def __init__(self, warehouse: Warehouse, scope: Scope | None) -> None:
        self.warehouse, self._scope = warehouse, scope

    def __call__(self, table: str, columns: str = "*", where: str = "true") -> pl.DataFrame:
        """A table; of those about records or relations only rows in the scope."""
        if columns == "*" and table in (MIRRORS["contact"], MIRRORS["deal"]):
            columns = "* exclude (properties)"  # by far the largest, and wanted of some rows only
        query = f"select {columns} from {table} where {where}"
        if self._scope is None:
            return self.warehouse.read(query)
        condition, ids = _in_scope(self._scope, table)
        frames = {name: of.to_frame() for name, of in ids.items()}
        return self.warehouse.read(f"{query} and {condition}", None, **frames)

    def looked_at(self, entity_type: str) -> Callable[..., pl.DataFrame]:
        """Reads tables of that kind of record; those that stand beside are left out."""

        def read(table: str, columns: str = "*", where: str = "true", key: str = "teamleader_id") -> pl.DataFrame:
            query = f"select {columns} from {table} where {where}"
            if self._scope is None:
                return self.warehouse.read(query)
            ids = self._scope.looked_at[entity_type].to_frame()
            return self.warehouse.read(f"{query} and {key} in (from _ids)", _ids=ids)

        return read

    def are_looked_at(self, entity_type: str) -> pl.Expr:
        """Whether `teamleader_id` is one of a record that is looked at."""
        if self._scope is None:
            return pl.lit(True)
        return pl.col("teamleader_id").is_in(self._scope.looked_at[entity_type].implode())

    def existing(self, entity_type: str, *columns: str) -> pl.DataFrame:
        """These columns of the records that Teamleader has, deleted ones left out."""
        return self(SOURCES[entity_type], ", ".join(columns), "deleted_at is null")

    def ids(self, entity_type: str) -> pl.Series:
        """Ids of the records that Teamleader has."""
        return self.existing(entity_type, "id").get_column("id")

    def winners(self, entity_type: str) -> pl.DataFrame:
        """Duplicates and what they count for, see `relations.Records`."""
        columns = "teamleader_id, duplicate_of as winner"
        return self(f"decisions.{PLURALS[entity_type]}", columns, "duplicate_of is not null")

    def pushed_addresses(self) -> pl.DataFrame:
        """What the sync last pushed of the addresses of contacts, see `match_contacts.match`."""
        columns = (
            "teamleader_id, fields->>'$.email' as address, written->>'$.email' as wrote,"
            f" written->>'$.{SECONDARY_EMAILS}' as added"
        )
        return self("sync.shadows", columns, "entity_type = 'contact'")

    def pushed(self, entity_type: str) -> pl.Series:
        """Ids of the records that have a shadow."""
        return self("sync.shadows", "teamleader_id", f"entity_type = '{entity_type}'").get_column("teamleader_id")

    def at_rest(self) -> MarketingCounts:
        """Contacts out of the scope."""
        if self._scope is None:
            return MarketingCounts()
        others = "entity_type = 'contact' and bucket = 'unchanged' and teamleader_id not in (from _ids)"
        marketing = "marketable and not coalesce(archived, false) and id not in (from _ids)"
        known = {
            "sync.planned_outcomes": (others, self._scope.looked_at["contact"]),
            "hubspot.contacts": (marketing, self._scope.hubspot["contact"]),
        }
        matched, now = (
            self.warehouse.read(f"select count(*) from {table} where {where}", _ids=ids.to_frame()).item()
            for table, (where, ids) in known.items()
        )
        return MarketingCounts(matched=matched, now=now)


def _in_scope(scope: Scope, table: str) -> tuple[str, dict[str, pl.Series]]:
    """SQL condition on the rows of a table, and the sets of ids that it names; all rows of small tables."""
    room, _, name = table.partition(".")
    for entity_type, plural in PLURALS.items():
        if name == plural:
            key = {"teamleader": "id", "hubspot": "id"}.get(room, "teamleader_id")
            ids = scope.hubspot[entity_type] if room == "hubspot" else scope.known(entity_type)
            return f"{key} in (from _ids)", {"_ids": ids}
    if table in ("sync.links", "sync.shadows"):
        kinds = (f"entity_type = '{e}' and teamleader_id in (from _{e})" for e in PLURALS)
        return f"({' or '.join(kinds)})", {f"_{e}": scope.known(e) for e in PLURALS}
    if table in ("eligible.relations", LINKS):
        return f"{'from_id' if name == 'relations' else 'contact_id'} in (from _ids)", {"_ids": scope.related}
    if table in ("sync.relations", "hubspot.associations"):
        return "from_id in (from _ids)", {"_ids": scope.related_hubspot}
    return "true", {}


def _reader(warehouse: Warehouse, table: str, columns: str = "*", key: str = "id", where: str = "true") -> Reader:
    """Reads rows of a table by key."""
    query = f"select {columns} from {table} where {where} and {key} in (from _keys)"

    def some(keys: pl.Series) -> pl.DataFrame:
        return frame_of(table, []) if keys.is_empty() else warehouse.read(query, _keys=keys.to_frame())

    return some


def _shadows(warehouse: Warehouse, entity_type: str) -> Reader:
    columns = "teamleader_id, fields, written"
    return _reader(warehouse, "sync.shadows", columns, "teamleader_id", f"entity_type = '{entity_type}'")


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


def make(platform: Platform, run: Run, scope: Scope | None = None) -> Planned:
    """Match, compare and plan, all records or those in `scope`; what was seen of relations and opt-outs on the way is
    remembered."""
    warehouse, settings = platform.warehouse, platform.settings
    tables = _Tables(warehouse, scope)
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
        entities={e: partial(_entity, tables, e, _looked_at(tables, matched[e].matches, e)) for e in entities},
        links=tables("sync.links"),
        linked=warehouse.count("sync.links"),
        at_rest=tables.at_rest(),
        shadows={e: _shadows(warehouse, e) for e in entities},
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


def _looked_at(tables: _Tables, frame: pl.DataFrame, entity_type: str) -> pl.DataFrame:
    return frame.filter(tables.are_looked_at(entity_type))


def _chosen(run: Run, tables: _Tables) -> subset.Ids | None:
    """The only records that the run may change; None for all."""
    if run.options.subset is None:
        return None
    contacts, companies, deals = (tables(f"eligible.{name}") for name in PLURALS.values())
    return subset.choose(contacts, companies, deals, subset.Sizes.of(run.options.subset))


def _found(
    tables: _Tables, matched: dict[str, Matching], *, remove_stale: bool
) -> tuple[dict[str, Adoption], relations.RelationPlan, OptOutPlan]:
    """What there is to say of links, relations and opt-outs."""
    links = tables("sync.links")
    adopted = {e: adopt(e, tables.ids(e), links, tables(MIRRORS[e])) for e in ENTITIES}
    opted_out = plan_opt_outs(
        tables.looked_at("contact")("decisions.contacts"),
        tables("hubspot.contacts"),
        _looked_at(tables, matched["contact"].matches, "contact"),
        tables("sync.opt_outs"),
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
        present = relations.in_teamleader(tables(LINKS), deals)
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
    return f"status in ('done', 'failed_records') and contains(limits, '\"vanished_{PLURALS[entity_type]}\"')"


def _never(name: str, value: int, what: str) -> Limit:
    return Limit(name, value, 0, value > 0, f"{value} {what}; there must be none.")
