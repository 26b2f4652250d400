"""Behaviour §4, matching sentence by sentence: link, teamleader_id, keys of the winner, then of its losers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot.planning.match_companies import hubspot_keys, match
from tl_hubspot.planning.match_frames import MATCHES, Matching
from tl_hubspot.rules.settings import RuleSettings
from tl_hubspot_tests.planning import builders_match as b

SETTINGS = RuleSettings(as_of=datetime(2026, 1, 1, tzinfo=UTC))
# numbers with a valid check digit that belong to public bodies
VAT, OTHER_VAT, THIRD_VAT = "BE0203201340", "BE0308357159", "BE0206731645"


def company(company_id: str, vat: str | None = None, domain: str | None = None, name: str | None = None) -> b.Row:
    return {"teamleader_id": company_id, "vat": vat, "domain": domain, "name_key": name}


def inputs(
    groups: list[list[b.Row]],
    hubspot: list[b.Row],
    *,
    linked: dict[str, str] | None = None,
    pushed: tuple[str, ...] = (),
    released: tuple[str, ...] = (),
    updated: Mapping[str, datetime | None] | None = None,
    skipped: list[b.Row] | None = None,
) -> dict[str, Any]:
    decisions = [
        {
            **member,
            "group_id": group[0]["teamleader_id"],
            "duplicate_of": group[0]["teamleader_id"] if member is not group[0] else None,
        }
        for group in groups
        for member in group
    ]
    decisions += skipped or []
    eligible = [
        {
            **{k: group[0][k] for k in ("teamleader_id", "vat", "domain", "name_key")},
            "members": [m["teamleader_id"] for m in group],
        }
        for group in groups
    ]
    return {
        "eligible": b.frame("eligible.companies", eligible),
        "decisions": b.frame("decisions.companies", decisions, status="sync", also_fits=[]),
        "companies": b.frame(
            "teamleader.companies",
            ({"id": d["teamleader_id"], "updated_at": (updated or {}).get(d["teamleader_id"])} for d in decisions),
        ),
        "mirror": b.hubspot_companies(*hubspot),
        "links": b.links("company", linked),
        "pushed": pl.Series(pushed, dtype=pl.String),
        "releases": b.releases("company", *released),
        "settings": SETTINGS,
    }


def run(groups: list[list[b.Row]], hubspot: list[b.Row], **options: Any) -> Matching:
    return match(**inputs(groups, hubspot, **options))


def found(matching: Matching, company_id: str = "T1") -> tuple[Any, ...]:
    row = b.by_id(matching)[company_id]
    return row["outcome"], row["hubspot_id"], row["matched_by"], row["reason"]


class TestOrder:
    """Link table, teamleader_id, then the keys."""

    HUBSPOT = (
        {"id": "1", "name": "Link"},
        {"id": "2", "name": "Carrier", "teamleader_id": "T1"},
        {"id": "3", "vat_number": VAT},
        {"id": "4", "domain": "acme.be"},
        {"id": "5", "name": "Acme NV"},
    )

    @pytest.mark.parametrize(
        ("company_row", "linked", "without", "hubspot_id", "matched_by"),
        [
            (company("T1", VAT, "acme.be", "acme"), {"T1": "1"}, (), "1", "link"),
            (company("T1", VAT, "acme.be", "acme"), None, (), "2", "teamleader_id"),
            (company("T1", VAT, "acme.be", "acme"), None, ("2",), "3", "vat"),
            (company("T1", VAT, "acme.be", "acme"), None, ("2", "3"), "4", "domain"),
            (company("T1", VAT, "acme.be", "acme"), None, ("2", "3", "4"), "5", "name"),
            (company("T1", None, "acme.be", "acme"), None, ("2",), "4", "domain"),
            (company("T1", None, None, "acme"), None, ("2",), "5", "name"),
        ],
    )
    def test_strongest_first(
        self,
        company_row: b.Row,
        linked: dict[str, str] | None,
        without: tuple[str, ...],
        hubspot_id: str,
        matched_by: str,
    ) -> None:
        hubspot = [h for h in self.HUBSPOT if h["id"] not in without]
        assert found(run([[company_row]], hubspot, linked=linked)) == ("update", hubspot_id, matched_by, None)

    def test_nothing_fits(self) -> None:
        assert found(run([[company("T1", VAT, "acme.be", "acme")]], [{"id": "1", "name": "Other"}])) == (
            "create",
            None,
            None,
            None,
        )

    def test_company_without_any_key_is_created(self) -> None:
        assert found(run([[company("T1")]], [{"id": "1"}]))[0] == "create"


class TestKeysOfHubSpot:
    """Normalised as Teamleader's: VAT with the country of the address, domain and further domains, name."""

    @pytest.mark.parametrize(
        ("hubspot", "matched_by"),
        [
            pytest.param({"vat_number": "BE 0203.201.340"}, "vat", id="VAT with punctuation"),
            pytest.param({"vat_number": "btw be 203.201.340"}, "vat", id="VAT with words and nine digits"),
            pytest.param({"vat_number": "0203201340", "properties": '{"country": "Belgium"}'}, "vat", id="by country"),
            pytest.param({"vat_number": "0203201340", "properties": '{"country": "België"}'}, "vat", id="in Dutch"),
            pytest.param({"vat_number": "0203201340", "properties": '{"country": "BE"}'}, "vat", id="by code"),
            pytest.param({"domain": "www.acme.be"}, "domain", id="domain"),
            pytest.param({"domain": "https://shop.acme.be/nl"}, "domain", id="domain as a link"),
            pytest.param({"domain": "old.com", "additional_domains": ["acme.be"]}, "domain", id="further domain"),
            pytest.param({"domain": "gmail.com", "name": "ACME b.v.b.a."}, "name", id="free mail counts as no domain"),
            pytest.param({"name": "Ácme N.V."}, "name", id="name"),
        ],
    )
    def test_fits(self, hubspot: b.Row, matched_by: str) -> None:
        rows = [[company("T1", VAT, "acme.be", "acme")]]
        assert found(run(rows, [{"id": "1", **hubspot}])) == ("update", "1", matched_by, None)

    @pytest.mark.parametrize(
        "hubspot",
        [
            pytest.param({"vat_number": "0203201340"}, id="no country: no VAT"),
            pytest.param({"vat_number": "0203201340", "properties": '{"country": "Nowhere"}'}, id="unknown country"),
            pytest.param({"vat_number": "BE0203201341"}, id="wrong check digit"),
        ],
    )
    def test_missing_key(self, hubspot: b.Row) -> None:
        assert found(run([[company("T1", VAT)]], [{"id": "1", **hubspot}]))[0] == "create"

    def test_only_the_free_records_have_keys(self) -> None:
        mirror = b.hubspot_companies({"id": "1", "name": "Acme"}, {"id": "2", "name": "Acme"})
        free = pl.DataFrame({"hubspot_id": ["2"], "vacated_by": [None]}, schema_overrides={"vacated_by": pl.String})
        assert hubspot_keys(mirror, free, SETTINGS)["hubspot_id"].to_list() == ["2"]


class TestStrongerKeyDecides:
    """A key is used only when every stronger key is missing on at least one of the two sides."""

    @pytest.mark.parametrize(
        ("mine", "theirs", "outcome"),
        [
            pytest.param(
                company("T1", VAT, "acme.be", "acme"),
                {"vat_number": OTHER_VAT, "domain": "acme.be", "name": "Acme"},
                "create",
                id="two VAT numbers that differ: never",
            ),
            pytest.param(company("T1", VAT, "acme.be"), {"domain": "acme.be"}, "update", id="VAT missing there"),
            pytest.param(
                company("T1", None, "acme.be"),
                {"vat_number": VAT, "domain": "acme.be"},
                "update",
                id="VAT missing here",
            ),
            pytest.param(
                company("T1", None, "acme.be", "acme"),
                {"domain": "other.be", "name": "Acme"},
                "create",
                id="domains differ: no name",
            ),
            pytest.param(company("T1", None, "acme.be", "acme"), {"name": "Acme"}, "update", id="domain missing there"),
            pytest.param(
                company("T1", None, None, "acme"),
                {"domain": "other.be", "name": "Acme"},
                "update",
                id="domain missing here",
            ),
            pytest.param(
                company("T1", VAT, None, "acme"),
                {"vat_number": OTHER_VAT, "name": "Acme"},
                "create",
                id="VAT differs: no name",
            ),
            pytest.param(
                company("T1", VAT, None, "acme"),
                {"domain": "other.be", "name": "Acme"},
                "update",
                id="VAT missing there, domain here",
            ),
            pytest.param(
                company("T1", None, "acme.be", "acme"),
                {"domain": "a.com", "additional_domains": ["b.com"], "name": "Acme"},
                "create",
                id="none of its domains",
            ),
        ],
    )
    def test_pairs(self, mine: b.Row, theirs: b.Row, outcome: str) -> None:
        assert found(run([[mine]], [{"id": "1", **theirs}]))[0] == outcome


class TestGroup:
    """The keys of the winner, then those of its losers; the link of any member."""

    def test_winner_before_loser(self) -> None:
        group = [company("T1", None, "acme.be", "acme"), company("T2", None, "acme.be", "beta")]
        assert found(run([group], [{"id": "1", "name": "Beta"}, {"id": "2", "name": "Acme"}])) == (
            "update",
            "2",
            "name",
            None,
        )

    def test_winners_weak_key_before_losers_strong_key(self) -> None:
        group = [company("T1", None, "acme.be", "acme"), company("T2", VAT, "acme.be", "beta")]
        assert found(run([group], [{"id": "1", "vat_number": VAT}, {"id": "2", "name": "Acme"}]))[1:3] == ("2", "name")

    def test_losers_key_when_the_winners_lead_nowhere(self) -> None:
        group = [company("T1", None, "acme.be", "acme"), company("T2", VAT, "acme.be", "beta")]
        assert found(run([group], [{"id": "1", "vat_number": VAT}])) == ("update", "1", "vat", None)

    def test_vat_of_a_loser_keeps_the_group_from_another_vat(self) -> None:
        group = [company("T1", None, "acme.be", "acme"), company("T2", VAT, "acme.be")]
        assert found(run([group], [{"id": "1", "vat_number": OTHER_VAT, "domain": "acme.be"}]))[0] == "create"

    def test_vat_of_the_winner_keeps_its_loser_from_another_vat(self) -> None:
        group = [company("T1", VAT, "acme.be"), company("T2", None, "acme.be", "beta")]
        assert found(run([group], [{"id": "1", "vat_number": OTHER_VAT, "domain": "acme.be"}]))[0] == "create"

    def test_link_stays_with_the_group_when_the_winner_changes(self) -> None:
        group = [company("T2", VAT), company("T1", VAT)]
        matching = run(
            [group], [{"id": "1", "teamleader_id": "T1"}, {"id": "2", "vat_number": VAT}], linked={"T1": "1"}
        )
        assert found(matching, "T2") == ("update", "1", "link", None)
        row = b.by_id(matching)["T2"]
        assert row["relinked_from"] == "T1" and row["first_match"]

    def test_link_of_the_winner_comes_first(self) -> None:
        group = [company("T2", VAT), company("T1", VAT)]
        matching = run([group], [{"id": "1"}, {"id": "2"}], linked={"T1": "1", "T2": "2"})
        assert found(matching, "T2")[1] == "2" and b.by_id(matching)["T2"]["relinked_from"] is None

    def test_a_link_that_lives_comes_before_one_that_does_not(self) -> None:
        group = [company("T2", VAT), company("T1", VAT)]
        matching = run([group], [{"id": "1"}, {"id": "2", "archived": True}], linked={"T1": "1", "T2": "2"})
        assert found(matching, "T2") == ("update", "1", "link", None)

    def test_teamleader_id_of_a_loser(self) -> None:
        group = [company("T2", VAT), company("T1", VAT)]
        matching = run([group], [{"id": "1", "teamleader_id": "T1"}, {"id": "2", "vat_number": VAT}])
        assert found(matching, "T2") == ("update", "1", "teamleader_id", None)
        assert b.by_id(matching)["T2"]["relinked_from"] == "T1"

    def test_link_of_a_company_gone_from_teamleader_goes_to_the_one_that_fits(self) -> None:
        hubspot: list[b.Row] = [
            {"id": "1", "vat_number": VAT, "createdate": datetime(2019, 1, 1, tzinfo=UTC)},
            {"id": "2", "vat_number": VAT, "teamleader_id": "T0"},
        ]
        matching = run([[company("T1", VAT)]], hubspot, linked={"T0": "2"})
        assert found(matching) == ("update", "2", "vat", None)
        assert b.by_id(matching)["T1"]["relinked_from"] == "T0"

    def test_first_match_is_false_only_for_its_own_pushed_link(self) -> None:
        assert not b.by_id(run([[company("T1")]], [{"id": "1"}], linked={"T1": "1"}, pushed=("T1",)))["T1"][
            "first_match"
        ]
        assert b.by_id(run([[company("T1")]], [{"id": "1"}], linked={"T1": "1"}))["T1"]["first_match"]


class TestCandidates:
    """Several candidates for one key: a linked one, else the oldest (createdate, then lowest id); reported."""

    @pytest.mark.parametrize(
        ("hubspot", "taken"),
        [
            pytest.param([("10", 2021), ("11", 2020)], "11", id="oldest"),
            pytest.param([("10", 2020), ("9", 2020)], "9", id="lowest id, as a number"),
            pytest.param([("10", None), ("11", 2024)], "11", id="unknown date comes last"),
        ],
    )
    def test_one_is_taken(self, hubspot: list[tuple[str, int | None]], taken: str) -> None:
        rows = [
            {"id": i, "vat_number": VAT, "createdate": datetime(y, 1, 1, tzinfo=UTC) if y else None} for i, y in hubspot
        ]
        matching = run([[company("T1", VAT)]], rows)
        assert found(matching)[1] == taken
        assert b.codes(matching.notices) == [("ambiguous_company_match", "T1", taken)]

    def test_two_domains_of_one_record_are_no_ambiguity(self) -> None:
        hubspot: list[b.Row] = [{"id": "1", "domain": "acme.be", "additional_domains": ["www.acme.be", "acme.be"]}]
        assert run([[company("T1", None, "acme.be")]], hubspot).notices.is_empty()

    def test_candidates_of_a_weaker_key_are_no_ambiguity(self) -> None:
        hubspot: list[b.Row] = [{"id": "1", "vat_number": VAT}, {"id": "2", "domain": "acme.be"}]
        assert run([[company("T1", VAT, "acme.be")]], hubspot).notices.is_empty()

    @pytest.mark.parametrize(
        "hubspot",
        [
            pytest.param({"archived": True, "vat_number": VAT}, id="archived"),
            pytest.param({"teamleader_id": "elsewhere", "vat_number": VAT}, id="carries an id that Teamleader lacks"),
        ],
    )
    def test_no_candidate(self, hubspot: b.Row) -> None:
        assert found(run([[company("T1", VAT)]], [{"id": "1", **hubspot}]))[0] == "create"

    def test_a_record_linked_to_another_company_is_no_candidate(self) -> None:
        matching = run(
            [[company("T1", VAT)], [company("T2", OTHER_VAT)]], [{"id": "1", "vat_number": VAT}], linked={"T2": "1"}
        )
        assert found(matching)[0] == "create"
        assert found(matching, "T2") == ("update", "1", "link", None)

    def test_a_record_linked_to_a_skipped_company_is_no_candidate(self) -> None:
        skipped = [{**company("T2", OTHER_VAT), "status": "skip", "group_id": "T2"}]
        matching = run([[company("T1", VAT)]], [{"id": "1", "vat_number": VAT}], linked={"T2": "1"}, skipped=skipped)
        assert found(matching)[0] == "create"


class TestClaimedOnce:
    """Strongest key first, then later updated_at, then smallest id; the other creates its own."""

    OLD, NEW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)

    def test_strongest_key(self) -> None:
        matching = run(
            [[company("T1", None, "acme.be")], [company("T2", VAT)]],
            [{"id": "1", "vat_number": VAT, "domain": "acme.be"}],
            updated={"T1": self.NEW, "T2": self.OLD},
        )
        assert found(matching, "T2") == ("update", "1", "vat", None)
        assert found(matching, "T1") == ("create", None, None, None)

    @pytest.mark.parametrize(
        ("updated", "winner"),
        [
            pytest.param({"T1": OLD, "T2": NEW}, "T2", id="later update"),
            pytest.param({"T1": NEW, "T2": NEW}, "T1", id="smallest id"),
            pytest.param({"T2": OLD}, "T2", id="an unknown update is the earliest"),
        ],
    )
    def test_same_key(self, updated: Mapping[str, datetime | None], winner: str) -> None:
        matching = run(
            [[company("T1", VAT, "acme.be")], [company("T2", OTHER_VAT, "acme.be")]],
            [{"id": "1", "domain": "acme.be"}],
            updated=updated,
        )
        claims = {c: found(matching, c) for c in ("T1", "T2")}
        assert claims.pop(winner) == ("update", "1", "domain", None)
        assert list(claims.values()) == [("create", None, None, None)]

    def test_two_links_to_one_survivor(self) -> None:
        matching = run(
            [[company("T1")], [company("T2")]],
            [{"id": "2", "merged_ids": ["1"], "teamleader_id": "T2"}],
            linked={"T1": "1", "T2": "2"},
        )
        assert found(matching, "T2")[0] == "update"
        assert found(matching, "T1") == ("held", "2", "link", "claimed_by_other")


class TestDeleted:
    def test_held_until_released(self) -> None:
        groups = [[company("T1", VAT)]]
        hubspot: list[b.Row] = [{"id": "1", "archived": True}, {"id": "2", "vat_number": VAT}]
        assert found(run(groups, hubspot, linked={"T1": "1"})) == ("held", "1", "link", "deleted_in_hubspot")
        assert found(run(groups, hubspot, linked={"T1": "1"}, released=("T1",))) == ("update", "2", "vat", None)
        assert found(run(groups, hubspot[:1], linked={"T1": "1"}, released=("T1",)))[0] == "create"

    def test_release_of_the_winner_lets_go_of_a_losers_record(self) -> None:
        groups = [[company("T2", VAT), company("T1", VAT)]]
        hubspot: list[b.Row] = [{"id": "1", "archived": True}]
        assert found(run(groups, hubspot, linked={"T1": "1"}), "T2")[3] == "deleted_in_hubspot"
        assert found(run(groups, hubspot, linked={"T1": "1"}, released=("T2",)), "T2")[0] == "create"


def test_also_fits_is_reported() -> None:
    frames = inputs([[company("T1", VAT), company("T2", None, "acme.be")]], [])
    fits = pl.when(pl.col("teamleader_id") == "T2").then(pl.lit(["T8", "T9"])).otherwise("also_fits")
    frames["decisions"] = frames["decisions"].with_columns(also_fits=fits)
    notices = match(**frames).notices
    assert b.codes(notices) == [("also_fits", "T2", None)]
    assert notices["message"][0] == "Joined to company T1, and also fits T8, T9."


def test_empty_everything() -> None:
    matching = run([], [])
    assert matching.matches.schema == pl.Schema(MATCHES)
    assert matching.matches.is_empty() and matching.notices.is_empty()


# --- properties over random worlds -----------------------------------------------------------------------------------

VATS = st.none() | st.sampled_from([VAT, OTHER_VAT, THIRD_VAT])
DOMAINS = st.none() | st.sampled_from(["acme.be", "beta.be", "gamma.be"])
NAMES = st.none() | st.sampled_from(["acme", "beta", "gamma"])
DATES = st.none() | st.sampled_from([datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)])


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    ids = draw(st.lists(st.sampled_from([f"T{i}" for i in range(8)]), unique=True))
    groups: list[list[b.Row]] = []
    for company_id in ids:
        if groups and draw(st.integers(0, 2)) == 0:
            group = draw(st.sampled_from(groups))
            vat = next((m["vat"] for m in group if m["vat"]), None)
            group.append(company(company_id, draw(st.none() | st.just(vat)), draw(DOMAINS), draw(NAMES)))
        else:
            groups.append([company(company_id, draw(VATS), draw(DOMAINS), draw(NAMES))])
    some_id = st.sampled_from([f"T{i}" for i in range(9)])
    records = draw(st.lists(st.sampled_from([str(i) for i in range(1, 9)]), unique=True))
    hubspot = [
        {
            "id": record,
            "vat_number": draw(VATS),
            "domain": draw(DOMAINS),
            "additional_domains": draw(st.lists(st.sampled_from(["acme.be", "beta.be"]), max_size=2)),
            "name": draw(NAMES),
            "teamleader_id": draw(st.none() | st.none() | some_id),
            "archived": draw(st.integers(0, 4)) == 0,
            "createdate": draw(DATES),
        }
        for record in records
    ]
    links = draw(st.dictionaries(some_id, st.sampled_from([str(i) for i in range(1, 10)]), max_size=3))
    return inputs(
        groups,
        hubspot,
        linked=links,
        released=tuple(draw(st.lists(some_id, max_size=2, unique=True))),
        updated={i: draw(DATES) for i in ids},
    )


PROPERTY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PROPERTY
@given(worlds())
def test_one_row_each_one_claimant_each_and_never_two_vat_numbers(world: dict[str, Any]) -> None:
    matches = match(**world).matches
    assert matches["teamleader_id"].to_list() == sorted(world["eligible"]["teamleader_id"])
    updates = matches.filter(pl.col("outcome") == "update")
    assert updates["hubspot_id"].n_unique() == updates.height
    assert matches.filter((pl.col("outcome") == "create") != pl.col("hubspot_id").is_null()).is_empty()
    theirs = dict(world["mirror"].select("id", "vat_number").iter_rows())
    vats = world["decisions"].filter(pl.col("vat").is_not_null()).group_by("group_id").agg(pl.col("vat").unique())
    ours = dict(vats.iter_rows())
    for row in updates.filter(pl.col("matched_by").is_in(["vat", "domain", "name"])).iter_rows(named=True):
        mine, other = ours.get(row["teamleader_id"], []), theirs[row["hubspot_id"]]
        assert not mine or other is None or other in mine


@PROPERTY
@given(worlds(), st.randoms(use_true_random=False))
def test_row_order_never_matters(world: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, pl.DataFrame) or value.is_empty():
            return value
        order = list(range(value.height))
        random.shuffle(order)
        return value[order]

    before, after = match(**world), match(**{name: shuffled(value) for name, value in world.items()})
    assert before.matches.equals(after.matches)
    assert before.notices.equals(after.notices)
