"""Rows of the working database on an open connection: reading, merging by key, taking out, noting what was changed.

Frames in and out, with the columns and types of `schema`. Opening, transactions and copies of the file are `store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.warehouse import history, schema
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.schema import teamleader

_STAMPS = ("_loaded_at", "_run_id")
TEXTS = {"produce_arrow_string_view": "true", "arrow_output_version": "1.4"}
"""Configuration of a connection that gives frames texts as polars keeps them: reading takes a fifth less."""
Parameters = Sequence[Any] | dict[str, Any] | None
"""Of a query: by place (`?`) or by name (`$name`)."""


@dataclass(frozen=True)
class Merged:
    """What an upsert did: rows inserted, rows updated, rows that were the same."""

    inserted: int
    updated: int
    unchanged: int


def fetch(con: duckdb.DuckDBPyConnection, query: str, parameters: Parameters = None) -> pl.DataFrame:
    """Frame of a table or query; timestamps in UTC."""
    sql = f"select * from {query}" if " " not in query.strip() else query
    return in_utc(con.sql(sql, params=parameters).pl() if parameters else con.sql(sql).pl())


def take(con: duckdb.DuckDBPyConnection, table: str, keys: pl.DataFrame) -> pl.DataFrame:
    """Delete the rows whose columns equal a row of `keys`, without a note of it (see `touch`), and return them."""
    on = " and ".join(f't."{c}" = s."{c}"' for c in keys.columns)
    which = f"exists (select 1 from _keys s where {on})"
    with registered(con, _keys=keys):
        if con.execute(_IS_FILE).fetchall():
            return taken(con, table, which)
        rows = fetch(con, f"from {table} t where {which}")
        con.execute(f"delete from {table} t where {which}")
        return rows


_IS_FILE = "select 1 from duckdb_databases() where database_name = current_database() and type = 'duckdb'"
"""A lake cannot return what it deletes."""


def taken(con: duckdb.DuckDBPyConnection, table: str, which: str, columns: str = "*") -> pl.DataFrame:
    """Delete the rows `t` of a table of a file for which `which` (SQL) holds, and return `columns` of them.

    DuckDB looks through the long texts of all rows to give those of some, but not to give what it deletes. Of that it
    keeps every block in memory until a statement has given all, so that rows are deleted few at a time.
    """
    at = con.sql(f"select t.rowid as _at from {table} t where {which} order by all").pl()
    parts = []
    for few in at.iter_slices(_AT_ONCE) if at.height else [at]:
        with registered(con, _few=few):
            parts.append(con.execute(f"delete from {table} where rowid in (from _few) returning {columns}").pl())
    return in_utc(pl.concat(parts))


_AT_ONCE = 256
"""Blocks are of 256 KiB, and each row may need one of its own per long text: 64 MiB for each such column."""


def in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    instants = [n for n, t in frame.schema.items() if isinstance(t, pl.Datetime) and t.time_zone not in (None, "UTC")]
    return frame.with_columns(pl.col(instants).dt.convert_time_zone("UTC")) if instants else frame


def insert(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> int:
    """Insert by column name; columns that `frame` lacks are null, columns that the table lacks are an error."""
    if frame.is_empty():
        return 0
    frame = history.stamped(con, table, frame)
    with registered(con, _frame=frame):
        con.execute(f"insert into {table} by name select * from _frame")
    history.settle(con, table, frame)
    return frame.height


def upsert(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> Merged:
    """Merge `frame` by the table's key; columns that `frame` lacks keep their value. Keys in `frame` are unique."""
    if frame.is_empty():
        return Merged(0, 0, 0)
    key = schema.table(table).key
    if frame.select(pl.struct(key).is_duplicated().any()).item():
        raise ValueError(f"rows for {table} repeat a key ({', '.join(key)})")
    return merge(con, table, frame, places(con, table, frame))


def places(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Which rows of `frame` the table has: their keys, and the place `_at` (`rowid`) of each there.

    By its place a row is read without looking through the texts of all others; it is right until the transaction ends.
    """
    key = schema.table(table).key
    keys, on = ", ".join(f's."{c}"' for c in key), " and ".join(f't."{c}" = s."{c}"' for c in key)
    with registered(con, _frame=frame.select(key)):
        return con.sql(f"select {keys}, t.rowid as _at from _frame s join {table} t on {on}").pl()


def merge(
    con: duckdb.DuckDBPyConnection,
    table: str,
    frame: pl.DataFrame,
    places: pl.DataFrame,
    stored: pl.DataFrame | None = None,
) -> Merged:
    """`upsert` of rows whose `places` are known (those of others are left out).

    stored: the rows that the table has of these, whole, with their places; each is another version than the one that is
    written.
    """
    key = schema.table(table).key
    new = frame.join(places, on=key, how="anti", maintain_order="left")
    known = frame.join(places, on=key, how="inner", maintain_order="left")
    old = _update(con, table, known, stored) if known.height else 0
    insert(con, table, new)
    return Merged(inserted=new.height, updated=old, unchanged=known.height - old)


def _update(con: duckdb.DuckDBPyConnection, table: str, known: pl.DataFrame, stored: pl.DataFrame | None) -> int:
    """Update those of `known` (rows with their place `_at`) that differ; returns how many. Stamps of a row move with a
    version alone. `stored`: see `merge`."""
    known = history.stamped(con, table, known)
    values = [c for c in known.columns if c not in (*schema.table(table).key, "_at")]
    compared = [c for c in values if c not in _STAMPS]
    is_again = "t._run_id = s._run_id" if history.is_kept(table) and "_run_id" in values else "false"
    is_version, is_other = (
        "true" if stored is not None else _differs(names) for names in (history.compared(table, compared), compared)
    )
    with registered(con, _frame=known):
        found = con.sql(
            f"select _at, {is_version} as is_version, {is_again} as is_again"
            f" from _frame s join {table} t on t.rowid = s._at where {is_other}"
        ).pl()
    if found.is_empty():
        return 0
    changed = known.join(found, on="_at", how="inner", maintain_order="left")
    news = {c: f'case when s.is_version then s."{c}" else t."{c}" end' if c in _STAMPS else f's."{c}"' for c in values}
    sets = ", ".join(f'"{c}" = {new}' for c, new in news.items())
    with registered(con, _frame=changed):
        history.supersede(con, table, "t.rowid in (select _at from _frame where is_version)", stored=stored)
        if not history.is_kept(table) and len(known.columns) > len(schema.table(table).columns):
            # texts changed in place are all written anew, those of other rows too
            con.execute(f"delete from {table} where rowid in (select _at from _frame)")
            con.execute(f"insert into {table} by name select * exclude (_at, is_version, is_again) from _frame")
        else:
            con.execute(f"update {table} t set {sets} from _frame s where t.rowid = s._at")
    history.settle(con, table, changed.filter("is_version", "is_again"))
    return changed.height


def _differs(columns: Sequence[str]) -> str:
    """SQL: any of the columns of `t` and `s` differs."""
    return "(" + (" or ".join(f't."{c}" is distinct from s."{c}"' for c in columns) or "false") + ")"


def set_all(con: duckdb.DuckDBPyConnection, table: str, column: str, value: str | datetime) -> None:
    """Every row has `value` in `column` afterwards; without a note of it (see `touch`).

    In a file the column is made anew: an update would keep 80 bytes per row in memory until the next checkpoint. The
    transaction can then not be committed when it deleted or updated rows of the table before; afterwards it may.
    """
    (type_,) = (c.type for c in schema.table(table).columns if c.name == column)
    differ = f"from {table} where {column} is distinct from $1"
    if not con.execute(f"select exists ({differ})", [value]).fetchall()[0][0]:
        return
    if not con.execute(_IS_FILE).fetchall():
        con.execute(f"update {table} set {column} = $1 where {column} is distinct from $1", [value])
        return
    text = str(value).replace("'", "''")  # such a statement has no parameters
    con.execute(f"alter table {table} alter column {column} set data type {type_} using '{text}'::{type_}")


def delete(con: duckdb.DuckDBPyConnection, table: str, keys: pl.DataFrame) -> None:
    """Delete the rows whose columns equal a row of `keys`."""
    if keys.is_empty():
        return
    on = " and ".join(f't."{c}" = s."{c}"' for c in keys.columns)
    wanted = f"exists (select 1 from _keys s where {on})"
    with registered(con, _keys=keys):
        gone = keys
        if table in schema.STAMPS:
            gone = con.sql(f"select {', '.join(schema.table(table).key)} from {table} t where {wanted}").pl()
        history.supersede(con, table, wanted, are_removed=True)
        con.execute(f"delete from {table} t where {wanted}")
    if table in schema.STAMPS:
        touch(con, table, gone)


def become(
    con: duckdb.DuckDBPyConnection,
    table: str,
    frame: pl.DataFrame,
    column: str,
    ids: pl.Series,
    looked_at: Sequence[str] = (),
) -> bool:
    """The rows of `table` with one of `ids` in that column are exactly `frame` afterwards; whether any became another.

    Only those that differ in more than `as_of` are written and noted, see `touch`; a row that was there and is, and
    differs in none of `looked_at`, where these are given, is noted under the name `aside(table)`. With a row the
    records that it stood in a group with are noted.
    """
    described = schema.table(table)
    key = described.key
    compared = [c for c in described.column_names if c not in (*key, "as_of")]
    seen = [c for c in looked_at or compared if c not in key]
    on = " and ".join(f't."{c}" = s."{c}"' for c in key)
    names = ", ".join(f'coalesce(t."{c}", s."{c}") as "{c}"' for c in key)
    with registered(con, _frame=frame, _ids=ids.to_frame("id")):
        is_one_sided = f'(t."{key[0]}" is null or s."{key[0]}" is null)'
        differing = con.sql(
            f"select {names}, {is_one_sided} or {_differs(seen)} as is_seen"
            f" from (from {table} where {column} in (from _ids)) t full join _frame s on {on}"
            f" where {is_one_sided} or {_differs(compared)}"
        ).pl()
        if differing.is_empty():
            return False
        with registered(con, _keys=differing):
            beside = [c for c in ("duplicate_of", "group_id") if c in compared]
            those = f"from {table} t where exists (select 1 from _keys s where {on})"
            before = [
                con.sql(
                    f"select t.{c} as {key[0]}, s.is_seen from {table} t join _keys s on {on} where t.{c} is not null"
                ).pl()
                for c in beside
            ]
            con.execute(f"delete {those}")
            con.execute(f"insert into {table} by name from _frame t where exists (select 1 from _keys s where {on})")
    noted = pl.concat([differing, *before])
    for name, rows in ((table, noted.filter("is_seen")), (aside(table), noted.filter(~pl.col("is_seen")))):
        if rows.height:
            touch(con, name, rows.drop("is_seen").unique(), key)
    return True


def aside(table: str) -> str:
    """The name in `sync.touched` of rows of a table that changed only in what the rules for other tables do not look
    at."""
    return f"{table} aside"


TOUCHED = 50_000
"""More rows than these of one table are noted as any of its rows."""


def touch(
    con: duckdb.DuckDBPyConnection, name: str, keys: pl.DataFrame | None, columns: Sequence[str] | None = None
) -> None:
    """Note rows (by `keys`; None: any) that are taken out or changed, for whoever looks only at what changed.

    `name`: of their table, or `aside(table)`, then with the `columns` of its key.
    """
    rows = pl.DataFrame({"key": [None]}, schema={"key": pl.List(pl.String)})
    if keys is not None and keys.height <= TOUCHED:
        rows = keys.select(key=pl.concat_list(pl.col(columns or schema.table(name).key).cast(pl.String)))
    with registered(con, _keys=rows):
        number = "select coalesce(max(number), 0) + 1 from sync.touched"
        con.execute(f"insert into sync.touched select ?, key, ({number}) from _keys", [name])


def frame_of(table: str, rows: Iterable[dict[str, Any]] | pl.DataFrame) -> pl.DataFrame:
    """Frame with exactly the columns and types of `table`; what a row lacks is null, unknown names are an error."""
    types = polars_schema(table)
    if isinstance(rows, pl.DataFrame):
        _check_names(table, set(rows.columns), types)
        return rows.select(
            pl.col(n).cast(t) if n in rows.columns else pl.lit(None, t).alias(n) for n, t in types.items()
        )
    rows = list(rows)
    for row in rows:
        if not row.keys() <= types.keys():
            _check_names(table, row.keys(), types)
    return pl.DataFrame(rows, schema=types) if rows else pl.DataFrame(schema=types)


def _check_names(table: str, names: Set[str], types: Mapping[str, Any]) -> None:
    if unknown := names - types.keys():
        raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")


def polars_schema(table: str) -> dict[str, pl.DataType]:
    """Column names and polars types of a table."""
    return {c.name: _POLARS[c.type] for c in schema.table(table).columns}


def _pair(name: str) -> pl.DataType:
    return pl.List(pl.Struct({"type": pl.String(), name: pl.String()}))


_POLARS: dict[str, Any] = {
    "VARCHAR": pl.String(),
    "BOOLEAN": pl.Boolean(),
    "INTEGER": pl.Int32(),
    "DATE": pl.Date(),
    "TIMESTAMPTZ": pl.Datetime("us", "UTC"),
    "VARCHAR[]": pl.List(pl.String()),
    teamleader.EMAILS: _pair("email"),
    teamleader.TELEPHONES: _pair("number"),
    teamleader.CUSTOM: pl.List(pl.Struct({"id": pl.String(), "value": pl.String()})),
    teamleader.ADDRESS: pl.Struct(dict.fromkeys(("line_1", "postal_code", "city", "country"), pl.String())),
}
