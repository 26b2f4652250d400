"""The sandbox's state in SQLite: records, keys, history, associations, subscriptions and small documents.

Rows in, rows out; no HubSpot rule lives here. Times are integers, milliseconds since 1970 UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES, ObjectType

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    type INTEGER NOT NULL, property TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL,
    main INTEGER NOT NULL DEFAULT 1, archived INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS keys_live ON keys (type, property, value) WHERE archived = 0;
CREATE INDEX IF NOT EXISTS keys_archived ON keys (type, property, value) WHERE archived = 1;
CREATE INDEX IF NOT EXISTS keys_record ON keys (type, id);
CREATE TABLE IF NOT EXISTS domains (domain TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (domain, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS domains_record ON domains (id);
CREATE TABLE IF NOT EXISTS history (
    type INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL,
    source TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS history_record ON history (type, id, name);
CREATE TABLE IF NOT EXISTS associations (
    from_type INTEGER NOT NULL, from_id INTEGER NOT NULL, to_type INTEGER NOT NULL, to_id INTEGER NOT NULL,
    type_id INTEGER NOT NULL, PRIMARY KEY (from_type, from_id, to_type, to_id, type_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscriptions (
    address TEXT NOT NULL, subscription_id INTEGER NOT NULL, status TEXT NOT NULL, legal_basis TEXT, explanation TEXT,
    at INTEGER NOT NULL, PRIMARY KEY (address, subscription_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS import_files (
    import_id TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (import_id, name));
CREATE TABLE IF NOT EXISTS import_errors (
    id INTEGER PRIMARY KEY, import_id TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS import_errors_import ON import_errors (import_id, id);
CREATE TABLE IF NOT EXISTS documents (
    kind TEXT NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, key));
"""
_RECORDS = """
CREATE TABLE IF NOT EXISTS records_{name} (
    id INTEGER PRIMARY KEY, properties TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0, archived_at INTEGER, merged_into INTEGER);
CREATE INDEX IF NOT EXISTS records_{name}_archived ON records_{name} (id) WHERE archived = 1;
CREATE INDEX IF NOT EXISTS records_{name}_updated ON records_{name} (updated_at);
"""
_TABLES = ("keys", "domains", "history", "associations", "subscriptions", "import_files", "import_errors", "documents")
_AT_ONCE = 900
"""Ids in one question: old versions of SQLite take 999 parameters."""
_COLUMNS = "id, properties, created_at, updated_at, archived, archived_at, merged_into"
_decode_properties = decoding.decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


class Record(msgspec.Struct):
    """One CRM record. `properties` holds the values that are not empty; `merged_into` is the survivor's id, if any."""

    id: int
    properties: dict[str, str]
    created_at: int
    updated_at: int
    archived: bool = False
    archived_at: int | None = None
    merged_into: int | None = None


def _record(row: tuple[Any, ...]) -> Record:
    return Record(row[0], _decode_properties(row[1]), row[2], row[3], bool(row[4]), row[5], row[6])


class Store:
    """One SQLite connection; the caller serialises access and opens transactions."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing (the system holds the pages); only a power cut could, and this is a sandbox.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA cache_size = -32000")
        self._db.executescript(_SCHEMA + "".join(_RECORDS.format(name=name) for name in OBJECT_TYPES))
        self._next_ids = {kind.number: self._first_free_id(kind) for kind in OBJECT_TYPES.values()}

    def close(self) -> None:
        self._db.close()

    def clear(self) -> None:
        with self.transaction():
            for table in (*_TABLES, *(f"records_{name}" for name in OBJECT_TYPES)):
                self._db.execute(f"DELETE FROM {table}")
        self._next_ids = {kind.number: kind.first_id for kind in OBJECT_TYPES.values()}

    def dump(self) -> bytes:
        """Everything, as the bytes of a SQLite file."""
        return self._db.serialize()

    def put_back(self, dumped: bytes) -> None:
        """Everything as it was when it was dumped, ids to give out included; only for a store in memory."""
        self._db.deserialize(dumped)
        self._next_ids = {kind.number: self._first_free_id(kind) for kind in OBJECT_TYPES.values()}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end; roll back on any exception. Inside another transaction: a savepoint."""
        nested = self._db.in_transaction
        self._db.execute("SAVEPOINT nested" if nested else "BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO nested" if nested else "ROLLBACK")
            if nested:
                self._db.execute("RELEASE nested")
            raise
        self._db.execute("RELEASE nested" if nested else "COMMIT")

    # Records

    def _first_free_id(self, kind: ObjectType) -> int:
        (last,) = self._db.execute(f"SELECT max(id) FROM records_{kind.name}").fetchone()
        return max(kind.first_id, (last or 0) + 1)

    def next_id(self, kind: ObjectType) -> int:
        number = self._next_ids[kind.number]
        self._next_ids[kind.number] = number + 1
        return number

    def reserve_id(self, kind: ObjectType, record_id: int) -> None:
        """Never give out this id or a lower one again."""
        self._next_ids[kind.number] = max(self._next_ids[kind.number], record_id + 1)

    def get(self, kind: ObjectType, record_id: int) -> Record | None:
        row = self._db.execute(f"SELECT {_COLUMNS} FROM records_{kind.name} WHERE id = ?", (record_id,)).fetchone()
        return _record(row) if row else None

    def get_many(self, kind: ObjectType, ids: Iterable[int]) -> dict[int, Record]:
        wanted = list(ids)
        marks = ",".join("?" * len(wanted))
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM records_{kind.name} WHERE id IN ({marks})", wanted)
        return {row[0]: _record(row) for row in rows}

    def existing_ids(self, kind: ObjectType, ids: Iterable[int]) -> set[int]:
        """Those of the ids that belong to records neither archived nor merged away."""
        wanted = list(dict.fromkeys(ids))
        found: set[int] = set()
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            sql = f"SELECT id FROM records_{kind.name} WHERE id IN ({marks}) AND archived = 0 AND merged_into IS NULL"
            found.update(row[0] for row in self._db.execute(sql, part))
        return found

    def page(self, kind: ObjectType, after: int, limit: int, *, archived: bool = False) -> list[Record]:
        """Up to `limit` records with an id above `after`, in the order of their ids; never merged-away ones."""
        condition = "archived = 1" if archived else "archived = 0"
        sql = (
            f"SELECT {_COLUMNS} FROM records_{kind.name} "
            f"WHERE id > ? AND {condition} AND merged_into IS NULL ORDER BY id LIMIT ?"
        )
        return [_record(row) for row in self._db.execute(sql, (after, limit))]

    def scan(
        self, kind: ObjectType, *, updated_from: int | None = None, updated_to: int | None = None
    ) -> Iterator[Record]:
        """Every live record, streamed in the order of ids; optionally only those updated within [from, to]."""
        sql = f"SELECT {_COLUMNS} FROM records_{kind.name} WHERE archived = 0 AND merged_into IS NULL"
        bounds = {"updated_at >= ?": updated_from, "updated_at <= ?": updated_to}
        if given := {clause: bound for clause, bound in bounds.items() if bound is not None}:
            # their ids first: asked for rows in the order of ids, SQLite reads the whole table
            sql += f" AND id IN (SELECT id FROM records_{kind.name} WHERE {' AND '.join(given)})"
        cursor = self._db.execute(sql + " ORDER BY id", [*given.values()])
        while rows := cursor.fetchmany(1000):
            for row in rows:
                yield _record(row)

    def count(self, kind: ObjectType) -> int:
        sql = f"SELECT count(*) FROM records_{kind.name} WHERE archived = 0 AND merged_into IS NULL"
        return int(self._db.execute(sql).fetchone()[0])

    def count_where(self, kind: ObjectType, name: str, value: str, *, limit: int = -1) -> int:
        """How many live records have this value; counting stops at `limit`."""
        sql = (
            f"SELECT count(*) FROM (SELECT 1 FROM records_{kind.name} WHERE archived = 0 AND merged_into IS NULL "
            "AND json_extract(properties, ?) = ? LIMIT ?)"
        )
        return int(self._db.execute(sql, (f'$."{name}"', value, limit)).fetchone()[0])

    def insert(self, kind: ObjectType, records: Iterable[Record]) -> None:
        self._db.executemany(
            f"INSERT INTO records_{kind.name} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", map(_row, records)
        )

    def replace(self, kind: ObjectType, record: Record) -> None:
        self._db.execute(f"REPLACE INTO records_{kind.name} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", _row(record))

    def delete(self, kind: ObjectType, record_id: int) -> None:
        self._db.execute(f"DELETE FROM records_{kind.name} WHERE id = ?", (record_id,))
        self._db.execute("DELETE FROM keys WHERE type = ? AND id = ?", (kind.number, record_id))
        self._db.execute("DELETE FROM history WHERE type = ? AND id = ?", (kind.number, record_id))

    # Keys: e-mail addresses of contacts (main: the primary one) and unique property values

    def key_owner(self, kind: ObjectType, name: str, value: str) -> tuple[int, bool] | None:
        """(record id, main) of the live record that has this value."""
        sql = "SELECT id, main FROM keys WHERE type = ? AND property = ? AND value = ? AND archived = 0"
        row = self._db.execute(sql, (kind.number, name, value)).fetchone()
        return (row[0], bool(row[1])) if row else None

    def archived_key_owners(self, kind: ObjectType, name: str, value: str) -> list[int]:
        """Archived records that had this value, latest id first."""
        sql = "SELECT id FROM keys WHERE type = ? AND property = ? AND value = ? AND archived = 1 ORDER BY id DESC"
        return [row[0] for row in self._db.execute(sql, (kind.number, name, value))]

    def add_keys(self, rows: Iterable[tuple[int, str, str, int, bool]], *, archived: bool = False) -> None:
        """Rows of (type number, property, value, record id, main); sqlite3.IntegrityError when one is taken."""
        sql = f"INSERT INTO keys (type, property, value, id, main, archived) VALUES (?, ?, ?, ?, ?, {int(archived)})"
        self._db.executemany(sql, rows)

    def remove_keys(self, kind: ObjectType, record_id: int, name: str | None = None) -> None:
        sql, values = "DELETE FROM keys WHERE type = ? AND id = ?", [kind.number, record_id]
        if name is None:
            self._db.execute(sql, values)
        else:
            self._db.execute(sql + " AND property = ?", (*values, name))

    def set_keys_archived(self, kind: ObjectType, record_id: int, archived: bool) -> None:
        sql = "UPDATE keys SET archived = ? WHERE type = ? AND id = ?"
        self._db.execute(sql, (int(archived), kind.number, record_id))

    # Domains of companies (not unique)

    def set_domains(self, company_id: int, domains: Iterable[str]) -> None:
        self._db.execute("DELETE FROM domains WHERE id = ?", (company_id,))
        self._db.executemany(
            "INSERT OR IGNORE INTO domains VALUES (?, ?)", ((domain, company_id) for domain in domains)
        )

    def companies_with_domain(self, domain: str) -> list[int]:
        return [row[0] for row in self._db.execute("SELECT id FROM domains WHERE domain = ? ORDER BY id", (domain,))]

    # History

    def add_history(self, rows: Iterable[tuple[int, int, str, int, str, str]]) -> None:
        """Rows of (type number, record id, property, at, value, source)."""
        self._db.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)", rows)

    def history(self, kind: ObjectType, record_id: int, name: str) -> list[tuple[int, str, str]]:
        """(at, value, source), newest first."""
        sql = (
            "SELECT at, value, source FROM history WHERE type = ? AND id = ? AND name = ? ORDER BY at DESC, rowid DESC"
        )
        return self._db.execute(sql, (kind.number, record_id, name)).fetchall()

    def history_names(self, kind: ObjectType, record_id: int) -> set[str]:
        sql = "SELECT DISTINCT name FROM history WHERE type = ? AND id = ?"
        return {row[0] for row in self._db.execute(sql, (kind.number, record_id))}

    # Associations: (from type, from id, to type, to id, type id)

    def add_associations(self, rows: Iterable[tuple[int, int, int, int, int]]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO associations VALUES (?, ?, ?, ?, ?)", rows)

    def remove_associations(self, rows: Iterable[tuple[int, int, int, int, int]]) -> None:
        self._db.executemany(
            "DELETE FROM associations "
            "WHERE from_type = ? AND from_id = ? AND to_type = ? AND to_id = ? AND type_id = ?",
            rows,
        )

    def associations(
        self, from_type: int, from_id: int, to_type: int, *, after: int = 0, limit: int = -1
    ) -> list[tuple[int, int]]:
        """(to id, type id) with a to id above `after`, in their order; `limit` counts rows."""
        sql = (
            "SELECT to_id, type_id FROM associations "
            "WHERE from_type = ? AND from_id = ? AND to_type = ? AND to_id > ? ORDER BY to_id, type_id LIMIT ?"
        )
        return self._db.execute(sql, (from_type, from_id, to_type, after, limit)).fetchall()

    def with_association(self, from_type: int, from_ids: Iterable[int], to_type: int, type_id: int) -> set[int]:
        """Those of these records that have an association of this type."""
        ids, found = list(from_ids), set[int]()
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            sql = (
                "SELECT DISTINCT from_id FROM associations WHERE from_type = ? AND to_type = ? AND type_id = ?"
                f" AND from_id IN ({','.join('?' * len(part))})"
            )
            found.update(row[0] for row in self._db.execute(sql, (from_type, to_type, type_id, *part)))
        return found

    def association_types(self, from_type: int, from_id: int, to_type: int, to_id: int) -> list[int]:
        sql = (
            "SELECT type_id FROM associations "
            "WHERE from_type = ? AND from_id = ? AND to_type = ? AND to_id = ? ORDER BY type_id"
        )
        return [row[0] for row in self._db.execute(sql, (from_type, from_id, to_type, to_id))]

    def all_associations(self, from_type: int, from_id: int) -> list[tuple[int, int, int]]:
        """(to type, to id, type id) of one record."""
        sql = "SELECT to_type, to_id, type_id FROM associations WHERE from_type = ? AND from_id = ?"
        return self._db.execute(sql, (from_type, from_id)).fetchall()

    def remove_association_type(self, *type_ids: int) -> None:
        self._db.executemany("DELETE FROM associations WHERE type_id = ?", ((type_id,) for type_id in type_ids))

    # Subscriptions; subscription id 0 stands for all e-mail

    def subscription(self, address: str, subscription_id: int) -> tuple[str, str | None, str | None, int] | None:
        """(status, legal basis, explanation, at)."""
        sql = "SELECT status, legal_basis, explanation, at FROM subscriptions WHERE address = ? AND subscription_id = ?"
        row: tuple[str, str | None, str | None, int] | None = self._db.execute(
            sql, (address, subscription_id)
        ).fetchone()
        return row

    def set_subscription(
        self, address: str, subscription_id: int, status: str, basis: str | None, explanation: str | None, at: int
    ) -> None:
        row = (address, subscription_id, status, basis, explanation, at)
        self._db.execute("REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?, ?)", row)

    def unsubscribed_from(self, address: str) -> list[int]:
        sql = "SELECT subscription_id FROM subscriptions WHERE address = ? AND status = 'UNSUBSCRIBED'"
        return [row[0] for row in self._db.execute(sql, (address,))]

    # Import files and errors

    def add_import_file(self, import_id: str, name: str, content: bytes) -> None:
        self._db.execute("REPLACE INTO import_files VALUES (?, ?, ?)", (import_id, name, content))

    def import_file(self, import_id: str, name: str) -> bytes | None:
        sql = "SELECT content FROM import_files WHERE import_id = ? AND name = ?"
        row = self._db.execute(sql, (import_id, name)).fetchone()
        return row[0] if row else None

    def drop_import_files(self, import_id: str) -> None:
        self._db.execute("DELETE FROM import_files WHERE import_id = ?", (import_id,))

    def add_import_error(self, import_id: str, body: dict[str, Any]) -> None:
        self._db.execute("INSERT INTO import_errors (import_id, body) VALUES (?, ?)", (import_id, _encode(body)))

    def import_errors(self, import_id: str, after: int, limit: int) -> list[dict[str, Any]]:
        sql = "SELECT id, body FROM import_errors WHERE import_id = ? AND id > ? ORDER BY id LIMIT ?"
        rows = self._db.execute(sql, (import_id, after, limit))
        return [{"id": str(row[0])} | decoding.decode(row[1]) for row in rows]

    # Documents: definitions, pipelines, owners and the like, in the order of their first writing

    def document(self, kind: str, key: str) -> Any:
        row = self._db.execute("SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return decoding.decode(row[0]) if row else None

    def documents(self, kind: str) -> dict[str, Any]:
        rows = self._db.execute("SELECT key, body FROM documents WHERE kind = ? ORDER BY rowid", (kind,))
        return {row[0]: decoding.decode(row[1]) for row in rows}

    def put_document(self, kind: str, key: str, body: Any) -> None:
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (kind, key, _encode(body)),
        )

    def delete_document(self, kind: str, key: str) -> None:
        self._db.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))


def _row(record: Record) -> tuple[Any, ...]:
    return (
        record.id,
        _encode(record.properties).decode(),
        record.created_at,
        record.updated_at,
        int(record.archived),
        record.archived_at,
        record.merged_into,
    )
