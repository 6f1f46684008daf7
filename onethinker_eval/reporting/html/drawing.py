"""What the page draws of an answer or a truth: boxes, points, masks, spans.

Shapes are JSON objects with the keys, all of them optional:
`box` (x1, y1, x2, y2 in 0..1000), `positive` and `negative` points (0..1000), `time` in seconds,
`span` (start, end in seconds), `boxes` {key: box} with `shift` (a key's time is key − shift
seconds), `mask` (run lengths), `masks` ([place, run lengths] by frame) with `rate` (frames a
second).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onethinker_eval.answers.values import SegmentationPrompt, Tube
from onethinker_eval.errors import OneThinkerError
from onethinker_eval.scoring.truths import read_truth

__all__ = ["mask_shapes", "shapes_of", "truth_shapes"]

Shapes = dict[str, Any]

_TRACK_SHIFT = 1
"""Key 1 of a track is the first frame, which is at 0 seconds."""


def shapes_of(value: Any, kind: str) -> Shapes | None:
    """Return the shapes of a typed answer or truth of problem type `kind`; None if it has none.

    >>> shapes_of((1.0, 2.5), "temporal grounding")
    {'span': [1.0, 2.5]}
    """
    if value is None:
        return None
    if kind == "temporal grounding":
        return {"span": _rounded(value)}
    if kind == "spatial grounding":
        return {"box": _rounded(value)}
    if kind == "tracking":
        return {"boxes": _boxes(value), "shift": _TRACK_SHIFT}
    if isinstance(value, Tube):
        return {"span": _rounded(value.span_s), "boxes": _boxes(value.boxes), "shift": 0}
    if isinstance(value, SegmentationPrompt):
        shapes: Shapes = {
            "positive": [_rounded(point) for point in value.positive_points],
            "negative": [_rounded(point) for point in value.negative_points],
        }
        if value.box_1000 is not None:
            shapes["box"] = _rounded(value.box_1000)
        if value.time_s is not None:
            shapes["time"] = round(value.time_s, 3)
        return shapes
    return None


def _rounded(numbers: Sequence[float]) -> list[float]:
    return [round(float(number), 3) for number in numbers]


def _boxes(boxes: Mapping[int, Sequence[float]]) -> dict[str, list[float]]:
    return {str(key): _rounded(box) for key, box in sorted(boxes.items())}


def truth_shapes(record: Mapping[str, Any], kind: str) -> Shapes | None:
    """Return the shapes of a record's truth, its masks included; None if it has none."""
    try:
        value = read_truth(record["truth"], kind, record["data_type"], cached=False)
    except OneThinkerError:
        return None  # a truth that cannot be read failed the sample, which the report shows
    shapes = shapes_of(value, kind)
    if kind != "segmentation":
        return shapes
    masks = mask_shapes((record["meta"] or {}).get("segmentation"), record)
    return {**(shapes or {}), **masks} if shapes or masks else None


def mask_shapes(stored: Any, record: Mapping[str, Any]) -> Shapes:
    """Return `mask` or `masks` of the masks of a truth or of a line of a mask journal.

    Malformed ones are left out here; scoring has reported them.
    """
    if not isinstance(stored, Mapping):
        return {}
    names = ("rle", "segmentation_rle", "masks")
    rles = next((stored[name] for name in names if name in stored), stored)
    if record["data_type"] != "video":
        if isinstance(rles, Mapping) and "counts" not in rles:
            rles = next(iter(rles.values()), None)
        mask = _plain(rles)
        return {"mask": mask} if mask else {}
    frames = _frames(stored, record)
    if isinstance(rles, Mapping):
        placed = [(place, rles.get(key)) for place, key in enumerate(frames)]
    elif isinstance(rles, Sequence) and not isinstance(rles, str):
        placed = list(enumerate(rles))
    else:
        return {}
    masks = [[place, mask] for place, rle in placed if (mask := _plain(rle))]
    if not masks:
        return {}
    return {"masks": masks, **_rate(record, len(placed))}


def _frames(stored: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Return the frame keys: of this line, else those of the truth."""
    truth = (record["meta"] or {}).get("segmentation")
    for source in (stored, truth):
        frames = source.get("frames") if isinstance(source, Mapping) else None
        if isinstance(frames, Sequence) and not isinstance(frames, str):
            return [str(frame) for frame in frames]
    return []


def _rate(record: Mapping[str, Any], count: int) -> dict[str, float]:
    meta = record["meta"] or {}
    fps, duration = meta.get("fps"), meta.get("duration_s")
    if isinstance(fps, (int, float)) and fps > 0:
        return {"rate": float(fps)}
    if isinstance(duration, (int, float)) and duration > 0:
        return {"rate": count / duration}
    return {"rate": 1.0}


def _plain(rle: Any) -> dict[str, Any] | None:
    """Return run lengths without anything else; None for what has not their form."""
    if not isinstance(rle, Mapping) or not isinstance(rle.get("counts"), (str, list)):
        return None
    size = rle.get("size")
    return (
        {"size": list(size), "counts": rle["counts"]} if isinstance(size, (list, tuple)) else None
    )
