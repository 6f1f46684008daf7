"""Scores of boxes, spans, tubes, tracks and segmentation prompts.

Boxes are (x1, y1, x2, y2) in 0..1000 per axis; IoU does not change with per-axis scale, so no
pixel sizes are needed. Spans are (start, end) in seconds, keys of tubes and tracks whole seconds.

| type | paper (`eval_bench.py`, crashes mended) | official |
|---|---|---|
| temporal grounding | tIoU, R@t with ≥ | the same; `lita`: clamped and sorted spans, the whole
  video for an unreadable answer, means by video (`eval_model_rtl.py`) |
| spatial grounding | IoU, R@t with ≥ | the same |
| spatial-temporal | tIoU; sIoU over the seconds both name; their mean | vIoU over the union of
  seconds (LLaVA-ST, TubeDETR), beside tIoU, sIoU and sIoU over the truth's seconds |
| tracking | mean IoU over the truth's seconds, the given first one too; R@t by video | GOT-10k
  toolkit: frames after the first, pooled over videos; SR with > |
| segmentation prompt | the released reward: ½ IoU + ¼ + ¼ (image), .3 IoU + .3 time + .2 + .2
  (video), three points against three, exp(−|dt|/2 s) | the paper's equations 7 and 8 as a mean:
  Gaussians, σ = 50 (points, 0..1000) and 1 s |
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from onethinker_eval.metrics import boxes, kernels, points, spans, tracks
from onethinker_eval.scoring.case import Case, Unscorable
from onethinker_eval.scoring.result import Measured, at_thresholds

if TYPE_CHECKING:
    from onethinker_eval.answers.values import SegmentationPrompt, Span, Tube


__all__ = ["PERCEPTION_MISSES", "PERCEPTION_RULES"]

Track = Mapping[Hashable, Sequence[float]]

_TIOU = {"tIoU@0.3": 0.3, "tIoU@0.5": 0.5, "tIoU@0.7": 0.7}
_SIOU = {"sIoU@0.3": 0.3, "sIoU@0.5": 0.5, "sIoU@0.7": 0.7}
_VIOU = {"vIoU@0.3": 0.3, "vIoU@0.5": 0.5}
_CURVE = (*(step * 0.01 for step in range(100)), 1.0)
"""Thresholds of the GOT-10k success curve, bit by bit those of `numpy.linspace(0, 1, 101)`."""

_POINT_SIGMA_1000 = 50.0
_TIME_SIGMA_S = 1.0
_TIME_SCALE_S = 2.0
_POINTS = 3


def _temporal(case: Case) -> Measured:
    span: Span = case.value
    if case.protocol != "paper" and case.span_rule == "lita":
        span = _clamped(span, case.meta.get("duration_s"))
    return _temporal_measured(spans.tiou(span, case.truth))


def _temporal_measured(overlap: float) -> Measured:
    return _overlap_measured(overlap, {"tIoU": overlap})


def _overlap_measured(overlap: float, components: dict[str, float]) -> Measured:
    """Add the paper's recalls to an overlap's component, written out as it is the hot path."""
    components["R@0.3"] = 1 if overlap >= 0.3 else 0
    components["R@0.5"] = 1 if overlap >= 0.5 else 0
    components["R@0.7"] = 1 if overlap >= 0.7 else 0
    return overlap, components, {"n": 1, **components}


def _clamped(span: Span, duration_s: float | None) -> Span:
    """Sort the ends and move them into the video, as LITA's evaluator does."""
    limit = float("inf") if duration_s is None else float(duration_s)
    start, end = sorted(min(max(0.0, end), limit) for end in span)
    return start, end


def _temporal_miss(case: Case) -> Measured:
    """An unreadable span is 0; LITA's evaluator takes the whole video instead."""
    duration_s = case.meta.get("duration_s")
    if case.protocol == "official" and case.span_rule == "lita" and duration_s:
        return _temporal_measured(spans.tiou((0.0, float(duration_s)), case.truth))
    return _temporal_measured(0.0)


def _spatial(case: Case) -> Measured:
    overlap = boxes.iou(case.value, case.truth)
    return _spatial_measured(overlap)


def _spatial_measured(overlap: float) -> Measured:
    return _overlap_measured(overlap, {"IoU": overlap})


def _tube(case: Case) -> Measured:
    tube: Tube = case.value
    truth: Tube = case.truth
    predicted: Track = tube.boxes  # type: ignore[assignment]
    expected: Track = truth.boxes  # type: ignore[assignment]
    tiou = spans.tiou(tube.span_s, truth.span_s)
    siou = tracks.siou_common(predicted, expected)
    extra = {}
    if case.protocol != "paper":
        extra = {
            "vIoU": tracks.viou_union(predicted, expected),
            "sIoU over truth": tracks.siou_truth(predicted, expected),
        }
    return _tube_measured(tiou, siou, extra)


def _tube_measured(tiou: float, siou: float, extra: dict[str, float]) -> Measured:
    hits = {**at_thresholds(tiou, _TIOU), **at_thresholds(siou, _SIOU)}
    if extra:
        hits.update(at_thresholds(extra["vIoU"], _VIOU))
    components = {"tIoU": tiou, "sIoU": siou, **extra, **hits}
    accuracy = extra["vIoU"] if extra else 0.5 * tiou + 0.5 * siou
    return accuracy, components, {"n": 1, **components}


def _tube_miss(case: Case) -> Measured:
    extra = {} if case.protocol == "paper" else {"vIoU": 0.0, "sIoU over truth": 0.0}
    return _tube_measured(0.0, 0.0, extra)


def _tracking(case: Case) -> Measured:
    return _tracking_measured(case, case.value)


def _tracking_miss(case: Case) -> Measured:
    return _tracking_measured(case, {})


def _tracking_measured(case: Case, track: Track) -> Measured:
    if case.protocol == "paper":
        overlap = tracks.average_overlap(track, case.truth)
        return _overlap_measured(overlap, {"AO": overlap})
    return _pooled_frames(case, track)


def _pooled_frames(case: Case, track: Track) -> Measured:
    """Return GOT-10k's sums over the frames after the first; AO is this video's mean.

    A truth of one frame has none: its accuracy is that frame's IoU, and it adds no frame.
    """
    values = _toolkit_overlaps(case, track)
    if not values:
        overlap = tracks.average_overlap(track, case.truth)
        return overlap, {"AO": overlap}, {"n": 1, "frames": 0}
    beyond = [bisect_left(_CURVE, value) for value in values]
    counts: dict[str, int | float] = {
        "n": 1,
        "frames": len(values),
        "overlap": sum(values),
        "SR@0.5": sum(value > 0.5 for value in values),
        "SR@0.75": sum(value > 0.75 for value in values),
        "curve": sum(beyond),
        "curve points": len(_CURVE) * len(values),
    }
    for count in beyond:
        counts[f"curve@{count}"] = counts.get(f"curve@{count}", 0) + 1
    frames = len(values)
    overlap = counts["overlap"] / frames
    rates = {name: counts[name] / frames for name in ("SR@0.5", "SR@0.75")}
    return overlap, {"AO": overlap, **rates}, counts


def _toolkit_overlaps(case: Case, track: Track) -> list[float]:
    from onethinker_eval.metrics import got10k

    keys = sorted(case.truth)
    if len(keys) < 2:
        return []
    nothing = (0.0, 0.0, 0.0, 0.0)
    predicted = [boxes.to_ltwh(track.get(key, nothing)) for key in keys]
    expected = [boxes.to_ltwh(case.truth[key]) for key in keys]
    cover = case.meta.get("cover")
    values = got10k.frame_overlaps(predicted, expected, (1000.0, 1000.0), cover)
    return [float(value) for value in values]


def _prompt(case: Case) -> Measured:
    prompt: SegmentationPrompt = case.value
    truth: SegmentationPrompt = case.truth
    box = boxes.iou(prompt.box_1000, truth.box_1000) if prompt.box_1000 and truth.box_1000 else 0.0
    pairs = (
        (prompt.positive_points, truth.positive_points),
        (prompt.negative_points, truth.negative_points),
    )
    if case.protocol == "paper" and any(len(p) != _POINTS or len(t) != _POINTS for p, t in pairs):
        raise Unscorable("point_count")
    positive, negative = (points.similarity(*pair, sigma=_POINT_SIGMA_1000) for pair in pairs)
    video = case.data_type == "video"
    time = _time_similarity(case) if video else None
    if case.protocol != "paper":
        parts = [box, positive, negative, *([] if time is None else [time])]
        accuracy = sum(parts) / len(parts)
    elif time is None:
        accuracy = 0.5 * box + 0.25 * positive + 0.25 * negative
    else:
        accuracy = 0.3 * box + 0.3 * time + 0.2 * positive + 0.2 * negative
    return _prompt_measured(accuracy, box, positive, negative, time)


def _time_similarity(case: Case) -> float:
    prompt: SegmentationPrompt = case.value
    if prompt.time_s is None:
        return 0.0
    distance_s: float = abs(prompt.time_s - case.truth.time_s)
    if case.protocol == "paper":
        return kernels.laplace(distance_s, _TIME_SCALE_S)
    return kernels.gaussian(distance_s, _TIME_SIGMA_S)


def _prompt_measured(
    accuracy: float, box: float, positive: float, negative: float, time: float | None
) -> Measured:
    components = {"box IoU": box, "positive points": positive, "negative points": negative}
    if time is not None:
        components["keyframe time"] = time
    counts = {
        "prompts": 1,
        "prompt accuracy": accuracy,
        "box R@0.5": 1 if box >= 0.5 else 0,
        **components,
    }
    return accuracy, components, counts


def _prompt_miss(case: Case) -> Measured:
    return _prompt_measured(0.0, 0.0, 0.0, 0.0, 0.0 if case.data_type == "video" else None)


PERCEPTION_RULES: dict[str, Callable[[Case], Measured]] = {
    "temporal grounding": _temporal,
    "spatial grounding": _spatial,
    "spatial-temporal grounding": _tube,
    "tracking": _tracking,
    "segmentation": _prompt,
}
"""The rule of each perception type; its answer was read."""

PERCEPTION_MISSES: dict[str, Callable[[Case], Measured]] = {
    "temporal grounding": _temporal_miss,
    "spatial grounding": lambda _: _spatial_measured(0.0),
    "spatial-temporal grounding": _tube_miss,
    "tracking": _tracking_miss,
    "segmentation": _prompt_miss,
}
"""What an unreadable answer counts."""
