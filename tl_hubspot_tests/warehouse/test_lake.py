"""What only a warehouse on DuckLake has: whose it is, who may read it, what a run left, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import polars as pl
import pytest

from tl_hubspot.errors import ConfigurationError, WarehouseError
from tl_hubspot.warehouse import schema
from tl_hubspot.warehouse.lake import Conflict, Lake
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.warehouse.bucket import SECRET, Storage
from tl_hubspot_tests.warehouse.conftest import all_ways, copied
from tl_hubspot_tests.warehouse.postgres import Postgres, carry_out

GRANTS = Path(__file__).resolve().parents[2] / "deploy" / "analysts.sql"


def links(**ids: str) -> pl.DataFrame:
    rows = [{"entity_type": "contact", "teamleader_id": t, "hubspot_id": h} for t, h in ids.items()]
    return frame_of("sync.links", rows)


def many(hubspot_id: str) -> pl.DataFrame:
    """More rows than the catalog keeps itself."""
    return links(**{f"t{n}": hubspot_id for n in range(1000)})


def seen(number: int) -> pl.DataFrame:
    return frame_of("sync.seen", [{"record": f"{number} {n}"} for n in range(100)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def lake(empty_lake: tuple[Lake, Path], folder: Path) -> Lake:
    return copied(empty_lake, folder)


@pytest.fixture(scope="module")
def warehouse(lake: Lake, folder: Path) -> Iterator[Warehouse]:
    yield from held(Warehouse(folder / "data" / "tl_hubspot.duckdb", lake=lake))


@pytest.fixture
def storage() -> Iterator[Storage]:
    with Storage() as storage:
        yield storage


@pytest.fixture
def in_bucket(empty_lake: tuple[Lake, Path], storage: Storage, tmp_path: Path) -> Iterator[Warehouse]:
    """A warehouse whose files are in `storage`."""
    lake = replace(copied(empty_lake, tmp_path, files="s3://bucket/prefix"), bucket=storage.bucket)
    yield from held(Warehouse(tmp_path / "data" / "tl_hubspot.duckdb", lake=lake))


def held(warehouse: Warehouse) -> Iterator[Warehouse]:
    warehouse.hold()
    yield warehouse
    warehouse.release()


def test_the_state_that_a_run_left_can_be_read_later(warehouse: Warehouse) -> None:
    for run, hubspot_id in (("first", "1"), ("second", "2")):
        warehouse.run_id = run
        warehouse.upsert("sync.links", links(a=hubspot_id))
    last = "select max(snapshot_id) from lake.snapshots() where commit_message = ?"
    snapshots = {run: warehouse.read(last, [run]).item() for run in ("first", "second")}
    query = "select hubspot_id from sync.links at (version => {})"
    left = {run: warehouse.read(query.format(n)).rows() for run, n in snapshots.items()}
    assert left == {"first": [("1",)], "second": [("2",)]}


def test_two_writers_of_one_table_both_get_through(warehouse: Warehouse, lake: Lake) -> None:
    warehouse.replace("sync.opt_outs", frame_of("sync.opt_outs", [{"address": "x"}]))
    other = Warehouse(warehouse.path, lake=lake)

    def write(by: Warehouse, name: str) -> None:
        for number in range(4):
            by.upsert("sync.opt_outs", frame_of("sync.opt_outs", [{"address": "x", "run_id": f"{name}{number}"}]))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (warehouse, other), ("a", "b")))
    assert warehouse.read("select address, run_id in ('a3', 'b3') from sync.opt_outs").rows() == [("x", True)]


def test_a_longer_transaction_that_meets_another_stores_nothing_and_says_so(warehouse: Warehouse, lake: Lake) -> None:
    warehouse.replace("sync.links", links(a="1"))
    with pytest.raises(Conflict), warehouse.transaction() as con:
        con.execute("update sync.links set hubspot_id = '2'")
        Warehouse(warehouse.path, lake=lake).upsert("sync.links", links(a="3"))
    assert warehouse.read("select hubspot_id from sync.links").rows() == [("3",)]
    assert repr(lake).count("postgresql") == 0, "a password is in no message of any kind"


def test_analysts_read_and_cannot_write(warehouse: Warehouse, lake: Lake) -> None:
    warehouse.replace("sync.links", links(a="1"))
    parts = urlsplit(lake.catalog)
    with duckdb.connect() as con:
        lake.prepare(con)
        con.execute("attach '' as catalog (type postgres, secret catalog)")
        for statement in (
            GRANTS.read_text().replace("tl_hubspot", lake.name).replace("PASSWORD", "'readers'").split(";")
        ):
            words = " ".join(line for line in statement.splitlines() if not line.startswith("--")).strip()
            if words:
                con.execute("call postgres_execute('catalog', ?)", [words])
    address = f"postgresql://{lake.name}_analysts:readers@{parts.hostname}:{parts.port}{parts.path}"
    theirs = replace(lake, catalog=address)
    with theirs.open(read_only=True) as con:
        assert con.execute("select hubspot_id from sync.links").fetchall() == [("1",)]
        with pytest.raises(duckdb.Error, match="read-only"):
            con.execute("delete from sync.links")
    with theirs.open() as con, pytest.raises(duckdb.Error, match="permission denied"):
        con.execute("delete from sync.links")
    assert warehouse.count("sync.links") == 1


def test_another_deployment_is_refused(empty_lake: tuple[Lake, Path], tmp_path: Path) -> None:
    lake, owner = empty_lake
    with pytest.raises(WarehouseError, match=f"belongs to another deployment, whose data folder is {owner}"):
        Warehouse(tmp_path / "tl_hubspot.duckdb", lake=lake).count("sync.links")


def test_a_catalog_that_cannot_be_reached_or_lets_nobody_in(lake: Lake, tmp_path: Path) -> None:
    parts = urlsplit(lake.catalog)
    password = str(parts.password)
    for address, said in (
        (lake.catalog.replace(f":{parts.port}/", ":1/"), "Connection refused"),
        (lake.catalog.replace(password, "wrong-password"), "password authentication failed"),
        (lake.catalog.rpartition("/")[0] + "/nowhere", 'database "nowhere" does not exist'),
    ):
        with pytest.raises(WarehouseError, match=said):
            replace(lake, catalog=address).exists()
        with pytest.raises(WarehouseError, match=f"{said}.*TL_HUBSPOT_WAREHOUSE__CATALOG") as refused:
            Warehouse(tmp_path / "tl_hubspot.duckdb", lake=replace(lake, catalog=address)).count("sync.links")
        assert "wrong-password" not in refused.value.sentence
        assert password not in refused.value.sentence


def test_a_catalog_lost_in_the_middle(warehouse: Warehouse, lake: Lake) -> None:
    warehouse.replace("sync.links", links(a="1"))
    lost = r"connection to its catalog was lost.*TL_HUBSPOT_WAREHOUSE__CATALOG"
    with pytest.raises(WarehouseError, match=lost), warehouse.transaction() as con:
        con.execute("update sync.links set hubspot_id = '2'")
        lose(lake)
    with pytest.raises(WarehouseError, match=lost), warehouse.transaction() as con:
        con.execute("select * from sync.links").fetchall()
        lose(lake)
        con.execute("select * from sync.opt_outs").fetchall()
    assert warehouse.read("select hubspot_id from sync.links").rows() == [("1",)]


def lose(lake: Lake) -> None:
    """End every connection to the catalog, and wait until they are gone."""
    others = "from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"
    carry_out(lake.catalog, f"select count(pg_terminate_backend(pid, 10000)) {others}")


def test_a_server_that_was_stopped(warehouse: Warehouse, postgres: Postgres) -> None:
    warehouse.replace("sync.links", links(a="1"))
    try:
        with pytest.raises(WarehouseError) as lost, warehouse.transaction() as con:
            con.execute("update sync.links set hubspot_id = '2'")
            postgres.stop()
        with pytest.raises(WarehouseError) as refused:
            warehouse.upsert("sync.links", links(a="3"))
        with pytest.raises(WarehouseError) as unread:
            warehouse.read("sync.links")
    finally:
        postgres.start()
    for error in (lost, refused, unread):
        assert "TL_HUBSPOT_WAREHOUSE__CATALOG" in error.value.sentence
        assert "LINE" not in error.value.sentence, "what DuckDB asked itself"
    assert warehouse.read("select hubspot_id from sync.links").rows() == [("1",)]
    assert warehouse.upsert("sync.links", links(a="3")).updated == 1


def test_a_bucket_without_permission(in_bucket: Warehouse, storage: Storage) -> None:
    storage.refuses = True
    with pytest.raises(WarehouseError, match=r"403.*TL_HUBSPOT_WAREHOUSE__FILES") as refused:
        in_bucket.append("sync.links", many("1"))
    assert SECRET not in refused.value.sentence
    assert in_bucket.count("sync.links") == 0


def test_a_bucket_lost_in_the_middle(in_bucket: Warehouse, storage: Storage, tmp_path: Path) -> None:
    in_bucket.append("sync.links", many("1"))
    storage.stop()
    lost = r"Could not connect to server.*TL_HUBSPOT_WAREHOUSE__FILES"
    try:
        for write in (
            lambda: in_bucket.append("sync.seen", seen(0)),
            lambda: in_bucket.upsert("sync.links", many("2")),
        ):
            with pytest.raises(WarehouseError, match=lost):
                write()
        with pytest.raises(WarehouseError, match=lost):
            in_bucket.publish(tmp_path / "analytics.duckdb")
        assert in_bucket.count("sync.seen") == 0
    finally:
        storage.start()
    assert in_bucket.upsert("sync.links", many("2")).updated == 1000


def test_a_warehouse_of_a_newer_version_is_left_alone(empty_lake: tuple[Lake, Path], tmp_path: Path) -> None:
    lake = copied(empty_lake, tmp_path)
    newer = schema.SCHEMA_VERSION + 1
    with Warehouse(tmp_path / "data" / "tl_hubspot.duckdb", lake=lake).transaction() as con:
        con.execute(f"update meta.deployment set schema_version = {newer}")
    with pytest.raises(WarehouseError, match=rf"tables of version {newer}\) \({lake.name} at "):
        Warehouse(tmp_path / "data" / "tl_hubspot.duckdb", lake=lake).count("sync.links")


def test_an_extension_of_another_version(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb, "__version__", "9.9.9")
    with pytest.raises(ConfigurationError, match=r"httpfs is of another version than DuckDB 9\.9\.9"):
        Warehouse(tmp_path / "tl_hubspot.duckdb", lake=replace(lake, name="unused")).count("sync.links")


@all_ways
def test_tidying_merges_small_files_and_keeps_every_row(warehouse: Warehouse) -> None:
    for number in range(3):
        warehouse.append("sync.seen", seen(number))
    with warehouse.connect() as con:
        con.execute("checkpoint").fetchall()
    assert warehouse.count("sync.seen") == 300
    assert warehouse.size() > 0
