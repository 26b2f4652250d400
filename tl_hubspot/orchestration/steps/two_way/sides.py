"""The two systems behind one face: records by id as they are now, and writes whose outcome is told record by record.

What is written is decided by the planner, what is remembered by `memory`; here every record that goes in comes out with
an `Answer`, and only what stops everything (no connection, no permission) is raised.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal, Protocol

from tl_hubspot.crmoffice import contacts, writes
from tl_hubspot.crmoffice.client import CrmofficeClient
from tl_hubspot.crmoffice.contacts import Contact
from tl_hubspot.crmoffice.reactions import Changed, KeysUnknown, NotFound, OutcomeUnknown
from tl_hubspot.crmoffice.reactions import Refused as CrmofficeRefused
from tl_hubspot.errors import TlHubspotError
from tl_hubspot.hubspot import mirror, objects
from tl_hubspot.hubspot.gateway import HubSpotGateway
from tl_hubspot.hubspot.property_history import Entry, Told, read_with_history
from tl_hubspot.hubspot.reactions import AnswerLost, Problem, Refused
from tl_hubspot.pushing.wire import Wire
from tl_hubspot.two_way import likeness
from tl_hubspot.two_way.flows import Flow

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When a property was written that has no history."""
Values = Mapping[str, str | None]
"""Field → text; "" is an empty value, None one that the system did not tell."""


@dataclass(frozen=True)
class Seen:
    """A record as it is now. `history`: HubSpot's of each field, newest first; `contact`: Crmoffice's answer."""

    id: str
    values: Values
    modified_at: datetime | None = None
    history: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    contact: Contact | None = None

    def changed_at(self, name: str) -> datetime | None:
        """When the field (HubSpot) or the record (Crmoffice) was changed last, if that is known."""
        if self.contact is not None:
            return self.modified_at
        entries = self.history.get(name)
        return entries[0].at if entries else NEVER


@dataclass(frozen=True)
class Answer:
    """What became of one write. done: `values` are what is stored now, as far as told; refused: `problems` are (field
    or None for the whole record, code); held: the same, but nothing was sent; changed, gone: nothing was written;
    unknown: look before it is repeated."""

    state: Literal["done", "refused", "held", "changed", "gone", "unknown"]
    id: str | None = None
    values: Values = field(default_factory=dict)
    problems: tuple[tuple[str | None, str], ...] = ()
    stopped: TlHubspotError | None = None
    """What makes further calls useless; this one was not carried out, or its outcome is not known."""


class Side(Protocol):
    """One system."""

    batch: int
    """Records that are written together."""
    writes_whole: bool
    """Whether a write sends the fields that stay as they are too, and the system may rewrite those."""
    sees_edits: bool
    """Whether an edit in the moment of a write is prevented, or found afterwards."""

    def read(self, ids: Iterable[str]) -> dict[str, Seen]:
        """The records as they are now; those that are gone are absent."""

    def write(self, changes: Mapping[str, Values], seen: Mapping[str, Seen]) -> dict[str, Answer]:
        """Change fields of records that were just `seen`; an answer per record."""

    def create(self, wanted: Mapping[str, Values]) -> Iterator[tuple[str, Answer]]:
        """A new record for every key; answers as they come."""

    def delete(self, ids: Sequence[str], seen: Mapping[str, Seen]) -> set[str]:
        """Delete, or move to the recycle bin, records that were just `seen`; returns those that were edited since."""


class HubSpotSide:
    """HubSpot's contacts. Protected properties are refused by the wire, before anything of a call is sent.

    `protected_names` is asked when something is written.
    """

    batch = objects.BATCH
    writes_whole = False
    sees_edits = True

    def __init__(self, gateway: HubSpotGateway, flow: Flow, protected_names: Callable[[], Iterable[str]]) -> None:
        self._gateway, self._flow, self._protected = gateway, flow, protected_names

    @cached_property
    def _wire(self) -> Wire:
        definitions = mirror.read_properties(self._gateway, "contact")
        labels = {("contact", row["name"]): row["label"] for row in definitions}
        return Wire(self._gateway, self._protected(), labels)

    def read(self, ids: Iterable[str]) -> dict[str, Seen]:
        return {told.id: _seen(told, self._flow) for told in read_with_history(self._gateway, ids, self._flow.names)}

    def write(self, changes: Mapping[str, Values], seen: Mapping[str, Seen]) -> dict[str, Answer]:
        batch = [objects.Write(i, i, {n: v or "" for n, v in values.items()}) for i, values in changes.items()]
        try:
            outcome = self._wire.update("contact", batch)
        except AnswerLost:
            return dict.fromkeys(changes, Answer("unknown"))
        except TlHubspotError as error:
            return dict.fromkeys(changes, Answer("unknown", stopped=error))
        return {i: self._answer(outcome[i]) for i in changes}

    def _answer(self, written: objects.Written) -> Answer:
        if written.state == "done":
            return Answer("done", written.hubspot_id, stored(written.properties, self._flow))
        return _refused(written.problem, self._flow) if written.problem else Answer("unknown")

    def create(self, wanted: Mapping[str, Values]) -> Iterator[tuple[str, Answer]]:
        for group in likeness.apart(wanted, self._flow):
            sent = {key: {name: value for name, value in values.items() if value} for key, values in group.items()}
            try:
                made = self._wire.create("contact", sent)
            except TlHubspotError as error:
                yield from dict.fromkeys(group, Answer("unknown", stopped=error)).items()
                return
            told = {key: self._answer(written) for key, written in made.outcome.items()}
            untold = {record.id: stored(record.properties, self._flow) for record in made.untold}
            missing = {key: group[key] for key, answer in told.items() if answer.state == "unknown"}
            found = likeness.whose(missing, untold, self._flow)
            yield from (told | {key: Answer("done", i, untold[i]) for key, i in found.items()}).items()

    def delete(self, ids: Sequence[str], seen: Mapping[str, Seen]) -> set[str]:
        problem = objects.batch_archive(self._gateway, "contact", ids)
        if problem is not None:
            raise Refused(problem, where="archive")
        return set()


class CrmofficeSide:
    """Crmoffice's contacts, one call per record, several at a time."""

    batch = 50

    def __init__(self, client: CrmofficeClient, flow: Flow) -> None:
        self._client, self._flow = client, flow
        self.writes_whole = client.capabilities.write == "put_full"
        self.sees_edits = client.capabilities.etag
        self._names = {f.b: f.name for f in flow.fields}
        self._theirs = {f.name: f.b for f in flow.fields}

    def read(self, ids: Iterable[str]) -> dict[str, Seen]:
        found = contacts.look_up(self._client, ids)
        return {i: self.seen(contact) for i, contact in found if contact is not None}

    def seen(self, contact: Contact) -> Seen:
        """A contact as it was answered."""
        return Seen(contact.id, self.values(contact), contact.modified_at, contact=contact)

    def values(self, contact: Contact) -> dict[str, str | None]:
        """The flow's fields; None where the answer lacks them."""
        return {name: (contact.values[b] or "") if b in contact.values else None for name, b in self._theirs.items()}

    def write(self, changes: Mapping[str, Values], seen: Mapping[str, Seen]) -> dict[str, Answer]:
        def change(item: tuple[str, Values]) -> Contact:
            found = seen[item[0]].contact
            assert found is not None
            return writes.update(self._client, found, self._sent(item[1]))

        return {item[0]: answer for item, answer in self._each(change, changes)}

    def create(self, wanted: Mapping[str, Values]) -> Iterator[tuple[str, Answer]]:
        def make(item: tuple[str, Values]) -> Contact:
            # the key is of this call alone: what became of an earlier one was looked up before
            return writes.create(self._client, self._sent(item[1]), key=uuid.uuid4().hex)

        for item, answer in self._each(make, wanted):
            yield item[0], answer

    def delete(self, ids: Sequence[str], seen: Mapping[str, Seen]) -> set[str]:
        edited = set()
        for i in ids:
            found = seen[i].contact
            assert found is not None
            try:
                writes.delete(self._client, found)
            except Changed:
                edited.add(i)
        return edited

    def _sent(self, values: Values) -> dict[str, str | None]:
        return {self._theirs[name]: value or None for name, value in values.items()}

    def _each(
        self, work: Callable[[tuple[str, Values]], Contact], items: Mapping[str, Values]
    ) -> Iterator[tuple[tuple[str, Values], Answer]]:
        def answer(item: tuple[str, Values]) -> Answer:
            try:
                contact = work(item)
            except CrmofficeRefused as refused:
                return Answer("refused", problems=tuple((self._names.get(p.name), p.code) for p in refused.problems))
            except KeysUnknown:
                return Answer("held", problems=((None, "keys_unknown"),))
            except Changed:
                return Answer("changed")
            except NotFound:
                return Answer("gone")
            except OutcomeUnknown:
                return Answer("unknown")
            except TlHubspotError as error:
                return Answer("unknown", stopped=error)
            return Answer("done", contact.id, self.values(contact))

        with ThreadPoolExecutor(self._client.workers, thread_name_prefix="crmoffice") as pool:
            yield from zip(items.items(), pool.map(answer, items.items()), strict=True)


def stored(properties: Values, flow: Flow) -> dict[str, str | None]:
    """The flow's fields of HubSpot's properties; None where the answer lacks them."""
    return {name: (properties[name] or "") if name in properties else None for name in flow.names}


def _seen(told: Told, flow: Flow) -> Seen:
    return Seen(told.id, stored(told.properties, flow), history=told.history)


def _refused(problem: Problem, flow: Flow) -> Answer:
    if problem.status == 404:
        return Answer("gone")
    named = [name for name in problem.properties if name in flow.names]
    return Answer("refused", problems=tuple((name, problem.reason) for name in named) or ((None, problem.reason),))
