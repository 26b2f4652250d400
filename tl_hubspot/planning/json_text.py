"""Canonical JSON text in frames: keys sorted, no idle space, non-ASCII as it is; the same bytes for the same content.

Builds and reads JSON columns without a Python object per row. What the objects mean is said where they are used.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import pyarrow as pa

_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = {chr(n): f"\\u{n:04x}" for n in range(0x20)} | _SHORT


def dumps(value: Any) -> str:
    """Canonical JSON text of one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def quoted(text: pl.Expr, *, before: str = "", after: str = "") -> pl.Expr:
    """Text as a JSON string between two JSON texts; null stays null."""
    escaped = text.map_batches(_escaped, return_dtype=pl.String, is_elementwise=True)
    return pl.concat_str(pl.lit(before + '"'), escaped, pl.lit('"' + after))


def _escaped(texts: pl.Series) -> pl.Series:
    # hardly any column holds such a sign: to look for them in the bytes of all texts at once takes a tenth of the time
    return texts.str.replace_many(*_escapes()) if _has_escapes(texts) else texts


def _has_escapes(texts: pl.Series) -> bool:
    data = octets(texts)
    signs = pl.Series(pa.Array.from_buffers(pa.uint8(), data.size, [None, data]))
    return bool(((signs < ord(" ")) | (signs == ord('"')) | (signs == ord("\\"))).any())


def octets(texts: pl.Series) -> pa.Buffer:
    """All texts one after the other, in UTF-8."""
    return texts.to_arrow().buffers()[2] or pa.py_buffer(b"")


@functools.cache
def _escapes() -> tuple[pl.Series, pl.Series]:
    # not when the module is imported: polars starts its threads with this, and a process forked from then on hangs
    return pl.Series(list(_ESCAPES)).implode(), pl.Series(list(_ESCAPES.values())).implode()


def boolean(value: pl.Expr) -> pl.Expr:
    """Boolean as JSON text; null stays null."""
    return pl.when(value).then(pl.lit("true")).when(~value).then(pl.lit("false"))


def or_null(text: pl.Expr) -> pl.Expr:
    """JSON text, `null` where there is none."""
    return text.fill_null("null")


def object_of(members: Mapping[str, pl.Expr]) -> pl.Expr:
    """JSON object of JSON texts; a member that is null is left out."""
    if not members:
        return pl.lit("{}")
    parts = [pl.concat_str(pl.lit(f"{dumps(name)}:"), members[name]) for name in sorted(members)]
    return pl.concat_str(pl.lit("{"), pl.concat_str(parts, separator=",", ignore_nulls=True), pl.lit("}"))


def columns_of(objects: pl.Series, names: Iterable[str]) -> pl.DataFrame:
    """The named members of each JSON object as text columns, same rows; null where absent, null or no object at all."""
    schema = dict.fromkeys(names, pl.String())
    if not schema or objects.null_count() == len(objects):
        return pl.DataFrame({n: pl.repeat(None, len(objects), dtype=pl.String, eager=True) for n in schema})
    # A raw line break can only stand between members, never inside a JSON string.
    line = pl.col("line").str.replace_all(r"[\r\n]+", " ")
    lines = pl.DataFrame({"line": objects}).select(
        pl.when(line.str.strip_chars() != "").then(line).otherwise(pl.lit("{}")).str.join("\n")
    )
    return pl.read_ndjson(io.BytesIO(lines.item().encode()), schema=schema)
