"""Suggested rows: the property that HubSpot has already, names that are free, labels that several fields share."""

from __future__ import annotations

from typing import Any

import polars as pl

from tl_hubspot.planning.mapping import FieldRule, Mapping
from tl_hubspot.planning.suggestions import suggestions
from tl_hubspot.warehouse.rows import polars_schema


def field(id: str, name: str, type_: str = "single_line", **payload: Any) -> dict[str, Any]:
    return {"kind": "custom_field_definition", "id": id, "name": name, "context": "contact", "type": type_, **payload}


def rows(fields: list[dict[str, Any]], portal: list[dict[str, Any]], *rules: FieldRule) -> list[dict[str, Any]]:
    properties = [{"object_type": "contact", "type": "string", "read_only": False, **p} for p in portal]
    found = suggestions(
        Mapping(rules),
        pl.DataFrame(properties, schema=polars_schema("hubspot.properties")),
        pl.DataFrame(fields, schema=polars_schema("teamleader.reference")),
    )
    return [s.row for s in found]


def test_a_property_of_the_same_label_is_filled_where_it_is_empty() -> None:
    portal = [{"name": "segment", "label": " SEGMENT "}]
    expected = [{"source": "custom_fields[Segment]", "property": "segment", "policy": "if_empty"}]
    assert rows([field("1", "Segment")], portal) == expected


def test_a_property_that_cannot_take_it_is_left_alone() -> None:
    for unfit in ({"read_only": True}, {"type": "number"}, {"name": "hs_analytics_source"}):
        (row,) = rows([field("1", "Segment")], [{"name": "segment", "label": "Segment", **unfit}])
        assert row["property"] == "teamleader_segment"
        assert row["create"]["label"] == "Teamleader Segment"


def test_names_are_free_and_labels_that_are_not_alone_go_by_id() -> None:
    fields = [field("1", "Taal"), field("2", "Taal"), field("3", "Té à l'eau!"), field("4", "日本")]
    made = rows(fields, [{"name": "teamleader_taal", "label": "x"}])
    assert [r["source"] for r in made] == [f"custom_fields[{s}]" for s in ("1", "2", "Té à l'eau!", "日本")]
    names = ["teamleader_taal_2", "teamleader_taal_3", "teamleader_te_a_l_eau", "teamleader_field"]
    assert [r["property"] for r in made] == names


def test_what_is_mapped_or_refers_to_other_records_is_not_suggested() -> None:
    rule = FieldRule("contact", "custom_fields[segment]", "segment")
    assert rows([field("1", "Segment"), field("2", "Chef", "contact")], [], rule) == []


def test_a_choice_that_may_be_extended_becomes_text() -> None:
    payload = '{"configuration": {"options": [{"value": "A"}], "extra_option_allowed": true}}'
    (row,) = rows([field("1", "Soort", "single_select", payload=payload)], [])
    assert "transform" not in row
    assert row["create"]["type"] == "string"
