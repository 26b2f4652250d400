"""The local systems on loopback, filled with a world: for the demo, the command `sandbox`, and tests.

Lives here: starting, filling and stopping them, and the environment that points the product at them. What they answer
is in `sandbox.teamleader`, `sandbox.hubspot` and `sandbox.crmoffice`; sample data in `sandbox.worlds`.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tl_hubspot.sandbox.control import Clock, LoopbackServer
from tl_hubspot.sandbox.crmoffice import CrmofficeSandbox
from tl_hubspot.sandbox.hubspot import HubSpotSandbox, Profile
from tl_hubspot.sandbox.teamleader import TeamleaderSandbox
from tl_hubspot.sandbox.worlds import World, world

CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "sandbox-client", "sandbox-secret", "sandbox-refresh"
TEAMLEADER_CALLS, HUBSPOT_CALLS = 180, 190
"""Per 60 s and per 10 s."""
NO_LIMIT = 1_000_000
"""What the product is told when a system's limit is lifted."""


class LocalSystems:
    """Teamleader, HubSpot and, if asked for, Crmoffice of one world; a context manager that serves them on 127.0.0.1.

    `state`: folder that keeps them between processes (None: in memory); an existing state is gone on with, not filled
    again. `world_name` "empty" fills nothing. Limits can be lifted per system. `crmoffice`: its capabilities as one
    string ("": the usual ones); None: there is no Crmoffice. `ports` are those of the three, in this order.
    """

    def __init__(
        self,
        world_name: str = "subset",
        *,
        contacts: int | None = None,
        seed: int = 1,
        state: Path | None = None,
        ports: tuple[int, int, int] = (0, 0, 0),
        teamleader_limit: bool = True,
        hubspot_limit: bool = True,
        crmoffice: str | None = None,
    ) -> None:
        self.world: World | None = None
        if world_name != "empty":
            self.world = world(world_name, seed=seed, contacts=contacts)
        self.clock = Clock(self.world.as_of if self.world else None)
        if state is not None:
            state.mkdir(parents=True, exist_ok=True)
        filled = state / "filled" if state is not None else None
        self.resumed = filled is not None and filled.exists()
        names = ("teamleader", "hubspot", "crmoffice")
        paths = [":memory:" if state is None else str(state / f"{name}.sqlite") for name in names]
        if not self.resumed and state is not None:
            for path in paths:
                Path(path).unlink(missing_ok=True)
        profile = Profile(tier="professional")
        self.teamleader = TeamleaderSandbox(
            paths[0],
            seed=seed,
            clock=self.clock,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            refresh_token=REFRESH_TOKEN,
        )
        self.hubspot = HubSpotSandbox(paths[1], seed=seed, clock=self.clock, profile=profile)
        self._teamleader_limit, self._hubspot_limit = teamleader_limit, hubspot_limit
        if not teamleader_limit:
            self.teamleader.set_switches(rate_limit=None)
        if not hubspot_limit:
            self.hubspot.set_switches(limits=False)
        if self.world and not self.resumed:
            self.world.populate(self.teamleader, self.hubspot)
        self.crmoffice: CrmofficeSandbox | None = None
        if crmoffice is not None:
            self.crmoffice = self._crmoffice(paths[2], crmoffice)
        if filled is not None:
            filled.touch()
        self._calls = tempfile.TemporaryDirectory(prefix="tl_hubspot-calls-")
        self._systems: tuple[TeamleaderSandbox | HubSpotSandbox | CrmofficeSandbox, ...] = (
            self.teamleader,
            self.hubspot,
            *([self.crmoffice] if self.crmoffice else []),
        )
        self._servers = [LoopbackServer(system.app, port) for system, port in zip(self._systems, ports, strict=False)]

    def _crmoffice(self, path: str, caps: str) -> CrmofficeSandbox:
        made = CrmofficeSandbox(
            path,
            clock=self.clock,
            caps=caps,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            refresh_token=REFRESH_TOKEN,
        )
        # the state of an older sandbox has none yet
        if self.world and not made.count():
            self.world.populate_crmoffice(made)
        return made

    def __enter__(self) -> LocalSystems:
        for server in self._servers:
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.stop()
        for system in self._systems:
            system.close()
        self._calls.cleanup()

    def environment(self) -> dict[str, str]:
        """Variables that point the product at the systems and let it count its calls apart from all others;
        TL_HUBSPOT_AS_OF is the world's instant."""
        teamleader, hubspot, *more = (server.url for server in self._servers)
        values = {
            "TEAMLEADER_API_URL": teamleader,
            "TEAMLEADER_AUTH_URL": teamleader,
            "TEAMLEADER_RATE_LIMIT": str(TEAMLEADER_CALLS if self._teamleader_limit else NO_LIMIT),
            "TEAMLEADER_CLIENT_ID": CLIENT_ID,
            "TEAMLEADER_CLIENT_SECRET": CLIENT_SECRET,
            "TEAMLEADER_REFRESH_TOKEN": REFRESH_TOKEN,
            "HUBSPOT_API_URL": hubspot,
            "HUBSPOT_ACCESS_TOKEN": self.hubspot.profile.access_token,
            "HUBSPOT_RATE_LIMIT": str(HUBSPOT_CALLS if self._hubspot_limit else NO_LIMIT),
            "TL_HUBSPOT_STATE": self._calls.name,
        }
        if self.crmoffice:
            values |= {
                "CRMOFFICE_API_URL": more[0],
                "CRMOFFICE_AUTH_URL": more[0],
                "CRMOFFICE_CLIENT_ID": CLIENT_ID,
                "CRMOFFICE_CLIENT_SECRET": CLIENT_SECRET,
                "CRMOFFICE_REFRESH_TOKEN": REFRESH_TOKEN,
                "CRMOFFICE_CAPABILITIES": self.crmoffice.switches.capabilities,
            }
        if self.world:
            values["TL_HUBSPOT_AS_OF"] = self.world.as_of.isoformat()
        return values


def serve_forever(
    world_name: str,
    *,
    contacts: int | None,
    state: Path | None,
    ports: tuple[int, int, int],
    teamleader_limit: bool,
    hubspot_limit: bool,
    crmoffice: str,
    announce: Callable[[dict[str, str]], None],
) -> None:
    """Serve until SIGINT or SIGTERM; `announce` gets the environment once both answer."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    systems = LocalSystems(
        world_name,
        contacts=contacts,
        state=state,
        ports=ports,
        teamleader_limit=teamleader_limit,
        hubspot_limit=hubspot_limit,
        crmoffice=crmoffice,
    )
    with systems:
        announce(systems.environment())
        stopped.wait()
