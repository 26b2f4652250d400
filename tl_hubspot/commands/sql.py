"""`tl-hubspot sql [QUERY]`: a look into the analysts' copy, read-only: one query, or a place to type many.

Which file is opened is said by `orchestration.steps.published`; the layout of answers is `reporting.answer`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated

import duckdb
import typer
from rich.console import Console

from tl_hubspot.errors import ConfigurationError, ExitCode
from tl_hubspot.reporting.answer import Answer, render

_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)
_SHELL = "duckdb"
"""DuckDB's own program for a terminal, used where it is installed."""


def sql(
    query: Annotated[
        str | None, typer.Argument(metavar="[QUERY]", help="The query; without it a shell opens.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all rows, not the first 100.")] = False,
    ui: Annotated[bool, typer.Option("--ui", help="Open DuckDB's own pages in the browser, where installed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Query the tables (docs/tables.md) in the analysts' copy, read-only, also while a run is going on."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import published

    warehouse = published.readable(cli._platform("sql"))
    if query is None and (ui or _is_terminal()) and (shell := shutil.which(_SHELL)):
        line = [shell, "-readonly", *(["-ui"] if ui else []), str(warehouse.path)]
        cli._exit(ExitCode.DONE if subprocess.run(line).returncode == 0 else ExitCode.STOPPED)
    if ui:
        raise ConfigurationError(
            "DuckDB's pages need the program `duckdb`, which is not installed",
            where="--ui",
            mend="Install it from duckdb.org/install, or leave out --ui",
        )
    with warehouse.connect() as con:
        if query is None and _is_terminal():
            _converse(con, str(warehouse.path), everything=everything)
            return
        answer = ask(con, sys.stdin.read() if query is None else query)
    if as_json:
        cli._print_json(answer.as_dict())
    else:
        _out.print(render(answer, everything=everything))


def ask(con: duckdb.DuckDBPyConnection, query: str) -> Answer:
    """The answer to one query (of several statements the last one's); ConfigurationError when it cannot be answered."""
    try:
        con.execute(query)
        described = con.description or []
        return Answer(tuple((name, str(type_)) for name, type_, *_ in described), con.fetchall())
    except duckdb.Error as error:
        # DuckDB shows the place in the query on lines of its own, after an empty one
        reason = " ".join(str(error).partition("\n\n")[0].split())
        raise ConfigurationError(
            f"The query cannot be answered: {reason}",
            mend='`tl-hubspot sql "show all tables"` names the tables and their columns, docs/tables.md what they mean',
        ) from None


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _converse(con: duckdb.DuckDBPyConnection, path: str, *, everything: bool) -> None:
    """Query after query, each ended by a semicolon, until the end of input."""
    _err.print(f"{path}, read-only. End a query with ; and leave with Ctrl-D.", markup=False, soft_wrap=True)
    for query in _queries():
        try:
            _out.print(render(ask(con, query), everything=everything))
        except ConfigurationError as error:
            _err.print(error.sentence, markup=False, soft_wrap=True)


def _queries() -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(input("sql> " if not lines else "...> "))
        except EOFError:
            return
        if lines[-1].rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
