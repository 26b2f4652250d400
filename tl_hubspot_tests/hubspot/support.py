"""A HubSpot portal on this machine, a gateway to it, and a time that does not have to be waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.provision import PipelineWanted, PropertyWanted, StageWanted
from tl_hubspot.sandbox.control import LoopbackServer
from tl_hubspot.sandbox.hubspot import HubSpotSandbox
from tl_hubspot.sandbox.hubspot.profile import Profile

TOKEN = Profile().access_token


class VirtualTime:
    """Monotonic seconds that jump ahead, together with the sandbox's clock, when somebody sleeps."""

    def __init__(self, sandbox: HubSpotSandbox) -> None:
        self._sandbox = sandbox
        self._ahead = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def clock(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        with self._lock:
            # The portal's clock first: whoever sees our new time must find the portal there already.
            self._sandbox.clock.advance(seconds)
            self._ahead += seconds
            self.slept.append(seconds)
        time.sleep(0)


@dataclass
class Portal:
    sandbox: HubSpotSandbox
    url: str
    time: VirtualTime
    gateway: HubSpotGateway = field(init=False)

    def __post_init__(self) -> None:
        self.gateway = self.connect()

    def connect(self, **options: Any) -> HubSpotGateway:
        settings: dict[str, Any] = {"rate_limit": 190, "clock": self.time.clock, "sleep": self.time.sleep}
        return HubSpotGateway(self.url, options.pop("access_token", TOKEN), **settings | options)

    def calls(self, path: str = "", method: str | None = None) -> int:
        return self.sandbox.log.count(path, method)


@contextmanager
def portal(profile: Profile | None = None, **switches: Any) -> Iterator[Portal]:
    sandbox = HubSpotSandbox(profile=profile or Profile())
    sandbox.set_switches(**switches)
    with LoopbackServer(sandbox.app) as server:
        opened = Portal(sandbox, server.url, VirtualTime(sandbox))
        try:
            yield opened
        finally:
            opened.gateway.close()
    sandbox.close()


def text(entity_type: str, name: str, *, unique: bool = False) -> PropertyWanted:
    return PropertyWanted(entity_type, name, name.replace("_", " "), "string", "text", unique=unique)


PROPERTIES = (
    *(text(entity_type, "teamleader_id", unique=True) for entity_type in ("contact", "company", "deal")),
    PropertyWanted("contact", "teamleader_marketing", "Teamleader: marketing", "bool", "booleancheckbox"),
    PropertyWanted(
        "contact",
        "teamleader_status",
        "Teamleader: status",
        "enumeration",
        "select",
        (
            ("active", "Active"),
            ("deactivated", "Deactivated"),
            ("deleted", "Deleted"),
            ("out_of_scope", "Out of scope"),
        ),
    ),
    PropertyWanted("contact", "teamleader_changed_at", "Teamleader: changed", "datetime", "date"),
    text("company", "vat_number"),
)

PIPELINES = (
    PipelineWanted(
        "teamleader:p1",
        "Sales Belgium",
        (
            StageWanted("teamleader:ph1", "Contacted", "0.2"),
            StageWanted("teamleader:ph2", "Offer sent", "0.6"),
            StageWanted("teamleader:p1:won", "Won", "1.0", True),
            StageWanted("teamleader:p1:lost", "Lost", "0.0", True),
        ),
    ),
)
