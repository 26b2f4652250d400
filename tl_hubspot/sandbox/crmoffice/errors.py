"""Refusals of the API and their one body. Which request is wrong, and why, is decided by whoever raises `ApiError`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

CODES = {
    400: "invalid_request",
    401: "invalid_token",
    403: "insufficient_scope",
    404: "not_found",
    405: "method_not_allowed",
    409: "idempotency_conflict",
    412: "precondition_failed",
    422: "validation_failed",
    429: "rate_limited",
    500: "server_error",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}

Problem = tuple[str, str, str]
"""Name of the field, code, message."""


class ApiError(Exception):
    """An answer other than success; `fields` only with 422."""

    def __init__(
        self, status: int, message: str, *, fields: Sequence[Problem] = (), headers: dict[str, str] | None = None
    ) -> None:
        self.status, self.message, self.fields, self.headers = status, message, tuple(fields), headers or {}
        super().__init__(f"{status} {message}")

    @property
    def body(self) -> dict[str, Any]:
        return error_body(self.status, self.message, self.fields)


def error_body(status: int, message: str, fields: Sequence[Problem] = ()) -> dict[str, Any]:
    """The body of an error."""
    body: dict[str, Any] = {
        "error": CODES.get(status, "server_error" if status >= 500 else "invalid_request"),
        "message": message,
        "requestId": secrets.token_hex(8),
    }
    if status == 422:
        body["fields"] = [{"name": name, "code": code, "message": text} for name, code, text in fields]
    return body


def bad(message: str) -> ApiError:
    """A 400."""
    return ApiError(400, message)


def not_found() -> ApiError:
    """The 404 of a path, or of a contact that never existed or was deleted."""
    return ApiError(404, "There is nothing here.")
