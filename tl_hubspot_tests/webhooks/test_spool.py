"""The spool: nothing confirmed is lost, nothing is given twice, whatever is killed and however many write at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.errors import ConfigurationError
from tl_hubspot.webhooks.spool import Event, Spool

NOW = datetime(2026, 11, 2, 11, 0, tzinfo=UTC)
ACCOUNT = "1f3e77ef-9c8c-0d6a-a1e5-3b2e9c8f7a60"


def event(number: int = 1) -> Event:
    return Event("contact.updated", str(uuid.UUID(int=number)), ACCOUNT, NOW)


def numbers(spool: Spool, batch: str | None) -> list[int]:
    assert batch is not None
    return [uuid.UUID(e.subject_id).int for e in spool.read(batch).events if e.subject_id]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "webhooks")


def test_events_come_back_as_they_went_in_and_once(spool: Spool) -> None:
    assert spool.drain() is None
    given_ = [event(1), Event("ticket.closed", None, None, NOW), event(2), event(1)]
    spool.append(given_[:2])
    spool.append(given_[2:])
    assert spool.waiting() == 4
    batch = spool.drain()
    assert batch is not None
    assert spool.read(batch).events == given_
    assert spool.read(batch).unreadable == 0
    spool.acknowledge(batch)
    assert spool.drain() is None
    assert spool.read(batch).events == []
    assert spool.waiting() == 0
    spool.acknowledge(batch)


def test_what_is_not_acknowledged_goes_into_the_next_batch(spool: Spool) -> None:
    spool.append([event(1)])
    first = spool.drain()
    assert spool.drain(timedelta(minutes=15)) is None, "its run may still be at work"
    again = spool.drain()
    assert again not in (None, first)
    assert numbers(spool, again) == [1]
    spool.append([event(2)])
    with_new = spool.drain(timedelta(minutes=15))
    assert numbers(spool, with_new) == [1, 2], "new events take the old ones along"
    assert first is not None and again is not None and with_new is not None
    assert spool.read(first).events == spool.read(again).events == []
    # the run of the first batch ends late: the events are in another batch now, and stay
    spool.acknowledge(first)
    spool.acknowledge(again)
    assert numbers(spool, with_new) == [1, 2]
    spool.acknowledge(with_new)
    assert list(spool.folder.glob("*.jsonl")) == []


def test_events_that_arrive_while_a_batch_is_used_wait_for_the_next(spool: Spool) -> None:
    spool.append([event(1)])
    batch = spool.drain()
    spool.append([event(2)])
    assert numbers(spool, batch) == [1]
    assert batch is not None
    spool.acknowledge(batch)
    assert numbers(spool, spool.drain()) == [2]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_torn_anywhere_the_complete_lines_and_all_later_ones_are_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    spool = Spool(tmp_path_factory.mktemp("torn"))
    count = data.draw(st.integers(1, 5))
    spool.append([event(n) for n in range(1, count + 1)])
    file = spool.folder / "incoming.jsonl"
    whole = file.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut])
    spool.append([event(100), event(101)])
    batch = spool.drain()
    assert batch is not None
    drained = spool.read(batch)
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    # a line without its end is complete too: only the end of the line is missing
    complete = sum(end - 1 <= cut for end in ends)
    assert numbers(spool, batch) == [*range(1, complete + 1), 100, 101]
    assert drained.unreadable == (0 if cut in (0, *ends, *(end - 1 for end in ends)) else 1)


def test_rubbish_in_the_file_is_counted_and_left_out(spool: Spool) -> None:
    spool.append([event(1)])
    with (spool.folder / "incoming.jsonl").open("ab") as file:
        file.write(b'\x00\x00\xff\n{"type": 3}\n[]\n\n{"type":"contact.upd\n')
    spool.append([event(2)])
    batch = spool.drain()
    assert batch is not None
    assert numbers(spool, batch) == [1, 2]
    assert spool.read(batch).unreadable == 4


def test_only_the_owner_may_read_it(spool: Spool) -> None:
    old = os.umask(0)
    try:
        spool.append([event(1)])
        spool.secret()
        spool.drain()
    finally:
        os.umask(old)
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in spool.folder.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


def test_one_secret_however_many_ask_for_it_first(spool: Spool) -> None:
    asked: list[str] = []
    threads = [threading.Thread(target=lambda: asked.append(Spool(spool.folder).secret())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(asked)) == 1
    assert len(asked) == 8
    assert len(asked[0]) >= 43
    assert spool.secret() == asked[0]
    assert Spool(spool.folder.parent / "other").secret() != asked[0]
    (spool.folder / "secret").write_text("short")
    with pytest.raises(ConfigurationError, match="not usable"):
        spool.secret()


WRITER = """
import sys, uuid, threading
from datetime import UTC, datetime
from pathlib import Path
from tl_hubspot.webhooks.spool import Event, Spool
folder, first, count, threads = Path(sys.argv[1]), *map(int, sys.argv[2:])
def write(start):
    spool = Spool(folder)
    for n in range(start, start + count):
        spool.append([Event("contact.updated", str(uuid.UUID(int=n)), None, datetime.now(UTC))])
        sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
workers = [threading.Thread(target=write, args=[first + t * count]) for t in range(threads)]
for worker in workers: worker.start()
for worker in workers: worker.join()
"""


def writer(spool: Spool, first: int, count: int, threads: int = 1) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", WRITER, str(spool.folder), str(first), str(count), str(threads)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def test_many_processes_and_threads_write_while_others_drain(spool: Spool) -> None:
    each, threads, processes = 30, 3, 3
    writers = [writer(spool, 1 + p * each * threads, each, threads) for p in range(processes)]
    found: Counter[int] = Counter()
    lock = threading.Lock()
    over = threading.Event()

    def drain() -> None:
        own = Spool(spool.folder)
        while True:
            last = over.is_set()
            batch = own.drain(timedelta(minutes=1))
            if batch is not None:
                got = numbers(own, batch)
                with lock:
                    found.update(got)
                own.acknowledge(batch)
            elif last:
                return
            else:
                time.sleep(0.005)

    drainers = [threading.Thread(target=drain)]
    for drainer in drainers:
        drainer.start()
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    over.set()
    for drainer in drainers:
        drainer.join()
    assert found == Counter(range(1, 1 + each * threads * processes)), "nothing lost, nothing doubled"


@pytest.mark.parametrize("after", [1, 20, 47])
def test_a_writer_that_is_killed_loses_nothing_that_it_was_told_is_stored(spool: Spool, after: int) -> None:
    process = writer(spool, 1, 100_000)
    assert process.stdout is not None
    confirmed = [int(process.stdout.readline()) for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    confirmed += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.wait()
    spool.append([event(999_999)])  # the lock is free, and what it left behind is no obstacle
    got = numbers(spool, spool.drain())
    assert got[:-1] in ([*confirmed], [*confirmed, confirmed[-1] + 1]), "at most one more than was confirmed"
    assert got[-1] == 999_999


def test_a_drainer_that_is_killed_between_two_renames_leaves_everything_to_the_next(spool: Spool) -> None:
    spool.append([event(1)])
    first = spool.drain()
    assert first is not None
    spool.append([event(2)])
    # what a drain does first: the older file has its new name already, the newer one not yet
    moved = "20261102T110000000000Z-0badcafe"
    (spool.folder / f"{first}.0000.jsonl").rename(spool.folder / f"{moved}.0000.jsonl")
    assert sorted(numbers(spool, spool.drain())) == [1, 2]
