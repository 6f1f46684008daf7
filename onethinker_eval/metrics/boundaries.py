"""Boundaries of masks as bits, and the F measure of two boundaries within a tolerance.

Two definitions, which differ by about three points on the same masks:

| | DAVIS 2017 (official) | OneThinker (released evaluator) |
|---|---|---|
| boundary pixel | unlike its right, lower or lower right one | has background among its eight |
| image border | not a boundary | background lies outside, so it is one |
| tolerance in pixels | ceil(0.008 · diagonal) | max(1, round(0.0075 · diagonal)) |
| within tolerance | Euclidean distance (a disk) | larger of the two offsets (a square) |

Sources: `davis2017/metrics.py` of davis2017-evaluation at ac7c43f; `seg_post_sam2.py` of
OneThinker at 768b20f.
"""

from __future__ import annotations

import math
from functools import lru_cache

from onethinker_eval.metrics.bitmaps import BitPair

__all__ = [
    "davis_radius",
    "davis_score",
    "dilate_disk",
    "dilate_square",
    "onethinker_radius",
    "onethinker_score",
]


def davis_radius(height: int, width: int) -> int:
    """Tolerance in pixels of the DAVIS F for an image of `height` × `width` pixels.

    >>> davis_radius(480, 854)
    8
    """
    return math.ceil(0.008 * math.sqrt(height * height + width * width))


def onethinker_radius(height: int, width: int) -> int:
    """Tolerance in pixels of OneThinker's F for an image of `height` × `width` pixels.

    >>> onethinker_radius(480, 854)
    7
    """
    return max(1, round(0.0075 * math.hypot(height, width)))


def davis_score(pair: BitPair, radius: int) -> float:
    """DAVIS boundary F in 0..1 of two masks packed with `reach` >= `radius`.

    Two masks without boundary (empty, or filling the image) give 1; one without gives 0.
    """
    if pair.first == pair.second:
        return 1.0
    first, second = _steps(pair.first, pair), _steps(pair.second, pair)
    if not first or not second:
        return 1.0 if first == second else 0.0
    return _f_measure(
        first,
        second,
        dilate_disk(first, radius, pair.stride),
        dilate_disk(second, radius, pair.stride),
    )


def onethinker_score(pair: BitPair, radius: int) -> float:
    """OneThinker's boundary F in 0..1 of two masks packed with `reach` >= `radius`.

    Two empty masks give 1, one empty mask gives 0.
    """
    if pair.first == pair.second:
        return 1.0
    if not pair.first or not pair.second:
        return 0.0
    first, second = _rim(pair.first, pair.stride), _rim(pair.second, pair.stride)
    return _f_measure(
        first,
        second,
        dilate_square(first, radius, pair.stride),
        dilate_square(second, radius, pair.stride),
    )


def dilate_disk(bits: int, radius: int, stride: int) -> int:
    """Grow foreground by all offsets with dx² + dy² <= radius²; spills go to padding bits.

    The disk is a stack of bars, narrow ones outside. Each bar grows out of the next narrower
    one, and the stack is folded from its outermost rows inwards, so that rows of equal width
    are spread together by doubling.
    """
    bar, length = bits, 1
    stack = 0
    for half, extent, spread in _disk(radius):
        bar, length = _widen(bar, length, 2 * half + 1, 1), 2 * half + 1
        # Bars grow to the right and rows downwards; both offsets are taken back at the end.
        stack |= bar << (radius - half + (radius - extent) * stride)
        stack = _widen(stack, 1, 2 * spread + 1, stride)
    return stack >> (radius * stride + radius)


def dilate_square(bits: int, radius: int, stride: int) -> int:
    """Grow foreground by all offsets with |dx|, |dy| <= radius; spills go to padding bits."""
    bar = _widen(bits, 1, 2 * radius + 1, 1)
    return _widen(bar, 1, 2 * radius + 1, stride) >> (radius * stride + radius)


@lru_cache(maxsize=64)
def _disk(radius: int) -> tuple[tuple[int, int, int], ...]:
    """Bars of a disk, narrow to wide: (half width, rows up to which it is used, rows to next)."""
    extents: dict[int, int] = {}
    for offset in range(radius + 1):
        extents[math.isqrt(radius * radius - offset * offset)] = offset
    bars = sorted(extents.items())
    nexts = [extent for _, extent in bars[1:]] + [0]
    return tuple(
        (half, extent, extent - after) for (half, extent), after in zip(bars, nexts, strict=True)
    )


def _widen(bits: int, length: int, wanted: int, step: int) -> int:
    """Spread runs of `length` copies, `step` bits apart, to `wanted` copies, by doubling."""
    while length < wanted:
        more = min(length, wanted - length)
        bits |= bits << (more * step)
        length += more
    return bits


def _steps(bits: int, pair: BitPair) -> int:
    """DAVIS boundary: pixels that differ from the right, lower or lower right neighbour.

    Where the window ends with the image, the last row and column are repeated outside it: a
    pixel there has no neighbour to differ from.
    """
    stride, inside = pair.stride, pair.inside
    padded = bits
    if pair.at_end_column:
        last_bit = (1 << (pair.columns - 1)).to_bytes(stride // 8, "little")
        padded |= (padded & int.from_bytes(last_bit * pair.rows, "little")) << 1
    if pair.at_end_row:
        padded |= padded >> ((pair.rows - 1) * stride) << (pair.rows * stride)
    right, below = padded >> 1, padded >> stride
    return ((padded ^ right) | (padded ^ below) | (padded ^ (below >> 1))) & inside


def _rim(bits: int, stride: int) -> int:
    """Foreground pixels with background, or the outside, among their eight neighbours."""
    sides = bits & (bits << 1) & (bits >> 1)
    return bits & ~(sides & (sides << stride) & (sides >> stride))


def _f_measure(first: int, second: int, first_grown: int, second_grown: int) -> float:
    precision = (first & second_grown).bit_count() / first.bit_count()
    recall = (second & first_grown).bit_count() / second.bit_count()
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)
