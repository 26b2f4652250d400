"""One row of a plan as the pushing room handles it, and a HubSpot value compared with the value that was sent.

Plans are made in `planning.plan`; the calls that carry a change out are in the modules around this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, overload

import msgspec
import polars as pl

from tl_hubspot import decoding

EMAIL = "email"
SECONDARY_EMAILS = "hs_additional_emails"
WRITES = ("create", "update", "mark_deleted")
"""Actions that write properties of a record."""


@dataclass(frozen=True)
class EmailChange:
    """The address part of a change. `action`: set, replace_primary, add_secondary, replace_secondary, or, where one
    is taken back, remove_secondary (then `new` is empty)."""

    action: str
    new: str
    old: str | None = None
    keep_old: bool = False

    @property
    def frees(self) -> str | None:
        """The address that is free for another contact afterwards."""
        if self.action in ("replace_secondary", "remove_secondary") or (
            self.action == "replace_primary" and not self.keep_old
        ):
            return self.old
        return None

    @property
    def is_exchange(self) -> bool:
        """Another address has to find its place, so that the new one on the record is not the end of it."""
        return self.old is not None or self.is_secondary

    @property
    def is_secondary(self) -> bool:
        return self.action in ("add_secondary", "replace_secondary", "remove_secondary")


@dataclass(frozen=True, slots=True)
class Change:
    """One intended change. `fields`: property → new value, without the pseudo field of secondary addresses."""

    entity_type: str
    teamleader_id: str
    hubspot_id: str | None
    action: str
    reason: str | None
    fields: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """(entity_type, teamleader_id)"""
        return self.entity_type, self.teamleader_id

    @property
    def matched_by(self) -> str | None:
        """How the two records were found to be one, as `sync.links` has it; link: they were linked already."""
        if self.action == "create":
            return "created"
        key = self.details.get("matched_by")
        return "duplicate" if key == "link" and self.details.get("relinked_from") else key

    @property
    def email(self) -> EmailChange | None:
        raw = self.details.get("email")
        if not raw or raw.get("action") in (None, "none"):
            return None
        return EmailChange(raw["action"], raw["new"].lower(), (raw.get("old") or "").lower() or None, raw["keep_old"])

    @property
    def shadow(self) -> dict[str, str | None]:
        """What to remember once this is confirmed (None: to forget); of a create exactly what is sent."""
        return dict(self.fields if self.action == "create" else self.details.get("shadow") or {})


_COLUMNS = ("entity_type", "teamleader_id", "hubspot_id", "action", "reason", "fields", "details")


class PlannedChanges(Sequence[Change]):
    """The rows of a plan's `changes` frame, each made a Change when it is asked for: a large plan is several times its
    size that way, and takes seconds in which no call is made. `fields` and `details` are JSON text."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame.select(_COLUMNS)

    def __len__(self) -> int:
        return self._frame.height

    def __iter__(self) -> Iterator[Change]:
        return (_change(*row) for row in self._frame.iter_rows())

    def properties(self) -> set[tuple[str, str]]:
        """(entity_type, property) of all fields, without making the changes."""
        names = decoding.decoder(dict[str, msgspec.Raw]).decode
        written = self._frame.select("entity_type", "fields").iter_rows()
        return {(kind, name) for kind, text in written for name in names(text or "{}") if name != SECONDARY_EMAILS}

    @overload
    def __getitem__(self, place: int) -> Change: ...
    @overload
    def __getitem__(self, place: slice) -> PlannedChanges: ...
    def __getitem__(self, place: int | slice) -> Change | PlannedChanges:
        return PlannedChanges(self._frame[place]) if isinstance(place, slice) else _change(*self._frame.row(place))


def _change(
    entity_type: str,
    teamleader_id: str,
    hubspot_id: str | None,
    action: str,
    reason: str | None,
    fields: str | None,
    details: str | None,
) -> Change:
    wanted = decoding.decode(fields or "{}")
    return Change(
        entity_type,
        teamleader_id,
        hubspot_id,
        action,
        reason,
        fields={name: value["new"] or "" for name, value in wanted.items() if name != SECONDARY_EMAILS},
        details=decoding.decode(details or "{}"),
    )


# A leading zero makes it a postal code or a telephone number, where 0800 is not 800.
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def same_value(ours: str | None, hubspots: str | None) -> bool:
    """Whether HubSpot's value is the one that was sent: it normalises numbers, instants and addresses."""
    ours, hubspots = (ours or "").strip(), (hubspots or "").strip()
    if ours == hubspots or ("@" in ours and ours.lower() == hubspots.lower()):
        return True
    if not ours or not hubspots:
        return False
    if _NUMBER.fullmatch(ours) and _NUMBER.fullmatch(hubspots):
        try:
            return Decimal(ours) == Decimal(hubspots)
        except InvalidOperation:
            return False
    first, second = _instant(ours), _instant(hubspots)
    return first is not None and first == second


def _instant(text: str) -> datetime | None:
    if text.lstrip("-").isdigit():
        # Thirteen digits are milliseconds for the next centuries; a house number is not an instant.
        return datetime.fromtimestamp(int(text) / 1000, UTC) if len(text) == 13 else None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
