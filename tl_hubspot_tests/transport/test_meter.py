"""The call meter: counts add up from many threads, and a snapshot is a copy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tl_hubspot.transport.meter import CallMeter


def test_counts_of_many_threads_add_up_per_system() -> None:
    meter = CallMeter()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(200):
            pool.submit(meter.count, "teamleader", "reads")
            pool.submit(meter.count, "hubspot", "writes", 2)
    meter.count("hubspot", "rate_limited")
    meter.count("hubspot", "retries")
    assert meter.snapshot() == {
        "hubspot": {"reads": 0, "writes": 400, "retries": 1, "rate_limited": 1},
        "teamleader": {"reads": 200, "writes": 0, "retries": 0, "rate_limited": 0},
    }


def test_a_snapshot_does_not_follow_later_calls() -> None:
    meter = CallMeter()
    assert meter.snapshot() == {}
    meter.count("teamleader", "reads")
    before = meter.snapshot()
    meter.count("teamleader", "reads")
    assert before["teamleader"]["reads"] == 1
