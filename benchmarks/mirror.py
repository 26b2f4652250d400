"""Reading HubSpot's contacts by list, by search and by key: calls and seconds for a portal of a given size.

Usage: `python benchmarks/mirror.py --portal 20000 --teamleader 2000 --changed 300 [--json FILE]`. The portal is the
local sandbox with HubSpot's limits lifted, but for the searches per second that the settings allow. Seconds at a
portal's own pace follow from the calls: 10 to 19 a second, searches 4. The least calls are the pages and batches that
hold what has to be read, with one page for archived records where they are listed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from measuring import Results, arguments

from tl_hubspot.config import settings as configuration
from tl_hubspot.hubspot import objects, search
from tl_hubspot.orchestration.run import Platform, Run, RunOptions
from tl_hubspot.orchestration.steps import mirroring
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse.rows import frame_of


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


def begin(systems: LocalSystems, folder: Path, number: int) -> Run:
    """The run that reads, with Teamleader's contacts in place."""
    made = platform(systems, folder, "list")
    try:
        run = made.run("benchmark")
        teamleader(made, number)
        return run
    finally:
        made.close()


def measure(systems: LocalSystems, folder: Path, way: str, run: Run) -> tuple[dict[str, Any], str]:
    """One reading: its figures, and why it was read in the way it was."""
    made = platform(systems, folder, way)
    try:
        mirroring.definitions(made, run)
        systems.hubspot.log.clear()
        start = time.perf_counter()
        facts = mirroring.records(made, run, "contact")
        seconds = time.perf_counter() - start
        log = systems.hubspot.log
        calls = {"searches": log.count("/search"), "calls": log.count("")}
        return {"way": facts["way"], "seconds": seconds, **calls}, facts["reason"]
    finally:
        made.close()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--portal", type=int, default=20_000)
    parser.add_argument("--teamleader", type=int, default=2_000)
    parser.add_argument("--changed", type=int, default=300)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSystems("empty", teamleader_limit=False, hubspot_limit=False) as systems,
        Results("mirror", given.json) as results,
    ):
        systems.hubspot.load_objects("contacts", contacts(given.portal))
        first = begin(systems, Path(folder), given.teamleader)
        later = replace(first, is_full=False)
        by_list, by_key = ceil(given.portal / objects.PAGE) + 1, ceil(given.teamleader / objects.BATCH)

        def read(case: str, way: str, run: Run, least: int) -> None:
            figures, reason = measure(systems, Path(folder), way, run)
            results.add(case, given.portal, **figures, least_calls=least)
            print(f"  {reason}")

        read("first reading", "list", first, by_list)
        systems.clock.advance(3600)
        # everything of Teamleader's counts as touched, so that a search looks it up as well
        read("nothing changed", "search", later, 1 + by_key + 1)
        systems.clock.advance(3600)
        for n in range(1, given.changed + 1):
            systems.hubspot.patch("contacts", str(1_000_000 + n), {"city": "Brugge"})
        changes = ceil(given.changed / search.PAGE)
        read(f"{given.changed:,} changed by people", "search", later, changes + by_key + 1)
        read(f"Teamleader has {given.teamleader:,}", "keyed", later, by_key)
        read("left to itself", "auto", first, min(by_list, by_key))


if __name__ == "__main__":
    main()
