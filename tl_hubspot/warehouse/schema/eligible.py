"""What belongs in HubSpot, by the decisions."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import Table, columns

ELIGIBLE = (
    Table(
        "eligible.contacts",
        "Contacts that belong in HubSpot.",
        columns(
            """
teamleader_id | VARCHAR | contact |
marketing | BOOLEAN | should be a marketing contact |
reason | VARCHAR | reason code of the decision |
address | VARCHAR | normalised e-mail address |
first_company_id | VARCHAR | first-listed eligible company (winner of its group) |
jobtitle | VARCHAR | position on the link to that company |
"""
        ),
        ("teamleader_id",),
    ),
    Table(
        "eligible.companies",
        "Companies that belong in HubSpot, one per group.",
        columns(
            """
teamleader_id | VARCHAR | winner of the group |
members | VARCHAR[] | all companies of the group, the winner first |
vat | VARCHAR | normalised enterprise number |
domain | VARCHAR | registrable domain |
name_key | VARCHAR | normalised name |
"""
        ),
        ("teamleader_id",),
    ),
    Table(
        "eligible.deals",
        "Deals that belong in HubSpot (held ones too: their other fields still go).",
        columns(
            """
teamleader_id | VARCHAR | deal |
label | VARCHAR | inactief or empty |
reason | VARCHAR | reason code of the decision |
contact_id | VARCHAR | contact |
company_id | VARCHAR | eligible company (winner of its group), null when there is none |
"""
        ),
        ("teamleader_id",),
    ),
    Table(
        "eligible.relations",
        "Relations that should exist in HubSpot between eligible records.",
        columns(
            """
from_type | VARCHAR | contact or deal |
from_id | VARCHAR | Teamleader id |
to_type | VARCHAR | company or contact |
to_id | VARCHAR | Teamleader id (winner of its group) |
is_first | BOOLEAN | first-listed eligible company of the contact |
"""
        ),
        ("from_type", "from_id", "to_type", "to_id"),
    ),
)
