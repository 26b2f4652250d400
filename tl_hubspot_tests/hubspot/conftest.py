"""Fixtures: one empty portal per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tl_hubspot.hubspot.provision import provision
from tl_hubspot_tests.hubspot.support import PROPERTIES, Portal
from tl_hubspot_tests.hubspot.support import portal as open_portal


@pytest.fixture
def portal() -> Iterator[Portal]:
    with open_portal() as opened:
        yield opened


@pytest.fixture
def ready(portal: Portal) -> Portal:
    """A portal with the sync's own properties."""
    provision(portal.gateway, PROPERTIES)
    portal.sandbox.log.clear()
    return portal
