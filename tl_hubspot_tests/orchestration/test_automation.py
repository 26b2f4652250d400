"""What runs by itself: the switch, when schedules tick, one run at a time, lost runs, and the change sensor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._utils.schedules import cron_string_iterator
from filelock import FileLock

from tl_hubspot.config import settings as configuration
from tl_hubspot.config.settings import Settings
from tl_hubspot.definitions import build_definitions
from tl_hubspot.orchestration import automation
from tl_hubspot.orchestration.automation import PART
from tl_hubspot.orchestration.run import DATA
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot_tests.cli.terminal import environment_of

SCHEDULES = {
    "interval": "interval_sync",
    "sweep": "nightly_sweep",
    "retention": "nightly_tidy",
    "digest": "digest_mail",
    "crmoffice": "crmoffice_sync",
}
SENSORS = {
    "changes": "teamleader_changes",
    "webhooks": "teamleader_webhooks",
    "lost_runs": "lost_runs",
    "alerts": "failed_run_mail",
}
BRUSSELS = ZoneInfo("Europe/Brussels")
_STATUS = dg.DagsterRunStatus


def load(tmp_path: Path, **environment: str) -> Settings:
    return configuration.load({"TL_HUBSPOT_DATA": str(tmp_path), **environment}, directory=tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """One for all tests: each has a data folder of its own, and the runs of another folder are in nobody's way."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


def schedule(settings: Settings, part: str) -> dg.ScheduleDefinition:
    return {s.name: s for s in automation.schedules(settings)}[SCHEDULES[part]]


# --- the switch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "running"),
    [
        ({}, set()),
        ({"ON": "true"}, {"interval", "sweep", "retention", "lost_runs"}),
        ({"ON": "true", "INTERVAL": "false", "CHANGES": "true"}, {"sweep", "retention", "lost_runs", "changes"}),
        ({"SWEEP": "true"}, {"sweep"}),
        ({"ON": "true", "LOST_RUNS": "false", "WEBHOOKS": "true"}, {"interval", "sweep", "retention", "webhooks"}),
        ({"DIGEST": "true", "ALERTS": "true", "CRMOFFICE": "true"}, {"digest", "alerts", "crmoffice"}),
    ],
)
def test_one_switch_and_single_parts(tmp_path: Path, chosen: dict[str, str], running: set[str]) -> None:
    settings = load(tmp_path, **{f"TL_HUBSPOT_AUTOMATION__{name}": value for name, value in chosen.items()})
    schedules = {s.name: s.default_status is dg.DefaultScheduleStatus.RUNNING for s in automation.schedules(settings)}
    sensors = {s.name: s.default_status is dg.DefaultSensorStatus.RUNNING for s in automation.sensors(settings)}
    assert schedules == {name: part in running for part, name in SCHEDULES.items()}
    assert sensors == {name: part in running for part, name in SENSORS.items()}


def test_times_as_files_give_them(tmp_path: Path) -> None:
    path = tmp_path / "tl.yaml"
    for text in ('"23:30"', "23:30"):  # without quotes YAML reads a number of minutes
        path.write_text(f"automation:\n  sweep_at: {text}\n")
        assert load(tmp_path, TL_HUBSPOT_CONFIG=str(path)).automation.sweep_at == "23:30"
    toml = tmp_path / "tl.toml"
    toml.write_text("[automation]\nsweep_at = 23:30:00\ninterval_minutes = 120\n")
    settings = load(tmp_path, TL_HUBSPOT_CONFIG=str(toml))
    assert schedule(settings, "sweep").cron_schedule == "30 23 * * *"
    assert schedule(settings, "interval").cron_schedule == "0 */2 * * *"


def ticks(schedule: dg.ScheduleDefinition, day: datetime) -> list[datetime]:
    """Ticks of that calendar day in Brussels, in UTC."""
    begin, end = day.replace(tzinfo=BRUSSELS), (day + timedelta(days=1)).replace(tzinfo=BRUSSELS)
    found = []
    for tick in cron_string_iterator(begin.timestamp(), str(schedule.cron_schedule), schedule.execution_timezone):
        if tick >= end:
            return [t.astimezone(UTC) for t in found]
        found.append(tick)
    raise AssertionError


@pytest.mark.parametrize("at", ["02:30", "03:00"])
@pytest.mark.parametrize(
    ("day", "quarters"), [(datetime(2027, 3, 28), 92), (datetime(2027, 10, 31), 100), (datetime(2027, 6, 1), 96)]
)
def test_clocks_that_change(tmp_path: Path, at: str, day: datetime, quarters: int) -> None:
    settings = load(tmp_path, TL_HUBSPOT_AUTOMATION__SWEEP_AT=at)
    assert len(ticks(schedule(settings, "sweep"), day)) == 1, "once a day, on days of 23 and of 25 hours too"
    interval = ticks(schedule(settings, "interval"), day)
    assert len(interval) == quarters
    steps = {b - a for a, b in pairwise(interval)}
    assert steps == {timedelta(minutes=15)}


# --- one run at a time -----------------------------------------------------------------------------------------------


def put(
    instance: dg.DagsterInstance,
    settings: Settings,
    status: dg.DagsterRunStatus,
    *,
    part: str | None = None,
    job: str = "sync",
    began: datetime | None = None,
    **tags: str,
) -> str:
    """A run in this state, as the job's own tags and `part` mark it."""
    given = {DATA: str(settings.data.resolve())} | ({PART: part} if part else {}) | tags
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ours"), "__repository__")
    run = dg.DagsterRun(job_name=job, tags=given, remote_job_origin=RemoteJobOrigin(location, job))
    instance.add_run(run)
    for kind in _EVENTS[status]:
        event = DagsterEvent(event_type_value=kind.value, job_name=job)
        instance.run_storage.handle_run_event(run.run_id, event, update_timestamp=began or datetime.now(UTC))
    return run.run_id


_BEGUN = [DagsterEventType.RUN_ENQUEUED, DagsterEventType.RUN_STARTING, DagsterEventType.RUN_START]
_EVENTS = {
    _STATUS.QUEUED: _BEGUN[:1],
    _STATUS.STARTING: _BEGUN[:2],
    _STATUS.STARTED: _BEGUN,
    _STATUS.SUCCESS: [*_BEGUN, DagsterEventType.RUN_SUCCESS],
    _STATUS.FAILURE: [*_BEGUN, DagsterEventType.RUN_FAILURE],
    _STATUS.CANCELED: [*_BEGUN, DagsterEventType.RUN_CANCELED],
}


def tick(settings: Settings, part: str, instance: dg.DagsterInstance) -> Any:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2026, 1, 1, tzinfo=UTC))
    return schedule(settings, part).evaluate_tick(context)


def test_what_a_tick_asks_for(settings: Settings, instance: dg.DagsterInstance) -> None:
    asked = {part: tick(settings, part, instance).run_requests for part in SCHEDULES}
    assert all(len(requests) == 1 for requests in asked.values())
    assert {part: requests[0].tags[PART] for part, requests in asked.items()} == {part: part for part in SCHEDULES}
    assert asked["sweep"][0].run_config == {"resources": {"platform": {"config": {"full": True}}}}
    assert asked["interval"][0].run_config == {}
    jobs = {job.name: job for job in build_definitions().jobs or ()}
    assert all(schedule(settings, part).job_name in jobs for part in SCHEDULES)


@pytest.mark.parametrize("status", [_STATUS.QUEUED, _STATUS.STARTING, _STATUS.STARTED])
def test_nothing_piles_up(settings: Settings, instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> None:
    put(instance, settings, status, part="interval")
    skipped = tick(settings, "interval", instance)
    assert not skipped.run_requests
    assert "of sync" in skipped.skip_message
    # a daily run is not lost to a short one: it waits for its turn, but only one of a kind does
    assert len(tick(settings, "sweep", instance).run_requests) == 1
    put(instance, settings, _STATUS.QUEUED, part="sweep")
    assert not tick(settings, "sweep", instance).run_requests
    assert len(tick(settings, "retention", instance).run_requests) == 1


def test_runs_of_others_and_ended_ones_are_in_nobodys_way(settings: Settings, instance: dg.DagsterInstance) -> None:
    for status in (_STATUS.SUCCESS, _STATUS.FAILURE, _STATUS.CANCELED):
        put(instance, settings, status)
    put(instance, settings, _STATUS.STARTED, **{DATA: "/elsewhere"})
    assert len(tick(settings, "interval", instance).run_requests) == 1


def test_a_run_of_the_command_line_counts(settings: Settings, instance: dg.DagsterInstance) -> None:
    with FileLock(settings.data / ".run.lock"):
        skipped = tick(settings, "interval", instance)
        assert skipped.skip_message == "A run is going on that was started at the command line."
    assert len(tick(settings, "interval", instance).run_requests) == 1


def test_a_run_whose_process_is_gone_is_ended(settings: Settings, instance: dg.DagsterInstance) -> None:
    now = datetime.now(UTC)
    lost = put(instance, settings, _STATUS.STARTED, began=now - timedelta(hours=1))
    with FileLock(settings.data / ".run.lock"):
        assert not tick(settings, "interval", instance).run_requests, "whoever goes on holds the lock"
    young = put(instance, settings, _STATUS.STARTED, began=now)
    assert not tick(settings, "interval", instance).run_requests, "it may not have come to the lock yet"
    assert instance.get_run_by_id(lost).status is _STATUS.FAILURE  # type: ignore[union-attr]
    assert instance.get_run_by_id(young).status is _STATUS.STARTED  # type: ignore[union-attr]


def test_the_sensor_of_lost_runs_ends_them_and_asks_for_nothing(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    lost = put(instance, settings, _STATUS.STARTED, began=datetime.now(UTC) - timedelta(hours=1))
    waiting = put(instance, settings, _STATUS.QUEUED)
    sensor = automation.lost_runs(settings)
    with FileLock(settings.data / ".run.lock"):
        said = sensor.evaluate_tick(dg.build_sensor_context(instance))
        assert said.skip_message == "Runs that wait or go on: 2."
    said = sensor.evaluate_tick(dg.build_sensor_context(instance))
    assert (said.run_requests, said.skip_message) == ([], "Runs that wait or go on: 1.")
    assert instance.get_run_by_id(lost).status is _STATUS.FAILURE  # type: ignore[union-attr]
    assert instance.get_run_by_id(waiting).status is _STATUS.QUEUED  # type: ignore[union-attr]


@pytest.mark.parametrize("job", ["sync", "tidy"])
@pytest.mark.parametrize("by_itself", [True, False])
def test_a_run_that_meets_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, job: str, by_itself: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "TEAMLEADER_CLIENT_ID",
        "TEAMLEADER_CLIENT_SECRET",
        "TEAMLEADER_REFRESH_TOKEN",
        "HUBSPOT_ACCESS_TOKEN",
    ):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("TL_HUBSPOT_DATA", str(tmp_path))
    (tmp_path / "tl_hubspot.duckdb").touch()
    definition = build_definitions().resolve_job_def(job)
    with FileLock(tmp_path / ".run.lock"):
        result = definition.execute_in_process(
            instance=instance, raise_on_error=False, tags={PART: "interval"} if by_itself else {}
        )
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status is (_STATUS.CANCELED if by_itself else _STATUS.FAILURE)
    said = " ".join(f"{record.message} {record.dagster_event}" for record in instance.all_logs(result.run_id))
    assert "Another run is going on for this data folder" in said
    assert ("Nothing was done." in said) is by_itself
    assert not list((tmp_path / "logs").glob("*")), "nothing was begun"


# --- changes ---------------------------------------------------------------------------------------------------------


def test_the_change_sensor_asks_until_a_run_ended_well(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    with LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems:
        settings = load(tmp_path, **environment_of(systems))
        sensor = automation.changes(settings)

        def look(cursor: str | None) -> Any:
            systems.teamleader.log.clear()
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))

        first = look(None)
        assert not first.run_requests
        assert "First look" in first.skip_message
        quiet = look(first.cursor)
        assert quiet.skip_message == "Nothing changed in Teamleader."
        assert [e["path"] for e in systems.teamleader.log.entries] == [
            "/contacts.list",
            "/companies.list",
            "/deals.list",
        ]
        # a time in the future is no change that is asked for again and again
        tomorrow = (systems.clock.now() + timedelta(days=1)).isoformat(timespec="seconds")
        systems.teamleader.add("contacts", {"first_name": "Odd", "last_name": "Time", "updated_at": tomorrow})
        systems.teamleader.add("companies", {"name": "Odd NV", "updated_at": tomorrow})
        assert look(first.cursor).skip_message == "Nothing changed in Teamleader."
        systems.clock.advance(60)
        systems.teamleader.add("contacts", {"first_name": "New", "last_name": "Person"})
        systems.clock.advance(5)
        found = look(quiet.cursor)
        assert [r.tags[PART] for r in found.run_requests] == ["changes"]
        assert [e.asset_key.path for e in found.asset_events] == [["teamleader_focus", "contacts"]]
        assert look(quiet.cursor).run_requests[0].run_key == found.run_requests[0].run_key, (
            "a look told twice is one run"
        )

        # while it waits or goes on nothing is asked, not even Teamleader
        going = put(instance, settings, _STATUS.QUEUED, part="changes")
        assert "waits for its turn" in look(found.cursor).skip_message
        assert systems.teamleader.log.entries == []
        instance.delete_run(going)

        # it fails: the same change is asked for again, after a pause and as a run of its own
        put(instance, settings, _STATUS.FAILURE, part="changes", began=datetime.now(UTC))
        assert "did not end well" in look(found.cursor).skip_message
        later = automation._cursor(found.cursor)
        assert later is not None
        waited = automation.Cursor(later.since, later.until, later.asked - 3600, later.tries).text()
        again = look(waited)
        assert again.run_requests[0].run_key != found.run_requests[0].run_key
        assert automation._cursor(again.cursor).since == later.since  # type: ignore[union-attr]

        # a whole run that began after the look and ended well covers it; one that a person narrowed down may not
        put(instance, settings, _STATUS.SUCCESS, began=datetime.now(UTC))
        assert not look(again.cursor).run_requests
        assert "did not end well" in look(again.cursor).skip_message
        put(instance, settings, _STATUS.SUCCESS, part="interval", began=datetime.now(UTC) + timedelta(seconds=1))
        covered = look(again.cursor)
        assert covered.skip_message == "Nothing changed in Teamleader."
        assert automation._cursor(covered.cursor).tries == 0  # type: ignore[union-attr]

        systems.teamleader.revoke()
        (tmp_path / "tokens" / "teamleader.json").unlink()
        refused = look(covered.cursor)
        assert not refused.run_requests
        assert "Teamleader refused the refresh token" in refused.skip_message


def test_a_cursor_that_cannot_be_read_starts_anew() -> None:
    assert automation._cursor("2026-01-01T00:00:00+00:00") is None
    assert automation._cursor(None) is None
