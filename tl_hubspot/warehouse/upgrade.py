"""Making the tables of `schema` in a database file: all of them, or what a file of an older version lacks.

Additions need nothing here: missing tables and columns are made, and columns that are no longer there go. What an older
version stored otherwise is rewritten here, once, in the same transaction. The copy that is made before, and what is
said when it does not succeed, is `store`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from tl_hubspot.warehouse import history, schema

MARK = "meta.deployment"


@dataclass(frozen=True)
class Changes:
    """What a file differs in from the tables of today: the columns that each table lacks, and those it has too many."""

    existing: frozenset[str]
    missing: dict[schema.Table, set[str]]
    needless: dict[schema.Table, set[str]]


def changes(con: duckdb.DuckDBPyConnection, version: int) -> Changes | None:
    """What a file of `version` (0: an empty one) needs; None when it is as it should be."""
    query = (
        "select schema_name || '.' || table_name, column_name from duckdb_columns()"
        " where not internal and database_name = current_database()"
    )
    known: dict[str, set[str]] = {}
    for table_name, column in con.execute(query).fetchall():
        known.setdefault(table_name, set()).add(column)
    missing = {t: set(t.column_names) - known.get(t.name, set()) for t in schema.TABLES}
    needless = {t: known.get(t.name, set()) - set(t.column_names) for t in schema.TABLES}
    if version == schema.SCHEMA_VERSION and not any((*missing.values(), *needless.values())):
        return None
    return Changes(frozenset(known), missing, needless)


def complete(con: duckdb.DuckDBPyConnection, version: int, changes: Changes, *, in_file: bool = True) -> None:
    """Make these changes to a file (or lake) of `version`, all of them or none."""
    con.execute("begin")
    statements = [f"create schema if not exists {name}" for name in ("meta", *schema.SCHEMAS)]
    for table, columns in changes.missing.items():
        if in_file and version < 8 and table.name in changes.existing and any(c.is_found_by for c in table.columns):
            statements += _stored_anew(table)
            continue
        statements.append(table.ddl(in_file=in_file))
        for column in table.columns:
            if column.name in columns and table.name in changes.existing:
                statements.append(f'alter table {table.name} add column "{column.name}" {column.type}')
            if column.name in columns:
                statements.append(_comment(table, column))
        statements += [f'alter table {table.name} drop column "{name}"' for name in sorted(changes.needless[table])]
        statements.append(f"comment on table {table.name} is {_text(table.meaning)}")
    con.execute(";".join([*statements, *history.macros()]))
    if version == 0:
        con.execute(f"create table {MARK} (application varchar, schema_version integer, created_at timestamptz)")
        con.execute(f"insert into {MARK} values (?, ?, now())", [schema.APPLICATION, schema.SCHEMA_VERSION])
    if version == 1:
        _begin_history(con)
    elif 1 < version < 6:
        _name_runs(con)
    con.execute("delete from sync.made_of")  # what is new is filled by computing everything once more
    con.execute(f"update {MARK} set schema_version = {schema.SCHEMA_VERSION}")
    con.execute("commit")


def _stored_anew(table: schema.Table) -> list[str]:
    """Before version 8 columns that rows are found by were compressed; how a column is stored is said when its table is
    made."""
    before = f"{table.name}_before"
    return [
        f"alter table {table.name} rename to {before.partition('.')[2]}",
        table.ddl(),
        *(_comment(table, column) for column in table.columns),
        f"comment on table {table.name} is {_text(table.meaning)}",
        f"insert into {table.name} by name select columns(lambda c: c in {table.column_names}) from {before}",
        f"drop table {before}",
    ]


def _comment(table: schema.Table, column: schema.Column) -> str:
    return f'comment on column {table.name}."{column.name}" is {_text(column.meaning)}'


def _begin_history(con: duckdb.DuckDBPyConnection) -> None:
    """What earlier runs left is known as of the newest of them: how it was before nobody kept."""
    con.execute(
        "insert into history.runs select 1, run_id, started_at from sync.runs order by started_at desc, run_id desc"
        " limit 1"
    )


def _name_runs(con: duckdb.DuckDBPyConnection) -> None:
    """Before version 6 the latest versions stood in the history alone with the run that left them; now `_run_id` is
    that run also of rows of which no more changed than what is computed."""
    for table in schema.TEAMLEADER:
        if history.is_kept(table.name):
            key, kept = ", ".join(table.key), schema.history_of(table).name
            con.execute(
                f"update {table.name} t set _run_id = r.run_id from"
                f" (select {key}, max(_run) as number from {kept} group by all) h join history.runs r using (number)"
                f" where {' and '.join(f't.{c} = h.{c}' for c in table.key)} and t._run_id is distinct from r.run_id"
            )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
