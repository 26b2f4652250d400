"""The DuckDB file: merging, transactions, locks, publishing, what is refused."""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tl_hubspot.errors import WarehouseError
from tl_hubspot.warehouse import rows as tables_rows
from tl_hubspot.warehouse import schema, store
from tl_hubspot.warehouse.rows import Merged, delete, frame_of, set_all, take, upsert
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.warehouse.conftest import on_both


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "data" / "tl_hubspot.duckdb", lock_timeout=10)


def link(teamleader_id: str, hubspot_id: str, run: str = "r1") -> dict[str, Any]:
    row = {"entity_type": "contact", "teamleader_id": teamleader_id, "hubspot_id": hubspot_id}
    return row | {"first_run": run, "last_run": run}


def links(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame_of("sync.links", rows)


def test_every_table_and_column_is_there_with_its_meaning(made: Warehouse) -> None:
    tables = made.read("select schema_name || '.' || table_name as name, comment from duckdb_tables()")
    expected = {t.name: t.meaning for t in schema.TABLES}
    assert {k: v for k, v in tables.iter_rows() if not k.startswith("meta.")} == expected
    columns = made.read(
        "select schema_name || '.' || table_name, column_name, comment from duckdb_columns()"
        " where schema_name not in ('meta', 'main') and not internal"
    )
    expected_columns = {(t.name, c.name): c.meaning for t in schema.TABLES for c in t.columns}
    assert {(t, c): meaning for t, c, meaning in columns.iter_rows()} == expected_columns


@on_both
def test_merging_counts_what_it_did(made: Warehouse) -> None:
    assert made.upsert("sync.links", links(link("a", "1"), link("b", "2"))) == Merged(2, 0, 0)
    merged = made.upsert("sync.links", links(link("a", "1"), link("b", "3"), link("c", "4")))
    assert merged == Merged(inserted=1, updated=1, unchanged=1)
    rows = made.read("select teamleader_id, hubspot_id from sync.links order by all").rows()
    assert rows == [("a", "1"), ("b", "3"), ("c", "4")]


def test_columns_that_a_frame_lacks_keep_their_value(made: Warehouse) -> None:
    made.upsert("sync.links", links(link("a", "1", "first")))
    made.upsert("sync.links", links(link("a", "2", "second")).drop("first_run"))
    assert made.read("sync.links").row(0) == ("contact", "a", "2", "first", "second", None)


@pytest.mark.parametrize("sparse", [0, 100])
@on_both
def test_rows_that_are_picked_out_stay(made: Warehouse, sparse: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SPARSE", sparse)
    rows = [{"entity_type": "contact", "teamleader_id": str(n), "fields": f'{{"n": "{n}"}}'} for n in range(50)]
    made.append("sync.shadows", frame_of("sync.shadows", rows))
    ids = pl.DataFrame({"id": ["7", "8", "none"]})
    where, columns = "teamleader_id in (from _ids)", "teamleader_id, fields->>'$.n' as n"
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: made.pick("sync.shadows", where, columns, _ids=ids).rows(), range(8)))
    assert [sorted(f) for f in found] == [[("7", "7"), ("8", "8")]] * 8
    assert made.pick("sync.shadows", where, _ids=ids).columns == made.read("sync.shadows").columns
    assert made.count("sync.shadows") == 50


def test_rows_all_over_a_large_table_are_picked_out_in_little_memory(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand in all blocks of its texts, which together are more than there is."""
    monkeypatch.setattr(store, "SPARSE", 1)
    monkeypatch.setattr(tables_rows, "_AT_ONCE", 16)
    texts = [random.randbytes(1500).hex() for _ in range(15_000)]
    frame = pl.DataFrame({"teamleader_id": [str(n) for n in range(15_000)], "fields": texts, "written": texts[::-1]})
    warehouse.append("sync.shadows", frame.with_columns(entity_type=pl.lit("contact")))
    ids = frame.select("teamleader_id").gather_every(50)
    with warehouse.held(), warehouse.connect() as con:
        con.execute("checkpoint")
        con.execute("set global memory_limit = '25MB'")
        names = "teamleader_id, fields, written"
        found = warehouse.pick("sync.shadows", "teamleader_id in (from _ids)", names, _ids=ids)
    assert_frame_equal(found, frame.gather_every(50), check_row_order=False)


@on_both
def test_rows_that_are_taken_out_are_told(made: Warehouse) -> None:
    rows = [{"entity_type": "contact", "teamleader_id": str(n), "fields": str(n)} for n in range(3)]
    made.append("sync.shadows", frame_of("sync.shadows", rows))
    keys = pl.DataFrame({"entity_type": ["contact", "deal"], "teamleader_id": ["1", "2"]})
    with made.transaction() as con:
        assert take(con, "sync.shadows", keys).rows(named=True) == [
            {"entity_type": "contact", "teamleader_id": "1", "fields": "1", "written": None, "run_id": None}
        ]
    assert made.read("select teamleader_id from sync.shadows order by all")["teamleader_id"].to_list() == ["0", "2"]


@on_both
def test_one_value_for_every_row(made: Warehouse) -> None:
    shadows = [{"entity_type": "contact", "teamleader_id": str(n), "fields": "it's"} for n in range(3)]
    made.append("sync.shadows", frame_of("sync.shadows", shadows))
    with made.transaction() as con:
        set_all(con, "sync.shadows", "run_id", "a'b")
        con.execute("delete from sync.shadows where teamleader_id = '1'")
        con.execute("update sync.shadows set run_id = 'later' where teamleader_id = '2'")
    made.append("sync.shadows", frame_of("sync.shadows", [shadows[1]]))
    rows = made.read("select teamleader_id, run_id from sync.shadows order by all").rows()
    assert rows == [("0", "a'b"), ("1", None), ("2", "later")]
    decided = frame_of("decisions.deals", [{"teamleader_id": "1"}])
    made.append("decisions.deals", decided)
    at = datetime(2026, 3, 1, 12, 30, 0, 5, tzinfo=ZoneInfo("Europe/Brussels"))
    with made.transaction() as con:
        set_all(con, "decisions.deals", "as_of", at)
    assert made.read("decisions.deals")["as_of"].to_list() == [at]
    columns = "select column_name, data_type, comment from duckdb_columns() where schema_name || '.' || table_name = "
    found = {name: (type_, meaning) for name, type_, meaning in made.read(columns + "'sync.shadows'").iter_rows()}
    assert list(found) == schema.table("sync.shadows").column_names
    assert all(meaning for _, meaning in found.values())


def test_columns_that_rows_are_found_by_stay_as_they_are_stored(warehouse: Warehouse) -> None:
    warehouse.append("sync.shadows", frame_of("sync.shadows", [{"teamleader_id": str(n)} for n in range(5000)]))
    with warehouse.transaction() as con:
        set_all(con, "sync.shadows", "run_id", "a")
    with warehouse.connect() as con:
        con.execute("checkpoint")
        stored = con.execute(
            "select distinct compression from pragma_storage_info('sync.shadows')"
            " where column_name = 'teamleader_id' and segment_type = 'VARCHAR'"
        ).fetchall()
    assert stored == [("Uncompressed",)]


def test_stamps_alone_are_no_change(made: Warehouse) -> None:
    row = {"kind": "user", "id": "1", "name": "Ann", "_run_id": "r1"}
    made.upsert("teamleader.reference", frame_of("teamleader.reference", [row]))
    again = made.upsert("teamleader.reference", frame_of("teamleader.reference", [row | {"_run_id": "r2"}]))
    assert again == Merged(0, 0, 1)


def test_a_repeated_key_is_refused(made: Warehouse) -> None:
    with pytest.raises(ValueError, match="repeat a key"):
        made.upsert("sync.links", links(link("a", "1"), link("a", "2")))
    assert made.count("sync.links") == 0


def test_unknown_columns_are_refused(made: Warehouse) -> None:
    with pytest.raises(ValueError, match=r"sync\.links has no column colour"):
        links(link("a", "1") | {"colour": "red"})
    with pytest.raises(duckdb.BinderException):
        made.append("sync.links", links(link("a", "1")).with_columns(colour=pl.lit("red")))
    assert made.count("sync.links") == 0


@on_both
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_transaction_is_all_or_nothing(made: Warehouse, error: type[BaseException]) -> None:
    made.upsert("sync.links", links(link("a", "1")))
    with pytest.raises(error), made.transaction() as con:
        upsert(con, "sync.links", links(link("a", "9"), link("b", "2")))
        raise error
    assert made.read("select hubspot_id from sync.links").rows() == [("1",)]


@on_both
def test_replace_and_delete(made: Warehouse) -> None:
    made.upsert("sync.links", links(link("a", "1"), link("b", "2")))
    with made.transaction() as con:
        delete(con, "sync.links", pl.DataFrame({"entity_type": ["contact"], "teamleader_id": ["a"]}))
    assert made.read("sync.links")["teamleader_id"].to_list() == ["b"]
    assert made.replace("sync.links", links()) == 0
    assert made.count("sync.links") == 0


def _locked(path: str, ready: Any, seconds: float) -> None:
    with duckdb.connect(path):
        ready.set()
        time.sleep(seconds)


def held(path: Path, seconds: float) -> Any:
    """Another process that has the file open for some seconds."""
    processes = multiprocessing.get_context("spawn")
    ready = processes.Event()
    process = processes.Process(target=_locked, args=(str(path), ready, seconds), daemon=True)
    process.start()
    assert ready.wait(60)
    return process


def test_waits_for_another_process(warehouse: Warehouse) -> None:
    warehouse.count("sync.links")
    process = held(warehouse.path, 0.5)
    assert warehouse.count("sync.links") == 0
    process.join()


def test_gives_up_and_names_the_process(warehouse: Warehouse) -> None:
    warehouse.count("sync.links")
    process = held(warehouse.path, 60)
    try:
        with pytest.raises(WarehouseError, match=rf"locked by another program .*PID {process.pid}"):
            Warehouse(warehouse.path, lock_timeout=0.2).count("sync.links")
    finally:
        process.kill()  # a handler of SIGTERM that another test left behind is inherited
        process.join()


def test_readers_keep_their_version_of_the_published_copy(warehouse: Warehouse) -> None:
    target = warehouse.path.with_name("analytics.duckdb")
    warehouse.upsert("sync.links", links(link("a", "1")))
    first = warehouse.publish(target)
    count = "select count(*) from sync.links"
    with duckdb.connect(str(target.resolve()), read_only=True) as reader:
        warehouse.upsert("sync.links", links(link("b", "2")))
        second = warehouse.publish(target)
        assert reader.execute(count).fetchone() == (1,)
        with duckdb.connect(str(target.resolve()), read_only=True) as newer:
            assert newer.execute(count).fetchone() == (2,)
    assert target.is_symlink()
    assert target.resolve() == second
    third = warehouse.publish(target)
    assert not first.exists(), "two versions are kept"
    assert second.exists()
    assert third.exists()


@pytest.mark.parametrize("is_read", [False, True])
def test_the_oldest_copy_becomes_the_newest_unless_somebody_reads_it(warehouse: Warehouse, is_read: bool) -> None:
    target = warehouse.path.with_name("analytics.duckdb")
    copies = []
    for number in range(2):
        warehouse.upsert("sync.links", links(*(link(f"{number} {n}", "1" * n) for n in range(3000))))
        copies.append(warehouse.publish(target))
    file = copies[0].stat().st_ino
    reading = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print(1, flush=True); input();"
    reading += "print(c.execute('select count(*) from sync.links').fetchone()[0])"
    reader = subprocess.Popen(
        [sys.executable, "-c", reading, str(copies[0])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout and reader.stdout.readline() == "1\n"
    if not is_read:
        assert reader.communicate("\n")[0] == "3000\n"
    with warehouse.transaction() as con:
        con.execute("delete from sync.links where teamleader_id like '0%'")
    newest = warehouse.publish(target)
    assert newest.read_bytes() == warehouse.path.read_bytes()
    assert (newest.stat().st_ino == file) == (not is_read)
    assert sorted(target.parent.glob("analytics.*.duckdb")) == [copies[1], newest]
    if is_read:
        assert reader.communicate("\n")[0] == "3000\n", "it still reads what it opened"


def test_every_copy_equals_the_database_whatever_was_written_since(warehouse: Warehouse) -> None:
    target = warehouse.path.with_name("analytics.duckdb")
    dice = random.Random(7)
    for _ in range(8):
        ids = dice.sample(range(30_000), dice.choice([1, 300, 9_000]))
        warehouse.upsert("sync.links", links(*(link(str(n), str(dice.random())) for n in ids)))
        with warehouse.transaction() as con:
            con.execute("delete from sync.links where hash(teamleader_id) % 7 = ?", [dice.randrange(7)])
        assert warehouse.publish(target).read_bytes() == warehouse.path.read_bytes()


def test_the_copy_that_is_read_stays_whatever_way_leads_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to("real")
    made = Warehouse(tmp_path / "way" / "tl_hubspot.duckdb")
    assert made.count("sync.links") == 0
    first, second = (made.publish(tmp_path / "way" / "analytics.duckdb") for _ in range(2))
    assert first.exists() and second.exists(), "who opens the first one at this moment finds it"


def test_publishing_while_a_run_holds_the_database(made: Warehouse) -> None:
    target = made.path.with_name("analytics.duckdb")
    made.hold()
    try:
        made.upsert("sync.links", links(link("a", "1")))
        made.publish(target)
    finally:
        made.release()
    assert Warehouse(target.resolve(), read_only=True).count("sync.links") == 1


def test_instants_come_back_in_utc(made: Warehouse) -> None:
    row = {"run_id": "r", "started_at": "2026-07-01T12:00:00+02:00"}
    frame = pl.DataFrame([row]).with_columns(pl.col("started_at").str.to_datetime(time_zone="Europe/Brussels"))
    made.append("sync.runs", frame)
    stored = made.read("select started_at from sync.runs")
    assert stored.schema["started_at"] == pl.Datetime("us", "UTC")
    assert stored.item().isoformat() == "2026-07-01T10:00:00+00:00"
