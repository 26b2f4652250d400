"""Checks requests and answers against HubSpot's OpenAPI documents (copied to `tl_hubspot_tests/specs/hubspot`).

Holds the few places where live answers are known to differ from the documents; knows nothing of the sandbox.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

SPECS = Path(__file__).parents[2] / "specs" / "hubspot"


class Mismatch(AssertionError):
    pass


@cache
def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SPECS / f"{name}.json").read_text())
    for title, schema in document["components"]["schemas"].items():
        _as_live(title, schema)
    return document


def _as_live(title: str, schema: dict[str, Any]) -> None:
    """Make answers strict (no unknown members) and take in what live answers are recorded to do differently."""
    properties = schema.get("properties", {})
    if schema.get("type") == "object" and properties and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
    if title.startswith("SimplePublic") and "properties" in properties:
        # A defined property without a value is null.
        properties["properties"]["additionalProperties"] = {"type": ["string", "null"]}
    if title == "AssociationSpecWithLabel":
        properties["label"]["type"] = ["string", "null"]
    for name in ("toObjectId", "fromObjectId"):
        if title in ("MultiAssociatedObjectWithLabel", "LabelsBetweenObjectPair") and name in properties:
            properties[name]["type"] = ["string", "integer"]
    if title == "StandardError":
        properties["subCategory"] = {"type": ["string", "object"]}
    if title == "Error":
        # The rate-limit members are recorded from live answers.
        for name in ("status", "policyName", "groupName", "errorType"):
            properties[name] = {"type": "string"}
    if title.startswith("SimplePublicObject") and "ForCreate" in title:
        schema["required"] = [name for name in schema["required"] if name != "associations"]
    if title.startswith("BatchReadInput"):
        schema["required"] = ["inputs"]
    if title == "PublicObjectSearchRequest":
        schema["required"] = []


@cache
def operations() -> dict[tuple[str, str], tuple[str, re.Pattern[str]]]:
    """(method, path template) → (document, pattern of the path)."""
    found = {}
    for file in sorted(SPECS.glob("*.json")):
        for template, methods in _document(file.stem)["paths"].items():
            pattern = re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template) + r"/?\Z")
            for method in methods:
                if method != "parameters":
                    found[method.upper(), template] = (file.stem, pattern)
    return found


def operation(method: str, path: str) -> tuple[str, str, str] | None:
    """(document, method, template) of a raw path; literal templates before those with parameters."""
    fits = [
        (template.count("{"), document, template)
        for (other, template), (document, pattern) in operations().items()
        if other == method and pattern.match(path)
    ]
    if not fits:
        return None
    _, document, template = min(fits)
    return document, method, template


def _check(document: str, schema: dict[str, Any], instance: Any, what: str) -> None:
    root = {**schema, "components": _document(document)["components"]}
    validator = Draft202012Validator(root, format_checker=FormatChecker())
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]
    if problems:
        raise Mismatch(f"{what}: " + "; ".join(problems[:5]))


def check_request(method: str, path: str, body: Any) -> None:
    found = operation(method, path)
    assert found is not None, f"{method} {path} is not in the documents"
    document, _, template = found
    described = _document(document)["paths"][template][method.lower()].get("requestBody", {}).get("content", {})
    if "application/json" in described:
        _check(document, described["application/json"]["schema"], body, f"request {method} {path}")


def check_response(method: str, path: str, status: int, body: Any) -> None:
    """`body` None: no body. Error statuses are checked against the document's Error."""
    found = operation(method, path)
    assert found is not None, f"{method} {path} is not in the documents"
    document, _, template = found
    responses = _document(document)["paths"][template][method.lower()]["responses"]
    what = f"answer {status} of {method} {path}"
    if status >= 400:
        error = _document(document)["components"]["schemas"].get("Error")
        if error is not None:
            _check(document, error, body, what)
        return
    if str(status) not in responses:
        raise Mismatch(f"{what}: the documents know only {sorted(responses)}")
    content = responses[str(status)].get("content", {})
    if not content:
        if body is not None:
            raise Mismatch(f"{what}: there should be no body")
        return
    (media,) = list(content.values())[:1]
    _check(document, media["schema"], body, what)
