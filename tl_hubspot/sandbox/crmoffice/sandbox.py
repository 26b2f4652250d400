"""`CrmofficeSandbox`: one local Crmoffice tenant, with everything that its users do in the application.

The HTTP side is `app`; what the API makes of a write is in `contacts`; tables are in `store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tl_hubspot.sandbox.control import Clock, Faults, RequestLog
from tl_hubspot.sandbox.crmoffice.app import build_app
from tl_hubspot.sandbox.crmoffice.errors import error_body
from tl_hubspot.sandbox.crmoffice.limits import Limiter
from tl_hubspot.sandbox.crmoffice.oauth import OAuth
from tl_hubspot.sandbox.crmoffice.store import Record, Store, complete
from tl_hubspot.sandbox.crmoffice.switches import Switches, capabilities


class CrmofficeSandbox:
    """A stateful Crmoffice tenant on SQLite, for tests and demonstrations.

    `path` is a file that outlives the process, or `:memory:`. `caps` is a capability string. Contacts have the keys
    givenName, familyName, mobilePhone, directPhone, company and title; ids are texts of digits. What users do here is
    neither checked nor rewritten. LookupError: no such contact.
    """

    clock: Clock
    switches: Switches
    faults: Faults
    log: RequestLog
    store: Store
    oauth: OAuth
    limiter: Limiter

    def __init__(
        self,
        path: str | Path = ":memory:",
        *,
        clock: Clock | None = None,
        caps: str = "",
        client_id: str = "sandbox-client",
        client_secret: str = "sandbox-secret",
        refresh_token: str = "sandbox-refresh",
    ) -> None:
        self.clock = clock or Clock()
        self.switches = Switches(**capabilities(caps))
        self.faults = Faults()
        self.log = RequestLog()
        self.store = Store(path)
        self.oauth = OAuth(self.store, self.switches, client_id, client_secret, refresh_token)
        self.limiter = Limiter()
        self.app = build_app(self)

    # -- what every sandbox has ------------------------------------------------------------------------------------

    def set_switches(self, **changes: Any) -> None:
        """Change switches; TypeError for an unknown name, ValueError for a value that does not fit."""
        self.switches.change(**changes)

    def reset(self) -> None:
        """Back to a fresh tenant: no records, the first refresh token, no faults, no log. Clock and switches stay."""
        with self.store.lock:
            self.store.clear()
            self.oauth.ensure_first_token()
            self.limiter.clear()
            self.faults.clear()
            self.log.clear()

    def close(self) -> None:
        self.store.close()

    def is_write(self, method: str, path: str) -> bool:
        """Whether a request changes data (sign-in does not count)."""
        return method != "GET" and not path.startswith("/connect/")

    def error_body(self, status: int) -> dict[str, Any]:
        """The body of a status, for injected faults."""
        return error_body(status, "Injected.")

    # -- loading and reading ---------------------------------------------------------------------------------------

    def load(self, records: Iterable[Record]) -> int:
        """Store many contacts as they are; returns how many. `id` and `modifiedAt` (ISO) may be given."""
        return self.store.load(records, self._now())

    def load_companies(self, records: Iterable[Record]) -> list[str]:
        """Store companies (`orgNr`, `visitAddress`, `postAddress`); returns their ids."""
        return [self.store.add_company(record) for record in records]

    def load_users(self, names: Iterable[str]) -> None:
        """Store users by name."""
        for name in names:
            self.store.execute("insert into users values (?)", name)

    def get(self, contact_id: str) -> Record:
        """A contact as it is now, with `id`."""
        found = self.store.contact(int(contact_id))
        if found is None:
            raise LookupError(f"no contact {contact_id}")
        return {"id": contact_id, **found[0]}

    def count(self) -> int:
        [[number]] = self.store.query("select count(*) from contacts")
        return int(number)

    def all(self) -> Iterator[Record]:
        """Every contact, by id."""
        return (self.get(str(row["id"])) for row in self.store.query("select id from contacts order by id"))

    # -- what users do ---------------------------------------------------------------------------------------------

    def add(self, **fields: Any) -> str:
        """A new contact. Returns its id."""
        with self.store.lock:
            return str(self.store.insert(fields, self._now()))

    def update(self, contact_id: str, **fields: Any) -> None:
        """Change keys of a contact."""
        with self.store.lock:
            before = self.get(contact_id)
            self.store.replace(int(contact_id), complete(before | fields), self._now())

    def delete(self, contact_id: str) -> None:
        """Delete a contact for good."""
        with self.store.lock:
            if not self.store.remove(int(contact_id), self._now()):
                raise LookupError(f"no contact {contact_id}")

    # -- sign-in ---------------------------------------------------------------------------------------------------

    def access_token(self, seconds: float | None = None) -> str:
        """A working access token without a sign-in."""
        return self.oauth.issue("access", self._now(), seconds=seconds)

    def refresh_token(self) -> str:
        """A working refresh token without a sign-in."""
        return self.oauth.issue("refresh", self._now())

    def revoke(self) -> None:
        """An administrator withdraws the permission: every token stops working."""
        self.oauth.revoke()

    def _now(self) -> float:
        return self.clock.now().timestamp()
