"""Overlap and boundary agreement of masks, from arrays or straight from run lengths.

A mask is an array of shape (height, width), row 0 on top; nonzero is foreground. A run-length
mask is what `rle.read` accepts. Prediction and truth have equal size. All scores are in 0..1.

| | both empty | one empty | source |
|---|---|---|---|
| `iou` | `empty` (0 unless told) | 0 | |
| `davis_j`, `davis_f` | 1 | 0 | DAVIS 2017 evaluation (official; MeViS and ReasonVOS use it) |
| `onethinker_j` | 0 | 0 | OneThinker, released evaluator |
| `onethinker_f` | 1 | 0 | OneThinker, released evaluator |

The DAVIS numbers equal the official code's bit for bit. Flipping both masks changes no J and no
OneThinker F; it may change DAVIS F, whose boundary leans one pixel to the upper left.

A pair costs time in proportion to the window that holds the foreground of both masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onethinker_eval.metrics import bitmaps, boundaries
from onethinker_eval.metrics.bitmaps import BitPair
from onethinker_eval.metrics.rle import RleError, Runs, read

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Overlap",
    "RegionAndBoundary",
    "ciou",
    "davis_f",
    "davis_j",
    "davis_jf",
    "davis_jf_rle",
    "giou",
    "intersection_union",
    "intersection_union_rle",
    "iou",
    "onethinker_f",
    "onethinker_j",
    "onethinker_jf",
    "onethinker_jf_rle",
]

Rle = Runs | Mapping[str, Any]


class Overlap(NamedTuple):
    """Pixels in both masks and in either: additive over samples."""

    intersection: int
    union: int

    def iou(self, *, empty: float = 0.0) -> float:
        """Their ratio; `empty` when neither mask has foreground."""
        return self.intersection / self.union if self.union else empty


class RegionAndBoundary(NamedTuple):
    """Region similarity J and boundary measure F of one frame, each in 0..1."""

    j: float
    f: float


def intersection_union(pred: ArrayLike, truth: ArrayLike) -> Overlap:
    """Pixels in both masks (height, width) and in either of them.

    >>> intersection_union([[1, 1, 0]], [[0, 1, 1]])
    Overlap(intersection=1, union=3)
    """
    return _overlap(*_planes(pred, truth, None))


def intersection_union_rle(pred: Rle, truth: Rle) -> Overlap:
    """The same from run-length masks of equal size, without decoding them.

    >>> mask = {"size": [2, 3], "counts": [1, 2, 3]}
    >>> intersection_union_rle(mask, {"size": [2, 3], "counts": [2, 4]})
    Overlap(intersection=1, union=5)
    """
    return _count(bitmaps.from_runs(*_equal_runs(pred, truth), reach=0))


def iou(pred: ArrayLike, truth: ArrayLike, *, empty: float = 0.0) -> float:
    """Intersection over union of two masks (height, width); `empty` if neither has foreground.

    >>> iou([[1, 1, 0]], [[0, 1, 1]])
    0.3333333333333333
    """
    return intersection_union(pred, truth).iou(empty=empty)


def ciou(overlaps: Iterable[tuple[int, int]]) -> float:
    """Cumulative IoU: summed intersections over summed unions of many samples, in 0..1.

    Large objects weigh more. 0 when no sample has foreground; `ValueError` without samples.
    Source: the referring-segmentation literature (LAVT, LISA) and OneThinker.

    >>> ciou([(1, 3), (5, 5)])
    0.75
    """
    pairs = list(overlaps)
    if not pairs:
        raise ValueError("expected at least one (intersection, union), got none")
    union = sum(pair[1] for pair in pairs)
    return sum(pair[0] for pair in pairs) / union if union else 0.0


def giou(overlaps: Iterable[tuple[int, int]], *, empty: float = 1.0) -> float:
    """Mean of per-sample IoU (LISA's gIoU), in 0..1; `ValueError` without samples.

    A sample without any foreground counts `empty`: 1 as in LISA, while OneThinker's image IoU
    has 0. LISA also adds 1e-5 pixels to each union, which is left out here.

    >>> giou([(1, 4), (0, 0)])
    0.625
    """
    values = [Overlap(*pair).iou(empty=empty) for pair in overlaps]
    if not values:
        raise ValueError("expected at least one (intersection, union), got none")
    return sum(values) / len(values)


def davis_j(pred: ArrayLike, truth: ArrayLike, *, void: ArrayLike | None = None) -> float:
    """Region similarity J of DAVIS: IoU of two masks (height, width), 1 if both are empty.

    Pixels where `void` (same shape) is nonzero are left out. Shapes that differ or are not
    two-dimensional raise `ValueError`.

    >>> davis_j([[1, 1, 0]], [[0, 1, 1]]), davis_j([[0]], [[0]])
    (0.3333333333333333, 1.0)
    """
    return _overlap(*_planes(pred, truth, void)).iou(empty=1.0)


def davis_f(pred: ArrayLike, truth: ArrayLike, *, void: ArrayLike | None = None) -> float:
    """Boundary F of DAVIS of two masks (height, width), within 0.8 % of the diagonal, rounded up.

    `void` pixels are background in both masks. Errors as for `davis_j`.

    >>> davis_f([[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    1.0
    """
    first, second = _planes(pred, truth, void)
    radius = boundaries.davis_radius(*first.shape)
    return boundaries.davis_score(bitmaps.from_arrays(first, second, radius), radius)


def davis_jf(
    pred: ArrayLike, truth: ArrayLike, *, void: ArrayLike | None = None
) -> RegionAndBoundary:
    """`davis_j` and `davis_f` of one pair of masks, for little more than the price of F.

    >>> davis_jf([[0, 0], [0, 0]], [[0, 1], [0, 0]])
    RegionAndBoundary(j=0.0, f=0.0)
    """
    first, second = _planes(pred, truth, void)
    radius = boundaries.davis_radius(*first.shape)
    pair = bitmaps.from_arrays(first, second, radius)
    return RegionAndBoundary(_count(pair).iou(empty=1.0), boundaries.davis_score(pair, radius))


def davis_jf_rle(pred: Rle, truth: Rle) -> RegionAndBoundary:
    """`davis_jf` straight from run-length masks; `RleError` if one is malformed.

    >>> davis_jf_rle({"size": [2, 3], "counts": [6]}, {"size": [2, 3], "counts": [6]})
    RegionAndBoundary(j=1.0, f=1.0)
    """
    first, second = _equal_runs(pred, truth)
    radius = boundaries.davis_radius(first.height, first.width)
    pair = bitmaps.from_runs(first, second, radius)
    return RegionAndBoundary(_count(pair).iou(empty=1.0), boundaries.davis_score(pair, radius))


def onethinker_j(pred: ArrayLike, truth: ArrayLike) -> float:
    """J of OneThinker's evaluator: IoU of two masks (height, width), 0 if both are empty.

    >>> onethinker_j([[1, 1, 0]], [[0, 1, 1]]), onethinker_j([[0]], [[0]])
    (0.3333333333333333, 0.0)
    """
    return iou(pred, truth, empty=0.0)


def onethinker_f(pred: ArrayLike, truth: ArrayLike) -> float:
    """Boundary F of OneThinker's evaluator of two masks (height, width).

    About three points more lenient than DAVIS F; `boundaries` lists the differences.

    >>> onethinker_f([[1, 1], [1, 1]], [[1, 0], [0, 0]])
    1.0
    """
    first, second = _planes(pred, truth, None)
    radius = boundaries.onethinker_radius(*first.shape)
    return boundaries.onethinker_score(bitmaps.from_arrays(first, second, radius), radius)


def onethinker_jf(pred: ArrayLike, truth: ArrayLike) -> RegionAndBoundary:
    """`onethinker_j` and `onethinker_f` of one pair of masks (height, width).

    >>> onethinker_jf([[0]], [[0]])
    RegionAndBoundary(j=0.0, f=1.0)
    """
    first, second = _planes(pred, truth, None)
    radius = boundaries.onethinker_radius(*first.shape)
    pair = bitmaps.from_arrays(first, second, radius)
    return RegionAndBoundary(_count(pair).iou(), boundaries.onethinker_score(pair, radius))


def onethinker_jf_rle(pred: Rle, truth: Rle) -> RegionAndBoundary:
    """`onethinker_jf` straight from run-length masks; `RleError` if one is malformed.

    >>> onethinker_jf_rle({"size": [2, 3], "counts": [6]}, {"size": [2, 3], "counts": [6]})
    RegionAndBoundary(j=0.0, f=1.0)
    """
    first, second = _equal_runs(pred, truth)
    radius = boundaries.onethinker_radius(first.height, first.width)
    pair = bitmaps.from_runs(first, second, radius)
    return RegionAndBoundary(_count(pair).iou(), boundaries.onethinker_score(pair, radius))


def _plane(mask: ArrayLike, name: str) -> NDArray[np.bool_]:
    plane = np.asarray(mask)
    if plane.ndim != 2 or not plane.size:
        raise ValueError(
            f"expected {name} of shape (height, width), got {plane.shape}; pass frames one by one"
        )
    return plane if plane.dtype == np.bool_ else plane != 0


def _planes(
    pred: ArrayLike, truth: ArrayLike, void: ArrayLike | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    first, second = _plane(pred, "pred"), _plane(truth, "truth")
    if first.shape != second.shape:
        raise ValueError(f"expected masks of one size, got {first.shape} and {second.shape}")
    if void is None:
        return first, second
    kept = ~_plane(void, "void")
    if kept.shape != first.shape:
        raise ValueError(f"expected void pixels of shape {first.shape}, got {kept.shape}")
    return first & kept, second & kept


def _overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Overlap:
    import cv2  # counts bytes twice as fast as NumPy

    a, b = first.view(np.uint8), second.view(np.uint8)
    shared = cv2.countNonZero(cv2.bitwise_and(a, b))
    return Overlap(shared, cv2.countNonZero(a) + cv2.countNonZero(b) - shared)


def _count(pair: BitPair) -> Overlap:
    return Overlap((pair.first & pair.second).bit_count(), (pair.first | pair.second).bit_count())


def _equal_runs(pred: Rle, truth: Rle) -> tuple[Runs, Runs]:
    first, second = read(pred), read(truth)
    if (first.height, first.width) != (second.height, second.width):
        raise RleError(
            f"expected masks of one size, got {first.height} × {first.width} "
            f"and {second.height} × {second.width}"
        )
    return first, second
