"""A fresh Crmoffice per test, and clients whose waiting takes no time. Capabilities are the fixture's parameter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tl_hubspot.crmoffice.capabilities import capabilities
from tl_hubspot.crmoffice.client import CrmofficeClient
from tl_hubspot.transport.meter import CallMeter
from tl_hubspot_tests.sandbox.crmoffice.tenant import Front, Tenant, served
from tl_hubspot_tests.transport.virtual_time import VirtualTime

CLIENT_SECRET = "sandbox-secret"
FIRST_TOKEN = "sandbox-refresh"


class Connected(Tenant):
    """A tenant, and clients of it that know its capabilities."""

    def __init__(self, folder: Path, front: Front, url: str, caps: str) -> None:
        super().__init__(front, url, caps)
        self.caps = caps
        self.store_path = folder / "tokens" / "crmoffice.json"
        self.time = VirtualTime(on_sleep=self.sandbox.clock.advance)
        self.meter = CallMeter()
        self._clients: list[CrmofficeClient] = []

    def client(self, **changes: Any) -> CrmofficeClient:
        settings: dict[str, Any] = {
            "api_url": self.url,
            "auth_url": self.url,
            "client_id": "sandbox-client",
            "client_secret": CLIENT_SECRET,
            "refresh_token": FIRST_TOKEN,
            "token_store_path": self.store_path,
            "capabilities": capabilities(changes.pop("caps", self.caps)),
            "meter": self.meter,
            "sleep": self.time.sleep,
            "clock": self.time.clock,
        }
        client = CrmofficeClient(**(settings | changes))
        self._clients.append(client)
        return client

    @property
    def counts(self) -> dict[str, int]:
        return self.meter.snapshot()["crmoffice"]

    def close(self) -> None:
        for client in self._clients:
            client.close()
        super().close()


@pytest.fixture(scope="session")
def front() -> Iterator[tuple[Front, str]]:
    with served() as server:
        yield server


@pytest.fixture
def tenant(tmp_path: Path, front: tuple[Front, str], request: pytest.FixtureRequest) -> Iterator[Connected]:
    tenant = Connected(tmp_path, *front, caps=getattr(request, "param", ""))
    yield tenant
    tenant.close()
