"""Overlap of boxes over time: tracks `{key: (x1, y1, x2, y2)}`, one box per frame or second.

Keys name instants (frame 1..32, or the integer second) and are only compared for equality.
Boxes may be in any unit common to both tracks. A key without a predicted box scores 0, and
predicted keys the truth does not have are ignored, except by the two vIoU definitions, whose
denominators count them. Every function returns a value in 0..1.

| function | mean of the box IoU over | source |
|---|---|---|
| `average_overlap` | all truth keys | OneThinker, tracking (AO) |
| `siou_common` | keys both tracks have | OneThinker and LLaVA-ST, spatio-temporal (sIoU) |
| `siou_truth` | all truth keys | gt_vIoU of VidSTG and HC-STVG |
| `viou_union` | keys either track has (0 outside the common ones) | LLaVA-ST (vIoU) |
| `viou_spans` | frames of either span (0 outside the common part) | VidSTG and HC-STVG (vIoU) |

The first frame, whose box the tracking question gives away, is included as upstream does;
`got10k` has the toolkit's numbers, which drop it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from onethinker_eval.metrics.boxes import iou

__all__ = [
    "average_overlap",
    "overlaps",
    "siou_common",
    "siou_truth",
    "success",
    "viou_spans",
    "viou_union",
]

Box = Sequence[float]


def overlaps(pred: Mapping[Hashable, Box], truth: Mapping[Hashable, Box]) -> list[float]:
    """Box IoU at each truth key, in the truth's order; 0 where the prediction has no box.

    >>> overlaps({1: (0, 0, 2, 2)}, {1: (0, 0, 2, 2), 2: (0, 0, 2, 2)})
    [1.0, 0.0]
    """
    get = pred.get
    values = []
    for key, box in truth.items():
        other = get(key)
        values.append(0.0 if other is None else iou(other, box))
    return values


def average_overlap(pred: Mapping[Hashable, Box], truth: Mapping[Hashable, Box]) -> float:
    """Mean box IoU over the truth's keys (AO of one video), missing boxes counting 0.

    An empty truth has no mean and raises `ValueError`.

    >>> average_overlap({1: (0, 0, 2, 2)}, {1: (0, 0, 2, 2), 2: (0, 0, 2, 2)})
    0.5
    """
    _require_boxes(truth)
    return sum(overlaps(pred, truth)) / len(truth)


def success(
    pred: Mapping[Hashable, Box],
    truth: Mapping[Hashable, Box],
    threshold: float = 0.5,
    *,
    strict: bool = True,
) -> float:
    """Share of the truth's keys whose box IoU is above `threshold` (SR of one video).

    The comparison is `>` as in GOT-10k; `strict=False` makes it `>=`. This is a rate over
    frames: the R@t of OneThinker's tracking table compares `average_overlap` with t instead.
    An empty truth raises `ValueError`.

    >>> success({1: (0, 0, 2, 2)}, {1: (0, 0, 2, 2), 2: (0, 0, 2, 2)})
    0.5
    """
    _require_boxes(truth)
    values = overlaps(pred, truth)
    hits = sum(v > threshold if strict else v >= threshold for v in values)
    return hits / len(values)


def siou_common(pred: Mapping[Hashable, Box], truth: Mapping[Hashable, Box]) -> float:
    """Mean box IoU over the keys present in both tracks; 0 when there are none.

    Boxes the prediction leaves out cost nothing here: one perfect box out of eleven gives 1.0.

    >>> siou_common({9: (0, 0, 2, 2)}, {9: (0, 0, 2, 2), 10: (0, 0, 2, 2)})
    1.0
    """
    values = _common(pred, truth)
    return sum(values) / len(values) if values else 0.0


def siou_truth(pred: Mapping[Hashable, Box], truth: Mapping[Hashable, Box]) -> float:
    """Mean box IoU over the truth's keys, missing boxes counting 0; 0 for an empty truth.

    >>> siou_truth({9: (0, 0, 2, 2)}, {9: (0, 0, 2, 2), 10: (0, 0, 2, 2)})
    0.5
    """
    return sum(overlaps(pred, truth)) / len(truth) if truth else 0.0


def viou_union(pred: Mapping[Hashable, Box], truth: Mapping[Hashable, Box]) -> float:
    """Summed box IoU of the common keys over the number of keys in either track.

    Two empty tracks give 0.

    >>> viou_union({8: (0, 0, 2, 2), 9: (0, 0, 2, 2)}, {9: (0, 0, 2, 2), 10: (0, 0, 2, 2)})
    0.3333333333333333
    """
    values = _common(pred, truth)
    union = len(pred) + len(truth) - len(values)
    return sum(values) / union if union else 0.0


def viou_spans(
    pred: Mapping[int, Box],
    truth: Mapping[int, Box],
    pred_span: tuple[float, float],
    truth_span: tuple[float, float],
    frames: Iterable[int],
) -> float:
    """Return vIoU of VidSTG and HC-STVG: spans decide which frames count, boxes how much.

    `frames` are the sampled frame numbers of the video; spans are in the same frame numbers,
    start included, end not. The sum runs over sampled frames inside both spans that have a true
    box (a missing predicted box counts 0); the denominator is the number of sampled frames
    between the earlier start and the later end, gap included, and at least 1.

    >>> box = (0, 0, 2, 2)
    >>> viou_spans({4: box, 5: box}, {4: box, 5: box}, (4, 6), (4, 8), range(0, 10))
    0.5
    """
    first, last = min(pred_span[0], truth_span[0]), max(pred_span[1], truth_span[1])
    start, end = max(pred_span[0], truth_span[0]), min(pred_span[1], truth_span[1])
    total, union = 0.0, 0
    for frame in frames:
        union += first <= frame < last
        if start <= frame < end and frame in truth and frame in pred:
            total += iou(pred[frame], truth[frame])
    return total / max(union, 1)


def _common(pred: Mapping[Hashable, Box], truth: Mapping[Hashable, Box]) -> list[float]:
    return [iou(box, truth[key]) for key, box in pred.items() if key in truth]


def _require_boxes(truth: Mapping[Hashable, Box]) -> None:
    if not truth:
        raise ValueError("expected a true track with at least one box, got an empty one")
