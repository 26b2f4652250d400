"""A run that is killed while it pushes: the next one ends where an undisturbed one would, without a second record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tl_hubspot_tests.e2e.builders import run_assets
from tl_hubspot_tests.e2e.conftest import Make, Product


def _wait_for_writes(product: Product, process: subprocess.Popen[bytes], number: int) -> None:
    while len(product.writes()) < number and process.poll() is None:
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(make: Make) -> Product:
    product = make("subset")
    run_assets(product.platform())
    return product


@pytest.mark.parametrize("writes", [30])
def test_killed_while_pushing(make: Make, undisturbed: Product, writes: int) -> None:
    product = make("subset")
    values = {**os.environ, **product.systems.environment(), "TL_HUBSPOT_DATA": str(product.data)}
    with subprocess.Popen(
        [sys.executable, "-m", "tl_hubspot", "sync"], env=values, stderr=subprocess.DEVNULL
    ) as process:
        _wait_for_writes(product, process, writes)
        process.send_signal(signal.SIGKILL)
    finished = product.run()
    assert finished.exit_code == 0, finished.run
    assert product.read("select count(*) from sync.journal where state = 'intended'").item() == 0
    for object_type in ("contacts", "companies", "deals"):
        assert _held(product, object_type) == _held(undisturbed, object_type)
    product.forget()
    run_assets(product.platform())
    assert product.writes() == []


def _held(product: Product, object_type: str) -> list[tuple[str, ...]]:
    """What the portal holds, without ids and times."""
    names = ("teamleader_id", "email", "hs_additional_emails", "firstname", "name", "dealname", "amount", "domain")
    more = ("teamleader_marketing", "teamleader_status", "hs_email_optout", "hs_marketable_status", "teamleader_label")
    return sorted(
        tuple(str(record["properties"].get(name)) for name in names + more)
        for record in product.systems.hubspot.all(object_type)
    )
