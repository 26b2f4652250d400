"""One thing done in a thread of its own while its caller prepares the next: each once, in the order given.

DuckDB lets the interpreter go while it works, so that storing what was read goes on beside reading and decoding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Behind:
    """A context manager: at its end everything is done. What goes wrong in the thread is raised by a later call, or at
    the end, and nothing after it is done."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._given: deque[Future[None]] = deque()
        self._failed = False

    def do(self, work: Callable[[], None]) -> None:
        """Have `work` done after what was given before; returns when at most one of that is not done yet."""
        self._finish(1)
        self._given.append(self._thread.submit(self._do, work))

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish(0)
        finally:
            self._thread.shutdown()

    def _do(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except BaseException:
            self._failed = True
            raise

    def _finish(self, all_but: int) -> None:
        while len(self._given) > all_but:
            self._given.popleft().result()
