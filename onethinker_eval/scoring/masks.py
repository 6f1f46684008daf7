"""Scores of masks, made from a segmentation prompt by SAM2 or another segmenter.

Masks are COCO run lengths `{"size": [height, width], "counts": …}` in the truth's size.

| | paper (`seg_post_sam2.py`) | official and repaired |
|---|---|---|
| image, no mask | dropped from the means, counted as unparsable | IoU 0, union: true area |
| image, both empty | IoU 0 | IoU 1 (LISA) |
| video frames | those with a true mask | all of them; no true mask is an empty one |
| frame without prediction | J = F = 0 | J = F = 0 |
| J, both empty | 0 | 1 (DAVIS 2017) |
| F | 8-neighbour boundary, square of round(0.0075·diagonal) | DAVIS 2017 |

A video counts by the mean over its frames, then videos are averaged, as MeViS and upstream do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onethinker_eval.errors import DataError, unknown_name
from onethinker_eval.metrics import masks
from onethinker_eval.metrics.rle import RleError, Runs, read
from onethinker_eval.scoring.result import PROTOCOLS, Measured, Protocol, Score, at_thresholds

__all__ = ["score_masks", "with_prompt"]

_PRECISION = {"P@0.5": 0.5, "P@0.7": 0.7, "P@0.9": 0.9}


def score_masks(
    pred_rles: Any,
    truth: Any,
    data_type: str,
    protocol: Protocol = "paper",
    *,
    reason: str = "no_mask",
) -> Score:
    """Score the masks of one sample.

    Args:
        pred_rles: an image's mask; a video's masks by frame key or, as a list, by frame. None
            for an answer that no mask could be made of, which is then unparsable.
        truth: an image's mask, or `{"rle": mask}` or `{"rle": {"0": mask}}`; for a video
            `{"frames": [key, …], "rle": {key: mask}}`. The released names `segmentation_rle` and
            `frames` are read as well.
        data_type: "image" or "video".
        protocol: "paper", "official" or "repaired" (which scores masks as official does).
        reason: why there is no mask.

    Raises:
        DataError: a mask is malformed, or a predicted one has not the truth's size.

    Examples:
        >>> mask = {"size": [2, 2], "counts": [1, 2, 1]}
        >>> score_masks(mask, {"rle": mask}, "image").components["IoU"]
        1.0
    """
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    if data_type not in ("image", "video"):
        raise unknown_name("data type", data_type, ("image", "video"))
    measured: Measured
    try:
        if data_type == "video":
            measured = _video(pred_rles, truth, protocol)
        elif pred_rles is None and protocol == "paper":
            measured = 0.0, {"IoU": 0.0}, {"dropped": 1}
        else:
            measured = _image(pred_rles, truth, protocol)
    except RleError as error:
        raise DataError(f"malformed mask: {error}", field="segmentation") from error
    accuracy, components, statistics = measured
    if pred_rles is None:
        statistics["unparsable"] = 1
        return Score(accuracy, components, "unparsable", reason, "failed", statistics, None)
    return Score(accuracy, components, "scored", None, "strict", statistics, None)


def with_prompt(prompt: Score, mask: Score) -> Score:
    """Return the mask's score with the components and statistics of the prompt it came from."""
    statistics = {**prompt.statistics, **mask.statistics}
    unparsable = "unparsable" in (prompt.outcome, mask.outcome)
    return Score(
        mask.accuracy,
        {**prompt.components, **mask.components},
        "unparsable" if unparsable else mask.outcome,
        prompt.reason or mask.reason,
        prompt.reading,
        {**statistics, "unparsable": 1} if unparsable else statistics,
        prompt.answer,
    )


def _image(pred: Any, truth: Any, protocol: Protocol) -> Measured:
    expected = _runs(_single(_true_masks(truth)), "the truth")
    predicted = _empty_like(expected) if pred is None else _runs(pred, "the prediction")
    overlap = masks.intersection_union_rle(predicted, expected)
    empty = 0.0 if protocol == "paper" else 1.0
    accuracy = 0.0 if pred is None else overlap.iou(empty=empty)
    counts: dict[str, int | float] = {
        "n": 1,
        "IoU": accuracy,
        "intersection": overlap.intersection,
        "union": overlap.union,
    }
    if protocol != "paper":
        counts.update(at_thresholds(accuracy, _PRECISION))
    return accuracy, {"IoU": accuracy}, counts


def _video(pred: Any, truth: Any, protocol: Protocol) -> Measured:
    frames, expected = _true_frames(truth)
    paper = protocol == "paper"
    if paper:
        frames = [(place, key) for place, key in frames if key in expected]
    measure = masks.onethinker_jf_rle if paper else masks.davis_jf_rle
    blank = _empty_like(next(iter(expected.values()))) if expected else None
    predicted = _by_frame(pred)
    regions, outlines = 0.0, 0.0
    for place, key in frames:
        given = predicted(place, key)
        if given is None:
            continue
        mask = _runs(given, f"predicted frame {key}")
        found = measure(mask, expected.get(key) or blank or _empty_like(mask))
        regions += found.j
        outlines += found.f
    count = len(frames)
    region, outline = (regions / count, outlines / count) if count else (0.0, 0.0)
    both = (region + outline) / 2.0
    counts: dict[str, int | float] = {
        "n": 1,
        "J": region,
        "F": outline,
        "frames": count,
        "J over frames": regions,
        "F over frames": outlines,
    }
    return both, {"J": region, "F": outline, "J&F": both}, counts


def _true_masks(truth: Any) -> Any:
    if isinstance(truth, Mapping):
        for name in ("rle", "segmentation_rle"):
            if name in truth:
                return truth[name]
    return truth


def _single(rles: Any) -> Any:
    """Return the mask of an image, which records keep under the name of its only frame."""
    if isinstance(rles, Mapping) and len(rles) == 1 and "size" not in rles:
        return next(iter(rles.values()))
    return rles


def _true_frames(truth: Any) -> tuple[list[tuple[int, str]], dict[str, Runs]]:
    """Return the frames as (place, key) in order, and the runs of those with a true mask."""
    rles = _true_masks(truth)
    frames = truth.get("frames") if isinstance(truth, Mapping) else None
    if not isinstance(rles, Mapping) or not isinstance(frames, Sequence) or not frames:
        raise DataError(
            'expected {"frames": [key, …], "rle": {key: mask}}',
            field="segmentation",
            fix="mend the record",
        )
    keys = [str(frame) for frame in frames]
    found = {
        key: _runs(rles[key], f"true frame {key}") for key in keys if rles.get(key) is not None
    }
    return list(enumerate(keys)), found


def _by_frame(pred: Any) -> Callable[[int, str], Any]:
    """Return a look-up of the predicted mask by (place, key); None where there is none."""
    if pred is None:
        return lambda place, key: None
    if isinstance(pred, Mapping):
        return lambda place, key: pred.get(key, pred.get(str(place), pred.get(place)))
    return lambda place, key: pred[place] if place < len(pred) else None


def _runs(mask: Any, what: str) -> Runs:
    try:
        return read(mask)
    except (RleError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{what} is not a run-length mask ({error})",
            field="segmentation",
            fix="mend the record, or make the masks again",
        ) from error


def _empty_like(runs: Runs) -> Runs:
    return read({"size": [runs.height, runs.width], "counts": [runs.height * runs.width]})
