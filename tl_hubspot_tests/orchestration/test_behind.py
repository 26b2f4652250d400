"""Work behind its caller: at the same time, in order, each once, and no error is lost."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from tl_hubspot.orchestration.behind import Behind


def test_the_caller_goes_on_meanwhile_and_nothing_is_reordered() -> None:
    prepared, done = threading.Event(), []

    def first() -> None:
        assert prepared.wait(60), "its caller was kept waiting"
        done.append("first")

    with Behind() as behind:
        behind.do(first)
        behind.do(partial(done.append, "second"))
        assert done == []
        prepared.set()
        behind.do(partial(done.append, "third"))
        assert done[0] == "first", "no more than one waits"
    assert done == ["first", "second", "third"]


def test_after_an_error_nothing_more_is_done() -> None:
    done: list[str] = []

    def fail() -> None:
        done.append("failed")
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"), Behind() as behind:
        behind.do(fail)
        for name in ("next", "one more", "and one"):
            behind.do(partial(done.append, name))
    with pytest.raises(ValueError, match="full"), Behind() as behind:
        behind.do(fail)
    assert done == ["failed", "failed"]


def test_what_was_begun_is_done_when_its_caller_fails() -> None:
    done: list[str] = []
    with pytest.raises(KeyError), Behind() as behind:
        behind.do(partial(done.append, "begun"))
        raise KeyError
    assert done == ["begun"]
