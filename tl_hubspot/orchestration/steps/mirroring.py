"""HubSpot's records and definitions into the warehouse, as they stand before the plan, with the fewest calls.

Which way records are read is decided in `hubspot.ways`, reading itself is `hubspot.mirror` and `hubspot.search`; here
stands what is known beforehand and how a reading is stored. Associations are `associating`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from tl_hubspot.hubspot import mirror, search, ways
from tl_hubspot.hubspot.mirror import Row, Wanted
from tl_hubspot.orchestration.run import Platform, Run
from tl_hubspot.rules import normalize
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import Parameters, delete, fetch, frame_of, upsert

TABLES = {"contact": "hubspot.contacts", "company": "hubspot.companies", "deal": "hubspot.deals"}
SOURCES = {"contact": "teamleader.contacts", "company": "teamleader.companies", "deal": "teamleader.deals"}

CLOSELY = 5 * search.PAGE
"""So many of the newest changes are always read; older ones within the overlap only until their number adds up."""
FEW_ARCHIVED = 2
"""So many pages of archived records are listed in every run: that costs less than asking whether any is new."""


def definitions(platform: Platform, run: Run) -> dict[str, int]:
    """The portal: which one, its properties, pipelines, owners and currencies."""
    found = platform.definitions
    account = found.account
    tables = {
        "hubspot.account": [{name: getattr(account, name) for name in ("portal_id", "ui_domain", "account_type")}],
        "hubspot.properties": found.properties,
        "hubspot.pipeline_stages": found.pipeline_stages,
        "hubspot.owners": found.owners,
        "hubspot.currencies": found.currencies,
    }
    stamp = _stamp(platform, run)
    for table, rows in tables.items():
        platform.warehouse.replace(table, frame_of(table, [row | stamp for row in rows]))
    return {name.partition(".")[2]: len(rows) for name, rows in tables.items()}


def records(platform: Platform, run: Run, entity_type: str) -> dict[str, Any]:
    """The records of one type, archived ones too; says which way they were read, and why."""
    return _Reading(platform, run, entity_type).read()


@dataclass
class _Changed:
    """What a reading that builds on an earlier one found: rows to store by id, and ids that are no record any more."""

    rows: dict[str, Row] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def add(self, rows: Iterable[Row]) -> None:
        """Rows that are newer than those added before."""
        self.rows |= {row["id"]: row for row in rows}


class _Unexplained(Exception):
    """What changes and the archive give does not add up to what HubSpot has: only the list tells."""


class _Reading:
    """One reading of one type."""

    def __init__(self, platform: Platform, run: Run, entity_type: str) -> None:
        self.platform, self.run, self.entity_type = platform, run, entity_type
        self.gateway, self.warehouse = platform.hubspot, platform.warehouse
        self.table, self.source = TABLES[entity_type], SOURCES[entity_type]
        vat = platform.mapping.property_for("company", "vat_number") or "vat_number"
        self.wanted = Wanted(entity_type, tuple(platform.mapping.properties(entity_type)), vat)
        last = self.warehouse.read("select * from sync.readings where entity_type = ?", [entity_type])
        self.last: dict[str, Any] | None = last.row(0, named=True) if last.height else None
        self.started = self.gateway.server_time
        self.facts: dict[str, Any] = {}

    # --- the way ---

    def read(self) -> dict[str, Any]:
        """Choose, read, store."""
        choice, changes = self._choose()
        way, reason = choice.way, choice.reason
        if changes is not None and way == "search":
            try:
                self._by_search(changes)
            except (_Unexplained, search.CapReached) as problem:
                way, reason = "list", f"search did not add up: {problem}"
        if way == "keyed":
            self._by_key()
        elif way == "list":
            self._by_list()
        calls = ", ".join(f"{name} {number}" for name, number in choice.calls.items())
        archived = self.warehouse.count(self.table, "archived")
        kept = {"records": self.warehouse.count(self.table), "archived": archived}
        return kept | {"way": way, "reason": reason, "calls_by_way": calls} | self.facts

    def _choose(self) -> tuple[ways.Choice, search.Changes | None]:
        forced, complete = self.platform.settings.hubspot.mirror, self._complete()
        if forced == "list" or (forced == "search" and complete):
            return ways.choose(0, 0, complete=complete, forced=forced), None
        portal = self.last["portal"] if self.last else search.count(self.gateway, self.entity_type)
        archived = self.last["archived"] if self.last else 0
        if forced == "auto" and ways.list_calls(portal, archived) <= ways.FEW_PAGES:
            return ways.choose(portal, archived, complete=complete), None
        changes = None if complete or forced == "keyed" else self._changes()
        return (
            ways.choose(
                portal,
                archived,
                complete=complete,
                changed=None if changes is None else self._unread(changes),
                looked_up=len(self._touched_ids) + len(self._touched_addresses) if changes else 0,
                keys=self._number_of_keys(),
                forced=forced,
            ),
            changes,
        )

    def _complete(self) -> str:
        """Why everything has to be read anew; empty when the last reading can be built upon."""
        if self.last is None:
            return "first reading"
        if self.run.is_full:
            return "full run"
        if set(self.last["properties"]) != set(self.wanted.names):
            return "other properties than last time"
        return "" if self.last["read_until"] else "HubSpot does not tell its time"

    @property
    def _since(self) -> datetime:
        assert self.last is not None
        overlap = timedelta(minutes=self.platform.settings.hubspot.search_overlap_minutes)
        since: datetime = self.last["read_until"] - overlap
        return since

    @property
    def _is_keyed(self) -> bool:
        """Whether the mirror holds only what concerns Teamleader."""
        return self.last is not None and self.last["base"] == "keyed"

    def _changes(self) -> search.Changes:
        return search.Changes(self.gateway, self.entity_type, self._since, self.wanted.names, mirror.Raw)

    def _unread(self, changes: search.Changes) -> int:
        """Records that search will have to give: those that the mirror does not have from that time."""
        known = 0 if self._is_keyed else len(self._mirrored("not archived and updated_at >= ?", [self._since]))
        return max(changes.total - known, min(changes.total, CLOSELY))

    # --- list ---

    def _by_list(self) -> None:
        frames, active = [], 0
        for archived in (False, True):
            for rows in mirror.read_list(self.gateway, self.wanted, archived=archived):
                frames.append(self._frame(rows))
                active += 0 if archived else len(rows)
                self._progress(sum(map(len, frames)))
        self._replace(frames, base="list", portal=active)

    # --- search ---

    def _by_search(self, changes: search.Changes) -> None:
        changed = _Changed()
        self._read_changes(changes, changed)
        self.facts["changed"] = len(changed.rows)
        self._look_up(changed)
        portal, archived = self._missing(changed)
        with self.warehouse.transaction() as con:
            ids = pl.DataFrame({"id": sorted(changed.gone - changed.rows.keys())}, schema={"id": pl.String()})
            delete(con, self.table, ids)
            upsert(con, self.table, self._frame(changed.rows.values()))
            assert self.last is not None
            upsert(con, "sync.readings", self._mark(self.last["base"], portal, archived))

    def _read_changes(self, changes: search.Changes, changed: _Changed) -> None:
        assert self.last is not None
        concerns = self._concerns() if self._is_keyed else None
        window = set() if concerns else self._mirrored("not archived and updated_at >= ?", [self._since])
        read = 0
        for page in changes.pages():
            rows = mirror.rows(self.wanted, page)
            read += len(rows)
            changed.add(row for row in rows if concerns is None or concerns(row))
            self._progress(read)
            if concerns is None:
                window.update(row["id"] for row in rows)
                newer = all(row["updated_at"] and row["updated_at"] >= self.last["read_until"] for row in rows)
                # what lies in the overlap is known already, unless the index was late: then the numbers differ
                if not newer and read >= CLOSELY and len(window) >= changes.total:
                    return

    def _look_up(self, changed: _Changed) -> None:
        """By id and address: whatever the plan may touch, and whatever a change says was merged away."""
        pending = set(self._touched_ids)
        addresses = self._touched_addresses
        if addresses:
            owners = mirror.read_by_key(self.gateway, self.wanted, addresses, "email")
            changed.add(owners)
            # whoever has such an address by the mirror, and not by HubSpot, has changed or is gone
            pending |= self._holders(addresses) - {row["id"] for row in owners}
        done: set[str] = set()
        while True:
            pending |= self._active({old for row in changed.rows.values() for old in row["merged_ids"]})
            asked = sorted(pending - done)
            if not asked:
                break
            found = mirror.look_up(self.gateway, self.wanted, asked)
            changed.add(found.rows)
            changed.gone.update(found.gone)
            done |= pending
        self.facts["looked_up"] = len(done) + len(addresses)
        self.facts["gone"] = len(changed.gone)

    def _missing(self, changed: _Changed) -> tuple[int, int]:
        """Find what left without a trace in the changes; (active, archived) records of the portal. A change of the
        archive is no change of a record that search would show."""
        assert self.last is not None
        archived: int = self.last["archived"]
        if self._is_keyed:
            carriers = len(self._mirrored("not archived and teamleader_id is not null") - changed.gone)
            tracked = {"propertyName": "teamleader_id", "operator": "HAS_PROPERTY"}
            if search.count(self.gateway, self.entity_type, tracked) < carriers:
                raise _Unexplained("records that carry a Teamleader id left")
            return self.last["portal"], archived
        if archived <= FEW_ARCHIVED * 100:
            archived = self._read_archive(changed)
            return self._active_after(changed), archived
        total = search.count(self.gateway, self.entity_type)
        if total < self._active_after(changed):
            archived = self._read_archive(changed)
        expected = self._active_after(changed)
        if total != expected:
            raise _Unexplained(f"it counts {total} records, the mirror {expected}")
        return total, archived

    def _read_archive(self, changed: _Changed) -> int:
        """The list of archived records into `changed`; returns how many there are."""
        listed = {row["id"]: row for rows in mirror.read_list(self.gateway, self.wanted, archived=True) for row in rows}
        left = self._mirrored("archived") - listed.keys() - changed.rows.keys() - changed.gone
        found = mirror.look_up(self.gateway, self.wanted, left)
        changed.add(found.rows)
        changed.gone.update(found.gone)
        changed.add(listed.values())
        return len(listed)

    def _active_after(self, changed: _Changed) -> int:
        """How many active records there are once `changed` is stored."""
        now_active = sum(not row["archived"] for row in changed.rows.values())
        before = self.warehouse.count(self.table, "not archived")
        return before - len(self._active(changed.gone | changed.rows.keys())) + now_active

    # --- keys ---

    def _by_key(self) -> None:
        """Everything that concerns Teamleader: owners of its addresses, records that carry its ids, linked records."""
        found: dict[str, Row] = {}

        def ask(keys: Iterable[str], id_property: str, *, archived: bool = False) -> None:
            rows = mirror.read_by_key(self.gateway, self.wanted, keys, id_property, archived=archived)
            found.update({row["id"]: row for row in rows})
            self._progress(len(found))

        def uncarried() -> list[str]:
            carried = {row["teamleader_id"] for row in found.values()}
            return sorted(ids - carried)

        ids = set(self._column(f"select id from {self.source} where deleted_at is null"))
        if self.entity_type == "contact":
            ask(self._addresses(f"select emails from {self.source} where deleted_at is null"), "email")
        if self._has_key_property():
            ask(uncarried(), "teamleader_id")
            ask(uncarried(), "teamleader_id", archived=True)
        linked = set(self._column("select hubspot_id from sync.links where entity_type = ?", [self.entity_type]))
        looked_up = mirror.look_up(self.gateway, self.wanted, sorted(linked - found.keys()))
        found.update({row["id"]: row for row in looked_up.rows})
        portal = search.count(self.gateway, self.entity_type)
        self._replace([self._frame(found.values())], base="keyed", portal=portal)

    def _number_of_keys(self) -> int | None:
        """Keys that reading by key asks for at most. None for companies: what they are matched by (VAT number, domain,
        name) is not unique in HubSpot and written in many ways, so that only the whole list finds them all."""
        if self.entity_type == "company":
            return None
        query = f"select count(*) from {self.source} where deleted_at is null"
        number = int(self.warehouse.read(query).item())
        links = self.warehouse.count("sync.links", f"entity_type = '{self.entity_type}'")
        addresses = number if self.entity_type == "contact" else 0
        return addresses + links + (2 * number if self._has_key_property() else 0)

    def _has_key_property(self) -> bool:
        return any(
            p["object_type"] == self.entity_type and p["name"] == "teamleader_id" and p["unique_value"]
            for p in self.platform.definitions.properties
        )

    # --- what the plan may touch ---

    def _touched(self) -> str:
        """SQL of the Teamleader ids that changed since the last push (`$pushed_at`), or that it left undone."""
        parts = [
            f"select id from {self.source} where _loaded_at > $pushed_at",
            f"select teamleader_id from sync.outcomes where entity_type = '{self.entity_type}'"
            " and bucket in ('failed', 'held')",
            f"select teamleader_id from sync.releases where entity_type = '{self.entity_type}'",
        ]
        if self.entity_type == "contact":
            parts.append("select contact_id from teamleader.contact_company_links where _loaded_at > $pushed_at")
        return " union ".join(parts)

    @cached_property
    def _pushed_at(self) -> datetime:
        """When the last push ended. Asked on its own: knowing it, DuckDB sees that few records are newer."""
        done = "status in ('done', 'failed_records') and command <> 'undo'"
        at: datetime | None = self.warehouse.read(f"select max(finished_at) from sync.runs where {done}").item()
        return at or datetime.min.replace(tzinfo=UTC)

    @cached_property
    def _touched_ids(self) -> set[str]:
        """HubSpot ids of linked records that the plan may touch."""
        query = f"select hubspot_id from sync.links where entity_type = $kind and teamleader_id in ({self._touched()})"
        return set(self._column(query, {"kind": self.entity_type, "pushed_at": self._pushed_at}))

    @cached_property
    def _touched_addresses(self) -> set[str]:
        """Addresses of the contacts that the plan may touch."""
        if self.entity_type != "contact":
            return set()
        query = f"select emails from {self.source} where id in ({self._touched()})"
        return set(self._addresses(query, {"pushed_at": self._pushed_at}))

    def _concerns(self) -> Any:
        """Whether a row concerns Teamleader: it is known, carries an id, owns an address, or took in a known record."""
        known = self._mirrored("true")
        addresses = set()
        if self.entity_type == "contact":
            addresses = set(self._addresses(f"select emails from {self.source} where deleted_at is null"))

        def concerns(row: Row) -> bool:
            if row["id"] in known or row["teamleader_id"] or not known.isdisjoint(row["merged_ids"]):
                return True
            return not addresses.isdisjoint([row.get("email"), *row.get("secondary_emails", [])])

        return concerns

    # --- tables ---

    def _column(self, query: str, parameters: Parameters = None) -> list[str]:
        values: list[str] = self.warehouse.read(query, parameters).to_series().to_list()
        return values

    def _addresses(self, query: str, parameters: Parameters = None) -> list[str]:
        """Normalised addresses that are valid, of a query for `emails`."""
        emails = self.warehouse.read(query, parameters).get_column("emails").drop_nulls()
        texts = emails.explode().struct.field("email") if emails.len() else pl.Series([], dtype=pl.String)
        found = normalize.addresses(texts.drop_nulls()).filter("is_valid").get_column("address")
        return sorted(set(found.to_list()))

    def _mirrored(self, condition: str, parameters: Parameters = None, **frames: pl.DataFrame) -> set[str]:
        """Ids in the mirror as it was stored last."""
        query = f"select id from {self.table} where {condition}"
        return set(self.warehouse.read(query, parameters, **frames).get_column("id").to_list())

    def _active(self, ids: set[str]) -> set[str]:
        """Those of these ids that are active records in the mirror as it was stored last."""
        return self._mirrored("not archived and id in (from _ids)", _ids=_texts(ids)) if ids else set()

    def _holders(self, addresses: set[str]) -> set[str]:
        """Active records that have one of the addresses by the mirror."""
        wanted = "in (from _addresses)"
        several = f"(select id, unnest(secondary_emails) as e from {self.table} where len(secondary_emails) > 0)"
        condition = f"not archived and (email {wanted} or id in (select id from {several} where e {wanted}))"
        return self._mirrored(condition, _addresses=_texts(addresses))

    def _frame(self, rows: Iterable[Row]) -> pl.DataFrame:
        stamp = _stamp(self.platform, self.run)
        return frame_of(self.table, [row | stamp for row in rows])

    def _mark(self, base: str, portal: int, archived: int) -> pl.DataFrame:
        row = {
            "entity_type": self.entity_type,
            "read_until": self.started,
            "base": base,
            "properties": list(self.wanted.names),
            "portal": portal,
            "archived": archived,
            "run_id": self.run.run_id,
        }
        return frame_of("sync.readings", [row])

    def _replace(self, frames: list[pl.DataFrame], *, base: str, portal: int) -> None:
        # a record that is archived while it is listed comes twice
        frame = pl.concat([self._frame([]), *frames]).unique("id", keep="last", maintain_order=True)
        with self.warehouse.transaction() as con:
            with registered(con, _listed=frame.select("id")):
                gone = fetch(con, f"select id from {self.table} where id not in (from _listed)")
            delete(con, self.table, gone)
            upsert(con, self.table, frame)
            upsert(con, "sync.readings", self._mark(base, portal, int(frame["archived"].sum())))

    def _progress(self, done: int) -> None:
        self.platform.progress(f"HubSpot {self.entity_type} records", done, None)


def _texts(values: Iterable[str]) -> pl.DataFrame:
    return pl.DataFrame({"text": sorted(values)}, schema={"text": pl.String()})


def _stamp(platform: Platform, run: Run) -> dict[str, Any]:
    return {"_loaded_at": platform.clock(), "_run_id": run.run_id}
