"""A run whose catalog or bucket goes away while HubSpot carries a call out: it says so, and the next one ends the work.

On a server that stops and starts; what an operator sees then stands in `deploy/README.md`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tl_hubspot.errors import WarehouseError
from tl_hubspot.sandbox.control import Fault
from tl_hubspot_tests.e2e.conftest import Make, Product
from tl_hubspot_tests.e2e.test_crash import _held
from tl_hubspot_tests.warehouse.bucket import Storage
from tl_hubspot_tests.warehouse.conftest import all_ways, catalog, postgres
from tl_hubspot_tests.warehouse.postgres import Postgres

__all__ = ["catalog", "postgres"]
pytestmark = all_ways
LATE = Fault("slow", path="^/crm/v3/objects/contacts/batch/upsert$", when="after", seconds=3)


@pytest.fixture(scope="module")
def undisturbed(make: Make) -> Product:
    product = make("subset")
    assert product.run().exit_code == 0
    return product


@pytest.fixture
def storage() -> Iterator[Storage]:
    with Storage() as storage:
        yield storage


@pytest.fixture(params=["the catalog", "the bucket"])
def lost(request: pytest.FixtureRequest, postgres: Postgres, storage: Storage) -> Postgres | Storage:
    return postgres if request.param == "the catalog" else storage


def test_lost_while_hubspot_carries_a_call_out(
    make: Make, undisturbed: Product, catalog: str, storage: Storage, lost: Postgres | Storage
) -> None:
    bucket = storage.bucket
    values = {"CATALOG": catalog, "FILES": "s3://bucket/prefix", "NAME": f"without_{type(lost).__name__.lower()}"}
    values |= {"S3_ENDPOINT": bucket.endpoint, "S3_REGION": bucket.region}
    values |= {"S3_KEY_ID": bucket.key_id, "S3_SECRET": bucket.secret}
    product = make("subset", **{f"TL_HUBSPOT_WAREHOUSE__{name}": str(value) for name, value in values.items()})
    hubspot = product.systems.hubspot
    known = len(list(hubspot.all("contacts")))
    hubspot.faults.add(LATE)

    def lose() -> None:
        while len(list(hubspot.all("contacts"))) == known:
            time.sleep(0.01)
        lost.stop()

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    setting = "TL_HUBSPOT_WAREHOUSE__CATALOG" if isinstance(lost, Postgres) else "TL_HUBSPOT_WAREHOUSE__S3_ENDPOINT"
    try:
        with pytest.raises(WarehouseError, match=setting):
            product.run()
        thread.join()
        with pytest.raises(WarehouseError, match=setting):
            product.run()
    finally:
        lost.start()
    assert product.read("select count(*) from sync.journal where state = 'intended'").item() > 0
    assert product.run().exit_code == 0
    assert product.read("select count(*) from sync.journal where state = 'intended'").item() == 0
    for object_type in ("contacts", "companies", "deals"):
        assert _held(product, object_type) == _held(undisturbed, object_type)
    product.forget()
    assert product.run().exit_code == 0
    assert product.writes() == []
