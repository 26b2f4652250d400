"""How many calls a push could make if HubSpot had no limit, and what the journal costs.

`python benchmarks/journal.py [--records 20000] [--json FILE]` pushes creates, updates, relations and single opt-outs
into a database in a temporary folder. HubSpot is answered for on the spot, so that what is measured is our own side:
first without any limit or latency, then after `--latency` seconds under its limit of calls; each push is made once more
with a ledger that remembers nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from measuring import Results, arguments

from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.routes import Route
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.pushing.ledger import Rows
from tl_hubspot.pushing.push import PushSettings, push
from tl_hubspot.warehouse.store import Warehouse

FIELDS = (
    "firstname",
    "lastname",
    "phone",
    "city",
    "zip",
    "teamleader_status",
    "teamleader_url",
    "teamleader_marketing",
)


class Answering(HubSpotGateway):
    """Gives every call the answer of a HubSpot that carried it out, after the latency."""

    def __init__(self, latency: float, calls: int) -> None:
        super().__init__("http://hubspot.invalid", "none", rate_limit=calls, rate_share=1.0)
        self._latency = latency
        self.made = 0

    def call(self, route: Route, *, answer: Any = Any, body: Any = None, **more: Any) -> Any:
        self._window.acquire()
        began = self.clock()
        self.went(route)
        time.sleep(self._latency)
        self._took.append(self.clock() - began)
        self.made += 1
        if route in (routes.BATCH_UPSERT, routes.BATCH_UPDATE, routes.BATCH_READ):
            return msgspec.convert({"results": [_result(i) for i in body["inputs"]]}, answer)
        if route is routes.ASSOCIATE_DEFAULT:
            return msgspec.convert({"results": body["inputs"]}, answer)
        return None

    def went(self, route: Route) -> None:
        """A call was sent."""


def _result(sent: dict[str, Any]) -> dict[str, Any]:
    trace = sent.get("objectWriteTraceId")
    return {
        "id": sent["id"],
        "properties": sent.get("properties", {}),
        **({"objectWriteTraceId": trace} if trace else {}),
    }


class Measured(WarehouseLedger):
    """Counts commits, the seconds that the push waits for them, and those that the processor works on them."""

    def __init__(self, warehouse: Warehouse, log_file: Path) -> None:
        super().__init__(warehouse, log_file)
        self.commits, self.seconds, self.worked, self._depth = 0, 0.0, 0.0, 0

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        outermost, began, working = self._depth == 0, time.perf_counter(), time.thread_time()
        self._depth += 1
        try:
            with super().together():
                yield
        finally:
            self._depth -= 1
            if outermost:
                self.commits += 1
                self.seconds += time.perf_counter() - began
                self.worked += time.thread_time() - working


class Forgetful:
    """A ledger that remembers nothing."""

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        yield

    def _nothing(self, rows: Rows) -> None:
        pass

    intend = settle = link = shadow = relation = forget_relation = opt_out = marketing_request = log = _nothing
    consent = _nothing


def plan(records: int) -> pl.DataFrame:
    """Half creates, half updates, a relation for each, an opt-out for each hundredth."""

    def row(entity_type: str, id: str, hubspot_id: str | None, action: str, **details: Any) -> dict[str, Any]:
        return {
            "entity_type": entity_type,
            "teamleader_id": id,
            "hubspot_id": hubspot_id,
            "action": action,
            "reason": "measured",
            "fields": fields if action in ("create", "update") else "{}",
            "details": msgspec.json.encode(details).decode(),
        }

    fields = msgspec.json.encode({name: {"old": None, "new": f"value of {name}"} for name in FIELDS}).decode()
    shadow = {name: f"value of {name}" for name in FIELDS}
    rows = [
        row("contact", f"c{n}", None, "create") if n % 2 else row("contact", f"c{n}", f"9{n}", "update", shadow=shadow)
        for n in range(records)
    ]
    rows += [
        row(
            *("relation", f"c{n}>k{n % 500}", None, "associate"),
            from_type="contact",
            from_id=f"c{n}",
            from_hubspot_id=f"9{n}",
            to_type="company",
            to_id=f"k{n % 500}",
            to_hubspot_id=f"8{n % 500}",
        )
        for n in range(records)
    ]
    rows += [
        row("contact", f"c{n}", f"9{n}", "unsubscribe", address=f"a{n}@example.com", addresses=[f"a{n}@example.com"])
        for n in range(0, records, 100)
    ]
    return pl.DataFrame(rows)


def measure(given: argparse.Namespace, latency: float, calls: int, results: Results, title: str) -> None:
    """The same push with the journal and with a ledger that remembers nothing."""
    changes = plan(given.records)
    # nothing is kept here that a canary could be read back from
    settings = PushSettings(run_id="measured", canary=0)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "tl_hubspot.duckdb")
        warehouse.hold()  # as a run does
        ledger = Measured(warehouse, Path(folder) / "sync.jsonl")
        for name, one in ((title, ledger), (f"{title}, no journal", Forgetful())):
            gateway = Answering(latency, calls)
            began, working = time.perf_counter(), time.process_time()
            result = push(changes, gateway, one, settings)
            seconds, worked = time.perf_counter() - began, time.process_time() - working
            assert result.failed == 0 and result.stopped is None, result
            figures = {"seconds": seconds, "cpu_seconds": worked, "calls": gateway.made}
            if one is ledger:
                figures |= {"commits": ledger.commits, "journal_seconds": ledger.seconds}
            results.add(name, given.records, **figures, calls_per_second=gateway.made / seconds)
            gateway.close()
        warehouse.release()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.3, help="seconds per call")
    parser.add_argument("--calls", type=int, default=190, help="calls that the portal allows per 10 s")
    given = parser.parse_args()
    with Results("journal", given.json) as results:
        measure(given, 0.0, 1_000_000, results, "no latency, no limit")
        measure(given, given.latency, given.calls, results, f"{given.latency} s, {given.calls} calls per 10 s")


if __name__ == "__main__":
    main()
