"""What errors of HubSpot are read as: every known shape, and no value that HubSpot quotes."""

from __future__ import annotations

import pytest

from tl_hubspot.hubspot.reactions import (
    DAILY,
    LOCKED,
    MOVING_LONG,
    SECONDLY,
    TEN_SECONDLY,
    TROUBLE,
    Action,
    body_of,
    problem,
    react,
)


@pytest.mark.parametrize(
    ("status", "body", "reaction"),
    [
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, TEN_SECONDLY),
        (429, {"policyName": "SECONDLY", "category": "RATE_LIMITS"}, SECONDLY),
        (429, {"message": "You have reached your secondly limit."}, SECONDLY),
        (429, {"message": "You have reached your ten_secondly_rolling limit."}, TEN_SECONDLY),
        (429, {"policyName": "DAILY"}, DAILY),
        (429, {}, TEN_SECONDLY),
        (423, {}, LOCKED),
        *((status, {}, TROUBLE) for status in (500, 501, 502, 503, 504, 521, 523, 524, 599)),
    ],
)
def test_table(status: int, body: dict[str, str], reaction: object) -> None:
    assert react(status, body, {}) == reaction


@pytest.mark.parametrize(("status", "action"), [(400, Action.REFUSE), (404, Action.REFUSE), (409, Action.REFUSE)])
def test_the_request_is_wrong(status: int, action: Action) -> None:
    assert react(status, {}, {}).action is action


@pytest.mark.parametrize("status", [401, 403])
def test_credentials(status: int) -> None:
    assert react(status, {}, {}).action is Action.CREDENTIALS


def test_retry_after_lengthens_and_never_shortens() -> None:
    assert react(429, {"policyName": "SECONDLY"}, {"Retry-After": "5"}).waits[0] == 5
    assert react(429, {"policyName": "TEN_SECONDLY"}, {"Retry-After": "1"}).waits[:4] == (1, 1, 2, 4)
    assert react(429, {}, {"Retry-After": "soon"}) == TEN_SECONDLY
    assert react(477, {}, {"Retry-After": "86400"}) == MOVING_LONG
    assert react(477, {}, {}).waits[0] > 0


def test_waits_of_the_ten_second_limit_stay_within_the_window() -> None:
    assert max(TEN_SECONDLY.waits) == 10 and min(LOCKED.waits) >= 2


def test_existing_contact() -> None:
    found = problem(
        {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 37765128953", "correlationId": "c1"},
        409,
    )
    assert (found.reason, found.existing_id, found.correlation_id) == ("conflict", "37765128953", "c1")


def test_unique_value() -> None:
    found = problem(
        {
            "category": "VALIDATION_ERROR",
            "message": "Cannot set PropertyValueCoordinates{portalId=1, objectTypeId=ObjectTypeId{legacyObjectType="
            "COMPANY}, propertyName=ext_id, value=ann@example.be} on 111. 222 already has that value.",
        },
        400,
    )
    assert found.is_conflict and found.existing_id == "222" and found.properties == ("ext_id",)
    assert "ann@example.be" not in found.message


@pytest.mark.parametrize(
    "error",
    [
        {
            "category": "VALIDATION_ERROR",
            "message": 'Property values were not valid: [{"isValid":false,"message":"Atlantis was not one of the '
            'allowed options","error":"INVALID_OPTION","name":"country","portalId":1}]',
            "context": {"objectWriteTraceId": ["t2"]},
        },
        {
            "category": "VALIDATION_ERROR",
            "message": "Property values were not valid: Atlantis",
            "errors": [{"message": "Atlantis", "code": "INVALID_OPTION", "context": {"propertyName": ["country"]}}],
            "context": {"objectWriteTraceId": ["t2"]},
        },
    ],
)
def test_invalid_value_in_both_shapes(error: dict[str, object]) -> None:
    found = problem(error, 207)
    assert found.codes == ("INVALID_OPTION",) and found.properties == ("country",) and found.trace_ids == ("t2",)
    assert found.status == 400 and found.reason == "validation_error"
    assert found.message == "VALIDATION_ERROR INVALID_OPTION on country"


def test_grouped_not_found() -> None:
    found = problem({"category": "OBJECT_NOT_FOUND", "message": "Could not get", "context": {"ids": ["7", "8"]}}, 207)
    assert found.ids == ("7", "8") and found.status == 404 and found.reason == "object_not_found"


def test_scopes() -> None:
    found = problem(
        {"category": "MISSING_SCOPES", "errors": [{"context": {"requiredGranularScopes": ["crm.import"]}}]}, 403
    )
    assert found.scopes == ("crm.import",)


@pytest.mark.parametrize("raw", [b"", b"<html></html>", b"[1]", b'{"a":', None])
def test_bodies_that_are_no_json_object(raw: bytes | None) -> None:
    assert body_of(raw) == {}
    assert problem(body_of(raw), 400).reason == "http_400"
