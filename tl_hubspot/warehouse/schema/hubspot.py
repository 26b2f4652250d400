"""The mirror of HubSpot: records, associations, and the definitions that they follow."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import LOADED, Table, columns

HUBSPOT = (
    Table(
        "hubspot.contacts",
        "Mirror of HubSpot's contacts, archived ones too.",
        columns(
            """
id | VARCHAR | HubSpot record id | id
email | VARCHAR | primary e-mail address, lower case | email
secondary_emails | VARCHAR[] | further addresses, lower case | hs_additional_emails
teamleader_id | VARCHAR | Teamleader id that the record carries | teamleader_id
createdate | TIMESTAMPTZ | when it was created | createdate
updated_at | TIMESTAMPTZ | last change | updatedAt
archived | BOOLEAN | in the recycle bin | archived
merged_ids | VARCHAR[] | ids of records merged into it | hs_merged_object_ids, hs_calculated_merged_vids
marketable | BOOLEAN | marketing contact | hs_marketable_status
opted_out | BOOLEAN | unsubscribed from all e-mail | hs_email_optout
properties | VARCHAR | all properties read, JSON object of strings | properties
"""
            + LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.companies",
        "Mirror of HubSpot's companies, archived ones too.",
        columns(
            """
id | VARCHAR | HubSpot record id | id
name | VARCHAR | name | name
domain | VARCHAR | domain | domain
additional_domains | VARCHAR[] | further domains | hs_additional_domains
vat_number | VARCHAR | value of the VAT property of the mapping | vat_number
teamleader_id | VARCHAR | Teamleader id that the record carries | teamleader_id
createdate | TIMESTAMPTZ | when it was created | createdate
updated_at | TIMESTAMPTZ | last change | updatedAt
archived | BOOLEAN | in the recycle bin | archived
merged_ids | VARCHAR[] | ids of records merged into it | hs_merged_object_ids
properties | VARCHAR | all properties read, JSON object of strings | properties
"""
            + LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.deals",
        "Mirror of HubSpot's deals, archived ones too.",
        columns(
            """
id | VARCHAR | HubSpot record id | id
teamleader_id | VARCHAR | Teamleader id that the record carries | teamleader_id
createdate | TIMESTAMPTZ | when it was created | createdate
updated_at | TIMESTAMPTZ | last change | updatedAt
archived | BOOLEAN | in the recycle bin | archived
merged_ids | VARCHAR[] | ids of records merged into it | hs_merged_object_ids
properties | VARCHAR | all properties read, JSON object of strings | properties
"""
            + LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.associations",
        "Mirror of the associations contact → company, deal → contact, deal → company.",
        columns(
            """
from_type | VARCHAR | contact or deal |
from_id | VARCHAR | HubSpot record id |
to_type | VARCHAR | company or contact |
to_id | VARCHAR | HubSpot record id |
is_primary | BOOLEAN | carries the primary label |
"""
            + LOADED
        ),
        ("from_type", "from_id", "to_type", "to_id"),
    ),
    Table(
        "hubspot.properties",
        "Property definitions of the portal.",
        columns(
            """
object_type | VARCHAR | contact, company or deal |
name | VARCHAR | internal name |
label | VARCHAR | label |
type | VARCHAR | string, number, date, datetime, enumeration or bool |
field_type | VARCHAR | field type |
read_only | BOOLEAN | its value cannot be written | modificationMetadata.readOnlyValue or calculated
unique_value | BOOLEAN | values are unique | hasUniqueValue
options | VARCHAR[] | values of the options |
"""
            + LOADED
        ),
        ("object_type", "name"),
    ),
    Table(
        "hubspot.pipeline_stages",
        "Deal pipelines and their stages.",
        columns(
            """
pipeline_id | VARCHAR | internal id |
pipeline_label | VARCHAR | label |
stage_id | VARCHAR | internal id |
stage_label | VARCHAR | label |
is_closed | BOOLEAN | closed stage | metadata.isClosed
probability | VARCHAR | 0 to 1 as text; 1.0 is won, 0.0 with is_closed is lost | metadata.probability
position | INTEGER | display order |
"""
            + LOADED
        ),
        ("pipeline_id", "stage_id"),
    ),
    Table(
        "hubspot.owners",
        "Owners of the portal.",
        columns(
            """
id | VARCHAR | owner id |
email | VARCHAR | e-mail address, lower case |
"""
            + LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.account",
        "The portal itself: which one it is, and where people look at it.",
        columns(
            """
portal_id | VARCHAR | number of the portal | portalId
ui_domain | VARCHAR | host on which people open it | uiDomain
account_type | VARCHAR | type of the account | accountType
"""
            + LOADED
        ),
        ("portal_id",),
    ),
    Table(
        "hubspot.currencies",
        "Currencies that deals may have.",
        columns(
            """
code | VARCHAR | currency code |
is_company_currency | BOOLEAN | home currency of the portal |
"""
            + LOADED
        ),
        ("code",),
    ),
)
