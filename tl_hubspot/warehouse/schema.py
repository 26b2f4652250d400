"""The tables of the working database: names, columns, SQL types, meaning and source, as data.

Documentation, column metadata in Dagster and comments in DuckDB are made from here. How rows get in lives in
`warehouse.store`; who reads them is not known here. Flat SQL types that DuckDB 1.5, 2.0 and DuckLake share; no keys or
indexes: uniqueness is kept by the upsert and asserted by checks.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = 5
APPLICATION = "tl_hubspot"


@dataclass(frozen=True)
class Column:
    """One column: SQL type, what it means, and where its value comes from."""

    name: str
    type: str
    meaning: str
    source: str = ""


@dataclass(frozen=True)
class Table:
    """One table; `key` names the columns that identify a row (upserts go by it)."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def ddl(self) -> str:
        """`CREATE TABLE IF NOT EXISTS` statement."""
        body = ", ".join(f'"{c.name}" {c.type}' for c in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({body})"

    @property
    def column_names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]


def _columns(text: str) -> tuple[Column, ...]:
    """Columns from lines `name | type | meaning | source`."""
    rows = []
    for line in filter(str.strip, text.splitlines()):
        parts = [p.strip() for p in line.split("|")]
        rows.append(Column(parts[0], parts[1], parts[2], parts[3] if len(parts) > 3 else ""))
    return tuple(rows)


_LOADED = """
_loaded_at | TIMESTAMPTZ | when this version was stored |
_run_id | VARCHAR | run that stored it |
"""

_ADDRESS = "STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR)"
_EMAILS = 'STRUCT("type" VARCHAR, email VARCHAR)[]'
_TELEPHONES = 'STRUCT("type" VARCHAR, number VARCHAR)[]'
_CUSTOM = "STRUCT(id VARCHAR, value VARCHAR)[]"

TEAMLEADER = (
    Table(
        "teamleader.contacts",
        "Contacts as Teamleader's contacts.list gives them, the current version of each.",
        _columns(
            f"""
id | VARCHAR | Teamleader id | id
first_name | VARCHAR | first name | first_name
last_name | VARCHAR | last name | last_name
salutation | VARCHAR | salutation, free text | salutation
status | VARCHAR | active or deactivated | status
emails | {_EMAILS} | e-mail entries as typed | emails
telephones | {_TELEPHONES} | telephone entries as typed | telephones
website | VARCHAR | website as typed | website
primary_address | {_ADDRESS} | primary postal address | primary_address
language | VARCHAR | language code | language
gender | VARCHAR | gender | gender
birthdate | VARCHAR | date of birth as received | birthdate
tags | VARCHAR[] | tags | tags
marketing_mails_consent | BOOLEAN | consent box; null when absent or null | marketing_mails_consent
custom_fields | {_CUSTOM} | custom fields: definition id and value as text (lists as JSON) | custom_fields
added_at | TIMESTAMPTZ | when it was added | added_at
updated_at | TIMESTAMPTZ | last update according to Teamleader | updated_at
web_url | VARCHAR | link into Teamleader | web_url
changed_at | TIMESTAMPTZ | last manual change: moves only when a watched field or a company link changed | computed
consent_withdrawn_at | TIMESTAMPTZ | when consent was seen to go from true to false; null again once true | computed
deleted_at | TIMESTAMPTZ | when it was found deleted in Teamleader; null while it exists | computed
links_read_at | TIMESTAMPTZ | when its company links were last read; null: not known whether it has any | computed
payload | VARCHAR | the record as received, JSON text | contacts.list
"""
            + _LOADED
        ),
        ("id",),
    ),
    Table(
        "teamleader.companies",
        "Companies as Teamleader's companies.list gives them, the current version of each.",
        _columns(
            f"""
id | VARCHAR | Teamleader id | id
name | VARCHAR | name | name
status | VARCHAR | active or deactivated | status
business_type_id | VARCHAR | legal form | business_type.id
vat_number | VARCHAR | VAT number as typed | vat_number
national_identification_number | VARCHAR | national register number | national_identification_number
emails | {_EMAILS} | e-mail entries as typed | emails
telephones | {_TELEPHONES} | telephone entries as typed | telephones
website | VARCHAR | website as typed | website
primary_address | {_ADDRESS} | primary postal address | primary_address
language | VARCHAR | language code | language
responsible_user_id | VARCHAR | responsible user | responsible_user.id
tags | VARCHAR[] | tags | tags
marketing_mails_consent | BOOLEAN | consent box; null when absent or null | marketing_mails_consent
custom_fields | {_CUSTOM} | custom fields: definition id and value as text (lists as JSON) | custom_fields
added_at | TIMESTAMPTZ | when it was added | added_at
updated_at | TIMESTAMPTZ | last update according to Teamleader | updated_at
web_url | VARCHAR | link into Teamleader | web_url
deleted_at | TIMESTAMPTZ | when it was found deleted in Teamleader; null while it exists | computed
links_read_at | TIMESTAMPTZ | when its contact links were last read | computed
payload | VARCHAR | the record as received, JSON text | companies.list
"""
            + _LOADED
        ),
        ("id",),
    ),
    Table(
        "teamleader.deals",
        "Deals as Teamleader's deals.list gives them, the current version of each.",
        _columns(
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
custom_fields | {_CUSTOM} | custom fields: definition id and value as text (lists as JSON) | custom_fields
closed_at | TIMESTAMPTZ | when it was won or lost | closed_at
created_at | TIMESTAMPTZ | when it was created | created_at
updated_at | TIMESTAMPTZ | last update according to Teamleader | updated_at
web_url | VARCHAR | link into Teamleader | web_url
deleted_at | TIMESTAMPTZ | when it was found deleted in Teamleader; null while it exists | computed
phase_history_read_at | TIMESTAMPTZ | when its phase history was last read | computed
payload | VARCHAR | the record as received, JSON text | deals.list
"""
            + _LOADED
        ),
        ("id",),
    ),
    Table(
        "teamleader.contact_company_links",
        "Which contact belongs to which company, in the order in which Teamleader lists them.",
        _columns(
            """
contact_id | VARCHAR | contact | contacts.info companies[] or companies.info related_contacts[]
company_id | VARCHAR | company | same
position | VARCHAR | job title on this link | position
decision_maker | BOOLEAN | decision maker | decision_maker / is_decision_maker
rank | INTEGER | place of the company in the contact's own list, 0 first | computed
"""
            + _LOADED
        ),
        ("contact_id", "company_id"),
    ),
    Table(
        "teamleader.deal_phase_history",
        "Phases that a deal went through; read only for deals whose decision needs it.",
        _columns(
            """
deal_id | VARCHAR | deal | deals.info
position | INTEGER | place in the list as received | computed
phase_id | VARCHAR | phase | phase_history[].phase.id
started_at | VARCHAR | start as received; without zone it is in the configured zone (UTC) | phase_history[].started_at
started_by | VARCHAR | user | phase_history[].started_by.id
"""
            + _LOADED
        ),
        ("deal_id", "position"),
    ),
    Table(
        "teamleader.reference",
        "Small lists that records refer to.",
        _columns(
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
            + _LOADED
        ),
        ("kind", "id"),
    ),
)

REJECTED = Table(
    "teamleader.rejected",
    "What Teamleader gave that could not be loaded as it is. A row goes when its record is read without the fault.",
    _columns(
        """
stream | VARCHAR | contacts, companies or deals |
record | VARCHAR | Teamleader id; for what has none a name made from its text | id
field | VARCHAR | field that could not be read; empty when it is the record as a whole |
id | VARCHAR | Teamleader id when it can be known | id
reason | VARCHAR | what is wrong, in words, without values |
is_loaded | BOOLEAN | the record is loaded, without this field; else all of it was set aside |
payload | VARCHAR | the record as received, JSON text |
"""
        + _LOADED
    ),
    ("stream", "record", "field"),
)

HUBSPOT = (
    Table(
        "hubspot.contacts",
        "Mirror of HubSpot's contacts, archived ones too.",
        _columns(
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
            + _LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.companies",
        "Mirror of HubSpot's companies, archived ones too.",
        _columns(
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
            + _LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.deals",
        "Mirror of HubSpot's deals, archived ones too.",
        _columns(
            """
id | VARCHAR | HubSpot record id | id
teamleader_id | VARCHAR | Teamleader id that the record carries | teamleader_id
createdate | TIMESTAMPTZ | when it was created | createdate
updated_at | TIMESTAMPTZ | last change | updatedAt
archived | BOOLEAN | in the recycle bin | archived
merged_ids | VARCHAR[] | ids of records merged into it | hs_merged_object_ids
properties | VARCHAR | all properties read, JSON object of strings | properties
"""
            + _LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.associations",
        "Mirror of the associations contact → company, deal → contact, deal → company.",
        _columns(
            """
from_type | VARCHAR | contact or deal |
from_id | VARCHAR | HubSpot record id |
to_type | VARCHAR | company or contact |
to_id | VARCHAR | HubSpot record id |
is_primary | BOOLEAN | carries the primary label |
"""
            + _LOADED
        ),
        ("from_type", "from_id", "to_type", "to_id"),
    ),
    Table(
        "hubspot.properties",
        "Property definitions of the portal.",
        _columns(
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
            + _LOADED
        ),
        ("object_type", "name"),
    ),
    Table(
        "hubspot.pipeline_stages",
        "Deal pipelines and their stages.",
        _columns(
            """
pipeline_id | VARCHAR | internal id |
pipeline_label | VARCHAR | label |
stage_id | VARCHAR | internal id |
stage_label | VARCHAR | label |
is_closed | BOOLEAN | closed stage | metadata.isClosed
probability | VARCHAR | 0 to 1 as text; 1.0 is won, 0.0 with is_closed is lost | metadata.probability
position | INTEGER | display order |
"""
            + _LOADED
        ),
        ("pipeline_id", "stage_id"),
    ),
    Table(
        "hubspot.owners",
        "Owners of the portal.",
        _columns(
            """
id | VARCHAR | owner id |
email | VARCHAR | e-mail address, lower case |
"""
            + _LOADED
        ),
        ("id",),
    ),
    Table(
        "hubspot.account",
        "The portal itself: which one it is, and where people look at it.",
        _columns(
            """
portal_id | VARCHAR | number of the portal | portalId
ui_domain | VARCHAR | host on which people open it | uiDomain
account_type | VARCHAR | type of the account | accountType
"""
            + _LOADED
        ),
        ("portal_id",),
    ),
    Table(
        "hubspot.currencies",
        "Currencies that deals may have.",
        _columns(
            """
code | VARCHAR | currency code |
is_company_currency | BOOLEAN | home currency of the portal |
"""
            + _LOADED
        ),
        ("code",),
    ),
)

DECISIONS = (
    Table(
        "decisions.contacts",
        "One row per Teamleader contact: whether it belongs in HubSpot, in what state, and why.",
        _columns(
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
        _columns(
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
        _columns(
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

ELIGIBLE = (
    Table(
        "eligible.contacts",
        "Contacts that belong in HubSpot.",
        _columns(
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
        _columns(
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
        _columns(
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
        _columns(
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

SYNC = (
    Table(
        "sync.links",
        "The remembered pair Teamleader id, HubSpot id.",
        _columns(
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
        _columns(
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
        _columns(
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
        _columns(
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
        _columns(
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
        _columns(
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
        _columns(
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
        _columns(
            """
seq | INTEGER | rows in the ledger |
hash | VARCHAR | hash of the last one |
"""
        ),
    ),
    Table(
        "sync.consent_facts",
        "What the consent ledger last said of each contact: only what differs is written again.",
        _columns(
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
        _columns(
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
        _columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
released_at | TIMESTAMPTZ | when |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.watermarks",
        "How far each stream was read, by the server's clock.",
        _columns(
            """
stream | VARCHAR | contacts, companies, deals |
read_until | TIMESTAMPTZ | start of the last complete read by the server's Date |
full_as_of | TIMESTAMPTZ | as_of of the last full read |
run_id | VARCHAR | run |
"""
        ),
        ("stream",),
    ),
    Table(
        "sync.made_of",
        "What each computed table was last made of: the same is not computed again.",
        _columns(
            """
name | VARCHAR | computed table |
fingerprint | VARCHAR | sha256 over the rows, the settings, the day and the program that it was made of |
run_id | VARCHAR | run that made it |
"""
        ),
        ("name",),
    ),
    Table(
        "sync.readings",
        "How HubSpot's records were last read, per kind of record: later readings build on it.",
        _columns(
            """
entity_type | VARCHAR | contact, company, deal or association |
read_until | TIMESTAMPTZ | start of the last reading by HubSpot's Date; for associations by our own clock |
base | VARCHAR | the complete reading below it: list (the whole portal) or keyed (what concerns Teamleader) |
properties | VARCHAR[] | properties that were read |
portal | INTEGER | active records in the portal when it was last counted |
archived | INTEGER | archived records in the portal when they were last listed |
run_id | VARCHAR | run |
"""
        ),
        ("entity_type",),
    ),
    Table(
        "sync.unfinished",
        "Readings of Teamleader that have begun and not ended, and how far they got: the next run goes on from there.",
        _columns(
            """
stream | VARCHAR | contacts, companies, deals |
is_full | BOOLEAN | all records are read, not only those that changed |
since | TIMESTAMPTZ | changes since then are read; null when all are |
status | VARCHAR | status whose records are being read; empty for deals |
until | TIMESTAMPTZ | all of that status up to this update (deals: from this creation on) are stored; null: none yet |
read_from | TIMESTAMPTZ | start of the reading by the server's Date |
as_of | TIMESTAMPTZ | as_of of the run that began it |
began_at | TIMESTAMPTZ | when it began |
run_id | VARCHAR | run that began it |
"""
        ),
        ("stream",),
    ),
    Table(
        "sync.seen",
        "Records that an unfinished full reading has met; those that it never meets are looked at for deletion.",
        _columns(
            """
stream | VARCHAR | contacts, companies, deals |
record | VARCHAR | Teamleader id; for what has none a name made from its text |
"""
        ),
    ),
    Table(
        "sync.calls",
        "Calls to Teamleader per run and stream: the fewest that would do, and those made.",
        _columns(
            """
run_id | VARCHAR | run |
stream | VARCHAR | contacts, companies, deals, reference, contact_company_links or deal_phase_history |
planned | INTEGER | known beforehand to be needed; null where the size of a list was not known |
minimum | INTEGER | fewest calls that read what was needed, computed from what was there |
made | INTEGER | made, every repeat included |
"""
        ),
        ("run_id", "stream"),
    ),
    Table(
        "sync.hidden_links",
        "Contacts and companies whose links Teamleader did not show when asked (403, or just deleted).",
        _columns(
            """
owner_type | VARCHAR | contact or company |
id | VARCHAR | Teamleader id |
run_id | VARCHAR | run that asked last |
"""
        ),
        ("owner_type", "id"),
    ),
    Table(
        "sync.plan",
        "The latest plan: every intended change in HubSpot with old and new values.",
        _columns(
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
        _columns(
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
        _columns(
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
        "sync.demanded_contacts",
        "Contacts whose links to companies may count for anything.",
        _columns(
            """
id | VARCHAR | Teamleader id |
"""
        ),
        ("id",),
    ),
    Table(
        "sync.notices",
        "What a person should look at, found by the latest plan or its push.",
        _columns(
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
    Table(
        "sync.outcomes",
        "What the latest run of each entity did with every source record.",
        _columns(
            """
run_id | VARCHAR | run |
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id |
bucket | VARCHAR | created, updated, unchanged, skipped, held or failed |
reason | VARCHAR | reason code |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.failures",
        "Records whose last push failed, until it succeeds or is no longer wanted.",
        _columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id, null for one that was to be created |
action | VARCHAR | create, update or mark_deleted |
reason | VARCHAR | reason code of the last attempt |
message | VARCHAR | what HubSpot said, without values |
http_status | INTEGER | status of HubSpot's answer |
correlation_id | VARCHAR | HubSpot's id of its answer, for its support |
since | TIMESTAMPTZ | when it failed first |
attempts | INTEGER | how often it was tried in vain |
next_attempt_at | TIMESTAMPTZ | not before this time, unless the record differs then or is released |
intended | VARCHAR | fingerprint of what was to be written |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.journal",
        "Write-ahead record of every push call: intent before, outcome after.",
        _columns(
            """
run_id | VARCHAR | run |
call_id | VARCHAR | one call |
trace_id | VARCHAR | objectWriteTraceId of the record in the call |
entity_type | VARCHAR | contact, company, deal or relation |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id when known |
action | VARCHAR | action of the plan; also archive, by an undo |
fields | VARCHAR | JSON object property → before and after |
state | VARCHAR | intended, done, failed, or changed: interrupted, and somebody else has changed the record since |
message | VARCHAR | error of the system, a note, or what was found after an interruption, without values |
intended_at | TIMESTAMPTZ | when the intent was stored |
settled_at | TIMESTAMPTZ | when the outcome was stored |
"""
        ),
        ("call_id", "trace_id"),
    ),
    Table(
        "sync.log",
        "Every action, and every decision that is new or changed.",
        _columns(
            """
timestamp | TIMESTAMPTZ | when |
run_id | VARCHAR | run |
entity_type | VARCHAR | contact, company, deal or relation |
teamleader_id | VARCHAR | Teamleader id |
hubspot_id | VARCHAR | HubSpot record id |
action | VARCHAR | create, update, skip, hold, fail, associate, unsubscribe, marketing, mark_deleted, release, undo |
reason | VARCHAR | reason code |
level | VARCHAR | info, warning or error |
message | VARCHAR | one sentence without personal data |
http_status | INTEGER | status of the answer |
correlation_id | VARCHAR | HubSpot's correlation id |
"""
        ),
    ),
    Table(
        "sync.logged_decisions",
        "The decision that the log last named per record: a row in the log only when it is new or changed.",
        _columns(
            """
entity_type | VARCHAR | contact, company or deal |
teamleader_id | VARCHAR | Teamleader id |
status | VARCHAR | status of the decision |
reason | VARCHAR | reason code |
"""
        ),
        ("entity_type", "teamleader_id"),
    ),
    Table(
        "sync.runs",
        "One row per run.",
        _columns(
            """
run_id | VARCHAR | run |
command | VARCHAR | sync, plan, approve or undo |
subset | VARCHAR | most contacts, companies and deals that the run was confined to; null: no such limit |
as_of | TIMESTAMPTZ | instant of evaluation |
is_full | BOOLEAN | all of Teamleader was read |
started_at | TIMESTAMPTZ | start |
finished_at | TIMESTAMPTZ | end |
status | VARCHAR | running, planned, held, done, failed_records or stopped |
digest | VARCHAR | digest of its plan |
limits | VARCHAR | JSON list: limit, value, maximum, exceeded |
counts | VARCHAR | JSON object: per entity and bucket, and per reason; of an undo what it took back and what it left |
calls | VARCHAR | JSON object: calls per system, reads and writes |
error | VARCHAR | what stopped it, one sentence |
protected_writes | INTEGER | writes to protected properties: always 0 |
"""
        ),
        ("run_id",),
    ),
)

CRMOFFICE = (
    Table(
        "crmoffice.contacts",
        "Mirror of Crmoffice's contacts. An empty text is an empty value, null one that Crmoffice did not tell.",
        _columns(
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
            + _LOADED
        ),
        ("id",),
    ),
)

_FLOW = "flow | VARCHAR | name of the flow |\n"
_FIELD_OF_LINK = """
link_id | VARCHAR | the pair |
side | VARCHAR | side that is written: a HubSpot, b Crmoffice |
"""


def _of_flow(name: str, meaning: str, columns: str, key: str) -> Table:
    return Table(f"two_way.{name}", meaning, _columns(_FLOW + columns), ("flow", *key.split()))


TWO_WAY = (
    _of_flow(
        "hubspot_contacts",
        "Mirror of the synchronised properties of HubSpot's contacts.",
        """
id | VARCHAR | HubSpot record id |
properties | VARCHAR | JSON object property → text; "" is an empty value, null one that HubSpot did not tell |
createdate | TIMESTAMPTZ | when it was created |
updated_at | TIMESTAMPTZ | last change |
first_seen_at | TIMESTAMPTZ | when the flow met it first |
"""
        + _LOADED,
        "id",
    ),
    _of_flow(
        "links",
        "Pairs of records, one row per pair ever made; a broken one keeps both records from being paired again.",
        """
link_id | VARCHAR | the pair |
a_id | VARCHAR | HubSpot record id |
b_id | VARCHAR | Crmoffice id |
state | VARCHAR | linked, held or broken |
reason | VARCHAR | why it is held or broken |
how | VARCHAR | matched, created, operator or derived |
created_at | TIMESTAMPTZ | when the pair was made |
""",
        "link_id",
    ),
    _of_flow(
        "shadows",
        "What both sides held when a field last agreed.",
        """
link_id | VARCHAR | the pair |
field | VARCHAR | HubSpot's property |
a | VARCHAR | what HubSpot held |
b | VARCHAR | what Crmoffice held |
""",
        "link_id field",
    ),
    _of_flow(
        "intervals",
        "Values that differ from the last agreement, with the interval in which they came about.",
        """
side | VARCHAR | a HubSpot, b Crmoffice |
id | VARCHAR | record |
field | VARCHAR | HubSpot's property |
value | VARCHAR | the value |
earliest | TIMESTAMPTZ | not before this instant |
latest | TIMESTAMPTZ | not after this instant |
by_teamleader | BOOLEAN | the flow from Teamleader wrote it |
""",
        "side id field",
    ),
    _of_flow(
        "holds",
        "Values that a system refused, and until when they are not sent again.",
        _FIELD_OF_LINK
        + """
field | VARCHAR | HubSpot's property |
value | VARCHAR | the refused value |
reason | VARCHAR | the system's code |
attempts | INTEGER | how often it was tried |
until | TIMESTAMPTZ | not before this instant |
""",
        "link_id side field",
    ),
    _of_flow(
        "write_intents",
        "Fields that are being written: stored before the call, gone once it is known what became of it.",
        _FIELD_OF_LINK
        + """
id | VARCHAR | record that is written |
source_id | VARCHAR | record on the other side that the value comes from |
field | VARCHAR | HubSpot's property |
value | VARCHAR | what is written |
pre_image | VARCHAR | what it replaces |
rule | VARCHAR | rule that asked for it |
read_at | TIMESTAMPTZ | when the field (HubSpot) or record (Crmoffice) had last been changed before the write |
intended_at | TIMESTAMPTZ | when the intent was stored |
""",
        "side id field",
    ),
    _of_flow(
        "create_intents",
        "Records that are being made: stored before the call, gone once it is known what became of it.",
        """
side | VARCHAR | side where it is made |
source_id | VARCHAR | record on the other side that it is made from |
link_id | VARCHAR | pair that gets its lost half back |
fields | VARCHAR | JSON object field → value |
intended_at | TIMESTAMPTZ | when the intent was stored |
""",
        "side source_id",
    ),
    _of_flow(
        "conflicts",
        "Every conflict there was, with the value that lost. a is HubSpot, b is Crmoffice.",
        """
conflict_id | VARCHAR | the same conflict has the same id |
kind | VARCHAR | first_link, both_changed, lost_edit or held |
link_id | VARCHAR | the pair |
a_id | VARCHAR | HubSpot record id |
b_id | VARCHAR | Crmoffice id |
field | VARCHAR | HubSpot's property |
winner | VARCHAR | a, b, or null when held |
a_value | VARCHAR | what HubSpot held |
b_value | VARCHAR | what Crmoffice held |
losing_side | VARCHAR | a or b |
losing_value | VARCHAR | the value that was overwritten |
base_a | VARCHAR | what HubSpot held at the last agreement |
base_b | VARCHAR | what Crmoffice held at the last agreement |
a_earliest | TIMESTAMPTZ | HubSpot's value is not older |
a_latest | TIMESTAMPTZ | HubSpot's value is not younger |
b_earliest | TIMESTAMPTZ | Crmoffice's value is not older |
b_latest | TIMESTAMPTZ | Crmoffice's value is not younger |
detected_at | TIMESTAMPTZ | when it was found |
state | VARCHAR | open: a person decides; decided: by the policy; resolved: by a person |
""",
        "conflict_id",
    ),
    _of_flow(
        "unmatched",
        "Records of the latest cycle without a counterpart.",
        """
side | VARCHAR | a HubSpot, b Crmoffice |
id | VARCHAR | record |
reason | VARCHAR | why nothing was made of it |
""",
        "side id",
    ),
    _of_flow(
        "ambiguous",
        "Records of the latest cycle that the key does not tell apart; nothing is done with them.",
        """
side | VARCHAR | a HubSpot, b Crmoffice |
id | VARCHAR | record |
key | VARCHAR | parts of the key |
candidates | VARCHAR[] | records on the other side |
""",
        "side id key",
    ),
    _of_flow(
        "held",
        "Fields of the latest cycle that wait: for a person, until a refusal is over, or as a side is not written.",
        """
link_id | VARCHAR | the pair |
field | VARCHAR | HubSpot's property |
reason | VARCHAR | conflict, writing_off, or the code of the refusal |
""",
        "link_id field",
    ),
    _of_flow(
        "polls",
        "When each side was read, by the clock of that system.",
        """
side | VARCHAR | a HubSpot, b Crmoffice |
began_at | TIMESTAMPTZ | start of the latest reading, earlier by as much as lists may be stale |
poll | TIMESTAMPTZ | end of the latest reading |
planned_from | TIMESTAMPTZ | start of the latest reading that a cycle has acted on |
since | TIMESTAMPTZ | where the next reading of changes starts |
listed_at | TIMESTAMPTZ | when the whole list was read, by our clock |
""",
        "side",
    ),
    Table(
        "two_way.runs",
        "One row per cycle of a two-way flow.",
        _columns(
            """
run_id | VARCHAR | cycle |
flow | VARCHAR | name of the flow |
started_at | TIMESTAMPTZ | start |
finished_at | TIMESTAMPTZ | end |
status | VARCHAR | done, failed_records, held or stopped |
counts | VARCHAR | JSON object: what was done, how often |
calls | VARCHAR | JSON object: calls per system, reads and writes |
error | VARCHAR | what stopped it, one sentence |
"""
        ),
        ("run_id", "flow"),
    ),
)

KEEPS_HISTORY = frozenset(
    f"teamleader.{name}" for name in ("contacts", "companies", "deals", "contact_company_links", "deal_phase_history")
)


def history_of(table: Table) -> Table:
    """The table of all versions of `table`, without the columns that only say when something was last asked."""
    return Table(
        table.name.replace("teamleader.", "history."),
        f"Every state in which a run left a row of {table.name}, also those that are no more.",
        tuple(c for c in table.columns if not c.name.endswith("_read_at"))
        + _columns(
            """
_run | INTEGER | number of the run that left the row so, see history.runs |
_removed | BOOLEAN | the row was gone after that run |
"""
        ),
        (*table.key, "_run"),
    )


HISTORY = (
    *(history_of(t) for t in TEAMLEADER if t.name in KEEPS_HISTORY),
    Table(
        "history.runs",
        "The runs in their order; stays when the rows of sync.runs are thrown away.",
        _columns(
            """
number | INTEGER | place in the order, from 1 |
run_id | VARCHAR | run |
started_at | TIMESTAMPTZ | start |
"""
        ),
        ("number",),
    ),
)

TABLES: tuple[Table, ...] = (
    *TEAMLEADER, REJECTED, *HISTORY, *HUBSPOT, *DECISIONS, *ELIGIBLE, *SYNC, *CRMOFFICE, *TWO_WAY,
)  # fmt: skip
SCHEMAS = ("teamleader", "history", "hubspot", "decisions", "eligible", "sync", "crmoffice", "two_way")


def table(name: str) -> Table:
    """The table of that full name; KeyError when there is none."""
    return _BY_NAME[name]


_BY_NAME = {t.name: t for t in TABLES}
