"""The whole job with the working database on DuckLake: the same in HubSpot as with a file, and nothing twice."""

from __future__ import annotations

import pytest

from tl_hubspot.orchestration.run import RunOptions
from tl_hubspot_tests.e2e.conftest import Make, Product
from tl_hubspot_tests.e2e.test_crash import _held
from tl_hubspot_tests.warehouse.conftest import catalog

__all__ = ["catalog"]


@pytest.fixture
def product(make: Make, catalog: str) -> Product:
    on_lake = {"TL_HUBSPOT_WAREHOUSE__CATALOG": catalog, "TL_HUBSPOT_WAREHOUSE__NAME": "end_to_end"}
    return make("subset", **on_lake)


def test_a_sync_on_ducklake_ends_as_one_on_a_file(product: Product, make: Make) -> None:
    assert product.run().exit_code == 0
    on_file = make("subset")
    assert on_file.run().exit_code == 0
    for object_type in ("contacts", "companies", "deals"):
        assert _held(product, object_type) == _held(on_file, object_type)
    for table in ("sync.links", "sync.shadows", "decisions.contacts", "sync.outcomes", "teamleader.deals"):
        assert product.platform().warehouse.count(table) == on_file.platform().warehouse.count(table), table
    assert not (product.data / "tl_hubspot.duckdb").exists()
    product.forget()
    again = product.run(command=RunOptions.command)
    assert product.writes() == []
    by_run = "select count(*) from lake.snapshots() where commit_message = ?"
    assert product.read(by_run, [again.run["run_id"]]).item() > 0
