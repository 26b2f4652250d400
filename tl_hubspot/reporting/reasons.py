"""Why something failed, was held back or is worth a look: what each reason code means, and what to do about it.

One table for everybody who explains a run. Reasons of decisions are in `words`; codes that HubSpot makes up later get
the general advice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

AGAIN = "Nothing: it is tried again by itself."
REPORT = "It is tried again by itself; if it keeps failing, look at the record in HubSpot and at the log."


@dataclass(frozen=True)
class Advice:
    """`means`: what happened, in one clause; `do`: what a person does about it, in sentences."""

    means: str
    do: str


ADVICE: dict[str, Advice] = {
    # --- found by the push itself ---
    "deleted_in_hubspot": Advice(
        "the HubSpot record was archived or deleted by a person",
        "It is not made again. To have it made: `tl-hubspot release contact|company|deal ID`.",
    ),
    "gdpr_deleted": Advice(
        "a person erased somebody with this address in HubSpot",
        "It is not made again. To have it made all the same: `tl-hubspot release contact ID`.",
    ),
    "opt_out_failed": Advice("its opt-out did not come through, so it is not asked for marketing status", AGAIN),
    "opted_out_in_hubspot": Advice(
        "HubSpot shows the person opted out, so it is not asked for marketing status",
        "Nothing: nobody is subscribed again.",
    ),
    "claimed_by_other": Advice(
        "its HubSpot record belongs to another Teamleader record",
        "Merge the two in Teamleader, or give the HubSpot record only the addresses of one of them.",
    ),
    "unmapped_stage": Advice(
        "its pipeline or stage could not be made in HubSpot",
        "Make the stage in HubSpot under the same name, or name one under `pipelines` in the mapping file.",
    ),
    "missing_in_answer": Advice("HubSpot's answer did not mention it, and reading back did not show it", REPORT),
    "not_attempted": Advice("the run stopped before it", "Mend what stopped the run; the next sync writes it."),
    "address_not_written": Advice(
        "a further e-mail address could not be put on the contact",
        "Put the address on the contact in HubSpot by hand; the next sync sees it.",
    ),
    "not_written": Advice(
        "HubSpot said yes to an address and did not keep it",
        "Put the address on the contact in HubSpot by hand; the next sync sees it.",
    ),
    "email_taken": Advice(
        "another HubSpot contact has its address",
        "Merge the two contacts in HubSpot; everything else of the record was written.",
    ),
    "changed_since": Advice("somebody changed the field meanwhile", "Nothing: what a person wrote stays."),
    "record_failed": Advice("one of its records failed", "Mend the record; the next sync goes on with the rest."),
    "record_not_in_hubspot": Advice("one of its records is not in HubSpot yet", AGAIN),
    "guard": Advice(
        "the plan is over a limit",
        "Look at `tl-hubspot plan`, then push it with `tl-hubspot approve DIGEST`, or mend the cause.",
    ),
    "import_failed": Advice("the import that asks marketing status failed", "Look at the import in HubSpot. " + AGAIN),
    "import_canceled": Advice("somebody cancelled the import that asks marketing status", AGAIN),
    "import_reverted": Advice(
        "somebody reverted the import that asks marketing status",
        "Ask them why. The next sync asks again.",
    ),
    "import_refused": Advice("HubSpot did not take the import that asks marketing status", REPORT),
    "import_error": Advice("the import that asks marketing status refused this contact", REPORT),
    # --- what HubSpot says ---
    "validation_error": Advice(
        "HubSpot does not take a value; the message names the field",
        "Correct the value in Teamleader, or the row of the field in the mapping file. A rule that an administrator set"
        " on the property counts too.",
    ),
    "conflict": Advice(
        "another HubSpot record has the same address or unique value; the message names it",
        "Merge the two records in HubSpot, or take the value off one of them.",
    ),
    "object_already_exists": Advice("HubSpot has something of that name already", REPORT),
    "object_not_found": Advice(
        "HubSpot does not have the record (any more)",
        "Nothing: the next sync looks for it anew. If it was deleted on purpose, it is held until you release it.",
    ),
    "not_found": Advice("HubSpot does not know what was asked for", REPORT),
    "missing_scopes": Advice(
        "the access token may not do this",
        "Give the service key the scopes that `tl-hubspot doctor` names, then sync again.",
    ),
    "invalid_authentication": Advice("HubSpot does not accept the access token", "Set a valid HUBSPOT_ACCESS_TOKEN."),
    "expired_authentication": Advice("the access token has expired", "Set a new HUBSPOT_ACCESS_TOKEN."),
    "rate_limits": Advice(
        "HubSpot's limit of calls was used up",
        "Run again later; lower HUBSPOT_RATE_LIMIT when other programs use the same portal.",
    ),
    "rate_limit": Advice("HubSpot's limit of calls was used up", "Run again later."),
    "locked": Advice("somebody else was writing the same record", AGAIN),
    "migration_in_progress": Advice("HubSpot is moving the account to another data centre", "Run again tomorrow."),
    "internal_error": Advice("HubSpot had trouble with this record", REPORT),
}
"""By reason code."""

_TROUBLE = Advice("HubSpot had trouble with this record", REPORT)
_REFUSED = Advice("HubSpot refused it without saying why", REPORT)
_UNKNOWN = Advice("HubSpot refused it and calls the reason “{reason}”", REPORT)


def advice(reason: str | None) -> Advice:
    """What a reason means and what to do; general advice for codes of HubSpot that are not in the table."""
    code = (reason or "").lower()
    if code in ADVICE:
        return ADVICE[code]
    if re.fullmatch(r"http_5\d\d", code):
        return _TROUBLE
    if not code or re.fullmatch(r"http_\d*", code):
        return _REFUSED
    return Advice(_UNKNOWN.means.format(reason=code.replace("_", " ")), _UNKNOWN.do)
