"""The latest plan: intended changes, what it makes of every record, and what a person should look at."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import Table, columns

PLAN = (
    Table(
        "sync.plan",
        "The latest plan: every intended change in HubSpot with old and new values.",
        columns(
            """
run_id | VARCHAR | run that planned |
digest | VARCHAR | digest of the whole plan |
entity_type | VARCHAR | contact, company, deal, relation |
teamleader_id | VARCHAR | Teamleader id; for a relation FROM>TO |
hubspot_id | VARCHAR | HubSpot record id; null for a create |
action | VARCHAR | create, update, hold, associate, unsubscribe, marketing, mark_deleted |
reason | VARCHAR | reason code |
fields | VARCHAR | JSON object property → old and new |
details | VARCHAR | JSON object with what the push needs beyond fields |
"""
        ),
    ),
    Table(
        "sync.settled",
        "Records of the latest plan whose new Teamleader values already stand in HubSpot: no call, only remembered.",
        columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id |
shadow | VARCHAR | JSON object property → value to remember |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.planned_outcomes",
        "What the latest plan intends for every source record; `sync.outcomes` says what became of it.",
        columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id |
bucket | VARCHAR | created, updated, unchanged, skipped or held |
reason | VARCHAR | reason code |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.looked_at",
        "Records that the latest plan was made of, where others are as the plan before left them; no row: all.",
        columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.demanded_contacts",
        "Contacts whose links to companies may count for anything.",
        columns(
            """
id | VARCHAR | Teamleader id |
"""
        ),
        ("id",),
    ),
    Table(
        "sync.notices",
        "What a person should look at, found by the latest plan or its push.",
        columns(
            """
code | VARCHAR | kind of notice |
entity_type | VARCHAR | contact, company, deal or relation |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id |
message | VARCHAR | one sentence without personal data |
found_by | VARCHAR | recovery, plan or push |
"""
        ),
    ),
)
