"""How many samples are handed to a model at once, so that batching stays and little can be lost.

Batches are cut from the whole request list by position, whatever is already finished: a resumed
run puts the same samples together as an uninterrupted one, and gets the same digits from models
whose result depends on their batch neighbours. With batch size 1 there are no neighbours; then
the chunk grows while it finishes quickly, to spare quick models a disk flush per sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

__all__ = ["ChunkSize", "batches"]

_QUICK_S = 0.25
_SLOW_S = 1.0
_MOST = 512


def batches(
    missing: set[int],
    total: int,
    size: int,
    failed: set[int],
    order: Sequence[int] | None = None,
) -> Iterator[list[int]]:
    """Yield the batches, as request indices, that hold at least one `missing` index.

    `order` puts the `total` requests into the order to run them. A batch that lacks some replies
    was torn by a kill and is done again whole, so that its members meet the same neighbours; only
    when what it lacks has `failed` before is that tried alone. A kill tears one batch: if, in an
    `order` of records, more are torn, then the records are others than last time, no batch can
    have its old neighbours, and what is missing is cut into new ones.

    >>> list(batches({2, 3, 5}, 6, 2, failed={5}))
    [[2, 3], [5]]
    >>> list(batches({0, 1, 4}, 6, 2, failed=set(), order=[5, 1, 4, 3, 0, 2]))
    [[1, 4], [0]]
    """
    places = range(total) if order is None else order
    found, torn = [], 0
    for start in range(0, total, size):
        members = list(places[start : start + size])
        lacking = [index for index in members if index in missing]
        if failed.issuperset(lacking):
            members = lacking
        torn += len(members) > len(lacking)
        if lacking:
            found.append(members)
    if order is not None and torn > 1:
        left = [index for index in order if index in missing]
        found = [left[start : start + size] for start in range(0, len(left), size)]
    yield from found


class ChunkSize:
    """The number of batches a chunk holds: fixed, one, or growing for batch size 1."""

    def __init__(self, batch_size: int, *, fixed: int | None = None, concurrency: int = 1) -> None:
        """Start for `batch_size`; `concurrency` is how many requests the model runs at once."""
        self._adapts = fixed is None and batch_size == 1
        self._least = 8 * concurrency if concurrency > 1 else 1
        start = fixed // batch_size if fixed is not None else self._least
        self.batches = max(1, start)

    def observe(self, seconds: float) -> None:
        """Learn that the last chunk took `seconds`."""
        if not self._adapts:
            return
        if seconds < _QUICK_S:
            self.batches = min(2 * self.batches, _MOST)
        elif seconds > _SLOW_S:
            self.batches = max(self._least, self.batches // 2)
