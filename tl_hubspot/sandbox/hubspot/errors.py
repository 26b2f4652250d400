"""HubSpot's error answers: one exception and a constructor per kind of refusal.

Texts and categories are HubSpot's; when they are raised is decided where the rule lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

OBJECT_NOT_FOUND = "OBJECT_NOT_FOUND"
VALIDATION_ERROR = "VALIDATION_ERROR"
CONFLICT = "CONFLICT"


class ApiError(Exception):
    """An error answer. `context` maps a word to a list of strings; `extra` are further members of the body."""

    def __init__(
        self,
        status: int,
        category: str,
        message: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        context: Mapping[str, list[str]] | None = None,
        sub_category: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.errors = errors or []
        self.context = dict(context or {})
        self.sub_category = sub_category
        self.extra = dict(extra or {})

    def body(self, correlation_id: str) -> dict[str, Any]:
        """The body of a whole answer."""
        body: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
            "category": self.category,
        }
        if self.errors:
            body["errors"] = self.errors
        if self.context:
            body["context"] = self.context
        if self.sub_category:
            body["subCategory"] = self.sub_category
        return body | self.extra

    def standard(self, **context: list[str]) -> dict[str, Any]:
        """A StandardError, as in `errors` of a 207."""
        body: dict[str, Any] = {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": self.context | context,
            "links": {},
            "errors": self.errors,
        }
        if self.sub_category:
            body["subCategory"] = self.sub_category
        return body


class InvalidProperty(msgspec.Struct, frozen=True):
    """One refused property value: HubSpot's code, its text, the property's name."""

    name: str
    code: str
    message: str


def invalid_properties(problems: Iterable[InvalidProperty], portal_id: int) -> ApiError:
    found = list(problems)
    listed = [
        {
            "isValid": False,
            "message": problem.message,
            "error": problem.code,
            "name": problem.name,
            "localizedErrorMessage": problem.message,
            "portalId": portal_id,
        }
        for problem in found
    ]
    errors = [
        {"message": problem.message, "code": problem.code, "context": {"propertyName": [problem.name]}}
        for problem in found
    ]
    text = msgspec.json.encode(listed).decode()
    return ApiError(400, VALIDATION_ERROR, f"Property values were not valid: {text}", errors=errors)


def validation_error(
    message: str, *, code: str | None = None, context: Mapping[str, list[str]] | None = None
) -> ApiError:
    errors = [{"message": message, "code": code, "context": dict(context or {})}] if code else None
    return ApiError(400, VALIDATION_ERROR, message, errors=errors, context=context)


def invalid_json(message: str) -> ApiError:
    return ApiError(400, VALIDATION_ERROR, f"Invalid input JSON on line 1, column 1: {message}")


def contact_exists(contact_id: int) -> ApiError:
    return ApiError(409, CONFLICT, f"Contact already exists. Existing ID: {contact_id}")


def coordinates(portal_id: int, legacy_type: str, name: str, value: str) -> str:
    return (
        f"PropertyValueCoordinates{{portalId={portal_id}, objectTypeId=ObjectTypeId{{legacyObjectType={legacy_type}}}, "
        f"propertyName={name}, value={value}}}"
    )


def value_taken(place: str, record_id: int | None, holder: int) -> ApiError:
    """A unique value that `holder` already has; `record_id` None when the record is being created."""
    target = f" on {record_id}" if record_id is not None else ""
    return ApiError(400, VALIDATION_ERROR, f"Cannot set {place}{target}. {holder} already has that value.")


def objects_not_found(legacy_type: str, ids: Iterable[str]) -> ApiError:
    message = f"Could not get some {legacy_type} objects, they may be deleted or not exist. Check that ids are valid."
    return ApiError(404, OBJECT_NOT_FOUND, message, context={"ids": list(ids)})


def not_found(message: str = "resource not found", sub_category: str | None = None) -> ApiError:
    return ApiError(404, OBJECT_NOT_FOUND, message, sub_category=sub_category)


def missing_scopes(scopes: Iterable[str]) -> ApiError:
    message = (
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes here."
    )
    detail = {
        "message": "One or more of the following scopes are required.",
        "context": {"requiredGranularScopes": list(scopes)},
    }
    return ApiError(403, "MISSING_SCOPES", message, errors=[detail])


def invalid_authentication() -> ApiError:
    message = "Authentication credentials not found. This API supports OAuth 2.0 authentication."
    return ApiError(401, "INVALID_AUTHENTICATION", message)


def rate_limited(policy: str, portal_id: int) -> ApiError:
    """`policy` is TEN_SECONDLY_ROLLING, SECONDLY or DAILY."""
    window = policy.lower().replace("_", "-")
    return ApiError(
        429,
        "RATE_LIMITS",
        f"You have reached your {policy.lower()} limit.",
        extra={
            "errorType": "RATE_LIMIT",
            "policyName": policy,
            "groupName": f"publicapi:private-apps-api-calls-{window}:{portal_id}",
        },
    )


_TEXTS = {
    401: (
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
    ),
    403: ("MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call."),
    404: (OBJECT_NOT_FOUND, "resource not found"),
    409: (CONFLICT, "The request conflicts with the current state of the object."),
    423: ("LOCKED", "The object is locked by another request."),
    477: ("MIGRATION_IN_PROGRESS", "This account is currently being moved between data centers."),
}
_FROM_THE_EDGE = {502: "Bad gateway", 504: "Gateway time-out", 521: "Web server is down", 523: "Origin is unreachable",
                  524: "A timeout occurred"}  # fmt: skip


def body_for_status(status: int, correlation_id: str, portal_id: int) -> dict[str, Any] | str:
    """HubSpot's usual body for a status; the statuses of the network edge come as HTML, as in production."""
    if status in _FROM_THE_EDGE:
        title = _FROM_THE_EDGE[status]
        return f"<!DOCTYPE html><html><head><title>{status}: {title}</title></head><body>{title}</body></html>"
    if status == 429:
        return rate_limited("TEN_SECONDLY_ROLLING", portal_id).body(correlation_id)
    fallback = (VALIDATION_ERROR, "Invalid input.") if status < 500 else ("INTERNAL_ERROR", "internal error")
    category, message = _TEXTS.get(status, fallback)
    return ApiError(status, category, message).body(correlation_id)
