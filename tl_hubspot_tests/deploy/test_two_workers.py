"""Two accounts on PostgreSQL, Celery and Redis; a worker is killed while it pushes, and the other one ends the run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def missing() -> list[str]:
    extras = [name for name in ("dagster_postgres", "dagster_celery", "redis") if find_spec(name) is None]
    servers = [] if list(Path("/usr/lib/postgresql").glob("*/bin/initdb")) else ["PostgreSQL"]
    return extras + servers + ([] if shutil.which("redis-server") else ["Redis"])


@pytest.mark.skipif("TL_HUBSPOT_ALL_WAYS" not in os.environ, reason="five minutes: TL_HUBSPOT_ALL_WAYS=1")
@pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}")
@pytest.mark.timeout(600)
def test_a_worker_killed_while_it_pushes() -> None:
    line = [sys.executable, str(DEPLOY / "two_workers.py"), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout)
    assert facts["otherwise"] == []
    assert facts["records under way"] > 0
    assert facts["second run"] == "SUCCESS"


def test_without_a_folder_local_up_says_so() -> None:
    done = subprocess.run([str(DEPLOY / "local_up.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Which folder? deploy/local_up.sh FOLDER [stop]\n"
