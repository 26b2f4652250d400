"""The Teamleader endpoints that the sync reads, as data, and the check of a request against them.

Teamleader answers 200 to filters, sorts and includes that it does not know and ignores them, so a typo would return
the unfiltered list: a request that this table does not allow never leaves. Sending lives in `client`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

PAGE_SIZE = 100
"""Rows per page: the largest that Teamleader documents."""

Body = Mapping[str, Any]
Check = Callable[[Any], bool]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_COUNTRY = re.compile(r"[A-Z]{2}")


def timestamp(instant: datetime) -> str:
    """`2026-01-31T09:30:00+00:00`: the only form of date and time that Teamleader is sure to accept."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")


def _timestamp(value: Any) -> bool:
    return isinstance(value, str) and _TIMESTAMP.fullmatch(value) is not None


def is_id(value: Any) -> bool:
    """Whether a value can be an id of Teamleader."""
    # Ids of legacy records are no RFC 4122 UUIDs, only shaped like them.
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _id_or_null(value: Any) -> bool:
    return value is None or is_id(value)


def _ids(value: Any) -> bool:
    return isinstance(value, list) and 0 < len(value) <= PAGE_SIZE and all(map(is_id, value))


def _country(value: Any) -> bool:
    return isinstance(value, str) and _COUNTRY.fullmatch(value) is not None


def _one_of(*allowed: str) -> Check:
    return lambda value: value in allowed


def _some_of(*allowed: str) -> Check:
    return lambda value: isinstance(value, list) and bool(value) and all(v in allowed for v in value)


@dataclass(frozen=True)
class Endpoint:
    """What one endpoint documents, as far as the sync uses it; `scope` is what the integration must be granted."""

    scope: str
    filters: Mapping[str, Check] = field(default_factory=dict)
    sorts: frozenset[str] = frozenset()
    includes: frozenset[str] = frozenset()
    keys: Mapping[str, Check] = field(default_factory=dict)
    """Keys of the body other than filter, page, sort and includes."""
    paged: bool = False


_ACTIVE_OR_NOT = ("active", "deactivated")

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        "contacts.list": Endpoint(
            "contacts",
            filters={
                "ids": _ids,
                "company_id": _id_or_null,
                "updated_since": _timestamp,
                "status": _one_of(*_ACTIVE_OR_NOT),
            },
            sorts=frozenset({"added_at", "name", "updated_at"}),
            includes=frozenset({"custom_fields"}),
            paged=True,
        ),
        "contacts.info": Endpoint("contacts", keys={"id": is_id}),
        "companies.list": Endpoint(
            "companies",
            filters={"ids": _ids, "updated_since": _timestamp, "status": _one_of(*_ACTIVE_OR_NOT)},
            sorts=frozenset({"added_at", "name", "updated_at"}),
            includes=frozenset({"custom_fields"}),
            paged=True,
        ),
        "companies.info": Endpoint(
            "companies", keys={"id": is_id}, includes=frozenset({"related_companies", "related_contacts"})
        ),
        "deals.list": Endpoint(
            "deals",
            filters={
                "ids": _ids,
                "updated_since": _timestamp,
                "created_before": _timestamp,
                "status": _some_of("open", "won", "lost"),
            },
            sorts=frozenset({"created_at", "weighted_value"}),
            includes=frozenset({"custom_fields", "second_responsible_user"}),
            paged=True,
        ),
        "deals.info": Endpoint("deals", keys={"id": is_id}, includes=frozenset({"second_responsible_user"})),
        "dealPipelines.list": Endpoint(
            "deals", filters={"ids": _ids, "status": _some_of("open", "pending_deletion")}, paged=True
        ),
        "dealPhases.list": Endpoint("deals", filters={"ids": _ids, "deal_pipeline_id": is_id}, paged=True),
        "dealSources.list": Endpoint("deals", filters={"ids": _ids}, paged=True),
        "lostReasons.list": Endpoint("deals", filters={"ids": _ids}, sorts=frozenset({"name"}), paged=True),
        "users.list": Endpoint(
            "users",
            filters={"ids": _ids, "status": _some_of(*_ACTIVE_OR_NOT)},
            sorts=frozenset({"first_name", "last_name", "email", "function"}),
            paged=True,
        ),
        "users.me": Endpoint("users"),
        "departments.list": Endpoint(
            "departments",
            filters={"ids": _ids, "status": _some_of("active", "archived")},
            sorts=frozenset({"default_department", "name", "created_at"}),
        ),
        "businessTypes.list": Endpoint("companies", keys={"country": _country}),
        "customFieldDefinitions.list": Endpoint(
            "contacts",
            filters={"ids": _ids},
            sorts=frozenset({"label", "context"}),
            paged=True,
        ),
    }
)


def check_request(endpoint: str, body: Body) -> Endpoint:
    """The endpoint's row of the table; ValueError (a mistake in this program) when the request is not allowed by it."""
    row = ENDPOINTS.get(endpoint)
    if row is None:
        raise ValueError(f"unknown Teamleader endpoint {endpoint!r}")
    if problems := _problems(row, body):
        raise ValueError(f"{endpoint}: {'; '.join(problems)}")
    return row


def _problems(row: Endpoint, body: Body) -> list[str]:
    problems = []
    for key, value in body.items():
        match key:
            case "filter":
                for name, wanted in value.items():
                    if name not in row.filters:
                        problems.append(f"unknown filter {name!r}")
                    elif not row.filters[name](wanted):
                        problems.append(f"malformed value of filter {name!r}")
            case "sort":
                for item in value:
                    if set(item) != {"field", "order"} or item["order"] not in ("asc", "desc"):
                        problems.append("malformed sort")
                    elif item["field"] not in row.sorts:
                        problems.append(f"unknown sort {item['field']!r}")
            case "includes":
                if not isinstance(value, str):
                    problems.append("includes is one comma-separated string")
                else:
                    problems += [f"unknown include {i!r}" for i in value.split(",") if i not in row.includes]
            case "page":
                if not row.paged:
                    problems.append("has no pages")
                elif set(value) != {"size", "number"} or not 1 <= value["size"] <= PAGE_SIZE or value["number"] < 1:
                    problems.append("malformed page")
            case _:
                if key not in row.keys:
                    problems.append(f"unknown key {key!r}")
                elif not row.keys[key](value):
                    problems.append(f"malformed value of {key!r}")
    # Every own key that an endpoint has is required, but for the country of the business types.
    problems += [f"{key!r} is missing" for key in row.keys if key not in body and key != "country"]
    return problems
