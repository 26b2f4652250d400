"""A fresh Crmoffice per test; its capabilities are the parameter of the fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tl_hubspot_tests.sandbox.crmoffice.tenant import Front, Tenant, served


@pytest.fixture(scope="session")
def front() -> Iterator[tuple[Front, str]]:
    with served() as server:
        yield server


@pytest.fixture
def tenant(front: tuple[Front, str], request: pytest.FixtureRequest) -> Iterator[Tenant]:
    tenant = Tenant(*front, caps=getattr(request, "param", ""))
    yield tenant
    tenant.close()
