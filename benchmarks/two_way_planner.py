"""How long the two-way planner takes and how much memory: one cycle over generated frames.

Usage: `python benchmarks/two_way_planner.py --links N [--scenario quiet|edited|first] [--json FILE]`. quiet: nothing
changed; edited: 1 % edited on each side, one record in a thousand on both; first: nothing is linked yet, every contact
is in both systems. The frames are made in one process and planned in another: told are its seconds and its peak memory,
before the plan (Python, polars and the inputs, which the planner needs) and after it; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from measuring import Results, alone, arguments

from tl_hubspot.config.two_way import load
from tl_hubspot.two_way.flows import Flow
from tl_hubspot.two_way.frames import LINKS, Memory, Plan, System
from tl_hubspot.two_way.matching import link_id
from tl_hubspot.two_way.plan import plan

NOW = datetime(2026, 11, 2, 11, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=5)
SCENARIOS = {"quiet": "nothing changed", "edited": "1 % edited on each side", "first": "nothing linked yet"}


def records(count: int, first_id: int) -> pl.DataFrame:
    """Contacts with every field filled."""
    i = pl.int_range(count, eager=True)
    return pl.DataFrame({"i": i}).select(
        id=(pl.col("i") + first_id).cast(pl.String),
        firstname=pl.format("Ann{}", pl.col("i") % 5000),
        lastname=pl.format("Vermeulen{}", pl.col("i") % 70_000),
        mobilephone=pl.format("+32 470 {}", 1_000_000 + pl.col("i")),
        phone=pl.format("+32 2 {}", 5_000_000 + pl.col("i") % 999_999),
    )


def edited(frame: pl.DataFrame, every: int, at: int, name: str) -> pl.DataFrame:
    """One record in `every` gets another last name, beginning with record `at`."""
    hit = pl.int_range(pl.len()) % every == at
    return frame.with_columns(lastname=pl.when(hit).then(pl.lit(name)).otherwise("lastname"))


def world(count: int, scenario: str, flow: Flow) -> tuple[System, System, Memory]:
    """Both sides and the memory of one scenario."""
    a, b = records(count, 10_000_000), records(count, 1_000)
    memory = Memory()
    if scenario != "first":
        ids = {"a_id": a["id"], "b_id": b["id"]}
        links = pl.DataFrame(ids).with_columns(
            link_id=link_id("a_id", "b_id"),
            state=pl.lit("linked"),
            reason=pl.lit(None, pl.String),
            how=pl.lit("matched"),
            created_at=pl.lit(BEFORE),
        )
        shadows = {f"{side}:{name}": frame[name] for name in flow.names for side, frame in (("a", a), ("b", b))}
        memory = Memory(links.select(list(LINKS)), pl.DataFrame({"link_id": links["link_id"], **shadows}))
    if scenario == "edited":
        a, b = edited(a, 100, 7, "Peeters"), edited(b, 100, 50, "Maes")
        a, b = edited(a, 1000, 3, "Jacobs"), edited(b, 1000, 3, "Claes")
    return System(a, poll=NOW, previous_poll=BEFORE), System(b, poll=NOW, previous_poll=BEFORE), memory


def store(folder: Path, count: int, scenario: str) -> None:
    """Make the frames and leave them in files."""
    a, b, memory = world(count, scenario, load()[0])
    frames = {"a": a.records, "b": b.records, "links": memory.links, "shadows": memory.shadows}
    for name, frame in frames.items():
        frame.write_parquet(folder / name)


def measure(folder: Path) -> None:
    """Plan once and print the figures: what it took, and the rows of each frame of the plan."""
    flow = load()[0]
    frames = {name: pl.read_parquet(folder / name) for name in ("a", "b", "links", "shadows")}
    a, b = (System(frames[side], poll=NOW, previous_poll=BEFORE) for side in ("a", "b"))
    memory = Memory(frames["links"], frames["shadows"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    result: Plan = plan(a, b, memory, flow, NOW)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = {name: frame.height for name, frame in vars(result).items() if frame.height}
    used = {"seconds": wall, "cpu_seconds": cpu, "peak_mib": peak, "before_the_plan_mib": before}
    print(json.dumps(used | counts))


def main() -> None:
    """One process after the other; this one stays small, for a process begins with the peak of its parent."""
    parser = arguments(__doc__)
    parser.add_argument("--links", type=int, default=1_000_000)
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="edited")
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.store:
        store(given.store, given.links, given.scenario)
    elif given.measure:
        measure(given.measure)
    else:
        world_of = [sys.executable, __file__, "--links", str(given.links), "--scenario", given.scenario]
        with tempfile.TemporaryDirectory() as folder, Results("two_way_planner", given.json) as results:
            for step in ("--store", "--measure"):
                used = alone([*world_of, step, folder], Path(folder))
                if used.code:
                    raise SystemExit(used.code)
            results.add(SCENARIOS[given.scenario], given.links, **json.loads(used.output))


if __name__ == "__main__":
    main()
