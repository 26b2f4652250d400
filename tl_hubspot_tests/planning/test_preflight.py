"""What must be provisioned and what a person must mend before the mapping can be written."""

from typing import Any

import polars as pl

from tl_hubspot.config import mapping as mapping_file
from tl_hubspot.planning.mapping import FieldRule, Mapping
from tl_hubspot.planning.preflight import PropertyProvision, check, effective
from tl_hubspot.warehouse.rows import frame_of
from tl_hubspot_tests.planning.builders_plan import definition, reference, standard_properties


def properties(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame_of("hubspot.properties", rows)


def one(**rule: Any) -> Mapping:
    return Mapping((FieldRule("contact", "first_name", "x", line=12, **rule),), file="m.yaml")


def test_a_fresh_portal_gets_all_custom_properties_of_the_default_mapping_and_no_problem() -> None:
    mapping = mapping_file.load()
    to_provision, problems = check(mapping, properties(*standard_properties()), reference())
    assert problems == []
    assert {(p.object_type, p.name) for p in to_provision} == {
        (r.entity_type, r.property) for r in mapping.fields if r.custom
    }
    assert {p.action for p in to_provision} == {"create"}
    by_name = {(p.object_type, p.name): p for p in to_provision}
    assert by_name["contact", "teamleader_id"] == PropertyProvision(
        "create", "contact", "teamleader_id", "Teamleader id", "teamleader", "Teamleader", "string", "text", (), True
    )
    assert by_name["contact", "teamleader_marketing"].options == (("true", "Yes"), ("false", "No"))
    assert by_name["deal", "teamleader_label"].options == (("inactief", "inactief"),)
    assert by_name["contact", "teamleader_status"].field_type == "select"


def test_a_provisioned_portal_needs_nothing() -> None:
    mapping = mapping_file.load()
    to_provision, _ = check(mapping, properties(*standard_properties()))
    made = [
        definition(
            p.object_type, p.name, p.type, label=p.label, unique_value=p.unique, options=[v for v, _ in p.options]
        )
        for p in to_provision
    ]
    assert check(mapping, properties(*standard_properties(), *made)) == ([], [])


def sentences(mapping: Mapping, *rows: dict[str, Any]) -> list[str]:
    to_provision, problems = check(mapping, properties(*rows))
    assert to_provision == []
    return [p.sentence for p in problems]


def test_a_property_that_is_not_there_and_not_ours_is_a_problem() -> None:
    assert sentences(one()) == [
        "The contact property 'x' does not exist in HubSpot (m.yaml, line 12)."
        " Correct the name, or add `create:` to have it made."
    ]


def test_a_read_only_property_is_a_problem() -> None:
    (found,) = sentences(one(), definition("contact", "x", read_only=True))
    assert found.startswith("The contact property 'x' is read-only in HubSpot (m.yaml, line 12).")


def test_another_type_is_a_problem_that_names_both() -> None:
    (found,) = sentences(one(custom=True, label="X"), definition("contact", "x", "number"))
    assert "is of type number in HubSpot, but the mapping writes string" in found


def test_telephone_properties_count_as_text() -> None:
    assert sentences(one(), definition("contact", "x", "phone_number")) == []


def test_an_id_property_without_unique_values_is_a_problem() -> None:
    (found,) = sentences(one(unique=True, custom=True), definition("contact", "x"))
    assert "exists in HubSpot without unique values" in found
    assert sentences(one(unique=True, custom=True), definition("contact", "x", unique_value=True)) == []


def test_a_protected_label_in_the_portal_is_a_problem() -> None:
    (found,) = sentences(one(), definition("contact", "x", label="Eerste Bron"))
    assert "has the label 'Eerste Bron', which is protected" in found


def test_missing_options_of_ours_are_added_and_foreign_ones_left_alone() -> None:
    options = (("a", "A"), ("b", "B"))
    mapping = one(custom=True, type="enumeration", field_type="select", options=options)
    to_provision, problems = check(mapping, properties(definition("contact", "x", "enumeration", options=["a", "z"])))
    assert problems == []
    assert [(p.action, p.name, p.options) for p in to_provision] == [("extend", "x", (("b", "B"),))]


def test_the_creation_date_of_deals_is_left_out_without_a_word_where_it_cannot_be_written() -> None:
    mapping = mapping_file.load()
    rows = [r | {"read_only": True} if r["name"] == "createdate" else r for r in standard_properties()]
    _, problems = check(mapping, properties(*rows))
    assert problems == []
    left = effective(mapping, properties(*rows))
    assert "createdate" not in left.properties("deal")
    assert len(left.fields) == len(mapping.fields) - 1
    assert effective(mapping, properties(*standard_properties())) == mapping


def test_a_portal_without_the_currency_property_gets_deals_without_it() -> None:
    mapping = mapping_file.load()
    rows = [r for r in standard_properties() if (r["object_type"], r["name"]) != ("deal", "deal_currency_code")]
    assert len(rows) == len(standard_properties()) - 1
    assert check(mapping, properties(*rows))[1] == []
    assert set(mapping.properties("deal")) - set(effective(mapping, properties(*rows)).properties("deal")) == {
        "deal_currency_code"
    }


def test_custom_fields_are_checked_against_teamleader() -> None:
    def problems(source: str, rows: list[dict[str, Any]]) -> list[str]:
        mapping = Mapping((FieldRule("contact", source, "x", line=3),), file="m.yaml")
        return [p.what for p in check(mapping, properties(definition("contact", "x")), reference(rows))[1]]

    field = {"kind": "custom_field_definition", "context": "contact"}
    rows = [
        field | {"id": "1", "name": "Segment"},
        field | {"id": "2", "name": "Twice"},
        field | {"id": "3", "name": "twice "},
    ]
    assert problems("custom_fields[segment]", rows) == []
    assert problems("custom_fields[3]", rows) == []
    assert problems("custom_fields[Nope]", rows) == ["Teamleader has no custom field 'Nope' for the contact"]
    assert problems("custom_fields[Twice]", rows) == ["Teamleader has 2 custom fields 'Twice' for the contact"]
    assert problems("custom_fields[Segment]", [field | {"id": "1", "name": "Segment", "context": "deal"}]) != []


def test_more_than_ten_unique_properties_are_a_problem() -> None:
    taken = [definition("contact", f"u{n}", unique_value=True) for n in range(10)]
    _, problems = check(one(unique=True, custom=True, label="X"), properties(*taken))
    assert [p.what for p in problems] == ["HubSpot allows 10 unique contact properties; there would be 11"]
