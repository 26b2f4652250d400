"""One record's way through the rules, and what would change its decision, in words for people.

The steps come from the same rules and facts as the decision. What would change is found by deciding again with the
record changed, or on a later day; nothing here knows a limit or an order of rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl

from tl_hubspot.rules import ageing, companies, contacts, deals, evaluate
from tl_hubspot.rules.rule import Step, steps
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot.rules.told import told

_INSTANT = pl.Datetime("us", "UTC")
# Every limit has passed after this time when nothing happens.
_HORIZON = timedelta(days=6 * 366)


def trace_contact(contact_id: str, source: evaluate.Source, settings: RuleSettings) -> list[Step]:
    """Each contact rule in order. KeyError when there is no such contact."""
    near = _with_same_address(source.contacts, [contact_id], settings)
    facts = contacts.facts(contacts.prepare(near, settings), source.linked_contacts, settings)
    return steps(_one(facts, contact_id), contacts.RULES)


def trace_company(company_id: str, source: evaluate.Source, settings: RuleSettings) -> list[Step]:
    """Each company rule in order. KeyError when there is no such company."""
    facts = companies.facts(
        companies.group(source.companies, settings),
        source.contact_company_links,
        contacts.decide(source.contacts, source.linked_contacts, settings),
        source.linked_companies,
    )
    return steps(_one(facts, company_id), companies.RULES)


def trace_deal(deal_id: str, source: evaluate.Source, settings: RuleSettings) -> list[Step]:
    """Each deal rule in order; for a deal that they sync, also whether it is held. KeyError when there is none."""
    near = _near_deal(deal_id, source, settings)
    contact_decisions = contacts.decide(near.contacts, near.linked_contacts, settings)
    prepared = deals.prepare(near.deals, near.deal_phase_history, near.mapped, settings)
    record = deals.facts(prepared, contact_decisions, near.linked_deals, settings)
    way = steps(record, deals.RULES)
    if any(step.status == "sync" for step in way):
        way += steps(record, (deals.HOLD,))
    return way


def what_would_change(
    entity_type: str, teamleader_id: str, source: evaluate.Source, settings: RuleSettings
) -> list[str]:
    """Sentences about what would change the decision of one record: edits today first, then the passing of time.

    `entity_type` is contact, company or deal. Each sentence was tried out by deciding again. KeyError when there is no
    such record.
    """
    tell = {"contact": _contact_changes, "company": _company_changes, "deal": _deal_changes}.get(entity_type)
    if tell is None:
        raise ValueError(f"{entity_type!r} is not contact, company or deal")
    return tell(teamleader_id, source, settings)


_OUT_OF_SCOPE = "Goes out of scope on {day}."
_CONTACT = {"marketing": "a marketing contact", "non_marketing": "a non-marketing contact", "skip": "left out"}
_CONTACT_LATER = {
    "marketing": "Becomes a marketing contact on {day}.",
    "non_marketing": "Becomes non-marketing on {day}.",
    "skip": _OUT_OF_SCOPE,
}


def _contact_changes(contact_id: str, source: evaluate.Source, settings: RuleSettings) -> list[str]:
    _one(source.contacts, contact_id)
    near = _with_same_address(source.contacts, [contact_id], settings)

    def decided(among: pl.DataFrame) -> dict[str, str]:
        decisions = contacts.decide(among, source.linked_contacts, settings)
        return _one(decisions, contact_id, "teamleader_id").row(0, named=True)

    now = decided(near)
    today = pl.lit(settings.as_of_utc, _INSTANT)
    no_instant = pl.lit(None, _INSTANT)
    # An address that no contact has: `.invalid` is reserved.
    address = pl.concat_list(pl.struct(type=pl.lit("primary"), email=pl.lit("somebody@example.invalid")))
    tries: dict[str, dict[str, pl.Expr]] = {"An edit in Teamleader today makes it {what}.": {}}
    if now["reason"] in ("no_email", "invalid_email"):
        tries["A valid e-mail address in Teamleader makes it {what}."] = {"emails": address}
    if now["source_status"] == "deactivated":
        tries["Activating it in Teamleader makes it {what}."] = {"status": pl.lit("active")}
    if now["status"] == "marketing":
        refused = {"marketing_mails_consent": pl.lit(False), "consent_withdrawn_at": today}
        tries["Unticking the box for marketing e-mail in Teamleader makes it {what}."] = refused
    elif not now["consent"]:
        agreed = {"marketing_mails_consent": pl.lit(True), "consent_withdrawn_at": no_instant}
        tries["Ticking the box for marketing e-mail in Teamleader makes it {what}."] = agreed
    sentences: list[str] = []
    without_more = now["status"]
    for sentence, edit in tries.items():
        edited = edit | {"updated_at": today, "changed_at": today}
        is_it = pl.col("id") == contact_id
        status = decided(
            near.with_columns(pl.when(is_it).then(v).otherwise(pl.col(name)).alias(name) for name, v in edited.items())
        )["status"]
        # Every edit is an edit: only what it does beyond the first sentence is worth another.
        if status != without_more:
            sentences.append(told(sentence, what=_CONTACT[status]))
        without_more = status if not edit else without_more
    if now["duplicate_of"]:
        status = decided(near.filter(pl.col("id") != now["duplicate_of"]))["status"]
        if status != "skip":
            pattern = "Without contact {other}, or with another address there, it is {what}."
            sentences.append(told(pattern, other=now["duplicate_of"], what=_CONTACT[status]))
    alone = replace(source, contacts=near, companies=source.companies.clear(), deals=source.deals.clear())
    later = _later("contact", contact_id, evaluate.prepare(alone, settings), settings)
    changes = [row for row in later if row["effect"] != "none"]
    return sentences + [told(_CONTACT_LATER[row["status"]], day=str(row["on"])) for row in changes]


def _company_changes(company_id: str, source: evaluate.Source, settings: RuleSettings) -> list[str]:
    prepared = evaluate.prepare(replace(source, deals=source.deals.clear()), settings)
    decided = evaluate.decide(prepared, settings)
    now = _one(decided.companies, company_id, "teamleader_id").row(0, named=True)
    if now["duplicate_of"]:
        winner = _one(decided.companies, now["duplicate_of"], "teamleader_id").row(0, named=True)
        state = "in scope" if winner["status"] == "sync" else "out of scope"
        pattern = "It is the same as company {other}, which stands for it and is {state}."
        return [told(pattern, other=now["duplicate_of"], state=state)]
    members = prepared.groups.filter(pl.col("group_id") == company_id)
    here = _those_in(source.contact_company_links, members["id"], "company_id")["contact_id"].unique()
    if now["status"] == "skip":
        left_out = _those_in(decided.contacts, here, "teamleader_id").select("teamleader_id", "reason")
        return ["A link in Teamleader to a contact that is imported brings it into HubSpot."] + [
            told(
                "Contact {contact} works here but is left out ({reason}); once it is imported, the company is too.",
                contact=contact,
                reason=reason,
            )
            for contact, reason in left_out.iter_rows()
        ]
    near = replace(source, contacts=_with_same_address(source.contacts, here, settings), deals=source.deals.clear())
    small = evaluate.Prepared(near, contacts.prepare(near.contacts, settings), members, prepared.deals)
    return [
        told("Goes out of scope on {day}, when no contact that works here is imported any more.", day=str(row["on"]))
        for row in _later("company", company_id, small, settings)
        if row["effect"] == "out_of_scope"
    ]


def _deal_changes(deal_id: str, source: evaluate.Source, settings: RuleSettings) -> list[str]:
    near = _near_deal(deal_id, source, settings)
    contact_decisions = contacts.decide(near.contacts, near.linked_contacts, settings)

    def decided(
        deal: pl.DataFrame = near.deals,
        history: pl.DataFrame = near.deal_phase_history,
        decisions: pl.DataFrame = contact_decisions,
        mapped: deals.MappedStages = near.mapped,
    ) -> dict[str, str]:
        return deals.decide(deal, history, decisions, near.linked_deals, mapped, settings).row(0, named=True)

    now = decided()
    moved = near.deal_phase_history.clear(1).with_columns(
        deal_id=pl.lit(deal_id), started_at=pl.lit(settings.as_of_utc.isoformat())
    )
    tries = {"A change of phase in Teamleader today": decided(history=pl.concat([near.deal_phase_history, moved]))}
    if now["reason"] in ("no_contact", "contact_not_eligible"):
        person = now["source_contact_id"] or "somebody"
        named = near.deals.with_columns(customer_type=pl.lit("company"), contact_person_id=pl.lit(person))
        imported = contact_decisions.clear(1).with_columns(teamleader_id=pl.lit(person), status=pl.lit("marketing"))
        what = "Naming a contact that is imported"
        if now["reason"] != "no_contact":
            what = told("Importing contact {contact}", contact=person)
        tries[what] = decided(named, decisions=imported)
    if now["status"] == "held":
        pipeline, phase = near.deals.select("pipeline_id", "current_phase_id").row(0)
        stages = deals.MappedStages({(pipeline, phase)}, {pipeline})
        tries["A stage in HubSpot for it"] = decided(mapped=stages)
    sentences = [
        told("{what} {words}.", what=what, words=words)
        for what, then in tries.items()
        if (words := _deal_difference(now, then))
    ]
    for row in _later("deal", deal_id, evaluate.prepare(near, settings), settings):
        if row["effect"] == "inactive":
            sentences.append(told("Gets the label {label} on {day}.", label=row["label"], day=str(row["on"])))
        elif row["effect"] == "out_of_scope":
            sentences.append(told(_OUT_OF_SCOPE, day=str(row["on"])))
    return [*sentences]


def _deal_difference(now: dict[str, str], then: dict[str, str]) -> str:
    """What happens to a deal that goes from one decision to another; empty when nothing does."""
    label = then["label"]
    if then["status"] == now["status"]:
        if label == now["label"]:
            return ""
        if label:
            return told("gives it the label {label}", label=label)
        return told("takes the label {label} away", label=now["label"])
    if then["status"] == "sync":
        return told("brings it into HubSpot with the label {label}", label=label) if label else "brings it into HubSpot"
    return "takes it out of scope" if then["status"] == "skip" else "has it held, for lack of a stage in HubSpot"


def _later(
    entity_type: str, teamleader_id: str, prepared: evaluate.Prepared, settings: RuleSettings
) -> list[dict[str, Any]]:
    """The rows of `ageing` of one record."""
    found = ageing.changes(prepared, settings, settings.as_of_date + _HORIZON)
    own = found.filter((pl.col("entity_type") == entity_type) & (pl.col("teamleader_id") == teamleader_id))
    return own.to_dicts()


def _near_deal(deal_id: str, source: evaluate.Source, settings: RuleSettings) -> evaluate.Source:
    """The source with this deal alone, its history, and the contacts that matter to it; no companies."""
    deal = _one(source.deals, deal_id)
    named = deal.select(pl.concat_list("customer_id", "contact_person_id")).item().drop_nulls()
    return replace(
        source,
        contacts=_with_same_address(source.contacts, named, settings),
        companies=source.companies.clear(),
        contact_company_links=source.contact_company_links.clear(),
        deals=deal,
        deal_phase_history=source.deal_phase_history.filter(pl.col("deal_id") == deal_id),
    )


def _with_same_address(all_contacts: pl.DataFrame, ids: Iterable[str], settings: RuleSettings) -> pl.DataFrame:
    """Those contacts, and all that have one of their addresses: nobody else matters to their decisions."""
    by_address = contacts.prepare(all_contacts, settings).select("id", "address")
    wanted = pl.Series(list(ids), dtype=pl.String)
    shared = _those_in(by_address, wanted)["address"].drop_nulls()
    return _those_in(all_contacts, pl.concat([wanted, _those_in(by_address, shared, "address")["id"]]))


def _those_in(frame: pl.DataFrame, values: pl.Series, column: str = "id") -> pl.DataFrame:
    return frame.filter(pl.col(column).is_in(values.implode()))


def _one(frame: pl.DataFrame, record_id: str, column: str = "id") -> pl.DataFrame:
    record = frame.filter(pl.col(column) == record_id)
    if record.is_empty():
        raise KeyError(record_id)
    return record
