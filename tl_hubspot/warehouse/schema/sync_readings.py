"""How far the systems were read, what is not computed again, and what reading cost."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import Table, columns

READINGS = (
    Table(
        "sync.watermarks",
        "How far each stream was read, by the server's clock.",
        columns(
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
        columns(
            """
name | VARCHAR | computed table, or other result |
fingerprint | VARCHAR | sha256 over the rows, the settings, the day and the program that it was made of |
run_id | VARCHAR | run that made it |
result | VARCHAR | what came of it: findings of checks, as JSON; of a table its version, null: the fingerprint |
parts | VARCHAR | fingerprint of each table and of the rest, as JSON; null when nobody asks what differs |
touched | INTEGER | the last of sync.touched then |
"""
        ),
        ("name",),
    ),
    Table(
        "sync.touched",
        "Rows that were changed or taken out, where no column of their table says so, until all looked at them.",
        columns(
            """
name | VARCHAR | table; `<table> aside` where the row changed only in what the rules for other tables do not look at |
key | VARCHAR[] | key of the row; null: any of its rows |
number | INTEGER | place in the order of writing, from 1; the same for what was written together |
"""
        ),
    ),
    Table(
        "sync.readings",
        "How HubSpot's records were last read, per kind of record: later readings build on it.",
        columns(
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
        columns(
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
        columns(
            """
stream | VARCHAR | contacts, companies, deals |
record | VARCHAR | Teamleader id; for what has none a name made from its text |
"""
        ),
    ),
    Table(
        "sync.calls",
        "Calls to Teamleader per run and stream: the fewest that would do, and those made.",
        columns(
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
        columns(
            """
owner_type | VARCHAR | contact or company |
id | VARCHAR | Teamleader id |
run_id | VARCHAR | run that asked last |
"""
        ),
        ("owner_type", "id"),
    ),
)
