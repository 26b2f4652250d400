"""The records in SQLite: contacts with their versions, what a lagging list still shows, companies, users, tokens.

Rules of the API (what may be stored, which error) are in `contacts`; what a list gives is in `lists`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.crmoffice.values import MAPPED, is_empty

Record = dict[str, Any]

FIRST_ID = 1001
LONGEST_LAG = 30.0
"""Seconds for which values from before a change are kept."""
_ADDRESS = ("streetAddress", "postCode", "postalArea", "country")
_SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = off;
create table if not exists contacts (
    id integer primary key autoincrement,
    body text not null,
    modified real not null,
    version integer not null
);
create index if not exists contacts_modified on contacts (modified);
create table if not exists past (id integer not null, body text not null, modified real not null, until real not null);
create table if not exists deleted (id integer primary key, at real not null);
create table if not exists companies (id integer primary key autoincrement, body text not null);
create table if not exists users (name text primary key);
create table if not exists answers (
    key text primary key,
    request text not null,
    answer text not null,
    at real not null
);
create table if not exists tokens (
    token text primary key,
    kind text not null,
    family text not null,
    scope text not null,
    expires real,
    -- the refresh token that dies when this token is used for the first time
    replaces text,
    dead integer not null default 0,
    redirect_uri text,
    challenge text
);
"""


class Store:
    """All state of one sandbox tenant. Every method may be called from any thread; `lock` spans several of them."""

    def __init__(self, path: str | Path) -> None:
        self.lock = threading.RLock()
        self._db = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        with self.lock:
            self._db.close()

    def query(self, sql: str, *parameters: Any) -> list[sqlite3.Row]:
        with self.lock:
            return self._db.execute(sql, parameters).fetchall()

    def one(self, sql: str, *parameters: Any) -> sqlite3.Row | None:
        with self.lock:
            row: sqlite3.Row | None = self._db.execute(sql, parameters).fetchone()
            return row

    def execute(self, sql: str, *parameters: Any) -> int:
        """Run a statement; returns the number of rows it touched."""
        with self.lock:
            return self._db.execute(sql, parameters).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; not nested."""
        with self.lock:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def clear(self) -> None:
        """Forget everything; ids begin anew."""
        with self.transaction():
            for table in ("contacts", "past", "deleted", "companies", "users", "answers", "tokens", "sqlite_sequence"):
                self._db.execute(f"delete from {table}")

    # -- contacts --------------------------------------------------------------------------------------------------

    def insert(self, record: Record, now: float) -> int:
        """Store a new contact and return its id: its own when it has one, else one larger than any before."""
        last = self.one("select seq from sqlite_sequence where name = 'contacts'")
        number = int(record["id"]) if "id" in record else (last["seq"] + 1 if last else FIRST_ID)
        sql = "insert into contacts (id, body, modified, version) values (?, ?, ?, 1)"
        modified = datetime.fromisoformat(record["modifiedAt"]).timestamp() if "modifiedAt" in record else now
        self.execute(sql, number, _text(record), modified)
        return number

    def load(self, records: Iterable[Record], now: float) -> int:
        """Store many contacts at once; returns how many."""
        with self.transaction():
            return sum(1 for record in records if self.insert(record, now))

    def replace(self, number: int, record: Record, now: float) -> None:
        """Another state of a contact: a new version, and the old one for lists that lag."""
        self.execute("insert into past select id, body, modified, ? from contacts where id = ?", now, number)
        self.execute("delete from past where until <= ?", now - LONGEST_LAG)
        sql = "update contacts set body = ?, modified = ?, version = version + 1 where id = ?"
        self.execute(sql, _text(record), now, number)

    def remove(self, number: int, now: float) -> bool:
        """Delete a contact for good; False when there is none."""
        if not self.execute("delete from contacts where id = ?", number):
            return False
        self.execute("insert into deleted values (?, ?)", number, now)
        return True

    def contact(self, number: int) -> tuple[Record, float, int] | None:
        """`(record without id, time of the last change, version)`."""
        row = self.one("select * from contacts where id = ?", number)
        return None if row is None else (decoded(row["body"]), row["modified"], row["version"])

    def shown_before(self, numbers: Iterable[int], instant: float) -> dict[int, tuple[Record, float]]:
        """What lists showed at an instant of those contacts that have changed since."""
        wanted = set(numbers)
        shown: dict[int, tuple[Record, float]] = {}
        for row in self.query("select * from past where until > ? order by until desc, rowid desc", instant):
            if row["id"] in wanted:
                shown[row["id"]] = decoded(row["body"]), row["modified"]
        return shown

    # -- companies and users ---------------------------------------------------------------------------------------

    def add_company(self, record: Record) -> str:
        """Store a company; what is missing is empty. Returns its id."""
        blank = dict.fromkeys(_ADDRESS)
        body = {
            "orgNr": record.get("orgNr"),
            "visitAddress": blank | (record.get("visitAddress") or {}),
            "postAddress": blank | (record.get("postAddress") or {}),
        }
        number = int(record["id"]) if "id" in record else None
        if number is None and not self.query("select 1 from companies"):
            number = 501
        self.execute("insert into companies (id, body) values (?, ?)", number, msgspec.json.encode(body).decode())
        [row] = self.query("select max(id) from companies")
        return str(row[0] if number is None else number)

    def has_company(self, company_id: str) -> bool:
        return company_id.isdecimal() and self.one("select 1 from companies where id = ?", int(company_id)) is not None


def complete(record: Record) -> Record:
    """A contact with every stored key, empty texts as None."""
    texts = {name: record.get(name) for name in (*MAPPED, "title")}
    return {name: None if is_empty(value) else value for name, value in texts.items()} | {
        "company": record.get("company")
    }


def decoded(body: str) -> Record:
    """A record from its text."""
    return decoding.decode(body, type=Record)


def _text(record: Record) -> str:
    return msgspec.json.encode(complete(record)).decode()
