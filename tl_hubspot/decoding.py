"""JSON and plain values as typed shapes, from any thread. The only module that calls msgspec's decoders.

msgspec learns the fields of a class when it first decodes into it. Two threads that make it learn the same class at
once crash the process (seen with 0.22.0), and a run has threads for both systems: here one learns while others wait.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_learning = threading.Lock()


@overload
def decode(data: bytes | str, type: type[T]) -> T: ...
@overload
def decode(data: bytes | str, type: Any = Any) -> Any: ...
def decode(data: bytes | str, type: Any = Any) -> Any:
    """The JSON text as `type`. msgspec.DecodeError: no JSON; msgspec.ValidationError: JSON of another shape."""
    return decoder(type).decode(data)


@overload
def convert(value: Any, type: type[T]) -> T: ...
@overload
def convert(value: Any, type: Any) -> Any: ...
def convert(value: Any, type: Any) -> Any:
    """Dicts, lists and scalars as `type`. msgspec.ValidationError: they have another shape."""
    decoder(type)
    return msgspec.convert(value, type)


def decoder(type: Any) -> msgspec.json.Decoder[Any]:
    """What `decode` uses; for many texts of one type."""
    known = _decoders.get(type)
    if known is None:
        with _learning:
            known = _decoders.setdefault(type, msgspec.json.Decoder(type))
    return known
