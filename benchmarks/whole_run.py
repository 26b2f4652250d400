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
import time
from pathlib import Path

from tl_hubspot.sandbox.serve import LocalSystems


def sync(systems: LocalSystems, folder: Path, title: str) -> None:
    """One run of the command, and what it took."""
    for system in (systems.teamleader, systems.hubspot):
        system.log.clear()
    environment = {**os.environ, **systems.environment(), "TL_HUBSPOT_DATA": str(folder)}
    environment |= {"TL_HUBSPOT_AS_OF": systems.clock.now().isoformat()}
    environment |= {f"TL_HUBSPOT_GUARDS__{what}_MINIMUM": "1000000" for what in ("CREATES", "UPDATES", "UNSUBSCRIBES")}
    line = [sys.executable, "-m", "tl_hubspot", "sync"]
    before = time.perf_counter()
    with subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        told = process.stderr.read().decode() if process.stderr else ""
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - before
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(f"{title}: exit code {os.waitstatus_to_exitcode(status)}\n{told}")
    print(
        f"{title:22} {seconds:7.1f} s, {usage.ru_utime + usage.ru_stime:6.1f} s CPU,"
        f" {usage.ru_maxrss / 1024:6,.0f} MiB,"
        f" Teamleader {len(systems.teamleader.log.entries):6,} calls, HubSpot {len(systems.hubspot.log.entries):5,},"
        f" of them writes {len(systems.hubspot.log.writes()):5,}",
        flush=True,
    )


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
