"""`--shard i/n`: which samples of a run are one process's part, without anyone to ask.

Every shard reads the same records and cuts them the same way, task by task, so no launcher, file
or network is needed to agree, and a task may be added to the run later. Samples about the same
media stay together: a video is decoded on one machine, and its prompt prefix is cached there.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass

from onethinker_eval.errors import UsageError
from onethinker_eval.records import Record

__all__ = ["Shard", "media_key", "parse_shard", "partition"]

_FORM = re.compile(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*")


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `number` (from 1) of a run cut into `count`."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def suffix(self) -> str:
        """What the part's folder has behind the run's name."""
        return f".shard-{self.number}-of-{self.count}"


def parse_shard(text: str) -> Shard:
    """Read `i/n`, i from 1 to n; raises `UsageError` for anything else.

    >>> str(parse_shard("2/8"))
    '2/8'
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"--shard must be i/n, e.g. 1/8, found {text!r}")
    number, count = int(match[1]), int(match[2])
    if not 1 <= number <= count:
        raise UsageError(
            f"--shard {text}: the first number goes from 1 to {count}",
            hint="an array job of 8 counts from 1: --array=1-8",
        )
    return Shard(number, count)


def media_key(record: Record) -> tuple[str, ...]:
    """Return what samples about the same media have in common; empty for text alone."""
    return tuple(medium.path for medium in record.media)


def partition(task: str, keys: Sequence[tuple[str, ...]], count: int) -> list[int]:
    """Return the shard (from 1) of each sample of `task`, whose media `keys` names.

    Samples with one key go together, the largest groups first, each to the shard with the least
    so far. A group beyond a fair share is cut into stretches of one, so that a single picture
    cannot leave the other shards without work. Which shard comes first depends on the task's
    name, so that many small tasks do not all fall to the same one.

    >>> partition("t", [("a",), ("b",), ("a",), ("c",)], 2)
    [2, 1, 2, 1]
    >>> partition("t", [("a",)] * 5, 2)
    [2, 2, 2, 1, 1]
    """
    fair = -(-len(keys) // count)
    groups: dict[tuple[str, ...] | int, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key or place, []).append(place)
    pieces = [
        places[start : start + fair]
        for places in groups.values()
        for start in range(0, len(places), fair)
    ]
    pieces.sort(key=lambda places: (-len(places), places[0]))
    turn = int.from_bytes(hashlib.sha256(task.encode()).digest()[:4], "big")
    loads = [(0, order, (order + turn) % count + 1) for order in range(count)]
    found = [0] * len(keys)
    for places in pieces:
        load, order, shard = heapq.heappop(loads)
        for place in places:
            found[place] = shard
        heapq.heappush(loads, (load + len(places), order, shard))
    return found
