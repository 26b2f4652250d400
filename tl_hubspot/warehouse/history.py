"""Every state in which a run left a record: versions beside the current tables, and queries as of a run.

Which tables have a history stands in `schema`. Versions get here through `store` alone, in the transaction that changes
the current table, so that both always agree; a run that leaves a row as it was adds none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb
import polars as pl

from tl_hubspot.warehouse import schema


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


def note(con: duckdb.DuckDBPyConnection, table: str, touched: pl.DataFrame) -> None:
    """Keep the rows of `table` that have the keys of `touched` as the run left them; no row means that it was removed.

    `touched`: the keys, or whole rows as they stand in the table now (which spares reading them). The state in which an
    earlier run left a row is no new version, whatever happened to it in between.
    """
    if not is_kept(table) or touched.is_empty():
        return
    described = schema.table(table)
    kept, key = schema.history_of(described), described.key
    names = [c for c in kept.column_names if c not in ("_run", "_removed")]
    if is_whole := not set(names).difference(touched.columns):
        state, now = "k", "_touched k"
    else:
        touched = touched.select(key).unique()
        state, now = "t", f"_touched k left join {table} t on {_on(key, 't')}"
    values = ", ".join(f'k."{c}"' if c in key else f'{state}."{c}"' for c in names)
    is_gone = "false" if is_whole else f'(t."{key[0]}" is null)'
    run = con.execute("select coalesce(max(number), 0) from history.runs").fetchall()[0][0]
    insert = f"insert into {kept.name} by name select {values}, {run} as _run, {is_gone} as _removed from {now}"
    of_touched = f"exists (select 1 from _touched k where {_on(key, 'h')})"
    with registered(con, _touched=touched):
        if not con.execute(f"select exists (select 1 from {kept.name} h where {of_touched})").fetchall()[0][0]:
            con.execute(f"{insert} where not {is_gone}")
            return
        con.execute(f"delete from {kept.name} h where _run = {run} and {of_touched}")
        differs = " or ".join(f'{state}."{c}" is distinct from l."{c}"' for c in compared(table, names))
        con.execute(
            f"""{insert} left join (
              select h.* from {kept.name} h join _touched k on {_on(key, "h")}
              qualify row_number() over (partition by {", ".join(f'h."{c}"' for c in key)} order by h._run desc) = 1
            ) l on {_on(key, "l")}
            where coalesce(l._removed, true) <> {is_gone} or (not l._removed and ({differs}))"""
        )


def _on(key: Sequence[str], other: str) -> str:
    return " and ".join(f'{other}."{c}" = k."{c}"' for c in key)


def macros() -> Iterator[str]:
    """Statements that make `teamleader.<table>_as_of(run_id)`: the rows of a table as they stood after that run."""
    for table in schema.TEAMLEADER:
        if is_kept(table.name):
            yield (
                f"create or replace macro {table.name}_as_of(run) as table"
                f" select * exclude (_run, _removed) from {schema.history_of(table).name} where _run <= coalesce("
                "(select max(number) from history.runs where run_id = run), error('There is no run ' || run))"
                f" qualify row_number() over (partition by {', '.join(table.key)} order by _run desc) = 1"
                " and not _removed"
            )


@contextlib.contextmanager
def registered(con: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Frames that SQL knows by these names meanwhile (never by the name of a variable: it might find another one)."""
    for name, frame in frames.items():
        con.register(name, frame)
    try:
        yield
    finally:
        for name in frames:
            con.unregister(name)
