"""Files of older versions are completed when opened, and keep what they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tl_hubspot.errors import WarehouseError
from tl_hubspot.warehouse import history, schema
from tl_hubspot.warehouse.rows import delete, frame_of, upsert
from tl_hubspot.warehouse.store import Warehouse

EARLIER = range(1, schema.SCHEMA_VERSION)
RUNS = ("first", "second")


def written_by(version: int, folder: Path) -> Path:
    """A file as that version left it."""
    path = folder / "tl_hubspot.duckdb"
    with duckdb.connect(str(path), config={"storage_compatibility_version": "v1.5.0"}) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute((Path(__file__).parent / f"version_{version}.sql").read_text())
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written_by(1, tmp_path)


def described(path: Path) -> list[tuple[str, ...]]:
    query = (
        "select c.schema_name, c.table_name, column_name, data_type, c.comment from duckdb_columns() c"
        " where not c.internal order by all"
    )
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(query).fetchall()


@pytest.mark.parametrize("version", EARLIER)
def test_tables_of_every_earlier_version_are_completed_and_keep_their_rows(version: int, tmp_path: Path) -> None:
    path = written_by(version, tmp_path)
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
    if version == 1:
        made = {row for row in described_new if row[0] == "history"}
        assert made <= set(described(path)), "what is made carries its meaning"
    last = "second" if version == 1 else "first"
    assert warehouse.read(f"select id from teamleader.contacts_as_of('{last}') order by id").rows() == [
        ("c1",),
        ("c2",),
    ]
    assert warehouse.read("select hubspot_id from sync.links").rows() == [("101",)]
    assert warehouse.read("select written from sync.shadows").rows() == [('{"firstname": "Ann"}',)]
    assert warehouse.read("select address, unsubscribed from sync.opt_outs").rows() == [
        ("ann@example.com", ["Newsletter"])
    ]


@pytest.mark.parametrize("version", EARLIER)
def test_a_copy_of_before_is_kept(version: int, tmp_path: Path) -> None:
    path = written_by(version, tmp_path)
    before = path.read_bytes()
    assert Warehouse(path).count("sync.links") == 1
    copy = tmp_path / f"tl_hubspot.version-{version}.duckdb"
    assert copy.read_bytes() == before
    assert copy.stat().st_mode & 0o777 == 0o600
    copy.unlink()
    assert Warehouse(path).count("sync.links") == 1
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "nothing to do: no copy, and none of a new file"


def stored(path: Path, table: str) -> dict[str, set[str]]:
    """How the file stores the columns of a table."""
    with duckdb.connect(str(path), read_only=True) as con:
        rows = con.execute(
            "select column_name, compression from pragma_storage_info(?) where segment_type = 'VARCHAR'", [table]
        ).fetchall()
    return {name: {how for other, how in rows if other == name} for name, _ in rows}


@pytest.mark.parametrize("version", [None, 7])
def test_columns_that_rows_are_found_by_are_stored_as_they_are(version: int | None, tmp_path: Path) -> None:
    path = tmp_path / "tl_hubspot.duckdb"
    many = "insert into sync.links select 'contact', gen_random_uuid()::varchar, i::varchar, 'r', 'r', 'email'"
    many += " from range(5000) r(i)"
    if version:
        written_by(version, tmp_path)
        with duckdb.connect(str(path)) as con:
            con.execute(many)
        assert "Uncompressed" not in stored(path, "sync.links")["teamleader_id"]
        assert Warehouse(path).count("sync.links") == 5001
    else:
        with Warehouse(path).connect() as con:
            con.execute(many)
    found = stored(path, "sync.links")
    assert (found["teamleader_id"], found["hubspot_id"]) == ({"Uncompressed"}, {"Uncompressed"})
    assert "Uncompressed" not in found["entity_type"], "others are made small"


def test_without_a_copy_nothing_is_changed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "tl_hubspot.version-1.duckdb").mkdir()
    before = path.read_bytes()
    with pytest.raises(WarehouseError, match=r"without a copy, which failed: .*version-1.duckdb"):
        Warehouse(path).count("sync.links")
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    assert Warehouse(path).count("sync.links") == 1
    newer = schema.SCHEMA_VERSION + 1
    with duckdb.connect(str(path)) as con:
        con.execute(f"update meta.deployment set schema_version = {newer}")
        con.execute("alter table sync.runs add column from_the_future varchar")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(WarehouseError, match=f"a newer tl_hubspot .tables of version {newer}.*Upgrade tl-hubspot"):
            Warehouse(path, read_only=read_only).count("sync.links")
    assert path.read_bytes() == before


def test_a_file_of_a_newer_duckdb_is_not_to_be_thrown_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        # as DuckDB 1.5.5 says it of a file of 2.0
        said = (
            "Trying to read a database file with version number 999, but we can only read versions between 64 and 68."
        )
        raise duckdb.IOException(f"IO Error: {said}")

    monkeypatch.setattr(duckdb, "connect", refuse)
    with pytest.raises(WarehouseError, match=r"written by a newer DuckDB.*Upgrade tl-hubspot"):
        Warehouse(path).count("sync.links")


def test_history_begins_with_the_newest_run_of_before(path: Path) -> None:
    warehouse = Warehouse(path)
    assert warehouse.read("select number, run_id from history.runs").rows() == [(1, "second")]
    as_of = "select count(*) from teamleader.{}_as_of('{}')"
    tables = ("contacts", "companies", "contact_company_links")
    assert [warehouse.read(as_of.format(table, "second")).item() for table in tables] == [2, 1, 1]
    with pytest.raises(duckdb.InvalidInputException, match="There is no run first"):
        warehouse.read(as_of.format("contacts", "first"))


def test_a_history_that_holds_the_latest_versions_as_well_is_gone_on_with(tmp_path: Path) -> None:
    warehouse = Warehouse(written_by(5, tmp_path))

    def as_of(run: str) -> list[tuple[str, str, bool]]:
        states = f"select id, first_name, changed_at is not null from teamleader.contacts_as_of('{run}') order by id"
        return warehouse.read(states).rows()

    def links_as_of(run: str) -> list[str]:
        links = "select contact_id from teamleader.contact_company_links_as_of('{}') order by all"
        return warehouse.read(links.format(run))["contact_id"].to_list()

    first, second = [("c1", "Ann", False), ("c2", "Bo", False)], ("c2", "Bo", True)
    assert (as_of("first"), as_of("second")) == (first, [first[0], second])
    assert (links_as_of("first"), links_as_of("second")) == (["c1", "c2"], ["c1"])
    with warehouse.transaction() as con:
        history.begin(con, "third", datetime(2026, 10, 3, tzinfo=UTC))
        upsert(con, "teamleader.contacts", pl.DataFrame({"id": ["c2"], "first_name": ["Bob"]}))
        delete(con, "teamleader.contact_company_links", pl.DataFrame({"contact_id": ["c1"]}))
    assert (as_of("first"), as_of("second")) == (first, [first[0], second])
    assert as_of("third") == [first[0], ("c2", "Bob", True)]
    assert (links_as_of("first"), links_as_of("second"), links_as_of("third")) == (["c1", "c2"], ["c1"], [])
    assert warehouse.count("history.contacts") == 3, "what stood there already is not added again"


def test_a_history_of_what_is_no_more_is_gone_on_with(tmp_path: Path) -> None:
    warehouse = Warehouse(written_by(6, tmp_path))
    states = "select id, first_name, changed_at is not null from teamleader.contacts_as_of('{}') order by id"
    links = "select contact_id from teamleader.contact_company_links_as_of('{}') order by all"
    found = [(warehouse.read(states.format(r)).rows(), warehouse.read(links.format(r)).rows()) for r in RUNS]
    assert found == [
        ([("c1", "Ann", False), ("c2", "Bo", False)], [("c1",), ("c2",)]),
        ([("c1", "Ann", False), ("c2", "Bo", True)], [("c1",)]),
    ]
    assert warehouse.count("history.contacts") == 1


def test_nothing_is_done_twice(path: Path) -> None:
    assert Warehouse(path).count("history.runs") == 1
    before = path.read_bytes()
    assert Warehouse(path).count("history.runs") == 1
    assert path.read_bytes() == before


def test_a_table_or_column_that_is_missing_is_made_whatever_the_version_says(path: Path) -> None:
    assert Warehouse(path).count("sync.runs") == 2
    with duckdb.connect(str(path)) as con:
        con.execute("drop table sync.seen")
        con.execute("alter table teamleader.companies drop column website")
    warehouse = Warehouse(path)
    assert warehouse.read("select website from teamleader.companies").rows() == [(None,)]
    assert warehouse.count("sync.seen") == 0
    assert warehouse.count("history.runs") == 1


def test_a_broken_upgrade_leaves_the_file_as_it_was(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("drop table sync.runs")
        con.execute("create view sync.runs as select 1 as run_id")
    before = path.read_bytes()
    said = r"from version 1 of its tables to \d+; nothing in it was changed: .*a copy is tl_hubspot.version-1.duckdb"
    with pytest.raises(WarehouseError, match=said):
        Warehouse(path).count("teamleader.contacts")
    assert path.read_bytes() == before
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
