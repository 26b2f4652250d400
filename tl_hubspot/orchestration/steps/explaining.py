"""Everything known about one record, for `explain`: its rules, its HubSpot record, what the last runs did with it.

Reads the analysts' copy, so that it works while a run is going on; the working database when nothing was published.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import polars as pl

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import looking_up, published
from tl_hubspot.orchestration.steps.deciding import MIRRORS, SOURCES
from tl_hubspot.orchestration.steps.published import DECISIONS
from tl_hubspot.orchestration.steps.two_way import explaining as between
from tl_hubspot.planning.match_companies import hubspot_keys
from tl_hubspot.rules import trace
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse.store import Warehouse

_TRACES = {"contact": trace.trace_contact, "company": trace.trace_company, "deal": trace.trace_deal}
_LAST_PUSHES = 5


def explain(platform: Platform, entity_type: str, record: str) -> dict[str, Any]:
    """The answer as a JSON-ready dict; its sentences are `Told`.

    `record`: what `looking_up.look_up` understands. When several records are meant, the answer has `candidates` alone;
    of a record that HubSpot alone has it has `only_in_hubspot`, and no rules. Raises ConfigurationError when nothing
    was read yet, or when neither system has such a record.
    """
    with published.opened(platform) as warehouse:
        if entity_type != "contact":
            return _explained(platform, warehouse, entity_type, looking_up.look_up(warehouse, entity_type, record))
        return _contact(platform, warehouse, record)


def _contact(platform: Platform, warehouse: Warehouse, record: str) -> dict[str, Any]:
    """A contact has a part between HubSpot and Crmoffice too, and may be known there alone."""
    meant, unknown = record, None
    if record.startswith(between.PREFIX):
        there = between.find(platform, warehouse, record)
        meant = (there.hubspot_id if there else None) or record
    try:
        found = looking_up.look_up(warehouse, "contact", meant)
    except ConfigurationError as error:
        found, unknown = None, error
    if found is not None:
        answer = _explained(platform, warehouse, "contact", found)
        hubspot_id = answer.get("hubspot_id")
        known = between.explain(platform, warehouse, between.Contact(hubspot_id, None)) if hubspot_id else None
        return answer | ({"crmoffice": known} if known else {})
    there = between.find(platform, warehouse, record)
    known = between.explain(platform, warehouse, there) if there else None
    if known is None:
        raise unknown or ConfigurationError(f"No contact {record}")
    linked = warehouse.read(
        "select teamleader_id from sync.links where entity_type = 'contact' and hubspot_id = ?", [known["hubspot_id"]]
    )
    if linked.height:
        found = looking_up.look_up(warehouse, "contact", linked["teamleader_id"][0])
        return _explained(platform, warehouse, "contact", found) | {"crmoffice": known}
    return {"entity_type": "contact", "teamleader_id": None, "hubspot_id": known["hubspot_id"], "crmoffice": known}


def _explained(platform: Platform, warehouse: Warehouse, entity_type: str, found: looking_up.Found) -> dict[str, Any]:
    if len(found.ids) > 1:
        return {
            "entity_type": entity_type,
            "found_by": found.by,
            "candidates": _candidates(warehouse, entity_type, found),
        }
    if found.hubspot_id:
        columns = f"select teamleader_id, archived from {MIRRORS[entity_type]} where id = ?"
        return {
            "entity_type": entity_type,
            "found_by": found.by,
            "teamleader_id": None,
            "hubspot_id": found.hubspot_id,
            "only_in_hubspot": _one(warehouse, columns, [found.hubspot_id]),
        }
    [teamleader_id] = found.ids
    rules = published.rules(platform, warehouse, entity_type)
    tables = published.tables(platform, warehouse)
    key = [entity_type, teamleader_id]
    decision = warehouse.read(f"select * from {DECISIONS[entity_type]} where teamleader_id = ?", [teamleader_id])
    link = _one(warehouse, "select * from sync.links where entity_type = ? and teamleader_id = ?", key)
    known = decision.row(0, named=True) if decision.height else {}
    deleted = not known
    planned = _planned(warehouse, entity_type, teamleader_id)
    return {
        "entity_type": entity_type,
        "teamleader_id": teamleader_id,
        "hubspot_id": link["hubspot_id"] if link else None,
        "teamleader_url": warehouse.read(
            f"select web_url from {SOURCES[entity_type]} where id = ?", [teamleader_id]
        ).item(),
        "as_of": rules.as_of_utc.isoformat(),
        "deleted_in_teamleader": deleted,
        "decision": {
            "status": known.get("status"),
            "reason": known.get("reason"),
            "duplicate_of": known.get("duplicate_of"),
            "label": known.get("label"),
        },
        "steps": [] if deleted else [_plain(asdict(s)) for s in _TRACES[entity_type](teamleader_id, tables, rules)],
        "what_would_change": [] if deleted else trace.what_would_change(entity_type, teamleader_id, tables, rules),
        "hubspot": _shown(warehouse, link["hubspot_id"]) if link and entity_type == "contact" else None,
        "matching": _matching(warehouse, rules, entity_type, known, link) if link else None,
        "alike_in_hubspot": [] if link else looking_up.same_in_hubspot(warehouse, entity_type, teamleader_id),
        "outcome": _one(
            warehouse,
            "select run_id, bucket, reason, hubspot_id from sync.outcomes where entity_type = ? and teamleader_id = ?",
            key,
        ),
        "planned": planned,
        "notices": _notices(warehouse, entity_type, teamleader_id),
        "failure": _failure(warehouse, key),
        "last_pushes": _pushes(warehouse, entity_type, teamleader_id),
    }


def _shown(warehouse: Warehouse, hubspot_id: str) -> dict[str, Any] | None:
    """What HubSpot last showed about e-mail to this contact."""
    return _one(warehouse, "select opted_out, marketable, archived from hubspot.contacts where id = ?", [hubspot_id])


def _candidates(warehouse: Warehouse, entity_type: str, found: looking_up.Found) -> list[dict[str, Any]]:
    """What tells records apart that the same words may mean; without personal data."""
    query = (
        f"select d.teamleader_id, l.hubspot_id, d.status, d.reason, t.updated_at, t.web_url as teamleader_url"
        f" from {DECISIONS[entity_type]} d join {SOURCES[entity_type]} t on t.id = d.teamleader_id"
        f" left join sync.links l on l.entity_type = '{entity_type}' and l.teamleader_id = d.teamleader_id"
        " where d.teamleader_id in (select unnest(?)) order by t.updated_at desc, d.teamleader_id"
    )
    return [_plain(row) for row in warehouse.read(query, [list(found.ids)]).iter_rows(named=True)]


def _matching(
    warehouse: Warehouse,
    rules: RuleSettings,
    entity_type: str,
    known: dict[str, Any],
    link: dict[str, Any],
) -> dict[str, Any]:
    """By what the two records were found to be one, and on which keys they agree in what was last read of HubSpot.

    `key` is None for a link of an older version, which did not remember it.
    """
    mirrored = warehouse.read(f"select * from {MIRRORS[entity_type]} where id = ?", [link["hubspot_id"]])
    run = _one(warehouse, "select started_at from sync.runs where run_id = ?", [link["first_run"]])
    return {
        "key": link["matched_by"],
        "agrees": _agreeing(mirrored, rules, entity_type, known) if known and mirrored.height else [],
        "linked_by_run": link["first_run"],
        "linked_at": run["started_at"].isoformat() if run else None,
    }


def _agreeing(mirrored: pl.DataFrame, rules: RuleSettings, entity_type: str, known: dict[str, Any]) -> list[str]:
    """The keys on which the Teamleader record and its HubSpot record agree, the strongest first."""
    there = mirrored.row(0, named=True)
    agrees = {"teamleader_id": there["teamleader_id"] == known["teamleader_id"]}
    if entity_type == "contact":
        agrees["email"] = known["address"] is not None and there["email"] == known["address"]
        agrees["secondary_email"] = known["address"] in (there["secondary_emails"] or ())
    if entity_type == "company":
        alone = mirrored.select(hubspot_id="id", vacated_by=pl.lit(None, pl.String))
        keys = hubspot_keys(mirrored, alone, rules).row(0, named=True)
        agrees["vat"] = known["vat"] is not None and keys["vat"] == known["vat"]
        agrees["domain"] = known["domain"] in keys["domains"]
        agrees["name"] = known["name_key"] is not None and keys["name_key"] == known["name_key"]
    return [key for key, does in agrees.items() if does]


def _failure(warehouse: Warehouse, key: list[str]) -> dict[str, Any] | None:
    """The push that failed last and has not succeeded since, with what a person may do."""
    query = (
        "select action, reason, message, http_status, correlation_id, since, attempts, next_attempt_at"
        " from sync.failures where entity_type = ? and teamleader_id = ?"
    )
    failure = _one(warehouse, query, key)
    return _plain(failure) if failure else None


def _planned(warehouse: Warehouse, entity_type: str, teamleader_id: str) -> list[dict[str, Any]]:
    rows = warehouse.read(
        "select action, reason, hubspot_id, fields, details from sync.plan where entity_type = ? and teamleader_id = ?",
        [entity_type, teamleader_id],
    )
    return [
        {
            "action": row["action"],
            "reason": row["reason"],
            "hubspot_id": row["hubspot_id"],
            "matched_by": json.loads(row["details"]).get("matched_by"),
            "fields": json.loads(row["fields"]),
        }
        for row in rows.iter_rows(named=True)
    ]


def _notices(warehouse: Warehouse, entity_type: str, teamleader_id: str) -> list[dict[str, Any]]:
    query = "select code, message from sync.notices where entity_type = ? and teamleader_id = ?"
    return warehouse.read(query, [entity_type, teamleader_id]).to_dicts()


def _pushes(warehouse: Warehouse, entity_type: str, teamleader_id: str) -> list[dict[str, Any]]:
    rows = warehouse.read(
        "select run_id, action, state, intended_at, settled_at, fields, message from sync.journal"
        " where entity_type = ? and teamleader_id = ? order by intended_at desc limit ?",
        [entity_type, teamleader_id, _LAST_PUSHES],
    )
    return [_plain(row) | {"fields": json.loads(row["fields"] or "{}")} for row in rows.iter_rows(named=True)]


def _one(warehouse: Warehouse, query: str, parameters: list[Any]) -> dict[str, Any] | None:
    rows = warehouse.read(query, parameters)
    return rows.row(0, named=True) if rows.height else None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in values.items()}
