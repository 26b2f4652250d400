"""Rate limits: the rolling window, the day, searches, headers and texts; the window never lets more through."""

from __future__ import annotations

from datetime import datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_hubspot.sandbox.control import Clock
from tl_hubspot.sandbox.hubspot import ApiError, HubSpotSandbox, Profile, Switches

CONTACTS = "/crm/v3/objects/contacts"


@pytest.fixture
def limited(sandbox: HubSpotSandbox) -> HubSpotSandbox:
    sandbox.set_switches(limits=True)
    sandbox.set_profile(burst_limit=5, daily_limit=1000)
    return sandbox


@pytest.mark.parametrize(
    ("profile", "burst", "daily"),
    [
        (Profile(tier="free"), 100, 250_000),
        (Profile(tier="starter"), 100, 250_000),
        (Profile(tier="professional"), 190, 625_000),
        (Profile(tier="enterprise"), 190, 1_000_000),
        (Profile(tier="professional", api_limit_increases=1), 250, 1_625_000),
        (Profile(tier="enterprise", api_limit_increases=3), 250, 3_000_000),
        (Profile(burst_limit=7, daily_limit=70), 7, 70),
    ],
)
def test_limits_by_tier(profile: Profile, burst: int, daily: int) -> None:
    assert (profile.burst, profile.daily) == (burst, daily)


def test_ten_second_window(http: httpx.Client, limited: HubSpotSandbox) -> None:
    answers = [http.get(CONTACTS) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    left = [answer.headers["X-HubSpot-RateLimit-Remaining"] for answer in answers]
    assert left == ["4", "3", "2", "1", "0", "0"]
    assert answers[0].headers["X-HubSpot-RateLimit-Max"] == "5"
    assert answers[0].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert answers[0].headers["X-HubSpot-RateLimit-Daily"] == "1000"
    assert answers[4].headers["X-HubSpot-RateLimit-Daily-Remaining"] == "995"
    body = answers[5].json()
    assert (body["policyName"], body["errorType"]) == ("TEN_SECONDLY_ROLLING", "RATE_LIMIT")
    assert body["message"] == "You have reached your ten_secondly_rolling limit."
    assert body["groupName"].startswith("publicapi:")
    assert "retry-after" not in answers[5].headers
    limited.clock.advance(10)
    assert http.get(CONTACTS).status_code == 200


def test_search_has_its_own_limit_and_no_headers(http: httpx.Client, limited: HubSpotSandbox) -> None:
    limited.set_profile(search_limit=3)
    answers = [http.post(f"{CONTACTS}/search", json={}) for _ in range(4)]
    # Four quick calls may straddle a second on a busy machine: keep asking until the second is full.
    while answers[-1].status_code == 200:
        answers.append(http.post(f"{CONTACTS}/search", json={}))
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    body = answers[-1].json()
    assert (body["policyName"], body["category"]) == ("SECONDLY", "RATE_LIMITS")
    assert body["message"] == "You have reached your secondly limit."
    assert not any(name.startswith("x-hubspot-ratelimit") for answer in answers for name in answer.headers)
    assert http.get(CONTACTS).status_code == 200
    limited.clock.advance(1)
    assert http.post(f"{CONTACTS}/search", json={}).status_code == 200


def test_day(http: httpx.Client, limited: HubSpotSandbox) -> None:
    limited.set_profile(burst_limit=100, daily_limit=3)
    answers = [http.get(CONTACTS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429]
    assert answers[3].json()["policyName"] == "DAILY"
    assert http.post(f"{CONTACTS}/search", json={}).json()["policyName"] == "DAILY"
    limited.clock.advance(86_400)
    assert http.get(CONTACTS).status_code == 200


def test_switched_off(http: httpx.Client, limited: HubSpotSandbox) -> None:
    limited.set_switches(limits=False)
    assert {http.get(CONTACTS).status_code for _ in range(12)} == {200}
    assert "X-HubSpot-RateLimit-Max" in http.get(CONTACTS).headers


def test_retry_after_by_switch(http: httpx.Client, limited: HubSpotSandbox) -> None:
    limited.set_switches(retry_after_header=True)
    for _ in range(5):
        http.get(CONTACTS)
    assert http.get(CONTACTS).headers["retry-after"] == "10"


def test_refused_calls_do_nothing(http: httpx.Client, limited: HubSpotSandbox) -> None:
    for _ in range(5):
        http.get(CONTACTS)
    assert http.post(CONTACTS, json={"properties": {"email": "a@x.be"}}).status_code == 429
    assert limited.count("contacts") == 0


class _SteppedClock(Clock):
    """Stands still but for `advance`."""

    def __init__(self) -> None:
        super().__init__()
        self._still = super().now()

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._still = super().now()

    def now(self) -> datetime:
        return self._still


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 6), st.lists(st.tuples(st.sampled_from(["call", "search"]), st.floats(0, 4)), max_size=60))
def test_no_window_ever_holds_more(limit: int, steps: list[tuple[str, float]]) -> None:
    clock = _SteppedClock()
    profile = Profile(burst_limit=limit, search_limit=limit)
    sandbox = HubSpotSandbox(clock=clock, profile=profile, switches=Switches(limits=True))
    admitted: dict[str, list[float]] = {"call": [], "search": []}
    refused = 0
    for kind, pause in steps:
        clock.advance(pause)
        try:
            sandbox.portal.limiter.admit(f"{CONTACTS}/search" if kind == "search" else CONTACTS)
        except ApiError as error:
            assert error.status == 429
            refused += 1
        else:
            admitted[kind].append(clock.now().timestamp())
    for kind, length in (("call", 10.0), ("search", 1.0)):
        for start in admitted[kind]:
            assert sum(start <= at < start + length - 0.002 for at in admitted[kind]) <= limit
    assert len(admitted["call"]) + len(admitted["search"]) + refused == len(steps)
    sandbox.close()
