"""The two places that a warehouse can be in: a DuckDB file, and DuckLake with its catalog in PostgreSQL.

Here every file is made by the product, none is a copy. A lake is made by it once per test process, and its catalog is
copied from then on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tl_hubspot.warehouse import store
from tl_hubspot.warehouse.lake import Lake
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.conftest import MAKES_ANEW

LOCAL_UP = Path(__file__).resolve().parents[2] / "deploy" / "local_up.sh"
Make = Callable[..., Warehouse]


@pytest.fixture(autouse=True)
def made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_open", MAKES_ANEW)


@pytest.fixture(scope="session")
def catalog() -> Iterator[str]:
    """Address of a PostgreSQL database; skipped where it or the extra `lake` is not installed."""
    missing = [n for n in ("ducklake", "postgres_scanner", "httpfs") if find_spec(f"duckdb_extension_{n}") is None]
    missing += [] if list(Path("/usr/lib/postgresql").glob("*/bin/initdb")) else ["PostgreSQL"]
    missing += [] if shutil.which("redis-server") else ["Redis"]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = Path(tempfile.mkdtemp(prefix="tl_hubspot-catalog-"))
    folder.chmod(0o711)  # PostgreSQL runs as a user of its own
    said = subprocess.run([str(LOCAL_UP), str(folder)], check=True, capture_output=True, text=True).stdout
    values = dict(line.split("=", 1) for line in said.splitlines())
    user = f"{values['DAGSTER_PG_USERNAME']}:{values['DAGSTER_PG_PASSWORD']}"
    try:
        yield f"postgresql://{user}@127.0.0.1:{values['DAGSTER_PG_PORT']}/{values['DAGSTER_PG_DB']}"
    finally:
        subprocess.run([str(LOCAL_UP), str(folder), "stop"], check=True)
        shutil.rmtree(folder)


def lake_in(catalog: str, folder: Path) -> Lake:
    """A lake that nobody has used."""
    return Lake(catalog, str(folder / "lake"), f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def empty_lake(catalog: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    """A lake that the product made, with all tables and no rows, in a database of its own; and its data folder."""
    folder = tmp_path_factory.mktemp("empty_lake")
    in_postgres(catalog, "create database made")
    lake = lake_in(_beside(catalog, "made"), folder)
    Warehouse(folder / "tl_hubspot.duckdb", lake=lake).count("sync.runs")
    return lake, folder


def copied(empty_lake: tuple[Lake, Path], folder: Path) -> Lake:
    """A lake of one's own, equal to the empty one; its files in `folder`, its data folder `folder/data`."""
    made, data = empty_lake
    (folder / "data").mkdir()
    shutil.copy(data / "deployment.id", folder / "data")
    name = f"t{uuid.uuid4().hex[:12]}"
    in_postgres(made.catalog, f"create database {name} template made", database="postgres")
    lake = replace(made, catalog=_beside(made.catalog, name), files=str(folder / "lake"))
    place = f"update {lake.name}.ducklake_metadata set value = '{lake.files}/' where key = 'data_path'"
    in_postgres(lake.catalog, place)
    return lake


def _beside(catalog: str, database: str) -> str:
    return catalog.rpartition("/")[0] + f"/{database}"


def in_postgres(catalog: str, statement: str, *, database: str = "") -> None:
    """Have PostgreSQL carry out a statement, in another database of the server when one is named."""
    address = _beside(catalog, database) if database else catalog
    password = {"PGPASSWORD": str(urlsplit(catalog).password)}
    line = [
        "psql",
        "-qAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-c",
        statement,
        address.replace(f":{password['PGPASSWORD']}@", "@"),
    ]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env=os.environ | password)


@pytest.fixture(params=["file", "lake"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A new warehouse in either place, held open."""
    given: dict[str, Any] = {}
    if request.param == "lake":
        given["lake"] = copied(request.getfixturevalue("empty_lake"), tmp_path)
    warehouse = Warehouse(tmp_path / "data" / "tl_hubspot.duckdb", lock_timeout=10, **given)
    warehouse.hold()
    try:
        yield warehouse
    finally:
        warehouse.release()
