"""Independent pure computations side by side: polars leaves the interpreter lock while it works on a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")

AT_ONCE = 2
"""More would only need more memory: polars uses all cores for each."""


def side_by_side(computations: Mapping[K, Callable[[], T]]) -> dict[K, T]:
    """The result of each by its key, in the same order; raises what the first of them raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun = {key: pool.submit(computation) for key, computation in computations.items()}
        return {key: future.result() for key, future in begun.items()}
