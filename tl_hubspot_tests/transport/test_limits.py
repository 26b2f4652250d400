"""The sliding window: never more than N calls in any window, everybody's turn comes, limits can change on the way."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_hubspot.transport.limits import SlidingWindow
from tl_hubspot_tests.transport.virtual_time import VirtualTime


def granted(window: SlidingWindow, time: VirtualTime) -> float:
    window.acquire()
    return time.clock()


@given(
    calls=st.integers(1, 7),
    seconds=st.floats(0.1, 60),
    pauses=st.lists(st.floats(0, 30), min_size=1, max_size=60),
    start=st.floats(0, 1e9),
)
def test_no_window_ever_holds_more_than_its_calls(
    calls: int, seconds: float, pauses: list[float], start: float
) -> None:
    time = VirtualTime(start)
    window = SlidingWindow(calls, seconds, clock=time.clock, sleep=time.sleep)
    at = []
    for pause in pauses:
        time.sleep(pause)
        at.append(granted(window, time))
    assert all(first + seconds <= later for first, later in zip(at, at[calls:], strict=False))
    assert at == sorted(at)


@given(calls=st.integers(1, 5), count=st.integers(1, 40))
def test_no_call_waits_longer_than_needed(calls: int, count: int) -> None:
    time = VirtualTime(0.0)
    window = SlidingWindow(calls, 10.0, clock=time.clock, sleep=time.sleep)
    at = [granted(window, time) for _ in range(count)]
    assert at == pytest.approx([10.0 * (number // calls) for number in range(count)])


def test_many_threads_all_get_through_within_the_limit() -> None:
    time = VirtualTime()
    window = SlidingWindow(5, 10.0, clock=time.clock, sleep=time.sleep)
    at: list[float] = []
    lock = threading.Lock()

    def work() -> None:
        for _ in range(10):
            window.acquire()
            with lock:
                at.append(time.clock())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(at) == 80
    # 80 calls of 5 per 10 s: the last five go 150 s after the first.
    assert time.slept == pytest.approx(150, abs=0.1)


def test_first_come_first_served() -> None:
    order: list[int] = []
    release = threading.Event()
    arrived = threading.Semaphore(0)
    time = VirtualTime()

    def sleep(seconds: float) -> None:
        arrived.release()
        release.wait(30)
        time.sleep(seconds)

    window = SlidingWindow(1, 1.0, clock=time.clock, sleep=sleep)
    window.acquire()

    def work(number: int) -> None:
        window.acquire()
        order.append(number)

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        if number == 0:
            assert arrived.acquire(timeout=30)
        while len(window._queue) <= number:
            threading.Event().wait(0.001)
    release.set()
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]


def test_a_failing_sleep_gives_the_turn_to_the_next() -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    time = VirtualTime()
    window = SlidingWindow(1, 10.0, clock=time.clock, sleep=interrupted)
    window.acquire()
    with pytest.raises(KeyboardInterrupt):
        window.acquire()
    time.sleep(10)
    assert window.acquire() == 0


def test_penalty_and_block_hold_everybody_back_and_never_shorten() -> None:
    time = VirtualTime(0.0)
    window = SlidingWindow(100, 10.0, clock=time.clock, sleep=time.sleep)
    window.penalize(30)
    window.block_until(5.0)
    assert granted(window, time) == pytest.approx(30)
    assert granted(window, time) == pytest.approx(30)


def test_lowered_limit_counts_calls_already_made() -> None:
    time = VirtualTime(0.0)
    window = SlidingWindow(4, 10.0, clock=time.clock, sleep=time.sleep)
    for _ in range(4):
        window.acquire()
        time.sleep(1)
    window.set_limit(2)
    assert window.limit == 2
    # Calls at 0, 1, 2, 3: the next may go when only one of them is left in the window.
    assert granted(window, time) == pytest.approx(12)
    window.set_limit(10)
    assert granted(window, time) == pytest.approx(12)


def test_a_raised_limit_is_noticed_by_one_who_already_waits() -> None:
    time = VirtualTime(0.0)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        window.set_limit(2)

    window = SlidingWindow(1, 60.0, clock=time.clock, sleep=sleep)
    window.acquire()
    assert granted(window, time) <= 1.0


def test_used_counts_the_window_that_ends_now() -> None:
    time = VirtualTime(0.0)
    window = SlidingWindow(5, 10.0, clock=time.clock, sleep=time.sleep)
    assert window.used == 0
    for _ in range(3):
        window.acquire()
    assert window.used == 3
    time.sleep(10)
    assert window.used == 0


@pytest.mark.parametrize(("calls", "seconds"), [(0, 1.0), (1, 0.0), (-1, 1.0)])
def test_impossible_windows_are_refused(calls: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="window"):
        SlidingWindow(calls, seconds)
    with pytest.raises(ValueError, match="window"):
        SlidingWindow(1, 1.0).set_limit(0)
