"""Storing Teamleader's records alone: seconds, records per second and peak memory of a process that does nothing else.

Usage: `python benchmarks/load.py [--contacts 100000] [--folder DIR] [--passes first] [--json FILE]`. Contacts of the
generated sample world come as the JSON pages that Teamleader would give, from a file instead of over HTTP with its
limit of calls: first all into an empty database, then all again unchanged, then all again with every hundredth edited.
Each pass is a process of its own, of which everything counts: starting, reading and decoding the pages, storing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from measuring import Results, alone, arguments

from tl_hubspot import decoding
from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import extract
from tl_hubspot.orchestration.steps.reading import Reading, watermark
from tl_hubspot.sandbox.worlds import world
from tl_hubspot.teamleader.extraction import Batch, Position, Record

PAGE = 100
PASSES = {"first": "pages", "all again, unchanged": "pages", "all again, 1 % edited": "edited"}
"""Each pass and the file of pages that it reads."""
ONLY_IN_INFO = {"companies", "addresses", "vat_number", "remarks"}


class Page(msgspec.Struct):
    """What a list answers, a page on each line of the file."""

    data: list[msgspec.Raw]


class Head(msgspec.Struct):
    """What paging looks at of a record."""

    id: str
    updated_at: str


def write_pages(folder: Path, contacts: int) -> None:
    """All pages, and all of them with every hundredth contact edited, in the order of the last update."""
    rows: Iterator[dict[str, Any]] = iter(
        sorted(world("generated", contacts=contacts).teamleader("contacts"), key=lambda r: r["updated_at"])
    )
    with (folder / "pages").open("w") as plain, (folder / "edited").open("w") as edited:
        while some := [{k: v for k, v in row.items() if k not in ONLY_IN_INFO} for row in islice(rows, PAGE)]:
            plain.write(json.dumps({"data": some}, ensure_ascii=False) + "\n")
            some[0]["last_name"] += " Janssens"
            edited.write(json.dumps({"data": some}, ensure_ascii=False) + "\n")


def batches(pages: Iterable[bytes]) -> Iterator[Batch]:
    now = datetime.now(UTC)
    for page in pages:
        payloads = [bytes(raw) for raw in decoding.decode(page, type=Page).data]
        heads = [decoding.decode(payload, type=Head) for payload in payloads]
        records = [Record(head.id, payload) for head, payload in zip(heads, payloads, strict=True)]
        yield Batch("contacts", records, now, Position("active", datetime.fromisoformat(heads[-1].updated_at)))


def measure(folder: Path, name: str) -> None:
    data = {"TL_HUBSPOT_DATA": str(folder / "data")}
    platform = Platform(configuration.load(data, directory=folder), RunOptions(full=True))
    run = platform.run(f"benchmark-{name}")
    counts = dict.fromkeys(("read", "new", "changed", "unchanged", "deleted", "unreadable_dates"), 0)
    reading = Reading("contacts", None, run.as_of, platform.clock(), run.run_id)
    with (folder / PASSES[name]).open("rb") as pages:
        extract.take(platform, run, reading, batches(pages), watermark(platform, "contacts"), counts)
    platform.close()
    print(json.dumps(counts))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--passes", nargs="*", choices=list(PASSES), default=list(PASSES))
    parser.add_argument("--measure", choices=list(PASSES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.folder, given.measure)
        return
    with tempfile.TemporaryDirectory() as temporary, Results("load", given.json) as results:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "edited").exists():
            write_pages(folder, given.contacts)
        shutil.rmtree(folder / "data", ignore_errors=True)
        for name in given.passes:
            used = alone([sys.executable, __file__, "--folder", folder, "--measure", name], folder)
            if used.code:
                raise SystemExit(used.code)
            counts = json.loads(used.output)
            done = {"new": counts["new"], "changed": counts["changed"]}
            size = (folder / "data" / "tl_hubspot.duckdb").stat().st_size / 2**20
            results.add(name, counts["read"], **used.figures, **done, size_mib=size)


if __name__ == "__main__":
    main()
