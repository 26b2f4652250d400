"""Runs of the reading steps alone, in processes of their own that kill themselves at a named place.

Used by `test_extraction_kills`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import duckdb

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import extract
from tl_hubspot.warehouse import store
from tl_hubspot.warehouse.store import Warehouse
from tl_hubspot_tests.processes import PROCESSES


class Mortal(Warehouse):
    """Kills the process just before transaction number `fatal` (from 1) is committed; 0: never."""

    def __init__(self, path: Path, fatal: int) -> None:
        super().__init__(path)
        self.fatal, self.begun = fatal, 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.begun += 1
        with super().transaction() as con:
            yield con
            if self.begun == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)


def run(folder: Path, environment: dict[str, str], run_id: str, *, full: bool = False, fatal: int = 0) -> int | None:
    """One run of the reading steps on a data folder; returns how many transactions it made, None when it was killed."""
    answer, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_run, args=(folder, environment, run_id, full, fatal, sender))
    process.start()
    sender.close()
    try:
        made: int | None = answer.recv()
    except EOFError:
        made = None
    process.join()
    assert process.exitcode == (0 if made is not None else -signal.SIGKILL), process.exitcode
    return made


def _run(folder: Path, environment: dict[str, str], run_id: str, full: bool, fatal: int, sender: object) -> None:
    store._CONFIG["threads"] = "1"  # several processes beside each other
    values = environment | {"TL_HUBSPOT_DATA": str(folder), "TL_HUBSPOT_TEAMLEADER__RECORDS_PER_COMMIT": "50"}
    platform = Platform(configuration.load(values, directory=folder), RunOptions(full=full))
    warehouse = Mortal(platform.settings.database, fatal)
    platform.__dict__["warehouse"] = warehouse
    opened = platform.run(run_id)
    warehouse.begun = 0  # the first transaction is that of the first records
    for stream in extract.STREAMS:
        extract.records(platform, opened, stream)
    platform.close()
    sender.send(warehouse.begun)  # type: ignore[attr-defined]
