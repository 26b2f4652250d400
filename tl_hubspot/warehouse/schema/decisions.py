"""What the rules say about every record, and what they looked at."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import Table, columns

DECISIONS = (
    Table(
        "decisions.contacts",
        "One row per Teamleader contact: whether it belongs in HubSpot, in what state, and why.",
        columns(
            """
teamleader_id | VARCHAR | contact |
status | VARCHAR | skip, marketing or non_marketing |
reason | VARCHAR | reason code, see the rules |
duplicate_of | VARCHAR | the contact that won, for duplicate_email |
address | VARCHAR | normalised e-mail address |
changed_at | TIMESTAMPTZ | last manual change |
changed_on | DATE | its calendar date in the configured time zone |
linked | BOOLEAN | has a HubSpot record |
source_status | VARCHAR | active or deactivated |
consent | BOOLEAN | marketing_mails_consent of this contact; null when unknown |
opted_out | BOOLEAN | the address is opted out (by this contact or another with the same address) |
opted_out_by | VARCHAR | a contact that opted the address out |
as_of | TIMESTAMPTZ | instant of evaluation |
"""
        ),
        ("teamleader_id",),
    ),
    Table(
        "decisions.companies",
        "One row per Teamleader company: its group, and whether it belongs in HubSpot.",
        columns(
            """
teamleader_id | VARCHAR | company |
status | VARCHAR | sync or skip |
reason | VARCHAR | eligible_contact, no_eligible_contact or duplicate_company |
duplicate_of | VARCHAR | winner of its group, for duplicate_company |
group_id | VARCHAR | winner of its group (itself when alone) |
joined_by | VARCHAR | vat, domain or name: the key by which it joined its group; null for the winner |
also_fits | VARCHAR[] | winners of other groups that it would have fitted |
vat | VARCHAR | normalised enterprise number, null when missing |
domain | VARCHAR | registrable domain, null when missing |
name_key | VARCHAR | normalised name, null when missing |
eligible_contact | VARCHAR | a contact that makes the group eligible |
linked | BOOLEAN | has a HubSpot record |
source_status | VARCHAR | active or deactivated |
as_of | TIMESTAMPTZ | instant of evaluation |
"""
        ),
        ("teamleader_id",),
    ),
    Table(
        "decisions.deals",
        "One row per Teamleader deal: whether it belongs in HubSpot, its label, and why.",
        columns(
            """
teamleader_id | VARCHAR | deal |
status | VARCHAR | sync, skip or held |
reason | VARCHAR | reason code, see the rules |
duplicate_of | VARCHAR | always null, for symmetry |
label | VARCHAR | inactief or empty |
contact_id | VARCHAR | the contact that counts (winner of a duplicate) |
source_contact_id | VARCHAR | the contact that Teamleader names |
company_id | VARCHAR | customer when it is a company |
deal_status | VARCHAR | new, open, won or lost |
created_on | DATE | creation date in the configured time zone |
status_changed_at | TIMESTAMPTZ | latest of creation, phase changes, closing |
status_changed_on | DATE | its date in the configured time zone |
linked | BOOLEAN | has a HubSpot record |
as_of | TIMESTAMPTZ | instant of evaluation |
"""
        ),
        ("teamleader_id",),
    ),
)
