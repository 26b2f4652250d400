"""The records in SQLite: tables, bulk loading, links, reference data, and the view that a lagging replica has.

Rules of the API (who may, what else changes, which error) are in `sandbox` and `writes`; queries of lists in `lists`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.teamleader import defaults, ids
from tl_hubspot.sandbox.teamleader.shapes import (
    COMPANIES,
    CONTACTS,
    DEALS,
    SHAPES,
    Record,
    Row,
    Shape,
    complete,
    from_row,
    to_row,
)

_BATCH = 5000
_LINK_ATTRIBUTES = ("position", "secondary_position", "division", "decision_maker")

REFERENCE_KINDS = (
    *("users", "teams", "departments", "dealPipelines", "dealPhases", "dealSources", "lostReasons", "businessTypes"),
    *("levelTwoAreas", "priceLists", "paymentTerms", "customFieldDefinitions"),
)
KINDS = (*SHAPES, *REFERENCE_KINDS)

_CONTEXTS = {"contacts": "contact", "companies": "company", "deals": "deal"}


def _indexes(shape: Shape) -> dict[str, str]:
    """Index name → table and columns. A file that lacks one gets it when it is opened."""
    indexes = {
        f"{shape.kind}_{name}": f"{shape.kind} ({name}, status)"
        for name in ("created_at", "updated_at", "name", "email", "weighted_value", "customer_id", "phase_id")
        if name in ("created_at", "updated_at") or name in shape.columns
    }
    if shape is DEALS:
        # their list is in the order of creation, also of those that were updated since
        indexes["deals_created_updated"] = "deals (created_at, updated_at, status)"
    return indexes | ({"links_company": "links (company_id)"} if shape is CONTACTS else {})


class Store:
    """All state of one sandbox account. Every method may be called from any thread; `lock` spans several of them."""

    def __init__(self, path: str | Path) -> None:
        self.lock = threading.RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # A sandbox may lose its last moments when the machine falls, not when the process does.
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -64000;")
        self._depth = 0
        self._reference: dict[str, list[Record]] = {}
        self._next: dict[str, int] = {}
        self._create()

    def close(self) -> None:
        with self.lock:
            self._db.close()

    # -- SQL -------------------------------------------------------------------------------------------------------

    def query(self, sql: str, parameters: Iterable[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        with self.lock:
            return self._db.execute(sql, parameters if isinstance(parameters, dict) else tuple(parameters)).fetchall()

    def one(self, sql: str, parameters: Iterable[Any] = ()) -> sqlite3.Row | None:
        with self.lock:
            row: sqlite3.Row | None = self._db.execute(sql, tuple(parameters)).fetchone()
            return row

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> int:
        """Run a statement; returns the number of rows it touched."""
        with self.lock:
            return self._db.execute(sql, tuple(parameters)).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; may be nested, the outermost one counts."""
        with self.lock:
            if self._depth == 0:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("ROLLBACK")
                    self._reference.clear()
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("COMMIT")

    def _create(self) -> None:
        tables = []
        for shape in SHAPES.values():
            types = {"created_at": "INTEGER", "updated_at": "INTEGER"} | shape.columns
            columns = ", ".join(f"{name} {types.get(name, 'TEXT')}" for name in shape.column_names if name != "id")
            tables += [
                f"{shape.kind} (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, {columns})",
                f"{shape.kind}_lag (n INTEGER, id TEXT NOT NULL, {columns}, until REAL, hidden INTEGER)",
            ]
        tables += [
            "links (n INTEGER PRIMARY KEY, contact_id TEXT NOT NULL, company_id TEXT NOT NULL, position TEXT,"
            " secondary_position TEXT, division TEXT, decision_maker INTEGER NOT NULL,"
            " UNIQUE (contact_id, company_id))",
            "tags (tag TEXT PRIMARY KEY) WITHOUT ROWID",
            "reference (n INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,"
            " UNIQUE (kind, id))",
            "counters (kind TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID",
            "tokens (token TEXT PRIMARY KEY, kind TEXT NOT NULL, expires REAL, spent INTEGER NOT NULL DEFAULT 0,"
            " redirect_uri TEXT) WITHOUT ROWID",
            "webhooks (url TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (url, type))",
            "deliveries (n INTEGER PRIMARY KEY, url TEXT NOT NULL, payload TEXT NOT NULL)",
        ]
        with self.transaction():
            for table in tables:
                self.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        for kind in SHAPES:
            self._create_indexes(kind)

    def _create_indexes(self, kind: str) -> None:
        with self.transaction():
            for name, columns in _indexes(SHAPES[kind]).items():
                self.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {columns}")

    def _drop_indexes(self, kind: str) -> None:
        with self.transaction():
            for name in _indexes(SHAPES[kind]):
                self.execute(f"DROP INDEX IF EXISTS {name}")

    def clear(self) -> None:
        """Forget everything, counters and tokens too."""
        tables = [*SHAPES, *(f"{kind}_lag" for kind in SHAPES)]
        tables += ["links", "tags", "reference", "counters", "tokens", "webhooks", "deliveries"]
        with self.transaction():
            for table in tables:
                self._db.execute(f"DELETE FROM {table}")
            self._reference.clear()
            self._next.clear()

    # -- ids -------------------------------------------------------------------------------------------------------

    def new_id(self, kind: str) -> str:
        """A version-0 UUID that was never given out for this kind."""
        prefix = ids.PREFIXES[kind]
        with self.lock:
            if kind not in self._next:
                row = self.one("SELECT last FROM counters WHERE kind = ?", [kind])
                self._next[kind] = (row["last"] if row else 0) + 1
            number = self._next[kind]
            self._next[kind] += 1
            return ids.encode(prefix, number)

    def _count_up(self, kind: str, batch: list[Record]) -> None:
        last = max((number for record in batch if (number := ids.decode(record["id"])) is not None), default=0)
        self._db.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET last = max(last, excluded.last)",
            (kind, last),
        )
        if kind in self._next:
            self._next[kind] = max(self._next[kind], last + 1)

    # -- all kinds -------------------------------------------------------------------------------------------------

    def load(self, kind: str, records: Iterable[Record]) -> int:
        """Store records in transactions of some thousands; one with a known id replaces the old one. Returns how many.

        KeyError for an unknown kind, ValueError for an id that is no UUID.
        """
        if kind not in KINDS:
            raise KeyError(kind)
        stream = iter(records)
        batch = list(islice(stream, _BATCH))
        # Indexes are built faster at once than row by row.
        bulk = kind in SHAPES and len(batch) == _BATCH and self.count(kind) == 0
        if bulk:
            self._drop_indexes(kind)
        try:
            total = 0
            while batch:
                self._load_batch(kind, batch)
                total += len(batch)
                batch = list(islice(stream, _BATCH))
            return total
        finally:
            if bulk:
                self._create_indexes(kind)

    def _load_batch(self, kind: str, batch: list[Record]) -> None:
        batch = [record if "id" in record else {"id": self.new_id(kind), **record} for record in batch]
        for record in batch:
            if not ids.is_uuid(record["id"]):
                raise ValueError(f"{kind}: {record['id']!r} is no UUID")
        with self.transaction():
            if kind in SHAPES:
                self._put_many(SHAPES[kind], batch)
            else:
                self._put_reference(kind, batch)
            self._count_up(kind, batch)

    def fetch(self, kind: str, record_id: str) -> Record | None:
        """The full info record, contacts with their `companies`; None when there is none."""
        if kind not in SHAPES:
            return next((dict(record) for record in self.reference(kind) if record["id"] == record_id), None)
        row = self.one(f"SELECT * FROM {kind} WHERE id = ?", [record_id])
        return None if row is None else self._record(kind, dict(row))

    def _record(self, kind: str, row: Row) -> Record:
        record = from_row(row)
        if kind == CONTACTS.kind:
            record["companies"] = self.companies_of(record["id"])
        return record

    def exists(self, kind: str, record_id: str) -> bool:
        if kind in SHAPES:
            return self.one(f"SELECT 1 FROM {kind} WHERE id = ?", [record_id]) is not None
        return any(record["id"] == record_id for record in self.reference(kind))

    def count(self, kind: str) -> int:
        """How many records were loaded or added and not deleted."""
        table, where = (kind, "") if kind in SHAPES else ("reference", f" WHERE kind = '{kind}'")
        if kind not in KINDS:
            raise KeyError(kind)
        row = self.one(f"SELECT count(*) AS total FROM {table}{where}")
        assert row is not None
        return int(row["total"])

    def all(self, kind: str) -> Iterator[Record]:
        """Every record in order of entry, read in batches."""
        if kind not in SHAPES:
            yield from [dict(record) for record in self._stored_reference(kind)]
            return
        last = -1
        while rows := self.query(f"SELECT * FROM {kind} WHERE n > ? ORDER BY n LIMIT 1000", [last]):
            for row in rows:
                yield self._record(kind, dict(row))
            last = rows[-1]["n"]

    def remove(self, kind: str, record_id: str, *, visible_until: float = 0.0) -> bool:
        """Delete a record and its links. False when there was none."""
        with self.transaction():
            if kind not in SHAPES:
                self._reference.pop(kind, None)
                return self.execute("DELETE FROM reference WHERE kind = ? AND id = ?", [kind, record_id]) > 0
            if visible_until:
                self._keep_old(SHAPES[kind], record_id, visible_until)
            if kind == CONTACTS.kind:
                self.execute("DELETE FROM links WHERE contact_id = ?", [record_id])
            elif kind == COMPANIES.kind:
                self.execute("DELETE FROM links WHERE company_id = ?", [record_id])
            return self.execute(f"DELETE FROM {kind} WHERE id = ?", [record_id]) > 0

    # -- contacts, companies, deals --------------------------------------------------------------------------------

    def put(self, kind: str, record: Record, *, visible_from: float = 0.0) -> None:
        """Store one record; until `visible_from` (seconds, virtual clock) lists show what was there before."""
        with self.transaction():
            if visible_from:
                self._keep_old(SHAPES[kind], record["id"], visible_from)
            self.load(kind, [record])

    def _put_many(self, shape: Shape, batch: list[Record]) -> None:
        names = shape.column_names
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
        definitions = self._definitions(shape.kind)
        full = []
        for record in batch:
            whole = complete(shape, record)
            if definitions:
                whole["custom_fields"] = _all_fields(whole["custom_fields"], definitions)
            full.append(whole)
        self._db.executemany(
            f"INSERT INTO {shape.kind} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"
            f" ON CONFLICT (id) DO UPDATE SET {changes}",
            (to_row(shape, record) for record in full),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO tags VALUES (?)", ((tag,) for record in full for tag in record.get("tags", ()))
        )
        if shape is CONTACTS:
            linked = [record for record in full if "companies" in record]
            self._db.executemany("DELETE FROM links WHERE contact_id = ?", ((record["id"],) for record in linked))
            self._db.executemany(
                "INSERT INTO links (contact_id, company_id, position, secondary_position, division, decision_maker)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (
                        record["id"],
                        link["company"]["id"],
                        *(link.get(name) for name in _LINK_ATTRIBUTES[:-1]),
                        bool(link.get("decision_maker")),
                    )
                    for record in linked
                    for link in record["companies"]
                ),
            )

    def _definitions(self, kind: str) -> dict[str, Any]:
        context = _CONTEXTS[kind]
        return {
            definition["id"]: unset_value(definition["type"])
            for definition in self.reference("customFieldDefinitions")
            if definition["context"] == context
        }

    # -- what a lagging replica shows ------------------------------------------------------------------------------

    def _keep_old(self, shape: Shape, record_id: str, until: float) -> None:
        columns = ", ".join(("n", *shape.column_names))
        kept = self.execute(
            f"INSERT INTO {shape.kind}_lag ({columns}, until, hidden) SELECT {columns}, ?, 0 FROM {shape.kind}"
            " WHERE id = ?",
            [until, record_id],
        )
        if not kept:
            self.execute(f"INSERT INTO {shape.kind}_lag (id, until, hidden) VALUES (?, ?, 1)", [record_id, until])

    def as_listed(self, kind: str, now: float) -> str:
        """The table or subquery that lists read: the records as the replica has them at that moment."""
        self.execute(f"DELETE FROM {kind}_lag WHERE until <= ?", [now])
        if self.one(f"SELECT 1 FROM {kind}_lag") is None:
            return kind
        columns = ", ".join(("n", *SHAPES[kind].column_names))
        return (
            f"(SELECT {columns} FROM {kind} WHERE id NOT IN (SELECT id FROM {kind}_lag) UNION ALL"
            f" SELECT {columns} FROM {kind}_lag AS old WHERE hidden = 0"
            f" AND rowid = (SELECT rowid FROM {kind}_lag WHERE id = old.id ORDER BY until, rowid LIMIT 1))"
        )

    # -- links -----------------------------------------------------------------------------------------------------

    def companies_of(self, contact_id: str) -> list[Record]:
        """`companies[]` of contacts.info."""
        return [
            {name: row[name] for name in _LINK_ATTRIBUTES[:-1]}
            | {
                "decision_maker": bool(row["decision_maker"]),
                "company": {"type": "company", "id": row["company_id"]},
            }
            for row in self.query("SELECT * FROM links WHERE contact_id = ? ORDER BY n", [contact_id])
        ]

    def contacts_of(self, company_id: str, limit: int | None = None) -> list[Record]:
        """`related_contacts[]` of companies.info."""
        rows = self.query(
            "SELECT * FROM links WHERE company_id = ? ORDER BY n LIMIT ?", [company_id, -1 if limit is None else limit]
        )
        return [
            {"type": "contact", "id": row["contact_id"]}
            | {name: row[name] for name in _LINK_ATTRIBUTES[:-1]}
            | {"is_decision_maker": bool(row["decision_maker"])}
            for row in rows
        ]

    def linked(self, contact_id: str, company_id: str) -> bool:
        return (
            self.one("SELECT 1 FROM links WHERE contact_id = ? AND company_id = ?", [contact_id, company_id])
            is not None
        )

    def link(self, contact_id: str, company_id: str, attributes: dict[str, Any]) -> None:
        """Make a link or change the given attributes of it."""
        with self.transaction():
            self.execute(
                "INSERT OR IGNORE INTO links (contact_id, company_id, decision_maker) VALUES (?, ?, 0)",
                [contact_id, company_id],
            )
            for name in _LINK_ATTRIBUTES:
                if name in attributes:
                    self.execute(
                        f"UPDATE links SET {name} = ? WHERE contact_id = ? AND company_id = ?",
                        [attributes[name], contact_id, company_id],
                    )

    def unlink(self, contact_id: str, company_id: str) -> bool:
        sql = "DELETE FROM links WHERE contact_id = ? AND company_id = ?"
        return self.execute(sql, [contact_id, company_id]) > 0

    # -- reference data --------------------------------------------------------------------------------------------

    def reference(self, kind: str) -> list[Record]:
        """The records of a reference kind in order of entry; a fresh account's own when none were loaded."""
        return self._stored_reference(kind) or defaults.RECORDS.get(kind, [])

    def _stored_reference(self, kind: str) -> list[Record]:
        with self.lock:
            if kind not in self._reference:
                rows = self.query("SELECT body FROM reference WHERE kind = ? ORDER BY n", [kind])
                self._reference[kind] = [decoding.decode(row["body"]) for row in rows]
            return self._reference[kind]

    def _put_reference(self, kind: str, batch: list[Record]) -> None:
        self._reference.pop(kind, None)
        self._db.executemany(
            "INSERT INTO reference (kind, id, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            ((kind, record["id"], msgspec.json.encode(_reference_record(kind, record)).decode()) for record in batch),
        )


def unset_value(field_type: str) -> Any:
    """The value of a custom field of that type that nobody has set."""
    return {"multi_select": [], "boolean": False}.get(field_type)


def _all_fields(custom_fields: list[Record], definitions: dict[str, Any]) -> list[Record]:
    missing = definitions.keys() - {field["definition"]["id"] for field in custom_fields}
    if not missing:
        return custom_fields
    return custom_fields + [
        {"definition": {"type": "customFieldDefinition", "id": name}, "value": unset}
        for name, unset in definitions.items()
        if name in missing
    ]


def _reference_record(kind: str, record: Record) -> Record:
    full = {**defaults.BLANKS.get(kind, {}), **record}
    if kind == "customFieldDefinitions" and full["context"] == "sale":
        full["context"] = "deal"
    return full
