"""The portal: everything the sandbox's parts share, and the parts themselves, wired once.

No behaviour of HubSpot lives here; each part has its own module and reaches the others through this object.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tl_hubspot.sandbox.control import Clock
from tl_hubspot.sandbox.hubspot.account import Account
from tl_hubspot.sandbox.hubspot.associations import Associations
from tl_hubspot.sandbox.hubspot.imports import Imports
from tl_hubspot.sandbox.hubspot.limits import Limiter
from tl_hubspot.sandbox.hubspot.marketing import Marketing
from tl_hubspot.sandbox.hubspot.owners import Owners
from tl_hubspot.sandbox.hubspot.pipelines import Pipelines
from tl_hubspot.sandbox.hubspot.profile import Profile, Switches
from tl_hubspot.sandbox.hubspot.properties import Properties
from tl_hubspot.sandbox.hubspot.records import Records
from tl_hubspot.sandbox.hubspot.store import Store
from tl_hubspot.sandbox.hubspot.subscriptions import Subscriptions
from tl_hubspot.sandbox.hubspot.times import to_ms


class Portal:
    """Shared state and parts. All access goes through `work()`, which serialises threads and makes a transaction."""

    def __init__(self, store: Store, clock: Clock, profile: Profile, switches: Switches, seed: int) -> None:
        self.store = store
        self.clock = clock
        self.profile = profile
        self.switches = switches
        self.random = random.Random(seed)
        self.lock = threading.RLock()
        self.limiter = Limiter(self)
        self.open_parts()

    def open_parts(self) -> None:
        """Build the parts anew from the store (which may have been cleared)."""
        self.owners = Owners(self)
        self.pipelines = Pipelines(self)
        self.account = Account(self)
        self.properties = Properties(self)
        self.associations = Associations(self)
        self.subscriptions = Subscriptions(self)
        self.marketing = Marketing(self)
        self.records = Records(self)
        self.imports = Imports(self)

    @contextmanager
    def work(self) -> Iterator[None]:
        with self.lock:
            with self.store.transaction():
                self.imports.run_due()
            with self.store.transaction():
                yield

    def now_ms(self) -> int:
        return to_ms(self.clock.now())

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
