"""A slow, plain reading of the contact and deal decisions, one record at a time, to check the sample data against.

Not the product's rules: written apart from them, for records of the worlds only.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import idna

BRUSSELS = ZoneInfo("Europe/Brussels")
ATOMS = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
NEVER = datetime(1, 1, 1, tzinfo=UTC)


def instant(text):
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def day(moment):
    return moment.astimezone(BRUSSELS).date()


def years_before(as_of, years):
    today = day(as_of)
    last = 28 if (today.month, today.day) == (2, 29) else today.day
    return today.replace(year=today.year - years, day=last)


def address(contact):
    """Normalised address, None when there is none, ValueError when it is not valid."""
    texts = [(e["type"], e["email"].strip()) for e in contact["emails"] if e["email"].strip()]
    if not texts:
        return None
    text = next((email for kind, email in texts if kind == "primary"), texts[0][1])
    local, at, domain = unicodedata.normalize("NFC", text).lower().rpartition("@")
    labels = domain.split(".")
    if not (at and local.isascii() and ATOMS.fullmatch(local) and len(local) <= 64):
        raise ValueError(text)
    if len(labels) < 2 or not all(labels) or not (labels[-1].isalpha() or labels[-1].startswith("xn--")):
        raise ValueError(text)
    return f"{local}@{idna.encode(domain).decode()}"


def contact_reasons(contacts, as_of, linked=()):
    """Teamleader id → (reason, duplicate_of), by the table of contact decisions."""
    contacts = list(contacts)
    found, groups, opted_out = {}, defaultdict(list), set()
    for contact in contacts:
        try:
            email = address(contact)
        except ValueError:
            found[contact["id"]] = ("invalid_email", None)
            continue
        if email and contact.get("marketing_mails_consent") is False:
            opted_out.add(email)
        changed = instant(contact["updated_at"] or contact["added_at"])
        deactivated = contact["status"] == "deactivated"
        if email is None:
            found[contact["id"]] = ("no_email", None)
        elif changed is None:
            found[contact["id"]] = ("no_date", None)
        elif day(changed) < years_before(as_of, 5):
            found[contact["id"]] = ("too_old", None)
        elif deactivated and contact["id"] not in linked:
            found[contact["id"]] = ("deactivated", None)
        else:
            added = instant(contact["added_at"]) or NEVER
            rank = (deactivated, -changed.timestamp(), added.timestamp(), contact["id"])
            groups[email].append((rank, contact, changed))
    for email, members in groups.items():
        (_, winner, changed), *losers = sorted(members, key=lambda member: member[0])
        for _, loser, _ in losers:
            found[loser["id"]] = ("duplicate_email", winner["id"])
        if email in opted_out:
            reason = "opted_out"
        elif winner.get("marketing_mails_consent") is None:
            reason = "consent_unknown"
        elif winner["status"] == "deactivated":
            reason = "deactivated"
        elif day(changed) > years_before(as_of, 2):
            reason = "changed_within_2_years"
        else:
            reason = "changed_2_to_5_years"
        found[winner["id"]] = (reason, None)
    return found


SKIPPED = {"no_email", "invalid_email", "no_date", "too_old"}


def deal_reasons(deals, contacts, linked_contacts, linked_deals, as_of):
    """Teamleader id → reason, by the table of deal decisions; `contacts` is the answer of `contact_reasons`."""
    found = {}
    for deal in deals:
        customer, person = deal["lead"]["customer"], deal["lead"]["contact_person"]
        who = customer["id"] if customer["type"] == "contact" else person and person["id"]
        reason, winner = contacts.get(who, ("too_old", None))
        if winner:
            reason, _ = contacts[winner]
        eligible = reason not in SKIPPED and (reason != "deactivated" or (winner or who) in linked_contacts)
        created = instant(deal["created_at"])
        changes = [created, *(instant(entry["started_at"]) for entry in deal["phase_history"])]
        closed = deal["status"] in ("won", "lost")
        if closed and deal["closed_at"]:
            changes.append(instant(deal["closed_at"]))
        recent = day(max(changes)) > years_before(as_of, 2)
        if who is None:
            found[deal["id"]] = "no_contact"
        elif not eligible:
            found[deal["id"]] = "contact_not_eligible"
        elif closed:
            found[deal["id"]] = "closed" if recent or deal["id"] in linked_deals else "closed_too_old"
        elif recent:
            found[deal["id"]] = "changed_within_2_years"
        else:
            found[deal["id"]] = "inactive" if day(created) >= years_before(as_of, 5) else "too_old"
    return found


def carried(world, object_type):
    """Teamleader ids that HubSpot records carry before the first sync."""
    return {
        record["properties"]["teamleader_id"]
        for record in world.hubspot_objects(object_type)
        if "teamleader_id" in record["properties"]
    }
