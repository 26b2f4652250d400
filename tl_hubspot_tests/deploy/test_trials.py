"""Two accounts on PostgreSQL, Celery and Redis, of which a worker, or Dagster's own database, is lost during a push."""

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


@pytest.mark.skipif(
    "TL_HUBSPOT_ALL_WAYS" not in os.environ, reason="minutes, with `make extras`: TL_HUBSPOT_ALL_WAYS=1"
)
@pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}; see deploy/README.md")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("trial", ["two_workers.py", "lost_storage.py"])
def test_what_is_lost_while_a_run_pushes_is_made_up_for(trial: str) -> None:
    line = [sys.executable, str(DEPLOY / trial), "--json"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["otherwise"] == []


def test_without_a_folder_local_up_says_so() -> None:
    done = subprocess.run([str(DEPLOY / "local_up.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Which folder? deploy/local_up.sh FOLDER [stop]\n"
