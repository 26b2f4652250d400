"""Fixtures: a portal with the sync's properties, a ledger in memory, and a push between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tl_hubspot.hubspot.provision import provision
from tl_hubspot.pushing.push import PushResult, PushSettings, push
from tl_hubspot_tests.hubspot.support import PIPELINES, PROPERTIES, Portal
from tl_hubspot_tests.hubspot.support import portal as open_portal
from tl_hubspot_tests.pushing.memory import MemoryLedger, plan

SETTINGS = PushSettings(run_id="run-1", properties=PROPERTIES, pipelines=PIPELINES, marketing_patience=60)
Push = Callable[..., PushResult]


@pytest.fixture
def portal() -> Iterator[Portal]:
    with open_portal() as opened:
        provision(opened.gateway, PROPERTIES, PIPELINES)
        opened.sandbox.log.clear()
        yield opened


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def run(portal: Portal, ledger: MemoryLedger) -> Push:
    def pushed(*rows: dict[str, Any], settings: PushSettings = SETTINGS) -> PushResult:
        return push(plan(*rows), portal.gateway, ledger, settings)

    return pushed
