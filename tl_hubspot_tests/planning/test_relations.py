"""Behaviour §6: relations are written once, like a field; what people made or removed stays as they left it."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.planning.json_text import dumps
from tl_hubspot.planning.match_frames import MATCHES
from tl_hubspot.planning.plan_inputs import no_changes
from tl_hubspot.planning.relations import Records, RelationPlan, in_teamleader, plan_relations
from tl_hubspot_tests.planning import builders_match as b

Pair = tuple[str, str, str, str]

CONTACT_COMPANY: Pair = ("contact", "C1", "company", "K1")
ON_HUBSPOT: Pair = ("contact", "c1", "company", "k1")
MIRRORS = {"contact": "hubspot.contacts", "company": "hubspot.companies", "deal": "hubspot.deals"}
KINDS = {"C": "contact", "K": "company", "D": "deal"}


def pair_rows(pairs: list[Pair], **more: Any) -> list[b.Row]:
    return [dict(zip(("from_type", "from_id", "to_type", "to_id"), p, strict=True)) | more for p in pairs]


def run(
    desired: list[Pair],
    existing: list[Pair] | None = None,
    remembered: list[Pair] | None = None,
    *,
    origin: str = "made",
    records: dict[str, str | None] | None = None,
    held: tuple[str, ...] = (),
    linked: dict[str, str] | None = None,
    present: list[Pair] | None = None,
    duplicate_of: dict[str, str] | None = None,
    merged: dict[str, list[str]] | None = None,
    first: tuple[str, ...] = ("K1",),
    primary: tuple[str, ...] = (),
    remove_stale: bool = False,
) -> RelationPlan:
    """`records`: matched Teamleader id → HubSpot id (None: created); `linked`: others; `primary`: ids of HubSpot
    companies that are primary; `merged`: HubSpot id → ids merged into it."""
    known = {"C1": "c1", "C2": "c2", "K1": "k1", "K2": "k2", "D1": "d1"} if records is None else records
    everything = {**known, **(linked or {})}
    kinds: dict[str, Records] = {}
    for letter, kind in KINDS.items():
        rows = [
            {"teamleader_id": t, "hubspot_id": h, "outcome": "held" if t in held else "update" if h else "create"}
            for t, h in known.items()
            if t.startswith(letter)
        ]
        ids = [t for t in everything if t.startswith(letter)]
        mirror = [
            {"id": h, "merged_ids": (merged or {}).get(h, [])}
            for t, h in everything.items()
            if h is not None and t.startswith(letter)
        ]
        losers = {t: w for t, w in (duplicate_of or {}).items() if t.startswith(letter)}
        kinds[kind] = Records(
            matches=pl.DataFrame(rows, schema=MATCHES),
            source_ids=pl.Series([*ids, *losers], dtype=pl.String),
            mirror=b.frame(MIRRORS[kind], mirror, archived=False),
            winners=pl.DataFrame(
                {"teamleader_id": list(losers), "winner": list(losers.values())},
                schema={"teamleader_id": pl.String, "winner": pl.String},
            ),
        )
    links = pl.concat(
        b.links(kind, {t: h for t, h in everything.items() if t.startswith(letter) and h})
        for letter, kind in KINDS.items()
    )
    associations = [row | {"is_primary": row["to_id"] in primary} for row in pair_rows(existing or [])]
    return plan_relations(
        b.frame("eligible.relations", [r | {"is_first": r["to_id"] in first} for r in pair_rows(desired)]),
        lambda: b.frame("eligible.relations", pair_rows(desired if present is None else present)).select(
            "from_type", "from_id", "to_type", "to_id"
        ),
        kinds,
        lambda: links,
        b.frame("hubspot.associations", associations),
        b.frame("sync.relations", pair_rows(remembered or []), origin=origin),
        remove_stale=remove_stale,
    )


def planned(plan: RelationPlan) -> pl.DataFrame:
    return pl.concat([no_changes(), *plan.changes()])


def changes(plan: RelationPlan) -> list[tuple[str, str, bool]]:
    """(action, FROM>TO, primary) of each row."""
    rows = planned(plan).select("action", "teamleader_id", "details").iter_rows()
    return [(action, pair, json.loads(details)["primary"]) for action, pair, details in rows]


def pairs(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.select("from_type", "from_id", "to_type", "to_id").iter_rows())


def test_row_of_the_plan() -> None:
    row = planned(run([CONTACT_COMPANY])).row(0, named=True)
    assert row["details"] == dumps(json.loads(row["details"])), "canonical: the digest of a plan rests on it"
    assert json.loads(row.pop("details")) == {
        "from_type": "contact",
        "from_id": "C1",
        "to_type": "company",
        "to_id": "K1",
        "exists": False,
        "from_hubspot_id": "c1",
        "to_hubspot_id": "k1",
        "primary": True,
    }
    assert row == {
        "entity_type": "relation",
        "teamleader_id": "C1>K1",
        "hubspot_id": None,
        "action": "associate",
        "reason": "related_in_teamleader",
        "fields": "{}",
    }


class TestAssociate:
    def test_all_three_kinds(self) -> None:
        plan = run([CONTACT_COMPANY, ("deal", "D1", "contact", "C1"), ("deal", "D1", "company", "K1")])
        assert changes(plan) == [
            ("associate", "C1>K1", True),
            ("associate", "D1>K1", False),
            ("associate", "D1>C1", False),
        ]

    def test_records_created_in_this_run_have_no_id_yet(self) -> None:
        plan = run([CONTACT_COMPANY], records={"C1": None, "K1": None})
        details = json.loads(planned(plan)["details"][0])
        assert details["from_hubspot_id"] is None and details["to_hubspot_id"] is None and details["primary"]

    @pytest.mark.parametrize("held", ["C1", "K1"])
    def test_a_relation_of_a_held_record_waits(self, held: str) -> None:
        assert changes(run([CONTACT_COMPANY], held=(held,))) == []

    def test_a_relation_of_a_record_that_is_not_matched_waits(self) -> None:
        assert changes(run([CONTACT_COMPANY], records={"C1": "c1"})) == []

    def test_many_contacts_per_company_stay_many(self) -> None:
        plan = run([CONTACT_COMPANY, ("contact", "C2", "company", "K1")])
        assert [pair for _, pair, _ in changes(plan)] == ["C1>K1", "C2>K1"]


class TestOnce:
    def test_one_that_exists_is_found_not_written(self) -> None:
        plan = run([CONTACT_COMPANY], [ON_HUBSPOT], primary=("k1",))
        assert changes(plan) == []
        assert pairs(plan.found) == [ON_HUBSPOT] and plan.found["origin"].to_list() == ["found"]

    @pytest.mark.parametrize("origin", ["made", "found"])
    def test_one_that_is_remembered_and_there_is_settled(self, origin: str) -> None:
        plan = run([CONTACT_COMPANY], [ON_HUBSPOT], [ON_HUBSPOT], origin=origin)
        assert planned(plan).is_empty() and plan.found.is_empty() and plan.notices.is_empty() and plan.forget.is_empty()

    @pytest.mark.parametrize("origin", ["made", "found"])
    def test_one_that_a_person_removed_stays_removed_and_is_reported(self, origin: str) -> None:
        plan = run([CONTACT_COMPANY], [], [ON_HUBSPOT], origin=origin)
        assert changes(plan) == []
        assert b.codes(plan.notices) == [("removed_by_person", "C1>K1", None)]
        assert plan.forget.is_empty()

    def test_a_new_record_in_the_place_of_a_deleted_one_is_related_again(self) -> None:
        plan = run([CONTACT_COMPANY], [], [("contact", "old", "company", "k1")])
        assert changes(plan) == [("associate", "C1>K1", True)]

    def test_a_merged_record_keeps_its_memory(self) -> None:
        remembered: list[Pair] = [("contact", "old", "company", "k1")]
        plan = run([CONTACT_COMPANY], [], remembered, merged={"c1": ["old"]})
        assert changes(plan) == [] and b.codes(plan.notices)[0][0] == "removed_by_person"


class TestPrimary:
    """The first-listed eligible company becomes primary only where HubSpot has none yet."""

    BOTH = (CONTACT_COMPANY, ("contact", "C1", "company", "K2"))

    @pytest.mark.parametrize("first", ["K1", "K2"])
    def test_exactly_one_of_several_and_it_goes_first(self, first: str) -> None:
        other = {"K1": "K2", "K2": "K1"}[first]
        plan = run(list(self.BOTH), first=(first,))
        assert changes(plan) == [("associate", f"C1>{first}", True), ("associate", f"C1>{other}", False)]

    def test_two_that_claim_to_be_first(self) -> None:
        assert [p for *_, p in changes(run(list(self.BOTH), first=("K1", "K2")))] == [True, False]

    def test_not_where_hubspot_has_one(self) -> None:
        plan = run([CONTACT_COMPANY], [("contact", "c1", "company", "k9")], primary=("k9",))
        assert changes(plan) == [("associate", "C1>K1", False)]

    def test_the_primary_of_another_contact_does_not_count(self) -> None:
        plan = run([CONTACT_COMPANY], [("contact", "c2", "company", "k9")], primary=("k9",))
        assert changes(plan) == [("associate", "C1>K1", True)]

    def test_not_where_the_first_is_removed_by_a_person(self) -> None:
        plan = run(list(self.BOTH), [], [ON_HUBSPOT])
        assert changes(plan) == [("associate", "C1>K2", False)]

    def test_one_that_exists_without_any_primary_becomes_it_once(self) -> None:
        assert changes(run([CONTACT_COMPANY], [ON_HUBSPOT])) == [("associate", "C1>K1", True)]
        assert changes(run([CONTACT_COMPANY], [ON_HUBSPOT], [ON_HUBSPOT])) == []

    def test_deals_have_none(self) -> None:
        assert changes(run([("deal", "D1", "company", "K1")])) == [("associate", "D1>K1", False)]


class TestStale:
    """A link that the sync made and Teamleader no longer has is kept and reported, or removed on request."""

    def test_kept_and_reported(self) -> None:
        plan = run([], [ON_HUBSPOT], [ON_HUBSPOT])
        assert changes(plan) == [] and plan.forget.is_empty()
        assert b.codes(plan.notices) == [("stale_relation", "C1>K1", None)]
        assert "kept" in plan.notices["message"][0]

    def test_removed_on_request(self) -> None:
        plan = run([], [ON_HUBSPOT], [ON_HUBSPOT], remove_stale=True)
        assert changes(plan) == [("disassociate", "C1>K1", False)]
        details = json.loads(planned(plan)["details"][0])
        assert (details["from_hubspot_id"], details["to_hubspot_id"]) == ("c1", "k1")
        assert "removed" in plan.notices["message"][0]

    @pytest.mark.parametrize("remove_stale", [True, False])
    def test_made_by_people_is_never_touched(self, remove_stale: bool) -> None:
        found = run([], [ON_HUBSPOT], [ON_HUBSPOT], origin="found", remove_stale=remove_stale)
        never_seen = run([], [ON_HUBSPOT], remove_stale=remove_stale)
        assert changes(found) == changes(never_seen) == []
        assert found.notices.is_empty() and never_seen.notices.is_empty()

    def test_company_that_is_no_longer_eligible_because_of_it(self) -> None:
        plan = run([], [ON_HUBSPOT], [ON_HUBSPOT], records={"C1": "c1"}, linked={"K1": "k1"}, remove_stale=True)
        assert changes(plan) == [("disassociate", "C1>K1", False)]

    def test_not_while_teamleader_has_it_though_the_company_is_out_of_scope(self) -> None:
        plan = run([], [ON_HUBSPOT], [ON_HUBSPOT], records={"C1": "c1"}, linked={"K1": "k1"}, present=[CONTACT_COMPANY])
        assert plan.notices.is_empty()

    def test_not_for_a_contact_that_is_out_of_scope(self) -> None:
        plan = run([], [ON_HUBSPOT], [ON_HUBSPOT], records={"K1": "k1"}, linked={"C1": "c1"}, remove_stale=True)
        assert changes(plan) == [] and plan.notices.is_empty()

    def test_link_to_a_duplicate_counts_for_its_winner(self) -> None:
        plan = run(
            [], [ON_HUBSPOT], [ON_HUBSPOT], present=[("contact", "C1", "company", "K7")], duplicate_of={"K7": "K1"}
        )
        assert plan.notices.is_empty()

    def test_record_taken_over_counts_for_its_new_owner(self) -> None:
        plan = run([CONTACT_COMPANY], [ON_HUBSPOT], [ON_HUBSPOT], linked={"K0": "k1"})
        assert plan.notices.is_empty()

    def test_a_link_gone_on_both_sides_is_forgotten(self) -> None:
        plan = run([], [], [ON_HUBSPOT])
        assert pairs(plan.forget) == [ON_HUBSPOT]
        assert plan.notices.is_empty() and changes(plan) == []

    def test_and_written_again_when_teamleader_has_it_again(self) -> None:
        assert changes(run([CONTACT_COMPANY], [], [])) == [("associate", "C1>K1", True)]

    def test_a_link_of_records_that_nobody_knows_is_left_alone(self) -> None:
        stranger: Pair = ("contact", "c8", "company", "k8")
        plan = run([], [stranger], [stranger], remove_stale=True)
        assert changes(plan) == [] and plan.notices.is_empty() and plan.forget.is_empty()


def test_in_teamleader() -> None:
    deals = [
        {"id": "D1", "customer_type": "contact", "customer_id": "C1"},
        {"id": "D2", "customer_type": "company", "customer_id": "K1", "contact_person_id": "C2"},
        {"id": "D3", "customer_type": "company", "customer_id": "K2"},
        {"id": "D4"},
    ]
    links = b.frame("teamleader.contact_company_links", [{"contact_id": "C1", "company_id": "K1"}])
    assert sorted(in_teamleader(links, b.frame("teamleader.deals", deals)).iter_rows()) == [
        ("contact", "C1", "company", "K1"),
        ("deal", "D1", "contact", "C1"),
        ("deal", "D2", "company", "K1"),
        ("deal", "D2", "contact", "C2"),
        ("deal", "D3", "company", "K2"),
    ]


def test_empty_everything() -> None:
    plan = run([])
    assert planned(plan).is_empty() and plan.found.is_empty() and plan.forget.is_empty() and plan.notices.is_empty()


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_carried_out_and_remembered_the_next_plan_is_empty(data: Any) -> None:
    teamleader: list[Pair] = [("contact", c, "company", k) for c in ("C1", "C2") for k in ("K1", "K2")]
    teamleader += [("deal", "D1", "contact", c) for c in ("C1", "C2")] + [("deal", "D1", "company", "K1")]
    hubspot = [(f, i.lower(), t, j.lower()) for f, i, t, j in teamleader]
    some = st.lists(st.sampled_from(teamleader), unique=True)
    there = st.lists(st.sampled_from(hubspot), unique=True)
    desired, existing, remembered = data.draw(some), data.draw(there), data.draw(there)
    first = tuple(data.draw(st.sampled_from([("K1",), ("K2",)])))
    primary = tuple(data.draw(st.sampled_from([(), ("k1",), ("k2",)])))
    plan = run(desired, existing, remembered, first=first, primary=primary)
    made = [tuple(part.lower() for part in (f, i, t, j)) for f, i, t, j in desired]
    written = {tuple(pair.lower().split(">")) for _, pair, _ in changes(plan)}
    assert all(action == "associate" for action, _, _ in changes(plan))
    for pair in made:
        is_written = (pair[1], pair[3]) in written
        if pair in remembered:
            assert not is_written
        elif pair not in existing:
            assert is_written
    for contact in ("C1", "C2"):
        primaries = [p for _, pair, p in changes(plan) if p and pair.startswith(f"{contact}>")]
        had = any(e[:3] == ("contact", contact.lower(), "company") and e[3] in primary for e in existing)
        assert len(primaries) <= (0 if had else 1)
    memory = {*remembered, *pairs(plan.found), *(p for p in made if (p[1], p[3]) in written)} - {*pairs(plan.forget)}
    now = {*existing, *(p for p in made if (p[1], p[3]) in written)}
    again = run(desired, sorted(now), sorted(memory), first=first, primary=primary)
    assert planned(again).is_empty() and again.found.is_empty() and again.forget.is_empty()
    shuffled = run(
        data.draw(st.permutations(desired)),
        data.draw(st.permutations(existing)),
        remembered,
        first=first,
        primary=primary,
    )
    assert planned(shuffled).equals(planned(plan)) and shuffled.notices.equals(plan.notices)
