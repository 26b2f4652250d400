"""Secondary e-mail addresses of contacts: put, take away, and read what a contact really has.

HubSpot has no settled way to write them, so each change is verified by reading back. Which address belongs to whom is
decided in `planning`; the order of changes in `pushing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tl_hubspot.hubspot import routes
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.mirror import split
from tl_hubspot.hubspot.objects import BATCH, batch_read
from tl_hubspot.hubspot.reactions import Problem, Refused

ADDITIONAL = "hs_additional_emails"
_ROUTE_GONE = (404, 405, 410)
NOT_KEPT = Problem(status=0, category="NOT_WRITTEN", properties=(ADDITIONAL,))
"""HubSpot answered with success, but reading back shows no change."""


@dataclass(frozen=True)
class Addresses:
    """The addresses of one contact, lower case."""

    primary: str | None
    secondary: tuple[str, ...]

    def __contains__(self, address: object) -> bool:
        return address == self.primary or address in self.secondary


class SecondaryEmails:
    """Changes through the v1 route; when that is gone, through the property (remembered for the rest of the run)."""

    def __init__(self, gateway: HubSpotGateway) -> None:
        self._gateway = gateway
        self._by_property = False

    def read(self, contact_ids: Sequence[str]) -> dict[str, Addresses]:
        """Addresses by record id; contacts that do not exist are absent."""
        chunks = (contact_ids[start : start + BATCH] for start in range(0, len(contact_ids), BATCH))
        return {i: found for _, part in self._gateway.run(self._read, chunks) for i, found in part.items()}

    def _read(self, contact_ids: Sequence[str]) -> dict[str, Addresses]:
        return {
            record.id: Addresses(
                (record.properties.get("email") or "").lower() or None,
                tuple(address.lower() for address in split(record.properties.get(ADDITIONAL))),
            )
            for record in batch_read(self._gateway, "contact", contact_ids, ["email", ADDITIONAL])
        }

    def add(self, contact_id: str, address: str) -> Problem | None:
        """Make `address` a secondary one; None when the contact has it now, a conflict when another contact has it."""
        return self._change(contact_id, address, present=True)

    def remove(self, contact_id: str, address: str) -> Problem | None:
        """Take a secondary address away; None when the contact does not have it now."""
        return self._change(contact_id, address, present=False)

    def _change(self, contact_id: str, address: str, *, present: bool) -> Problem | None:
        refused: Problem | None = None
        if not self._by_property:
            try:
                self._gateway.call(
                    routes.SECONDARY_PUT if present else routes.SECONDARY_DELETE,
                    path={"id": contact_id, "email": address},
                    expect=_ROUTE_GONE,
                )
            except Refused as error:
                refused = error.problem
        if refused is not None and refused.status not in _ROUTE_GONE:
            return refused
        now = self._read([contact_id]).get(contact_id)
        if now is None:
            return refused or Problem(status=404, category="OBJECT_NOT_FOUND")
        if (address in now) == present:
            return None
        problem = self._write_property(contact_id, now, address, present=present)
        if problem is None and refused is not None:
            self._by_property = True
        return problem

    def _write_property(self, contact_id: str, now: Addresses, address: str, *, present: bool) -> Problem | None:
        others = [a for a in now.secondary if a != address]
        value = ";".join([*others, address] if present else others)
        try:
            self._gateway.call(
                routes.PATCH, path={"type": "contacts", "id": contact_id}, body={"properties": {ADDITIONAL: value}}
            )
        except Refused as error:
            return error.problem
        after = self._read([contact_id]).get(contact_id)
        return None if after is not None and (address in after) == present else NOT_KEPT
