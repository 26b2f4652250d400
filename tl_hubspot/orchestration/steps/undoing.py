"""The undo of one run, as a run of its own: what it would do, or doing it, and what became of everything.

What is taken back is decided in `pushing.undo_plan`; here stand the journal that it is decided on, the lock, the row in
`sync.runs`, and the addresses that the next sync must not put on again.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import polars as pl

from tl_hubspot.errors import ConfigurationError, TlHubspotError
from tl_hubspot.hubspot.mirror import own_properties
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import conclude, finding, preflight, publish, recovering
from tl_hubspot.planning.preflight import effective
from tl_hubspot.pushing import undo as carrying_out
from tl_hubspot.pushing.change import SECONDARY_EMAILS, Change
from tl_hubspot.pushing.records import EXPECTED
from tl_hubspot.pushing.undo import Undone
from tl_hubspot.pushing.undo_plan import IRREVERSIBLE, Rules, Undoing, look
from tl_hubspot.pushing.work import PushSettings
from tl_hubspot.warehouse.rows import delete, frame_of, upsert

_LATER = """
select j.* from sync.journal j
where j.state = 'done' and j.run_id <> $run
  and j.intended_at > (select max(intended_at) from sync.journal where run_id = $run)
  and j.action in ('create', 'update', 'mark_deleted', 'archive', 'associate', 'disassociate')
  and exists (
    from sync.journal o where o.run_id = $run and o.entity_type = j.entity_type
    and (o.hubspot_id = j.hubspot_id or (j.entity_type = 'relation' and o.teamleader_id = j.teamleader_id))
  )
order by j.intended_at
"""


def undo(platform: Platform, wanted: str, *, plan_only: bool = False) -> dict[str, Any]:
    """Undo the run that is meant (see `finding`), or only look what that would do; the answer is ready for JSON.

    Raises:
        ConfigurationError: no such run, or its journal is no longer kept.
        AnotherRun: a run is going on.
        TlHubspotError: what stopped it; what was confirmed is stored, and undoing again goes on from there.
    """
    platform.settings.require_hubspot()
    platform.earlier("There is no run to undo yet")
    try:
        platform.take_lock()
        target = finding.find(platform.warehouse, wanted, pushed=True)
        if plan_only:
            recovering.recover(platform, target["run_id"])
            undoing = _look(platform, target)
            return _answer(target, None, "planned", undoing, Undone(left=undoing.left))
        return _run(platform, target)
    finally:
        platform.close()


def _run(platform: Platform, target: dict[str, Any]) -> dict[str, Any]:
    run_id = str(uuid.uuid4())
    platform.run(run_id)
    try:
        recovering.recover(platform, run_id)
        undoing = _look(platform, target)
        _remember_addresses(platform, run_id, undoing)
        ledger = WarehouseLedger(platform.warehouse, platform.settings.log_file)
        settings = _push_settings(platform, run_id)
        done = carrying_out.carry_out(platform.hubspot, ledger, undoing, settings, platform.progress)
        status = "stopped" if done.stopped else "failed_records" if done.failed else "done"
        answer = _answer(target, run_id, status, undoing, done)
        platform.close_run(run_id, status, counts={"undo": {"of": target["run_id"]} | answer["counts"]})
        if done.stopped is not None:
            raise done.stopped
    except KeyboardInterrupt:
        conclude.stopped(platform, run_id, TlHubspotError("Stopped by hand"))
        raise
    except BaseException as error:
        conclude.stopped(platform, run_id, error)
        raise
    finally:
        publish.publish(platform)
    return answer


def _look(platform: Platform, target: dict[str, Any]) -> Undoing:
    read, run_id = platform.warehouse.read, target["run_id"]
    query = "select * from sync.journal where run_id = ? and state = 'done' order by intended_at"
    journal = read(query, [run_id])
    kept_from = platform.clock() - timedelta(days=platform.settings.retention.journal_days)
    if journal.is_empty() and target["started_at"] < kept_from:
        raise ConfigurationError(
            "What this run did is no longer known, so it cannot be undone",
            where=f"run {run_id}",
            mend="The journal is kept for TL_HUBSPOT_RETENTION__JOURNAL_DAYS days",
        )
    later = read(_LATER, {"run": run_id})
    undos = read("select run_id from sync.runs where command = 'undo'")["run_id"].to_list()
    created = journal.filter(pl.col("action") == "create")["entity_type"].unique().to_list()
    return look(platform.hubspot, journal.to_dicts(), later.to_dicts(), undos, _rules(platform, created))


def _rules(platform: Platform, created: list[str]) -> Rules:
    properties = preflight.properties(platform)
    writable = set(properties.filter(~pl.col("read_only")).select("object_type", "name").iter_rows())
    mapping = effective(platform.mapping, properties)
    looked_at = {
        kind: [
            *(r.property for r in mapping.of(kind) if (kind, r.property) in writable),
            *own_properties(platform.hubspot, kind),
        ]
        for kind in created
    }
    consent = [mapping.property_for("contact", f"decision.{what}") for what in ("marketing", "opted_out")]
    return Rules(looked_at, tuple(platform.mapping.protected_names), _labels(platform), *consent)


def _labels(platform: Platform) -> dict[tuple[str, str], str]:
    return {(p["object_type"], p["name"]): p["label"] for p in platform.definitions.properties}


def _push_settings(platform: Platform, run_id: str) -> PushSettings:
    names = tuple(platform.mapping.protected_names)
    # no canary: what goes back stood in HubSpot before
    return PushSettings(run_id=run_id, protected_names=names, labels=_labels(platform), canary=0, now=platform.clock)


def _remember_addresses(platform: Platform, run_id: str, undoing: Undoing) -> None:
    """Before the calls: a run that is killed between them must not have the next sync put an address on again."""
    off = [{"hubspot_id": i, "address": a, "run_id": run_id} for i, a in dict.fromkeys(undoing.taken_off)]
    on = [{"hubspot_id": i, "address": a} for i, a in dict.fromkeys(undoing.put_on)]
    with platform.warehouse.transaction() as con:
        delete(
            con, "sync.undone_addresses", pl.DataFrame(on, schema=dict.fromkeys(("hubspot_id", "address"), pl.String))
        )
        upsert(con, "sync.undone_addresses", frame_of("sync.undone_addresses", off))


# --- the answer -------------------------------------------------------------------------------------------------------


def _answer(
    target: dict[str, Any], undo_run_id: str | None, status: str, undoing: Undoing, done: Undone
) -> dict[str, Any]:
    relations = [c for c in undoing.changes if c.entity_type == "relation"]
    records = [c for c in undoing.changes if c.entity_type != "relation"]
    if undo_run_id is None:
        done.records, done.fields = len(records), sum(len(_fields(c)) for c in records)
        done.disassociated = sum(c.action == "disassociate" for c in relations)
        done.associated = len(relations) - done.disassociated
        done.archived = len(undoing.archive)
    left = [entry for entry in done.left if entry.code not in IRREVERSIBLE]
    return {
        "run_id": target["run_id"],
        "command": target["command"],
        "started_at": target["started_at"].isoformat(),
        "undo_run_id": undo_run_id,
        "status": status,
        "set_back": [_who(c) | {"fields": _fields(c)} for c in records],
        "archive": [
            {"entity_type": c.entity_type, "teamleader_id": c.teamleader_id, "hubspot_id": c.hubspot_id}
            for c in undoing.archive
        ],
        "relations": [{"action": c.action} | c.details for c in relations],
        "left": [vars(entry) for entry in left],
        "irreversible": [vars(entry) for entry in done.left if entry.code in IRREVERSIBLE],
        "provisioned": json.loads(target["counts"] or "{}").get("provisioned", []),
        "counts": {
            name: getattr(done, name)
            for name in ("records", "fields", "archived", "disassociated", "associated", "failed")
        }
        | {"already": undoing.already, "left": dict(Counter(entry.code for entry in done.left))},
    }


def _who(change: Change) -> dict[str, Any]:
    return {
        "entity_type": change.entity_type,
        "teamleader_id": change.teamleader_id,
        "hubspot_id": change.hubspot_id,
    }


def _fields(change: Change) -> dict[str, dict[str, str | None]]:
    """Old and new value per field; of further addresses only those that come or go."""
    expected = change.details.get(EXPECTED, {})
    fields: dict[str, dict[str, str | None]] = {
        name: {"old": expected.get(name) or None, "new": value or None} for name, value in change.fields.items()
    }
    if change.email is not None and change.email.is_secondary:
        fields[SECONDARY_EMAILS] = {"old": change.email.old, "new": change.email.new or None}
    return fields
