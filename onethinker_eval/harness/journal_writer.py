"""What stands beside a busy engine: a thread that journals, and a thread that hashes media ahead.

A disk flush takes milliseconds and hashing a long video a second; neither may stand between two
steps of an engine.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["DoneAhead", "Writer"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Writer(Generic[_Item]):
    """Hands what is put into it to `write`, in a thread, whatever waits at a time together.

    Leaving the block waits until everything is written. An exception of `write` is raised by the
    next `put`, or at the end of the block.
    """

    def __init__(self, write: Callable[[Sequence[_Item]], None]) -> None:
        """Write by `write`, which sees this thread's context variables."""
        self._write = write
        self._waiting: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="journal", daemon=True
        )

    def __enter__(self) -> Writer[_Item]:
        self._thread.start()
        return self

    def put(self, item: _Item) -> None:
        """Have `item` written soon."""
        self.check()
        self._waiting.put(item)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        if value is None:
            self.check()

    def check(self) -> None:
        """Raise what `write` raised, if it did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        item = self._waiting.get()
        while item is not None:
            together = [item]
            while not self._waiting.empty() and (item := self._waiting.get()) is not None:
                together.append(item)
            try:
                self._write(together)
            except BaseException as error:  # raised again by the thread that is being served
                self._error = error
                return
            if item is not None:
                item = self._waiting.get()


class DoneAhead:
    """Does `work` on items in one thread before they are needed."""

    def __init__(self, work: Callable[[Any], _Result]) -> None:
        """Prepare; the thread sees this one's context variables."""
        self._work = work
        self._context = contextvars.copy_context()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._begun: dict[Hashable, Future[Any]] = {}

    def begin(self, key: Hashable, item: Any) -> None:
        """Have the work on `item` done, unless it is already."""
        if key not in self._begun:
            self._begun[key] = self._pool.submit(self._context.run, self._work, item)

    def result(self, key: Hashable, item: Any) -> Any:
        """Return the result of the work on `item`, done ahead or at once."""
        future = self._begun.pop(key, None)
        return self._work(item) if future is None else future.result()

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=True, cancel_futures=True)
