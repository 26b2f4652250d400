"""What each asset is, for somebody who opens the Dagster UI for the first time. Its columns: `warehouse.schema`."""

DESCRIPTIONS: dict[str, str] = {
    "teamleader_focus/contacts": "The contacts in Teamleader Focus itself. Nothing here ever writes to Teamleader.",
    "teamleader_focus/companies": "The companies in Teamleader Focus itself. Nothing here ever writes to Teamleader.",
    "teamleader_focus/deals": "The deals in Teamleader Focus itself. Nothing here ever writes to Teamleader.",
    "teamleader_focus/reference": "Teamleader's small lists: users, pipelines and phases, sources, lost reasons,"
    " business types and the definitions of custom fields.",
    "teamleader/contacts": "Contacts as Teamleader gives them, one row each. A run reads what changed since the"
    " run before; once a day everything is read again. The records as they were received stand in the column"
    " `payload`; beside it are the fields that the rules need.",
    "teamleader/companies": "Companies as Teamleader gives them, one row each, read like the contacts.",
    "teamleader/deals": "Deals as Teamleader gives them, one row each, read like the contacts. Their earlier"
    " phases stand in `teamleader/deal_phase_history`.",
    "teamleader/reference": "Teamleader's small lists, by which ids in records become names: users, pipelines,"
    " phases, sources, lost reasons, business types, custom fields. Read anew in every run.",
    "teamleader/contact_company_links": "Which contact belongs to which company, and in what position. Teamleader"
    " shows links only record by record, so only those that may matter are asked for (docs/calls.md).",
    "teamleader/deal_phase_history": "When a deal went from phase to phase: this decides whether an open deal has"
    " stood still for two years. Read only for deals whose decision needs it.",
    "hubspot/properties": "What the portal allows: its property definitions, and beside them (tables"
    " `hubspot.pipeline_stages`, `hubspot.owners`, `hubspot.currencies`, `hubspot.account`) its deal pipelines,"
    " owners, currencies and number.",
    "hubspot/contacts": "The contacts in HubSpot as they were before this run changed anything, archived ones"
    " too. The plan compares with these, so that only differences are sent.",
    "hubspot/companies": "The companies in HubSpot as they were before this run changed anything, archived ones too.",
    "hubspot/deals": "The deals in HubSpot as they were before this run changed anything, archived ones too.",
    "hubspot/associations": "How records in HubSpot belong together: contact and company, deal and contact, deal"
    " and company. What people linked there is never removed.",
    "sync/links": "The memory of the sync: which Teamleader record is which HubSpot record. Found by address or"
    " company once, remembered from then on.",
    "decisions/contacts": "One decision for every Teamleader contact: left out, in HubSpot as a marketing"
    " contact, or in HubSpot as a non-marketing one; with one reason. To see why one record is what it is:"
    " `tl-hubspot explain contact ID`.",
    "decisions/companies": "One decision for every Teamleader company. Those that are the same company form a"
    " group, of which one goes to HubSpot, if any of their contacts does. To see why one record is what it is:"
    " `tl-hubspot explain company ID`.",
    "decisions/deals": "One decision for every Teamleader deal, and its label: `inactief` when it is open and"
    " nothing happened for two years. To see why one record is what it is: `tl-hubspot explain deal ID`.",
    "eligible/contacts": "The contacts that belong in HubSpot, and whether each should be a marketing contact.",
    "eligible/companies": "The companies that belong in HubSpot, one per group.",
    "eligible/deals": "The deals that belong in HubSpot. A deal whose phase has no stage there is here too: its"
    " other fields still go.",
    "eligible/relations": "How those records should belong together in HubSpot.",
    "plan": "Every change that this run means to make in HubSpot, with old and new value. Nothing is written yet:"
    " a plan over a limit waits here for `tl-hubspot approve DIGEST`. In words: `tl-hubspot plan`.",
    "hubspot_sync": "HubSpot after the plan was pushed: every change is confirmed, failed with a reason, or held."
    " Its columns are the properties that the mapping writes; each says from which Teamleader field it comes, and"
    " when it is written.",
    "crmoffice/contacts": "The contacts in Crmoffice and the linked ones in HubSpot as they were read last: what the"
    " two-way flow compares. Crmoffice is read whole where it cannot say what changed. Nothing is written here.",
    "two_way/plan": "What would be written to HubSpot and Crmoffice now; writes to neither. In words:"
    " `tl-hubspot crmoffice plan`.",
    "two_way/sync": "HubSpot and Crmoffice after the plan: linked contacts are equal, but for what is held or was"
    " refused. Where both sides were edited: `tl-hubspot crmoffice conflicts`; what waits for a person, with the"
    " command that settles it: `tl-hubspot crmoffice held`; one contact: `tl-hubspot explain contact ID`.",
    "published/analytics": "`analytics.duckdb`: a copy of all tables that may be read while a run writes"
    " (docs/tables.md, docs/queries.md, `tl-hubspot sql`). `tl-hubspot report` makes the report of a run from it.",
}
"""By asset key, its parts joined by `/`."""
