"""The sliding window: never more than N calls in any window, everybody's turn comes, limits can change on the way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from heapq import heappop, heappush
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.sandbox.teamleader import Switches
from tl_hubspot.sandbox.teamleader.limits import Limiter
from tl_hubspot.transport.limits import SlidingWindow, Started
from tl_hubspot_tests.transport.virtual_time import VirtualTime


def granted(window: SlidingWindow, time: VirtualTime) -> float:
    window.acquire()
    return time.clock()


@settings(deadline=None)
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


@settings(deadline=None)
@given(calls=st.integers(1, 5), count=st.integers(1, 40))
def test_no_call_waits_longer_than_needed(calls: int, count: int) -> None:
    time = VirtualTime(0.0)
    window = SlidingWindow(calls, 10.0, clock=time.clock, sleep=time.sleep)
    at = [granted(window, time) for _ in range(count)]
    assert at == pytest.approx([10.0 * (number // calls) for number in range(count)])


@settings(deadline=None)
@given(pauses=st.lists(st.floats(0, 2), min_size=60, max_size=120))
def test_a_long_row_of_calls_is_spread_and_loses_nothing_by_it(pauses: list[float]) -> None:
    def sent(*, evenly: bool, waits: list[float]) -> list[float]:
        time = VirtualTime()
        window = SlidingWindow(40, 10.0, evenly=evenly, clock=time.clock, sleep=time.sleep)
        at = []
        for pause in waits:
            time.sleep(pause)
            at.append(granted(window, time))
        return at

    at = sent(evenly=True, waits=pauses)
    assert all(first + 10 <= later for first, later in zip(at, at[40:], strict=False))
    for number, instant in enumerate(at):
        before = [t for t in at[:number] if instant - t < 10 - 1e-6]
        if len(before) > 20:
            assert instant - before[-1] >= 0.125 - 1e-6 and instant - before[-2] >= 0.45 - 1e-6
    # without pauses of its own a row takes no longer, but for the part of a window that is spread at the end
    row = [0.0] * 200
    assert sent(evenly=True, waits=row)[-1] <= sent(evenly=False, waits=row)[-1] + 10


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


# -- what the server counts --------------------------------------------------------------------------------------------


class Line:
    """A server with the sandbox's own limiter at the end of a slow line, other clients of it, and callers of ours.

    All in one thread and in virtual time: a call that has started arrives and is answered while somebody waits.
    """

    def __init__(self, limit: int, latencies: Sequence[float], file: Path | None, callers: int = 1) -> None:
        self.time = VirtualTime(0.0, on_sleep=lambda _: self.settle())
        self.limiter, self.switches = Limiter(), Switches(rate_limit=limit, rate_window=60.0)
        self.latencies = latencies
        self.windows = [
            SlidingWindow(limit, 60.0, clock=self.time.clock, sleep=self.time.sleep, file=file) for _ in range(callers)
        ]
        self.events: list[tuple[float, int, str, SlidingWindow, Started, dict[str, str]]] = []
        self.arrivals: list[float] = []
        self.refused = self.refused_others = self.sent = self.under_way = 0
        self.other_every: float | None = None
        self.other_at = 0.0

    def settle(self) -> None:
        """Everything that has happened until now, in order."""
        while True:
            due = self.events[0][0] if self.events else float("inf")
            other = self.other_at if self.other_every else float("inf")
            if min(due, other) > self.time.clock():
                return
            if other <= due:
                assert self.other_every
                self.refused_others += not self.limiter.admit(other, self.switches)[0]
                self.other_at += self.other_every
                continue
            at, number, what, window, started, headers = heappop(self.events)
            if what == "arrives":
                passes, headers = self.limiter.admit(at, self.switches)
                self.refused += not passes
                self.arrivals.append(at)
                after = self.latencies[(number * 7 + 3) % len(self.latencies)]
                heappush(
                    self.events, (at + after, number, "answered" if passes else "refused", window, started, headers)
                )
            else:
                self.under_way -= 1
                self.answer(what, window, started, headers)

    def answer(self, what: str, window: SlidingWindow, started: Started, headers: dict[str, str]) -> None:
        """What the client does with an answer."""
        limit, remaining = (int(headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining"))
        refused = what == "refused"
        others = window.finish(started, answered=not refused, refused=refused, limit=limit, remaining=remaining)
        if refused or (others and not remaining):
            window.block_until(datetime.fromisoformat(headers["X-RateLimit-Reset"]).timestamp() + 1)

    def call(self, workers: int = 8) -> None:
        """One more call, as soon as a worker is free and the window lets it."""
        while self.under_way >= workers:
            self.time.sleep(0.01)
        window = self.windows[self.sent % len(self.windows)]
        started = window.start()
        self.settle()
        self.sent += 1
        self.under_way += 1
        before = self.latencies[self.sent % len(self.latencies)]
        heappush(self.events, (self.time.clock() + before, self.sent, "arrives", window, started, {}))

    def per_minute(self, start: float, minutes: int) -> float:
        return sum(start <= at < start + 60 * minutes for at in self.arrivals) / minutes


@settings(max_examples=20, deadline=None)
@given(
    limit=st.integers(1, 8),
    latencies=st.lists(st.floats(0, 3), min_size=1, max_size=9),
    callers=st.integers(1, 3),
    pauses=st.lists(st.floats(0, 40), min_size=16, max_size=16),
)
def test_alone_no_call_is_refused_whatever_the_line(
    tmp_path_factory: pytest.TempPathFactory,
    limit: int,
    latencies: list[float],
    callers: int,
    pauses: list[float],
) -> None:
    line = Line(limit, latencies, tmp_path_factory.mktemp("state") / "x.calls", callers)
    for pause in pauses:
        if pause > 30:
            for _ in range(int(pause)):
                line.time.sleep(1)
        line.call()
    assert line.refused == 0


@pytest.mark.parametrize("latency", [0.0, 0.05, 0.25, 0.75])
def test_alone_the_whole_limit_is_used(latency: float) -> None:
    line = Line(200, [latency * share for share in (0.5, 1.0, 1.5)], None)
    while line.time.clock() < 250:
        line.call()
    assert line.refused == 0
    assert line.per_minute(line.arrivals[0], 4) >= 0.97 * 200


def test_beside_another_client_nobody_is_refused_and_what_it_leaves_is_used() -> None:
    line = Line(200, [0.05, 0.2, 0.4], None)
    line.other_every = 0.6
    line.time.sleep(60)
    while line.time.clock() < 300:
        line.call()
    assert (line.refused, line.refused_others) == (0, 0)
    assert line.per_minute(120, 3) >= 85
    # It stops: a minute later all of the limit is ours again.
    line.other_every = None
    while line.time.clock() < 450:
        line.call()
    assert line.refused == 0
    assert line.per_minute(370, 1) >= 190


def test_another_client_that_comes_later_is_made_room_for() -> None:
    line = Line(200, [0.1, 0.3], None)
    while line.time.clock() < 65:
        line.call()
    line.other_at, line.other_every = 65.0, 0.6
    # The limit was full when it came: some calls are refused before we know.
    while line.time.clock() < 200:
        line.call()
    before = line.refused, line.refused_others
    assert line.refused <= 8
    while line.time.clock() < 500:
        line.call()
    assert (line.refused, line.refused_others) == before
    assert line.per_minute(200, 4) >= 85


def test_another_client_that_takes_everything_leaves_us_little_but_does_not_stop_us() -> None:
    line = Line(200, [0.1, 0.3], None)
    line.other_every = 0.3
    line.time.sleep(60)
    for _ in range(20):
        line.call()
    assert len(line.arrivals) >= 19


def test_while_nothing_is_known_one_call_goes_to_find_out() -> None:
    time = VirtualTime(0.0)
    window = SlidingWindow(10, 60.0, clock=time.clock, sleep=time.sleep)
    first = window.start()
    released = []

    def answer(seconds: float) -> None:
        if not released and time.clock() >= 2:
            released.append(time.clock())
            window.finish(first, answered=True, limit=10, remaining=9)

    time._on_sleep = answer
    assert window.start().sent == pytest.approx(released[0])
    assert window.start().sent == pytest.approx(released[0])
    # A call that is lost tells nothing: after ten seconds another one asks.
    time.sleep(100)
    window.start()
    assert window.start().sent == pytest.approx(time.slept, abs=0.1)
    assert time.slept > 110


def test_answers_that_overtake_each_other_do_not_bring_old_news() -> None:
    time = VirtualTime(0.0)
    window = SlidingWindow(10, 60.0, clock=time.clock, sleep=time.sleep)
    window.finish(window.start(), answered=True, limit=10, remaining=9)
    slow = window.start()
    time.sleep(1)
    assert window.finish(window.start(), answered=True, limit=10, remaining=2) == 5
    assert window.finish(slow, answered=True, limit=10, remaining=8) == 5


def test_an_error_without_headers_tells_nothing_and_an_answer_without_them_that_there_is_no_limit() -> None:
    window = SlidingWindow(10, 60.0)
    window.finish(window.start(), answered=True, limit=4, remaining=3)
    window.finish(window.start())
    assert window.limit == 4
    window.finish(window.start(), answered=True)
    assert window.limit == 10
