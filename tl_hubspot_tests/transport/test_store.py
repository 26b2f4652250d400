"""The file of calls: shared by processes, safe from kills and damage, and telling nobody what it is for."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_hubspot.transport import store
from tl_hubspot.transport.limits import SlidingWindow
from tl_hubspot.transport.store import file_for
from tl_hubspot_tests.transport.virtual_time import VirtualTime

KEY = ("teamleader", "https://api.example.com", "client-4711")

CALLING = """
import sys
from pathlib import Path
from tl_hubspot.transport.limits import SlidingWindow
window = SlidingWindow(100, 60.0, file=Path(sys.argv[1]))
for number in range(7):
    started = window.start()
    if number < 5:
        window.finish(started, answered=True)
print("called", flush=True)
sys.stdin.read()
"""
HOLDING = """
import sys
from pathlib import Path
from tl_hubspot.transport.store import CallStore
def work(database):
    database.execute("insert into call (sent, leaves, under_way) values (1, 2, 0)")
    print("holding", flush=True)
    sys.stdin.read()
CallStore(Path(sys.argv[1])).run(work)
"""


def killed(script: str, file: Path) -> None:
    """A process that ran the script until its first line of output, and was then killed."""
    command = [sys.executable, "-c", script, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline().strip() in ("called", "holding")
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def window(file: Path, virtual: VirtualTime, calls: int = 3) -> SlidingWindow:
    return SlidingWindow(calls, 10.0, clock=virtual.clock, sleep=virtual.sleep, file=file)


def test_the_name_of_the_file_tells_nothing_and_differs_by_key(tmp_path: Path) -> None:
    file = file_for(tmp_path, *KEY)
    assert file == file_for(tmp_path, *KEY)
    assert not any(part in str(file) for part in KEY)
    others = {file_for(tmp_path, *KEY[:2], "client-4712"), file_for(tmp_path, "hubspot", *KEY[1:])}
    assert len(others | {file}) == 3


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "state" / "x.calls"
    before = os.umask(0)
    try:
        window(file, VirtualTime()).acquire()
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for path in file.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file.chmod(0o644)
    window(file, VirtualTime()).acquire()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@settings(max_examples=25, deadline=None)
@given(turns=st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_windows_of_one_file_are_one_window(tmp_path_factory: pytest.TempPathFactory, turns: list[int]) -> None:
    virtual = VirtualTime()
    file = tmp_path_factory.mktemp("state") / "x.calls"
    windows = [window(file, virtual) for _ in range(3)]
    at = []
    for turn in turns:
        windows[turn].acquire()
        at.append(virtual.clock() - 1000)
    assert at == pytest.approx([10.0 * (number // 3) for number in range(len(turns))])
    for each in windows:
        each.close()


def test_a_block_holds_for_all_and_the_limit_of_the_server_is_known_to_all(tmp_path: Path) -> None:
    virtual = VirtualTime(0.0)
    one, two = (window(tmp_path / "x.calls", virtual) for _ in range(2))
    one.finish(one.start(), answered=True, limit=2, remaining=1)
    assert two.limit == 2
    one.penalize(5)
    assert two.acquire() == pytest.approx(5)


def test_calls_of_a_killed_process_count(tmp_path: Path) -> None:
    file = tmp_path / "x.calls"
    killed(CALLING, file)
    assert SlidingWindow(100, 60.0, file=file).used == 7
    # Its calls under way may still arrive: they count until ten seconds after the window.
    later = VirtualTime(time.monotonic() + 65)
    waiting = SlidingWindow(2, 60.0, clock=later.clock, sleep=later.sleep, file=file)
    waiting.finish(waiting.start(), answered=True, limit=3, remaining=0)
    waiting.start()
    assert later.slept > 3


def test_a_killed_process_keeps_no_lock_and_leaves_the_file_whole(tmp_path: Path) -> None:
    file = tmp_path / "x.calls"
    first = SlidingWindow(100, 60.0, file=file)
    first.acquire()
    killed(HOLDING, file)
    assert first.used == 1
    assert SlidingWindow(100, 60.0, file=file).used == 1
    with sqlite3.connect(file) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


def test_a_suspended_process_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "_BUSY_SECONDS", 0.05)
    file = tmp_path / "x.calls"
    window(file, VirtualTime()).acquire()
    with sqlite3.connect(file, isolation_level=None) as holder:
        holder.execute("begin immediate")
        alone = window(file, VirtualTime())
        assert alone.acquire() == 0
        assert "not counted together" in caplog.text
        assert alone.used == 1
    assert file.exists()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_started_afresh(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    file = tmp_path_factory.mktemp("state") / "x.calls"
    window(file, VirtualTime()).acquire()
    whole = file.read_bytes()
    cut = data.draw(st.integers(0, len(whole)), label="cut")
    noise = data.draw(st.binary(min_size=1, max_size=200), label="noise")
    match data.draw(st.sampled_from(["other", "cut", "noise"]), label="damage"):
        case "other":
            file.write_bytes(noise)
        case "cut":
            file.write_bytes(whole[:cut])
        case "noise":
            file.write_bytes(whole[:cut] + noise + whole[cut + len(noise) :])
    virtual = VirtualTime(0.0)
    again = window(file, virtual, calls=2)
    for _ in range(5):
        again.finish(again.start(), answered=True)
    # At most one call of before may have been known.
    assert 20 <= virtual.clock() <= 30
    assert window(file, virtual).used == 1
    again.close()


def test_a_file_that_somebody_removed_or_replaced_is_shared_again(tmp_path: Path) -> None:
    virtual = VirtualTime()
    file = tmp_path / "state" / "x.calls"
    one, two = window(file, virtual), window(file, virtual)
    one.acquire(), two.acquire()
    for path in file.parent.iterdir():
        path.unlink()
    file.parent.rmdir()
    one.acquire(), two.acquire()
    assert one.used == two.used == 2
    file.write_bytes(b"no database")
    one.acquire(), two.acquire()
    assert one.used == two.used == 2


def test_without_a_folder_each_process_counts_alone_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    virtual = VirtualTime(0.0)
    with caplog.at_level(logging.WARNING):
        alone = window(tmp_path / "state" / "x.calls", virtual)
        for _ in range(4):
            alone.acquire()
    assert virtual.clock() == pytest.approx(10)
    assert caplog.text.count("not counted together") == 1


def test_times_of_another_start_of_the_machine_say_nothing(tmp_path: Path) -> None:
    before = window(tmp_path / "x.calls", VirtualTime(500_000.0))
    for _ in range(3):
        before.finish(before.start(), answered=True)
    before.penalize(60)
    assert window(tmp_path / "x.calls", VirtualTime(20.0)).acquire() == 0


@pytest.mark.parametrize(
    "damage",
    [
        "update call set leaves = 1e300",
        "update call set sent = 1e300",
        "update call set leaves = 'text'",
        "update known set blocked_until = 1e300",
        "update known set blocked_until = 'text'",
        "update known set asked_at = 1e300, others = 3, server_limit = 3",
    ],
)
def test_values_that_cannot_be_hold_nobody_back_for_ever(tmp_path: Path, damage: str) -> None:
    virtual = VirtualTime()
    before = window(tmp_path / "x.calls", virtual)
    for _ in range(3):
        before.finish(before.start(), answered=True)
    with sqlite3.connect(tmp_path / "x.calls") as database:
        database.execute(damage)
    again = window(tmp_path / "x.calls", virtual)
    again.finish(again.start(), answered=True)
    assert virtual.slept == 0


def test_files_not_touched_for_a_day_are_removed(tmp_path: Path) -> None:
    for name in ("old.calls", "old.calls-journal", "new.calls", "notes.txt"):
        (tmp_path / name).touch()
    for name in ("old.calls", "old.calls-journal", "notes.txt"):
        os.utime(tmp_path / name, (time.time() - 90_000,) * 2)
    window(tmp_path / "x.calls", VirtualTime()).acquire()
    assert {path.name for path in tmp_path.iterdir()} >= {"x.calls", "new.calls", "notes.txt"}
    assert not list(tmp_path.glob("old*"))
