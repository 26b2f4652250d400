"""How much of HubSpot's rate limit a push uses, by how long calls take.

`python benchmarks/push_rate.py --records 60000` pushes creates into a database in a temporary folder, once for each
latency, about half a minute each. HubSpot is answered for on the spot after the latency, so that what is measured is
our own side. The first window, whose calls go faster, does not count, nor does the wait for the last
answers.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import journal
import polars as pl
from measuring import Results, arguments

from tl_hubspot.hubspot.gateway import LIMIT_SECONDS
from tl_hubspot.hubspot.routes import Route
from tl_hubspot.orchestration.ledger import WarehouseLedger
from tl_hubspot.pushing.push import PushSettings, push
from tl_hubspot.warehouse.store import Warehouse


class Clocked(journal.Answering):
    """Notes when each call goes."""

    def __init__(self, latency: float, calls: int) -> None:
        super().__init__(latency, calls)
        self.sent: list[float] = []

    def went(self, route: Route) -> None:
        self.sent.append(time.monotonic())


def used(sent: list[float], calls: int) -> float:
    """Share of the allowed calls that were made after the first window."""
    later = [at for at in sent if at >= sent[0] + LIMIT_SECONDS]
    return (len(later) - 1) / (later[-1] - later[0]) / (calls / LIMIT_SECONDS)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--calls", type=int, default=190, help="calls that the portal allows per 10 s")
    parser.add_argument("--latency", type=float, nargs="*", default=[0.1, 0.3, 0.7, 1.5], help="seconds per call")
    given = parser.parse_args()
    changes = journal.plan(2 * given.records).filter(action="create")
    with Results("push_rate", given.json) as results:
        for latency in given.latency:
            gateway, seconds = Clocked(latency, given.calls), time.perf_counter()
            pushed(changes, gateway)
            share = used(sorted(gateway.sent), given.calls)
            figures = {"calls": gateway.made, "at_once": gateway.together, "share_of_the_limit": share}
            results.add(f"{latency} s per call", given.records, seconds=time.perf_counter() - seconds, **figures)
            gateway.close()


def pushed(changes: pl.DataFrame, gateway: Clocked) -> None:
    """Push into a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(Path(folder) / "tl_hubspot.duckdb")
        warehouse.hold()
        ledger = WarehouseLedger(warehouse, Path(folder) / "sync.jsonl")
        result = push(changes, gateway, ledger, PushSettings(run_id="measured", canary=0))
        assert result.failed == 0 and result.stopped is None, result
        warehouse.release()


if __name__ == "__main__":
    main()
