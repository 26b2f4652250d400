"""Adoption: records that carry a teamleader_id count as linked, links follow merges, strangers are reported."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.planning.adopt import Adoption, adopt
from tl_hubspot_tests.planning import builders_match as b


def run(source: list[str], hubspot: list[b.Row], linked: dict[str, str] | None = None) -> Adoption:
    return adopt(
        "contact", pl.Series(source, dtype=pl.String), b.links("contact", linked), b.hubspot_contacts(*hubspot)
    )


def pairs(frame: pl.DataFrame) -> dict[str, str]:
    return dict(frame.select("teamleader_id", "hubspot_id").iter_rows())


@pytest.mark.parametrize(
    ("hubspot", "linked", "changed"),
    [
        pytest.param([{"id": "1", "teamleader_id": "T1"}], None, {"T1": "1"}, id="carries the id: adopted"),
        pytest.param([{"id": "1", "teamleader_id": "T1", "archived": True}], None, {"T1": "1"}, id="archived ones too"),
        pytest.param([{"id": "1", "teamleader_id": "T1"}], {"T1": "1"}, {}, id="known already"),
        pytest.param([{"id": "1"}], {"T1": "1"}, {}, id="a link stays without the property"),
        pytest.param([], {"T1": "1"}, {}, id="a link stays without the record"),
        pytest.param([{"id": "9", "merged_ids": ["1"]}], {"T1": "1"}, {"T1": "9"}, id="merged: follows"),
        pytest.param(
            [{"id": "9", "merged_ids": ["5"]}, {"id": "5", "merged_ids": ["1"], "archived": True}],
            {"T1": "1"},
            {"T1": "9"},
            id="merged twice: follows the chain",
        ),
        pytest.param(
            [
                {"id": "1", "archived": True, "merged_ids": ["1", "2"]},
                {"id": "2", "archived": True, "merged_ids": ["1"]},
            ],
            {"T1": "1"},
            {"T1": "2"},
            id="a ring ends",
        ),
        pytest.param(
            [{"id": "1", "archived": True}, {"id": "2", "teamleader_id": "T1"}],
            {"T1": "1"},
            {"T1": "2"},
            id="a living record that carries the id replaces a dead link",
        ),
        pytest.param(
            [{"id": "2", "teamleader_id": "T1", "archived": True}, {"id": "3", "teamleader_id": "T1"}],
            None,
            {"T1": "3"},
            id="active before archived",
        ),
        pytest.param(
            [{"id": "1", "teamleader_id": "T2"}], {"T1": "1"}, {}, id="linked to another contact: not adopted"
        ),
        pytest.param([{"id": "1", "teamleader_id": "T9"}], None, {}, id="an id that Teamleader lacks"),
    ],
)
def test_links(hubspot: list[b.Row], linked: dict[str, str] | None, changed: dict[str, str]) -> None:
    adoption = run(["T1", "T2"], hubspot, linked)
    assert pairs(adoption.changed) == changed
    assert pairs(adoption.links) == {**(linked or {}), **changed}
    assert adoption.links["entity_type"].unique().to_list() in (["contact"], [])


def test_it_is_stable() -> None:
    hubspot: list[b.Row] = [{"id": "9", "merged_ids": ["1"]}, {"id": "2", "teamleader_id": "T2"}]
    first = run(["T1", "T2"], hubspot, {"T1": "1"})
    assert pairs(first.changed) == {"T1": "9", "T2": "2"}
    assert run(["T1", "T2"], hubspot, pairs(first.links)).changed.is_empty()


def test_unknown_teamleader_id_is_reported() -> None:
    hubspot: list[b.Row] = [
        {"id": "1", "teamleader_id": "T9"},
        {"id": "2", "teamleader_id": "T1"},
        {"id": "3", "teamleader_id": "T8", "archived": True},
        {"id": "4", "teamleader_id": ""},
    ]
    assert b.codes(run(["T1"], hubspot).notices) == [("unknown_teamleader_id", "T9", "1")]


def test_a_record_of_a_contact_deleted_in_teamleader_is_no_stranger() -> None:
    adoption = run([], [{"id": "1", "teamleader_id": "T1"}], {"T1": "1"})
    assert adoption.notices.is_empty() and pairs(adoption.links) == {"T1": "1"}


def test_an_id_on_another_record_than_the_linked_one_is_reported() -> None:
    adoption = run(["T1"], [{"id": "1"}, {"id": "2", "teamleader_id": "T1"}], {"T1": "1"})
    assert b.codes(adoption.notices) == [("teamleader_id_elsewhere", "T1", "2")]
    assert "HubSpot 1" in adoption.notices["message"][0]


def test_several_records_with_one_id_are_listed() -> None:
    hubspot: list[b.Row] = [
        {"id": "10", "teamleader_id": "T1"},
        {"id": "9", "teamleader_id": "T1"},
        {"id": "8", "teamleader_id": "T1", "archived": True},
        {"id": "7", "teamleader_id": "T2"},
    ]
    adoption = run(["T1", "T2"], hubspot)
    assert adoption.duplicates.to_dicts() == [{"teamleader_id": "T1", "hubspot_ids": ["9", "10"]}]
    assert pairs(adoption.links)["T1"] == "9"


def test_other_entities_are_left_alone() -> None:
    mirror = b.hubspot_deals({"id": "1", "teamleader_id": "T1"})
    adoption = adopt("deal", pl.Series(["T1", "T2"]), b.links("contact", {"T2": "5"}), mirror)
    assert adoption.links.to_dicts() == [{"entity_type": "deal", "teamleader_id": "T1", "hubspot_id": "1"}]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_merge_graph_ends_and_row_order_never_matters(data: Any) -> None:
    ids = [str(i) for i in range(1, 7)]
    hubspot: list[b.Row] = [
        {
            "id": record,
            "archived": data.draw(st.booleans()),
            "merged_ids": data.draw(st.lists(st.sampled_from(ids), max_size=3)),
            "teamleader_id": data.draw(st.none() | st.sampled_from(["T1", "T2", "T3"])),
        }
        for record in data.draw(st.lists(st.sampled_from(ids), unique=True))
    ]
    linked = data.draw(st.dictionaries(st.sampled_from(["T1", "T2", "T3"]), st.sampled_from(ids)))
    adoption = run(["T1", "T2"], hubspot, linked)
    assert adoption.links["teamleader_id"].is_unique().all()
    other = run(["T2", "T1"], data.draw(st.permutations(hubspot)), linked)
    assert adoption.links.equals(other.links) and adoption.notices.equals(other.notices)
    assert adoption.duplicates.equals(other.duplicates)
