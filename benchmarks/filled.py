"""A database filled from the generated sample world, as the reading steps of a run would leave it; once per folder.

Companies are a fifth of the contacts, deals half of them; HubSpot holds a quarter of the contacts beforehand. Nothing
is decided or planned in it. Without HTTP and calls: the records go straight into the tables, through the same typing as
in a run.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration.run import Platform, RunOptions
from tl_hubspot.orchestration.steps import extract, mirroring
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.sandbox.worlds import World, world
from tl_hubspot.warehouse import typed
from tl_hubspot.warehouse.rows import frame_of, insert

RUN = "benchmark"
# what lists do not give, so that the payloads are as large as real ones
ONLY_IN_INFO = {"companies", "addresses", "vat_number", "remarks", "phase_history", "related_contacts", "quotations"}


def sample(contacts: int) -> World:
    """The world of that size."""
    return world("generated", contacts=contacts, deals=contacts // 2)


def filled(folder: Path, contacts: int) -> None:
    """Fill the database in `folder`, unless it is."""
    if (folder / "filled").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    before = time.perf_counter()
    fill(folder, contacts)
    (folder / "filled").touch()
    print(f"filled {folder} in {time.perf_counter() - before:.0f} s (not part of the figures)", flush=True)


def platform(folder: Path, environment: dict[str, str]) -> Platform:
    values = {**environment, "TL_HUBSPOT_DATA": str(folder)}
    return Platform(configuration.load(values, directory=folder), RunOptions(command="plan"))


def fill(folder: Path, contacts: int) -> None:
    made_up = sample(contacts)
    with LocalSystems("generated", contacts=1, teamleader_limit=False, hubspot_limit=False) as systems:
        made = platform(folder, systems.environment())
        run = made.run(RUN)
        extract.reference(made, run)
        mirroring.definitions(made, run)
    stamp = {"_loaded_at": made.clock(), "_run_id": RUN}
    for kind in ("companies", "contacts", "deals"):
        for batch in batched(made_up.teamleader(kind), 10_000):
            store(made, kind, batch, stamp)
    for entity_type, table in mirroring.TABLES.items():
        kind = table.partition(".")[2]
        for batch in batched(made_up.hubspot_objects(kind), 10_000):
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
                {"contact_id": r["id"], "company_id": c["company"]["id"], "rank": rank}
                | {name: c[name] for name in ("position", "decision_maker")}
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
