"""The runs: what became of every record, what failed, every call and every action."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import Table, columns

RUNS = (
    Table(
        "sync.outcomes",
        "What the latest run of each entity did with every source record.",
        columns(
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
        columns(
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
        columns(
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
        columns(
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
        columns(
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
        columns(
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
