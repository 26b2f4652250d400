"""Tries on this machine what happens when Dagster's own database goes away while a run pushes, and comes back.

`python deploy/lost_storage.py` starts what `two_workers.py` starts, stops PostgreSQL while HubSpot carries a call out,
starts it again after a while, and watches the run being ended and done once more. Says what happened, as one JSON
document with `--json`; exit code 1 when anything was otherwise than it should be. Needs the extras `postgres` and
`celery`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
from trial import FIRST, Trial, carry_out, wait

from tl_hubspot.warehouse.store import Warehouse

_GONE = 120.0
"""Seconds without it: more than the rest of a push, so that the run has something to note meanwhile."""


def attempt(trial: Trial, instance: dg.DagsterInstance) -> None:
    """The trial itself, with the daemon and the workers running."""
    facts, say = trial.facts, trial.say
    hubspot = trial.systems[FIRST].hubspot
    is_carried_out = trial.slow_call()
    first = trial.launch(FIRST)
    say(f"Asked for a sync of {FIRST}.")
    wait(f"contacts are made in {FIRST}", is_carried_out)
    data = trial.folder / "services" / "postgres"
    server = Path(data / "postmaster.opts").read_text().split()
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    say("Stopped Dagster's PostgreSQL at once.")
    time.sleep(_GONE)
    facts["writes at its return"] = len(hubspot.log.writes())
    _start(data, server)
    say(f"It is back after {_GONE:.0f} s; writes to HubSpot until then: {facts['writes at its return']}.")
    facts["first run"] = wait("the run is ended", lambda: trial.ended(instance, first))
    say(f"The run was ended as {facts['first run']}.")
    facts["ended as"] = facts["first run"]
    if facts["first run"] != "SUCCESS":
        again = wait("Dagster tries it again", lambda: trial.retry(instance, first))
        facts["ended as"] = wait("it ends", lambda: trial.ended(instance, again))
        say(f"Dagster tried it again; that ended as {facts['ended as']}.")
    warehouse = Warehouse(trial.data(FIRST) / "tl_hubspot.duckdb", read_only=True)
    facts["failed records"] = warehouse.count("sync.outcomes", "bucket = 'failed'")
    facts["records made twice"] = trial.made_twice()
    hubspot.log.clear()
    third = trial.launch(FIRST)
    facts["third run"] = wait("it ends", lambda: trial.ended(instance, third))
    facts["writes of the third run"] = len(hubspot.log.writes())
    say(f"A further sync of {FIRST} made {facts['writes of the third run']} writes.")


def _start(data: Path, line: list[str]) -> None:
    """Start a PostgreSQL anew as `line` did, as its owner."""
    owner = data.stat()
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with (data.parent / "log").open("wb") as log:
        line = [part.strip('"') for part in line]
        subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True, cwd=data, **as_owner)


EXPECTED = {
    "ended as": "SUCCESS",
    "failed records": 0,
    "records made twice": 0,
    "third run": "SUCCESS",
    "writes of the third run": 0,
}


def otherwise_in(facts: dict[str, Any]) -> list[str]:
    """Names of the facts that are not as they should be."""
    return [name for name, value in EXPECTED.items() if facts[name] != value]


if __name__ == "__main__":
    sys.exit(carry_out(__doc__, attempt, otherwise_in))
