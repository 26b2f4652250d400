"""What the two-way flow remembers: both sides, pairs, what was agreed, what is being written, conflicts, cycles."""

from __future__ import annotations

from tl_hubspot.warehouse.schema.definition import LOADED, Table, columns

_FLOW = "flow | VARCHAR | name of the flow |\n"
_FIELD_OF_LINK = """
link_id | VARCHAR | the pair |
side | VARCHAR | side that is written: a HubSpot, b Crmoffice |
"""


def _of_flow(name: str, meaning: str, lines: str, key: str) -> Table:
    return Table(f"two_way.{name}", meaning, columns(_FLOW + lines), ("flow", *key.split()))


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
        + LOADED,
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
        columns(
            """
run_id | VARCHAR | cycle |
flow | VARCHAR | name of the flow |
started_at | TIMESTAMPTZ | start |
finished_at | TIMESTAMPTZ | end |
status | VARCHAR | done, failed_records, planned (a dry run), held or stopped |
counts | VARCHAR | JSON object: what was done, how often |
calls | VARCHAR | JSON object: calls per system, reads and writes |
error | VARCHAR | what stopped it, in sentences |
digest | VARCHAR | when held: names the records that seem deleted, for `tl-hubspot approve` |
"""
        ),
        ("run_id", "flow"),
    ),
)
