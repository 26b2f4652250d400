"""The last look before a request leaves: no protected property, no symbol that stands for nothing.

Every write of record properties goes through here. What is protected is said by `planning.protected`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tl_hubspot.errors import TlHubspotError
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.objects import BatchOutcome, Created, Write, batch_create, batch_update, batch_upsert
from tl_hubspot.planning.protected import is_protected

SYMBOL = "teamleader:"
"""Starts a value that stands for a pipeline or stage whose id is only known once it exists."""
SYMBOLIC = ("pipeline", "dealstage")


class ProtectedProperty(TlHubspotError):
    """A plan wants to write a protected property: a bug or a plan from elsewhere. Nothing was sent."""


class Wire:
    """Writes that are checked. `labels`: (entity_type, property) → label in HubSpot, where known."""

    def __init__(
        self, gateway: HubSpotGateway, protected_names: Iterable[str], labels: Mapping[tuple[str, str], str]
    ) -> None:
        self._gateway = gateway
        self._names = tuple(protected_names)
        self._labels = labels
        self._known: dict[tuple[str, str], bool] = {}

    def check_plan(self, written: Iterable[tuple[str, str]]) -> None:
        """Raise ProtectedProperty before the first call of a push when one of its (entity_type, property) is one."""
        for entity_type, name in written:
            self._check(entity_type, (name,))

    def update(self, entity_type: str, writes: list[Write]) -> BatchOutcome:
        self._check_writes(entity_type, writes)
        return batch_update(self._gateway, entity_type, writes)

    def upsert(self, entity_type: str, writes: list[Write]) -> BatchOutcome:
        self._check_writes(entity_type, writes)
        return batch_upsert(self._gateway, entity_type, writes)

    def create(self, entity_type: str, wanted: Mapping[str, Mapping[str, str]]) -> Created:
        for properties in wanted.values():
            self._check(entity_type, properties)
        return batch_create(self._gateway, entity_type, wanted)

    def _check_writes(self, entity_type: str, writes: list[Write]) -> None:
        for write in writes:
            self._check(entity_type, write.properties)
            if any(write.properties.get(name, "").startswith(SYMBOL) for name in SYMBOLIC):
                raise ValueError("a symbolic pipeline or stage must not leave the program")

    def _check(self, entity_type: str, names: Iterable[str]) -> None:
        for name in names:
            key = entity_type, name
            if key not in self._known:
                self._known[key] = is_protected(name, self._labels.get(key), self._names)
            if self._known[key]:
                raise ProtectedProperty(
                    f"The plan would write the protected property {entity_type}.{name}; nothing of this call was sent",
                    mend="Take the property out of the mapping",
                )
