"""The error envelope of the API. Which request is wrong, and why, is decided by whoever raises `ApiError`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


class ApiError(Exception):
    """An answer other than success: a status and one or more errors, each `(title, field or None)`."""

    def __init__(self, status: int, *errors: tuple[str, str | None]) -> None:
        self.status = status
        self.errors = errors or ((HTTPStatus(status).phrase, None),)
        super().__init__(f"{status} {self.errors[0][0]}")

    @property
    def body(self) -> dict[str, Any]:
        return {
            "errors": [
                {"code": 0, "title": title, "status": self.status} | ({"meta": {"field": field}} if field else {})
                for title, field in self.errors
            ]
        }


def bad(title: str, field: str | None = None) -> ApiError:
    """A 400 with one error."""
    return ApiError(400, (title, field))


def not_found() -> ApiError:
    """The 404 of an id that is unknown or deleted."""
    return ApiError(404, ("Not Found", None))
