"""Whether two pictures look alike: a 64-bit hash to find candidates, a comparison to decide.

The hash says of each of 64 low frequencies of the grey picture (discrete cosine transform of
32×32 means) whether it lies above their median. Small changes (JPEG, another size) turn few bits.
It is blind to small things, so candidates are compared: 32×32 means, where a difference counts
only as far as the neighbourhood does not explain it (resampling moves edges).

`HashIndex` finds all hashes within `RADIUS` bits without comparing all pairs: of four bands of 16
bits, one must differ in at most one bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MOST_DIFFERENCE",
    "RADIUS",
    "HashIndex",
    "difference",
    "grid",
    "is_plain",
    "picture_hash",
]

RADIUS = 7
"""Most bits in which the hashes of look-alikes differ; 4 bands find up to this."""
MOST_DIFFERENCE = 24.0
"""Most difference (levels of 0..255) of pictures that count as the same; see docs/training.md."""

_SIDE = 32
_LOW = 9
_BANDS, _BAND_BITS = 4, 16
_PLAIN = 4.0
"""Standard deviation of the grey levels below which a picture has nothing to compare."""
_PAIRS_AT_ONCE = 1 << 22
_ONES = np.array([bin(value).count("1") for value in range(1 << _BAND_BITS)], np.uint8)


def _cosines() -> NDArray[np.float64]:
    steps = np.arange(_SIDE)
    waves = np.cos(np.pi / _SIDE * (steps[None] + 0.5) * np.arange(_LOW)[:, None])
    waves *= np.sqrt(2 / _SIDE)
    waves[0] /= np.sqrt(2)
    return waves


_COSINES = _cosines()


def grid(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of 32×32 cells of (H, W, 3) pixels, (32, 32, 3)."""
    from PIL import Image

    small = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.uint8)


def picture_hash(cells: NDArray[np.uint8]) -> int:
    """Return the 64-bit hash of a `grid`.

    >>> picture_hash(np.full((32, 32, 3), 7, np.uint8)) == picture_hash(
    ...     np.full((32, 32, 3), 200, np.uint8))
    True
    """
    low = _COSINES @ _grey(cells) @ _COSINES.T
    waves = np.round(low.reshape(-1)[1:65], 6)  # rounded: a flat picture has only zeros
    return int.from_bytes(np.packbits(waves > np.median(waves)).tobytes(), "big")


def is_plain(cells: NDArray[np.uint8]) -> bool:
    """Return whether a `grid` is of one colour or nearly so: a black frame is like any other."""
    return float(_grey(cells).std()) < _PLAIN


def _grey(cells: NDArray[Any]) -> NDArray[np.float64]:
    grey: NDArray[np.float64] = cells.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return grey


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the largest unexplained difference of two grids, 0..255; symmetric.

    Of a cell's difference in brightness half the smaller of the two pictures' ranges around it is
    forgiven. Colours, which JPEG and video keep at half the size, are compared in 16×16 cells.
    """
    a, b = _grey(first), _grey(second)
    forgiven = np.minimum(_range(a), _range(b)) / 2
    bright = float((np.abs(a - b) - forgiven).max())
    return max(bright, float(np.abs(_colour(first) - _colour(second)).max()), 0.0)


def _range(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the range of each cell's 3×3 neighbourhood."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(levels, 1, mode="edge"), (3, 3))
    spread: NDArray[np.float64] = windows.max(axis=(-2, -1)) - windows.min(axis=(-2, -1))
    return spread


def _colour(cells: NDArray[np.uint8]) -> NDArray[np.float64]:
    half = _SIDE // 2
    coarse: NDArray[np.float64] = cells.astype(np.float64).reshape(half, 2, half, 2, 3).mean((1, 3))
    return coarse - _grey(coarse)[..., None]


class HashIndex:
    """Finds among `hashes` (uint64) those within `RADIUS` bits of others."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        """Sort the hashes by each band."""
        self._hashes = hashes
        self._orders, self._starts = [], []
        for band in range(_BANDS):
            keys = _band(hashes, band)
            self._orders.append(np.argsort(keys, kind="stable"))
            counts = np.bincount(keys, minlength=1 << _BAND_BITS)
            self._starts.append(np.concatenate([[0], np.cumsum(counts)]))

    def near(self, queries: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], ...]]:
        """Yield portions of (query, stored, bits) of all pairs; a pair may come more than once."""
        flips = [0, *(1 << bit for bit in range(_BAND_BITS))]
        for band in range(_BANDS):
            keys = _band(queries, band)
            for flip in flips:
                yield from self._probe(queries, band, keys ^ flip)

    def _probe(
        self, queries: NDArray[np.uint64], band: int, keys: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], ...]]:
        first = self._starts[band][keys]
        counts = self._starts[band][keys + 1] - first
        ends = np.cumsum(counts)
        start = 0
        while start < len(queries):
            before = int(ends[start - 1]) if start else 0
            # At least one query a portion, so that a crowded bucket cannot stop the walk.
            end = max(start + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE)))
            part = counts[start:end]
            query = np.repeat(np.arange(start, min(end, len(queries))), part)
            place = np.arange(len(query)) - np.repeat(np.cumsum(part) - part, part)
            stored = self._orders[band][np.repeat(first[start:end], part) + place]
            bits = _distance(queries[query], self._hashes[stored])
            kept = bits <= RADIUS
            if kept.any():
                yield query[kept], stored[kept], bits[kept]
            start = end


def _band(hashes: NDArray[np.uint64], band: int) -> NDArray[np.int64]:
    shifted = hashes >> np.uint64(band * _BAND_BITS)
    return (shifted & np.uint64((1 << _BAND_BITS) - 1)).astype(np.int64)


def _distance(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.int64]:
    words = np.ascontiguousarray(first ^ second).view(np.uint16).reshape(-1, _BANDS)
    return _ONES[words].sum(axis=1, dtype=np.int64)
