"""What a cycle between HubSpot and Crmoffice costs: nothing changed, with and without a filter for changes; many edits.

Usage: `python benchmarks/two_way.py [--contacts 100000] [--edits 1000] [--no-limits] [--creations N] [--json FILE]`.
The contacts are linked already: both systems and the tables are filled directly. HubSpot and Crmoffice give 190 calls
per 10 s. Each cycle is a process of its own; told are its seconds from configuration to stored outcome, its peak
memory, and its calls by kind beside the least that the same outcome can be had for. Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
from measuring import Results, alone, arguments

from tl_hubspot.config.two_way import load
from tl_hubspot.sandbox.serve import HUBSPOT_CALLS, LocalSystems
from tl_hubspot.two_way.matching import link_id
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot.warehouse.store import Warehouse

FLOW = load()[0]
FIRST_A, FIRST_B = 500_001, 1_001
PAGE_B, PAGE_SEARCH, BATCH_A, BATCH_HISTORY = 500, 200, 100, 50


def people(count: int) -> pl.DataFrame:
    """`a_id`, `b_id` and the fields of contacts that are the same on both sides."""
    n = pl.int_range(count, eager=True).alias("n")
    return pl.DataFrame(n).select(
        a_id=(FIRST_A + pl.col("n")).cast(pl.String),
        b_id=(FIRST_B + pl.col("n")).cast(pl.String),
        firstname=pl.format("Ann{}", pl.col("n") % 5000),
        lastname=pl.format("Maes{}", pl.col("n")),
        mobilephone=pl.format("+47 9{}", pl.col("n").cast(pl.String).str.zfill(7)),
        phone=pl.lit(""),
    )


def fill(systems: LocalSystems, warehouse: Warehouse, count: int) -> None:
    """Contacts in both systems, and the tables as a cycle leaves them that has linked them."""
    assert systems.crmoffice is not None
    contacts = people(count)
    names, theirs = FLOW.names, {field.b: pl.col(field.name) for field in FLOW.fields}
    systems.hubspot.load_objects(
        "contacts",
        ({"id": row["a_id"], "properties": {n: row[n] for n in names}} for row in contacts.iter_rows(named=True)),
    )
    systems.crmoffice.load(contacts.select(id="b_id", **theirs).iter_rows(named=True))
    now = systems.clock.now()
    link = contacts.select(link_id("a_id", "b_id").alias("link_id"), "a_id", "b_id", *names)
    stamps = {"first_seen_at": pl.lit(now), "_loaded_at": pl.lit(now), "_run_id": pl.lit("filled")}
    flow = pl.lit(FLOW.name)
    properties = pl.struct(names).struct.json_encode()
    rows = {
        "two_way.hubspot_contacts": contacts.select(flow=flow, id="a_id", properties=properties, **stamps),
        "crmoffice.contacts": contacts.select(id="b_id", **theirs, **stamps),
        "two_way.links": link.select(
            "link_id", "a_id", "b_id", flow=flow, state=pl.lit("linked"), how=pl.lit("matched"), created_at=pl.lit(now)
        ),
        "two_way.shadows": pl.concat(
            link.select("link_id", flow=flow, field=pl.lit(name), a=name, b=name) for name in names
        ),
        "two_way.polls": pl.DataFrame({"side": ["a", "b"]}).with_columns(
            flow=flow, **dict.fromkeys(("began_at", "poll", "planned_from", "since", "listed_at"), pl.lit(now))
        ),
    }
    for table, frame in rows.items():
        warehouse.append(table, frame_of(table, frame))


def cycle(
    systems: LocalSystems, folder: Path, least: dict[str, int], *, limits: bool
) -> tuple[dict[str, Any], list[str]]:
    """One cycle in a process of its own: its figures, and lines that tell what it did and its calls by kind."""
    assert systems.crmoffice is not None
    systems.hubspot.log.clear()
    systems.crmoffice.log.clear()
    rate = str(HUBSPOT_CALLS if limits else 1_000_000)
    environment = {**systems.environment(), "TL_HUBSPOT_DATA": str(folder), "HUBSPOT_RATE_LIMIT": rate}
    environment["TL_HUBSPOT_CRMOFFICE__RATE_LIMIT"] = rate
    used = alone([sys.executable, __file__, "--cycle", systems.clock.now().isoformat()], folder, environment)
    if used.code:
        raise SystemExit(used.code)
    made = json.loads(used.output.splitlines()[-1])
    calls = _kinds(systems)
    kinds = sorted(calls.keys() | least.keys())
    lines = [f"{kind:44} {calls[kind]:6,} calls, at least {least.get(kind, 0):6,}" for kind in kinds]
    figures = {name: made[name] for name in ("seconds", "cpu_seconds")} | {"peak_mib": used.peak_mib}
    figures |= {"calls": calls.total(), "least_calls": sum(least.values())}
    return figures, [made["did"], *lines]


def _kinds(systems: LocalSystems) -> Counter[str]:
    """Calls by what they are for, as the systems saw them."""
    assert systems.crmoffice is not None
    kinds: Counter[str] = Counter()
    for entry in systems.hubspot.log.entries:
        what = entry["path"].rstrip("/").removeprefix("/crm/v3")
        kinds[f"HubSpot {entry['method']} {what}"] += 1
    for entry in systems.crmoffice.log.entries:
        if not entry["path"].startswith("/connect"):
            kinds[f"Crmoffice {entry['method']} {'list' if entry['path'].count('/') == 1 else 'contact'}"] += 1
    return kinds


def one_cycle(now: str) -> None:
    """What the process of a cycle does."""
    from tl_hubspot.config import settings as configuration
    from tl_hubspot.orchestration.run import Platform, RunOptions
    from tl_hubspot.orchestration.steps.two_way import cycle as steps

    began, cpu = time.perf_counter(), time.process_time()
    start = datetime.fromisoformat(now)
    platform = Platform(configuration.load(os.environ, directory=Path.cwd()), RunOptions(command="crmoffice"))
    platform.clock = lambda: start + timedelta(seconds=time.perf_counter() - began)
    made = steps.sync(platform)[0]
    platform.close()
    told = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps({**told, "did": f"{made.status} { {k: v for k, v in made.counts.items() if v} }"}))


def main() -> None:
    """Fill and measure."""
    parser = arguments(__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--edits", type=int, default=1_000)
    parser.add_argument("--creations", type=int, default=0, help="new contacts on each side, after everything else")
    parser.add_argument("--no-limits", action="store_true")
    parser.add_argument("--cycle", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cycle:
        one_cycle(given.cycle)
        return
    systems = LocalSystems("empty", teamleader_limit=False, hubspot_limit=not given.no_limits, crmoffice="")
    with systems, tempfile.TemporaryDirectory() as data, Results("two_way", given.json) as results:
        assert systems.crmoffice is not None
        folder, edits = Path(data), given.edits
        systems.crmoffice.set_switches(rate_limit=None if given.no_limits else HUBSPOT_CALLS)
        fill(systems, Warehouse(folder / "tl_hubspot.duckdb"), given.contacts)

        def measure(title: str, least: dict[str, int]) -> None:
            figures, lines = cycle(systems, folder, least, limits=not given.no_limits)
            results.add(title, given.contacts, **figures)
            print(*(f"  {line}" for line in lines), sep="\n", flush=True)

        quiet = {"HubSpot POST /objects/contacts/search": 2}
        systems.clock.advance(3600)
        measure(
            "nothing changed, Crmoffice cannot filter",
            {**quiet, "Crmoffice GET list": ceil(given.contacts / PAGE_B)},
        )
        systems.crmoffice.set_switches(since_filter=True, modified_timestamp=True)
        systems.clock.advance(3600)
        measure("nothing changed, Crmoffice filters", {**quiet, "Crmoffice GET list": 1})
        systems.clock.advance(3600)
        for n in range(edits):
            systems.hubspot.patch("contacts", str(FIRST_A + n), {"phone": f"+47 2{n:07}"})
            systems.crmoffice.update(str(FIRST_B + given.contacts - 1 - n), directPhone=f"+47 3{n:07}")
        systems.clock.advance(60)
        measure(
            f"{edits:,} edits on each side",
            {
                "HubSpot POST /objects/contacts/search": ceil(edits / PAGE_SEARCH) + 1,
                "HubSpot GET /properties/contacts": 1,
                "HubSpot POST /objects/contacts/batch/read": ceil(edits / BATCH_A) + ceil(3 * edits / BATCH_HISTORY),
                "HubSpot POST /objects/contacts/batch/update": ceil(edits / BATCH_A),
                "Crmoffice GET list": ceil(edits / PAGE_B),
                "Crmoffice GET contact": 2 * edits,
                "Crmoffice PATCH contact": edits,
            },
        )
        systems.clock.advance(60)
        measure("the cycle after", quiet | {"Crmoffice GET list": 1})
        if given.creations:
            systems.clock.advance(3600)
            fresh = [
                {"firstname": "New", "lastname": f"Nes{n}", "phone": f"+47 6{n:07}"} for n in range(given.creations)
            ]
            systems.hubspot.load_objects("contacts", [{"properties": person} for person in fresh])
            systems.crmoffice.load(
                {"givenName": "New", "familyName": f"Vik{n}", "directPhone": f"+47 7{n:07}"}
                for n in range(given.creations)
            )
            measure(
                f"{given.creations:,} new contacts on each side",
                {
                    "HubSpot POST /objects/contacts/batch/create": ceil(given.creations / BATCH_A),
                    "Crmoffice POST list": given.creations,
                },
            )


if __name__ == "__main__":
    main()
