"""Search: filters, sorts, paging and limits of `POST …/search`, on an index that may lag behind the records."""

from __future__ import annotations

import heapq
import operator as operator_module
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tl_hubspot.sandbox.hubspot.addresses import addresses_of
from tl_hubspot.sandbox.hubspot.errors import validation_error
from tl_hubspot.sandbox.hubspot.http import Call, Reply, route
from tl_hubspot.sandbox.hubspot.object_types import ObjectType, object_type
from tl_hubspot.sandbox.hubspot.properties import Definition
from tl_hubspot.sandbox.hubspot.scopes import object_read
from tl_hubspot.sandbox.hubspot.store import Record
from tl_hubspot.sandbox.hubspot.times import parse_instant, to_iso

if TYPE_CHECKING:
    from tl_hubspot.sandbox.hubspot.portal import Portal

PAGE_LIMIT, TOTAL_LIMIT, BODY_LIMIT = 200, 10_000, 3_000
GROUP_LIMIT, FILTERS_PER_GROUP, FILTER_LIMIT = 5, 6, 18

Operator = Literal[
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
    "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
]  # fmt: skip
Comparable = float | str
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "LT": operator_module.lt,
    "LTE": operator_module.le,
    "GT": operator_module.gt,
    "GTE": operator_module.ge,
}
Test = Callable[[dict[str, str]], bool]

_QUERY_PROPERTIES = {
    "contacts": ("firstname", "lastname", "email", "phone", "hs_additional_emails", "mobilephone", "company"),
    "companies": ("name", "domain", "website", "phone"),
    "deals": ("dealname", "pipeline", "dealstage", "description", "dealtype"),
    "products": ("name", "description", "price", "hs_sku"),
    "users": ("hs_given_name", "hs_family_name", "hs_email"),
}


class Filter(msgspec.Struct):
    propertyName: str
    operator: Operator
    value: str | int | float | bool | None = None
    highValue: str | int | float | None = None
    values: list[str | int | float] | None = None


class FilterGroup(msgspec.Struct):
    filters: list[Filter]


class Sort(msgspec.Struct):
    propertyName: str
    direction: Literal["ASCENDING", "DESCENDING"] = "ASCENDING"


class SearchBody(msgspec.Struct):
    filterGroups: list[FilterGroup] = []
    query: str | None = None
    sorts: list[Sort | str] | None = None
    properties: list[str] | None = None
    limit: int | None = None
    after: str | int | None = None


def _check_limits(call: Call, body: SearchBody) -> tuple[int, int]:
    """(limit, offset); ApiError 400 for what HubSpot refuses."""
    if len(call.content.decode()) > BODY_LIMIT:
        raise validation_error(f"The request body is longer than {BODY_LIMIT} characters.")
    if len(body.filterGroups) > GROUP_LIMIT:
        raise validation_error(f"There can be at most {GROUP_LIMIT} filter groups.")
    if any(len(group.filters) > FILTERS_PER_GROUP for group in body.filterGroups):
        raise validation_error(f"There can be at most {FILTERS_PER_GROUP} filters in a group.")
    if sum(len(group.filters) for group in body.filterGroups) > FILTER_LIMIT:
        raise validation_error(f"There can be at most {FILTER_LIMIT} filters.")
    if body.sorts is not None and len(body.sorts) > 1:
        raise validation_error("Only one sort is supported.")
    limit = 10 if body.limit is None else body.limit
    if not 0 <= limit <= PAGE_LIMIT:
        raise validation_error(f"The limit must be between 0 and {PAGE_LIMIT}.")
    text = str(body.after or "0")
    if not text.isdigit():
        raise validation_error(f"Invalid paging cursor: {text}")
    if int(text) + limit > TOTAL_LIMIT:
        raise validation_error(f"Search results are limited to {TOTAL_LIMIT} in total.", code="PAGING_LIMIT")
    return limit, int(text)


def _wanted(definition: Definition, text: str) -> Comparable:
    """A filter's value in the form in which stored ones compare."""
    try:
        if definition.type in ("date", "datetime"):
            iso = to_iso(parse_instant(text))
            return iso if definition.type == "datetime" else iso[:10]
        return _comparable(definition, text)
    except (ValueError, OverflowError):
        raise validation_error(f"{text} is not a valid value for {definition.name}.") from None


def _comparable(definition: Definition, text: str) -> Comparable:
    """A stored value in the order of its type: numbers as such, dates as the ISO text they are, text in lower case."""
    if definition.type == "number":
        return float(text)
    return text if definition.type in ("date", "datetime") else text.lower()


def _stored(definition: Definition, values: dict[str, str]) -> Comparable | None:
    text = values.get(definition.name)
    return None if text is None else _comparable(definition, text)


def _tokens(text: str) -> list[str]:
    return [token for token in re.split(r"[^\w*]+", text.lower()) if token]


def _contains(text: str, wanted: str) -> bool:
    patterns = [re.compile(re.escape(token).replace(r"\*", ".*") + r"\Z") for token in _tokens(wanted)]
    tokens = _tokens(text)
    return all(any(pattern.match(token) for token in tokens) for pattern in patterns)


def _test(definition: Definition, wanted: Filter) -> Test:
    """One filter as a test of a record's properties."""
    name, operator = definition.name, wanted.operator
    if operator == "HAS_PROPERTY":
        return lambda values: name in values
    if operator == "NOT_HAS_PROPERTY":
        return lambda values: name not in values
    if operator in ("IN", "NOT_IN"):
        if not wanted.values:
            raise validation_error(f"Operator {operator} needs values.")
        # Text in a list is compared as it stands with lower-case stored text: HubSpot asks for lower case there.
        given = {str(value) for value in wanted.values}
        if definition.type in ("number", "date", "datetime"):
            listed: set[Comparable] = {_wanted(definition, value) for value in given}
        else:
            listed = set(given)
        inside = operator == "IN"
        return lambda values: bool(_found(definition, values) & listed) == inside
    if wanted.value is None:
        raise validation_error(f"Operator {operator} needs a value.")
    text = str(wanted.value).lower() if isinstance(wanted.value, bool) else str(wanted.value)
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        has = operator == "CONTAINS_TOKEN"
        return lambda values: _contains(" ".join(_texts(definition, values)), text) == has
    value = _wanted(definition, text)
    if operator in ("EQ", "NEQ"):
        same = operator == "EQ"
        return lambda values: (value in _found(definition, values)) == same
    if operator == "BETWEEN":
        if wanted.highValue is None:
            raise validation_error("Operator BETWEEN needs a highValue.")
        high = _wanted(definition, str(wanted.highValue))
        low_test, high_test = _ordered(definition, "GTE", value), _ordered(definition, "LTE", high)
        return lambda values: low_test(values) and high_test(values)
    return _ordered(definition, operator, value)


def _ordered(definition: Definition, operator: str, value: Comparable) -> Test:
    compare = _COMPARISONS[operator]

    def test(values: dict[str, str]) -> bool:
        stored = _stored(definition, values)
        return stored is not None and bool(compare(stored, value))

    return test


def _texts(definition: Definition, values: dict[str, str]) -> list[str]:
    if definition.name == "email":
        return addresses_of(values)
    return [values[definition.name]] if definition.name in values else []


def _found(definition: Definition, values: dict[str, str]) -> set[Comparable]:
    """What a record can equal: its value, each checkbox, for `email` its secondary addresses as well."""
    texts = _texts(definition, values)
    if definition.fieldType == "checkbox":
        texts = [part for text in texts for part in text.split(";")] + texts
    return {_comparable(definition, text) for text in texts}


def _predicate(portal: Portal, kind: ObjectType, body: SearchBody) -> Test:
    groups: list[list[Test]] = []
    for group in body.filterGroups:
        tests = []
        for wanted in group.filters:
            definition = portal.properties.find(kind, wanted.propertyName)
            if definition is None:
                raise validation_error(f'Property "{wanted.propertyName}" does not exist', code="PROPERTY_DOESNT_EXIST")
            tests.append(_test(definition, wanted))
        groups.append(tests)
    query, searched = (body.query or "").strip(), _QUERY_PROPERTIES[kind.name]

    def matches(values: dict[str, str]) -> bool:
        text = " ".join(values.get(name, "") for name in searched).lower() if query else ""
        if query.lower() not in text and not _contains(text, " ".join(f"{token}*" for token in _tokens(query))):
            return False
        return not groups or any(all(test(values) for test in tests) for tests in groups)

    return matches


def _updated_bounds(kind: ObjectType, body: SearchBody) -> tuple[int | None, int | None]:
    """Limits on the modified date that every group implies, so that the store can skip the other records."""
    lows: list[int | None] = []
    highs: list[int | None] = []
    for group in body.filterGroups:
        low = high = None
        for wanted in group.filters:
            if wanted.propertyName == kind.modified and wanted.value is not None:
                if wanted.operator in ("GT", "GTE", "BETWEEN"):
                    low = parse_instant(str(wanted.value))
                if wanted.operator in ("LT", "LTE"):
                    high = parse_instant(str(wanted.value))
        lows.append(low)
        highs.append(high)
    low_bounds = [low for low in lows if low is not None]
    high_bounds = [high for high in highs if high is not None]
    return (
        min(low_bounds) if low_bounds and len(low_bounds) == len(lows) else None,
        max(high_bounds) if high_bounds and len(high_bounds) == len(highs) else None,
    )


def _indexed(portal: Portal, kind: ObjectType, body: SearchBody) -> Iterator[tuple[Record, dict[str, str]]]:
    """Live records with their properties as the index has them."""
    lag = portal.switches.search_lag_seconds
    if not lag:
        low, high = _updated_bounds(kind, body)
        for record in portal.store.scan(kind, updated_from=low, updated_to=high):
            yield record, record.properties
        return
    seen_until = portal.now_ms() - int(lag * 1000)
    for record in portal.store.scan(kind):
        if record.created_at > seen_until:
            continue
        if record.updated_at <= seen_until:
            yield record, record.properties
        else:
            values = portal.records.as_of(kind, record, seen_until)
            values[kind.modified] = to_iso(record.created_at)
            yield record, values


@route("POST", "/crm/v3/objects/{object_type}/search", object_read)
def _search(call: Call) -> Reply:
    kind, portal = object_type(call.params["object_type"]), call.portal
    body = call.json(SearchBody)
    limit, offset = _check_limits(call, body)
    matches = _predicate(portal, kind, body)
    found = ((record, values) for record, values in _indexed(portal, kind, body) if matches(values))
    total = 0

    def counted() -> Iterator[tuple[Record, dict[str, str]]]:
        nonlocal total
        for item in found:
            total += 1
            yield item

    page = _page(portal, kind, body, counted(), offset, limit)
    names = portal.records.selection(kind, body.properties or [])
    results = []
    for record, values in page:
        record.properties = values
        results.append(portal.records.shown(kind, record, names))
    answer: dict[str, Any] = {"total": total, "results": results}
    if offset + len(page) < total and page:
        answer["paging"] = {"next": {"after": str(offset + len(page))}}
    return Reply(200, answer)


def _page(
    portal: Portal,
    kind: ObjectType,
    body: SearchBody,
    found: Iterator[tuple[Record, dict[str, str]]],
    offset: int,
    limit: int,
) -> list[tuple[Record, dict[str, str]]]:
    """The page in its order; consumes `found` to the end. Ties, and searches without a sort, go by record id."""
    if not body.sorts:
        page = []
        for position, item in enumerate(found):
            if offset <= position < offset + limit:
                page.append(item)
        return page
    sort = _sort(body.sorts[0])
    definition = portal.properties.find(kind, sort.propertyName)
    if definition is None:
        raise validation_error(f'Property "{sort.propertyName}" does not exist', code="PROPERTY_DOESNT_EXIST")

    def key(item: tuple[Record, dict[str, str]]) -> tuple[bool, Comparable]:
        value = _stored(definition, item[1])
        if value is None:
            return True, ""
        return False, value

    if sort.direction == "ASCENDING":
        return heapq.nsmallest(offset + limit, found, key=lambda item: (*key(item), item[0].id))[offset:]
    missing: list[tuple[Record, dict[str, str]]] = []

    def present() -> Iterator[tuple[Record, dict[str, str]]]:
        for item in found:
            if definition.name in item[1]:
                yield item
            elif len(missing) < offset + limit:
                missing.append(item)

    top = heapq.nlargest(offset + limit, present(), key=lambda item: (key(item)[1], -item[0].id))
    return (top + missing)[offset : offset + limit]


def _sort(given: Sort | str) -> Sort:
    if isinstance(given, Sort):
        return given
    if given.startswith("-"):
        return Sort(given[1:], "DESCENDING")
    return Sort(given)
