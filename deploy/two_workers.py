"""Tries a larger installation on this machine: two accounts, two Celery workers, one of them killed while it pushes.

`python deploy/two_workers.py` starts PostgreSQL and Redis (`local_up.sh`), the local sandbox of two accounts with a
limit of calls each, Dagster's daemon and two workers; has both accounts synchronised; kills (-9) the worker that writes
to the first HubSpot while a call is carried out there whose answer it never sees; and watches the other worker end
what was begun. Says what happened, as one JSON document
with `--json`; exit code 1 when anything was otherwise than it should be. Needs the extras `postgres` and `celery`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
from trial import FIRST, LIMITS, SECOND, Trial, carry_out, wait

from tl_hubspot.warehouse.store import Warehouse


def attempt(trial: Trial, instance: dg.DagsterInstance) -> None:
    """The trial itself, with the daemon and the workers running."""
    facts, say = trial.facts, trial.say
    hubspot = trial.systems[FIRST].hubspot

    is_carried_out = trial.slow_call()
    with ThreadPoolExecutor(2) as pool:
        runs = dict(zip((FIRST, SECOND), pool.map(trial.launch, (FIRST, SECOND)), strict=True))
    say(f"Asked for a sync of {FIRST} and of {SECOND}.")
    wait(f"contacts are made in {FIRST}", is_carried_out)
    group, name = trial.worker_of(instance, runs[FIRST])
    os.killpg(group, signal.SIGKILL)
    facts["writes before the kill"] = len(hubspot.log.writes())
    say(f"Killed (-9) worker {name} after {facts['writes before the kill']} writes to the HubSpot of {FIRST}.")
    left = Warehouse(trial.data(FIRST) / "tl_hubspot.duckdb", read_only=True, lock_timeout=5)
    facts["records under way"] = left.count("sync.journal", "state = 'intended'")
    say(f"The database can be opened again; records whose call has no answer: {facts['records under way']}.")

    facts["first run"] = wait("the lost run is ended", lambda: trial.ended(instance, runs[FIRST]))
    say(f"The lost run was ended as {facts['first run']}.")

    again = wait("Dagster tries it again", lambda: trial.retry(instance, runs[FIRST]))
    say("Dagster tries it again.")
    other = wait("the other worker takes it", lambda: _worker(trial, instance, again))
    facts["taken over by the other worker"] = other != name
    say(f"Worker {other} has it.")
    facts["second run"] = wait("it ends", lambda: trial.ended(instance, again))
    facts["other account"] = wait(f"{SECOND} ends", lambda: trial.ended(instance, runs[SECOND]))
    warehouse = Warehouse(trial.data(FIRST) / "tl_hubspot.duckdb", read_only=True)
    interrupted = (
        "select message, count(*) from sync.journal where message like 'interrupted%' group by all order by all"
    )
    facts["interrupted calls"] = dict(warehouse.read(interrupted).rows())
    facts["failed records"] = warehouse.count("sync.outcomes", "bucket = 'failed'")
    facts["records made twice"] = trial.made_twice()
    say(f"It ended as {facts['second run']}; what the kill interrupted: {facts['interrupted calls'] or 'nothing'}.")
    facts["most calls in 10 seconds"] = {account: trial.calls_in_10_seconds(account) for account in LIMITS}
    facts["allowed calls in 10 seconds"] = LIMITS
    say(f"Calls to HubSpot in any 10 seconds, at most: {facts['most calls in 10 seconds']}; allowed: {LIMITS}.")
    hubspot.log.clear()
    third = trial.launch(FIRST)
    facts["third run"] = wait("it ends", lambda: trial.ended(instance, third))
    facts["writes of the third run"] = len(hubspot.log.writes())
    say(f"A further sync of {FIRST} made {facts['writes of the third run']} writes.")


def _worker(trial: Trial, instance: dg.DagsterInstance, run_id: str) -> str | None:
    with contextlib.suppress(LookupError, ProcessLookupError):
        return trial.worker_of(instance, run_id)[1]
    return None


EXPECTED = {
    "first run": "FAILURE",
    "taken over by the other worker": True,
    "second run": "SUCCESS",
    "other account": "SUCCESS",
    "failed records": 0,
    "records made twice": 0,
    "third run": "SUCCESS",
    "writes of the third run": 0,
}


def otherwise_in(facts: dict[str, Any]) -> list[str]:
    """Names of the facts that are not as they should be."""
    otherwise = [name for name, value in EXPECTED.items() if facts[name] != value]
    otherwise += [f"calls of {name}" for name in LIMITS if facts["most calls in 10 seconds"][name] > LIMITS[name]]
    return otherwise + [name for name in ("records under way", "interrupted calls") if not facts[name]]


if __name__ == "__main__":
    sys.exit(carry_out(__doc__, attempt, otherwise_in))
