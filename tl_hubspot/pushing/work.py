"""The state of one push that its steps share: who was created, who failed, what is remembered, what is counted.

Steps (`records`, `addresses`, `relations`, `opt_outs`, `marketing`) call HubSpot and report here; `push` puts them in
order.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from tl_hubspot.errors import TlHubspotError
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.provision import PipelineWanted, PropertyWanted
from tl_hubspot.hubspot.reactions import Problem
from tl_hubspot.planning.protected import DEFAULT_PROTECTED_NAMES
from tl_hubspot.pushing.change import Change
from tl_hubspot.pushing.ledger import Ledger, Row
from tl_hubspot.pushing.wire import Wire

T = TypeVar("T")

Key = tuple[str, str]
"""(entity_type, teamleader_id)"""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class PushSettings:
    """`properties`, `pipelines`: what must exist in HubSpot. `labels`: (entity_type, property) → label in HubSpot.

    `canary`: so many records of a large push go first and are read back; 0: none do. `marketing_patience`: seconds to
    wait for an import of marketing contacts.
    """

    run_id: str
    properties: tuple[PropertyWanted, ...] = ()
    pipelines: tuple[PipelineWanted, ...] = ()
    property_group: tuple[str, str] = ("teamleader", "Teamleader")
    protected_names: tuple[str, ...] = DEFAULT_PROTECTED_NAMES
    labels: Mapping[Key, str] = field(default_factory=dict)
    canary: int = 10
    marketing_patience: float = 600.0
    now: Callable[[], datetime] = _utc_now


@dataclass(slots=True)
class Outcome:
    """What became of one row of the plan that writes a record."""

    entity_type: str
    teamleader_id: str
    hubspot_id: str | None
    bucket: str
    reason: str | None = None
    message: str | None = None
    http_status: int | None = None
    correlation_id: str | None = None


class Work:
    """Collects outcomes and speaks to the ledger; used from one thread only."""

    def __init__(
        self,
        gateway: HubSpotGateway,
        ledger: Ledger,
        settings: PushSettings,
        on_progress: Callable[[str, int, int], None] | None,
    ) -> None:
        self.gateway, self.ledger, self.settings = gateway, ledger, settings
        self.wire = Wire(gateway, settings.protected_names, settings.labels)
        self.symbols: dict[str, str] = {}
        self.ids: dict[Key, str] = {}
        """HubSpot ids confirmed in this push."""
        self.outcomes: dict[Key, Outcome] = {}
        self.addresses_refused: set[Key] = set()
        """Contacts whose new address another HubSpot contact has."""
        self.open_addresses: set[Key] = set()
        """Contacts whose secondary addresses are still to be written."""
        self.never_ask: set[str] = set()
        """HubSpot contacts whose opt-out did not come through in this push: not asked for marketing status."""
        self.notices: list[Row] = []
        self.counts: Counter[str] = Counter()
        self._progress = on_progress or (lambda step, done, total: None)

    # --- ids and progress ---

    def progress(self, step: str, done: int, total: int) -> None:
        self._progress(step, done, total)

    def failed(self, key: Key) -> bool:
        outcome = self.outcomes.get(key)
        return outcome is not None and outcome.bucket == "failed"

    def hubspot_id(self, key: Key, planned: str | None) -> str | None:
        """The record's id now: confirmed in this push (a merge may have changed it), else the planned one."""
        return self.ids.get(key) or planned

    # --- journal ---

    def new_call(self) -> str:
        return uuid.uuid4().hex

    def intention(
        self,
        call_id: str,
        trace_id: str,
        change: Change,
        hubspot_id: str | None,
        fields: Mapping[str, Any] | None = None,
    ) -> Row:
        """A row for `ledger.intend`; `fields`: property → {"before", "after"}."""
        return {
            "run_id": self.settings.run_id,
            "call_id": call_id,
            "trace_id": trace_id,
            "entity_type": change.entity_type,
            "teamleader_id": change.teamleader_id,
            "hubspot_id": hubspot_id,
            "action": change.action,
            "fields": to_json(fields or {}),
            "state": "intended",
            "message": None,
            "intended_at": self.settings.now(),
            "settled_at": None,
        }

    def settlement(
        self, intention: Row, *, hubspot_id: str | None, message: str | None = None, note: str | None = None
    ) -> Row:
        """A row for `ledger.settle`: failed with a message, or done, with or without a note."""
        return {
            "call_id": intention["call_id"],
            "trace_id": intention["trace_id"],
            "hubspot_id": hubspot_id,
            "state": "failed" if message else "done",
            "message": message or note,
            "settled_at": self.settings.now(),
        }

    def link_row(self, change: Change, hubspot_id: str) -> Row:
        run_id = self.settings.run_id
        return {
            "entity_type": change.entity_type,
            "teamleader_id": change.teamleader_id,
            "hubspot_id": hubspot_id,
            "first_run": run_id,
            "last_run": run_id,
            "matched_by": change.matched_by,
        }

    def shadow_row(self, change: Change, fields: Mapping[str, Any], written: Mapping[str, Any]) -> Row:
        return {
            "entity_type": change.entity_type,
            "teamleader_id": change.teamleader_id,
            "fields": to_json(fields),
            "written": to_json(written),
            "run_id": self.settings.run_id,
        }

    def consent_row(
        self,
        change: Change,
        hubspot_id: str | None,
        event: str,
        *,
        address: str | None = None,
        reason: str | None = None,
        hubspot_opted_out: bool | None = None,
        hubspot_marketing: bool | None = None,
    ) -> Row:
        """A row for `ledger.consent`; `hubspot_*`: what HubSpot shows of the contact, where that is known anew."""
        shown = {"hubspot_opted_out": hubspot_opted_out, "hubspot_marketing": hubspot_marketing}
        return {
            "run_id": self.settings.run_id,
            "at": self.settings.now(),
            "teamleader_id": change.teamleader_id,
            "hubspot_id": hubspot_id,
            "address": address,
            "event": event,
            "reason": reason or change.reason,
        } | {name: value for name, value in shown.items() if value is not None}

    def log_row(
        self,
        change: Change,
        hubspot_id: str | None,
        *,
        action: str | None = None,
        reason: str | None = None,
        level: str = "info",
        message: str = "",
        problem: Problem | None = None,
    ) -> Row:
        return {
            "timestamp": self.settings.now(),
            "run_id": self.settings.run_id,
            "entity_type": change.entity_type,
            "teamleader_id": change.teamleader_id,
            "hubspot_id": hubspot_id,
            "action": action or change.action,
            "reason": reason or change.reason,
            "level": level,
            "message": message,
            "http_status": problem.status or None if problem else None,
            "correlation_id": problem.correlation_id if problem else None,
        }

    def failure_row(
        self, change: Change, hubspot_id: str | None, reason: str, message: str, problem: Problem | None = None
    ) -> Row:
        """A row for the log about something that failed without making the record itself a failure."""
        return self.log_row(
            change, hubspot_id, action="fail", reason=reason, level="error", message=message, problem=problem
        )

    def skip_row(self, change: Change, reason: str) -> Row:
        """A row for the log about a row of the plan that is left to the next run."""
        return self.log_row(change, None, action="skip", reason=reason, level="warning", message="left to the next run")

    # --- outcomes ---

    def succeed(self, change: Change, hubspot_id: str, bucket: str, reason: str | None = None) -> None:
        self.ids[change.key] = hubspot_id
        self.outcomes[change.key] = Outcome(
            change.entity_type, change.teamleader_id, hubspot_id, bucket, reason or change.reason
        )

    def fail(self, change: Change, reason: str, problem: Problem | None = None, message: str | None = None) -> Row:
        """Record a failure; returns the row for the log."""
        text = message or (problem.message if problem else reason.replace("_", " "))
        self.outcomes[change.key] = Outcome(
            change.entity_type,
            change.teamleader_id,
            change.hubspot_id,
            "failed",
            reason,
            text,
            (problem.status or None) if problem else None,
            problem.correlation_id if problem else None,
        )
        return self.failure_row(change, change.hubspot_id, reason, text, problem)

    def notice(self, code: str, change: Change, hubspot_id: str | None, message: str) -> None:
        self.notices.append(
            {
                "code": code,
                "entity_type": change.entity_type,
                "teamleader_id": change.teamleader_id,
                "hubspot_id": hubspot_id,
                "message": message,
            }
        )


def grouped(items: Iterable[T], size: int = 25) -> Iterator[list[T]]:
    """Finished results in groups, so that single calls do not each cost a transaction; what was finished before a
    failure is handed out before the failure is."""
    group: list[T] = []
    try:
        for item in items:
            group.append(item)
            if len(group) == size:
                yield group
                group = []
    except TlHubspotError:
        if group:
            yield group
        raise
    if group:
        yield group


def to_json(value: Any) -> str:
    """JSON text with sorted keys."""
    return msgspec.json.encode(value, order="sorted").decode()


def chunked(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Consecutive parts of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]
