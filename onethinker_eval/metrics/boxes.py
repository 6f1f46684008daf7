"""Overlap of boxes `(x1, y1, x2, y2)`: corners, x to the right, y down, ends not included.

Any unit will do (pixels, or 0..1000 per axis): IoU does not change when an axis is scaled.
Area is `(x2 - x1) * (y2 - y1)`, with no "+1". A box that is empty, reversed (x2 <= x1 or
y2 <= y1), or holds NaN overlaps nothing, so its IoU is 0; nothing is repaired or swapped.

Source: the released evaluator of OneThinker (areas clamped at 0, IoU 0 when the union is at most
1e-12), which agrees with torchvision's `box_iou` wherever that one is defined.
"""

from __future__ import annotations

# Comparisons are written out below: min() and max() of two numbers take four times as long.
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MIN_UNION", "iou", "pairwise_iou", "to_ltwh"]

MIN_UNION = 1e-12
"""Unions up to this count as empty, so that IoU is 0 and never a division by zero."""

_CHUNK = 2048  # pairs handled at a time, so that the working columns stay in the cache


@overload
def iou(a: Sequence[float], b: Sequence[float]) -> float: ...
@overload
def iou(a: NDArray[Any], b: ArrayLike) -> NDArray[np.float64]: ...
@overload
def iou(a: ArrayLike, b: NDArray[Any]) -> NDArray[np.float64]: ...
def iou(a: Any, b: Any) -> float | NDArray[np.float64]:
    """Intersection over union of boxes (x1, y1, x2, y2) in one common unit, in 0..1.

    Two sequences of four numbers give a float. Arrays of shape (..., 4) broadcast against each
    other and give an array of the broadcast shape (...), equal to the plain result bit for bit.
    A sequence that does not hold four numbers raises `ValueError`.

    >>> iou((0, 0, 10, 10), (5, 0, 15, 10))
    0.3333333333333333
    >>> iou((10, 0, 0, 10), (0, 0, 10, 10))
    0.0
    """
    if hasattr(a, "ndim") or hasattr(b, "ndim"):
        return _iou_arrays(a, b)
    ax1, ay1, ax2, ay2 = a
    bx1, by1, bx2, by2 = b
    width = (ax2 if ax2 < bx2 else bx2) - (ax1 if ax1 > bx1 else bx1)
    height = (ay2 if ay2 < by2 else by2) - (ay1 if ay1 > by1 else by1)
    if not (width > 0 and height > 0):
        return 0.0
    shared = width * height
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared
    # A NaN anywhere makes its own area, hence the union, NaN; that comparison is then false.
    return shared / union if union > MIN_UNION else 0.0


def pairwise_iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """IoU of each of N boxes with each of M boxes (x1, y1, x2, y2): shape (N, M), in 0..1.

    Entry [i, j] equals `iou(a[i], b[j])` bit for bit.

    >>> pairwise_iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 3, 2]]).tolist()
    [[1.0, 0.3333333333333333]]
    """
    import numpy as np

    left, right = _as_boxes(a), _as_boxes(b)
    if left.ndim != 2 or right.ndim != 2:
        raise ValueError(
            f"expected two arrays of shapes (N, 4) and (M, 4), got {left.shape} and {right.shape}"
        )
    out = np.empty((len(left), len(right)))
    columns = np.ascontiguousarray(right.T)
    rows = max(1, _CHUNK // max(1, len(right)))
    for start in range(0, len(left), rows):
        part = left[start : start + rows].T[:, :, None]
        _iou_columns(part, columns[:, None, :], out[start : start + rows])
    return out


def to_ltwh(box: Sequence[float]) -> tuple[float, float, float, float]:
    """The box (x1, y1, x2, y2) as (left, top, width, height), in the same unit.

    >>> to_ltwh((2, 3, 10, 5))
    (2, 3, 8, 2)
    """
    x1, y1, x2, y2 = box
    return x1, y1, x2 - x1, y2 - y1


def _as_boxes(value: ArrayLike) -> NDArray[np.float64]:
    import numpy as np

    array = np.asarray(value, dtype=np.float64)
    if array.size == 0 and array.ndim == 1:
        array = array.reshape(0, 4)
    if array.ndim == 0 or array.shape[-1] != 4:
        raise ValueError(f"expected boxes of shape (..., 4), got an array of shape {array.shape}")
    return array


def _iou_arrays(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    import numpy as np

    left, right = np.broadcast_arrays(_as_boxes(a), _as_boxes(b))
    shape = left.shape[:-1]
    left, right = left.reshape(-1, 4), right.reshape(-1, 4)
    out = np.empty(len(left))
    for start in range(0, len(left), _CHUNK):
        stop = start + _CHUNK
        _iou_columns(
            np.ascontiguousarray(left[start:stop].T),
            np.ascontiguousarray(right[start:stop].T),
            out[start:stop],
        )
    return out.reshape(shape)


def _iou_columns(a: NDArray[np.float64], b: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write into `out` the IoU of boxes given as four coordinate arrays each."""
    import numpy as np

    with np.errstate(all="ignore"):
        width = np.minimum(a[2], b[2])
        width -= np.maximum(a[0], b[0])
        np.maximum(width, 0.0, out=width)
        height = np.minimum(a[3], b[3])
        height -= np.maximum(a[1], b[1])
        np.maximum(height, 0.0, out=height)
        width *= height  # the shared area
        union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
        union -= width
        np.divide(width, union, out=out)
        out[~(union > MIN_UNION)] = 0.0  # NaN unions included
