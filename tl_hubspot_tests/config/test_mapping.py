"""The mapping file: what it may say, and what is said about every mistake."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from tl_hubspot.config.mapping import load, parse
from tl_hubspot.errors import ConfigurationError, ExitCode
from tl_hubspot.planning.mapping import Mapping, PhaseMap, PipelineMap

DEFAULT = files("tl_hubspot.config").joinpath("mapping.yaml").read_text(encoding="utf-8")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def with_contact_row(row: str) -> str:
    return DEFAULT.replace("companies:\n", f"{row}\n\ncompanies:\n", 1)


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def mistakes(text: str) -> list[str]:
    mapping, found = parse(text, "m.yaml", ())
    assert (mapping is None) == bool(found)
    return [m.what for m in found]


def good(text: str) -> Mapping:
    mapping, found = parse(text, "m.yaml", ())
    assert mapping is not None, found
    return mapping


def test_the_default_file_is_loaded_without_a_path() -> None:
    mapping = load()
    assert mapping.file == "mapping.yaml" and len(mapping.fields) == 51


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    row = '  - {source: "custom_fields[Customer segment]", property: segment, transform: option, policy: if_empty}'
    mapping = load(written(tmp_path, with_contact_row(row)))
    (rule,) = [r for r in mapping.fields if r.property == "segment"]
    assert (rule.source, rule.transform, rule.policy, rule.type) == (
        "custom_fields[Customer segment]", "option", "if_empty", "enumeration",
    )  # fmt: skip
    assert rule.line == line_of(with_contact_row(row), "segment, transform")


def test_a_property_to_create_takes_its_definition_from_the_row() -> None:
    row = """
  - source: tags
    property: tl_tags
    create: {type: enumeration, field_type: checkbox, label: Tags, options: [VIP, "NO"]}"""
    (rule,) = [r for r in good(with_contact_row(row)).fields if r.property == "tl_tags"]
    assert rule.options == (("VIP", "VIP"), ("NO", "NO")) and rule.custom and rule.field_type == "checkbox"


def test_words_that_yaml_takes_for_booleans_stay_words() -> None:
    assert good(DEFAULT.replace("default_country: BE", "default_country: NO")).default_country == "NO"


def test_protected_names_of_file_and_configuration_are_joined() -> None:
    names = load(protected_names=["Klantsegment"]).protected_names
    assert names[0] == "Klantsegment" and "Eerste bron" in names


def test_a_pipeline_table() -> None:
    table = """pipelines:
  mode: mapped
  table:
    - pipeline: Sales
      hubspot_pipeline: default
      won: closedwon
      lost: closedlost
      phases:
        New: appointmentscheduled
        Proposal: contractsent
"""
    rules = good(DEFAULT[: DEFAULT.index("pipelines:\n  mode: provision")] + table).pipelines
    assert rules.mode == "mapped"
    (row,) = rules.table
    assert row == PipelineMap("Sales", "default", row.phases, "closedwon", "closedlost", row.line)
    assert [(p.phase, p.stage) for p in row.phases] == [("New", "appointmentscheduled"), ("Proposal", "contractsent")]
    assert isinstance(row.phases[0], PhaseMap) and row.phases[1].line == row.phases[0].line + 1


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_a_mistake_names_file_line_column_row_and_the_way_out(tmp_path: Path) -> None:
    text = DEFAULT.replace("source: first_name,", "source: frist_name,")
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        load(path)
    line = line_of(text, "frist_name")
    column = text.splitlines()[line - 1].index("frist_name") + 1
    error = raised.value
    assert error.what == "Unknown source 'frist_name'"
    assert error.where == f"{path}, line {line}, column {column}, contacts, row 3"
    assert error.mend.startswith("Did you mean 'first_name'?")
    assert error.exit_code == ExitCode.USAGE


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = DEFAULT.replace("source: first_name,", "source: frist_name,").replace(
        "property: dealname}", "property: Deal}"
    )
    with pytest.raises(ConfigurationError) as raised:
        load(written(tmp_path, text))
    assert "frist_name" in raised.value.sentence and "'Deal' is no internal name" in raised.value.sentence


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{source: first_name, property: x, transform: uper}", "Unknown transform 'uper'"),
        ("{source: first_name, property: x, policy: never}", "Unknown policy 'never'"),
        ("{source: first_name, property: x, polcy: always}", "Unknown key 'polcy' in a row"),
        ("{source: first_name}", "A row needs `source` and `property`"),
        ("first_name", "a row must be a list of `name: value`"),
        ("{source: first_name, property: First Name}", "'First Name' is no internal name of a HubSpot property"),
        ("{source: gender, property: firstname}", "The property 'firstname' is mapped twice (first in line "),
        ("{source: gender, property: hs_analytics_source}", "The property 'hs_analytics_source' is protected"),
        ("{source: gender, property: eerste_bron}", "The property 'eerste_bron' is protected and never written"),
        ("{source: gender, property: hs_additional_emails}", "'hs_additional_emails' cannot be mapped: "),
        ("{source: gender, property: hs_marketable_status}", "'hs_marketable_status' cannot be mapped: "),
        ("{source: gender, property: x, transform: owner}", "The transform 'owner' works only on 'responsible_user'"),
        ("{source: gender, property: x, when_writable: maybe}", "'when_writable' must be true or false"),
        ("{source: title, property: x}", "Unknown source 'title'"),
        ("{source: 'telephones[pager]', property: x}", "Unknown source 'telephones[pager]'"),
        ("{source: [a], property: x}", "'source' must be a single value"),
        ("{source: gender, property: x, create: {type: text, label: X}}", "Unknown type 'text'"),
        ("{source: gender, property: x, create: {type: string}}", "A property to create needs a label"),
        ("{source: gender, property: x, create: {label: Laatste bron}}", "The label 'Laatste bron' is protected"),
        ("{source: gender, property: hs_x, create: {label: X}}", "Names that begin with hs_ are HubSpot's own"),
        ("{source: gender, property: x, create: {label: X, type: enumeration}}", "An enumeration needs options"),
        ("{source: gender, property: x, create: {label: X, type: number}}", "The transform 'text' yields string, not"),
        (
            "{source: gender, property: x, create: {label: X, field_type: date}}",
            "A property of type string cannot have",
        ),
        ("{source: gender, property: x, create: {label: X, lable: Y}}", "Unknown key 'lable' in create"),
    ],
)
def test_mistakes_in_a_row(row: str, what: str) -> None:
    found = mistakes(with_contact_row(f"  - {row}"))
    assert found and found[0].startswith(what), found


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("  - {source: first_name, property: firstname}\n", "", None),
        ("  - {source: title, property: dealname}\n", "", "The required row 'title' → 'dealname' is missing"),
        (
            "source: title, property: dealname",
            "source: reference, property: dealname",
            "The property 'dealname' must come",
        ),
        ("label: Teamleader id, unique: true", "label: Teamleader id", "The row 'teamleader_id' must create a unique"),
        ("transform: stage}", "transform: stage, policy: on_create}", "'pipeline' and 'dealstage' must have the same"),
        (
            "property: teamleader_marketing\n",
            "property: teamleader_marketing\n    policy: if_empty\n",
            "The row 'teaml",
        ),
        ("deals:\n", "deal:\n", "Unknown key 'deal' in the mapping file"),
        ("default_country: BE", "default_country: Belgium", "'default_country' must be a country code"),
        ("mode: provision\n  won", "mode: provide\n  won", "Unknown mode 'provide'"),
        ("mode: provision\n  won", "mode: mapped\n  won", "`mode: mapped` needs a table"),
        ("lost_label: Lost", "lost_label: won", "'won_label' and 'lost_label' must differ"),
        ("lost_label: Lost", "lost_label: Lost\n  table: []", "A table is not used with `mode: provision`"),
        ("default_country: BE", "default_country: BE\ndefault_country: NL", "'default_country' stands here twice"),
    ],
)
def test_mistakes_in_the_file(old: str, new: str, what: str | None) -> None:
    assert old in DEFAULT
    found = mistakes(DEFAULT.replace(old, new))
    assert (not found) if what is None else any(f.startswith(what) for f in found), found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("contacts: [", "The mapping file is not good YAML"),
        ("contacts:\n\t- a", "The mapping file is not good YAML"),
        ("", "The mapping file is empty"),
        ("- a\n- b", "the mapping file must be a list of `name: value`"),
        ("\x00", "The mapping file is not good YAML"),
    ],
)
def test_files_that_are_no_mapping(text: str, what: str) -> None:
    assert mistakes(text)[0].startswith(what)


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"m\.yaml, line 3, column"):
        load(written(tmp_path, "property_group: {name: a}\n\ncontacts: ]\n"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load(binary)
