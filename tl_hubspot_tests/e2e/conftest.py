"""The whole product against the two local systems over real HTTP, as `tl-hubspot sync` runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tl_hubspot.config import settings as configuration
from tl_hubspot.orchestration import consent
from tl_hubspot.orchestration.execute import Finished, execute
from tl_hubspot.orchestration.run import Platform, Run, RunOptions
from tl_hubspot.orchestration.steps import conclude, planning, pushing, unchanged
from tl_hubspot.orchestration.steps.scope import Scope
from tl_hubspot.pushing.push import PushResult
from tl_hubspot.sandbox.serve import LocalSystems
from tl_hubspot.warehouse.lending import registered
from tl_hubspot.warehouse.rows import fetch, insert
from tl_hubspot.warehouse.store import Warehouse


@dataclass
class Product:
    """One installation of the product beside the systems that it synchronises."""

    systems: LocalSystems
    data: Path
    environment: dict[str, str]

    def platform(self, **options: Any) -> Platform:
        """A fresh platform, as each command makes one."""
        values = {**self.systems.environment(), "TL_HUBSPOT_DATA": str(self.data), **self.environment}
        return Platform(configuration.load(values, directory=self.data), RunOptions(**options))

    @cached_property
    def warehouse(self) -> Warehouse:
        """The working database, to look into; one for all questions, whose tables are compared with ours once."""
        return self.platform().warehouse

    def run(self, **options: Any) -> Finished:
        """One run of a command (sync unless `command` says otherwise)."""
        return execute(self.platform(**options))

    def read(self, query: str, parameters: list[Any] | None = None) -> pl.DataFrame:
        """A query on the working database."""
        return self.warehouse.read(query, parameters)

    def outcome(self, entity_type: str, teamleader_id: str) -> dict[str, Any]:
        """The row of sync.outcomes."""
        rows = self.read(f"select * from sync.outcomes where entity_type = '{entity_type}'")
        return rows.row(by_predicate=pl.col("teamleader_id") == teamleader_id, named=True)

    def hubspot(self, object_type: str, teamleader_id: str) -> dict[str, Any] | None:
        """The HubSpot record that carries the id, archived ones left out."""
        found = [
            r for r in self.systems.hubspot.all(object_type) if r["properties"].get("teamleader_id") == teamleader_id
        ]
        assert len(found) <= 1, f"{len(found)} HubSpot {object_type} carry {teamleader_id}"
        return found[0] if found else None

    def writes(self) -> list[dict[str, Any]]:
        """Writing calls to HubSpot since the last `forget`."""
        return self.systems.hubspot.log.writes()

    def forget(self) -> None:
        """Empty both request logs."""
        self.systems.hubspot.log.clear()
        self.systems.teamleader.log.clear()


Make = Callable[..., Product]

PLANNED = {
    "changes": "select * exclude (run_id, digest) from sync.plan",
    "settled": "select * from sync.settled order by all",
    "outcomes": "select * from sync.planned_outcomes order by all",
    "notices": "select * from sync.notices where found_by = 'plan' order by all",
}


@pytest.fixture(scope="module")
def looked_at() -> Iterator[list[int]]:
    """Numbers of records that plans of some records looked at. Each such plan is made once more, of all records, and
    has to say the same; and whatever follows from it for these records alone is all that follows."""
    store, decided, pushed, sizes = planning.store, pushing._decided, conclude.pushed, list[int]()

    def plan_compared(platform: Platform, run: Run, made: Any, made_of: Any, scope: Scope | None = None) -> Any:
        tallies = store(platform, run, made, made_of, scope)
        if scope is not None:
            some = {name: platform.warehouse.read(query).rows() for name, query in PLANNED.items()}
            looked, built_on = (platform.warehouse.read(t) for t in ("sync.looked_at", _BUILT_ON))
            of_all = planning.make(platform, run)
            store(platform, run, of_all, made_of)
            assert some == {name: platform.warehouse.read(query).rows() for name, query in PLANNED.items()}
            assert (made.digest, made.limits) == (of_all.digest, of_all.limits)
            sizes.append(scope.size)
            with platform.warehouse.transaction() as con:
                unchanged.remember(con, "sync.plan", made_of, run, built_on.item())
                insert(con, "sync.looked_at", looked)
        return tallies

    def decided_compared(platform: Platform, run: Run) -> None:
        decided(platform, run)
        if "contact" in run.options.entities:
            with platform.warehouse.transaction() as con:
                assert not consent.record_decisions(con, platform.settings.data, run.run_id, platform.clock())

    def pushed_compared(platform: Platform, run: Run, result: PushResult, due: pl.DataFrame) -> str:
        status = pushed(platform, run, result, due)
        of_run = f"entity_type in ({conclude._listed(run)})"
        with platform.warehouse.connect() as con, registered(con, _became=result.outcomes):
            con.execute(conclude._CHANGES.format(wanted=conclude._BECAME.format(of_run=of_run), of_run=of_run))
            assert fetch(con, "from _outcomes").rows() == []
        assert conclude._decision_rows(platform, run, "true") == []
        return status

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tl_hubspot.warehouse.store.SPARSE", 0)  # few rows are picked out, of however few
        patch.setattr(planning, "store", plan_compared)
        patch.setattr(pushing, "_decided", decided_compared)
        patch.setattr(conclude, "pushed", pushed_compared)
        yield sizes


_BUILT_ON = "select result from sync.made_of where name = 'sync.plan'"


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, empty_dagster: Path) -> Iterator[Make]:
    """Makes products; `world` names the sample data, further keywords become environment variables."""
    running: list[LocalSystems] = []

    def build(world: str = "subset", *, contacts: int | None = None, **environment: str) -> Product:
        systems = LocalSystems(world, contacts=contacts, teamleader_limit=False, hubspot_limit=False)
        systems.__enter__()
        running.append(systems)
        return Product(systems, tmp_path_factory.mktemp("data"), environment)

    yield build
    for systems in running:
        systems.__exit__(None, None, None)
