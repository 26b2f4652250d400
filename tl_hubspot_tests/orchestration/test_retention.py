"""What is thrown away when it is old, and what never is; rows, files and Dagster's runs on both sides of the limit."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType

from tl_hubspot.config import settings as configuration
from tl_hubspot.errors import ConfigurationError
from tl_hubspot.orchestration.execute import tidy
from tl_hubspot.orchestration.run import DATA, AnotherRun, Platform
from tl_hubspot.orchestration.steps import retention
from tl_hubspot.warehouse.rows import frame_of

NOW = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
DAYS = {"RUNS": "10", "JOURNAL": "20", "LOG": "40", "HISTORY": "30", "DAGSTER": "5", "PUBLISHED": "2"}
VANISHED = json.dumps([{"name": f"vanished_{kind}"} for kind in ("contacts", "companies", "deals")])


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    environment = {f"TL_HUBSPOT_RETENTION__{name}_DAYS": value for name, value in DAYS.items()}
    settings = configuration.load({"TL_HUBSPOT_DATA": str(tmp_path), **environment}, directory=tmp_path)
    platform = Platform(settings, clock=lambda: NOW)
    platform.warehouse.count("sync.runs")
    return platform


def throw_away(platform: Platform, instance: dg.DagsterInstance | None = None) -> dict[str, int]:
    try:
        return retention.tidy(platform, instance)
    finally:
        platform.close()


def put(platform: Platform, table: str, *rows: dict[str, Any]) -> None:
    platform.warehouse.append(table, frame_of(table, rows))


def left(platform: Platform, table: str, column: str) -> set[Any]:
    return set(platform.warehouse.read(f"select {column} from {table}")[column])


def test_rows(platform: Platform) -> None:
    put(platform, "sync.log", *({"timestamp": ago(n), "message": str(n)} for n in (39.9, 40.1, 400)))
    journal = [("done", 19.9), ("done", 20.1), ("failed", 20.1), ("intended", 500)]
    entries = [
        {"call_id": f"{state} {n}", "state": state, "intended_at": ago(n), "settled_at": None if n > 100 else ago(n)}
        for state, n in journal
    ]
    put(platform, "sync.journal", *entries, {"call_id": "unsettled", "state": "done", "intended_at": ago(21)})
    put(platform, "sync.opt_outs", {"address": "weg@voorbeeld.be", "at": ago(3000)})
    put(platform, "sync.releases", {"entity_type": "deal", "teamleader_id": "d", "released_at": ago(3000)})
    put(platform, "teamleader.deals", {"id": "gone", "deleted_at": ago(3000), "updated_at": ago(4000)})
    freed = throw_away(platform)
    assert left(platform, "sync.log", "message") == {"39.9"}
    assert left(platform, "sync.journal", "call_id") == {"done 19.9", "intended 500"}
    assert (freed["sync.log"], freed["sync.journal"]) == (2, 3)
    for table in ("sync.opt_outs", "sync.releases", "teamleader.deals"):
        assert platform.warehouse.count(table) == 1, "what is state has no age"
    again = throw_away(platform)
    assert all(number == 0 for what, number in again.items() if not what.startswith("bytes"))


def test_the_newest_runs_stay_whatever_their_age(platform: Platform) -> None:
    def run(run_id: str, days: float, status: str, command: str = "sync", limits: str = VANISHED) -> dict[str, Any]:
        at = {"started_at": ago(days), "finished_at": ago(days)}
        return {"run_id": run_id, "status": status, "command": command, "limits": limits} | at

    contacts_only = json.dumps([{"name": "vanished_contacts"}])
    put(
        platform,
        "sync.runs",
        run("old", 300, "done"),
        run("old and held", 290, "held"),
        run("last that pushed deals", 200, "done"),
        run("last that was held", 190, "held"),
        run("contacts only", 100, "done", limits=contacts_only),
        run("contacts only, newest done", 90, "done", limits=contacts_only),
        run("older plan", 80, "planned", "plan"),
        run("newest plan", 70, "planned", "plan"),
        run("stopped", 10.1, "stopped"),
        run("stopped, young", 9.9, "stopped"),
    )
    freed = throw_away(platform)
    assert left(platform, "sync.runs", "run_id") == {
        "last that pushed deals",
        "last that was held",
        "contacts only, newest done",
        "newest plan",
        "stopped, young",
    }
    assert freed["sync.runs"] == 5


def test_versions_that_were_replaced_long_ago(platform: Platform) -> None:
    runs = {1: 100, 2: 60, 3: 31, 4: 29, 5: 1}
    put(platform, "history.runs", *({"number": n, "run_id": f"run{n}", "started_at": ago(d)} for n, d in runs.items()))

    def version(contact: str, run: int, removed: bool = False) -> dict[str, Any]:
        return {"id": contact, "first_name": None if removed else f"{contact}{run}", "_run": run, "_removed": removed}

    put(platform, "history.contacts", *(version("a", n) for n in (1, 2, 3, 4, 5)), version("b", 1), version("d", 4))
    put(platform, "history.contacts", version("c", 1), version("c", 2, removed=True))

    def as_of(run: str) -> set[str]:
        return set(platform.warehouse.read(f"select first_name from teamleader.contacts_as_of('{run}')")["first_name"])

    before = {run: as_of(run) for run in ("run3", "run4", "run5")}
    freed = throw_away(platform)
    assert freed["history"] == 3, "a1, a2 and c1: replaced before the last run of more than 30 days ago"
    assert {run: as_of(run) for run in before} == before
    assert before["run3"] == {"a3", "b1"}
    with pytest.raises(Exception, match="There is no run run2"):
        as_of("run2")


def test_files(platform: Platform) -> None:
    data, logs = platform.settings.data, platform.settings.log_file.parent
    logs.mkdir()
    platform.settings.log_file.write_text(json.dumps({"timestamp": "2026-10-03T04:00:00Z"}) + "\n")
    (logs / "sync-until-2026-10-12.jsonl").write_text("{}\n")  # 40 days ago
    (logs / "sync-until-2026-10-11.jsonl").write_text("{}\n")
    files = {"logs/error-1.txt": 9.9, "logs/error-2.txt": 10.1, "analytics.1.duckdb": 2.1, "analytics.2.duckdb": 1.9}
    for name, days in (files | {"analytics.3.duckdb": 99}).items():
        (data / name).write_bytes(b"")
        os.utime(data / name, (ago(days).timestamp(), ago(days).timestamp()))
    platform.settings.published.symlink_to("analytics.3.duckdb")
    freed = throw_away(platform)
    assert (freed["log_files"], freed["error_files"], freed["published_copies"]) == (1, 1, 1)
    kept = {p.name for p in (*data.glob("analytics*"), *logs.iterdir())}
    assert kept == {
        "analytics.duckdb",
        "analytics.2.duckdb",
        "analytics.3.duckdb",  # what readers get, whatever its age
        "error-1.txt",
        "sync-until-2026-10-12.jsonl",
        "sync-until-2026-11-21.jsonl",  # October's lines go on a file of their own
    }
    platform.settings.log_file.write_text(json.dumps({"timestamp": "2026-11-21T04:00:00Z"}) + "\n")
    throw_away(platform)
    assert platform.settings.log_file.exists(), "this month's file is still written to"


def _run(instance: dg.DagsterInstance, data: Path, job: str, days: float, end: DagsterEventType | None) -> str:
    run = dg.DagsterRun(job_name=job, tags={DATA: str(data.resolve())})
    instance.run_storage.add_historical_run(run, ago(days))
    for kind in (DagsterEventType.RUN_START, end):
        if kind is not None:
            event = DagsterEvent(event_type_value=kind.value, job_name=job)
            instance.report_dagster_event(event, run.run_id)
    folder = Path(instance.storage_directory()) / run.run_id / "compute_logs"
    folder.mkdir(parents=True)
    (folder / "step.err").write_text("said")
    return run.run_id


def test_runs_of_dagster(platform: Platform, tmp_path: Path) -> None:
    ok, bad = DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE
    home = tmp_path / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:

        def put(job: str, days: float, end: DagsterEventType | None, data: Path = tmp_path) -> str:
            return _run(instance, data, job, days, end)

        old = [put("sync", 30, ok), put("sync", 20, bad)]
        kept = [
            put("sync", 8, ok),  # the newest that ended well: what the UI shows of the assets
            put("sync", 6, None),  # goes on
            put("sync", 5.5, ok, tmp_path / "another"),
            put("sync", 50, bad, tmp_path / "another"),
        ]
        old.append(put("sync", 5.1, bad))
        kept.append(put("sync", 4.9, bad))
        assert throw_away(platform, instance)["dagster_runs"] == len(old)
        assert {r.run_id for r in instance.get_runs()} == set(kept)
        for run_id in (*old, *kept):
            files = [*(home / "history" / "runs").glob(f"{run_id}*"), *(home / "storage").glob(f"{run_id}/**/*.err")]
            assert len(files) == (2 if run_id in kept else 0)
        assert all(instance.all_logs(run_id) for run_id in kept)


def test_nothing_is_thrown_away_while_a_run_goes_on(platform: Platform) -> None:
    put(platform, "sync.log", {"timestamp": ago(400)})
    other = Platform(platform.settings)
    other.take_lock()
    try:
        with pytest.raises(AnotherRun):
            throw_away(platform)
    finally:
        other.close()
    assert platform.warehouse.count("sync.log") == 1


def test_a_folder_without_a_database_stays_as_it_is(tmp_path: Path) -> None:
    settings = configuration.load({"TL_HUBSPOT_DATA": str(tmp_path / "data")}, directory=tmp_path)
    with pytest.raises(ConfigurationError, match="nothing to tidy"):
        tidy(Platform(settings))
    assert list(tmp_path.iterdir()) == []


def test_the_file_gets_its_space_back(platform: Platform) -> None:
    rows = [{"timestamp": ago(41), "run_id": f"{n:x}" * 5, "message": f"{n * n:x}" * 9} for n in range(30_000)]
    put(platform, "sync.log", *rows)
    before = throw_away(platform)
    assert before["sync.log"] == len(rows)
    put(platform, "sync.log", *rows)
    again = throw_away(platform)
    assert again["bytes_before"] <= before["bytes_before"] * 1.1, "new rows go where the old ones were"
