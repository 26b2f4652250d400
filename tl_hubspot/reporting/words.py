"""Reason codes in words: what each means, and, where a person must act, what to do. Words only, no decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tl_hubspot.reporting.reasons import ADVICE
from tl_hubspot.rules.told import told

NAMES = {
    "contact": ("contact", "contacts"),
    "company": ("company", "companies"),
    "deal": ("deal", "deals"),
    "relation": ("link", "links"),
}
"""What a person calls records of each entity type: one, several."""
MEANING = {
    # contacts
    "no_email": "no e-mail address in Teamleader",
    "invalid_email": "the e-mail address is not valid",
    "no_date": "Teamleader knows no date for it",
    "too_old": "not changed for more than 5 years",
    "deactivated": "deactivated in Teamleader",
    "duplicate_email": "another contact with the same address goes first",
    "opted_out": "the address opted out of marketing e-mail",
    "consent_unknown": "consent is not known",
    "changed_within_2_years": "changed less than 2 years ago",
    "changed_2_to_5_years": "changed 2 to 5 years ago",
    # companies
    "duplicate_company": "the same company as another one",
    "eligible_contact": "one of its contacts is in HubSpot",
    "no_eligible_contact": "none of its contacts belongs in HubSpot",
    # deals
    "no_contact": "the deal names no contact",
    "contact_not_eligible": "its contact does not belong in HubSpot",
    "inactive": "open, no change for 2 years: labelled inactief",
    "closed": "won or lost",
    "deal/too_old": "open, made more than 5 years ago",
    "closed_too_old": "won or lost more than 2 years ago",
    "unmapped_stage": "its phase has no stage in HubSpot",
    # matching and pushing
    "claimed_by_other": "its HubSpot record belongs to another one",
    "deleted_in_hubspot": "deleted or archived in HubSpot by a person",
    "out_of_scope": "in HubSpot, but no longer belongs there: marked",
    "guard": "the plan is over a limit",
    "not_in_subset": "not in the small set that the run was confined to",
    "changed_while_interrupted": "somebody changed it in HubSpot while a run was interrupted; that value stays",
    "email_taken": "its new address belongs to another HubSpot contact",
    "not_attempted": "the push stopped before it",
}

TO_DO = {
    "claimed_by_other": "Two Teamleader contacts lead to one HubSpot contact. Merge the two in Teamleader, or give the"
    " HubSpot contact only the addresses of one of them; the next sync sees it.",
    "deleted_in_hubspot": "Its HubSpot record was archived or deleted, so it is not made again. To sync it anyway:"
    " `tl-hubspot release {entity_type} {teamleader_id}`.",
    "unmapped_stage": "Name a HubSpot stage for its phase under `pipelines` in the mapping file.",
    "guard": "Look at `tl-hubspot plan`, then push it with `tl-hubspot approve DIGEST`, or mend the cause.",
}


def meaning(reason: str | None, entity_type: str = "") -> str:
    """A reason code in a few words; unknown codes are HubSpot's own, given as they are."""
    code = reason or ""
    known = MEANING.get(f"{entity_type}/{code}") or MEANING.get(code)
    return known or (ADVICE[code].means if code in ADVICE else code.replace("_", " "))


def made_in_portal(names: Sequence[str]) -> str:
    """What a run made in the portal, counted by kind; `names` as `Provisioned.created` has them."""
    kinds = Counter(next((k for k in _MADE if name.startswith(k)), "other") for name in names)
    return ", ".join(f"{n:,} {_MADE.get(kind, ('thing', 'things'))[n != 1]}" for kind, n in kinds.items())


_MADE = {
    "property group": ("property group", "property groups"),
    "property": ("property", "properties"),
    "options": ("property with more options", "properties with more options"),
    "pipeline": ("pipeline", "pipelines"),
    "stage": ("stage", "stages"),
}


def to_do(reason: str | None, entity_type: str, teamleader_id: str) -> str:
    """What a person should do about a held record; empty when nothing."""
    return told(TO_DO.get(reason or "", ""), entity_type=entity_type, teamleader_id=teamleader_id)
