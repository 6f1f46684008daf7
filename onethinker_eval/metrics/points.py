"""Distance between two sets of points `(x, y)`, each point matched to at most one other.

Points share one unit (0..1000 per axis in OneThinker's answers). The matching is the one with
the smallest summed Euclidean distance. Sets of up to three points, which is what the answers
hold, are solved by trying all matchings; larger ones by `scipy.optimize.linear_sum_assignment`,
in O(n³).

Source: the paper's "minimum average distance under optimal matching"; the released reward does
it for exactly three against three points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

from onethinker_eval.metrics.kernels import gaussian

__all__ = ["SIGMA_1000", "match", "matched_distance", "similarity"]

SIGMA_1000 = 50.0
"""Width of the Gaussian on the 0..1000 grid (paper, section 3.2)."""

_SMALL = 3  # up to this many points on the longer side, all matchings are tried

Point = Sequence[float]


def matched_distance(a: Sequence[Point], b: Sequence[Point]) -> float:
    """Mean distance of the optimally matched points of two sets, in the points' unit.

    With n and m points, min(n, m) pairs are matched and the rest is ignored (see `similarity`).
    Two empty sets are at distance 0; one empty set, or a coordinate that is not finite, gives
    infinity. A point that is not a pair of numbers raises `ValueError`.

    >>> matched_distance([(0, 0), (10, 0)], [(10, 3), (0, 4)])
    3.5
    """
    if len(a) == len(b) == _SMALL:
        return _three_to_three(a, b)
    if len(a) == 0 or len(b) == 0:
        return 0.0 if len(a) == len(b) else math.inf
    table = _distances(a, b)
    if not _all_finite(table):
        return math.inf
    return sum(table[i][j] for i, j in _match(table)) / min(len(a), len(b))


def match(a: Sequence[Point], b: Sequence[Point]) -> list[tuple[int, int]]:
    """Index pairs (into `a`, into `b`) of the matching with the smallest summed distance.

    Sorted by the first index, min(len(a), len(b)) long. Every coordinate must be finite.

    >>> match([(0, 0), (10, 0)], [(10, 3), (0, 4)])
    [(0, 1), (1, 0)]
    """
    if len(a) == 0 or len(b) == 0:
        return []
    table = _distances(a, b)
    if not _all_finite(table):
        raise ValueError("expected finite coordinates, got a NaN or infinite one")
    return _match(table)


def similarity(a: Sequence[Point], b: Sequence[Point], *, sigma: float = SIGMA_1000) -> float:
    """Similarity in 0..1 of two point sets: the Gaussian of their matched distance.

    For sets of unequal size the value is multiplied by min(n, m) / max(n, m): each point left
    over counts as one with similarity 0. With three against three points this is the released
    reward's term. `sigma` is in the points' unit.

    >>> similarity([(0, 0)], [(0, 0), (9, 9)])
    0.5
    """
    if len(a) == len(b) == 0:
        return 1.0
    share = min(len(a), len(b)) / max(len(a), len(b))
    return share * gaussian(matched_distance(a, b), sigma)


def _distances(a: Sequence[Point], b: Sequence[Point]) -> list[list[float]]:
    hypot = math.hypot
    return [[hypot(px - qx, py - qy) for qx, qy in b] for px, py in a]


def _all_finite(table: list[list[float]]) -> bool:
    return all(math.isfinite(value) for row in table for value in row)


def _three_to_three(a: Sequence[Point], b: Sequence[Point]) -> float:
    """`matched_distance` of three points with three, the case of every segmentation answer."""
    hypot = math.hypot
    (ax, ay), (bx, by), (cx, cy) = a
    (px, py), (qx, qy), (rx, ry) = b
    ap, aq, ar = hypot(ax - px, ay - py), hypot(ax - qx, ay - qy), hypot(ax - rx, ay - ry)
    bp, bq, br = hypot(bx - px, by - py), hypot(bx - qx, by - qy), hypot(bx - rx, by - ry)
    cp, cq, cr = hypot(cx - px, cy - py), hypot(cx - qx, cy - qy), hypot(cx - rx, cy - ry)
    if not math.isfinite(ap + aq + ar + bp + bq + br + cp + cq + cr):
        return math.inf
    total = min(ap + bq + cr, ap + cq + br, bp + aq + cr, bp + cq + ar, cp + aq + br, cp + bq + ar)
    return total / 3.0


def _match(table: list[list[float]]) -> list[tuple[int, int]]:
    rows, columns = len(table), len(table[0])
    if max(rows, columns) > _SMALL:
        from scipy.optimize import linear_sum_assignment

        picked = linear_sum_assignment(table)
        return [(int(i), int(j)) for i, j in zip(*picked, strict=True)]
    if rows <= columns:
        ways = (list(enumerate(way)) for way in permutations(range(columns), rows))
    else:
        ways = (
            sorted((i, j) for j, i in enumerate(way)) for way in permutations(range(rows), columns)
        )
    return min(ways, key=lambda way: sum(table[i][j] for i, j in way))
