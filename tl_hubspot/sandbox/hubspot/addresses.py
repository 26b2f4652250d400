"""The e-mail addresses of a contact: one primary, any number of secondary ones, each of one contact portal-wide.

Works on a contact's properties (`email`, `hs_additional_emails`) and the store's keys; legacy routes are in
`contact_emails`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tl_hubspot.sandbox.hubspot.errors import ApiError, contact_exists
from tl_hubspot.sandbox.hubspot.object_types import OBJECT_TYPES
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.values import split_list

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

CONTACTS = OBJECT_TYPES["contacts"]
PRIMARY, SECONDARY = "email", "hs_additional_emails"


def addresses_of(properties: dict[str, str]) -> list[str]:
    """Primary first, then the secondary ones."""
    primary = properties.get(PRIMARY)
    return ([primary] if primary else []) + split_list(properties.get(SECONDARY, ""))


def after_change(portal: Portal, properties: dict[str, str], accepted: dict[str, str], trusted: bool) -> dict[str, str]:
    """What a write of `email` and `hs_additional_emails` comes to, as properties ("" clears).

    `trusted`: a person does it in HubSpot, so that the switch about the property does not apply.
    """
    old = properties.get(PRIMARY, "")
    primary = accepted.get(PRIMARY, old)
    secondary = split_list(properties.get(SECONDARY, ""))
    writable = trusted or portal.switches.additional_emails_by_property == "accepted"
    if SECONDARY in accepted and writable:
        secondary = split_list(accepted[SECONDARY])
    keep = portal.switches.old_primary_on_email_change == "kept"
    if old and primary and primary != old and keep and old not in secondary:
        secondary.append(old)
    return {PRIMARY: primary, SECONDARY: ";".join(address for address in secondary if address != primary)}


def check_free(portal: Portal, contact_id: int | None, addresses: Iterable[str]) -> None:
    """ApiError 409 when an address belongs to another contact, 400 when it was GDPR-deleted."""
    for address in addresses:
        owner = portal.store.key_owner(CONTACTS, PRIMARY, address)
        if owner is not None and owner[0] != contact_id:
            raise contact_exists(owner[0])
        blocked = portal.store.document("gdpr", address) is not None
        if blocked and not portal.switches.recreate_after_gdpr_delete:
            raise ApiError(
                400, "VALIDATION_ERROR", "The email address was deleted for privacy and cannot be used again."
            )


def write_keys(portal: Portal, record: Record) -> None:
    """Make the store's keys those of the record's properties; the addresses must be free."""
    primary = record.properties.get(PRIMARY)
    portal.store.remove_keys(CONTACTS, record.id, PRIMARY)
    portal.store.add_keys(
        (CONTACTS.number, PRIMARY, address, record.id, address == primary)
        for address in addresses_of(record.properties)
    )


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]
