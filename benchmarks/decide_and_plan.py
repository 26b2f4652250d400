"""Rules, matching and plan on a real database: seconds per step, and the peak memory of the process that did it.

Usage: `python benchmarks/decide_and_plan.py [--contacts 100000] [--folder DIR] [--json FILE]`. Companies are a fifth of
the contacts, deals half of them; HubSpot holds a quarter of the contacts beforehand (see `filled.py`). Timed is
everything from the records in the database to the plan of a first run, and apart from that making the plan once more
while it is stored. With `--profile FILE` the process writes a profile for `pstats` as well.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import cProfile
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
from filled import RUN, filled, platform, sample
from measuring import Results, alone, arguments

from tl_hubspot.orchestration.steps import deciding, planning
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot.warehouse.store import Warehouse


class Stopwatch:
    """Counts the seconds that the main thread spends with an open connection: reading and writing tables."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.seconds, self._connect, self._is_open = 0.0, warehouse.connect, False
        warehouse.connect = self.connect  # type: ignore[method-assign]

    @contextlib.contextmanager
    def connect(self, **arguments: Any) -> Iterator[duckdb.DuckDBPyConnection]:
        outermost = threading.current_thread() is threading.main_thread() and not self._is_open
        if not outermost:
            with self._connect(**arguments) as con:
                yield con
            return
        before, self._is_open = time.perf_counter(), True
        try:
            with self._connect(**arguments) as con:
                yield con
        finally:
            self.seconds += time.perf_counter() - before
            self._is_open = False


def measure(folder: Path) -> dict[str, float]:
    """Seconds of each step; of all but the last `in tables`, while the database was open, and the `peak` in MiB."""
    made = platform(folder, {"TL_HUBSPOT_AS_OF": sample(1).as_of.isoformat()})
    made.warehouse.replace("sync.made_of", frame_of("sync.made_of", []))  # else nothing would be made again
    run = made.run(f"{RUN}-{time.time_ns()}")
    eligible = ("contacts", "companies", "deals", "relations")
    steps = {
        "adopt links": lambda: deciding.links(made, run),
        "decide contacts": lambda: deciding.contacts(made, run),
        "decide companies": lambda: deciding.companies(made, run),
        "decide deals": lambda: deciding.deals(made, run),
        "eligible records": lambda: [deciding.eligible_records(made, run, name) for name in eligible],
        "match and plan": lambda: collections.deque(planning.make(made, run).parts(), maxlen=0),
    }
    tables, seconds = Stopwatch(made.warehouse), {}
    for name, step in steps.items():
        before = time.perf_counter()
        step()
        seconds[name] = time.perf_counter() - before
    so_far = {"in tables": tables.seconds, "peak": _peak_mib()}
    before = time.perf_counter()
    planning.store(made, run, planning.make(made, run), "")
    seconds["match, plan and store"] = time.perf_counter() - before
    made.close()
    return seconds | so_far


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder or Path("data") / f"benchmark-{given.contacts}"
    if given.measure:
        profile = cProfile.Profile() if given.profile else None
        seconds = profile.runcall(measure, folder) if profile else measure(folder)
        if profile:
            profile.dump_stats(given.profile)
        print(json.dumps(seconds))
        return
    filled(folder, given.contacts)
    with Results("decide_and_plan", given.json) as results:
        command = [sys.executable, __file__, "--measure", "--folder", folder]
        used = alone(command + (["--profile", given.profile] if given.profile else []), folder)
        if used.code:
            raise SystemExit(used.code)
        seconds = json.loads(used.output)
        in_tables, peak, stored = (seconds.pop(name) for name in ("in tables", "peak", "match, plan and store"))
        for name, took in seconds.items():
            results.add(name, given.contacts, seconds=took)
        total = sum(seconds.values())
        results.add("all of these", given.contacts, seconds=total, peak_mib=peak, of_them_in_tables=in_tables)
        results.add("match, plan and store", given.contacts, seconds=stored, peak_mib=used.peak_mib)


if __name__ == "__main__":
    main()
