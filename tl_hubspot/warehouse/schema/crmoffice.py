"""The mirror of Crmoffice."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import LOADED, Table, columns

CRMOFFICE = (
    Table(
        "crmoffice.contacts",
        "Mirror of Crmoffice's contacts. An empty text is an empty value, null one that Crmoffice did not tell.",
        columns(
            """
id | VARCHAR | Crmoffice id | id
givenName | VARCHAR | first name | givenName
familyName | VARCHAR | last name | familyName
mobilePhone | VARCHAR | mobile number | mobilePhone
directPhone | VARCHAR | direct number | directPhone
company_id | VARCHAR | company that the contact works for | company.id
modifiedAt | TIMESTAMPTZ | last change, where Crmoffice tells | modifiedAt
first_seen_at | TIMESTAMPTZ | when the flow met it first |
"""
            + LOADED
        ),
        ("id",),
    ),
)
