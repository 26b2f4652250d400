"""JSON texts built in frames are those that `json` writes."""

from __future__ import annotations

import json

import polars as pl
import pytest

from tl_hubspot.planning import json_text

SIGNS = [*map(chr, range(0x80)), "é", "\u2028", "😀"]


@pytest.mark.parametrize("sign", SIGNS, ids=[f"{ord(sign):x}" for sign in SIGNS])
def test_a_sign_is_escaped_wherever_it_stands(sign: str) -> None:
    texts = pl.Series("text", ["plain", None, "", f"a{sign}b", sign * 2])
    for column in (texts, texts[2:], texts[3:4], pl.concat([texts[:1], texts[4:]])):
        written = column.to_frame().select(json_text.quoted(pl.col("text")).alias("json"))["json"]
        expected = [None if t is None else json.dumps(t, ensure_ascii=False) for t in column]
        assert written.to_list() == expected


def test_octets_are_those_of_the_rows_alone() -> None:
    texts = pl.Series(["one", "a text that is longer than a view holds", "é", "", "last"])
    assert json_text.octets(texts[1:4]).to_pybytes() == b"a text that is longer than a view holds\xc3\xa9"
    assert json_text.octets(texts[:0]).to_pybytes() == b""
