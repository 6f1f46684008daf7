"""AO, SR and success curve as the GOT-10k toolkit computes them, pooled over all sequences.

Boxes are `(left, top, width, height)` in pixels, one row per frame, frame 0 first.

The toolkit's rules, which differ from OneThinker's per-video numbers in each point:
1. both boxes are clipped to the image;
2. the union has the machine epsilon added, so that empty boxes give 0;
3. frame 0, whose box the tracker is given, is left out;
4. frames where the target is not visible (`cover` 0) are left out;
5. the frames of all sequences are pooled before averaging, so long videos weigh more;
6. success compares with `>`, and its curve has the 101 thresholds 0, 0.01, … 1.

Source: `got10k/utils/metrics.py` and `got10k/experiments/got10k.py` of the toolkit at 956e728.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CURVE_BINS", "Pooled", "frame_overlaps", "pool", "rect_iou"]

CURVE_BINS = 101
"""Number of thresholds of the success curve."""

_EPSILON = 2.0**-52  # of double precision


class Pooled(NamedTuple):
    """Numbers over pooled frames: AO and SR in 0..1, the success curve, the frame count."""

    ao: float
    sr50: float
    sr75: float
    curve: tuple[float, ...]
    frames: int


def rect_iou(
    a: ArrayLike, b: ArrayLike, image_size: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """IoU of N boxes with N others, (left, top, width, height) in pixels: shape (N,), 0..1.

    With `image_size` = (width, height) in pixels both are clipped to the image first; the
    arguments are left as they are. A NaN coordinate gives 0 (the toolkit would let it poison
    the mean). Unequal or wrong shapes raise `ValueError`.

    >>> rect_iou([[0, 0, 10, 10]], [[5, 0, 10, 10]], (10, 10)).round(6).tolist()
    [0.5]
    """
    import numpy as np

    left, right = _as_rects(a), _as_rects(b)
    if left.shape != right.shape:
        raise ValueError(f"expected equal numbers of boxes, got {len(left)} and {len(right)}")
    if image_size is not None:
        left, right = _clip(left, image_size), _clip(right, image_size)
    with np.errstate(all="ignore"):
        low = np.maximum(left[:, :2], right[:, :2])
        high = np.minimum(left[:, :2] + left[:, 2:], right[:, :2] + right[:, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        union = np.prod(left[:, 2:], axis=1) + np.prod(right[:, 2:], axis=1) - shared
        values: NDArray[np.float64] = shared / (union + _EPSILON)
    values[np.isnan(values)] = 0.0
    return values


def frame_overlaps(
    pred: ArrayLike,
    truth: ArrayLike,
    image_size: tuple[float, float],
    cover: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """IoU of the frames of one sequence that count: all but frame 0 and invisible ones.

    `pred` and `truth` are (frames, 4), `cover` has one visibility (0 = invisible) per frame;
    without it every frame is taken as visible.

    >>> boxes = [[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4]]
    >>> frame_overlaps(boxes, boxes, (9, 9), cover=[8, 0, 8]).tolist()
    [1.0]
    """
    import numpy as np

    values = rect_iou(_as_rects(pred)[1:], _as_rects(truth)[1:], image_size)
    if cover is None:
        return values
    visible = np.asarray(cover)
    if visible.shape != (len(values) + 1,):
        raise ValueError(
            f"expected one cover value for each of {len(values) + 1} frames, "
            f"got an array of shape {visible.shape}"
        )
    return values[visible[1:] > 0]


def pool(sequences: Iterable[ArrayLike]) -> Pooled:
    """AO, SR@0.5, SR@0.75 and success curve over the frames of all `sequences` together.

    Each sequence is the array `frame_overlaps` returned. `ValueError` when no frame is left.

    >>> pool([[1.0, 0.6], [0.2, 0.0]])[:3]
    (0.45, 0.5, 0.25)
    """
    import numpy as np

    parts = [np.asarray(part, dtype=np.float64) for part in sequences]
    values = np.concatenate(parts) if parts else np.empty(0)
    if not values.size:
        raise ValueError("expected at least one visible frame after frame 0, got none")
    ordered = np.sort(values)
    thresholds = np.linspace(0, 1, CURVE_BINS)
    above = len(values) - np.searchsorted(ordered, thresholds, side="right")
    return Pooled(
        ao=float(np.mean(values)),
        sr50=float(np.mean(values > 0.5)),
        sr75=float(np.mean(values > 0.75)),
        curve=tuple(float(count / len(values)) for count in above),
        frames=len(values),
    )


def _as_rects(value: ArrayLike | Sequence[Sequence[float]]) -> NDArray[np.float64]:
    import numpy as np

    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"expected boxes of shape (frames, 4), got shape {array.shape}")
    return array


def _clip(rects: NDArray[np.float64], image_size: tuple[float, float]) -> NDArray[np.float64]:
    """The part of each box inside the image; its size is negative where there is none."""
    import numpy as np

    corner = np.maximum(rects[:, :2], 0)
    return np.hstack([corner, np.minimum(rects[:, 2:], np.asarray(image_size) - corner)])
