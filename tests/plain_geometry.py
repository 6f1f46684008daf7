"""The geometric metrics once more, the slow and obvious way, to test the fast way against.

Nothing here calls the package. Pixels are pairs (row, column) in sets; every definition is
worked out pixel by pixel, box by box, matching by matching.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Pixels = set[tuple[int, int]]


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Shared area over joint area; areas never negative; nothing in common with a NaN."""
    if any(math.isnan(v) for v in (*a, *b)):
        return 0.0
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height if width and height else 0.0
    area_a = max(0.0, a[2] - a[0]) * max(0.0, a[3] - a[1])
    area_b = max(0.0, b[2] - b[0]) * max(0.0, b[3] - b[1])
    union = area_a + area_b - shared
    return shared / union if union > 1e-12 else 0.0


def span_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Shared seconds over the seconds of either span."""
    if any(math.isnan(v) for v in (*a, *b)) or a[1] <= a[0] or b[1] <= b[0]:
        return 0.0
    shared = min(a[1], b[1]) - max(a[0], b[0])
    if shared <= 0:
        return 0.0
    union = max(a[1], b[1]) - min(a[0], b[0])
    return shared / union if 1e-12 < union < math.inf else 0.0


def pixels(mask: Mask) -> Pixels:
    """Foreground as a set of (row, column)."""
    return {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}


def jaccard(pred: Mask, truth: Mask, empty: float) -> float:
    """|A ∩ B| / |A ∪ B| of the foreground sets."""
    a, b = pixels(pred), pixels(truth)
    return len(a & b) / len(a | b) if a | b else empty


def davis_boundary(mask: Mask) -> Pixels:
    """Pixels that differ from the pixel to the right, below, or right below, if there is one.

    On the last row only the right neighbour is asked, in the last column only the lower one.
    """
    height, width = mask.shape
    found: Pixels = set()
    for y in range(height):
        for x in range(width):
            for ny, nx in ((y, x + 1), (y + 1, x), (y + 1, x + 1)):
                if ny < height and nx < width and mask[ny, nx] != mask[y, x]:
                    found.add((y, x))
    return found


def onethinker_boundary(mask: Mask) -> Pixels:
    """Foreground with a neighbour among eight that is background or outside the image."""
    inside = pixels(mask)
    steps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return {(y, x) for y, x in inside if any((y + dy, x + dx) not in inside for dy, dx in steps)}


def boundary_f(a: Pixels, b: Pixels, offsets: Sequence[tuple[int, int]]) -> float:
    """F measure of two sets of boundary pixels, matched when an offset apart."""
    if not a or not b:
        return 1.0 if not a and not b else 0.0

    def near(these: Pixels, those: Pixels) -> int:
        return sum(any((y + dy, x + dx) in those for dy, dx in offsets) for y, x in these)

    precision, recall = near(a, b) / len(a), near(b, a) / len(b)
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def disk(radius: int) -> list[tuple[int, int]]:
    """Offsets of Euclidean length up to `radius`, short ones first."""
    reach = range(-radius, radius + 1)
    offsets = [(dy, dx) for dy in reach for dx in reach if dy * dy + dx * dx <= radius * radius]
    return sorted(offsets, key=lambda o: o[0] ** 2 + o[1] ** 2)


def square(radius: int) -> list[tuple[int, int]]:
    """Offsets of up to `radius` along each axis, short ones first."""
    reach = range(-radius, radius + 1)
    return sorted(((dy, dx) for dy in reach for dx in reach), key=lambda o: max(map(abs, o)))


def davis_f(pred: Mask, truth: Mask) -> float:
    """Boundary F of DAVIS: disk of 0.8 % of the diagonal, rounded up."""
    radius = math.ceil(0.008 * math.hypot(*pred.shape))
    return boundary_f(davis_boundary(pred), davis_boundary(truth), disk(radius))


def onethinker_f(pred: Mask, truth: Mask) -> float:
    """Boundary F of OneThinker: square of 0.75 % of the diagonal, rounded to even, at least 1."""
    radius = max(1, round(0.0075 * math.hypot(*pred.shape)))
    return boundary_f(onethinker_boundary(pred), onethinker_boundary(truth), square(radius))


def run_lengths(mask: Mask) -> list[int]:
    """Run lengths down the columns, background first."""
    counts, value = [0], False
    for pixel in mask.T.reshape(-1).tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def matched_distance(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> float:
    """Smallest mean distance over all ways to give each point of the smaller set its own other."""
    few, many = (a, b) if len(a) <= len(b) else (b, a)
    return min(
        sum(math.dist(p, q) for p, q in zip(few, way, strict=True)) / len(few)
        for way in permutations(many, len(few))
    )


def got10k_pool(sequences: Sequence[tuple[Sequence, Sequence, Sequence, tuple]]) -> list[float]:
    """IoU of each frame that counts: (pred, truth, cover, image size) per sequence."""
    values = []
    for pred, truth, cover, (width, height) in sequences:
        for frame in range(1, len(truth)):
            if not cover[frame] > 0:
                continue
            corners = []
            for left, top, w, h in (pred[frame], truth[frame]):
                x, y = min(max(left, 0), width), min(max(top, 0), height)
                corners.append(
                    (x, y, x + min(max(w, 0), width - x), y + min(max(h, 0), height - y))
                )
            values.append(box_iou(*corners))
    return values
