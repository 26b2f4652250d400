"""The whole job with the working database on DuckLake: the same in HubSpot as with a file, and nothing twice."""

from __future__ import annotations

import pytest

from tl_hubspot.orchestration.run import RunOptions
from tl_hubspot.sandbox.worlds import world
from tl_hubspot_tests.e2e.conftest import Make, Product
from tl_hubspot_tests.e2e.test_crash import _held
from tl_hubspot_tests.warehouse.conftest import all_ways, catalog, postgres

__all__ = ["catalog", "postgres"]


@pytest.fixture(scope="module")
def product(make: Make, catalog: str) -> Product:
    on_lake = {"TL_HUBSPOT_WAREHOUSE__CATALOG": catalog, "TL_HUBSPOT_WAREHOUSE__NAME": "end_to_end"}
    product = make("subset", **on_lake)
    assert product.run().exit_code == 0
    return product


def test_a_sync_on_ducklake_meets_the_expectations_of_the_subset(product: Product) -> None:
    query = "select entity_type, teamleader_id, bucket from sync.outcomes"
    buckets = {(entity, id): bucket for entity, id, bucket in product.read(query).rows()}
    cases = [case for case in world("subset").cases if "bucket" in case.expected]
    assert {c.name: buckets[c.entity, c.teamleader_id] for c in cases} == {c.name: c.expected["bucket"] for c in cases}
    assert not (product.data / "tl_hubspot.duckdb").exists()
    run_id = product.read("select run_id from sync.runs").item()
    by_run = "select count(*) from lake.snapshots() where commit_message = ?"
    assert product.read(by_run, [run_id]).item() > 0


@all_ways
def test_it_ends_as_one_on_a_file_and_writes_nothing_twice(product: Product, make: Make) -> None:
    on_file = make("subset")
    assert on_file.run().exit_code == 0
    for object_type in ("contacts", "companies", "deals"):
        assert _held(product, object_type) == _held(on_file, object_type)
    for table in ("sync.links", "sync.shadows", "decisions.contacts", "sync.outcomes", "teamleader.deals"):
        assert product.platform().warehouse.count(table) == on_file.platform().warehouse.count(table), table
    product.forget()
    product.run(command=RunOptions.command)
    assert product.writes() == []
