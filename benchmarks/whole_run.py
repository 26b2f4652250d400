"""`tl-hubspot sync` as a process of its own: seconds, calls and peak memory of the first run, of runs in which nothing
changed, and of one in which every hundredth contact changed.

Usage: `python benchmarks/whole_run.py [--contacts 10000]`. Companies are a fifth of the contacts, deals three tenths.
Both systems run here without their limits of calls.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tl_hubspot.sandbox.serve import LocalSystems


def sync(systems: LocalSystems, folder: Path, title: str) -> None:
    """One run of the command, and what it took."""
    for system in (systems.teamleader, systems.hubspot):
        system.log.clear()
    environment = {**os.environ, **systems.environment(), "TL_HUBSPOT_DATA": str(folder)}
    environment |= {"TL_HUBSPOT_AS_OF": systems.clock.now().isoformat()}
    environment |= {f"TL_HUBSPOT_GUARDS__{what}_MINIMUM": "1000000" for what in ("CREATES", "UPDATES", "UNSUBSCRIBES")}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, sys.executable, "-m", "tl_hubspot", "sync"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, cpu, memory, code = map(float, done.stdout.split()[-4:])
    if code not in (0, 1):
        raise SystemExit(f"{title}: exit code {code:.0f}\n{done.stderr}")
    print(
        f"{title:22} {seconds:7.1f} s, {cpu:6.1f} s CPU, {memory / 1024:6,.0f} MiB,"
        f" Teamleader {len(systems.teamleader.log.entries):6,} calls, HubSpot {len(systems.hubspot.log.entries):5,},"
        f" of them writes {len(systems.hubspot.log.writes()):5,}",
        flush=True,
    )


# a small process in between: the peak memory of a process counts that of the one that started it
_MEASURED = """
import resource, subprocess, sys, time
before = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds, used = time.perf_counter() - before, resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss, code)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as data,
        LocalSystems("generated", contacts=arguments.contacts, teamleader_limit=False, hubspot_limit=False) as systems,
    ):
        folder = Path(data)
        sync(systems, folder, "first run")
        for title in ("after it", "nothing changed", "nothing changed again"):
            systems.clock.advance(900)
            sync(systems, folder, title)
        systems.clock.advance(900)
        ids = [record["id"] for record in systems.teamleader.all("contacts")]
        for contact in random.Random(1).sample(ids, len(ids) // 100):
            systems.teamleader.update("contacts", contact, first_name="Anders")
        sync(systems, folder, "1 % of contacts")


if __name__ == "__main__":
    main()
