"""Rules, matching and plan on a real database: seconds per step, and the peak memory of the process that did it.

Usage: `python benchmarks/decide_and_plan.py --contacts 100000 [--folder DIR]`. Companies are a fifth of the contacts,
deals three tenths; HubSpot holds a quarter of the contacts beforehand. The database is filled from the generated sample
world once and kept in the folder; timed is everything from the records in it to the plan of a first run, and apart from
that how long storing the plan takes.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import deciding, extract, mirroring, planning
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.sandbox.worlds import world
from tl_hubspot.warehouse import typed
from tl_hubspot.warehouse.store import Warehouse, frame_of, insert

RUN = "benchmark"
# what lists do not give, so that the payloads are as large as real ones
ONLY_IN_INFO = {"companies", "addresses", "vat_number", "remarks", "phase_history", "related_contacts", "quotations"}


def platform(folder: Path, environment: dict[str, str]) -> Platform:
    values = {**environment, "TL_HUBSPOT_DATA": str(folder)}
    return Platform(configuration.load(values, directory=folder), RunOptions(command="plan"))


def fill(folder: Path, contacts: int) -> None:
    sample = world("generated", contacts=contacts)
    with LocalSystems("generated", contacts=1, teamleader_limit=False, hubspot_limit=False) as systems:
        made = platform(folder, systems.environment())
        run = made.run(RUN)
        extract.reference(made, run)
        mirroring.definitions(made, run)
    stamp = {"_loaded_at": made.clock(), "_run_id": RUN}
    for kind in ("companies", "contacts", "deals"):
        for batch in batched(sample.teamleader(kind), 10_000):
            store(made, kind, batch, stamp)
    for entity_type, table in mirroring.TABLES.items():
        kind = table.partition(".")[2]
        for batch in batched(sample.hubspot_objects(kind), 10_000):
            rows = [mirrored(entity_type, record) | stamp for record in batch]
            made.warehouse.append(table, frame_of(table, rows))
    made.close()


def store(made: Platform, kind: str, batch: list[dict[str, Any]], stamp: dict[str, Any]) -> None:
    table = f"teamleader.{kind}"
    texts = [json.dumps({k: v for k, v in r.items() if k not in ONLY_IN_INFO or kind == "companies"}) for r in batch]
    received = pl.DataFrame({"id": [r["id"] for r in batch], "payload": texts})
    with made.warehouse.transaction() as con:
        frame = typed.typed(con, table, received).with_columns(*(pl.lit(v).alias(k) for k, v in stamp.items()))
        if kind == "contacts":
            frame = frame.with_columns(pl.coalesce("updated_at", "added_at").alias("changed_at"))
            links = [
                {"contact_id": r["id"], "company_id": c["company"]["id"], "position": c["position"], "rank": rank}
                | stamp
                for r in batch
                for rank, c in enumerate(r["companies"])
            ]
            insert(con, "teamleader.contact_company_links", frame_of("teamleader.contact_company_links", links))
        if kind == "deals":
            phases = [
                {"deal_id": r["id"], "position": n, "phase_id": p["phase"]["id"], "started_at": p["started_at"]} | stamp
                for r in batch
                for n, p in enumerate(r["phase_history"])
            ]
            insert(con, "teamleader.deal_phase_history", frame_of("teamleader.deal_phase_history", phases))
        insert(con, table, frame)


def mirrored(entity_type: str, record: dict[str, Any]) -> dict[str, Any]:
    own = record["properties"]
    row = {
        "id": record["id"],
        "teamleader_id": own.get("teamleader_id"),
        "archived": record.get("archived", False),
        "merged_ids": [],
        "properties": json.dumps(own),
    }
    if entity_type == "contact":
        row |= {
            "email": own.get("email"),
            "secondary_emails": record.get("secondary_emails", []),
            "marketable": record.get("marketable", False),
            "opted_out": record.get("opted_out", False),
        }
    if entity_type == "company":
        row |= {n: own.get(n) for n in ("name", "domain", "vat_number")} | {"additional_domains": []}
    return row


def batched(records: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(records)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


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


def measure(folder: Path) -> None:
    made = platform(folder, {"TL_HUBSPOT_AS_OF": world("generated", contacts=1).as_of.isoformat()})
    made.warehouse.replace("sync.made_of", frame_of("sync.made_of", []))  # else nothing would be made again
    run = made.run(f"{RUN}-{time.time_ns()}")
    steps = {
        "adopt links": lambda: deciding.links(made, run),
        "decide contacts": lambda: deciding.contacts(made, run),
        "decide companies": lambda: deciding.companies(made, run),
        "decide deals": lambda: deciding.deals(made, run),
        "eligible": lambda: [
            deciding.eligible_records(made, run, name) for name in ("contacts", "companies", "deals", "relations")
        ],
        "match and plan": lambda: planning.make(made, run),
    }
    tables = Stopwatch(made.warehouse)
    started, made_plan = time.perf_counter(), None
    for name, step in steps.items():
        before = time.perf_counter()
        made_plan = step()
        print(f"{name:18} {time.perf_counter() - before:7.2f} s")
    total = time.perf_counter() - started
    in_tables = tables.seconds
    before = time.perf_counter()
    planning.store(made, run, made_plan, "")
    print(f"{'store the plan':18} {time.perf_counter() - before:7.2f} s")
    print(f"{'tables':18} {in_tables:7.2f} s of the steps above: while a connection to the database is open")
    print(f"{'computing':18} {total - in_tables:7.2f} s of the steps above: rules, matching, plan")
    counts = made.warehouse.read("select bucket, count(*) n from sync.planned_outcomes group by all order by all")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'all but storing':18} {total:7.2f} s, peak memory of the process {peak:,.0f} MiB")
    print("planned:", ", ".join(f"{n:,} {bucket}" for bucket, n in counts.iter_rows()))
    made.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder or Path("data") / f"benchmark-{arguments.contacts}"
    if arguments.measure:
        measure(folder)
        return
    if not (folder / "filled").exists():
        folder.mkdir(parents=True, exist_ok=True)
        before = time.perf_counter()
        fill(folder, arguments.contacts)
        (folder / "filled").touch()
        print(f"filled {folder} in {time.perf_counter() - before:.0f} s (not part of the figures)")
    # a process of its own, so that the memory of filling does not count
    subprocess.run([sys.executable, __file__, "--measure", "--folder", str(folder)], check=True)


if __name__ == "__main__":
    main()
