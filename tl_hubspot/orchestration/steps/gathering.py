"""What a report says about one run, as facts: SQL on the analysts' copy, so that it works while a run is going on.

Nothing is worded or drawn here: that is `reporting.report`. What one run did comes from `telling`; here is added what
the tables know of the records. People are named by their ids only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tl_hubspot.orchestration.run import ENTITIES, Platform
from tl_hubspot.orchestration.steps import deciding, telling
from tl_hubspot.orchestration.steps.mirroring import TABLES
from tl_hubspot.orchestration.steps.published import readable
from tl_hubspot.orchestration.steps.two_way import telling as between
from tl_hubspot.planning import audit
from tl_hubspot.planning.desired import writable_rules
from tl_hubspot.planning.preflight import effective
from tl_hubspot.planning.transforms import Portal
from tl_hubspot.warehouse.store import Warehouse

RUNS = 60
"""Runs of the time line."""
LISTED = 50
"""Records that are listed of one kind; the number of all of them is told beside."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Facts:
    """`run`, `runs` (newest first): as `telling` tells them. `account`: row of hubspot.account, {} when not known yet.

    `state`: what the tables know beyond the run, None when a later run has changed them since. `two_way_now`: the flow
    between HubSpot and Crmoffice, None where it is not in use. Times are ISO texts or
    aware datetimes in UTC.
    """

    run: dict[str, Any]
    runs: Rows
    account: dict[str, Any]
    timezone: str
    troubled: Rows
    state: State | None
    two_way_now: between.Facts | None = None

    @property
    def two_way(self) -> between.Facts | None:
        """The two-way flow as it is now, on the report of the newest run; None on earlier ones."""
        return self.two_way_now if self.runs and self.runs[0]["run_id"] == self.run["run_id"] else None


@dataclass(frozen=True)
class State:
    """What the tables say after the run. `duplicates`, `quality`: LISTED rows per code, each with `total` of its code.

    `ages`: entity_type, month (first day), status, records. `drift`: counts per entity_type, field, kind, with up to
    LISTED records; `compared`: linked records that could be compared. `soon`: marketing contacts that reach 2 years in
    the next 90 days, contacts of 2 to 5 years that reach 5.
    """

    duplicates: Rows = field(default_factory=list)
    quality: Rows = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    ages: Rows = field(default_factory=list)
    soon: dict[str, int] = field(default_factory=dict)
    drift: Rows = field(default_factory=list)
    compared: int = 0


_PAGES = " union all ".join(
    f"select '{e}' as entity_type, id as teamleader_id, web_url from teamleader.{t.partition('.')[2]}"
    for e, t in TABLES.items()
)

_TROUBLED = (
    """
with failed as (
  select entity_type, teamleader_id, hubspot_id, 'failed' as bucket, reason, message, http_status, correlation_id,
    null::timestamptz as since, null::integer as attempts, null::timestamptz as next_attempt_at
  from sync.log where run_id = $run and action = 'fail'
  qualify row_number() over (partition by entity_type, teamleader_id, reason order by timestamp desc) = 1
), waiting as (
  select entity_type, teamleader_id, f.hubspot_id, 'failed' as bucket, f.reason, message, http_status, correlation_id,
    since, attempts, next_attempt_at
  from sync.failures f join sync.outcomes o using (entity_type, teamleader_id)
  where o.run_id = $run and o.bucket = 'failed'
), held as (
  select entity_type, teamleader_id, hubspot_id, bucket, reason, null as message, null as http_status,
    null as correlation_id, null as since, null as attempts, null as next_attempt_at
  from sync.outcomes where run_id = $run and bucket = 'held' and reason <> 'guard'
)
select * from (
  from waiting union all by name from failed anti join waiting using (entity_type, teamleader_id)
  union all by name from held
) left join ("""
    + _PAGES
    + """) using (entity_type, teamleader_id)
qualify row_number() over (partition by entity_type, bucket, reason order by teamleader_id) <= $listed
order by bucket, entity_type, reason, teamleader_id
"""
)

_DUPLICATES = """
with loser as (
  select 'contact' as entity_type, teamleader_id, duplicate_of, 'address' as joined_by from decisions.contacts
  where reason = 'duplicate_email'
  union all by name
  select 'company' as entity_type, teamleader_id, duplicate_of, joined_by from decisions.companies
  where reason = 'duplicate_company'
), known as (
  select 'contact' as entity_type, id, c.status, null::boolean as has_vat, c.changed_at as moved_at, added_at, web_url
  from decisions.contacts d join teamleader.contacts c on c.id = d.teamleader_id
  union all by name
  select 'company' as entity_type, id, c.status, vat is not null as has_vat, updated_at as moved_at, added_at, web_url
  from decisions.companies d join teamleader.companies c on c.id = d.teamleader_id
)
select l.*, links.hubspot_id, {sides}, count(*) over (partition by l.entity_type) as total
from loser l
join known lost on lost.entity_type = l.entity_type and lost.id = l.teamleader_id
join known won on won.entity_type = l.entity_type and won.id = l.duplicate_of
left join sync.links links on links.entity_type = l.entity_type and links.teamleader_id = l.duplicate_of
qualify row_number() over (partition by l.entity_type order by l.duplicate_of, l.teamleader_id) <= $listed
order by l.entity_type desc, l.duplicate_of, l.teamleader_id
""".format(
    sides=", ".join(
        f"{side}.{name} as {side}_{name}"
        for side in ("lost", "won")
        for name in ("status", "has_vat", "moved_at", "added_at", "web_url")
    )
)

_QUALITY = (
    """
with found(code, entity_type, teamleader_id, detail) as (
  select 'no_vat', 'company', teamleader_id, null from eligible.companies where vat is null
  union all
  select 'no_key', 'company', teamleader_id, null from eligible.companies where vat is null and domain is null
  union all
  select reason, 'contact', teamleader_id, null from decisions.contacts
  where reason in ('no_email', 'invalid_email', 'consent_unknown')
  union all
  select 'opted_out_without_address', 'contact', teamleader_id, null from decisions.contacts
  where reason = 'no_email' and opted_out
  union all
  select 'unmapped_stage', 'deal', teamleader_id, phase.name from sync.outcomes
  join teamleader.deals d on d.id = teamleader_id
  left join teamleader.reference phase on phase.kind = 'deal_phase' and phase.id = d.current_phase_id
  where entity_type = 'deal' and bucket = 'held' and reason = 'unmapped_stage'
  union all
  select 'rejected', case stream when 'companies' then 'company' else rtrim(stream, 's') end, id,
    concat_ws(': ', nullif(field, ''), reason) from teamleader.rejected
)
select f.*, web_url, count(*) over (partition by code) as total
from found f left join ("""
    + _PAGES
    + """) using (entity_type, teamleader_id)
qualify row_number() over (partition by code order by detail, teamleader_id) <= $listed
order by code, detail, teamleader_id
"""
)

_AGES = """
select 'contact' as entity_type, date_trunc('month', changed_on)::date as month, status, count(*) as records
from decisions.contacts where changed_on is not null group by all
union all
select 'deal', date_trunc('month', status_changed_on)::date,
  case when status = 'sync' and label <> '' then 'inactive' else status end, count(*)
from decisions.deals where status_changed_on is not null group by all
order by all
"""

_SOON = """
select count(*) filter (reason = 'changed_within_2_years'
    and changed_on <= (as_of + interval 90 day)::date - interval 2 year) as non_marketing,
  count(*) filter (status <> 'skip' and changed_on < (as_of + interval 90 day)::date - interval 5 year) as out_of_scope
from decisions.contacts
"""

_CONFIRMED = """
select s.teamleader_id, l.hubspot_id, s.fields, s.written
from sync.shadows s join sync.links l using (entity_type, teamleader_id)
join {mirror} m on m.id = l.hubspot_id left join sync.runs r on r.run_id = s.run_id
where s.entity_type = ? and m._loaded_at > coalesce(r.finished_at, '-infinity'::timestamptz)
"""
"""Records that were read from HubSpot since the sync last wrote or confirmed them."""


def gather(platform: Platform, wanted: str) -> Facts:
    """Facts about the run that `wanted` names (see `finding`). ConfigurationError when there is none."""
    warehouse = readable(platform)
    run = telling.run(platform, wanted)
    decided_last = warehouse.read("select run_id from sync.made_of where name = 'sync.plan'")["run_id"].to_list()
    return Facts(
        run=run,
        runs=runs(platform),
        account=_account(warehouse),
        timezone=platform.settings.timezone,
        troubled=warehouse.read(_TROUBLED, {"run": run["run_id"], "listed": LISTED}).to_dicts(),
        state=_state(platform, warehouse) if decided_last == [run["run_id"]] else None,
        two_way_now=between.tell(platform, warehouse),
    )


def runs(platform: Platform) -> Rows:
    """The latest runs, newest first, as `telling` tells them, with `contact_reasons`: `bucket/reason` → number."""
    query = "select run_id, counts->'$.contact.reasons' as reasons from sync.runs where counts is not null"
    reasons = {run_id: json.loads(text or "{}") for run_id, text in readable(platform).read(query).iter_rows()}
    return [run | {"contact_reasons": reasons.get(run["run_id"], {})} for run in telling.runs(platform, RUNS)]


def _account(warehouse: Warehouse) -> dict[str, Any]:
    known = warehouse.read("select 1 from duckdb_tables() where schema_name = 'hubspot' and table_name = 'account'")
    if known.is_empty():  # the copy was published by an older version
        return {}
    rows = warehouse.read("from hubspot.account").to_dicts()
    return rows[0] if rows else {}


def _state(platform: Platform, warehouse: Warehouse) -> State:
    totals = {e: warehouse.count(f"eligible.{t.partition('.')[2]}") for e, t in TABLES.items()}
    compared, drift = _drift(platform, warehouse)
    return State(
        duplicates=warehouse.read(_DUPLICATES, {"listed": LISTED}).to_dicts(),
        quality=warehouse.read(_QUALITY, {"listed": LISTED}).to_dicts(),
        totals=totals,
        ages=warehouse.read(_AGES).to_dicts(),
        soon=warehouse.read(_SOON).row(0, named=True),
        drift=drift,
        compared=compared,
    )


def _drift(platform: Platform, warehouse: Warehouse) -> tuple[int, Rows]:
    """How many records could be compared, and drift as `planning.audit` finds it in the mirror, without values."""
    properties = warehouse.read("hubspot.properties")
    portal = Portal(
        properties=properties,
        owners=pl.DataFrame(),
        currencies=pl.DataFrame(),
        stages=deciding.deal_stages(platform, warehouse),
    )
    mapping = effective(platform.mapping, properties)
    compared, found = 0, [pl.DataFrame(schema=audit.DRIFT)]
    for entity_type in ENTITIES:
        table = TABLES[entity_type]
        confirmed = warehouse.read(_CONFIRMED.format(mirror=table), [entity_type])
        if confirmed.is_empty():
            continue
        mirror = warehouse.read(table).join(confirmed, left_on="id", right_on="hubspot_id", how="semi")
        states = audit.states(confirmed["hubspot_id"].to_list(), mirror)
        rules = writable_rules(entity_type, mapping, portal)
        there = {r.property: portal.property_type(entity_type, r.property) for r in rules}
        types = {name: type_ for name, type_ in there.items() if type_ is not None}
        compared += confirmed.height
        found += [
            audit.records(entity_type, confirmed.select("teamleader_id", "hubspot_id"), states),
            audit.fields(entity_type, confirmed, mirror, rules, types, portal.stages.symbols),
        ]
    counted = (
        pl.concat(found)
        .group_by("entity_type", "field", "kind")
        .agg(pl.len().alias("records"), pl.col("hubspot_id").sort().head(3).alias("examples"))
        .sort("records", "entity_type", "field", "kind", descending=[True, False, False, False])
    )
    return compared, counted.to_dicts()
