"""Overlap of time spans `(start, end)` in seconds, start included, end not.

A span that is empty, reversed (end <= start), unbounded on both sides of the overlap, or holds
NaN overlaps nothing, so its tIoU is 0; nothing is swapped or clamped to the video.

Source: the released evaluator of OneThinker, whose union is the hull `max(end) - min(start)`.
The hull equals the set union whenever the spans overlap, and tIoU is 0 otherwise, so the number
is that of TALL, LITA and VidSTG as well.
"""

from __future__ import annotations

# Comparisons are written out below: min() and max() of two numbers take four times as long.
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["MIN_UNION", "tiou"]

MIN_UNION = 1e-12
"""Unions up to this many seconds count as empty, so that tIoU is 0."""


@overload
def tiou(a: Sequence[float], b: Sequence[float]) -> float: ...
@overload
def tiou(a: NDArray[Any], b: ArrayLike) -> NDArray[np.float64]: ...
@overload
def tiou(a: ArrayLike, b: NDArray[Any]) -> NDArray[np.float64]: ...
def tiou(a: Any, b: Any) -> float | NDArray[np.float64]:
    """Temporal intersection over union of spans (start, end) in seconds, in 0..1.

    Two sequences of two numbers give a float. Arrays of shape (..., 2) broadcast against each
    other and give an array of the broadcast shape (...), equal to the plain result bit for bit.
    A sequence that does not hold two numbers raises `ValueError`.

    >>> tiou((0, 10), (5, 15))
    0.3333333333333333
    >>> tiou((3, 1), (1, 3))
    0.0
    """
    if hasattr(a, "ndim") or hasattr(b, "ndim"):
        return _tiou_arrays(a, b)
    start_a, end_a = a
    start_b, end_b = b
    # Written so that a NaN fails: whichever bound it is in, one of these is false.
    if not (end_a > start_a and end_b > start_b):
        return 0.0
    shared = (end_a if end_a < end_b else end_b) - (start_a if start_a > start_b else start_b)
    if not shared > 0:
        return 0.0
    union = (end_a if end_a > end_b else end_b) - (start_a if start_a < start_b else start_b)
    return shared / union if MIN_UNION < union < math.inf else 0.0


def _as_spans(value: ArrayLike) -> NDArray[np.float64]:
    import numpy as np

    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != 2:
        raise ValueError(f"expected spans of shape (..., 2), got an array of shape {array.shape}")
    return array


def _tiou_arrays(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    import numpy as np

    left, right = _as_spans(a), _as_spans(b)
    with np.errstate(all="ignore"):
        shared = np.minimum(left[..., 1], right[..., 1])
        shared = np.maximum(shared - np.maximum(left[..., 0], right[..., 0]), 0.0)
        union = np.maximum(left[..., 1], right[..., 1]) - np.minimum(left[..., 0], right[..., 0])
        usable = (union > MIN_UNION) & (union < np.inf)
        return np.where(usable, shared / union, 0.0)
