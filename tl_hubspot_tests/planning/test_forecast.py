"""How many calls a plan takes, by hand, and what is said about it."""

from __future__ import annotations

import pytest

from tl_hubspot.planning.forecast import Forecast, duration, forecast, tally
from tl_hubspot_tests.pushing.memory import create, marketing, plan, relate, unsubscribe, update


def test_calls_counted_by_hand() -> None:
    rows = [
        *(create("contact", f"c{n}", email=f"c{n}@example.be") for n in range(101)),
        *(create("deal", f"d{n}", dealname="x") for n in range(100)),
        *(update("company", f"k{n}", str(n), name="x") for n in range(250)),
        *(relate("contact", f"c{n}", "company", "k1", (None, "1")) for n in range(2_001)),
        *(relate("deal", f"d{n}", "contact", "c1", (None, None)) for n in range(3)),
        *(unsubscribe(f"c{n}", str(n), f"c{n}@example.be") for n in range(150)),
        *(marketing(f"c{n}", None) for n in range(101)),
    ]
    made = forecast([tally(plan(*rows))], 18.0)
    assert made.calls == {
        "creates": 2 + 1,
        "values before": 3,
        "updates": 3,
        "associations": 2 + 1,
        "opt-outs": 150,
        "marketing status": 2 + 2 * 2,
    }
    assert made.total == 168
    assert made.seconds == pytest.approx(168 / 18)


def test_nothing_to_push() -> None:
    empty = forecast([tally(plan())], 9.5)
    assert empty.total == 0
    assert empty.sentence(0) == "Pushing it takes no call."


def test_sentences() -> None:
    one = Forecast(9.5, {"creates": 1})
    assert one.sentence() == "Pushing it takes about 1 call, 1 s at 9.5 calls a second."
    many = Forecast(18.0, {"creates": 1_500, "opt-outs": 10_000})
    assert many.sentence(11_500).startswith("Pushing it takes about 11,500 calls, 11 min at 18 calls a second.")
    assert "HubSpot allows 3,000 more today" in many.sentence(3_000)
    assert [duration(s) for s in (0.2, 99, 100, 5_999, 7_800)] == ["1 s", "99 s", "2 min", "1 h 40 min", "2 h 10 min"]
