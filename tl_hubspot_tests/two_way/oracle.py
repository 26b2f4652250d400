"""The merge rules once more, row by row in plain Python, transcribed from the document and not from the code.

Kept naive on purpose: what it says is compared with what the frames say, for every combination.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Clock:
    """[at, at] when exact; (after, until] otherwise; after None: since ever."""

    after: datetime | None
    until: datetime | None
    exact: bool = False


@dataclass(frozen=True)
class Case:
    """One field of one link: values (None unknown, "" empty), shadow (None: none), clocks, configuration."""

    a: str | None
    b: str | None
    base: tuple[str, str] | None
    clock_a: Clock
    clock_b: Clock
    compare: str = "text"
    policy: str = "newest"
    tie_side: str = "a"
    skew: timedelta = timedelta(0)
    propagate_clear: bool = True
    teamleader_wrote_a: bool = False
    owner: str = "teamleader"


@dataclass(frozen=True)
class Verdict:
    """Rule, what to write where, the shadow to set, the loser to log."""

    rule: str
    write: tuple[str, str] | None = None
    remember: bool = False
    held: bool = False
    loser: tuple[str, str] | None = None


def judge(c: Case) -> Verdict:
    """M0 to M8 in their order."""
    # M0: a=? or b=?
    if c.a is None or c.b is None:
        return Verdict("M0")
    # empty is null, "" and white space
    a = "" if c.a.strip() == "" else c.a
    b = "" if c.b.strip() == "" else c.b
    if c.base is None:
        if alike(a, b, c.compare):  # M1
            return Verdict("M1", remember=True)
        if a == "":  # M2
            return Verdict("M2", write=("a", b))
        if b == "":
            return Verdict("M2", write=("b", a))
        return decide("M3", c, a, b, policy(c))  # M3
    changed_a, changed_b = a != c.base[0], b != c.base[1]
    if not changed_a and not changed_b:  # M4
        return Verdict("M4")
    if alike(a, b, c.compare):  # M5
        return Verdict("M5", remember=True)
    if changed_a and not changed_b:  # M6
        return Verdict("M6", remember=True) if a == "" and not c.propagate_clear else Verdict("M6", write=("b", a))
    if changed_b and not changed_a:  # M7
        return Verdict("M7", remember=True) if b == "" and not c.propagate_clear else Verdict("M7", write=("a", b))
    winner = policy(c)
    if c.owner == "teamleader" and c.teamleader_wrote_a and c.policy != "hold":
        winner = "a"
    return decide("M8", c, a, b, winner)  # M8


def decide(rule: str, c: Case, a: str, b: str, winner: str | None) -> Verdict:
    if winner is None:
        return Verdict(rule, held=True)
    won, loser, target = (a, ("b", b), "b") if winner == "a" else (b, ("a", a), "a")
    if won == "" and not c.propagate_clear:
        return Verdict(rule, remember=True)
    return Verdict(rule, write=(target, won), loser=loser)


def policy(c: Case) -> str | None:
    """R6."""
    if c.policy == "hold":
        return None
    if c.policy == "prefer_a":
        return "a"
    if c.policy == "prefer_b":
        return "b"
    if wholly_after(c.clock_a, c.clock_b, c.skew):
        return "a"
    if wholly_after(c.clock_b, c.clock_a, c.skew):
        return "b"
    return c.tie_side


def wholly_after(one: Clock, other: Clock, skew: timedelta) -> bool:
    if one.after is None or other.until is None:
        return False
    end = other.until + skew
    return one.after > end if one.exact else one.after >= end


def alike(one: str, other: str, compare: str) -> bool:
    """The comparator of a field; of telephone numbers without a default region."""
    return normal(one, compare) == normal(other, compare)


def normal(value: str, compare: str) -> str:
    text = unicodedata.normalize("NFC", value.strip())
    if compare == "exact":
        return value if text else ""
    if compare == "text":
        return text
    if any(not (ch.isdigit() or ch.isspace() or ch in "+()-./") for ch in text):
        return text
    digits = "".join(ch for ch in text if ch.isdigit())
    if not text.lstrip("(").startswith("+") and digits.startswith("00"):
        digits = digits[2:]
    return digits or text
