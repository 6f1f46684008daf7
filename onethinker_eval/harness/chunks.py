"""How many samples are handed to a model at once, so that batching stays and little can be lost.

Batches are cut from the whole request list by position, whatever is already finished: a resumed
run puts the same samples together as an uninterrupted one, and gets the same digits from models
whose result depends on their batch neighbours. With batch size 1 there are no neighbours; then
the chunk grows while it finishes quickly, to spare quick models a disk flush per sample.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["ChunkSize", "batches"]

_QUICK_S = 0.25
_SLOW_S = 1.0
_MOST = 512


def batches(missing: set[int], total: int, size: int, failed: set[int]) -> Iterator[list[int]]:
    """Yield the batches, as request indices, that hold at least one `missing` index.

    A batch that lacks some replies was torn by a kill and is done again whole, so that its members
    meet the same neighbours; only when what it lacks has `failed` before is that tried alone.

    >>> list(batches({2, 3, 5}, 6, 2, failed={5}))
    [[2, 3], [5]]
    """
    for start in range(0, total, size):
        members = list(range(start, min(start + size, total)))
        lacking = [index for index in members if index in missing]
        if lacking:
            yield lacking if failed.issuperset(lacking) else members


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
