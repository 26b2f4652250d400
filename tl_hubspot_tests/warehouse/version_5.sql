-- The tables as the last release with version 5 of them made them, and a few rows of two runs.
create schema meta;
create schema teamleader;
create schema history;
create schema hubspot;
create schema decisions;
create schema eligible;
create schema sync;
create schema crmoffice;
create schema two_way;
CREATE TABLE crmoffice.contacts(id VARCHAR, givenName VARCHAR, familyName VARCHAR, mobilePhone VARCHAR, directPhone VARCHAR, company_id VARCHAR, modifiedAt TIMESTAMP WITH TIME ZONE, first_seen_at TIMESTAMP WITH TIME ZONE, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE decisions.companies(teamleader_id VARCHAR, status VARCHAR, reason VARCHAR, duplicate_of VARCHAR, group_id VARCHAR, joined_by VARCHAR, also_fits VARCHAR[], vat VARCHAR, "domain" VARCHAR, name_key VARCHAR, eligible_contact VARCHAR, linked BOOLEAN, source_status VARCHAR, as_of TIMESTAMP WITH TIME ZONE);
CREATE TABLE decisions.contacts(teamleader_id VARCHAR, status VARCHAR, reason VARCHAR, duplicate_of VARCHAR, address VARCHAR, changed_at TIMESTAMP WITH TIME ZONE, changed_on DATE, linked BOOLEAN, source_status VARCHAR, consent BOOLEAN, opted_out BOOLEAN, opted_out_by VARCHAR, as_of TIMESTAMP WITH TIME ZONE);
CREATE TABLE decisions.deals(teamleader_id VARCHAR, status VARCHAR, reason VARCHAR, duplicate_of VARCHAR, "label" VARCHAR, contact_id VARCHAR, source_contact_id VARCHAR, company_id VARCHAR, deal_status VARCHAR, created_on DATE, status_changed_at TIMESTAMP WITH TIME ZONE, status_changed_on DATE, linked BOOLEAN, as_of TIMESTAMP WITH TIME ZONE);
CREATE TABLE eligible.companies(teamleader_id VARCHAR, members VARCHAR[], vat VARCHAR, "domain" VARCHAR, name_key VARCHAR);
CREATE TABLE eligible.contacts(teamleader_id VARCHAR, marketing BOOLEAN, reason VARCHAR, address VARCHAR, first_company_id VARCHAR, jobtitle VARCHAR);
CREATE TABLE eligible.deals(teamleader_id VARCHAR, "label" VARCHAR, reason VARCHAR, contact_id VARCHAR, company_id VARCHAR);
CREATE TABLE eligible.relations(from_type VARCHAR, from_id VARCHAR, to_type VARCHAR, to_id VARCHAR, is_first BOOLEAN);
CREATE TABLE history.companies(id VARCHAR, "name" VARCHAR, status VARCHAR, business_type_id VARCHAR, vat_number VARCHAR, national_identification_number VARCHAR, emails STRUCT("type" VARCHAR, email VARCHAR)[], telephones STRUCT("type" VARCHAR, number VARCHAR)[], website VARCHAR, primary_address STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR), "language" VARCHAR, responsible_user_id VARCHAR, tags VARCHAR[], marketing_mails_consent BOOLEAN, custom_fields STRUCT(id VARCHAR, "value" VARCHAR)[], added_at TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, web_url VARCHAR, deleted_at TIMESTAMP WITH TIME ZONE, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR, _run INTEGER, _removed BOOLEAN);
CREATE TABLE history.contact_company_links(contact_id VARCHAR, company_id VARCHAR, "position" VARCHAR, decision_maker BOOLEAN, rank INTEGER, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR, _run INTEGER, _removed BOOLEAN);
CREATE TABLE history.contacts(id VARCHAR, first_name VARCHAR, last_name VARCHAR, salutation VARCHAR, status VARCHAR, emails STRUCT("type" VARCHAR, email VARCHAR)[], telephones STRUCT("type" VARCHAR, number VARCHAR)[], website VARCHAR, primary_address STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR), "language" VARCHAR, gender VARCHAR, birthdate VARCHAR, tags VARCHAR[], marketing_mails_consent BOOLEAN, custom_fields STRUCT(id VARCHAR, "value" VARCHAR)[], added_at TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, web_url VARCHAR, changed_at TIMESTAMP WITH TIME ZONE, consent_withdrawn_at TIMESTAMP WITH TIME ZONE, deleted_at TIMESTAMP WITH TIME ZONE, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR, _run INTEGER, _removed BOOLEAN);
CREATE TABLE history.deal_phase_history(deal_id VARCHAR, "position" INTEGER, phase_id VARCHAR, started_at VARCHAR, started_by VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR, _run INTEGER, _removed BOOLEAN);
CREATE TABLE history.deals(id VARCHAR, title VARCHAR, reference VARCHAR, status VARCHAR, customer_type VARCHAR, customer_id VARCHAR, contact_person_id VARCHAR, department_id VARCHAR, estimated_value_amount VARCHAR, estimated_value_currency VARCHAR, estimated_closing_date VARCHAR, estimated_probability VARCHAR, pipeline_id VARCHAR, current_phase_id VARCHAR, responsible_user_id VARCHAR, source_id VARCHAR, lost_reason_id VARCHAR, lost_reason_remark VARCHAR, custom_fields STRUCT(id VARCHAR, "value" VARCHAR)[], closed_at TIMESTAMP WITH TIME ZONE, created_at TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, web_url VARCHAR, deleted_at TIMESTAMP WITH TIME ZONE, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR, _run INTEGER, _removed BOOLEAN);
CREATE TABLE history.runs(number INTEGER, run_id VARCHAR, started_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE hubspot.account(portal_id VARCHAR, ui_domain VARCHAR, account_type VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.associations(from_type VARCHAR, from_id VARCHAR, to_type VARCHAR, to_id VARCHAR, is_primary BOOLEAN, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.companies(id VARCHAR, "name" VARCHAR, "domain" VARCHAR, additional_domains VARCHAR[], vat_number VARCHAR, teamleader_id VARCHAR, createdate TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, archived BOOLEAN, merged_ids VARCHAR[], properties VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.contacts(id VARCHAR, email VARCHAR, secondary_emails VARCHAR[], teamleader_id VARCHAR, createdate TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, archived BOOLEAN, merged_ids VARCHAR[], marketable BOOLEAN, opted_out BOOLEAN, properties VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.currencies(code VARCHAR, is_company_currency BOOLEAN, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.deals(id VARCHAR, teamleader_id VARCHAR, createdate TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, archived BOOLEAN, merged_ids VARCHAR[], properties VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.owners(id VARCHAR, email VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.pipeline_stages(pipeline_id VARCHAR, pipeline_label VARCHAR, stage_id VARCHAR, stage_label VARCHAR, is_closed BOOLEAN, probability VARCHAR, "position" INTEGER, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE hubspot.properties(object_type VARCHAR, "name" VARCHAR, "label" VARCHAR, "type" VARCHAR, field_type VARCHAR, read_only BOOLEAN, unique_value BOOLEAN, "options" VARCHAR[], _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE meta.deployment(application VARCHAR, schema_version INTEGER, created_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE sync.calls(run_id VARCHAR, stream VARCHAR, planned INTEGER, minimum INTEGER, made INTEGER);
CREATE TABLE sync.consent_facts(teamleader_id VARCHAR, address VARCHAR, consent BOOLEAN, opted_out BOOLEAN, decision VARCHAR, reason VARCHAR, hubspot_opted_out BOOLEAN, hubspot_marketing BOOLEAN);
CREATE TABLE sync.consent_head(seq INTEGER, hash VARCHAR);
CREATE TABLE sync.consent_ledger(seq INTEGER, "at" TIMESTAMP WITH TIME ZONE, run_id VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, address_hash VARCHAR, "event" VARCHAR, consent BOOLEAN, opted_out BOOLEAN, hubspot_opted_out BOOLEAN, hubspot_marketing BOOLEAN, decision VARCHAR, reason VARCHAR, previous_hash VARCHAR, hash VARCHAR);
CREATE TABLE sync.demanded_contacts(id VARCHAR);
CREATE TABLE sync.failures(entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, "action" VARCHAR, reason VARCHAR, message VARCHAR, http_status INTEGER, correlation_id VARCHAR, since TIMESTAMP WITH TIME ZONE, attempts INTEGER, next_attempt_at TIMESTAMP WITH TIME ZONE, intended VARCHAR);
CREATE TABLE sync.hidden_links(owner_type VARCHAR, id VARCHAR, run_id VARCHAR);
CREATE TABLE sync.journal(run_id VARCHAR, call_id VARCHAR, trace_id VARCHAR, entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, "action" VARCHAR, fields VARCHAR, state VARCHAR, message VARCHAR, intended_at TIMESTAMP WITH TIME ZONE, settled_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE sync.links(entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, first_run VARCHAR, last_run VARCHAR, matched_by VARCHAR);
CREATE TABLE sync.log("timestamp" TIMESTAMP WITH TIME ZONE, run_id VARCHAR, entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, "action" VARCHAR, reason VARCHAR, "level" VARCHAR, message VARCHAR, http_status INTEGER, correlation_id VARCHAR);
CREATE TABLE sync.logged_decisions(entity_type VARCHAR, teamleader_id VARCHAR, status VARCHAR, reason VARCHAR);
CREATE TABLE sync.made_of("name" VARCHAR, fingerprint VARCHAR, run_id VARCHAR, result VARCHAR);
CREATE TABLE sync.marketing_requests(teamleader_id VARCHAR, hubspot_id VARCHAR, import_id VARCHAR, confirmed BOOLEAN, run_id VARCHAR);
CREATE TABLE sync.notices(code VARCHAR, entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, message VARCHAR, found_by VARCHAR);
CREATE TABLE sync.opt_outs(address VARCHAR, unsubscribed VARCHAR[], run_id VARCHAR, "at" TIMESTAMP WITH TIME ZONE);
CREATE TABLE sync.outcomes(run_id VARCHAR, entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, bucket VARCHAR, reason VARCHAR);
CREATE TABLE sync.plan(run_id VARCHAR, digest VARCHAR, entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, "action" VARCHAR, reason VARCHAR, fields VARCHAR, details VARCHAR);
CREATE TABLE sync.planned_outcomes(entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, bucket VARCHAR, reason VARCHAR);
CREATE TABLE sync.readings(entity_type VARCHAR, read_until TIMESTAMP WITH TIME ZONE, base VARCHAR, properties VARCHAR[], portal INTEGER, archived INTEGER, run_id VARCHAR);
CREATE TABLE sync.relations(from_type VARCHAR, from_id VARCHAR, to_type VARCHAR, to_id VARCHAR, origin VARCHAR, run_id VARCHAR);
CREATE TABLE sync.releases(entity_type VARCHAR, teamleader_id VARCHAR, released_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE sync.runs(run_id VARCHAR, command VARCHAR, subset VARCHAR, as_of TIMESTAMP WITH TIME ZONE, is_full BOOLEAN, started_at TIMESTAMP WITH TIME ZONE, finished_at TIMESTAMP WITH TIME ZONE, status VARCHAR, digest VARCHAR, limits VARCHAR, counts VARCHAR, calls VARCHAR, "error" VARCHAR, protected_writes INTEGER);
CREATE TABLE sync.seen(stream VARCHAR, record VARCHAR);
CREATE TABLE sync.settled(entity_type VARCHAR, teamleader_id VARCHAR, hubspot_id VARCHAR, shadow VARCHAR);
CREATE TABLE sync.shadows(entity_type VARCHAR, teamleader_id VARCHAR, fields VARCHAR, written VARCHAR, run_id VARCHAR);
CREATE TABLE sync.tombstones(entity_type VARCHAR, teamleader_hash VARCHAR, hubspot_hash VARCHAR, address_hashes VARCHAR[], kind VARCHAR, found_at TIMESTAMP WITH TIME ZONE, run_id VARCHAR, released_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE sync.undone_addresses(hubspot_id VARCHAR, address VARCHAR, run_id VARCHAR);
CREATE TABLE sync.unfinished(stream VARCHAR, is_full BOOLEAN, since TIMESTAMP WITH TIME ZONE, status VARCHAR, "until" TIMESTAMP WITH TIME ZONE, read_from TIMESTAMP WITH TIME ZONE, as_of TIMESTAMP WITH TIME ZONE, began_at TIMESTAMP WITH TIME ZONE, run_id VARCHAR);
CREATE TABLE sync.watermarks(stream VARCHAR, read_until TIMESTAMP WITH TIME ZONE, full_as_of TIMESTAMP WITH TIME ZONE, run_id VARCHAR);
CREATE TABLE teamleader.companies(id VARCHAR, "name" VARCHAR, status VARCHAR, business_type_id VARCHAR, vat_number VARCHAR, national_identification_number VARCHAR, emails STRUCT("type" VARCHAR, email VARCHAR)[], telephones STRUCT("type" VARCHAR, number VARCHAR)[], website VARCHAR, primary_address STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR), "language" VARCHAR, responsible_user_id VARCHAR, tags VARCHAR[], marketing_mails_consent BOOLEAN, custom_fields STRUCT(id VARCHAR, "value" VARCHAR)[], added_at TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, web_url VARCHAR, deleted_at TIMESTAMP WITH TIME ZONE, links_read_at TIMESTAMP WITH TIME ZONE, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE teamleader.contact_company_links(contact_id VARCHAR, company_id VARCHAR, "position" VARCHAR, decision_maker BOOLEAN, rank INTEGER, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE teamleader.contacts(id VARCHAR, first_name VARCHAR, last_name VARCHAR, salutation VARCHAR, status VARCHAR, emails STRUCT("type" VARCHAR, email VARCHAR)[], telephones STRUCT("type" VARCHAR, number VARCHAR)[], website VARCHAR, primary_address STRUCT(line_1 VARCHAR, postal_code VARCHAR, city VARCHAR, country VARCHAR), "language" VARCHAR, gender VARCHAR, birthdate VARCHAR, tags VARCHAR[], marketing_mails_consent BOOLEAN, custom_fields STRUCT(id VARCHAR, "value" VARCHAR)[], added_at TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, web_url VARCHAR, changed_at TIMESTAMP WITH TIME ZONE, consent_withdrawn_at TIMESTAMP WITH TIME ZONE, deleted_at TIMESTAMP WITH TIME ZONE, links_read_at TIMESTAMP WITH TIME ZONE, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE teamleader.deal_phase_history(deal_id VARCHAR, "position" INTEGER, phase_id VARCHAR, started_at VARCHAR, started_by VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE teamleader.deals(id VARCHAR, title VARCHAR, reference VARCHAR, status VARCHAR, customer_type VARCHAR, customer_id VARCHAR, contact_person_id VARCHAR, department_id VARCHAR, estimated_value_amount VARCHAR, estimated_value_currency VARCHAR, estimated_closing_date VARCHAR, estimated_probability VARCHAR, pipeline_id VARCHAR, current_phase_id VARCHAR, responsible_user_id VARCHAR, source_id VARCHAR, lost_reason_id VARCHAR, lost_reason_remark VARCHAR, custom_fields STRUCT(id VARCHAR, "value" VARCHAR)[], closed_at TIMESTAMP WITH TIME ZONE, created_at TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, web_url VARCHAR, deleted_at TIMESTAMP WITH TIME ZONE, phase_history_read_at TIMESTAMP WITH TIME ZONE, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE teamleader.reference(kind VARCHAR, id VARCHAR, "name" VARCHAR, parent_id VARCHAR, "position" INTEGER, email VARCHAR, context VARCHAR, "type" VARCHAR, probability VARCHAR, is_default BOOLEAN, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE teamleader.rejected(stream VARCHAR, record VARCHAR, field VARCHAR, id VARCHAR, reason VARCHAR, is_loaded BOOLEAN, payload VARCHAR, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE two_way.ambiguous(flow VARCHAR, side VARCHAR, id VARCHAR, "key" VARCHAR, candidates VARCHAR[]);
CREATE TABLE two_way.conflicts(flow VARCHAR, conflict_id VARCHAR, kind VARCHAR, link_id VARCHAR, a_id VARCHAR, b_id VARCHAR, field VARCHAR, winner VARCHAR, a_value VARCHAR, b_value VARCHAR, losing_side VARCHAR, losing_value VARCHAR, base_a VARCHAR, base_b VARCHAR, a_earliest TIMESTAMP WITH TIME ZONE, a_latest TIMESTAMP WITH TIME ZONE, b_earliest TIMESTAMP WITH TIME ZONE, b_latest TIMESTAMP WITH TIME ZONE, detected_at TIMESTAMP WITH TIME ZONE, state VARCHAR);
CREATE TABLE two_way.create_intents(flow VARCHAR, side VARCHAR, source_id VARCHAR, link_id VARCHAR, fields VARCHAR, intended_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE two_way.held(flow VARCHAR, link_id VARCHAR, field VARCHAR, reason VARCHAR);
CREATE TABLE two_way.holds(flow VARCHAR, link_id VARCHAR, side VARCHAR, field VARCHAR, "value" VARCHAR, reason VARCHAR, attempts INTEGER, "until" TIMESTAMP WITH TIME ZONE);
CREATE TABLE two_way.hubspot_contacts(flow VARCHAR, id VARCHAR, properties VARCHAR, createdate TIMESTAMP WITH TIME ZONE, updated_at TIMESTAMP WITH TIME ZONE, first_seen_at TIMESTAMP WITH TIME ZONE, _loaded_at TIMESTAMP WITH TIME ZONE, _run_id VARCHAR);
CREATE TABLE two_way.intervals(flow VARCHAR, side VARCHAR, id VARCHAR, field VARCHAR, "value" VARCHAR, earliest TIMESTAMP WITH TIME ZONE, latest TIMESTAMP WITH TIME ZONE, by_teamleader BOOLEAN);
CREATE TABLE two_way.links(flow VARCHAR, link_id VARCHAR, a_id VARCHAR, b_id VARCHAR, state VARCHAR, reason VARCHAR, how VARCHAR, created_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE two_way.polls(flow VARCHAR, side VARCHAR, began_at TIMESTAMP WITH TIME ZONE, poll TIMESTAMP WITH TIME ZONE, planned_from TIMESTAMP WITH TIME ZONE, since TIMESTAMP WITH TIME ZONE, listed_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE two_way.runs(run_id VARCHAR, flow VARCHAR, started_at TIMESTAMP WITH TIME ZONE, finished_at TIMESTAMP WITH TIME ZONE, status VARCHAR, counts VARCHAR, calls VARCHAR, "error" VARCHAR, digest VARCHAR);
CREATE TABLE two_way.shadows(flow VARCHAR, link_id VARCHAR, field VARCHAR, a VARCHAR, b VARCHAR);
CREATE TABLE two_way.unmatched(flow VARCHAR, side VARCHAR, id VARCHAR, reason VARCHAR);
CREATE TABLE two_way.write_intents(flow VARCHAR, link_id VARCHAR, side VARCHAR, id VARCHAR, source_id VARCHAR, field VARCHAR, "value" VARCHAR, pre_image VARCHAR, "rule" VARCHAR, read_at TIMESTAMP WITH TIME ZONE, intended_at TIMESTAMP WITH TIME ZONE);
insert into meta.deployment values ('tl_hubspot', 5, '2026-10-01 00:00:00+00');
insert into sync.runs (run_id, started_at, status) values
  ('first', '2026-10-01 00:00:00+00', 'done'), ('second', '2026-10-02 00:00:00+00', 'done');
insert into history.runs values (1, 'first', '2026-10-01 00:00:00+00'), (2, 'second', '2026-10-02 00:00:00+00');
insert into teamleader.contacts (id, first_name, changed_at, payload, _loaded_at, _run_id) values
  ('c1', 'Ann', null, '{"id": "c1", "first_name": "Ann"}', '2026-10-01 00:00:00+00', 'first'),
  ('c2', 'Bo', '2026-10-02 00:00:00+00', '{"id": "c2", "first_name": "Bo"}', '2026-10-01 00:00:00+00', 'first');
insert into history.contacts (id, first_name, changed_at, payload, _loaded_at, _run_id, _run, _removed) values
  ('c1', 'Ann', null, '{"id": "c1", "first_name": "Ann"}', '2026-10-01 00:00:00+00', 'first', 1, false),
  ('c2', 'Bo', null, '{"id": "c2", "first_name": "Bo"}', '2026-10-01 00:00:00+00', 'first', 1, false),
  ('c2', 'Bo', '2026-10-02 00:00:00+00', '{"id": "c2", "first_name": "Bo"}', '2026-10-01 00:00:00+00', 'first', 2, false);
insert into teamleader.contact_company_links (contact_id, company_id, rank, _loaded_at, _run_id) values
  ('c1', 'k1', 0, '2026-10-01 00:00:00+00', 'first');
insert into history.contact_company_links (contact_id, company_id, rank, _loaded_at, _run_id, _run, _removed) values
  ('c1', 'k1', 0, '2026-10-01 00:00:00+00', 'first', 1, false),
  ('c2', 'k1', 0, '2026-10-01 00:00:00+00', 'first', 1, false), ('c2', 'k1', null, null, null, 2, true);
insert into sync.links (entity_type, teamleader_id, hubspot_id, first_run, last_run) values ('contact', 'c1', '101', 'first', 'first');
insert into sync.shadows values ('contact', 'c1', '{"firstname": "Ann"}', '{"firstname": "Ann"}', 'first');
insert into sync.opt_outs values ('ann@example.com', ['Newsletter'], 'first', '2026-10-01 00:00:00+00');
