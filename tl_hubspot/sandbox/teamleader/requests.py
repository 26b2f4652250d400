"""Reads a request: JSON body or the old GET form, checked against the request schemas of the OpenAPI document.

What a valid request means is up to `lists`, `reference`, `writes` and `webhooks`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from tl_hubspot import decoding
from tl_hubspot.sandbox.teamleader import times
from tl_hubspot.sandbox.teamleader.errors import ApiError, bad
from tl_hubspot.sandbox.teamleader.ids import is_uuid
from tl_hubspot.sandbox.teamleader.switches import Switches

Schema = dict[str, Any]

SCHEMAS: dict[str, Schema] = decoding.decode(
    resources.files("tl_hubspot.sandbox.teamleader").joinpath("requests.json").read_bytes()
)
"""Endpoint → JSON schema of its request body. `format` was added for ids, dates and datetimes."""

INCLUDES = {
    "contacts.list": {"custom_fields"},
    "companies.list": {"custom_fields"},
    "companies.info": {"related_companies", "related_contacts"},
    "deals.list": {"custom_fields", "second_responsible_user"},
    "deals.info": {"second_responsible_user"},
    "users.info": {"external_rate"},
    "dealPipelines.list": {"pagination"},
}
_PAGINATION_SWITCHABLE = {"companies.list", "deals.list"}
_SIDELOADING = {"contacts.list", "contacts.info", "companies.list", "companies.info", "deals.list", "deals.info"}
_MUST_NOT_BE_EMPTY = {"companies.add": ("name", "Company name"), "contacts.add": ("last_name", "last_name")}


@dataclass
class Call:
    """One checked request. `body` holds documented keys only; `version` is the API version in force."""

    endpoint: str
    body: dict[str, Any]
    version: str
    includes: set[str] = field(default_factory=set)
    sideload: list[str] = field(default_factory=list)

    @property
    def filter(self) -> dict[str, Any]:
        return self.body.get("filter") or {}

    def page(self, switches: Switches) -> tuple[int, int]:
        """`(size, number)`; 400 when one is out of range."""
        page = self.body.get("page") or {}
        size, number = page.get("size", 20), page.get("number", 1)
        errors = [
            (f"page.{name} must be valid", f"page.{name}")
            for name, value in (("size", size), ("number", number))
            if value != int(value) or value < 1
        ]
        if size > 100 and switches.page_size_over_100 == "reject":
            errors.append(("page.size must be valid", "page.size"))
        if errors:
            raise ApiError(400, *errors)
        return min(int(size), 100), int(number)


def read(endpoint: str, method: str, raw: bytes, query: str, version: str, switches: Switches) -> Call:
    """Check a request. ApiError 400 with one entry per mistake."""
    given = _from_query(query) if method == "GET" else _from_json(raw)
    errors: list[tuple[str, str | None]] = []
    checker = _Checker(switches, coerce=method == "GET", errors=errors)
    sideload = given.pop("include", None) if switches.sideloading and endpoint in _SIDELOADING else None
    null_company = _take_null_company(endpoint, given, switches)
    body = checker.check(SCHEMAS[endpoint], given, "")
    if errors:
        raise ApiError(400, *errors)
    if null_company:
        body["filter"]["company_id"] = None
    if (name := _MUST_NOT_BE_EMPTY.get(endpoint)) and not body[name[0]].strip():
        raise bad(f"{name[1]} must not be empty", name[0])
    maximum = switches.max_filter_ids
    if maximum is not None and len((body.get("filter") or {}).get("ids") or []) > maximum:
        raise bad("filter.ids must be valid", "filter.ids")
    call = Call(endpoint, body, version)
    call.includes = _includes(endpoint, body.get("includes") or "", switches)
    call.sideload = [path.strip() for path in sideload.split(",")] if isinstance(sideload, str) else []
    return call


def _from_json(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        given = decoding.decode(raw)
    except msgspec.DecodeError as error:
        raise bad("The request body is not valid JSON") from error
    if given == []:
        return {}
    if not isinstance(given, dict):
        raise bad("The request body must be an object")
    return given


def _from_query(query: str) -> dict[str, Any]:
    """`filter[ids][]=a&page[size]=5` → nested objects; a list is an object keyed by position at first."""
    given: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        path = [key.split("[", 1)[0], *re.findall(r"\[([^\]]*)\]", key)]
        node = given
        for name in path[:-1]:
            child = node.setdefault(name or str(len(node)), {})
            if not isinstance(child, dict):
                raise bad(f"{key} must be valid", key)
            node = child
        node[path[-1] or str(len(node))] = value
    return given


def _take_null_company(endpoint: str, given: dict[str, Any], switches: Switches) -> bool:
    """Whether `filter.company_id: null` shall filter. The key is taken away unless it is to be refused."""
    conditions = given.get("filter")
    if endpoint != "contacts.list" or not isinstance(conditions, dict):
        return False
    if "company_id" not in conditions or conditions["company_id"] is not None:
        return False
    if switches.company_id_null == "rejected":
        raise bad("filter.company_id must be valid", "filter.company_id")
    given["filter"] = {name: value for name, value in conditions.items() if name != "company_id"}
    return switches.company_id_null == "unlinked"


def _includes(endpoint: str, text: str, switches: Switches) -> set[str]:
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    known = set(INCLUDES.get(endpoint, ()))
    if switches.meta_on_companies_and_deals and endpoint in _PAGINATION_SWITCHABLE:
        known.add("pagination")
    if switches.strict and wanted - known:
        raise ApiError(400, *((f"includes {name} is not allowed", "includes") for name in sorted(wanted - known)))
    return wanted & known


@dataclass
class _Checker:
    switches: Switches
    coerce: bool
    """Values come from a query string: numbers, booleans and lists are still text or objects."""
    errors: list[tuple[str, str | None]]

    def check(self, schema: Schema, value: Any, path: str) -> Any:
        """The value with documented keys only; mistakes are added to `errors`."""
        if value is None:
            return None if schema.get("nullable") else self._wrong(path)
        if "oneOf" in schema:
            return self._one_of(schema["oneOf"], value, path)
        if self.coerce:
            value = _coerced(schema.get("type"), value)
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, value, path)
        if kind == "array":
            return self._array(schema, value, path)
        if not _is_scalar(kind, value):
            return self._wrong(path)
        if "enum" in schema and value not in schema["enum"]:
            self.errors.append((f"{path} must be in `{{ {', '.join(schema['enum'])} }}`", path))
            return None
        return self._formatted(schema.get("format"), value, path)

    def _wrong(self, path: str) -> None:
        self.errors.append((f"{path} must be valid", path))

    def _formatted(self, form: str | None, value: Any, path: str) -> Any:
        match form:
            case "uuid" if not is_uuid(value):
                self.errors.append((f"{path} invalid uuid", path))
            case "date-time" if not times.accepted(value, reject_fraction_and_z=self.switches.reject_fraction_and_z):
                self._wrong(path)
            case "date" if not _is_date(value):
                self._wrong(path)
        return value

    def _object(self, schema: Schema, value: Any, path: str) -> Any:
        if value == []:
            value = {}
        if not isinstance(value, dict):
            return self._wrong(path)
        properties = schema.get("properties", {})
        dotted = f"{path}." if path else ""
        if self.switches.strict:
            self.errors += [
                (f"{dotted}{name} is not allowed", f"{dotted}{name}") for name in value if name not in properties
            ]
        self.errors += [
            (f"{dotted}{name} must be present", f"{dotted}{name}")
            for name in schema.get("required", ())
            if name not in value
        ]
        return {
            name: self.check(properties[name], entry, f"{dotted}{name}")
            for name, entry in value.items()
            if name in properties
        }

    def _array(self, schema: Schema, value: Any, path: str) -> Any:
        if not isinstance(value, list):
            return self._wrong(path)
        items = schema["items"]
        if path == "sort" and not self.switches.strict:
            value = [entry for entry in value if not _unknown_sort(items, entry)]
        return [self.check(items, entry, f"{path}.{index}") for index, entry in enumerate(value)]

    def _one_of(self, options: list[Schema], value: Any, path: str) -> Any:
        for option in options:
            attempt = _Checker(self.switches, self.coerce, [])
            result = attempt.check(option, value, path)
            if not attempt.errors:
                return result
        self.errors += [("oneOf rule failed", "oneOf"), (f"{path} must be valid", path)]
        return None


def _unknown_sort(items: Schema, entry: Any) -> bool:
    allowed = items["properties"]["field"].get("enum")
    name = entry.get("field") if isinstance(entry, dict) else None
    return allowed is not None and isinstance(name, str) and name not in allowed


def _coerced(kind: str | None, value: Any) -> Any:
    if kind == "number" and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    if kind == "boolean" and value in ("true", "1", "false", "0"):
        return value in ("true", "1")
    if kind == "array" and isinstance(value, dict):
        return list(value.values())
    return value


def _is_scalar(kind: str | None, value: Any) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool}.get(kind or "", object))


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
