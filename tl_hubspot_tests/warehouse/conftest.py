"""The two places that a warehouse can be in: a DuckDB file, and DuckLake with its catalog in PostgreSQL.

Here every database is made by the product, none is a copy.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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


@pytest.fixture(params=["file", "lake"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Warehouse]:
    """A new warehouse in either place, held open."""
    given: dict[str, Any] = {}
    if request.param == "lake":
        given["lake"] = lake_in(request.getfixturevalue("catalog"), tmp_path)
    warehouse = Warehouse(tmp_path / "data" / "tl_hubspot.duckdb", lock_timeout=10, **given)
    warehouse.hold()
    try:
        yield warehouse
    finally:
        warehouse.release()
