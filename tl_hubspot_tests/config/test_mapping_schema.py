"""The JSON schema for editors accepts what the loader accepts, and refuses the mistakes that a schema can know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tl_hubspot.config import mapping_schema
from tl_hubspot.config.mapping import parse
from tl_hubspot.planning.sources import SOURCES, source_names
from tl_hubspot.planning.transforms import TRANSFORMS
from tl_hubspot_tests.config.test_mapping import DEFAULT

VALIDATOR = jsonschema.Draft202012Validator(mapping_schema.schema())
PAGE = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text(encoding="utf-8")


def both(data: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the loader and the schema take it."""
    mapping, _ = parse(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), "m.yaml")
    return mapping is not None, VALIDATOR.is_valid(data)


def test_the_schema_is_one_and_takes_the_default_file() -> None:
    jsonschema.Draft202012Validator.check_schema(mapping_schema.schema())
    assert both(yaml.safe_load(DEFAULT)) == (True, True)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_and_transform_is_taken_and_stands_on_the_page(kind: str) -> None:
    section = {"contact": "contacts", "company": "companies", "deal": "deals"}[kind]
    data = yaml.safe_load(DEFAULT)
    for number, name in enumerate(source_names(kind)):
        data[section].append({"source": name, "property": f"one_more_{number}"})
        assert f"`{name}`" in PAGE
    assert both(data) == (True, True)
    for source in SOURCES[kind].values():
        assert f"| `{source.name}` | {source.meaning} |" in PAGE
    for transform in TRANSFORMS.values():
        assert f"| `{transform.name}` | {transform.type} | {transform.meaning}" in PAGE


def row(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["contacts"].append({"source": "gender", "property": "gender", **values})


@pytest.mark.parametrize(
    "spoil",
    [
        row(source="gendre"),
        row(source="custom_fields[]"),
        row(property="No Name"),
        row(property="hs_marketable_status"),
        row(transform="upper"),
        row(policy="sometimes"),
        row(polcy="always"),
        row(when_writable="perhaps"),
        row(create={"type": "string"}),
        row(create={"type": "text", "label": "Gender"}),
        row(create={"type": "string", "field_type": "number", "label": "Gender"}),
        lambda data: data.pop("deals"),
        lambda data: data.update(default_country="Belgium"),
        lambda data: data.update(pipelines={"mode": "mapt"}),
        lambda data: data.update(pipelines={"mode": "mapped", "table": [{"pipeline": "Sales"}]}),
        lambda data: data.update(contact=[]),
    ],
)
def test_both_refuse(spoil: Callable[[dict[str, Any]], None]) -> None:
    data = yaml.safe_load(DEFAULT)
    spoil(data)
    assert both(data) == (False, False)
