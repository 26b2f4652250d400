"""What holds for every source: one decision each, whatever the order of rows; time in one direction; opt-outs kept."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from tl_hubspot.rules import ageing, companies, contacts, deals, eligible, trace
from tl_hubspot.rules.evaluate import Source, evaluate
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot_tests.rules import builders as b
from tl_hubspot_tests.rules.builders import any_settings, company_frames, contact_frames, sources

CONTACT_OUTCOMES = {(rule.status, rule.reason) for rule in contacts.RULES}
COMPANY_OUTCOMES = {(rule.status, rule.reason) for rule in companies.RULES}
DEAL_OUTCOMES = {(rule.status, rule.reason) for rule in (*deals.RULES, deals.HOLD)}


def shuffled(source: Source, seed: int) -> Source:
    frames = {f.name: getattr(source, f.name) for f in fields(source)}
    frames = {
        n: f.sample(fraction=1, shuffle=True, seed=seed) for n, f in frames.items() if isinstance(f, pl.DataFrame)
    }
    return replace(source, **frames)


@run(deadline=None, max_examples=30)
@given(sources(), any_settings(), st.integers(0, 2**32))
def test_every_record_has_exactly_one_decision_whatever_the_order(
    source: Source, settings: RuleSettings, seed: int
) -> None:
    decided, again = evaluate(source, settings), evaluate(shuffled(source, seed), settings)
    for given_frame, frame, other, allowed in (
        (source.contacts, decided.contacts, again.contacts, CONTACT_OUTCOMES),
        (source.companies, decided.companies, again.companies, COMPANY_OUTCOMES),
        (source.deals, decided.deals, again.deals, DEAL_OUTCOMES),
    ):
        assert frame["teamleader_id"].to_list() == sorted(given_frame["id"])
        assert set(b.outcomes(frame).values()) <= allowed
        assert frame.equals(other)


@run(deadline=None, max_examples=30)
@given(sources(), any_settings(), st.integers(0, 2**32))
def test_eligible_tables_are_consistent_whatever_the_order(source: Source, settings: RuleSettings, seed: int) -> None:
    tables = _eligible(source, settings)
    assert all(
        one.equals(other) for one, other in zip(tables, _eligible(shuffled(source, seed), settings), strict=True)
    )
    people, groups, sales, relations = tables
    known = {"contact": set(people["teamleader_id"]), "company": set(groups["teamleader_id"])}
    known["deal"] = set(sales["teamleader_id"])
    for row in relations.iter_rows(named=True):
        assert row["from_id"] in known[row["from_type"]]
        assert row["to_id"] in known[row["to_type"]]
    # every company is there on account of somebody, and that somebody is related to it
    assert known["company"] == set(relations.filter(pl.col("from_type") == "contact")["to_id"])
    firsts = relations.filter("is_first").select("from_id", "to_id").rows()
    assert sorted(firsts) == sorted(
        people.drop_nulls("first_company_id").select("teamleader_id", "first_company_id").rows()
    )
    members = [member for group in groups["members"] for member in group]
    assert len(members) == len(set(members))
    addresses = people["address"].to_list()
    assert len(addresses) == len(set(addresses))


def _eligible(source: Source, settings: RuleSettings) -> list[pl.DataFrame]:
    decided, links = evaluate(source, settings), source.contact_company_links
    sales = eligible.deals(decided.deals, decided.companies)
    return [
        eligible.contacts(decided.contacts, decided.companies, links),
        eligible.companies(decided.companies),
        sales,
        eligible.relations(sales, decided.contacts, decided.companies, links),
    ]


@run(deadline=None, max_examples=40)
@given(contact_frames(), any_settings(), st.sets(st.sampled_from(["c1", "c2", "c3"])))
def test_an_opted_out_address_is_never_marketing(frame: pl.DataFrame, settings: RuleSettings, linked: set[str]) -> None:
    decided = contacts.decide(frame, linked, settings)
    refused = frame["marketing_mails_consent"].eq_missing(False)
    if settings.consent_false_means == "not_asked":
        refused = frame["consent_withdrawn_at"].is_not_null() & frame["marketing_mails_consent"].ne_missing(True)
    ids = set(frame.filter(refused)["id"])
    addresses = set(decided.filter(pl.col("teamleader_id").is_in(ids))["address"].drop_nulls())
    for row in decided.iter_rows(named=True):
        assert row["opted_out"] == (row["teamleader_id"] in ids or row["address"] in addresses)
        assert not (row["opted_out"] and row["status"] == "marketing")
        assert not (
            row["opted_out"] and row["reason"] in ("consent_unknown", "deactivated") and row["status"] != "skip"
        )


@run(deadline=None, max_examples=40)
@given(contact_frames(), any_settings())
def test_one_contact_per_address_is_imported(frame: pl.DataFrame, settings: RuleSettings) -> None:
    decided = contacts.decide(frame, set(), settings)
    statuses = {key: row["status"] for key, row in b.rows(decided).items()}
    addresses = decided.filter(pl.col("status") != "skip")["address"]
    assert addresses.null_count() == 0
    assert addresses.is_unique().all()
    for row in decided.iter_rows(named=True):
        assert (row["duplicate_of"] is not None) == (row["reason"] == "duplicate_email")
        assert row["duplicate_of"] is None or statuses[row["duplicate_of"]] != "skip"


STAGES = {"marketing": 0, "changed_within_2_years": 0, "changed_2_to_5_years": 1, "too_old": 2}


@run(deadline=None, max_examples=40)
@given(
    contact_frames(),
    st.lists(st.integers(0, 4000), min_size=2, max_size=5).map(sorted),
    st.booleans(),
)
def test_time_moves_decisions_in_one_direction(frame: pl.DataFrame, days: list[int], consent: bool) -> None:
    """Contacts on their own (no shared address): marketing, then 2 to 5 years, then too old; the rest stays."""
    alone = frame.with_columns(
        marketing_mails_consent=pl.lit(consent),
        emails=pl.concat_list(pl.struct(type=pl.lit("primary"), email=pl.col("id") + "@example.com")),
    )
    order = ["changed_within_2_years", "changed_2_to_5_years", "too_old"] if consent else ["opted_out", "too_old"]
    order = ["no_date", "deactivated", *order]
    before: dict[str, int] = {}
    for day in days:
        settings = b.settings(as_of=b.NOON - timedelta(days=1000) + timedelta(days=day))
        after = {k: order.index(r["reason"]) for k, r in b.rows(contacts.decide(alone, set(), settings)).items()}
        assert all(after[id] >= place for id, place in before.items())
        before = after


@run(deadline=None, max_examples=40)
@given(company_frames(), any_settings())
def test_groups(frame: pl.DataFrame, settings: RuleSettings) -> None:
    grouped = companies.group(frame, settings)
    found = b.rows(grouped, "id")
    for row in found.values():
        winner = found[row["group_id"]]
        assert winner["group_id"] == winner["id"]
        assert (row["joined_by"] is None) == (row["id"] == row["group_id"])
        assert row["group_id"] not in row["also_fits"]
        assert all(found[other]["group_id"] == other for other in row["also_fits"])
    numbers = grouped.group_by("group_id").agg(pl.col("vat").drop_nulls().n_unique())
    assert (numbers["vat"] <= 1).all()
    for number, members in grouped.drop_nulls("vat").group_by("vat"):
        assert members["group_id"].n_unique() == 1, number


@run(deadline=None, max_examples=40)
@given(company_frames(), any_settings())
def test_groups_as_told_in_words(frame: pl.DataFrame, settings: RuleSettings) -> None:
    """The same grouping, written down naively in Python from the specification."""
    grouped = companies.group(frame, settings)
    assert {row["id"]: row["group_id"] for row in grouped.iter_rows(named=True)} == _naive_groups(grouped)


def _naive_groups(grouped: pl.DataFrame) -> dict[str, str]:
    records = list(grouped.sort("id").iter_rows(named=True))

    def better(row: dict[str, Any]) -> tuple[Any, ...]:
        newest = -row["updated_at"].timestamp() if row["updated_at"] else 0.0
        return (row["is_deactivated"], row["vat"] is None, newest, row["added_at"], row["id"])

    groups: list[list[dict[str, Any]]] = []
    for key in ("vat", "domain", "name_key"):
        stronger = ("vat", "domain", "name_key")[: ("vat", "domain", "name_key").index(key)]
        joining = [r for r in records if r[key] is not None and all(r[s] is None for s in stronger)]
        before = [(min(group, key=better), list(group), group) for group in groups]
        fresh: dict[str, list[dict[str, Any]]] = {}
        for row in joining:
            fitting = [entry for entry in before if any(m[key] == row[key] for m in entry[1])]
            if fitting and key != "vat":
                min(fitting, key=lambda entry: better(entry[0]))[2].append(row)
            else:
                fresh.setdefault(row[key], []).append(row)
        groups += fresh.values()
    groups += [[r] for r in records if all(r[key] is None for key in ("vat", "domain", "name_key"))]
    return {row["id"]: min(group, key=better)["id"] for group in groups for row in group}


@run(deadline=None, max_examples=12)
@given(sources(), any_settings())
def test_the_trace_ends_where_the_decision_is(source: Source, settings: RuleSettings) -> None:
    decided = evaluate(source, settings)
    for frame, tell in (
        (decided.contacts, trace.trace_contact),
        (decided.companies, trace.trace_company),
        (decided.deals, trace.trace_deal),
    ):
        for teamleader_id, (status, reason) in b.outcomes(frame).items():
            told = tell(teamleader_id, source, settings)
            hits = [step for step in told if step.outcome == "hit"]
            assert (hits[-1].status, hits[-1].reason) == (status, reason)
            assert [step.number for step in told] == sorted(step.number for step in told)
            assert all(step.sentence.endswith((".", ".)")) and step.question for step in told)


@run(deadline=None, max_examples=10)
@given(sources(), any_settings(), st.integers(1, 800))
def test_ageing_finds_what_deciding_on_the_last_day_finds(source: Source, settings: RuleSettings, days: int) -> None:
    outcomes = _outcomes(source, settings)
    for row in ageing.ageing(source, settings, days).iter_rows(named=True):
        key = row["entity_type"], row["teamleader_id"]
        assert outcomes[key] == tuple(row[f"old_{name}"] for name in _OUTCOME)
        outcomes[key] = tuple(row[name] for name in _OUTCOME)
    assert outcomes == _outcomes(source, ageing.at_noon(settings, settings.as_of_date + timedelta(days=days)))


@run(deadline=None, max_examples=15)
@given(sources(), any_settings(), st.sampled_from(["2026-02-26", "2026-10-31", "2026-11-01", "2029-02-26"]))
def test_ageing_is_the_difference_of_the_decisions_of_each_day_and_the_next(
    source: Source, settings: RuleSettings, start: str
) -> None:
    settings = replace(settings, as_of=b.at(f"{start}T08:00:00"))
    expected = []
    before = _outcomes(source, settings)
    for days in range(1, 4):
        day = settings.as_of_date + timedelta(days=days)
        after = _outcomes(source, ageing.at_noon(settings, day))
        expected += [(day, *key, *before[key], *after[key]) for key in sorted(after) if after[key] != before[key]]
        before = after
    columns = ["on", "entity_type", "teamleader_id", *(f"old_{name}" for name in _OUTCOME), *_OUTCOME]
    assert ageing.ageing(source, settings, 3).select(columns).rows() == expected


_OUTCOME = ("status", "reason", "label")


def _outcomes(source: Source, settings: RuleSettings) -> dict[tuple[str, str], tuple[str, ...]]:
    """What was decided on every record; `label` is empty but for deals."""
    decided = evaluate(source, settings)
    return {
        (kind, row["teamleader_id"]): (row["status"], row["reason"], row.get("label", ""))
        for kind, frame in (("contact", decided.contacts), ("company", decided.companies), ("deal", decided.deals))
        for row in frame.iter_rows(named=True)
    }


def test_shuffling_really_shuffles() -> None:
    frame = b.contacts(*(b.contact(f"c{i}") for i in range(9)))
    seeds = {tuple(shuffled(b.source(contacts=frame), seed).contacts["id"]) for seed in random.sample(range(99), 5)}
    assert len(seeds) > 1
