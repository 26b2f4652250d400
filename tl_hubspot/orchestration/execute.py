"""One run through Dagster in this process: the same job that the UI and the schedule start.

Lives here: the Dagster instance beside the data, starting the job, and turning its end into an exit code. What is
printed about it is the command line's business.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg

from tl_hubspot.errors import ExitCode, TlHubspotError
from tl_hubspot.orchestration.event_log import open_instance
from tl_hubspot.orchestration.run import Platform
from tl_hubspot.orchestration.steps import conclude, preflight, publish, retention


@dataclass(frozen=True)
class Finished:
    """How a run ended: its exit code and its row in `sync.runs`."""

    exit_code: ExitCode
    run: dict[str, Any]


# Dagster turns Ctrl-C and SIGTERM into an exception of its own
_INTERRUPTS = (KeyboardInterrupt, dg.DagsterExecutionInterruptedError)
_PUBLISHED = dg.AssetKey(["published", "analytics"])
_JOBS = {"sync": "sync", "plan": "plan_only", "approve": "approve"}


def dagster_home(data: Path) -> Path:
    """Folder of the Dagster instance: DAGSTER_HOME, else `dagster/` in the data folder with our instance settings."""
    home = Path(os.environ.get("DAGSTER_HOME") or data / "dagster").resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(str(files("tl_hubspot.orchestration") / "dagster.yaml"), home / "dagster.yaml")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    return home


def execute(platform: Platform) -> Finished:
    """Run the job `sync` (or, for the command plan, `plan`) to its end.

    Raises:
        TlHubspotError: what stopped it, as raised by the step; the run is stored as stopped.
        KeyboardInterrupt: it was stopped by hand; so it is stored.
    """
    from tl_hubspot.definitions import build_definitions

    preflight.settings(platform)  # wrong usage is said before anything is opened
    try:
        platform.take_lock()
        home = dagster_home(platform.settings.data)
        job = build_definitions(platform).resolve_job_def(_JOBS[platform.options.command])
        with open_instance(home) as instance:
            result = job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                tags={"tl_hubspot/command": platform.options.command},
            )
        row = _row(platform, result.run_id)
        # the checks that hold a plan over a limit back fail the job: a held run, and a mere plan, ended all the same
        ended = result.success or row.get("status") in ("held", "planned")
        cause = None if ended else _cause(platform, result)
        if isinstance(cause, _INTERRUPTS):
            raise cause
        if cause is not None:
            conclude.stopped(platform, result.run_id, cause)
        copied = any(event.asset_key == _PUBLISHED for event in result.all_events if event.is_step_materialization)
        if cause is not None:
            # it was noted after the copy was made; what stopped the run may keep another one from being made
            with contextlib.suppress(TlHubspotError):
                publish.publish(platform)
            raise cause
        if not copied:
            publish.publish(platform)
        return Finished(conclude.exit_code(row["status"]), row)
    except _INTERRUPTS:
        for run_id in platform.open_runs:
            conclude.stopped(platform, run_id, TlHubspotError("Stopped by hand"))
        raise KeyboardInterrupt from None
    finally:
        platform.close()


def tidy(platform: Platform) -> dict[str, int]:
    """Throw away what is old, as the job `tidy` does; returns what went (see `steps.retention`)."""
    home = dagster_home(platform.settings.data) if platform.warehouse.exists() else None
    try:
        if home is None:
            return retention.tidy(platform, None)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            return retention.tidy(platform, instance)
    finally:
        platform.close()


def _row(platform: Platform, run_id: str) -> dict[str, Any]:
    try:
        return platform.run_row(run_id)
    except Exception:  # the run did not get as far as its row
        return {}


def _cause(platform: Platform, result: dg.ExecuteInProcessResult) -> BaseException:
    """The first error that a step raised; steps keep it in the platform because Dagster keeps only its text."""
    if platform.error is not None:
        return platform.error
    failed = [e.step_key for e in result.all_events if e.is_step_failure]
    return TlHubspotError(
        f"The run failed in {', '.join(str(f) for f in failed) or 'an unknown step'}",
        where=f"run {result.run_id}",
        mend="Open the run in the Dagster UI (`make dev`) to see what happened",
    )
