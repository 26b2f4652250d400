"""One thing done in a thread of its own while its caller prepares the next: each once, in the order given.

DuckDB lets the interpreter go while it works, so that storing what was read goes on beside reading and decoding.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType


class Behind:
    """A context manager: at its end everything is done. What goes wrong in the thread is raised by the next call, or at
    the end, and nothing more is done."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._doing: Future[None] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Begin with `work` as soon as the work before it is done, and return then."""
        self._finish()
        self._doing = self._thread.submit(work)

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish()
        finally:
            self._thread.shutdown()

    def _finish(self) -> None:
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.result()
