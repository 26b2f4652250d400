"""Checks answers and requests against the trimmed OpenAPI document, plus the differences seen on the live system."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_SPECS = Path(__file__).parents[2] / "specs" / "teamleader"
ENDPOINTS: dict[str, dict[str, Any]] = json.loads((_SPECS / "openapi-focus.json").read_text())["endpoints"]
_OBSERVED = json.loads((_SPECS / "observed.json").read_text())
VECTORS = json.loads((_SPECS / "uuid-v0-vectors.json").read_text())["vectors"]


def _at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    for step in path.split("."):
        schema = schema["properties"][step.removesuffix("[]")]
        if step.endswith("[]"):
            schema = schema["items"]
    return schema


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 to JSON Schema: `nullable` becomes a type, and undocumented properties are refused."""
    out: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "properties":
            out[name] = {key: _strict(entry) for key, entry in value.items()}
            out["additionalProperties"] = False
        elif name == "items":
            out[name] = _strict(value)
        elif name == "oneOf":
            out["anyOf"] = [_strict(entry) for entry in value]
        elif name != "nullable":
            out[name] = value
    return {"anyOf": [out, {"type": "null"}]} if schema.get("nullable") else out


@cache
def response_validator(endpoint: str) -> Draft202012Validator:
    schema = copy.deepcopy(ENDPOINTS[endpoint]["response"])
    for path in _OBSERVED["nullable"].get(endpoint, []):
        _at(schema, path)["nullable"] = True
    for path, values in _OBSERVED["enum"].get(endpoint, {}).items():
        _at(schema, path)["enum"] += values
    return Draft202012Validator(_strict(schema))


@cache
def request_validator(endpoint: str) -> Draft202012Validator:
    return Draft202012Validator(_strict(ENDPOINTS[endpoint]["request"]))
