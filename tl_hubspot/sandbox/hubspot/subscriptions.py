"""E-mail subscriptions: status per address and subscription type, unsubscribing from all, v3 and v4 routes.

Opt-out belongs to an address; the contact that has it as primary shows it (`hs_email_optout`, read-only).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tl_hubspot.sandbox.hubspot.catalog import SUBSCRIPTIONS
from tl_hubspot.sandbox.hubspot.errors import ApiError, missing_scopes, not_found, validation_error
from tl_hubspot.sandbox.hubspot.http import BATCH_LIMIT, Call, Reply, batch_reply, check_batch_size, route
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.times import to_iso
from tl_hubspot.sandbox.hubspot.values import BadValue, check_email

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

ALL = 0
"""The subscription id under which unsubscribing from everything is kept."""
_CONTACTS = OBJECT_TYPES["contacts"]
_FOUNDED = "2022-01-03T09:00:00.000Z"
_NAMES = {number: name for number, name, *_ in SUBSCRIPTIONS}

LegalBasis = Literal[
    "LEGITIMATE_INTEREST_PQL",
    "LEGITIMATE_INTEREST_CLIENT",
    "PERFORMANCE_OF_CONTRACT",
    "CONSENT_WITH_NOTICE",
    "NON_GDPR",
    "PROCESS_AND_STORE",
    "LEGITIMATE_INTEREST_OTHER",
]
Status = Literal["SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED"]


class StatusRequest(msgspec.Struct):
    """v4: one address, one subscription."""

    statusState: Status
    channel: Literal["EMAIL"]
    subscriptionId: int
    legalBasis: LegalBasis | None = None
    legalBasisExplanation: str | None = None
    subscriberIdString: str | None = None


class StatusBatch(msgspec.Struct):
    inputs: list[StatusRequest]


class AddressBatch(msgspec.Struct):
    inputs: list[str]


class UpdateV3(msgspec.Struct):
    emailAddress: str
    subscriptionId: str | int
    legalBasis: LegalBasis | None = None
    legalBasisExplanation: str | None = None


class Subscriptions:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._store = portal.store

    # State

    def opted_out(self, address: str) -> bool:
        row = self._store.subscription(address, ALL)
        return row is not None and row[0] == "UNSUBSCRIBED"

    def status(self, address: str, subscription_id: int) -> Status:
        """Effective status: opting out of everything covers each subscription."""
        if self.opted_out(address):
            return "UNSUBSCRIBED"
        row = self._store.subscription(address, subscription_id)
        return row[0] if row else "NOT_SPECIFIED"  # type: ignore[return-value]

    def unsubscribe_all(self, address: str) -> bool:
        """Opt an address out of all e-mail; returns whether that is new."""
        new = not self.opted_out(address)
        if new:
            self._store.set_subscription(address, ALL, "UNSUBSCRIBED", None, None, self._portal.now_ms())
            self._show(address)
        return new

    def set(self, address: str, wanted: StatusRequest) -> str:
        """Change one subscription; returns the success reason. ApiError 400 for a re-subscription or no legal basis."""
        if wanted.subscriptionId not in _NAMES:
            raise validation_error(f"Subscription {wanted.subscriptionId} does not exist.", code="INVALID_SUBSCRIPTION")
        if self._portal.profile.data_privacy and wanted.legalBasis is None:
            raise validation_error("A legal basis is required for this account.", code="LEGAL_BASIS_REQUIRED")
        before = self.status(address, wanted.subscriptionId)
        if wanted.statusState == "SUBSCRIBED" and before == "UNSUBSCRIBED":
            message = f"{address} has unsubscribed and cannot be resubscribed by the organisation."
            raise validation_error(message, code="CANNOT_RESUBSCRIBE")
        if wanted.statusState == before:
            return "NO_STATUS_CHANGE"
        basis, explanation = wanted.legalBasis, wanted.legalBasisExplanation
        now = self._portal.now_ms()
        self._store.set_subscription(address, wanted.subscriptionId, wanted.statusState, basis, explanation, now)
        self._show(address)
        return "REQUESTED_CHANGE_OCCURRED"

    def check_known(self, address: str) -> None:
        """ApiError 404 when no contact has the address and the portal (switch) minds."""
        if self._portal.switches.unsubscribe_unknown_address == "accepted":
            return
        if self._store.key_owner(_CONTACTS, "email", address) is None:
            raise not_found(f"No contact has the address {address}.")

    # On contacts

    def show_on(self, contact: Record) -> None:
        """Set the read-only opt-out properties for the contact's primary address; the caller saves."""
        properties = contact.properties
        for name in ["hs_email_optout", *(f"hs_email_optout_{number}" for number in _NAMES)]:
            properties.pop(name, None)
        address = properties.get("email")
        if address is None:
            return
        for number in self._store.unsubscribed_from(address):
            properties["hs_email_optout" if number == ALL else f"hs_email_optout_{number}"] = "true"

    def _show(self, address: str) -> None:
        owner = self._store.key_owner(_CONTACTS, "email", address)
        if owner is None or not owner[1]:
            return
        contact = self._store.get(_CONTACTS, owner[0])
        if contact is not None:
            before = dict(contact.properties)
            self.show_on(contact)
            self._portal.records.remember(_CONTACTS, contact, before)
            self._portal.records.save(_CONTACTS, contact)

    # Shown

    def public_status(self, address: str, subscription_id: int, reason: str | None = None) -> dict[str, Any]:
        row = self._store.subscription(address, subscription_id)
        everything = self._store.subscription(address, ALL)
        at = max((item[3] for item in (row, everything) if item), default=None)
        body: dict[str, Any] = {
            "channel": "EMAIL",
            "source": "API" if at else "NONE",
            "status": self.status(address, subscription_id),
            "subscriberIdString": address,
            "subscriptionId": subscription_id,
            "subscriptionName": _NAMES[subscription_id],
            "timestamp": to_iso(at) if at else _FOUNDED,
        }
        if row and row[1]:
            body["legalBasis"] = row[1]
        if row and row[2]:
            body["legalBasisExplanation"] = row[2]
        if reason:
            body["setStatusSuccessReason"] = reason
        return body

    def public_statuses(self, address: str, reason: str | None = None) -> list[dict[str, Any]]:
        return [self.public_status(address, number, reason) for number in _NAMES]

    def wide_statuses(self, address: str, *, verbose: bool = False) -> list[dict[str, Any]]:
        """Empty when not opted out of everything (unless verbose)."""
        row = self._store.subscription(address, ALL)
        status = row[0] if row is not None else "NOT_SPECIFIED"
        if status != "UNSUBSCRIBED" and not verbose:
            return []
        at = to_iso(row[3]) if row is not None else _FOUNDED
        body = {"channel": "EMAIL", "status": status, "subscriberIdString": address, "timestamp": at}
        return [body | {"wideStatusType": "PORTAL_WIDE"}]

    def v3_status(self, address: str, subscription_id: int) -> dict[str, Any]:
        description = next(text for number, _, text, *_ in SUBSCRIPTIONS if number == subscription_id)
        status = self.status(address, subscription_id)
        body: dict[str, Any] = {
            "id": str(subscription_id),
            "name": _NAMES[subscription_id],
            "description": description,
            "status": "SUBSCRIBED" if status == "SUBSCRIBED" else "NOT_SUBSCRIBED",
            "sourceOfStatus": "PORTAL_WIDE_STATUS" if self.opted_out(address) else "SUBSCRIPTION_STATUS",
        }
        row = self._store.subscription(address, subscription_id)
        if row and row[1]:
            body["legalBasis"] = row[1]
        if row and row[2]:
            body["legalBasisExplanation"] = row[2]
        return body


def _definitions() -> list[dict[str, Any]]:
    return [
        {
            "id": str(number),
            "name": name,
            "description": description,
            "purpose": purpose,
            "communicationMethod": method,
            "isActive": True,
            "isDefault": number == SUBSCRIPTIONS[0][0],
            "isInternal": purpose == "Sales",
            "createdAt": _FOUNDED,
            "updatedAt": _FOUNDED,
        }
        for number, name, description, purpose, method in SUBSCRIPTIONS
    ]


# Routes

_V3, _V4 = "/communication-preferences/v3", "/communication-preferences/v4"
_READ = ("communication_preferences.read", "communication_preferences.read_write")
_WRITE = ("communication_preferences.write", "communication_preferences.read_write")
_BATCH_READ = ("communication_preferences.statuses.batch.read",)
_BATCH_WRITE = ("communication_preferences.statuses.batch.write",)


def _address(text: str) -> str:
    try:
        return check_email(text)
    except BadValue as error:
        raise validation_error(error.message, code=error.code) from None


def _action_reply(call: Call, results: list[dict[str, Any]]) -> Reply:
    now = to_iso(call.portal.now_ms())
    return Reply(200, {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now})


def _check_channel(call: Call) -> None:
    if call.text("channel") != "EMAIL":
        raise validation_error("The channel must be EMAIL.", context={"channel": [call.text("channel") or ""]})


def _check_enterprise(call: Call, scopes: tuple[str, ...]) -> None:
    if not call.portal.profile.marketing_enterprise:
        raise missing_scopes(scopes)


@route("GET", f"{_V3}/definitions", _READ)
def _definitions_v3(call: Call) -> Reply:
    return Reply(200, {"subscriptionDefinitions": _definitions()})


@route("GET", f"{_V3}/status/email/{{email}}", _READ)
def _status_v3(call: Call) -> Reply:
    address = _address(call.params["email"])
    call.portal.subscriptions.check_known(address)
    statuses = [call.portal.subscriptions.v3_status(address, number) for number in _NAMES]
    return Reply(200, {"recipient": address, "subscriptionStatuses": statuses})


def _update_v3(call: Call, state: Status) -> Reply:
    wanted = call.json(UpdateV3)
    address, text = _address(wanted.emailAddress), str(wanted.subscriptionId)
    call.portal.subscriptions.check_known(address)
    number = int(text) if text.isdigit() else -1
    basis, explanation = wanted.legalBasis, wanted.legalBasisExplanation
    call.portal.subscriptions.set(address, StatusRequest(state, "EMAIL", number, basis, explanation))
    return Reply(200, call.portal.subscriptions.v3_status(address, number))


@route("POST", f"{_V3}/unsubscribe", _WRITE)
def _unsubscribe_v3(call: Call) -> Reply:
    return _update_v3(call, "UNSUBSCRIBED")


@route("POST", f"{_V3}/subscribe", _WRITE)
def _subscribe_v3(call: Call) -> Reply:
    return _update_v3(call, "SUBSCRIBED")


@route("GET", f"{_V4}/definitions", _READ)
def _definitions_v4(call: Call) -> Reply:
    return _action_reply(call, _definitions())


@route("GET", f"{_V4}/statuses/{{address}}", _READ)
def _statuses(call: Call) -> Reply:
    _check_channel(call)
    address = _address(call.params["address"])
    call.portal.subscriptions.check_known(address)
    return _action_reply(call, call.portal.subscriptions.public_statuses(address))


@route("POST", f"{_V4}/statuses/{{address}}", _WRITE)
def _set_status(call: Call) -> Reply:
    address, wanted = _address(call.params["address"]), call.json(StatusRequest)
    call.portal.subscriptions.check_known(address)
    reason = call.portal.subscriptions.set(address, wanted)
    return _action_reply(call, [call.portal.subscriptions.public_status(address, wanted.subscriptionId, reason)])


@route("GET", f"{_V4}/statuses/{{address}}/unsubscribe-all", _READ)
def _read_unsubscribe_all(call: Call) -> Reply:
    _check_channel(call)
    address = _address(call.params["address"])
    call.portal.subscriptions.check_known(address)
    return _action_reply(call, call.portal.subscriptions.wide_statuses(address, verbose=call.flag("verbose")))


@route("POST", f"{_V4}/statuses/{{address}}/unsubscribe-all", _WRITE)
def _unsubscribe_all(call: Call) -> Reply:
    _check_channel(call)
    address = _address(call.params["address"])
    return _action_reply(call, _opt_out(call, address))


def _opt_out(call: Call, address: str) -> list[dict[str, Any]]:
    """Statuses after opting out, only when asked to be verbose."""
    subscriptions = call.portal.subscriptions
    subscriptions.check_known(address)
    reason = "UNSUBSCRIBE_FROM_ALL_OCCURRED" if subscriptions.unsubscribe_all(address) else "NO_STATUS_CHANGE"
    return subscriptions.public_statuses(address, reason) if call.flag("verbose") else []


def _each_address(call: Call, scopes: tuple[str, ...]) -> tuple[list[str], list[dict[str, Any]]]:
    """Valid addresses of a batch in their order, and an error for each other one."""
    _check_enterprise(call, scopes)
    _check_channel(call)
    inputs = call.json(AddressBatch).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    good, errors = [], []
    for index, text in enumerate(inputs):
        if call.omitted(index, len(inputs), text):
            continue
        try:
            if poison := call.poisoned(index, text):
                raise poison
            good.append(_address(text))
        except ApiError as error:
            errors.append(error.standard(subscriberIdString=[text]))
    return list(dict.fromkeys(good)), errors


@route("POST", f"{_V4}/statuses/batch/read", _BATCH_READ)
def _batch_read(call: Call) -> Reply:
    good, errors = _each_address(call, _BATCH_READ)
    statuses = call.portal.subscriptions.public_statuses
    return batch_reply(call, [{"subscriberIdString": item, "statuses": statuses(item)} for item in good], errors)


@route("POST", f"{_V4}/statuses/batch/write", _BATCH_WRITE)
def _batch_write(call: Call) -> Reply:
    _check_enterprise(call, _BATCH_WRITE)
    inputs = call.json(StatusBatch).inputs
    check_batch_size(inputs, BATCH_LIMIT)
    results, errors = [], []
    for item in inputs:
        text = item.subscriberIdString or ""
        try:
            address = _address(text)
            call.portal.subscriptions.check_known(address)
            reason = call.portal.subscriptions.set(address, item)
            results.append(call.portal.subscriptions.public_status(address, item.subscriptionId, reason))
        except ApiError as error:
            errors.append(error.standard(subscriberIdString=[text]))
    return batch_reply(call, results, errors, multi_status=False)


@route("POST", f"{_V4}/statuses/batch/unsubscribe-all", _BATCH_WRITE)
def _batch_unsubscribe_all(call: Call) -> Reply:
    good, errors = _each_address(call, _BATCH_WRITE)
    results = []
    for address in good:
        try:
            statuses = _opt_out(call, address)
        except ApiError as error:
            errors.append(error.standard(subscriberIdString=[address]))
        else:
            if call.flag("verbose"):
                results.append({"subscriberIdString": address, "statuses": statuses})
    return batch_reply(call, results, errors, multi_status=False)


@route("POST", f"{_V4}/statuses/batch/unsubscribe-all/read", _BATCH_READ)
def _batch_read_unsubscribe_all(call: Call) -> Reply:
    good, errors = _each_address(call, _BATCH_READ)
    wide = call.portal.subscriptions.wide_statuses
    return batch_reply(call, [{"subscriberIdString": item, "wideStatuses": wide(item)} for item in good], errors)
