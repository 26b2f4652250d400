"""What Crmoffice holds: contacts as values, read all together, since an instant or by id; companies, users, deletions.

A key that an answer lacks is unknown, never empty. Writing is in `writes`, pages in `lists`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tl_hubspot.crmoffice import lists
from tl_hubspot.crmoffice.capabilities import MAPPED
from tl_hubspot.crmoffice.client import CrmofficeClient
from tl_hubspot.crmoffice.reactions import NotFound
from tl_hubspot.errors import BadAnswer
from tl_hubspot.transport.http import instant

OVERLAP = timedelta(seconds=60)
"""How far back the next reading of changes starts: values in lists may be 30 s old, and the clock has whole seconds."""
_AHEAD = 4
"""Look-ups that wait for their turn, per worker."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact as Crmoffice answered it.

    `values`: those of the four mapped texts that are known, as received (None: empty). `record`: the whole answer.
    `is_current`: read by its id, or the answer to a write; what comes from a list may be 30 s old.
    """

    id: str
    values: dict[str, str | None]
    modified_at: datetime | None
    record: Record
    etag: str | None = None
    is_current: bool = False


class Reading:
    """Contacts in batches, once; `watermark` and `is_complete` tell what the next reading may rely on."""

    def __init__(self, client: CrmofficeClient, since: datetime | None) -> None:
        self._since = since if client.capabilities.since_filter else None
        self._pages = lists.pages(client, "contacts", since=self._since)
        self.watermark: datetime | None = None
        """`since` of the next reading of changes; None until the first batch has come."""
        self.until: datetime | None = None
        """When the latest batch was answered, by Crmoffice's clock."""

    @property
    def is_complete(self) -> bool:
        """Whether all contacts are read, so that one that does not come may be deleted (look it up by id)."""
        return self._since is None

    def __iter__(self) -> Iterator[list[Contact]]:
        for page in self._pages:
            self.watermark = self.watermark or page.server_time - OVERLAP
            self.until = page.server_time
            yield [contact_of(item) for item in page.items]


def read(client: CrmofficeClient, since: datetime | None = None) -> Reading:
    """All contacts; with `since`, and where Crmoffice can filter, only those that changed then or later."""
    return Reading(client, since)


def count(client: CrmofficeClient) -> int:
    """How many contacts there are."""
    return lists.total(client, "contacts")


def get(client: CrmofficeClient, contact_id: str) -> Contact:
    """The contact as it is now. NotFound when it never existed or was deleted."""
    answer = client.get(f"contacts/{_checked(contact_id)}", Record)
    contact = contact_of(answer.body, etag=answer.etag, is_current=True)
    if contact.id != contact_id:
        raise BadAnswer("Crmoffice answered with another contact than was asked for", where=f"contacts/{contact_id}")
    return contact


def look_up(client: CrmofficeClient, contact_ids: Iterable[str]) -> Iterator[tuple[str, Contact | None]]:
    """Each id with its contact as it is now, None for one that is gone; in the order asked for, several at a time."""

    def found(contact_id: str) -> tuple[str, Contact | None]:
        try:
            return contact_id, get(client, contact_id)
        except NotFound:
            return contact_id, None

    with ThreadPoolExecutor(max_workers=client.workers) as pool:
        waiting: list[Any] = []
        for contact_id in contact_ids:
            waiting.append(pool.submit(found, contact_id))
            if len(waiting) >= _AHEAD * client.workers:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


@dataclass(frozen=True, slots=True)
class Deletion:
    """A contact that the feed says was deleted. Believe it only when `get` says so too."""

    id: str
    deleted_at: datetime | None


def deletions(client: CrmofficeClient, since: datetime | None = None) -> list[Deletion]:
    """Deletions at `since` or later, oldest first; [] where Crmoffice has no feed of them."""
    if not client.capabilities.delete_feed:
        return []
    query = f"?since={lists.rfc3339(since)}" if since else ""
    items = client.get(f"contacts/deleted{query}", _Deletions).body.items
    return [Deletion(item.id, instant(item.deletedAt)) for item in items]


@dataclass(frozen=True, slots=True)
class Company:
    """One company; it has no name in what is known of Crmoffice."""

    id: str
    org_nr: str | None
    record: Record


def companies(client: CrmofficeClient) -> Iterator[list[Company]]:
    """All companies, in batches."""
    for page in lists.pages(client, "companies"):
        yield [Company(item["id"], _text(item.get("orgNr")), item) for item in page.items]


def users(client: CrmofficeClient) -> list[str]:
    """Names of all users."""
    return [user.userName for user in client.get("users", list[_User]).body]


def contact_of(record: Record, *, etag: str | None = None, is_current: bool = False) -> Contact:
    """A contact from an answer; a value that is no text is unknown. BadAnswer without an id."""
    if not isinstance(record.get("id"), str):
        raise BadAnswer("Crmoffice answered with a contact that has no id", mend="Check CRMOFFICE_API_URL")
    known = {name: record[name] for name in MAPPED if name in record}
    return Contact(
        record["id"],
        {name: value for name, value in known.items() if value is None or isinstance(value, str)},
        instant(_text(record.get("modifiedAt")) or ""),
        record,
        etag,
        is_current,
    )


class _Deleted(msgspec.Struct):
    id: str
    deletedAt: str = ""


class _Deletions(msgspec.Struct):
    items: list[_Deleted]


class _User(msgspec.Struct):
    userName: str


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _checked(contact_id: str) -> str:
    """An id as it may stand in a path."""
    if not (contact_id.isascii() and contact_id.isdigit()):
        raise ValueError("an id of Crmoffice has digits only")
    return contact_id
