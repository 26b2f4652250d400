"""Teamleader as received: the payload beside typed columns, and what could not be loaded."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import LOADED, Table, columns

ADDRESS = "STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR)"
EMAILS = 'STRUCT("type" VARCHAR, email VARCHAR)[]'
TELEPHONES = 'STRUCT("type" VARCHAR, number VARCHAR)[]'
CUSTOM = "STRUCT(id VARCHAR, value VARCHAR)[]"

TEAMLEADER = (
    Table(
        "teamleader.contacts",
        "Contacts as Teamleader's contacts.list gives them, the current version of each.",
        columns(
            f"""
id | VARCHAR | Teamleader id | id
first_name | VARCHAR | first name | first_name
last_name | VARCHAR | last name | last_name
salutation | VARCHAR | salutation, free text | salutation
status | VARCHAR | active or deactivated | status
emails | {EMAILS} | e-mail entries as typed | emails
telephones | {TELEPHONES} | telephone entries as typed | telephones
website | VARCHAR | website as typed | website
primary_address | {ADDRESS} | primary postal address | primary_address
language | VARCHAR | language code | language
gender | VARCHAR | gender | gender
birthdate | VARCHAR | date of birth as received | birthdate
tags | VARCHAR[] | tags | tags
marketing_mails_consent | BOOLEAN | consent box; null when absent or null | marketing_mails_consent
custom_fields | {CUSTOM} | custom fields: definition id and value as text (lists as JSON) | custom_fields
added_at | TIMESTAMPTZ | when it was added | added_at
updated_at | TIMESTAMPTZ | last update according to Teamleader | updated_at
web_url | VARCHAR | link into Teamleader | web_url
changed_at | TIMESTAMPTZ | last manual change: moves only when a watched field or a company link changed | computed
consent_withdrawn_at | TIMESTAMPTZ | when consent was seen to go from true to false; null again once true | computed
deleted_at | TIMESTAMPTZ | when it was found deleted in Teamleader; null while it exists | computed
links_read_at | TIMESTAMPTZ | when its company links were last read; null: not known whether it has any | computed
payload | VARCHAR | the record as received, JSON text | contacts.list
"""
            + LOADED
        ),
        ("id",),
    ),
    Table(
        "teamleader.companies",
        "Companies as Teamleader's companies.list gives them, the current version of each.",
        columns(
            f"""
id | VARCHAR | Teamleader id | id
name | VARCHAR | name | name
status | VARCHAR | active or deactivated | status
business_type_id | VARCHAR | legal form | business_type.id
vat_number | VARCHAR | VAT number as typed | vat_number
national_identification_number | VARCHAR | national register number | national_identification_number
emails | {EMAILS} | e-mail entries as typed | emails
telephones | {TELEPHONES} | telephone entries as typed | telephones
website | VARCHAR | website as typed | website
primary_address | {ADDRESS} | primary postal address | primary_address
language | VARCHAR | language code | language
responsible_user_id | VARCHAR | responsible user | responsible_user.id
tags | VARCHAR[] | tags | tags
marketing_mails_consent | BOOLEAN | consent box; null when absent or null | marketing_mails_consent
custom_fields | {CUSTOM} | custom fields: definition id and value as text (lists as JSON) | custom_fields
added_at | TIMESTAMPTZ | when it was added | added_at
updated_at | TIMESTAMPTZ | last update according to Teamleader | updated_at
web_url | VARCHAR | link into Teamleader | web_url
deleted_at | TIMESTAMPTZ | when it was found deleted in Teamleader; null while it exists | computed
links_read_at | TIMESTAMPTZ | when its contact links were last read | computed
payload | VARCHAR | the record as received, JSON text | companies.list
"""
            + LOADED
        ),
        ("id",),
    ),
    Table(
        "teamleader.deals",
        "Deals as Teamleader's deals.list gives them, the current version of each.",
        columns(
            f"""
id | VARCHAR | Teamleader id | id
title | VARCHAR | title | title
reference | VARCHAR | reference | reference
status | VARCHAR | new, open, won or lost | status
customer_type | VARCHAR | contact or company | lead.customer.type
customer_id | VARCHAR | customer | lead.customer.id
contact_person_id | VARCHAR | contact person when the customer is a company | lead.contact_person.id
department_id | VARCHAR | department | department.id
estimated_value_amount | VARCHAR | amount as decimal text, digits as received | estimated_value.amount
estimated_value_currency | VARCHAR | currency code | estimated_value.currency
estimated_closing_date | VARCHAR | date as received | estimated_closing_date
estimated_probability | VARCHAR | 0 to 1 as decimal text | estimated_probability
pipeline_id | VARCHAR | pipeline | pipeline.id
current_phase_id | VARCHAR | current phase | current_phase.id
responsible_user_id | VARCHAR | responsible user | responsible_user.id
source_id | VARCHAR | source | source.id
lost_reason_id | VARCHAR | lost reason | lost_reason.reason.id
lost_reason_remark | VARCHAR | remark given when lost | lost_reason.remark
custom_fields | {CUSTOM} | custom fields: definition id and value as text (lists as JSON) | custom_fields
closed_at | TIMESTAMPTZ | when it was won or lost | closed_at
created_at | TIMESTAMPTZ | when it was created | created_at
updated_at | TIMESTAMPTZ | last update according to Teamleader | updated_at
web_url | VARCHAR | link into Teamleader | web_url
deleted_at | TIMESTAMPTZ | when it was found deleted in Teamleader; null while it exists | computed
phase_history_read_at | TIMESTAMPTZ | when its phase history was last read | computed
payload | VARCHAR | the record as received, JSON text | deals.list
"""
            + LOADED
        ),
        ("id",),
    ),
    Table(
        "teamleader.contact_company_links",
        "Which contact belongs to which company, in the order in which Teamleader lists them.",
        columns(
            """
contact_id | VARCHAR | contact | contacts.info companies[] or companies.info related_contacts[]
company_id | VARCHAR | company | same
position | VARCHAR | job title on this link | position
decision_maker | BOOLEAN | decision maker | decision_maker / is_decision_maker
rank | INTEGER | place of the company in the contact's own list, 0 first | computed
"""
            + LOADED
        ),
        ("contact_id", "company_id"),
    ),
    Table(
        "teamleader.deal_phase_history",
        "Phases that a deal went through; read only for deals whose decision needs it.",
        columns(
            """
deal_id | VARCHAR | deal | deals.info
position | INTEGER | place in the list as received | computed
phase_id | VARCHAR | phase | phase_history[].phase.id
started_at | VARCHAR | start as received; without zone it is in the configured zone (UTC) | phase_history[].started_at
started_by | VARCHAR | user | phase_history[].started_by.id
"""
            + LOADED
        ),
        ("deal_id", "position"),
    ),
    Table(
        "teamleader.reference",
        "Small lists that records refer to.",
        columns(
            """
kind | VARCHAR | user, deal_pipeline, deal_phase, deal_source, lost_reason, business_type, custom_field_definition |
id | VARCHAR | Teamleader id |
name | VARCHAR | name or label; for users first and last name |
parent_id | VARCHAR | pipeline of a phase |
position | INTEGER | place in the list |
email | VARCHAR | e-mail address of a user |
context | VARCHAR | context of a custom field definition (sale is given as deal) |
type | VARCHAR | type of a custom field definition |
probability | VARCHAR | probability of a phase as decimal text |
is_default | BOOLEAN | default pipeline |
payload | VARCHAR | the record as received, JSON text |
"""
            + LOADED
        ),
        ("kind", "id"),
    ),
)

REJECTED = Table(
    "teamleader.rejected",
    "What Teamleader gave that could not be loaded as it is. A row goes when its record is read without the fault.",
    columns(
        """
stream | VARCHAR | contacts, companies or deals |
record | VARCHAR | Teamleader id; for what has none a name made from its text | id
field | VARCHAR | field that could not be read; empty when it is the record as a whole |
id | VARCHAR | Teamleader id when it can be known | id
reason | VARCHAR | what is wrong, in words, without values |
is_loaded | BOOLEAN | the record is loaded, without this field; else all of it was set aside |
payload | VARCHAR | the record as received, JSON text |
"""
        + LOADED
    ),
    ("stream", "record", "field"),
)
