"""The legacy routes (`/contacts/v1/secondary-email/…`) that add, drop and exchange secondary addresses of a contact.

Rules about addresses are `addresses`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tl_hubspot.sandbox.hubspot import addresses
from tl_hubspot.sandbox.hubspot.errors import ApiError, contact_exists, not_found, validation_error
from tl_hubspot.sandbox.hubspot.http import Call, Reply, route
from tl_hubspot.sandbox.hubspot.records import CONTACTS
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.values import BadValue, check_email, normalise_email, split_list

_SCOPES = ("crm.objects.contacts.write",)
_ROOT = "/contacts/v1/secondary-email/{vid}"


class Exchange(msgspec.Struct):
    targetSecondaryEmail: str
    updatedSecondaryEmail: str


def _contact(call: Call) -> Record:
    record = call.portal.records.by_id(CONTACTS, call.params["vid"], follow_merge=True)
    if record is None:
        raise not_found("contact does not exist")
    return record


def _address(text: str) -> str:
    try:
        return check_email(text)
    except BadValue as error:
        raise validation_error(error.message, code=error.code) from None


def _secondary(record: Record) -> list[str]:
    return split_list(record.properties.get(addresses.SECONDARY, ""))


def _save(call: Call, record: Record, secondary: list[str]) -> None:
    try:
        addresses.check_free(call.portal, record.id, secondary)
    except ApiError as error:
        raise _v1_conflict(error) from None
    before = dict(record.properties)
    if secondary:
        record.properties[addresses.SECONDARY] = ";".join(dict.fromkeys(secondary))
    else:
        record.properties.pop(addresses.SECONDARY, None)
    call.portal.records.remember(CONTACTS, record, before)
    addresses.write_keys(call.portal, record)
    call.portal.records.save(CONTACTS, record)


def _v1_conflict(error: ApiError) -> ApiError:
    if error.status != 409:
        return error
    owner = int(error.message.rpartition(" ")[2])
    body = {"error": "CONTACT_EXISTS", "identityProfile": {"vid": owner, "isContact": True}}
    return ApiError(409, "OBJECT_ALREADY_EXISTS", contact_exists(owner).message, extra=body)


def _shown(record: Record) -> dict[str, Any]:
    return {"vid": record.id, "email": record.properties.get("email"), "secondaryEmails": _secondary(record)}


@route("PUT", f"{_ROOT}/email/{{email}}", _SCOPES)
def _add(call: Call) -> Reply:
    record, address = _contact(call), _address(call.params["email"])
    if address not in addresses.addresses_of(record.properties):
        _save(call, record, [*_secondary(record), address])
    return Reply(200, _shown(record))


@route("DELETE", f"{_ROOT}/email/{{email}}", _SCOPES)
def _remove(call: Call) -> Reply:
    record, address = _contact(call), normalise_email(call.params["email"])
    if address == record.properties.get(addresses.PRIMARY):
        raise validation_error("The primary email address cannot be removed as a secondary one.")
    if address not in _secondary(record):
        raise not_found("secondary email does not exist")
    _save(call, record, [kept for kept in _secondary(record) if kept != address])
    return Reply(204)


@route("PATCH", _ROOT, _SCOPES)
def _exchange(call: Call) -> Reply:
    wanted = call.json(Exchange)
    record, target = _contact(call), normalise_email(wanted.targetSecondaryEmail)
    updated = _address(wanted.updatedSecondaryEmail)
    if target not in _secondary(record):
        raise not_found("secondary email does not exist")
    _save(call, record, [updated if kept == target else kept for kept in _secondary(record)])
    return Reply(200, _shown(record))
