"""The HubSpot sandbox itself: its ASGI app, switches and faults, bulk loading, and a person's view and hands in Python.

What the portal does lives in the other modules; this one only hands over, under the portal's lock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from tl_hubspot import decoding
from tl_hubspot.sandbox.control import ASGIApp, Clock, ControlMiddleware, Faults, RequestLog, control_routes
from tl_hubspot.sandbox.hubspot import batches, contact_emails, objects, search
from tl_hubspot.sandbox.hubspot.associations import AssociationSpec
from tl_hubspot.sandbox.hubspot.errors import body_for_status
from tl_hubspot.sandbox.hubspot.http import Api
from tl_hubspot.sandbox.hubspot.object_types import ObjectType, object_type
from tl_hubspot.sandbox.hubspot.owners import LoadedOwner
from tl_hubspot.sandbox.hubspot.portal import Portal
from tl_hubspot.sandbox.hubspot.profile import MarketingTier, Profile, Switches
from tl_hubspot.sandbox.hubspot.properties import PropertyCreate
from tl_hubspot.sandbox.hubspot.records import CONTACTS, PERSON, LoadedRecord
from tl_hubspot.sandbox.hubspot.store import Record, Store
from tl_hubspot.sandbox.hubspot.values import Scalar, normalise_email

ROUTE_MODULES = (batches, contact_emails, objects, search)
"""Modules that only hold routes; importing them registers these."""

_LOAD_STEP = 5000


class HubSpotSandbox:
    """A local HubSpot portal. `path` is a SQLite file that outlives the process, or `:memory:`."""

    def __init__(
        self,
        path: str = ":memory:",
        *,
        seed: int = 1,
        clock: Clock | None = None,
        profile: Profile | None = None,
        switches: Switches | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.faults = Faults()
        self.switches = switches or Switches()
        self.log = RequestLog(self.switches.request_log_bytes)
        self._store = Store(str(path))
        self.portal = Portal(self._store, self.clock, profile or Profile(), self.switches, seed)
        api = GZipMiddleware(Api(self.portal), minimum_size=2000, compresslevel=1)
        routes = [*control_routes(self), Mount("/", app=api)]
        self.app: ASGIApp = ControlMiddleware(Starlette(routes=routes), self)

    # What `control` needs

    def set_switches(self, **changes: Any) -> None:
        with self.portal.lock:
            self.switches = self.portal.switches = replace(self.switches, **changes)
            self.log.body_bytes = self.switches.request_log_bytes

    @property
    def profile(self) -> Profile:
        return self.portal.profile

    def set_profile(self, **changes: Any) -> None:
        with self.portal.lock:
            self.portal.profile = replace(self.portal.profile, **changes)

    def reset(self) -> None:
        with self.portal.lock:
            self._store.clear()
            self.portal.open_parts()
            self.portal.limiter.reset()
            self.faults.clear()
            self.log.clear()

    def dump(self) -> bytes:
        """The whole portal as it stands, see `put_back`; switches, faults and log are no part of it."""
        with self.portal.work():
            pass  # imports that are due
        with self.portal.lock:
            return self._store.dump()

    def put_back(self, dumped: bytes) -> None:
        """The portal as it was at `dump`, without faults or log; only for a portal in memory."""
        with self.portal.lock:
            self._store.put_back(dumped)
            self.portal.open_parts()
            self.portal.limiter.reset()
            self.faults.clear()
            self.log.clear()

    def close(self) -> None:
        with self.portal.lock:
            self._store.close()

    def is_write(self, method: str, path: str) -> bool:
        reading = path.rstrip("/").endswith(("/search", "/read"))
        return method not in ("GET", "HEAD", "OPTIONS") and not reading

    def error_body(self, status: int) -> dict[str, Any] | str | None:
        with self.portal.lock:
            return body_for_status(status, self.portal.uuid(), self.portal.profile.portal_id)

    # Bulk loading

    def load_objects(self, object_type: str, records: Iterable[dict[str, Any]]) -> int:
        """Load records as they stand (see `LoadedRecord`); returns how many. ValueError for what cannot be loaded."""
        kind, count = _kind(object_type), 0
        for step in _steps(records):
            with self.portal.work():
                count += self.portal.records.load(kind, [decoding.convert(item, LoadedRecord) for item in step])
        return count

    def load_associations(self, from_type: str, to_type: str, pairs: Iterable[tuple[str, str, int]]) -> int:
        """Load links (from id, to id, associationTypeId), stored in both directions with their unlabelled type."""
        kind, to_kind, count = _kind(from_type), _kind(to_type), 0
        associations = self.portal.associations
        for step in _steps(pairs):
            with self.portal.work():
                for from_id, to_id, type_id in step:
                    label = associations.types(kind, to_kind).get(type_id)
                    if label is None:
                        raise ValueError(f"no association type {type_id} from {from_type} to {to_type}")
                    spec = AssociationSpec(type_id, label.category)
                    associations.set_types(kind, int(from_id), to_kind, int(to_id), [spec])
                    count += 1
        return count

    def load_owners(self, records: Iterable[dict[str, Any]]) -> int:
        """Load owners: id, email, firstName, lastName (and archived, userId)."""
        with self.portal.work():
            return self.portal.owners.load(decoding.convert(item, LoadedOwner) for item in records)

    def define_property(self, object_type: str, **definition: Any) -> None:
        """Create a custom property as `POST /crm/v3/properties` would; the group may be left out."""
        kind = _kind(object_type)
        with self.portal.work():
            group = next(iter(self.portal.properties.groups[kind.name]))
            wanted = decoding.convert({"groupName": group, **definition}, PropertyCreate)
            self.portal.properties.create(kind, wanted)

    # A person looking

    def get(self, object_type: str, record_id: str) -> dict[str, Any]:
        """One record with all its values, archived or not; a merged-away id gives the survivor. KeyError."""
        kind = _kind(object_type)
        with self.portal.work():
            return self._shown(kind, self._record(kind, record_id))

    def all(self, object_type: str, archived: bool = False) -> Iterator[dict[str, Any]]:
        """Every live (or every archived) record in the order of ids, read in pages."""
        kind, after = _kind(object_type), 0
        while True:
            with self.portal.work():
                page = self._store.page(kind, after, 1000, archived=archived)
                shown = [self._shown(kind, record) for record in page]
            if not page:
                return
            yield from shown
            after = page[-1].id

    def count(self, object_type: str) -> int:
        """Live records."""
        with self.portal.work():
            return self._store.count(_kind(object_type))

    def find(self, object_type: str, name: str, value: str) -> dict[str, Any] | None:
        """The live record with this unique value, or contact with this address (primary or secondary)."""
        kind = _kind(object_type)
        with self.portal.work():
            record = self.portal.records.by_key(kind, name, value)
            return self._shown(kind, record) if record is not None else None

    def associations(self, from_type: str, record_id: str, to_type: str) -> list[dict[str, Any]]:
        """Each `{"id": str, "types": [associationTypeId, …]}`, in the order of ids."""
        kind, to_kind = _kind(from_type), _kind(to_type)
        found: dict[int, list[int]] = {}
        with self.portal.work():
            for to_id, type_id in self._store.associations(kind.number, int(record_id), to_kind.number):
                found.setdefault(to_id, []).append(type_id)
        return [{"id": str(to_id), "types": types} for to_id, types in found.items()]

    def subscriptions(self, address: str) -> dict[str, Any]:
        """`{"opted_out": bool, "statuses": {subscription id: status}}`"""
        wanted = normalise_email(address)
        with self.portal.work():
            statuses = self.portal.subscriptions.public_statuses(wanted)
            return {
                "opted_out": self.portal.subscriptions.opted_out(wanted),
                "statuses": {item["subscriptionId"]: item["status"] for item in statuses},
            }

    @property
    def marketing_tier(self) -> MarketingTier:
        with self.portal.work():
            return self.portal.marketing.tier

    # A person's hands

    def patch(self, object_type: str, record_id: str, properties: dict[str, Scalar]) -> dict[str, Any]:
        """Edit a record as a person does in HubSpot (read-only properties too). ApiError when a value is not valid."""
        kind = _kind(object_type)
        with self.portal.work():
            record = self.portal.records.update(kind, self._record(kind, record_id), properties, source=PERSON)
            return self._shown(kind, record)

    def create(self, object_type: str, properties: dict[str, Scalar]) -> dict[str, Any]:
        """Create a record as a person does in HubSpot."""
        kind = _kind(object_type)
        with self.portal.work():
            return self._shown(kind, self.portal.records.create(kind, properties, source=PERSON))

    def archive(self, object_type: str, record_id: str) -> None:
        kind = _kind(object_type)
        with self.portal.work():
            self.portal.records.archive(kind, self._record(kind, record_id))

    def restore(self, object_type: str, record_id: str) -> None:
        kind = _kind(object_type)
        with self.portal.work():
            self.portal.records.restore(kind, self._record(kind, record_id))

    def gdpr_delete(self, contact_id: str) -> None:
        with self.portal.work():
            self.portal.records.gdpr_delete(self._record(CONTACTS, contact_id), [])

    def merge(self, object_type: str, primary: str, other: str) -> str:
        """Merge `other` into `primary`; returns the survivor's id."""
        kind = _kind(object_type)
        with self.portal.work():
            survivor = self.portal.records.merge(kind, self._record(kind, primary), self._record(kind, other))
            return str(survivor.id)

    def add_association(self, from_type: str, record_id: str, to_type: str, to_id: str, type_id: int) -> None:
        self.load_associations(from_type, to_type, [(record_id, to_id, type_id)])

    def remove_association(self, from_type: str, record_id: str, to_type: str, to_id: str) -> None:
        """Remove the link between two records with all its labels."""
        with self.portal.work():
            self.portal.associations.remove(_kind(from_type), int(record_id), _kind(to_type), int(to_id))

    def optout(self, address: str) -> None:
        """The address unsubscribes from all e-mail."""
        with self.portal.work():
            self.portal.subscriptions.unsubscribe_all(normalise_email(address))

    def set_marketable(self, contact_id: str, wanted: bool = True) -> None:
        """A person sets the marketing status: up at once, down only at the next update day."""
        with self.portal.work():
            contact = self._record(CONTACTS, contact_id)
            if self.portal.marketing.switch(contact, wanted, "CRM_UI", "person"):
                self.portal.records.save(CONTACTS, contact)

    def marketing_update_day(self) -> int:
        """The portal's next update date comes; returns how many contacts became non-marketing."""
        with self.portal.work():
            return self.portal.marketing.update_day()

    def _record(self, kind: ObjectType, record_id: str) -> Record:
        record = self._store.get(kind, int(record_id))
        while record is not None and record.merged_into is not None:
            record = self._store.get(kind, record.merged_into)
        if record is None:
            raise KeyError(f"{kind.name}/{record_id}")
        return record

    def _shown(self, kind: ObjectType, record: Record) -> dict[str, Any]:
        return self.portal.records.shown(kind, record, sorted(record.properties))


def _kind(word: str) -> ObjectType:
    return object_type(word)


def _steps(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while step := list(itertools.islice(iterator, _LOAD_STEP)):
        yield step
