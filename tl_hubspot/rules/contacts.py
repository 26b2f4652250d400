"""Contacts: does each belong in HubSpot, as a marketing contact or not, and why (the table of contact rules).

Lives here: the facts the rules look at, the ordered rules, the decision, opt-out by address. Normal forms live in
`normalize`, the order among duplicates in `duplicates`, the story of one record in `trace`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import polars as pl

from tl_hubspot.rules import duplicates, normalize
from tl_hubspot.rules.rule import Facts, Rule, Said, any_hit, first_hit
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.told import told
from tl_hubspot.rules.windows import on

ELIGIBLE = ("marketing", "non_marketing")
LOOKED_AT = (
    *("id", "status", "emails", "marketing_mails_consent"),
    *("added_at", "updated_at", "changed_at", "consent_withdrawn_at"),
)
"""Columns of `teamleader.contacts` that the rules look at."""


def _say_address(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said("Teamleader has no e-mail address for this contact, so it cannot be imported.")
    return Said("There is an e-mail address, so it may be imported.", facts["typed_address"])


def _say_valid(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said("The e-mail address is not a valid one, so the contact is not imported.", facts["typed_address"])
    return Said("The e-mail address is valid, so it may be imported.", facts["address"])


def _say_dated(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said("Teamleader gives neither a date of change nor a date of creation, so its age is not known.")
    day = facts["changed_on"]
    return Said(told("Last changed on {day}, so its age is known.", day=day), date=day)


def _say_too_old(facts: Facts, hit: bool) -> Said:
    limit = facts["five_years_ago"]
    if hit:
        verdict = told("that is more than 5 years ago (limit {limit}), so it is not imported.", limit=limit)
    else:
        verdict = told("that is not more than 5 years ago (limit {limit}), so it may be imported.", limit=limit)
    return _dated(facts, limit, verdict)


def _say_deactivated_unlinked(facts: Facts, hit: bool) -> Said:
    if hit:
        text = "It is deactivated in Teamleader and was never in HubSpot, so it is not imported."
    elif facts["is_deactivated"]:
        text = "It is deactivated in Teamleader, but it is in HubSpot already, so it stays there."
    else:
        text = "It is active in Teamleader, so it may be imported."
    return Said(text, _status(facts))


def _say_duplicate(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said(
            told(
                "Contact {other} has the same e-mail address and goes first (active, then changed last),"
                " so this one is not imported.",
                other=facts["duplicate_of"],
            ),
            facts["address"],
        )
    return Said("No other contact with the same e-mail address goes first, so it is imported.", facts["address"])


def _say_opted_out(facts: Facts, hit: bool) -> Said:
    consent = _consent(facts)
    if hit and facts["opted_out_by"] == facts["id"]:
        return Said(
            "Marketing e-mail is switched off for this contact in Teamleader, which counts as an opt-out,"
            " so it is no marketing contact.",
            consent,
        )
    if hit:
        return Said(
            told(
                "Contact {other} with the same e-mail address opted out of marketing e-mail in Teamleader;"
                " the opt-out belongs to the address, so this is no marketing contact.",
                other=facts["opted_out_by"],
            ),
            consent,
        )
    return Said("Nobody opted this address out of marketing e-mail, so it may be a marketing contact.", consent)


def _say_consent_unknown(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said("Teamleader does not say whether there is consent, so it is no marketing contact.", "unknown")
    return Said("Teamleader says whether there is consent, so it may be a marketing contact.", _consent(facts))


def _say_deactivated_linked(facts: Facts, hit: bool) -> Said:
    if hit:
        return Said("It is deactivated in Teamleader, so it is no marketing contact.", _status(facts))
    return Said("It is active in Teamleader, so it may be a marketing contact.", _status(facts))


def _say_recent(facts: Facts, hit: bool) -> Said:
    limit = facts["two_years_ago"]
    if hit:
        verdict = told("that is less than 2 years ago (limit {limit}), so it is a marketing contact.", limit=limit)
    else:
        verdict = told("that is 2 years ago or more (limit {limit}), so it is no marketing contact.", limit=limit)
    return _dated(facts, limit, verdict)


def _say_rest(facts: Facts, hit: bool) -> Said:
    return _dated(facts, facts["five_years_ago"], "between 2 and 5 years ago: imported, but no marketing contact.")


def _dated(facts: Facts, limit: date, verdict: str) -> Said:
    day = facts["changed_on"]
    future = " (a date in the future)" if day > facts["as_of_date"] else ""
    sentence = told("Last changed on {day}{future}; {verdict}", day=day, future=future, verdict=verdict)
    return Said(sentence, day.isoformat(), limit, day)


def _status(facts: Facts) -> str:
    return "deactivated" if facts["is_deactivated"] else "active"


def _consent(facts: Facts) -> str:
    return {True: "consent given", False: "no consent", None: "unknown"}[facts["marketing_mails_consent"]]


_C = pl.col
_STOPPING = (
    Rule(
        1,
        "Is there an e-mail address?",
        _C("address").is_null(),
        "skip",
        "no_email",
        _say_address,
    ),
    Rule(
        2,
        "Is the e-mail address valid?",
        ~_C("is_valid"),
        "skip",
        "invalid_email",
        _say_valid,
    ),
    Rule(
        3,
        "Is it known when it was changed or added?",
        _C("updated_at").is_null() & _C("added_at").is_null(),
        "skip",
        "no_date",
        _say_dated,
    ),
    Rule(
        4,
        "Was it changed in the last 5 years?",
        _C("changed_on") < _C("five_years_ago"),
        "skip",
        "too_old",
        _say_too_old,
    ),
    Rule(
        5,
        "Is it active, or in HubSpot already?",
        _C("is_deactivated") & ~_C("linked"),
        "skip",
        "deactivated",
        _say_deactivated_unlinked,
    ),
)
RULES = (
    *_STOPPING,
    Rule(
        6,
        "Does no other contact with the same e-mail address go first?",
        _C("duplicate_of").is_not_null(),
        "skip",
        "duplicate_email",
        _say_duplicate,
    ),
    Rule(
        7,
        "Is the address free of opt-outs?",
        _C("opted_out"),
        "non_marketing",
        "opted_out",
        _say_opted_out,
    ),
    Rule(
        8,
        "Is it known whether there is consent?",
        _C("marketing_mails_consent").is_null(),
        "non_marketing",
        "consent_unknown",
        _say_consent_unknown,
    ),
    Rule(
        9,
        "Is it active?",
        _C("is_deactivated") & _C("linked"),
        "non_marketing",
        "deactivated",
        _say_deactivated_linked,
    ),
    Rule(
        10,
        "Was it changed in the last 2 years?",
        _C("changed_on") > _C("two_years_ago"),
        "marketing",
        "changed_within_2_years",
        _say_recent,
    ),
    Rule(
        11,
        "Otherwise",
        pl.lit(True),
        "non_marketing",
        "changed_2_to_5_years",
        _say_rest,
    ),
)


def decide(contacts: pl.DataFrame, linked_ids: Collection[str] | pl.Series, settings: RuleSettings) -> pl.DataFrame:
    """`decisions.contacts`: one row per contact, sorted by teamleader_id.

    `contacts`: LOOKED_AT of `teamleader.contacts` without deleted ones; `linked_ids`: Teamleader ids that have a
    HubSpot record.
    """
    return decision(facts(prepare(contacts, settings), linked_ids, settings), settings)


def prepare(contacts: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """The facts that do not depend on the date nor on HubSpot: addresses and opt-outs. One row per contact."""
    typed = contacts.select(
        "id",
        "marketing_mails_consent",
        "added_at",
        "updated_at",
        changed_at=pl.coalesce("changed_at", "updated_at", "added_at"),
        is_deactivated=pl.col("status").eq_missing(pl.lit("deactivated")),
        withdrawn=pl.col("consent_withdrawn_at").is_not_null(),
        typed_address=normalize.first_email("emails"),
    )
    frame = typed.hstack(normalize.addresses(typed["typed_address"]))
    refused = pl.col("marketing_mails_consent").eq_missing(pl.lit(False))
    if settings.consent_false_means == "not_asked":
        refused = pl.col("withdrawn") & pl.col("marketing_mails_consent").ne_missing(pl.lit(True))
    frame = frame.with_columns(refused=refused)
    by_address = (
        frame.filter(pl.col("refused") & pl.col("address").is_not_null())
        .group_by("address")
        .agg(refused_first=pl.col("id").min())
    )
    own = pl.when("refused").then(pl.col("id"))
    return (
        frame.join(by_address, on="address", how="left", maintain_order="left")
        .with_columns(opted_out_by=pl.coalesce(own, "refused_first"))
        .with_columns(opted_out=pl.col("opted_out_by").is_not_null())
        .drop("refused", "refused_first", "withdrawn")
    )


def facts(prepared: pl.DataFrame, linked_ids: Collection[str] | pl.Series, settings: RuleSettings) -> pl.DataFrame:
    """All that the rules look at, one row per contact: `prepare` plus dates, limits, link, `duplicate_of`."""
    dated = prepared.with_columns(
        is_in(pl.col("id"), linked_ids).alias("linked"),
        changed_on=on(pl.col("changed_at"), settings.timezone),
        as_of_date=pl.lit(settings.as_of_date),
        two_years_ago=pl.lit(settings.two_years_ago),
        five_years_ago=pl.lit(settings.five_years_ago),
    )
    winners = duplicates.winners(dated.filter(~any_hit(_STOPPING)), "address", duplicates.CONTACTS)
    return dated.join(winners, on="address", how="left", maintain_order="left").with_columns(
        duplicate_of=pl.when(pl.col("winner") != pl.col("id")).then(pl.col("winner"))
    )


def decision(facts: pl.DataFrame, settings: RuleSettings) -> pl.DataFrame:
    """`decisions.contacts` from the facts."""
    return (
        facts.with_columns(first_hit(RULES))
        .select(
            "status",
            "reason",
            "address",
            "changed_at",
            "changed_on",
            "linked",
            "opted_out",
            "opted_out_by",
            teamleader_id="id",
            duplicate_of=pl.when(pl.col("reason") == "duplicate_email").then(pl.col("duplicate_of")),
            source_status=pl.when("is_deactivated").then(pl.lit("deactivated")).otherwise(pl.lit("active")),
            consent="marketing_mails_consent",
            as_of=pl.lit(settings.as_of_utc, pl.Datetime("us", "UTC")),
        )
        .select(COLUMNS)
        .sort("teamleader_id")
    )


COLUMNS = (
    "teamleader_id",
    "status",
    "reason",
    "duplicate_of",
    "address",
    "changed_at",
    "changed_on",
    "linked",
    "source_status",
    "consent",
    "opted_out",
    "opted_out_by",
    "as_of",
)


def eligible_ids(contact_decisions: pl.DataFrame) -> pl.DataFrame:
    """Columns `contact_id`, `eligible_id`: each eligible contact for itself, each duplicate loser for its winner."""
    return (
        contact_decisions.filter(pl.col("status").is_in(ELIGIBLE) | (pl.col("reason") == "duplicate_email"))
        .select(contact_id="teamleader_id", eligible_id=pl.coalesce("duplicate_of", "teamleader_id"))
        .sort("contact_id")
    )


def is_in(ids: pl.Expr, known: Collection[str] | pl.Series) -> pl.Expr:
    """Whether each id is among the known ones; null is not."""
    values = known if isinstance(known, pl.Series) else pl.Series(sorted(known), dtype=pl.String)
    return ids.is_in(values.implode()).fill_null(False)
