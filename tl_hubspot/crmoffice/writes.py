"""Writing one contact: created, changed with the one verb that there is, deleted.

Each is one call, repeated only when nothing can have been done; what a caller does about OutcomeUnknown, Refused,
Changed, NotFound and KeysUnknown (`reactions`) is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tl_hubspot.crmoffice.capabilities import MAPPED
from tl_hubspot.crmoffice.client import Answer, CrmofficeClient
from tl_hubspot.crmoffice.contacts import Contact, contact_of
from tl_hubspot.crmoffice.reactions import KeysUnknown, NotFound, OutcomeUnknown
from tl_hubspot.errors import BadAnswer

_OF_THE_SERVER = ("id", "modifiedAt")
_WRITABLE = (*MAPPED, "company", "title")

Values = Mapping[str, str | None]


def create(client: CrmofficeClient, values: Values, *, key: str) -> Contact:
    """A new contact with these of the four mapped texts, as it was stored.

    `key` is of this creation alone; where Crmoffice knows such keys a lost answer is asked for again, elsewhere it is
    OutcomeUnknown: look for the contact among those with a larger id than any seen before.
    """
    _check(values)
    known = client.capabilities.idempotency_key
    headers = {"Idempotency-Key": key} if known else None
    answer = client.send("POST", "contacts", values, dict[str, Any], headers=headers, repeatable=known)
    return _stored(answer, "POST contacts")


def update(client: CrmofficeClient, seen: Contact, changes: Values) -> Contact:
    """Change some of the four mapped texts of a contact that was just read by id (`seen`); returns it as stored.

    Where Crmoffice has versions the write counts only if the contact is still the one seen, else Changed. Where it only
    takes whole contacts everything else is sent back as it was seen; KeysUnknown when not all of it was.
    """
    _check(changes)
    if not seen.is_current:
        raise ValueError("a contact from a list may be old: read it by its id before it is changed")
    body: dict[str, Any] = dict(changes)
    if client.capabilities.write == "put_full":
        if unknown := tuple(name for name in _WRITABLE if name not in seen.record and name not in changes):
            raise KeysUnknown(unknown)
        body = {name: value for name, value in seen.record.items() if name not in _OF_THE_SERVER} | body
    method = "PUT" if client.capabilities.write == "put_full" else "PATCH"
    reference = f"contacts/{seen.id}"
    answer = client.send(method, reference, body, dict[str, Any], headers=_precondition(client, seen))
    return _stored(answer, f"{method} {reference}", seen.id)


def delete(client: CrmofficeClient, seen: Contact) -> None:
    """Delete a contact that was just read by id; one that is gone already is no error."""
    try:
        client.send("DELETE", f"contacts/{seen.id}", None, type(None), headers=_precondition(client, seen))
    except NotFound:
        return


def _precondition(client: CrmofficeClient, seen: Contact) -> dict[str, str] | None:
    return {"If-Match": seen.etag} if client.capabilities.etag and seen.etag else None


def _check(values: Values) -> None:
    if unknown := [name for name in values if name not in MAPPED]:
        raise ValueError(f"{unknown[0]} is never written")


def _stored(answer: Answer, where: str, contact_id: str | None = None) -> Contact:
    """The contact in the answer to a write, which was carried out."""
    try:
        contact = contact_of(answer.body, etag=answer.etag, is_current=True)
    except BadAnswer as error:
        raise OutcomeUnknown(f"It is not known what was stored. {error.what}", where=where) from None
    if contact_id not in (None, contact.id):
        raise OutcomeUnknown("It is not known what was stored: Crmoffice answered with another contact", where=where)
    return contact
