"""Storing Teamleader's records alone: records per second and the peak memory of the process that did it.

Usage: `python benchmarks/load.py --contacts 100000 [--folder DIR]`. Contacts of the generated sample world come as the
pages that Teamleader would give, without HTTP and its limit of calls: first all into an empty database, then all of
them again unchanged, then again with every hundredth edited. Each pass is a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import extract
from tl_hubspot.orchestration.steps.reading import Reading, watermark
from tl_hubspot.sandbox.worlds import world
from tl_hubspot.teamleader.extraction import Batch, Position, Record

PAGE = 100
PASSES = ("first", "unchanged", "1% changed")
ONLY_IN_INFO = {"companies", "addresses", "vat_number", "remarks"}


def write_pages(folder: Path, contacts: int) -> None:
    """One line per contact, as contacts.list gives it, in the order of the last update."""
    rows = sorted(world("generated", contacts=contacts).teamleader("contacts"), key=lambda r: r["updated_at"])
    with (folder / "contacts.jsonl").open("w") as file:
        for row in rows:
            file.write(json.dumps({k: v for k, v in row.items() if k not in ONLY_IN_INFO}, ensure_ascii=False) + "\n")


def batches(folder: Path, edited: int | None) -> Iterator[Batch]:
    now = datetime.now(UTC)
    with (folder / "contacts.jsonl").open("rb") as file:
        lines = enumerate(line.rstrip(b"\n") for line in file)
        while page := list(itertools.islice(lines, PAGE)):
            records = []
            for number, line in page:
                row = json.loads(line)
                if edited and number % edited == 0:
                    line = json.dumps(row | {"last_name": f"{row['last_name']}-{time.time_ns()}"}).encode()
                records.append(Record(row["id"], line))
            until = datetime.fromisoformat(json.loads(page[-1][1])["updated_at"])
            yield Batch("contacts", records, now, Position("active", until))


def measure(folder: Path, name: str) -> None:
    data = {"TL_HUBSPOT_DATA": str(folder / "data")}
    platform = Platform(configuration.load(data, directory=folder), RunOptions(full=True))
    run = platform.run(f"benchmark-{name}")
    pages = list(batches(folder, 100 if name == PASSES[2] else None))
    before = resource.getrusage(resource.RUSAGE_SELF)
    base, started = before.ru_maxrss / 1024, time.perf_counter()
    counts = dict.fromkeys(("read", "new", "changed", "unchanged", "deleted", "unreadable_dates"), 0)
    reading = Reading("contacts", None, run.as_of, platform.clock(), run.run_id)
    extract.take(platform, run, reading, pages, watermark(platform, "contacts"), counts)
    seconds = time.perf_counter() - started
    platform.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{name:11} {counts['read'] / seconds:9,.0f} records/s ({seconds:5.1f} s, {cpu:5.1f} s of CPU), peak memory"
        f" {used.ru_maxrss / 1024:6,.0f} MiB, of which {base:,.0f} MiB were the pages and the program;"
        f" {counts['new']:,} new, {counts['changed']:,} changed"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", choices=PASSES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder, arguments.measure)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "contacts.jsonl").exists():
            write_pages(folder, arguments.contacts)
        shutil.rmtree(folder / "data", ignore_errors=True)
        for name in PASSES:
            subprocess.run([sys.executable, __file__, "--folder", str(folder), "--measure", name], check=True)
        size = (folder / "data" / "tl_hubspot.duckdb").stat().st_size
        print(f"database: {size / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
