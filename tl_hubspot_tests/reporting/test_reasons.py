"""Every reason that a run can give has words and advice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tl_hubspot
from tl_hubspot.hubspot.marketing import FINISHED
from tl_hubspot.hubspot.reactions import BY_STATUS, Problem, problem
from tl_hubspot.planning import audit
from tl_hubspot.pushing import undo_plan
from tl_hubspot.reporting import audit as audit_words
from tl_hubspot.reporting import undoing as undo_words
from tl_hubspot.reporting.reasons import ADVICE, advice
from tl_hubspot.sandbox.hubspot.errors import body_for_status

ROOT = Path(tl_hubspot.__file__).parent
_CALLS = {"fail": 1, "failure_row": 2, "skip_row": 1, "notice": 0}
"""Methods of `Work` that name a reason, and where."""


def _trees(*rooms: str) -> Iterator[ast.AST]:
    for room in rooms:
        for path in sorted((ROOT / room).glob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"))


def _texts(node: ast.AST) -> Iterator[str]:
    """Literals that an argument can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def reasons_of_the_push() -> set[str]:
    found: set[str] = set()
    for tree in _trees("pushing"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS:
                place = _CALLS[node.func.attr]
                if len(node.args) > place:
                    found.update(_texts(node.args[place]))
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "reason" for t in node.targets):
                found.update(_texts(node.value))
    return found


def categories_of_our_own() -> set[str]:
    """Categories of the problems that the client itself states."""
    found: set[str] = set()
    for tree in _trees("hubspot", "pushing"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                named = [k.value for k in node.keywords if k.arg == "category"] or node.args[1:2]
                found.update(text for value in named for text in _texts(value))
    return {category for category in found if category}


def test_the_search_for_reasons_finds_them() -> None:
    assert {"deleted_in_hubspot", "claimed_by_other", "missing_in_answer", "record_failed"} <= reasons_of_the_push()
    assert {"NOT_WRITTEN", "OBJECT_NOT_FOUND", "MISSING_IN_ANSWER"} <= categories_of_our_own()


@pytest.mark.parametrize("reason", sorted(reasons_of_the_push() | {c.lower() for c in categories_of_our_own()}))
def test_what_the_push_says_has_an_entry(reason: str) -> None:
    assert reason in ADVICE


@pytest.mark.parametrize("status", [400, 404, 409, *sorted(BY_STATUS)])
def test_what_hubspot_answers_has_an_entry(status: int) -> None:
    body = body_for_status(status, "c", 1)
    found = problem(body if isinstance(body, dict) else {}, status)
    told = advice(found.reason)
    assert told.means and told.do and "calls the reason" not in told.means


def test_states_of_imports_have_an_entry() -> None:
    assert {f"import_{state}".lower() for state in (*FINISHED, "REFUSED") if state != "DONE"} <= ADVICE.keys()


def test_what_hubspot_has_never_said_before_gets_general_advice() -> None:
    assert "“brand new”" in advice(Problem(400, "BRAND_NEW").reason).means
    assert advice(Problem(503, "").reason) == advice("internal_error")
    for reason in (None, "", Problem(418, "").reason, "http_"):
        assert advice(reason).means and advice(reason).do
    assert all(a.means and a.do and a.do.endswith(".") and not a.means.endswith(".") for a in ADVICE.values())


def test_what_stays_and_what_drifts_has_words() -> None:
    codes = {
        word.strip(" .;,`")
        for word in (undo_plan.Left.__doc__ or "").split("`code`: ")[1].split("`message`")[0].split()
    }
    assert set(undo_words.STAYS) | set(undo_words.FOR_GOOD) <= codes
    texts: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "pushing" / "undo_plan.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_leave":
            texts.update(_texts(node.args[2]))
    assert texts and texts <= undo_words.STAYS.keys()
    kinds = (audit.__dict__["DRIFT"], audit_words.KINDS)
    assert all(kinds) and {audit.ARCHIVED, audit.DELETED, audit.MERGED} <= audit_words.KINDS.keys()
