"""Reading media ahead in threads while the model runs, in order and bounded in memory.

Decoding and resizing release the interpreter, so threads are enough. At most `ahead` results
exist beside the one in use, and no new read starts unless the results that exist and those under
way, taken to be as heavy as the heaviest so far, leave room for it in `most_bytes`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from onethinker_eval.errors import DataError

__all__ = ["read_ahead"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def read_ahead(
    items: Iterable[_Item],
    read: Callable[[_Item], _Result],
    *,
    workers: int = 2,
    ahead: int = 4,
    most_bytes: int = 2 << 30,
    weigh: Callable[[_Result], int] = lambda _result: 0,
) -> Iterator[tuple[_Item, _Result | DataError]]:
    """Yield `(item, read(item))` in the order of `items`, reading up to `ahead` items early.

    A `DataError` of `read` is yielded in place of its result, so that one broken file costs one
    sample; any other exception is raised when its item's turn comes. `weigh` gives the bytes a
    result holds. Closing the iterator stops further reads.
    """
    source = iter(items)
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="media")

    heaviest: int | None = None

    def room(in_use: int) -> bool:
        nonlocal heaviest
        held, reading = in_use, 0
        for _, future in waiting:
            if not future.done():
                reading += 1
            elif future.exception() is None:
                weight = weigh(future.result())
                held, heaviest = held + weight, max(heaviest or 0, weight)
        if not waiting:
            return True
        if heaviest is None:
            return len(waiting) < max(1, workers)
        return len(waiting) < max(1, ahead) and held + (reading + 1) * heaviest <= most_bytes

    def refill(in_use: int = 0) -> None:
        while room(in_use):
            try:
                item = next(source)
            except StopIteration:
                return
            waiting.append((item, pool.submit(read, item)))

    try:
        refill()
        while waiting:
            item, future = waiting.popleft()
            weight = 0
            result: _Result | DataError
            try:
                result = future.result()
                weight = weigh(result)
                heaviest = max(heaviest or 0, weight)
            except DataError as error:
                result = error
            refill(weight)
            yield item, result
            del future, result
            refill()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
