"""The event log with open connections: same files, same events, for whoever reads them as Dagster does."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

from tl_hubspot.orchestration.event_log import OpenEventLog, open_instance


@dg.asset
def something() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 7})


JOB = dg.Definitions(assets=[something], jobs=[dg.define_asset_job("all")]).resolve_job_def("all")


def kinds(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [str(r.event_log_entry.dagster_event_type) for r in instance.get_records_for_run(run_id).records]


def test_events_are_those_of_dagster_and_anybody_can_read_them(tmp_path: Path) -> None:
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        usual = JOB.execute_in_process(instance=instance)
        expected = kinds(instance, usual.run_id)
    with open_instance(tmp_path) as instance, dg.DagsterInstance.from_config(str(tmp_path)) as reader:
        assert isinstance(instance.event_log_storage, OpenEventLog)
        runs = [JOB.execute_in_process(instance=instance) for _ in range(5)]  # more than are kept open
        for run in runs:
            assert kinds(reader, run.run_id) == kinds(instance, run.run_id) == expected
        newest = reader.get_latest_materialization_event(dg.AssetKey("something"))
        assert newest is not None and newest.run_id == runs[-1].run_id
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.metadata["rows"].value == 7
    with dg.DagsterInstance.from_config(str(tmp_path)) as reader:
        assert kinds(reader, runs[0].run_id) == expected
    assert not list(tmp_path.rglob("*.db-wal")), "closed files are whole without their logs"


def test_the_record_of_an_asset_is_that_of_its_newest_event(tmp_path: Path) -> None:
    key, other = dg.AssetKey("something"), dg.AssetKey("other")
    with open_instance(tmp_path) as instance:
        assert not instance.get_asset_records([key, other])
        for _ in range(2):
            run = JOB.execute_in_process(instance=instance)
            for _ in range(2):
                [record] = instance.get_asset_records([other, key])
                assert record.asset_entry.last_run_id == run.run_id
                newest = record.asset_entry.last_materialization_record
                assert newest is not None and newest.run_id == run.run_id


def test_the_file_of_a_run_is_touched_while_it_goes_on(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        run = JOB.execute_in_process(instance=instance)
        storage = instance.event_log_storage
        assert isinstance(storage, OpenEventLog)
        file = Path(storage.path_for_shard(run.run_id))
        os.utime(file, (0, 0))
        instance.report_engine_event("still here", run.dagster_run)
        assert kinds(instance, run.run_id)[-1] == "DagsterEventType.ENGINE_EVENT", (
            "reading waits for what is still to be written"
        )
        assert file.stat().st_mtime > 0


def test_settings_of_another_storage_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    (tmp_path / "dagster.yaml").write_text(f"""
event_log_storage:
  module: dagster._core.storage.event_log
  class: SqliteEventLogStorage
  config: {{base_dir: {folder}}}
""")
    with open_instance(tmp_path) as instance:
        assert type(instance.event_log_storage) is SqliteEventLogStorage
        JOB.execute_in_process(instance=instance)
    assert list(folder.glob("*.db"))
