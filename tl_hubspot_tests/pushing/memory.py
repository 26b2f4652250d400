"""A ledger in memory that holds rows to the columns of their tables, and short ways to write plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import polars as pl

from tl_hubspot.pushing.ledger import Row, Rows
from tl_hubspot.warehouse.schema import table

SETTLEMENT = {"call_id", "trace_id", "hubspot_id", "state", "message", "settled_at"}
_EVENT = {"run_id", "at", "teamleader_id", "hubspot_id", "address", "event", "reason"}
PLAN = ["entity_type", "teamleader_id", "hubspot_id", "action", "reason", "fields", "details"]


class MemoryLedger:
    def __init__(self) -> None:
        self.journal: dict[tuple[str, str], Row] = {}
        self.links: dict[tuple[str, str], Row] = {}
        self.shadows: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.relations: dict[tuple[str, ...], Row] = {}
        self.opt_outs: dict[str, Row] = {}
        self.marketing_requests: dict[str, Row] = {}
        self.consents: list[Row] = []
        self.logged: list[Row] = []

    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def intend(self, rows: Rows) -> None:
        for row in _checked("sync.journal", rows):
            key = row["call_id"], row["trace_id"]
            assert row["state"] == "intended" and key not in self.journal
            self.journal[key] = dict(row)

    def settle(self, rows: Rows) -> None:
        for row in _dicts(rows):
            assert set(row) == SETTLEMENT and row["state"] in ("done", "failed", "changed")
            entry = self.journal[row["call_id"], row["trace_id"]]
            assert entry["state"] == "intended", "settled twice"
            entry.update(row)

    def link(self, rows: Rows) -> None:
        for row in _checked("sync.links", rows):
            others = [
                k for k, r in self.links.items() if k[0] == row["entity_type"] and r["hubspot_id"] == row["hubspot_id"]
            ]
            for key in others:
                del self.links[key]
            self.links[row["entity_type"], row["teamleader_id"]] = dict(row)

    def shadow(self, rows: Rows) -> None:
        for row in _checked("sync.shadows", rows):
            kept = self.shadows.setdefault((row["entity_type"], row["teamleader_id"]), {"fields": {}, "written": {}})
            kept["fields"] |= msgspec.json.decode(row["fields"])
            kept["written"] |= msgspec.json.decode(row["written"])
            for values in kept.values():
                for name in [name for name, value in values.items() if value is None]:
                    del values[name]

    def relation(self, rows: Rows) -> None:
        for row in _checked("sync.relations", rows):
            self.relations[tuple(row[c] for c in table("sync.relations").key)] = dict(row)

    def forget_relation(self, rows: Rows) -> None:
        for row in _dicts(rows):
            self.relations.pop(tuple(row[c] for c in table("sync.relations").key), None)

    def opt_out(self, rows: Sequence[Row]) -> None:
        for row in _checked("sync.opt_outs", rows):
            self.opt_outs[row["address"]] = dict(row)

    def marketing_request(self, rows: Sequence[Row]) -> None:
        for row in _checked("sync.marketing_requests", rows):
            self.marketing_requests[row["teamleader_id"]] = dict(row)

    def consent(self, events: Sequence[Row]) -> None:
        for event in events:
            assert _EVENT <= set(event) <= _EVENT | {"hubspot_opted_out", "hubspot_marketing"}
        self.consents += events

    def log(self, rows: Rows) -> None:
        self.logged += _checked("sync.log", rows)

    # --- what tests ask ---

    def open(self) -> list[Row]:
        return [row for row in self.journal.values() if row["state"] == "intended"]

    def done(self) -> list[Row]:
        return [row for row in self.journal.values() if row["state"] == "done"]

    def hubspot_id(self, entity_type: str, teamleader_id: str) -> str | None:
        row = self.links.get((entity_type, teamleader_id))
        return row["hubspot_id"] if row else None


def _dicts(rows: Rows) -> Sequence[Row]:
    return rows.to_dicts() if isinstance(rows, pl.DataFrame) else rows


def _checked(name: str, rows: Rows) -> list[Row]:
    names = table(name).column_names
    if isinstance(rows, pl.DataFrame):
        assert set(rows.columns) <= set(names), name
        return [{n: row.get(n) for n in names} for row in rows.to_dicts()]
    for row in rows:
        assert list(row) == names, name
    return list(rows)


# --- rows of a plan ---


def row(
    entity_type: str,
    teamleader_id: str,
    hubspot_id: str | None,
    action: str,
    fields: dict[str, str] | None = None,
    *,
    old: dict[str, str] | None = None,
    **details: Any,
) -> dict[str, Any]:
    changed = {name: {"old": (old or {}).get(name), "new": value} for name, value in (fields or {}).items()}
    if action in ("create", "update", "mark_deleted"):
        shadow = {name: value or None for name, value in (fields or {}).items() if name != "hs_additional_emails"}
        details = {"first_match": False, "matched_by": None, "shadow": shadow, "asked": True} | details
    return {
        "entity_type": entity_type,
        "teamleader_id": teamleader_id,
        "hubspot_id": hubspot_id,
        "action": action,
        "reason": "test",
        "fields": msgspec.json.encode(changed).decode(),
        "details": msgspec.json.encode(details).decode(),
    }


def create(entity_type: str, teamleader_id: str, **fields: str) -> dict[str, Any]:
    return row(entity_type, teamleader_id, None, "create", {"teamleader_id": teamleader_id, **fields})


def update(entity_type: str, teamleader_id: str, hubspot_id: str, **fields: str) -> dict[str, Any]:
    return row(entity_type, teamleader_id, hubspot_id, "update", fields)


def address(
    teamleader_id: str,
    hubspot_id: str,
    action: str,
    new: str,
    old: str | None = None,
    keep_old: bool = False,
    **fields: str,
) -> dict[str, Any]:
    """An update of a contact's address, as the contract has it."""
    name = "email" if action in ("set", "replace_primary") else "hs_additional_emails"
    return row(
        "contact",
        teamleader_id,
        hubspot_id,
        "update",
        {name: new, **fields},
        email={"action": action, "new": new, "old": old, "keep_old": keep_old},
        shadow={"email": new, **fields},
    )


def relate(
    from_type: str,
    from_id: str,
    to_type: str,
    to_id: str,
    ids: tuple[str | None, str | None] = (None, None),
    *,
    primary: bool = False,
    action: str = "associate",
) -> dict[str, Any]:
    return row(
        "relation",
        f"{from_id}>{to_id}",
        None,
        action,
        from_type=from_type,
        from_id=from_id,
        to_type=to_type,
        to_id=to_id,
        from_hubspot_id=ids[0],
        to_hubspot_id=ids[1],
        primary=primary,
    )


def unsubscribe(teamleader_id: str, hubspot_id: str | None, address: str, *more: str) -> dict[str, Any]:
    addresses = [address, *more]
    return row("contact", teamleader_id, hubspot_id, "unsubscribe", address=address, addresses=addresses, existing=True)


def marketing(teamleader_id: str, hubspot_id: str | None) -> dict[str, Any]:
    return row("contact", teamleader_id, hubspot_id, "marketing")


def plan(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=dict.fromkeys(PLAN, pl.String))
