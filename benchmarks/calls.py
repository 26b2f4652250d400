"""Calls to Teamleader per stream against the computed minimum: first run, nothing changed, 1 % changed, daily sweep.

Usage: `python benchmarks/calls.py [--contacts 1000,10000] [--links 100000] [--json FILE]`. Companies are a fifth of the
contacts, deals three tenths. Only the reading steps run, against the local sandbox without its limit; minutes are those
that the calls would take at 180 a minute. `--links N` also times one chunk of answers on a table of N links.
"""

from __future__ import annotations

import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from measuring import Results, arguments

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import call_plan, extract, links, phases
from tl_hubspot.orchestration.steps.calls import counted
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.teamleader.calls import minutes
from tl_hubspot.teamleader.extraction import Link, Links
from tl_hubspot.warehouse.rows import frame_of

RATE = 180
STREAMS = ("reference", *extract.STREAMS, links.STREAM, phases.STREAM)


def platform(systems: LocalSystems, folder: Path) -> Platform:
    values = {**systems.environment(), "TL_HUBSPOT_DATA": str(folder), "TL_HUBSPOT_AS_OF": str(systems.clock.now())}
    made = Platform(configuration.load(values, directory=folder), RunOptions())
    made.clock = systems.clock.now
    made.sleep = lambda seconds: None
    return made


def read(systems: LocalSystems, folder: Path, title: str, contacts: int, results: Results) -> None:
    """The reading steps of one run, and what they cost."""
    planned = {line.stream: line for line in call_plan.make(platform(systems, folder)).lines}
    systems.teamleader.log.clear()
    made, before = platform(systems, folder), time.perf_counter()
    run = made.run(title)
    works: dict[str, Callable[[], Any]] = {
        "reference": lambda: extract.reference(made, run),
        **{stream: lambda stream=stream: extract.records(made, run, stream) for stream in extract.STREAMS},
        links.STREAM: lambda: links.links(made, run),
        phases.STREAM: lambda: phases.phase_history(made, run),
    }
    for stream, work in works.items():
        with counted(made, run, stream):
            work()
    made.close()
    paths = Counter(entry["path"].strip("/") for entry in systems.teamleader.log.entries)
    total, minimum = sum(made.book.made.values()), sum(made.book.minimum.values())
    figures = {"calls": total, "least_calls": minimum, "times_least_calls": total / minimum}
    spent = {f"minutes_at_{RATE}_a_minute": minutes(total, RATE)}
    results.add(title, contacts, seconds=time.perf_counter() - before, **figures, **spent)
    print(f"  {'':22}{'said before':>18}{'minimum':>10}{'made':>10}{'above':>8}")
    for stream in STREAMS:
        minimum, calls = made.book.minimum[stream], made.book.made[stream]
        said = f"{planned[stream].known} {planned[stream].calls:,}"
        above = f"{(calls - minimum) / minimum:8.1%}" if minimum else ""
        print(f"  {stream:22}{said:>18}{minimum:>10,}{calls:>10,}{above}")
    print("  " + ", ".join(f"{path} {count:,}" for path, count in sorted(paths.items()) if "oauth2" not in path))


def change(systems: LocalSystems, share: float) -> None:
    """Edit a share of the records of each kind, and move deals."""
    chance = random.Random(1)
    for kind, field in (("contacts", "last_name"), ("companies", "name"), ("deals", "title")):
        ids = [record["id"] for record in systems.teamleader.all(kind)]
        for id in chance.sample(ids, max(1, round(share * len(ids)))):
            systems.teamleader.update(kind, id, **{field: "Anders"})


def world(contacts: int, results: Results) -> None:
    with (
        LocalSystems("generated", contacts=contacts, teamleader_limit=False, hubspot_limit=False) as systems,
        tempfile.TemporaryDirectory() as folder,
    ):
        read(systems, Path(folder), "first run", contacts, results)
        systems.clock.advance(3600)
        read(systems, Path(folder), "nothing changed", contacts, results)
        systems.clock.advance(3600)
        change(systems, 0.01)
        systems.clock.advance(3600)
        read(systems, Path(folder), "1 % changed", contacts, results)
        systems.clock.advance(24 * 3600)
        read(systems, Path(folder), "daily sweep", contacts, results)


def chunk(number: int, results: Results) -> None:
    """One chunk of answers merged into a table of so many links."""
    with tempfile.TemporaryDirectory() as folder:
        made = Platform(configuration.load({"TL_HUBSPOT_DATA": folder}, directory=Path(folder)))
        made.as_of = made.clock  # type: ignore[method-assign]
        run = made.run("links")
        stamp = {"_loaded_at": made.clock(), "_run_id": "filled"}
        companies = number // 6
        pairs = [(f"c{n}", f"k{n % companies}") for n in range(number)]
        for table, ids in (("contacts", [c for c, _ in pairs]), ("companies", [f"k{n}" for n in range(companies)])):
            made.warehouse.append(
                f"teamleader.{table}", frame_of(f"teamleader.{table}", [{"id": i} | stamp for i in ids])
            )
        rows = [{"contact_id": c, "company_id": k, "rank": 0} | stamp for c, k in pairs]
        made.warehouse.append("teamleader.contact_company_links", frame_of("teamleader.contact_company_links", rows))
        reader = links._Reader(made, run, None, made.clock(), None)  # type: ignore[arg-type]
        by_company = pl.DataFrame(pairs, schema=["contact", "company"], orient="row").group_by("company").all()
        answers = [
            Links(company, True, tuple(Link(c, company, "CEO", True, None) for c in members))
            for company, members in by_company.head(10 * links.CHUNK).iter_rows()
        ]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        before = time.perf_counter()
        for start in range(0, len(answers), links.CHUNK):
            reader._store("company", answers[start : start + links.CHUNK])
        each = (time.perf_counter() - before) / 10
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 1024
        results.add(f"store {links.CHUNK} answers about links", number, seconds=each, above_the_earlier_peak_mib=more)
        made.close()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--contacts", default="1000,10000", help="sizes of the worlds, with commas")
    parser.add_argument("--links", type=int, default=100_000, help="size of the table for storing; 0: not measured")
    given = parser.parse_args()
    with Results("calls", given.json) as results:
        for size in filter(None, given.contacts.split(",")):
            world(int(size), results)
        if given.links:
            chunk(given.links, results)


if __name__ == "__main__":
    main()
