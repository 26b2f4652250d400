"""One cycle of every flow: read both sides, settle what was left open, plan, carry out; and the plan alone.

What is told about it is in `reporting.two_way`. A flow without fields and keys has nothing to read: it is only counted.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from tl_hubspot.errors import ConfigurationError, ExitCode, TlHubspotError
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps.two_way import memory, planning, reading, recovering
from tl_hubspot.orchestration.steps.two_way.executing import Execution
from tl_hubspot.orchestration.steps.two_way.sides import CrmofficeSide, HubSpotSide, Side
from tl_hubspot.reporting.two_way import stops
from tl_hubspot.two_way import flows as words
from tl_hubspot.two_way.derived import derived
from tl_hubspot.two_way.flows import Flow
from tl_hubspot.two_way.frames import LINKS, Plan, System, empty
from tl_hubspot.warehouse.rows import frame_of


@dataclass(frozen=True)
class Cycle:
    """What became of one flow. `status`: planned, done, failed_records, held (a breaker stopped it), off."""

    flow: Flow
    status: str
    plan: Plan
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str | None:
        """What a person approves where a breaker stopped the flow."""
        return self.plan.digest

    @property
    def exit_code(self) -> ExitCode:
        """HELD, RECORDS_FAILED or DONE."""
        codes = {"held": ExitCode.HELD, "failed_records": ExitCode.RECORDS_FAILED}
        return codes.get(self.status, ExitCode.DONE)


def sync(platform: Platform, *, full: bool = False, run_id: str | None = None) -> list[Cycle]:
    """One cycle of every flow, under the run lock. Raises what stopped it, after every outcome was stored."""
    return _every(platform, run_id or str(uuid.uuid4()), full=full, writes=True)


def plan(platform: Platform, *, full: bool = False, run_id: str | None = None) -> list[Cycle]:
    """What `sync` would do now. Reads both systems, and writes to neither."""
    return _every(platform, run_id or str(uuid.uuid4()), full=full, writes=False)


def carry_out(platform: Platform, run_id: str) -> list[Cycle]:
    """As `sync`, for mirrors that this run has read already."""
    return _every(platform, run_id, full=False, writes=True, reads=False)


def approve(platform: Platform) -> list[Cycle]:
    """One cycle of the flow that a breaker stopped, with the deletions whose digest a person approved
    (`RunOptions.approved`); ConfigurationError, and nothing was written, when they are no longer those."""
    enter(platform)
    held = held_flow(platform)
    flow = next((flow for flow in platform.flows if flow.name == held), None)
    if flow is None:
        raise ConfigurationError(
            f"The flow {held} is no longer in the file of flows", mend="Run `tl-hubspot crmoffice plan`"
        )
    return [_one(platform, flow, str(uuid.uuid4()), full=False, writes=True, reads=True)]


def held_flow(platform: Platform) -> str | None:
    """The flow that the approved digest once stopped; None when the digest is of none."""
    if not platform.warehouse.exists():
        return None
    query = "select flow from two_way.runs where digest = ? limit 1"
    found = platform.warehouse.read(query, [platform.options.approved])["flow"]
    return None if found.is_empty() else str(found[0])


def exit_code(cycles: list[Cycle]) -> ExitCode:
    """A breaker wins over records that failed."""
    return ExitCode(max((int(c.exit_code) for c in cycles), default=0))


def _every(platform: Platform, run_id: str, *, full: bool, writes: bool, reads: bool = True) -> list[Cycle]:
    enter(platform)
    return [_one(platform, flow, run_id, full=full, writes=writes, reads=reads) for flow in platform.flows]


def enter(platform: Platform) -> None:
    """ConfigurationError before anything is read; then nobody else works on the data folder."""
    platform.settings.require_hubspot()
    platform.settings.require_crmoffice()
    _ = platform.flows
    platform.take_lock()


def _one(platform: Platform, flow: Flow, run_id: str, *, full: bool, writes: bool, reads: bool) -> Cycle:
    if not flow.enabled:
        return Cycle(flow, "off", Plan())
    started = platform.clock()
    try:
        if not flow.fields:
            cycle = _links_only(platform, flow, writes=writes)
        else:
            if reads:
                read(platform, flow, run_id, full=full)
            cycle = act(platform, flow, run_id) if writes and not flow.dry_run else look(platform, flow, run_id)
    except TlHubspotError as error:
        if writes:
            _note(platform, flow, run_id, started, "stopped", {}, error.sentence)
        raise
    if writes or cycle.status == "held":
        why = " ".join(stops(cycle.plan)) or None
        _note(platform, flow, run_id, started, cycle.status, cycle.counts, why, digest=cycle.digest)
    return cycle


def read(platform: Platform, flow: Flow, run_id: str, *, full: bool = False) -> dict[str, int]:
    """Bring the mirrors of a flow up to date."""
    return reading.read(platform, flow, run_id, full=full)


def look(platform: Platform, flow: Flow, run_id: str) -> Cycle:
    """The plan of a flow whose mirrors were read. Open intents of an interrupted cycle stay out of it."""
    made = planning.make(platform, flow, run_id)
    return Cycle(flow, "held" if made.plan.stops.height else "planned", made.plan, _planned(platform, flow, made.plan))


def act(platform: Platform, flow: Flow, run_id: str) -> Cycle:
    """Settle, plan and carry out a flow whose mirrors were read."""
    systems: dict[words.Side, Side] = {
        "a": HubSpotSide(platform.hubspot, flow, lambda: platform.mapping.protected_names),
        "b": CrmofficeSide(platform.crmoffice, flow),
    }
    counts = Counter(recovering.recover(platform, flow, systems, run_id))
    made = planning.make(platform, flow, run_id).plan
    if made.stops.height:
        return Cycle(flow, "held", made, dict(counts))
    with platform.warehouse.transaction() as con:
        memory.store(con, flow, made)
    execution = Execution(platform, flow, systems, run_id)
    execution.carry_out(made)
    if execution.done["unknown"]:
        recovering.recover_writes(platform, flow, systems, run_id)
    counts += execution.done
    counts.update(_planned(platform, flow, made))
    is_open = _open(platform, flow)
    failed = counts["failed"] or counts["unclear_creations"] or is_open
    return Cycle(flow, "failed_records" if failed else "done", made, dict(counts) | {"open": is_open})


def _open(platform: Platform, flow: Flow) -> int:
    """Calls of which nobody knows what became."""
    query = (
        "select (select count(*) from two_way.write_intents where flow = $flow)"
        " + (select count(*) from two_way.create_intents where flow = $flow)"
    )
    return int(platform.warehouse.read(query, {"flow": flow.name}).item())


def _planned(platform: Platform, flow: Flow, made: Plan) -> dict[str, int]:
    query = "select state, count(*) from two_way.links where flow = ? group by state"
    states = dict(platform.warehouse.read(query, [flow.name]).iter_rows())
    fresh = made.links.filter(pl.col("how") == "matched", pl.col("state") == "linked")
    return {
        "linked": states.get("linked", 0),
        "broken": states.get("broken", 0),
        "newly_linked": fresh.height,
        "conflicts": made.conflicts.height,
        "held": made.held.height,
        "ambiguous": made.ambiguous.height,
        "unmatched": made.unmatched.height,
    }


# ---------------------------------------------------------------------- flows without fields


def _links_only(platform: Platform, flow: Flow, *, writes: bool) -> Cycle:
    """Links that follow from another flow's; a flow without fields and without keys links nothing."""
    if flow.establish != "derived":
        return Cycle(flow, "done" if writes else "planned", Plan(), _planned(platform, flow, Plan()))
    parent = next((f for f in platform.flows if f.a == "Contact" and f.b == flow.b and f.fields), None)
    query = (
        "select from_id || '-' || to_id as id, from_id as contact_id from hubspot.associations"
        " where from_type = 'contact' and to_type = 'company' order by all"
    )
    associations = System(platform.warehouse.read(query))
    with platform.warehouse.transaction() as con:
        of_contacts = memory.links(con, parent) if parent and associations.records.height else empty(LINKS)
        known = memory.links(con, flow)
        changed, unmatched = derived(associations, known, of_contacts, platform.clock())
        made = replace(Plan(), links=changed, unmatched=unmatched)
        if writes:
            memory.store(con, flow, made)
    return Cycle(flow, "done" if writes else "planned", made, _planned(platform, flow, made))


def _note(
    platform: Platform,
    flow: Flow,
    run_id: str,
    started: datetime,
    status: str,
    counts: dict[str, int],
    error: str | None = None,
    digest: str | None = None,
) -> None:
    row: dict[str, Any] = {
        "run_id": run_id,
        "flow": flow.name,
        "started_at": started,
        "finished_at": platform.clock(),
        "status": status,
        "counts": json.dumps(counts, sort_keys=True),
        "calls": json.dumps(platform.meter.snapshot(), sort_keys=True),
        "error": error,
        "digest": digest,
    }
    platform.warehouse.upsert("two_way.runs", frame_of("two_way.runs", [row]))
