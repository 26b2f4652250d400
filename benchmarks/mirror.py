"""Reading HubSpot's contacts by list, by search and by key: calls and seconds for a portal of a given size.

Usage: `python benchmarks/mirror.py --portal 20000 --teamleader 2000 --changed 300`. The portal is the local sandbox
with HubSpot's limits lifted, but for the searches per second that the settings allow. Seconds at a portal's own pace
follow from the calls: 10 to 19 a second, searches 4.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, Run, RunOptions
from tl_hubspot.orchestration.steps import mirroring
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse.store import frame_of


def contacts(number: int) -> Iterator[dict[str, Any]]:
    for n in range(1, number + 1):
        values = {"email": f"person{n}@example.org", "firstname": f"First{n}", "lastname": f"Last{n}", "city": "Gent"}
        yield {"id": str(1_000_000 + n), "properties": values, "createdAt": "2020-01-01T00:00:00.000Z"}


def platform(systems: LocalSystems, folder: Path, way: str) -> Platform:
    values = {**systems.environment(), "TL_HUBSPOT_DATA": str(folder), "TL_HUBSPOT_HUBSPOT__MIRROR": way}
    return Platform(configuration.load(values, directory=folder), RunOptions(command="plan"))


def teamleader(made: Platform, number: int) -> None:
    """The first contacts of the portal are Teamleader's too; every tenth is linked and everything was pushed."""
    rows = [
        {
            "id": f"tl-{n}",
            "emails": [{"type": "primary", "email": f"person{n}@example.org"}],
            "_loaded_at": made.clock(),
            "_run_id": "benchmark",
        }
        for n in range(1, number + 1)
    ]
    made.warehouse.replace("teamleader.contacts", frame_of("teamleader.contacts", rows))
    links = [
        {"entity_type": "contact", "teamleader_id": f"tl-{n}", "hubspot_id": str(1_000_000 + n)}
        for n in range(10, number + 1, 10)
    ]
    made.warehouse.replace("sync.links", frame_of("sync.links", links))
    pushed = [{"run_id": "before", "status": "done", "started_at": made.clock(), "finished_at": made.clock()}]
    made.warehouse.append("sync.runs", frame_of("sync.runs", pushed))


def measure(systems: LocalSystems, folder: Path, way: str, run: Run | None) -> Run:
    made = platform(systems, folder, way)
    try:
        if run is None:
            run = made.run("benchmark")
            teamleader(made, arguments.teamleader)
        mirroring.definitions(made, run)
        systems.hubspot.log.clear()
        start = time.perf_counter()
        facts = mirroring.records(made, run, "contact")
        seconds = time.perf_counter() - start
        log = systems.hubspot.log
        searches, calls = log.count("/search"), log.count("")
        print(f"{facts['way']:<7} {calls:>5} calls ({searches} searches) {seconds:7.2f} s   {facts['reason']}")
        return run
    finally:
        made.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portal", type=int, default=20_000)
    parser.add_argument("--teamleader", type=int, default=2_000)
    parser.add_argument("--changed", type=int, default=300)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems,
    ):
        systems.hubspot.load_objects("contacts", contacts(arguments.portal))
        first = measure(systems, Path(folder), "list", None)
        later = replace(first, is_full=False)
        systems.clock.advance(3600)
        print("nothing changed:")
        measure(systems, Path(folder), "search", later)
        systems.clock.advance(3600)
        for n in range(1, arguments.changed + 1):
            systems.hubspot.patch("contacts", str(1_000_000 + n), {"city": "Brugge"})
        print(f"{arguments.changed} changed by people:")
        measure(systems, Path(folder), "search", later)
        print(f"Teamleader has {arguments.teamleader}:")
        measure(systems, Path(folder), "keyed", later)
        print("left to itself:")
        measure(systems, Path(folder), "auto", first)
