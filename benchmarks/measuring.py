"""What the benchmarks have in common: running a part in a process of its own, and writing down what it took.

`alone` gives seconds, processor time and peak memory of a command; `Results` prints figures as they come and, with
`--json FILE`, stores them with the machine, the versions and the date. What is made of such files is `page.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

VERSIONS = ("duckdb", "polars", "dagster", "hubspot-api-client")
FORMATS = {
    "seconds": "{:,.2f} s",
    "cpu_seconds": "{:,.2f} s CPU",
    "peak_mib": "{:,.0f} MiB",
    "calls": "{:,} calls",
    "least_calls": "at least {:,}",
}
# a small process in between: the peak memory of a process counts that of the one that started it
_BETWEEN = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE)
seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
told = [seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, done.returncode, done.stdout.decode()]
open(sys.argv[1], "w").write(json.dumps(told))
"""


class Used(NamedTuple):
    """What a command took: wall clock, processor time of it and its children, peak memory of its largest process."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    code: int
    output: str

    @property
    def figures(self) -> dict[str, Any]:
        """The first three, as they are stored."""
        return {"seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "peak_mib": self.peak_mib}


def alone(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> Used:
    """Run a command as a process of its own; `folder` is for a file that is removed again."""
    told = folder / f".used-{os.getpid()}"
    between = [sys.executable, "-c", _BETWEEN, str(told), *map(str, command)]
    try:
        # an installed program has its byte code
        own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        subprocess.run(between, env={**own, **(environment or {})}, check=True)
        return Used(*json.loads(told.read_text()))
    finally:
        told.unlink(missing_ok=True)


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the option that all benchmarks share."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="store the figures there as well")
    return parser


def loop_seconds() -> float:
    """How long a fixed loop of Python takes now: tells a fast moment of a machine from a slow one."""
    began, total = time.perf_counter(), 0
    for number in range(6_000_000):
        total += number
    return time.perf_counter() - began


class Results:
    """The figures of one benchmark, printed as they come; a context manager that stores them at the end."""

    def __init__(self, benchmark: str, file: Path | None) -> None:
        self.benchmark, self.file = benchmark, file
        self.rows: list[dict[str, Any]] = []
        self._loop = loop_seconds() if file else 0.0

    def add(self, case: str, records: int, **figures: Any) -> None:
        """One measured case at one size; `seconds`, `peak_mib`, `calls` and `least_calls` mean the same everywhere."""
        self.rows.append({"case": case, "records": records, **{k: _rounded(v) for k, v in figures.items()}})
        told = [FORMATS.get(name, name.replace("_", " ") + " {}").format(_rounded(v)) for name, v in figures.items()]
        print(f"{case:<28} {records:>9,}  {', '.join(told)}", flush=True)

    def __enter__(self) -> Results:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.file is None or kind is not None:
            return
        told = {
            "benchmark": self.benchmark,
            "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
            "machine": machine(),
            "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
            "loop_seconds": [_rounded(self._loop), _rounded(loop_seconds())],
            "rows": self.rows,
        }
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(told, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(memory),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _rounded(value: Any) -> Any:
    return round(value, 3 if value < 100 else 1) if isinstance(value, float) else value
