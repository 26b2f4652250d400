"""Decoding into classes that no thread has decoded into before, from several at once."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from tl_hubspot import decoding

AT_ONCE = """
import sys, threading
import msgspec
from tl_hubspot import decoding

sys.setswitchinterval(1e-6)
text = b'{"id": "1", "parts": [{"id": "2", "parts": [{"id": "3"}]}]}'
for _ in range(60):
    inner = msgspec.defstruct("Inner", [("id", str), ("name", str | None, None)])
    middle = msgspec.defstruct("Middle", [("id", str), ("parts", list[inner], []), ("other", inner | None, None)])
    outer = msgspec.defstruct("Outer", [("id", str), ("parts", list[middle], []), ("other", middle | None, None)])
    begin, found = threading.Barrier(6), []

    def work():
        begin.wait()
        found.append(CALL.parts[0].parts[0].id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["3"] * 6
"""


class _Thing(msgspec.Struct):
    id: str


@pytest.mark.parametrize("call", ["decoding.decode(text, outer)", "decoding.convert(msgspec.json.decode(text), outer)"])
def test_threads_that_meet_a_class_at_once(call: str) -> None:
    program = AT_ONCE.replace("CALL", call)
    ended = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_other_shapes_are_refused() -> None:
    assert decoding.decode(b'{"id": "1"}') == {"id": "1"}
    assert decoding.decode('{"id": "1"}', type=_Thing | None) == _Thing("1")
    with pytest.raises(msgspec.ValidationError):
        decoding.decode(b'{"id": 1}', type=_Thing)
    with pytest.raises(msgspec.ValidationError):
        decoding.convert({"id": 1}, _Thing)
    with pytest.raises(msgspec.DecodeError):
        decoding.decode(b"{", type=_Thing)
