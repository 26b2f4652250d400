"""What all tests need: nothing of theirs is left in the user's own folders, and nothing there changes their outcome.

A test process is one of several that share the machine, and what it looks at is small: one thread each, and the tables
of a new database are made once per process and copied from then on (the tests of `warehouse` make each anew).
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import pytest
from hypothesis import settings

from tl_hubspot.warehouse import lake, store

gc.set_threshold(500_000)  # as the command line does

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

MAKES_ANEW = store._open
"""Opens databases as the product does, the first time too."""


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Calls are counted in a folder of this test process; what chooses tests is no setting of programs they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TL_HUBSPOT_ALL_WAYS", raising=False)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database that the product made, with all tables and no rows: where none is yet, a copy of it is opened."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(store._CONFIG, "threads", "1")
        patch.setitem(lake._CONFIG, "threads", "1")
        made = tmp_path_factory.mktemp("empty") / "tl_hubspot.duckdb"
        store.Warehouse(made).count("sync.runs")

        def opened(path: Path, *, read_only: bool, **more: Any) -> Any:
            if not read_only and not path.exists():
                shutil.copyfile(made, path)
            return MAKES_ANEW(path, read_only=read_only, **more)

        patch.setattr(store, "_open", opened)
        yield made


@pytest.fixture
def stays_open(empty_database: Path) -> Iterator[None]:
    """Databases that a test opens stay open until its end: to open one takes as long as ten questions. Not for tests in
    which another process then opens one too, or a file is copied or taken away."""
    begin, kept = store._open, dict[Path, Any]()

    def opened(path: Path, *, read_only: bool, **more: Any) -> Any:
        if path not in kept:
            if read_only:
                return begin(path, read_only=True, **more)
            kept[path] = begin(path, read_only=False, **more)
        return kept[path].cursor()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_open", opened)
        yield
    for con in kept.values():
        con.close()


@pytest.fixture(scope="session")
def empty_dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Dagster instance that the product made, without runs: from here on a new data folder gets a copy of it."""
    from tl_hubspot.orchestration import execute

    begin = execute.dagster_home
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        made = begin(tmp_path_factory.mktemp("dagster"))
        with execute.open_instance(made):
            pass

        def begun(data: Path) -> Path:
            if "DAGSTER_HOME" not in os.environ and not (data / "dagster").exists():
                shutil.copytree(made, data / "dagster")
            return begin(data)

        patch.setattr(execute, "dagster_home", begun)
        yield made
