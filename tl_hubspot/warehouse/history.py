"""The states in which earlier runs left a record: kept when they are no more, and queries as of a run.

A row of a current table is its latest version, left so by the run in `_run_id`; versions before it stand in the table
of the same name here. Which tables have a history stands in `schema`. Versions get here through `store` alone, in the
transaction that changes the current table, so that both always agree; a run that leaves a row as it was adds none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb
import polars as pl

from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.lending import registered


def is_kept(table: str) -> bool:
    """Whether versions of this table are kept."""
    return table in schema.KEEPS_HISTORY


def begin(con: duckdb.DuckDBPyConnection, run_id: str, started_at: datetime) -> None:
    """Versions from now on belong to this run."""
    con.execute(
        "insert into history.runs select coalesce(max(number), 0) + 1, ?, ? from history.runs", [run_id, started_at]
    )


def compared(table: str, columns: Sequence[str]) -> list[str]:
    """Those of `columns` whose change makes a version: not stamps, not when something was last asked."""
    return [c for c in columns if not c.startswith("_") and not c.endswith("_read_at")]


def stamped(con: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame`, to be written to `table`, with the run that writes as its `_run_id`; as it is before the first run."""
    if not is_kept(table):
        return frame
    run_id = con.execute("select max_by(run_id, number) from history.runs").fetchall()[0][0]
    return frame if run_id is None else frame.with_columns(pl.lit(run_id).alias("_run_id"))


def numbered(table: str) -> str:
    """SQL: the current rows as `t`, with the number of the run that left them so (`_run`); 0 when its number is not
    known (any more): it is older than all that are."""
    return (
        f"(select t.*, t.rowid, coalesce(r.number, 0) as _run from {table} t"
        " left join history.runs r on r.run_id = t._run_id) t"
    )


def supersede(
    con: duckdb.DuckDBPyConnection,
    table: str,
    which: str,
    *,
    are_removed: bool = False,
    stored: pl.DataFrame | None = None,
) -> None:
    """Keep the rows `t` of `table` for which `which` (SQL) holds as an earlier run left them: before they are changed,
    or removed. What only this run wrote is no version.

    stored: these rows, whole, with their place `_at`, where they were read already: long texts take a while to find.
    """
    if not is_kept(table):
        return
    kept, key = schema.history_of(schema.table(table)), schema.table(table).key
    values = ", ".join(f't."{c}"' for c in kept.column_names if c not in ("_run", "_removed"))
    run, of_row = _newest(con), f"from {kept.name} h where {_on(key, 'h', 't')}"
    # files of before version 6 hold the latest version as well
    is_new = f"t._run < {run} and not exists (select 1 {of_row} and h._run >= t._run)"
    # by their places, as in `rows.places`
    old = con.sql(f"select t.rowid as _at, t._run from {numbered(table)} where ({which}) and {is_new}").pl()
    rows, frames = (
        (f"(select *, rowid as _at from {table})", {}) if stored is None else ("_stored", {"_stored": stored})
    )
    with registered(con, _old=old, **frames):
        con.execute(
            f"insert into {kept.name} by name select {values}, o._run, false as _removed"
            f" from {rows} t join _old o on t._at = o._at"
        )
    if are_removed:
        keys = _keys(key, "t")
        con.execute(
            f"insert into {kept.name} by name select {keys}, {run} as _run, true as _removed from {table} t"
            f" where ({which}) and not (select max_by(h._removed, h._run) {of_row})"
        )


def settle(con: duckdb.DuckDBPyConnection, table: str, written: pl.DataFrame) -> None:
    """After rows (those with the keys of `written`) were written that this run may have changed or removed before: what
    is again as an earlier run left it is that run's version again."""
    if not is_kept(table) or written.is_empty():
        return
    described = schema.table(table)
    kept, key = schema.history_of(described).name, described.key
    with registered(con, _written=written.select(key).unique()):
        of_written = f"exists (select 1 from _written k where {_on(key, 'h', 'k')})"
        if not con.execute(f"select exists (select 1 from {kept} h where {of_written})").fetchall()[0][0]:
            return
        con.execute(f"delete from {kept} h where _removed and _run = {_newest(con)} and {of_written}")
        differs = " or ".join(f't."{c}" is distinct from l."{c}"' for c in compared(table, described.column_names))
        con.execute(
            f"""update {table} t set _loaded_at = l._loaded_at, _run_id = l._left_by from (
              select h.*, coalesce(r.run_id, h._run_id) as _left_by
              from {kept} h left join history.runs r on r.number = h._run where {of_written}
              qualify row_number() over (partition by {_keys(key, "h")} order by h._run desc) = 1
            ) l where {_on(key, "t", "l")} and not l._removed and not ({differs})"""
        )
        is_current = f"select 1 from {numbered(table)} where {_on(key, 't', 'h')} and t._run <= h._run"
        con.execute(f"delete from {kept} h where {of_written} and exists ({is_current})")


def _newest(con: duckdb.DuckDBPyConnection) -> int:
    return int(con.execute("select coalesce(max(number), 0) from history.runs").fetchall()[0][0])


def _on(key: Sequence[str], one: str, other: str) -> str:
    return " and ".join(f'{one}."{c}" = {other}."{c}"' for c in key)


def _keys(key: Sequence[str], of: str) -> str:
    return ", ".join(f'{of}."{c}"' for c in key)


def macros() -> Iterator[str]:
    """Statements that make `teamleader.<table>_as_of(run_id)`: the rows of a table as they stood after that run."""
    asked = "coalesce((select max(number) from history.runs where run_id = run), error('There is no run ' || run))"
    for table in schema.TEAMLEADER:
        if is_kept(table.name):
            kept = schema.history_of(table)
            names = ", ".join(f'"{c}"' for c in kept.column_names if c not in ("_run", "_removed"))
            current = f"from {numbered(table.name)} where t._run <= {asked}"
            yield (
                f"create or replace macro {table.name}_as_of(run) as table select {names} {current}"
                f" union all select {names} from {kept.name} h where h._run <= {asked}"
                f" and not exists (select 1 {current} and {_on(table.key, 't', 'h')})"
                f" qualify row_number() over (partition by {_keys(table.key, 'h')} order by h._run desc) = 1"
                " and not _removed"
            )
