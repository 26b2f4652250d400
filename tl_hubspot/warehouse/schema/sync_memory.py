"""What the sync remembers of records and people between runs: links, values, opt-outs, consent, tombstones."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import Table, columns

MEMORY = (
    Table(
        "sync.links",
        "The remembered pair Teamleader id, HubSpot id.",
        columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id |
first_run | VARCHAR | run that made the link |
last_run | VARCHAR | run that last confirmed it |
matched_by | VARCHAR | why they are one: created, duplicate, teamleader_id, email, secondary_email, vat, domain, name |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.shadows",
        "What the sync last saw confirmed per record: the values that Teamleader had then, by HubSpot property.",
        columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
fields | VARCHAR | JSON object property → value as text; empty ones are left out |
written | VARCHAR | JSON object property → value that the sync wrote; one further address while its exchange is open |
run_id | VARCHAR | run that last advanced it |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.relations",
        "Associations that the sync made or found: each is written once.",
        columns(
            """
from_type | VARCHAR | contact or deal |
from_id | VARCHAR | HubSpot record id |
to_type | VARCHAR | company or contact |
to_id | VARCHAR | HubSpot record id |
origin | VARCHAR | made or found |
run_id | VARCHAR | run |
"""
        ),
        ("from_type", "from_id", "to_type", "to_id"),
    ),
    Table(
        "sync.undone_addresses",
        "Addresses that an undo took off a HubSpot contact: not put on it again until Teamleader changes the address.",
        columns(
            """
hubspot_id | VARCHAR | HubSpot record id of the contact |
address | VARCHAR | address, lower case |
run_id | VARCHAR | run that took it off |
"""
        ),
        ("hubspot_id", "address"),
    ),
    Table(
        "sync.opt_outs",
        "Addresses that the sync unsubscribed in HubSpot; a row goes when Teamleader shows consent again.",
        columns(
            """
address | VARCHAR | normalised address whose opt-out was carried over |
unsubscribed | VARCHAR[] | addresses unsubscribed for it |
run_id | VARCHAR | run |
at | TIMESTAMPTZ | when |
"""
        ),
        ("address",),
    ),
    Table(
        "sync.marketing_requests",
        "Contacts for which marketing status was asked; a row goes when the decision is no longer marketing.",
        columns(
            """
teamleader_id | VARCHAR | contact |
hubspot_id | VARCHAR | HubSpot record id |
import_id | VARCHAR | import that asked |
confirmed | BOOLEAN | read back as marketing |
run_id | VARCHAR | run |
"""
        ),
        ("teamleader_id",),
    ),
    Table(
        "sync.consent_ledger",
        "What was said, decided and done about marketing e-mail: rows are only added, each chained to the last.",
        columns(
            """
seq | INTEGER | place in the ledger, from 1 |
at | TIMESTAMPTZ | when it was written |
run_id | VARCHAR | run |
teamleader_id | VARCHAR | contact |
hubspot_id | VARCHAR | HubSpot record id, null while there is none |
address_hash | VARCHAR | its address, hashed with the key of the data folder |
event | VARCHAR | decided, deleted, seen_in_hubspot; unsubscribed, not_asked, marketing_asked and what became of it |
consent | BOOLEAN | what Teamleader said of this contact: marketing_mails_consent, null when unknown |
opted_out | BOOLEAN | Teamleader showed the address opted out, by this contact or another one |
hubspot_opted_out | BOOLEAN | HubSpot showed the contact opted out; null when there was no record |
hubspot_marketing | BOOLEAN | HubSpot showed a marketing contact; null when there was no record |
decision | VARCHAR | status of the decision |
reason | VARCHAR | reason code of the decision, or why the event came about |
previous_hash | VARCHAR | hash of the row before |
hash | VARCHAR | sha256 over this row and previous_hash |
"""
        ),
        ("seq",),
    ),
    Table(
        "sync.consent_head",
        "The end of the consent ledger, so that missing last rows are found.",
        columns(
            """
seq | INTEGER | rows in the ledger |
hash | VARCHAR | hash of the last one |
"""
        ),
    ),
    Table(
        "sync.consent_facts",
        "What the consent ledger last said of each contact: only what differs is written again.",
        columns(
            """
teamleader_id | VARCHAR | contact |
address | VARCHAR | normalised address |
consent | BOOLEAN | marketing_mails_consent |
opted_out | BOOLEAN | the address is opted out in Teamleader |
decision | VARCHAR | status of the decision |
reason | VARCHAR | reason code |
hubspot_opted_out | BOOLEAN | HubSpot shows the contact opted out |
hubspot_marketing | BOOLEAN | HubSpot shows a marketing contact |
"""
        ),
        ("teamleader_id",),
    ),
    Table(
        "sync.tombstones",
        "HubSpot records that a person archived or erased after they were linked: never made again until released.",
        columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_hash | VARCHAR | Teamleader id, hashed with the key of the data folder |
hubspot_hash | VARCHAR | HubSpot record id, hashed |
address_hashes | VARCHAR[] | addresses that the sync knew of an erased contact, hashed; empty for archived records |
kind | VARCHAR | archived or gdpr_deleted |
found_at | TIMESTAMPTZ | when it was found |
run_id | VARCHAR | run that found it |
released_at | TIMESTAMPTZ | when a person released it; null while it counts |
"""
        ),
        ("entity_type", "teamleader_hash", "hubspot_hash"),
    ),
    Table(
        "sync.releases",
        "Held records that a person released; used up by the next sync of the record.",
        columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
released_at | TIMESTAMPTZ | when |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
)
