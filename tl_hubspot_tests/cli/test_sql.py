"""`tl-hubspot sql` and the queries of docs/queries.md, on what a real run left."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse import schema
from tl_hubspot_tests.cli.terminal import Terminal, environment_of

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
MAY_BE_EMPTY = {"8"}
"""Questions whose answer is nothing in the sample data."""


def worked() -> dict[str, str]:
    """The queries by their number on the page."""
    found = re.findall(r"^## (\d+)\. .*?^```sql\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    return dict(found)


def test_the_analysts_copy_answers(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = terminal("sql", "select 1")
    assert nothing.code == 2
    assert "Nothing was read yet" in nothing.line

    with LocalSystems("subset", teamleader_limit=False, hubspot_limit=False) as systems:
        assert terminal("sync", **environment_of(systems)).code == 0

    answers = {}
    for number, query in worked().items():
        ended = terminal("sql", "--json", query)
        assert (ended.code, ended.err) == (0, ""), (number, ended.err)
        answers[number] = json.loads(ended.out)["rows"]
        assert answers[number] or number in MAY_BE_EMPTY, f"query {number} answers nothing"
    assert len(answers) == 10
    assert sum(row["contacts"] for row in answers["1"]) == 50
    assert sum(row["records"] for row in answers["2"]) == 70
    assert answers["10"][0]["protected_writes"] == 0

    shown = terminal("sql", "select entity_type, count(*) as n from sync.links group by all order by all")
    assert re.search(r"^contact +\d+$", shown.out, re.M), shown.out
    assert shown.out.endswith("3 rows\n")
    many = "select range as n from range(1000)"
    assert terminal("sql", many).out.endswith("1,000 rows, the first 100 shown (--all shows every one)\n")
    assert len(terminal("sql", many, "--all").out.splitlines()) > 1000
    monkeypatch.setattr("sys.stdin", io.StringIO("select 7 as seven"))
    assert json.loads(terminal("sql", "--json").out)["rows"] == [{"seven": 7}]

    for query in ("delete from sync.links", "select * from sync.lnks", "selct 1", ""):
        refused = terminal("sql", "--json", query)
        assert (refused.code, refused.out) == (2, "")
        assert "The query cannot be answered" in refused.line

    meaning = "select comment from duckdb_tables() where schema_name || '.' || table_name = 'sync.links'"
    (row,) = json.loads(terminal("sql", "--json", meaning).out)["rows"]
    assert row["comment"] == schema.table("sync.links").meaning
    lacking = (
        "select count(*) as n from duckdb_columns() where not internal and schema_name <> 'meta' and comment is null"
    )
    assert json.loads(terminal("sql", "--json", lacking).out)["rows"] == [{"n": 0}]


class _Typing(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_the_shell_of_duckdb_queries_can_be_typed(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tl_hubspot.warehouse.store import Warehouse

    warehouse = Warehouse(tmp_path / "data" / "tl_hubspot.duckdb")
    warehouse.publish(tmp_path / "data" / "analytics.duckdb")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "`duckdb`, which is not installed" in terminal("sql", "--ui").line
    monkeypatch.setattr("sys.stdin", _Typing("select 40 + 2\nas answer;\nselect nothing;\n"))
    ended = terminal("sql")
    assert ended.code == 0
    assert "42" in ended.out
    assert "read-only" in ended.err and "The query cannot be answered" in ended.err

    shell = tmp_path / "duckdb"
    shell.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    shell.chmod(0o755)
    assert terminal("sql").code == 0
    readonly, path = (tmp_path / "called").read_text().split()
    assert readonly == "-readonly"
    assert Path(path) == (tmp_path / "data" / "analytics.duckdb").resolve()
