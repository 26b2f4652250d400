"""A larger installation on this machine, to try things with: two accounts, Dagster's daemon and two Celery workers.

Lives here: starting it with the shipped files (PostgreSQL and Redis by `local_up.sh`), a call that HubSpot is slow to
answer, and telling what was found. What is tried is in `two_workers.py` and `lost_storage.py`. Needs the extras
`postgres` and `celery`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from tl_hubspot.sandbox.control import Fault
from tl_hubspot.sandbox.serve import LocalSystems

HERE = Path(__file__).resolve().parent
FIRST, SECOND = "antwerp", "ghent"
LIMITS = {FIRST: 30, SECOND: 100}
"""Calls to HubSpot per 10 seconds."""
_PATIENCE = 400.0
_SLOW = Fault("slow", path="^/crm/v3/objects/contacts/batch/upsert$", when="after", seconds=30)


class Trial:
    """What runs, and what was found out; `say` tells it as it happens."""

    def __init__(self, folder: Path, systems: dict[str, LocalSystems]) -> None:
        self.folder, self.systems = folder, systems
        self.began = time.monotonic()
        self.environment = self._configure()
        self.workers: dict[int, str] = {}
        """Process group → name."""
        self.facts: dict[str, Any] = {}

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def data(self, account: str) -> Path:
        """Data folder of an account."""
        return self.folder / "data" / account

    def _configure(self) -> dict[str, str]:
        """The shipped files, with the folders of this trial; returns the environment of every process."""
        home = self.folder / "dagster"
        home.mkdir()
        content = yaml.safe_load((HERE / "dagster.celery.yaml").read_text())
        content["secrets"]["custom"]["config"]["location_paths"] = {
            name: str(self.folder / "accounts" / name) for name in self.systems
        }
        (home / "dagster.yaml").write_text(yaml.safe_dump(content))
        for name, systems in self.systems.items():
            account = self.folder / "accounts" / name
            account.mkdir(parents=True)
            values = systems.environment() | {
                "TL_HUBSPOT_DATA": str(self.data(name)),
                "HUBSPOT_RATE_LIMIT": str(LIMITS[name]),
                "TL_HUBSPOT_AUTOMATION__LOST_RUNS": "true",
            }
            (account / ".env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        announced = subprocess.run(
            [str(HERE / "local_up.sh"), str(self.folder / "services")], check=True, capture_output=True, text=True
        )
        values = dict(line.split("=", 1) for line in announced.stdout.splitlines())
        # dagster_celery_config.py is found beside this file
        path = [str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEAMLEADER_", "HUBSPOT_", "TL_HUBSPOT_"))}
        return kept | values | {"DAGSTER_HOME": str(home), "PYTHONPATH": os.pathsep.join(path)}

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A process in a group of its own; what it says goes to a file."""
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def launch(self, account: str) -> str:
        """Ask for a run of `sync`; returns its id."""
        run_id = str(uuid.uuid4())
        line = ["dagster", "job", "launch", "-w", str(HERE / "workspace.yaml"), "-l", account, "-j", "sync"]
        done = subprocess.run(
            [sys.executable, "-m", *line, "--run-id", run_id],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"Dagster did not take the run: {done.stderr[-2000:]}")
        return run_id

    def worker_of(self, instance: dg.DagsterInstance, run_id: str) -> tuple[int, str]:
        """Process group and name of the worker that carries out a run."""
        for record in instance.all_logs(run_id):
            if found := re.search(r"Started process for run \(pid: (\d+)\)", record.message):
                group = os.getpgid(int(found[1]))
                return group, self.workers[group]
        raise LookupError(run_id)

    def ended(self, instance: dg.DagsterInstance, run_id: str) -> str | None:
        """How a run ended, if it has."""
        run = instance.get_run_by_id(run_id)
        return run.status.value if run is not None and run.is_finished else None

    def retry(self, instance: dg.DagsterInstance, run_id: str) -> str | None:
        """The run that Dagster began in the place of a lost one, if it has."""
        found = instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": run_id}))
        return found[0].run_id if found else None

    def slow_call(self) -> Callable[[], bool]:
        """From now on HubSpot makes the first contacts of the first account at once and answers too late; returns what
        says whether it has made them."""
        hubspot = self.systems[FIRST].hubspot
        held = len(list(hubspot.all("contacts")))
        hubspot.faults.add(_SLOW)
        return lambda: len(list(hubspot.all("contacts"))) > held

    def made_twice(self) -> int:
        """Teamleader records of the first account that more than one HubSpot record carries."""
        twice = 0
        for object_type in ("contacts", "companies", "deals"):
            records = self.systems[FIRST].hubspot.all(object_type)
            ids = Counter(record["properties"].get("teamleader_id") for record in records)
            twice += sum(1 for id, number in ids.items() if id and number > 1)
        return twice

    def calls_in_10_seconds(self, account: str) -> int:
        """The most calls that the account's HubSpot answered in any 10 seconds."""
        times = [datetime.fromisoformat(entry["at"]) for entry in self.systems[account].hubspot.log.entries]
        return max(sum(t <= other < t + timedelta(seconds=10) for other in times) for t in times)


def wait(what: str, until: Callable[[], Any], seconds: float = _PATIENCE) -> Any:
    """What `until` gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (found := until()) is not None and found is not False:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"waited {seconds:.0f} s in vain until {what}")


@contextlib.contextmanager
def running(trial: Trial) -> Iterator[dg.DagsterInstance]:
    """The daemon and two workers, until the end."""
    worker = ("celery", "-A", "dagster_celery.app", "worker", "--concurrency=1", "--max-tasks-per-child=1")
    started = [trial.start("daemon", "dagster._daemon", "run", "-w", str(HERE / "workspace.yaml"))]
    try:
        for name in ("one", "two"):
            process = trial.start(name, *worker, "-n", f"{name}@%h", "--loglevel=INFO")
            started.append(process)
            trial.workers[process.pid] = name
        for name in trial.workers.values():
            log = trial.folder / f"{name}.log"
            wait(f"worker {name} is ready", lambda log=log: " ready." in log.read_text(), 120)
        trial.say("The daemon and two workers run.")
        os.environ.update(trial.environment)
        with dg.DagsterInstance.from_config(trial.environment["DAGSTER_HOME"]) as instance:
            yield instance
    finally:
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def carry_out(
    document: str | None,
    attempt: Callable[[Trial, dg.DagsterInstance], None],
    otherwise_in: Callable[[dict[str, Any]], list[str]],
) -> int:
    """The command line of a trial: `attempt` it, say what `otherwise_in` finds in its facts; returns the exit code."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="what was found, as one JSON document")
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs and databases there")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started must not outlive this
    folder = Path(tempfile.mkdtemp(prefix="tl_hubspot-trial-"))
    folder.chmod(0o711)  # PostgreSQL runs as a user of its own
    with contextlib.ExitStack() as stack:
        systems = {
            FIRST: stack.enter_context(LocalSystems("generated", contacts=500, teamleader_limit=False)),
            SECOND: stack.enter_context(LocalSystems("subset", teamleader_limit=False)),
        }
        try:
            trial = Trial(folder, systems)
            with running(trial) as instance:
                attempt(trial, instance)
            facts = trial.facts
        finally:
            subprocess.run([str(HERE / "local_up.sh"), str(folder / "services"), "stop"], check=False)
            if given.keep:
                print(f"Everything is in {folder}", file=sys.stderr)
            else:
                shutil.rmtree(folder, ignore_errors=True)
    otherwise = otherwise_in(facts)
    if given.json:
        print(json.dumps(facts | {"otherwise": otherwise}, indent=2))
    print(f"Otherwise than expected: {', '.join(otherwise) or 'nothing'}.", file=sys.stderr)
    return 1 if otherwise else 0
