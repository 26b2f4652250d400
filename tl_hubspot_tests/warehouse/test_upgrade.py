"""Files of older versions are completed when opened, and keep what they hold."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tl_hubspot.errors import WarehouseError
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.store import Warehouse, frame_of

VERSION_1 = (Path(__file__).parent / "version_1.sql").read_text()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tl_hubspot.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(VERSION_1)
    return path


def described(path: Path) -> list[tuple[str, ...]]:
    query = (
        "select c.schema_name, c.table_name, column_name, data_type, c.comment from duckdb_columns() c"
        " where not c.internal order by all"
    )
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(query).fetchall()


def test_tables_of_version_1_are_completed(path: Path, tmp_path: Path) -> None:
    warehouse = Warehouse(path)
    assert warehouse.read("select id, first_name, links_read_at from teamleader.contacts order by id").rows() == [
        ("c1", "Ann", None),
        ("c2", "Bo", None),
    ]
    assert warehouse.read("select schema_version from meta.deployment").item() == schema.SCHEMA_VERSION
    new = Warehouse(tmp_path / "new.duckdb")
    assert new.count("sync.runs") == 0
    described_new = {row for row in described(new.path) if row[0] != "meta"}
    assert {row[:4] for row in described(path) if row[0] != "meta"} == {row[:4] for row in described_new}
    made = {row for row in described_new if row[0] == "history"}
    assert made <= set(described(path)), "what is made carries its meaning"


def test_history_begins_with_the_newest_run_of_before(path: Path) -> None:
    warehouse = Warehouse(path)
    assert warehouse.read("select number, run_id from history.runs order by all").rows() == [
        (1, "first"),
        (2, "second"),
    ]
    as_of = "select count(*) from teamleader.{}_as_of('{}')"
    found = {
        (table, run): warehouse.read(as_of.format(table, run)).item()
        for table in ("contacts", "companies", "contact_company_links")
        for run in ("first", "second")
    }
    assert found == {
        ("contacts", "first"): 0,
        ("contacts", "second"): 2,
        ("companies", "first"): 0,
        ("companies", "second"): 1,
        ("contact_company_links", "first"): 0,
        ("contact_company_links", "second"): 1,
    }


def test_nothing_is_done_twice(path: Path) -> None:
    assert Warehouse(path).count("history.contacts") == 2
    before = path.read_bytes()
    assert Warehouse(path).count("history.contacts") == 2
    assert path.read_bytes() == before


def test_a_table_or_column_that_is_missing_is_made_whatever_the_version_says(path: Path) -> None:
    assert Warehouse(path).count("sync.runs") == 2
    with duckdb.connect(str(path)) as con:
        con.execute("drop table sync.seen")
        con.execute("alter table teamleader.companies drop column website")
    warehouse = Warehouse(path)
    assert warehouse.read("select website from teamleader.companies").rows() == [(None,)]
    assert warehouse.count("sync.seen") == 0
    assert warehouse.count("history.contacts") == 2


def test_a_broken_upgrade_leaves_the_file_as_it_was(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("drop table sync.runs")
        con.execute("create view sync.runs as select 1 as run_id")
    with pytest.raises((WarehouseError, duckdb.Error)):
        Warehouse(path).count("teamleader.contacts")
    with duckdb.connect(str(path)) as con:
        assert con.execute("select schema_version from meta.deployment").fetchall() == [(1,)]
        assert con.execute("select count(*) from duckdb_schemas() where schema_name = 'history'").fetchall() == [(0,)]


def test_columns_that_are_no_more_go_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "tl_hubspot.duckdb"
    row = {"id": "a", "payload": "{}", "last_name": "Ann"}
    Warehouse(path).append("teamleader.contacts", frame_of("teamleader.contacts", [row]))
    Warehouse(path).append("sync.runs", frame_of("sync.runs", [{"run_id": "r", "status": "done"}]))
    with duckdb.connect(str(path)) as con:
        for table, column in (
            ("teamleader.contacts", "watched_hash"),
            ("history.contacts", "watched_hash"),
            ("sync.runs", "notices"),
        ):
            con.execute(f"alter table {table} add column {column} varchar default 'old'")
        con.execute("insert into sync.made_of (name, fingerprint, run_id) values ('sync.plan', 'f', 'r')")
        con.execute("update meta.deployment set schema_version = 2")
    before = {table: Warehouse(path, read_only=True).count(table) for table in ("history.contacts", "sync.runs")}
    warehouse = Warehouse(path)
    assert warehouse.read("select last_name from teamleader.contacts").rows() == [("Ann",)]
    assert {table: warehouse.count(table) for table in before} == before
    assert warehouse.count("sync.made_of") == 0, "tables that are new have to be filled"
    new = Warehouse(tmp_path / "new.duckdb")
    assert new.count("sync.runs") == 0
    assert described(path) == described(new.path)
