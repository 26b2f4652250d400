"""The sliding window of calls and its headers."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.sandbox.teamleader import Switches
from tl_hubspot.sandbox.teamleader.limits import Limiter
from tl_hubspot_tests.sandbox.teamleader.conftest import Api

MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0100")
SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


def test_two_hundred_calls_a_minute(api: Api) -> None:
    api.sandbox.set_switches(rate_limit=200)
    answers = [api.post("users.me") for _ in range(200)]
    assert {answer.status_code for answer in answers} == {200}
    assert [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers] == list(range(199, -1, -1))
    refused = api.post("users.me")
    assert refused.status_code == 429
    assert refused.json() == {"errors": [{"code": 0, "title": "Too Many Requests", "status": 429}]}
    assert refused.headers["X-RateLimit-Limit"] == "200"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert "Retry-After" not in refused.headers
    api.sandbox.clock.advance(61)
    assert api.post("users.me").status_code == 200


def test_sleeping_until_reset_is_enough(api: Api) -> None:
    api.sandbox.set_switches(rate_limit=3)
    for seconds in (0, 10, 10):
        api.sandbox.clock.advance(seconds)
        api.post("users.me")
    reset = api.post("users.me").headers["X-RateLimit-Reset"]
    wait = datetime.fromisoformat(reset) - api.sandbox.clock.now()
    # The refused call counts as well, so that the second of the three has to go too.
    assert wait == timedelta(seconds=50)
    api.sandbox.clock.advance(wait.total_seconds())
    assert api.post("users.me").status_code == 200


def test_errors_count_and_both_forms_of_reset_alternate(api: Api) -> None:
    api.sandbox.set_switches(rate_limit=10)
    statuses, resets = [], []
    for endpoint in ("contacts.info", "contacts.nonsense", "contacts.list", "contacts.info"):
        answer = api.post(endpoint)
        statuses.append((answer.status_code, answer.headers["X-RateLimit-Remaining"]))
        resets.append(answer.headers["X-RateLimit-Reset"])
    assert statuses == [(400, "9"), (404, "8"), (200, "7"), (400, "6")]
    forms = [bool(MILLISECONDS.fullmatch(reset)) for reset in resets]
    assert forms in ([True, False] * 2, [False, True] * 2)
    assert all(MILLISECONDS.fullmatch(reset) or SECONDS.fullmatch(reset) for reset in resets)


def test_sign_in_does_not_count(api: Api) -> None:
    api.sandbox.set_switches(rate_limit=1)
    assert "X-RateLimit-Limit" not in api.token(grant_type="refresh_token", refresh_token="x").headers
    assert api.post("users.me").status_code == 200


# Milliseconds between calls; few limits and many calls, so that the border of the window is met often.
STEPS = st.lists(st.integers(0, 40).map(lambda n: n * 100), min_size=12, max_size=80)
LIMITS = st.integers(1, 4)
PROPERTY = settings(max_examples=150, deadline=None)


@PROPERTY
@given(steps=STEPS, limit=LIMITS, counted=st.booleans())
def test_never_more_than_the_limit_in_any_window(steps: list[int], limit: int, counted: bool) -> None:
    limiter = Limiter()
    switches = Switches(rate_limit=limit, rate_window=10.0, rejected_calls_count=counted)
    now, admitted = 1_700_000_000.0, []
    for step in steps:
        now += step / 1000
        passes, headers = limiter.admit(now, switches)
        if passes:
            admitted.append(now)
        assert int(headers["X-RateLimit-Remaining"]) <= limit
    for start in admitted:
        assert sum(start <= at < start + 10 for at in admitted) <= limit


@PROPERTY
@given(steps=STEPS, limit=LIMITS, counted=st.booleans())
def test_a_call_at_the_reset_passes(steps: list[int], limit: int, counted: bool) -> None:
    limiter = Limiter()
    switches = Switches(rate_limit=limit, rate_window=10.0, rejected_calls_count=counted)
    now = 1_700_000_000.0
    for step in steps:
        now += step / 1000
        passes, headers = limiter.admit(now, switches)
        if not passes:
            now = datetime.fromisoformat(headers["X-RateLimit-Reset"]).timestamp()
            assert limiter.admit(now, switches)[0]
