"""Pushing a first plan into an empty portal: calls against the least possible, seconds against the rate, peak memory,
and what the journal costs.

`python benchmarks/push.py [--contacts 100000] [--latency 0.3] [--json FILE]`. Companies are a fifth of the contacts,
deals three tenths; relations are one to a company per contact, and for each deal one to a company, one to a contact and
every second time one more. The portal is the local sandbox, a process of its own, with its limit of 190 calls per 10 s;
every answer takes `latency` seconds longer. The journal is on DuckDB in a temporary folder.
"""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl
from measuring import Results, arguments

from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.provision import PropertyWanted
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.planning.forecast import forecast, tally
from tl_hubspot.pushing.ledger import Row
from tl_hubspot.pushing.push import PushSettings, push
from tl_hubspot.warehouse.rows import polars_schema
from tl_hubspot.warehouse.store import Warehouse

LIMIT = 190
PROPERTIES = tuple(
    PropertyWanted(kind, "teamleader_id", "Teamleader id", "string", "text", unique=True)
    for kind in ("contact", "company", "deal")
)


class TimedLedger(WarehouseLedger):
    """The ledger, with the seconds in which a transaction was open."""

    seconds = 0.0

    @contextmanager
    def _timed(self, inner: AbstractContextManager[Any]) -> Iterator[Any]:
        outermost = self._connection is None
        began = time.perf_counter()
        try:
            with inner as value:
                yield value
        finally:
            if outermost:
                self.seconds += time.perf_counter() - began

    def together(self) -> AbstractContextManager[None]:
        return self._timed(super().together())


def record(entity_type: str, number: int) -> Row:
    values = {
        "contact": {"email": f"p{number}@example.org", "firstname": f"First{number}", "lastname": f"Last{number}"}
        | {"phone": "+32 2 555 01 23", "city": "Gent", "zip": "9000", "country": "Belgium", "jobtitle": "Buyer"},
        "company": {"name": f"Company {number}", "domain": f"company{number}.example", "city": "Gent", "zip": "9000"},
        "deal": {"dealname": f"Deal {number}", "amount": "1250.5", "closedate": "2026-11-02"}
        | {"pipeline": "default", "dealstage": "appointmentscheduled"},
    }[entity_type]
    values = {"teamleader_id": f"{entity_type}-{number}", **values}
    fields = {name: {"old": None, "new": value} for name, value in values.items()}
    return row(entity_type, f"{entity_type}-{number}", "create", fields, {"first_match": False})


def relation(from_type: str, from_number: int, to_type: str, to_number: int) -> Row:
    details = {
        "from_type": from_type,
        "from_id": f"{from_type}-{from_number}",
        "to_type": to_type,
        "to_id": f"{to_type}-{to_number}",
        "primary": False,
    }
    return row("relation", f"{from_number}>{to_number}", "associate", {}, details)


def row(entity_type: str, teamleader_id: str, action: str, fields: Row, details: Row) -> Row:
    return {
        "entity_type": entity_type,
        "teamleader_id": teamleader_id,
        "hubspot_id": None,
        "action": action,
        "reason": "benchmark",
        "fields": json.dumps(fields),
        "details": json.dumps(details),
    }


def plan(contacts: int) -> pl.DataFrame:
    companies, deals = contacts // 5, contacts * 3 // 10
    rows = chain(
        (record("company", n) for n in range(companies)),
        (record("contact", n) for n in range(contacts)),
        (record("deal", n) for n in range(deals)),
        (relation("contact", n, "company", n % companies) for n in range(contacts)),
        (relation("deal", n, "company", n % companies) for n in range(deals)),
        (relation("deal", n, "contact", n) for n in range(deals)),
        (relation("deal", n, "contact", n + 1) for n in range(0, deals, 2)),
    )
    names = row("", "", "", {}, {})
    types = {n: t for n, t in polars_schema("sync.plan").items() if n in names}
    parts = []
    while part := list(islice(rows, 10_000)):  # all rows at once would be the peak of memory that is measured here
        parts.append(pl.DataFrame(part, schema=types))
    return pl.concat(parts)


@contextmanager
def portal(latency: float) -> Iterator[dict[str, str]]:
    """The sandbox in a process of its own; its environment."""
    command = [sys.executable, "-m", "tl_hubspot", "sandbox", "--world", "empty", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            environment: dict[str, str] = {}
            text = ""
            while not environment:
                text += process.stdout.readline()
                try:
                    environment = json.loads(text)
                except json.JSONDecodeError:
                    continue
            if latency:
                slow = {"kind": "slow", "path": "^/(?!_sandbox)", "seconds": latency, "times": None}
                request = urllib.request.Request(
                    f"{environment['HUBSPOT_API_URL']}/_sandbox/faults",
                    data=json.dumps(slow).encode(),
                    headers={"Content-Type": "application/json"},
                )
                urllib.request.urlopen(request).close()
            yield environment
        finally:
            process.terminate()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=0.3)
    given = parser.parse_args()
    gc.set_threshold(500_000)  # as the command line does
    with Results("push", given.json) as results, portal(given.latency) as environment:
        results.add(f"first push, {given.latency} s per call", given.contacts, **pushed(given.contacts, environment))


def pushed(contacts: int, environment: dict[str, str]) -> dict[str, Any]:
    """The figures of one push."""
    with tempfile.TemporaryDirectory() as folder:
        changes = plan(contacts)
        warehouse = Warehouse(Path(folder) / "tl_hubspot.duckdb")
        warehouse.hold()
        ledger = TimedLedger(warehouse, Path(folder) / "sync.jsonl")
        gateway = HubSpotGateway(
            environment["HUBSPOT_API_URL"], environment["HUBSPOT_ACCESS_TOKEN"], rate_limit=LIMIT, rate_share=1.0
        )
        settings = PushSettings(run_id="benchmark", properties=PROPERTIES)
        least = forecast([tally(changes)], gateway.calls_per_second)
        before = time.perf_counter()
        result = push(changes, gateway, ledger, settings)
        seconds = time.perf_counter() - before
        warehouse.release()
    assert result.stopped is None and result.failed == 0, result
    assert result.outcomes.height + result.counts["associated"] == changes.height, result.counts
    calls = gateway.meter.snapshot()["hubspot"]
    made = calls["reads"] + calls["writes"]
    return {
        "changes": changes.height,
        "seconds": seconds,
        "times_calls_at_the_rate": seconds / (made / (LIMIT / 10)),
        "calls": made,
        "least_calls": least.total,
        "times_least_calls": made / least.total,
        "refused_429": calls["rate_limited"],
        "in_the_ledger": ledger.seconds / seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
