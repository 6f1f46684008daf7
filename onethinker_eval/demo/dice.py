"""Seeded randomness that gives the same draws on every Python and NumPy version.

Seeds are integers in 0..2**63-1. Evaluation scenes use even seeds and training scenes odd ones,
so that no scene can be in both, whatever the labels hash to. Draws go through
`random.Random.random` alone, the only method whose sequence Python promises to keep.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["SPLITS", "Dice", "scene_seed"]

SPLITS = ("eval", "train")

Item = TypeVar("Item")


def scene_seed(split: str, seed: int, *labels: object) -> int:
    """Return the seed of one scene: 0..2**63-1, even for "eval" and odd for "train".

    Raises ValueError when `split` is neither of them.

    >>> scene_seed("eval", 0, "refcoco", 3) % 2, scene_seed("train", 0, "refcoco", 3) % 2
    (0, 1)
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    text = "/".join(str(part) for part in (seed, *labels))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 2) * 2 + SPLITS.index(split)


class Dice:
    """A small random source: uniform numbers, integers with both ends included, picks.

    >>> Dice(7).integer(1, 6) == Dice(7).integer(1, 6)
    True
    """

    __slots__ = ("_random", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = random.Random(seed)

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self._random.random()

    def integer(self, low: int, high: int) -> int:
        """Return an integer in low..high, both included; ValueError when the range is empty."""
        if high < low:
            raise ValueError(f"empty range {low}..{high}")
        return low + int(self._random.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with the given probability (0..1)."""
        return self._random.random() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of `items`; ValueError when there are none."""
        return items[self.integer(0, len(items) - 1)]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Return `items` in a random order."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.integer(0, last)
            result[last], result[other] = result[other], result[last]
        return result

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return `count` different members of `items`; ValueError when there are too few."""
        if count > len(items):
            raise ValueError(f"cannot take {count} of {len(items)}")
        return self.shuffled(items)[:count]

    def fork(self, *labels: object) -> Dice:
        """Return an independent source of the same stream, named by `labels`."""
        return Dice(scene_seed(SPLITS[self.seed % 2], self.seed, *labels))
