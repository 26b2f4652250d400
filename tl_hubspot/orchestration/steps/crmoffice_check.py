"""What `doctor` looks at in Crmoffice: whether it answers, and whether it looks like what was configured.

Capabilities are configured and never discovered; an answer that contradicts them is worth a look.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tl_hubspot.crmoffice import contacts
from tl_hubspot.crmoffice.capabilities import MAPPED
from tl_hubspot.crmoffice.client import CrmofficeClient
from tl_hubspot.crmoffice.contacts import Contact
from tl_hubspot.crmoffice.reactions import NotFound
from tl_hubspot.reporting.checklist import Finding

TOPIC = "Crmoffice"


def examine(client: CrmofficeClient) -> Iterator[Finding]:
    """Findings about one tenant; reads a few records, writes nothing."""
    number = contacts.count(client)
    yield Finding(TOPIC, "ok", f"{client.api_url} answers; contacts there: {number:,}.")
    yield Finding(TOPIC, "ok", f"CRMOFFICE_CAPABILITIES are {client.capabilities}.")
    contradictions = list(_contradictions(client))
    for sentence, mend in contradictions:
        yield Finding(TOPIC, "warning", sentence, mend)
    if not contradictions:
        yield Finding(TOPIC, "ok", "Nothing that it answers contradicts them.")
    yield Finding(
        TOPIC,
        "warning",
        "The right to write, and the verb for it, cannot be tried without writing.",
        f"See that the client may change contacts, and that `write={client.capabilities.write}` is right.",
    )


def _contradictions(client: CrmofficeClient) -> Iterator[tuple[str, str]]:
    """What was seen, and what to change."""
    able = client.capabilities
    first_page = next(iter(contacts.read(client)), [])
    if able.delete_feed:
        try:
            contacts.deletions(client)
        except NotFound:
            yield "There is no list of deletions.", "Set delete_feed=0 in CRMOFFICE_CAPABILITIES."
    for contact in islice(first_page, 1):
        seen = contacts.get(client, contact.id)
        yield from _unlike(able.modified_timestamp, "modifiedAt" in seen.record, "modified_timestamp", "modifiedAt")
        yield from _unlike(able.etag, seen.etag is not None, "etag", "ETag")
        yield from _missing(seen)


def _unlike(said: bool, seen: bool, name: str, what: str) -> Iterator[tuple[str, str]]:
    if said != seen:
        yield (
            f"A contact comes with{'' if seen else 'out'} `{what}`, and {name} is {int(said)}.",
            f"Set {name}={int(seen)} in CRMOFFICE_CAPABILITIES.",
        )


def _missing(contact: Contact) -> Iterator[tuple[str, str]]:
    if lacking := [name for name in MAPPED if name not in contact.values]:
        yield (
            f"A contact comes without {', '.join(lacking)}: what it holds there is unknown and stays as it is.",
            "See in Crmoffice that the client may read these fields.",
        )
