"""The hash chain finds every row that is not what was written, and hashes need the key of their folder."""

from __future__ import annotations

import random
import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tl_hubspot.consent import pseudonyms
from tl_hubspot.consent.chain import GENESIS, SAID, Broken, Head, chained, first_break, hash_of
from tl_hubspot.errors import ConfigurationError

CHAINED = ("seq", *SAID, "previous_hash")
NOW = datetime(2026, 11, 2, 11, tzinfo=UTC)


def rows(number: int, head: Head | None = None, **values: Any) -> list[dict[str, Any]]:
    blank = dict.fromkeys(SAID)
    given = [{**blank, "at": NOW, "teamleader_id": f"t{n}", "event": "decided", **values} for n in range(number)]
    links = chained(([row[name] for name in SAID] for row in given), head or Head())
    return [
        row | {"seq": seq, "previous_hash": previous, "hash": own}
        for row, (seq, previous, own) in zip(given, links, strict=True)
    ]


def end(ledger: list[dict[str, Any]]) -> Head:
    return Head(ledger[-1]["seq"], ledger[-1]["hash"]) if ledger else Head()


def test_a_chain_is_whole_and_goes_on() -> None:
    first = rows(3)
    both = first + rows(2, end(first))
    assert [r["seq"] for r in both] == [1, 2, 3, 4, 5] and both[0]["previous_hash"] == GENESIS
    assert first_break(both, end(both)) is None
    assert first_break([], Head()) is None


def test_an_instant_counts_whatever_its_zone() -> None:
    (row,) = rows(1)
    rest = [row[name] for name in SAID[1:]]
    assert hash_of(1, [NOW.astimezone(timezone(timedelta(hours=1))), *rest], GENESIS) == row["hash"]
    assert hash_of(1, [NOW + timedelta(microseconds=1), *rest], GENESIS) != row["hash"]


@pytest.mark.parametrize("name", [*CHAINED, "hash"])
def test_a_changed_value_is_found(name: str) -> None:
    ledger = rows(4)
    head = end(ledger)
    changed = 7 if name == "seq" else NOW + timedelta(seconds=1) if name == "at" else "x"
    ledger[1] = ledger[1] | {name: changed}
    found = first_break(sorted(ledger, key=lambda r: r["seq"]), head)
    assert found is not None and found.seq in (2, 3)


def test_removed_inserted_and_reordered_rows_are_found() -> None:
    ledger = rows(5)
    head = end(ledger)
    for place in range(5):
        broken = first_break(ledger[:place] + ledger[place + 1 :], head)
        assert broken == Broken(place + 1, "missing"), "also the last one, which only the head knows of"
        doubled = ledger[: place + 1] + ledger[place:]
        assert first_break(doubled, head) == Broken(place + 1, "there twice")
    assert first_break(ledger + rows(1, head), head) == Broken(6, "not the last one that was written")
    stranger = rows(1, Head(2, ledger[1]["hash"]), teamleader_id="stranger")
    assert first_break(ledger[:2] + stranger + ledger[3:], head) == Broken(
        4, "not the one that followed the row before it"
    )
    for left, right in ((0, 1), (1, 3), (3, 4)):
        swapped = list(ledger)
        swapped[left], swapped[right] = ledger[right] | {"seq": left + 1}, ledger[left] | {"seq": right + 1}
        found = first_break(swapped, head)
        assert found is not None and found.seq == left + 1


def test_any_single_change_is_found() -> None:
    chance = random.Random(7)
    for _ in range(200):
        ledger = rows(8)
        head = end(ledger)
        row = chance.choice(ledger)
        row[chance.choice([n for n in CHAINED if n not in ("at", "seq")])] = chance.random()
        assert first_break(ledger, head) is not None


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    first = pseudonyms.load(tmp_path, in_use=False)
    again = pseudonyms.load(tmp_path, in_use=True)
    assert stat.S_IMODE((tmp_path / pseudonyms.FILE).stat().st_mode) == 0o600
    address = "ann@voorbeeld.be"
    assert first.address(address) == again.address(address) != first.of("contact", address)
    assert first.address(None) is None
    other = tmp_path / "other"
    other.mkdir()
    assert pseudonyms.load(other, in_use=False).address(address) != first.address(address)


@pytest.mark.parametrize(("content", "said"), [(None, "is missing"), ("no key", "cannot be used")])
def test_a_key_that_is_lost_or_damaged_is_said(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / pseudonyms.FILE).write_text(content)
    with pytest.raises(ConfigurationError, match=said):
        pseudonyms.load(tmp_path, in_use=True)


def test_an_empty_key_file_begins_anew(tmp_path: Path) -> None:
    (tmp_path / pseudonyms.FILE).touch()
    assert pseudonyms.load(tmp_path, in_use=True).address("a@voorbeeld.be")
