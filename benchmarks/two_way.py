"""What a cycle between HubSpot and Crmoffice costs: nothing changed, with and without a filter for changes; many edits.

Usage: `python benchmarks/two_way.py [--contacts 10000] [--edits 1000] [--limits]`. The contacts are linked first.
`--limits` keeps HubSpot's 190 calls per 10 s (Crmoffice: 100). Prints seconds and calls; asserts nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps.two_way import cycle
from tl_hubspot.sandbox.serve import LocalSystems


class Bench:
    """Two systems with the same contacts, and an installation."""

    def __init__(self, systems: LocalSystems, folder: Path, *, limits: bool) -> None:
        self.systems, self.folder, self.limits = systems, folder, limits

    def cycle(self, title: str) -> None:
        """One cycle, and what it cost."""
        values = {**self.systems.environment(), "TL_HUBSPOT_DATA": str(self.folder)}
        if not self.limits:
            values["TL_HUBSPOT_CRMOFFICE__RATE_LIMIT"] = "1000000"
        platform = Platform(configuration.load(values, directory=self.folder), RunOptions(command="crmoffice"))
        platform.clock = self.systems.clock.now
        began = time.perf_counter()
        made = cycle.sync(platform)[0]
        seconds = time.perf_counter() - began
        platform.close()
        calls = {
            system: f"{counts['reads']} reads, {counts['writes']} writes"
            for system, counts in platform.meter.snapshot().items()
            if counts["reads"] or counts["writes"]
        }
        did = {name: number for name, number in made.counts.items() if number}
        print(f"{title}: {seconds:.1f} s; {calls}; {made.status} {did}")


def main() -> None:
    """Fill, link, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--edits", type=int, default=1_000)
    parser.add_argument("--limits", action="store_true")
    given = parser.parse_args()
    systems = LocalSystems("empty", teamleader_limit=False, hubspot_limit=given.limits, crmoffice="")
    with systems, tempfile.TemporaryDirectory() as folder:
        assert systems.crmoffice is not None
        people = [
            {"firstname": f"Ann{n % 5000}", "lastname": f"Maes{n}", "mobilephone": f"+47 9{n:07}"}
            for n in range(given.contacts)
        ]
        systems.hubspot.load_objects("contacts", ({"properties": person} for person in people))
        systems.crmoffice.load(
            {"givenName": p["firstname"], "familyName": p["lastname"], "mobilePhone": p["mobilephone"]} for p in people
        )
        bench = Bench(systems, Path(folder), limits=given.limits)
        systems.clock.advance(timedelta(hours=1).total_seconds())
        bench.cycle(f"First link of {given.contacts:,} contacts in both")
        systems.clock.advance(timedelta(hours=1).total_seconds())
        bench.cycle("Nothing changed, Crmoffice cannot filter")
        systems.crmoffice.set_switches(since_filter=True, modified_timestamp=True)
        systems.clock.advance(timedelta(hours=1).total_seconds())
        bench.cycle("Nothing changed, Crmoffice filters")
        records = [record["id"] for record in systems.hubspot.all("contacts")]
        contacts = [contact["id"] for contact in systems.crmoffice.all()]
        for n in range(given.edits):
            systems.hubspot.patch("contacts", records[n], {"phone": f"+47 2{n:07}"})
            systems.crmoffice.update(contacts[-1 - n], directPhone=f"+47 3{n:07}")
        bench.cycle(f"{given.edits:,} edits on each side")
        bench.cycle("The cycle after")


if __name__ == "__main__":
    main()
