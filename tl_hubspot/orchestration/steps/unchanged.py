"""What computed tables and other results were made of, so that the same is not computed again: most runs find that
nothing changed.

A fingerprint covers the rows of the tables read, what the configuration says, the day of evaluation, and the program's
own rules. Who computes what stands in `deciding` and `planning`; here nothing is computed.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import duckdb

from tl_hubspot.orchestration.run import Run
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot.warehouse.watched import WatchedWarehouse

TABLE = "sync.made_of"
_VOLATILE = {"_loaded_at", "_run_id", "payload"}
_VERSIONED = {
    *(f"teamleader.{name}" for name in ("contacts", "companies", "deals")),
    *("teamleader.contact_company_links", "teamleader.deal_phase_history"),
    *(f"hubspot.{name}" for name in ("contacts", "companies", "deals")),
}
"""Tables whose rows get another `_loaded_at` exactly when a field differs: their number and times stand for their
content."""
_STAMPED = {"sync.shadows": "run_id"}
"""Tables whose rows get the id of the run that writes them: it stands for their content."""


@dataclass(frozen=True)
class MadeOf:
    """What something is made of: a fingerprint per table, and one of all else; `figures`: JSON of numbers about the
    whole that say nothing of a single row."""

    tables: Mapping[str, str]
    rest: str
    figures: str

    @property
    def fingerprint(self) -> str:
        """Of all of it."""
        return _sha256(self.parts + self.figures)

    @property
    def parts(self) -> str:
        """Canonical JSON."""
        return json.dumps([self.tables, self.rest], sort_keys=True)


def made_of(
    warehouse: Warehouse, tables: Sequence[str], facts: Mapping[str, Any], figures: Mapping[str, Any] | None = None
) -> MadeOf:
    """What something is made of: tables (computed ones by their version, see `remember`), facts and figures."""
    with warehouse.connect() as con:
        known = dict(con.execute(f"select name, coalesce(result, fingerprint) from {TABLE}").fetchall())
        parts = {name: known[name] if name in known else _content_of(warehouse, con, name) for name in tables}
    rest = _sha256(json.dumps([facts, _program()], sort_keys=True, default=_plain))
    return MadeOf(parts, rest, json.dumps(figures or {}, sort_keys=True))


def fingerprint(warehouse: Warehouse, tables: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Fingerprint of what something is made of."""
    return made_of(warehouse, tables, facts).fingerprint


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def made_by(warehouse: Warehouse, name: str, fingerprint: str) -> str | None:
    """Id of the run that made `name` of exactly this; None when it has to be made now."""
    query = f"select run_id from {TABLE} where name = ? and fingerprint = ?"
    rows = warehouse.read(query, [name, fingerprint])
    return rows.item() if rows.height else None


def result_of(warehouse: Warehouse, name: str, fingerprint: str | None = None) -> str | None:
    """What was remembered as the result when `name` was last made, if of exactly this where `fingerprint` is given."""
    query = f"select result from {TABLE} where name = $1 and fingerprint = coalesce($2, fingerprint)"
    rows = warehouse.read(query, [name, fingerprint])
    return rows.item() if rows.height else None


def version(warehouse: Warehouse, table: str) -> str | None:
    """Version of a computed table: as whoever looks at its rows knows them; None before it was ever made."""
    rows = warehouse.read(f"select coalesce(result, fingerprint) from {TABLE} where name = ?", [table])
    return rows.item() if rows.height else None


def remember(
    con: duckdb.DuckDBPyConnection,
    name: str,
    made_of: MadeOf | str,
    run: Run | None,
    result: str | None = None,
) -> None:
    """Note in the transaction that stores `name` what it was made of; or the `result` itself where that is no table.

    `made_of`: the fingerprint alone where nobody will ask which rows changed since (`changed.since`); `result` of a
    computed table: its version, which stays while none of its rows becomes another; None: what it is made of.
    """
    con.execute(f"delete from {TABLE} where name = ?", [name])
    of = (made_of, None) if isinstance(made_of, str) else (made_of.fingerprint, made_of.parts)
    row = [name, of[0], run and run.run_id, result, of[1]]
    con.execute(
        f"insert into {TABLE} (name, fingerprint, run_id, result, parts, touched)"
        " select ?, ?, ?, ?, ?, coalesce(max(number), 0) from sync.touched",
        row,
    )


def facts_of(rules: RuleSettings) -> dict[str, Any]:
    """What the rules know: of the instant only its date, which is all that they use."""
    return {**asdict(rules), "as_of": rules.as_of_date}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def _content_of(warehouse: Warehouse, con: duckdb.DuckDBPyConnection, name: str) -> str:
    """Looked at once between two writes to a table, where those are known."""
    if isinstance(warehouse, WatchedWarehouse):
        return warehouse.unless_written(name, lambda: _content(con, name))
    return _content(con, name)


def _content(con: duckdb.DuckDBPyConnection, name: str) -> str:
    columns = [c for c in schema.table(name).columns if not c.name.endswith("_read_at")]
    key = set(schema.table(name).key)
    if name in _VERSIONED:
        chosen = [c.name for c in columns if c.type == "TIMESTAMPTZ"]
    elif name in _STAMPED:
        chosen = [*sorted(key), _STAMPED[name]]
    else:
        chosen = [c.name for c in columns if c.name not in _VOLATILE]
    hashed = ", ".join(f'"{c}"' for c in chosen)
    # a sum, because the order of rows means nothing
    return str(con.execute(f"select count(*), sum(hash({hashed})::hugeint) from {name}").fetchall()[0])


@functools.cache
def _program() -> str:
    """Fingerprint of what computes: another version may find something else."""
    digest = hashlib.sha256()
    for room in ("rules", "planning", "warehouse", "orchestration", "orchestration.steps"):
        for file in sorted(files(f"tl_hubspot.{room}").iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py"):
                digest.update(file.read_bytes())
    return digest.hexdigest()
