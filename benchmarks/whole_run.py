"""`tl-hubspot sync` as a process of its own: seconds, calls and peak memory of the first run, of runs in which nothing
changed, and of one in which many contacts changed.

Usage: `python benchmarks/whole_run.py [--contacts 10000] [--changes 1000] [--json FILE]`. Companies are a fifth of the
contacts, deals three tenths. Both systems run on this machine as well, without their limits of calls.
"""

from __future__ import annotations

import random
import sys
import tempfile
from math import ceil
from pathlib import Path
from typing import Any

from measuring import Results, alone, arguments

from tl_hubspot.sandbox.serve import LocalSystems

BATCH = 100


def sync(systems: LocalSystems, folder: Path) -> dict[str, Any]:
    """One run of the command, and what it took."""
    for system in (systems.teamleader, systems.hubspot):
        system.log.clear()
    environment = {**systems.environment(), "TL_HUBSPOT_DATA": str(folder)}
    environment |= {"TL_HUBSPOT_AS_OF": systems.clock.now().isoformat()}
    environment |= {f"TL_HUBSPOT_GUARDS__{what}_MINIMUM": "1000000" for what in ("CREATES", "UPDATES", "UNSUBSCRIBES")}
    environment |= {"HUBSPOT_RATE_LIMIT": "1000000", "TEAMLEADER_RATE_LIMIT": "1000000"}
    used = alone([sys.executable, "-m", "tl_hubspot", "sync"], folder, environment)
    if used.code not in (0, 1):
        raise SystemExit(f"exit code {used.code}")
    calls = {"teamleader_calls": len(systems.teamleader.log.entries), "hubspot_calls": len(systems.hubspot.log.entries)}
    return used.figures | calls | {"writes": len(systems.hubspot.log.writes())}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=1_000)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as data,
        LocalSystems("generated", contacts=given.contacts, teamleader_limit=False, hubspot_limit=False) as systems,
        Results("whole_run", given.json) as results,
    ):
        folder = Path(data)
        results.add("first run", given.contacts, **sync(systems, folder))
        systems.clock.advance(900)
        results.add("the run after it", given.contacts, **sync(systems, folder))
        for title in ("nothing changed", "nothing changed again"):
            systems.clock.advance(900)
            results.add(title, given.contacts, **sync(systems, folder), least_writes=0)
        systems.clock.advance(900)
        ids = [record["id"] for record in systems.teamleader.all("contacts")]
        for contact in random.Random(1).sample(ids, given.changes):
            systems.teamleader.update("contacts", contact, first_name="Anders")
        used = sync(systems, folder)
        results.add(f"{given.changes:,} contacts changed", given.contacts, **used, least_writes=least(folder))


def least(folder: Path) -> int:
    """Batches that would do for what the latest plan writes."""
    import duckdb

    with duckdb.connect(str(folder / "analytics.duckdb"), read_only=True) as con:
        query = "select count(*) from sync.plan where action in ('create', 'update') group by entity_type, action"
        return sum(ceil(number / BATCH) for (number,) in con.execute(query).fetchall())


if __name__ == "__main__":
    main()
