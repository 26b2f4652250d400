-- The tables as version 1 of the program made them, and a few rows of two runs.
create schema meta;
create schema teamleader;
create schema hubspot;
create schema decisions;
create schema eligible;
create schema sync;
create table meta.deployment (application varchar, schema_version integer, created_at timestamptz);
insert into meta.deployment values ('tl_hubspot', 1, '2026-10-01 00:00:00+00');
create table teamleader.contacts ("id" VARCHAR, "first_name" VARCHAR, "last_name" VARCHAR, "salutation" VARCHAR, "status" VARCHAR, "emails" STRUCT("type" VARCHAR, email VARCHAR)[], "telephones" STRUCT("type" VARCHAR, number VARCHAR)[], "website" VARCHAR, "primary_address" STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR), "language" VARCHAR, "gender" VARCHAR, "birthdate" VARCHAR, "tags" VARCHAR[], "marketing_mails_consent" BOOLEAN, "custom_fields" STRUCT(id VARCHAR, value VARCHAR)[], "added_at" TIMESTAMPTZ, "updated_at" TIMESTAMPTZ, "web_url" VARCHAR, "changed_at" TIMESTAMPTZ, "consent_withdrawn_at" TIMESTAMPTZ, "deleted_at" TIMESTAMPTZ, "watched_hash" VARCHAR, "payload" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table teamleader.companies ("id" VARCHAR, "name" VARCHAR, "status" VARCHAR, "business_type_id" VARCHAR, "vat_number" VARCHAR, "national_identification_number" VARCHAR, "emails" STRUCT("type" VARCHAR, email VARCHAR)[], "telephones" STRUCT("type" VARCHAR, number VARCHAR)[], "website" VARCHAR, "primary_address" STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR), "language" VARCHAR, "responsible_user_id" VARCHAR, "tags" VARCHAR[], "marketing_mails_consent" BOOLEAN, "custom_fields" STRUCT(id VARCHAR, value VARCHAR)[], "added_at" TIMESTAMPTZ, "updated_at" TIMESTAMPTZ, "web_url" VARCHAR, "deleted_at" TIMESTAMPTZ, "links_read_at" TIMESTAMPTZ, "payload" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table teamleader.deals ("id" VARCHAR, "title" VARCHAR, "reference" VARCHAR, "status" VARCHAR, "customer_type" VARCHAR, "customer_id" VARCHAR, "contact_person_id" VARCHAR, "department_id" VARCHAR, "estimated_value_amount" VARCHAR, "estimated_value_currency" VARCHAR, "estimated_closing_date" VARCHAR, "estimated_probability" VARCHAR, "pipeline_id" VARCHAR, "current_phase_id" VARCHAR, "responsible_user_id" VARCHAR, "source_id" VARCHAR, "lost_reason_id" VARCHAR, "lost_reason_remark" VARCHAR, "custom_fields" STRUCT(id VARCHAR, value VARCHAR)[], "closed_at" TIMESTAMPTZ, "created_at" TIMESTAMPTZ, "updated_at" TIMESTAMPTZ, "web_url" VARCHAR, "deleted_at" TIMESTAMPTZ, "phase_history_read_at" TIMESTAMPTZ, "payload" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table teamleader.contact_company_links ("contact_id" VARCHAR, "company_id" VARCHAR, "position" VARCHAR, "decision_maker" BOOLEAN, "rank" INTEGER, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table teamleader.deal_phase_history ("deal_id" VARCHAR, "position" INTEGER, "phase_id" VARCHAR, "started_at" VARCHAR, "started_by" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table teamleader.reference ("kind" VARCHAR, "id" VARCHAR, "name" VARCHAR, "parent_id" VARCHAR, "position" INTEGER, "email" VARCHAR, "context" VARCHAR, "type" VARCHAR, "probability" VARCHAR, "is_default" BOOLEAN, "payload" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.contacts ("id" VARCHAR, "email" VARCHAR, "secondary_emails" VARCHAR[], "teamleader_id" VARCHAR, "createdate" TIMESTAMPTZ, "updated_at" TIMESTAMPTZ, "archived" BOOLEAN, "merged_ids" VARCHAR[], "marketable" BOOLEAN, "opted_out" BOOLEAN, "properties" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.companies ("id" VARCHAR, "name" VARCHAR, "domain" VARCHAR, "additional_domains" VARCHAR[], "vat_number" VARCHAR, "teamleader_id" VARCHAR, "createdate" TIMESTAMPTZ, "updated_at" TIMESTAMPTZ, "archived" BOOLEAN, "merged_ids" VARCHAR[], "properties" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.deals ("id" VARCHAR, "teamleader_id" VARCHAR, "createdate" TIMESTAMPTZ, "updated_at" TIMESTAMPTZ, "archived" BOOLEAN, "merged_ids" VARCHAR[], "properties" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.associations ("from_type" VARCHAR, "from_id" VARCHAR, "to_type" VARCHAR, "to_id" VARCHAR, "is_primary" BOOLEAN, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.properties ("object_type" VARCHAR, "name" VARCHAR, "label" VARCHAR, "type" VARCHAR, "field_type" VARCHAR, "read_only" BOOLEAN, "unique_value" BOOLEAN, "options" VARCHAR[], "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.pipeline_stages ("pipeline_id" VARCHAR, "pipeline_label" VARCHAR, "stage_id" VARCHAR, "stage_label" VARCHAR, "is_closed" BOOLEAN, "probability" VARCHAR, "position" INTEGER, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.owners ("id" VARCHAR, "email" VARCHAR, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table hubspot.currencies ("code" VARCHAR, "is_company_currency" BOOLEAN, "_loaded_at" TIMESTAMPTZ, "_run_id" VARCHAR);
create table decisions.contacts ("teamleader_id" VARCHAR, "status" VARCHAR, "reason" VARCHAR, "duplicate_of" VARCHAR, "address" VARCHAR, "changed_at" TIMESTAMPTZ, "changed_on" DATE, "linked" BOOLEAN, "source_status" VARCHAR, "consent" BOOLEAN, "opted_out" BOOLEAN, "opted_out_by" VARCHAR, "as_of" TIMESTAMPTZ);
create table decisions.companies ("teamleader_id" VARCHAR, "status" VARCHAR, "reason" VARCHAR, "duplicate_of" VARCHAR, "group_id" VARCHAR, "joined_by" VARCHAR, "also_fits" VARCHAR[], "vat" VARCHAR, "domain" VARCHAR, "name_key" VARCHAR, "eligible_contact" VARCHAR, "linked" BOOLEAN, "source_status" VARCHAR, "as_of" TIMESTAMPTZ);
create table decisions.deals ("teamleader_id" VARCHAR, "status" VARCHAR, "reason" VARCHAR, "duplicate_of" VARCHAR, "label" VARCHAR, "contact_id" VARCHAR, "source_contact_id" VARCHAR, "company_id" VARCHAR, "deal_status" VARCHAR, "created_on" DATE, "status_changed_at" TIMESTAMPTZ, "status_changed_on" DATE, "linked" BOOLEAN, "as_of" TIMESTAMPTZ);
create table eligible.contacts ("teamleader_id" VARCHAR, "marketing" BOOLEAN, "reason" VARCHAR, "address" VARCHAR, "first_company_id" VARCHAR, "jobtitle" VARCHAR);
create table eligible.companies ("teamleader_id" VARCHAR, "members" VARCHAR[], "vat" VARCHAR, "domain" VARCHAR, "name_key" VARCHAR);
create table eligible.deals ("teamleader_id" VARCHAR, "label" VARCHAR, "reason" VARCHAR, "contact_id" VARCHAR, "company_id" VARCHAR);
create table eligible.relations ("from_type" VARCHAR, "from_id" VARCHAR, "to_type" VARCHAR, "to_id" VARCHAR, "is_first" BOOLEAN);
create table sync.links ("entity_type" VARCHAR, "teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "first_run" VARCHAR, "last_run" VARCHAR);
create table sync.shadows ("entity_type" VARCHAR, "teamleader_id" VARCHAR, "fields" VARCHAR, "written" VARCHAR, "run_id" VARCHAR);
create table sync.relations ("from_type" VARCHAR, "from_id" VARCHAR, "to_type" VARCHAR, "to_id" VARCHAR, "origin" VARCHAR, "run_id" VARCHAR);
create table sync.opt_outs ("address" VARCHAR, "unsubscribed" VARCHAR[], "run_id" VARCHAR, "at" TIMESTAMPTZ);
create table sync.marketing_requests ("teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "import_id" VARCHAR, "confirmed" BOOLEAN, "run_id" VARCHAR);
create table sync.releases ("entity_type" VARCHAR, "teamleader_id" VARCHAR, "released_at" TIMESTAMPTZ);
create table sync.watermarks ("stream" VARCHAR, "read_until" TIMESTAMPTZ, "full_as_of" TIMESTAMPTZ, "run_id" VARCHAR);
create table sync.plan ("run_id" VARCHAR, "digest" VARCHAR, "entity_type" VARCHAR, "teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "action" VARCHAR, "reason" VARCHAR, "fields" VARCHAR, "details" VARCHAR);
create table sync.settled ("entity_type" VARCHAR, "teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "shadow" VARCHAR);
create table sync.planned_outcomes ("entity_type" VARCHAR, "teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "bucket" VARCHAR, "reason" VARCHAR);
create table sync.outcomes ("run_id" VARCHAR, "entity_type" VARCHAR, "teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "bucket" VARCHAR, "reason" VARCHAR);
create table sync.journal ("run_id" VARCHAR, "call_id" VARCHAR, "trace_id" VARCHAR, "entity_type" VARCHAR, "teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "action" VARCHAR, "fields" VARCHAR, "state" VARCHAR, "message" VARCHAR, "intended_at" TIMESTAMPTZ, "settled_at" TIMESTAMPTZ);
create table sync.log ("timestamp" TIMESTAMPTZ, "run_id" VARCHAR, "entity_type" VARCHAR, "teamleader_id" VARCHAR, "hubspot_id" VARCHAR, "action" VARCHAR, "reason" VARCHAR, "level" VARCHAR, "message" VARCHAR, "http_status" INTEGER, "correlation_id" VARCHAR);
create table sync.logged_decisions ("entity_type" VARCHAR, "teamleader_id" VARCHAR, "status" VARCHAR, "reason" VARCHAR);
create table sync.runs ("run_id" VARCHAR, "command" VARCHAR, "as_of" TIMESTAMPTZ, "is_full" BOOLEAN, "started_at" TIMESTAMPTZ, "finished_at" TIMESTAMPTZ, "status" VARCHAR, "digest" VARCHAR, "limits" VARCHAR, "counts" VARCHAR, "calls" VARCHAR, "notices" VARCHAR, "protected_writes" INTEGER);
insert into sync.runs (run_id, started_at, status) values
  ('second', '2026-10-02 00:00:00+00', 'done'), ('first', '2026-10-01 00:00:00+00', 'done');
insert into teamleader.contacts (id, first_name, payload, _loaded_at, _run_id) values
  ('c1', 'Ann', '{"id": "c1", "first_name": "Ann"}', '2026-10-01 00:00:00+00', 'first'),
  ('c2', 'Bo', '{"id": "c2", "first_name": "Bo"}', '2026-10-02 00:00:00+00', 'second');
insert into teamleader.contact_company_links (contact_id, company_id, rank, _loaded_at, _run_id) values
  ('c1', 'k1', 0, '2026-10-01 00:00:00+00', 'first');
insert into teamleader.companies (id, name, links_read_at, payload) values ('k1', 'Kern', '2026-10-01 00:00:00+00', '{}');
insert into sync.links values ('contact', 'c1', '101', 'first', 'first');
insert into sync.shadows values ('contact', 'c1', '{"firstname": "Ann"}', '{"firstname": "Ann"}', 'first');
insert into sync.opt_outs values ('ann@example.com', ['Newsletter'], 'first', '2026-10-01 00:00:00+00');
