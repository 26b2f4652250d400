"""A reading that is killed anywhere: the next run goes on with it, and has the tables of one that was never killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.e2e.extracting import run

START = datetime(2026, 11, 2, 11, tzinfo=UTC)
EVERYWHERE = "TL_HUBSPOT_KILL_EVERYWHERE" in os.environ
"""Some places are enough to see that nothing broke; with this variable set it is each of the thirty."""
STREAMS = ("contacts", "companies", "deals")
STAMPS = {"_loaded_at", "_run_id", "read_until", "run_id", "_run"}


class Scene:
    """An account, the database of a first run, what changed since, and the tables that the next run must lead to."""

    def __init__(self, systems: LocalSystems, folder: Path) -> None:
        self.systems, self.folder = systems, folder
        self.environment = systems.environment() | {"TL_HUBSPOT_AS_OF": START.isoformat()}

    def data(self, name: str, base: Path | None = None) -> Path:
        """A new data folder, with a copy of the database of another one; all share the grant of the account."""
        folder = self.folder / name
        folder.mkdir()
        (self.folder / "tokens").mkdir(exist_ok=True)
        (folder / "tokens").symlink_to(self.folder / "tokens")
        if base is not None:
            shutil.copy(base / "tl_hubspot.duckdb", folder)
        return folder

    def go(self, folder: Path, run_id: str, **how: Any) -> int | None:
        """One run of the reading steps; returns how many transactions it made, None when it was killed."""
        self.systems.teamleader.log.clear()
        return run(folder, self.environment, run_id, **how)

    def kill(self, name: str, base: Path | None, *, full: bool, step: int) -> None:
        """Kill runs before their first commit and each `step` further; go on; compare with an undisturbed run."""
        twin = self.data(f"{name}-twin", base)
        commits = self.go(twin, "undisturbed", full=full)
        assert commits is not None
        expected = tables(twin)
        for fatal in range(1, commits + 1, 1 if EVERYWHERE else step):
            folder = self.data(f"{name}-{fatal}", base)
            assert self.go(folder, "killed", full=full, fatal=fatal) is None
            assert self.go(folder, "resumed", full=full)
            asked = [call["body"] for call in self.systems.teamleader.log.entries if call["path"] == "/contacts.list"]
            if 1 < fatal <= 4:
                assert not any(_is_beginning(body) for body in asked), "it began anew"
            assert tables(folder) == expected, f"killed before commit {fatal} of {commits}"


def _is_beginning(request: dict[str, Any]) -> bool:
    return request["filter"] == {"status": "active"} and request["sort"][0]["order"] == "asc"


def tables(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that was read, up to run ids and load times."""
    warehouse = Warehouse(folder / "tl_hubspot.duckdb", read_only=True)
    found = {}
    for table in (*(f"teamleader.{s}" for s in STREAMS), "teamleader.rejected", "sync.watermarks"):
        frame = warehouse.read(table)
        if "deleted_at" in frame.columns:
            frame = frame.with_columns(pl.col("deleted_at").is_not_null())
        found[table] = _rows(frame)
    for stream in STREAMS:
        last = "(select run_id from history.runs order by number desc limit 1)"
        versions = warehouse.read(f"select * from teamleader.{stream}_as_of({last})")
        current = warehouse.read(f"select * from teamleader.{stream}").select(versions.columns)
        assert _rows(versions) == _rows(current), "history and current table differ"
    for table in ("sync.unfinished", "sync.seen"):
        assert warehouse.count(table) == 0, f"{table} is left over"
    return found


def _rows(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return sorted(tuple(map(str, row)) for row in frame.drop(STAMPS & set(frame.columns)).iter_rows())


def _at(minutes: float) -> str:
    return (START - timedelta(days=30) + timedelta(minutes=minutes)).isoformat()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems:
        account = systems.teamleader
        systems.clock.set(START)
        times = {"contacts": "added_at", "companies": "added_at", "deals": "created_at"}
        records: dict[str, list[dict[str, Any]]] = {
            # a hundred and twenty of one second; a page of the deactivated ones is not full
            "contacts": [
                {
                    "last_name": f"N{n}",
                    "updated_at": _at(n if n > 120 else 0),
                    "status": "deactivated" if n < 20 else "active",
                }
                for n in range(260)
            ],
            "companies": [{"name": f"K{n}", "updated_at": _at(n)} for n in range(30)],
            "deals": [{"title": f"D{n}", "updated_at": _at(n)} for n in range(230)],
        }
        for kind, rows in records.items():
            account.load(kind, [{"id": account.new_id(kind), times[kind]: r["updated_at"], **r} for r in rows])
        yield Scene(systems, tmp_path_factory.mktemp("kills"))


@pytest.fixture(scope="module")
def changed(scene: Scene) -> Path:
    """The data folder of a first run, after which the account changed: edits, new ones, deletions, bumps."""
    base = scene.data("base")
    assert scene.go(base, "first")
    account = scene.systems.teamleader
    scene.systems.clock.advance(3600)
    for kind in STREAMS:
        name = {"contacts": "last_name", "companies": "name", "deals": "title"}[kind]
        ids = sorted(record["id"] for record in account.all(kind))
        for id in ids[:3]:
            account.delete(kind, id)
        for id in ids[3:20]:
            account.update(kind, id, **{name: "changed"})
        for id in ids[20:25]:
            account.silent_update(kind, id, **{name: "changed in silence"})
        for id in ids[25:28]:
            account.update(kind, id)
    for n in range(120):
        account.add("contacts", {"last_name": f"new {n}"})
    scene.systems.clock.advance(3600)
    return base


def test_killed_in_the_first_reading(scene: Scene) -> None:
    scene.kill("first", None, full=False, step=8)


def test_killed_in_a_sweep(scene: Scene, changed: Path) -> None:
    scene.kill("sweep", changed, full=True, step=9)


def test_killed_in_an_increment(scene: Scene, changed: Path) -> None:
    scene.kill("increment", changed, full=False, step=3)
