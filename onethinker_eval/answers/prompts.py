"""Reader of segmentation answers: a box, three points inside, three outside, all in 0..1000.

Images: {"boxes": [x1, y1, x2, y2], "positive_points": [[x, y], …], "negative_points": [[x, y], …]};
videos also have "time": seconds, the moment the prompts belong to.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from onethinker_eval.answers.boxes import (
    BOX_KEYS,
    CLIP,
    number,
    paper_box,
    repaired_box,
    strict_box,
)
from onethinker_eval.answers.json_repair import strict_json
from onethinker_eval.answers.numerals import finite
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema, decide
from onethinker_eval.answers.spans import TIME_KEYS, paper_numbers, repaired_second
from onethinker_eval.answers.values import (
    MAX_STRUCTURED_CHARS,
    Box,
    Point,
    SegmentationPrompt,
    UnreadableError,
    note,
)

__all__ = ["IMAGE_PROMPT", "VIDEO_PROMPT"]

_POINTS = 3
_MAX_POINTS = 64
_POSITIVE = (
    "positive_points",
    "positive",
    "positives",
    "pos_points",
    "foreground_points",
    "positive_point",
    "points_positive",
    "inside_points",
)
_NEGATIVE = (
    "negative_points",
    "negative",
    "negatives",
    "neg_points",
    "background_points",
    "negative_point",
    "points_negative",
    "outside_points",
)
_WRAPPERS = ("answer", "result", "output", "final_answer", "prediction", "segmentation")


def _strict_points(value: Any) -> tuple[Point, ...]:
    if type(value) is not list:
        raise UnreadableError("wrong_schema")
    if len(value) != _POINTS:
        raise UnreadableError("wrong_length")
    return tuple(_strict_point(item) for item in value)


def _strict_point(value: Any) -> Point:
    if type(value) is not list:
        raise UnreadableError("wrong_schema")
    if len(value) != 2:
        raise UnreadableError("wrong_length")
    x, y = value
    for item in value:
        if type(item) is not int and type(item) is not float:
            raise UnreadableError("not_a_number")
    if not (0 <= x <= 1000 and 0 <= y <= 1000):
        finite(x), finite(y)
        raise UnreadableError("out_of_range")
    return float(x), float(y)


def _strict_time(value: Any) -> float:
    if type(value) is not int and type(value) is not float:
        raise UnreadableError("not_a_number")
    seconds = finite(value)
    if seconds < 0:
        raise UnreadableError("out_of_range")
    return seconds


def _from_fields(obj: dict[str, Any], video: bool) -> SegmentationPrompt:
    wanted = ("boxes", "positive_points", "negative_points", *(("time",) if video else ()))
    if any(key not in obj for key in wanted):
        raise UnreadableError("wrong_schema")
    return SegmentationPrompt(
        strict_box(obj["boxes"]),
        _strict_points(obj["positive_points"]),
        _strict_points(obj["negative_points"]),
        _strict_time(obj["time"]) if video else None,
    )


def _strict(text: str, context: Context = NO_CONTEXT, *, video: bool) -> SegmentationPrompt:
    obj = strict_json(text)
    if type(obj) is not dict or len(obj) != 3 + video:
        raise UnreadableError("wrong_schema")
    return _from_fields(obj, video)


def _official(text: str, context: Context, notes: list[str], *, video: bool) -> SegmentationPrompt:
    obj = strict_json(text)
    if not isinstance(obj, dict):
        raise UnreadableError("wrong_schema")
    if len(obj) > 3 + video:
        notes.append("extra_keys")
    return _from_fields(obj, video)


def _paper(text: str, context: Context, notes: list[str], *, video: bool) -> SegmentationPrompt:
    """What the authors' segmentation step takes: a box, or points, or both.

    Their arithmetic fails on strings, NaN and infinity; corners are put in order; entries that
    are no pair are left out; a time that float() refuses is 0.
    """
    obj = strict_json(text)
    if not isinstance(obj, dict):
        raise UnreadableError("wrong_schema")
    if len(obj) > 3 + video:
        notes.append("extra_keys")
    given = obj.get("boxes")
    box = _paper_corners(given, notes) if isinstance(given, list) and len(given) == 4 else None
    points = [_paper_points(obj.get(key, []), notes) for key in (_POSITIVE[0], _NEGATIVE[0])]
    if box is None:
        note(notes, "missing_box")
        if not any(points):
            raise UnreadableError("wrong_schema")
    if not all(points):
        note(notes, "missing_points")
    elif any(len(group) != _POINTS for group in points):
        note(notes, "point_count")
    time_s = _paper_time(obj, notes) if video else None
    return SegmentationPrompt(box, points[0], points[1], time_s)


def _paper_corners(value: list[Any], notes: list[str]) -> Box:
    if any(isinstance(item, str) for item in value):
        raise UnreadableError("not_a_number")
    repairs: list[str] = []
    x1, y1, x2, y2 = paper_box(value, repairs)
    for name in repairs:
        note(notes, "reordered_box" if name == "reversed" else name)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _paper_points(value: Any, notes: list[str]) -> tuple[Point, ...]:
    out: list[Point] = []
    for item in value if isinstance(value, list) else []:
        if isinstance(item, list) and len(item) == 2:
            if any(isinstance(part, str) for part in item):
                raise UnreadableError("not_a_number")
            x, y = paper_numbers(item, 2, notes)
            if min(x, y) < 0 or max(x, y) > 1000:
                note(notes, "beyond_range")
            out.append((x, y))
        else:
            note(notes, "point_count")
    if len(out) > _MAX_POINTS:
        raise UnreadableError("too_long")
    return tuple(out)


def _paper_time(obj: dict[str, Any], notes: list[str]) -> float:
    given = obj.get("time")
    if isinstance(given, (str, bool)):
        note(notes, "numeric_string" if isinstance(given, str) else "boolean_as_number")
    try:
        seconds = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        note(notes, "default_time")
        return 0.0
    if finite(seconds) < 0:
        note(notes, "beyond_range")
    return seconds


def _find(obj: dict[str, Any], names: tuple[str, ...], notes: list[str]) -> Any:
    """The value under the first name, else under the only alias, else None."""
    if names[0] in obj:
        return obj[names[0]]
    found = [key for key in obj if key.strip().lower() in names]
    if len(found) > 1:
        raise UnreadableError("ambiguous")
    if not found:
        return None
    note(notes, "key_alias")
    return obj[found[0]]


def _repaired_points(value: Any, notes: list[str]) -> tuple[Point, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise UnreadableError("wrong_schema")
    if value and not any(isinstance(item, (list, dict)) for item in value):
        if len(value) % 2:
            raise UnreadableError("wrong_length")
        note(notes, "bare_value")
        value = [value[i : i + 2] for i in range(0, len(value), 2)]
    if len(value) > _MAX_POINTS:
        raise UnreadableError("too_long")
    return tuple(_repaired_point(item, notes) for item in value)


def _repaired_point(value: Any, notes: list[str]) -> Point:
    if isinstance(value, dict):
        lowered = {key.strip().lower(): item for key, item in value.items()}
        if "x" not in lowered or "y" not in lowered:
            raise UnreadableError("wrong_schema")
        note(notes, "coordinate_keys")
        value = [lowered["x"], lowered["y"]]
    if not isinstance(value, list):
        raise UnreadableError("wrong_schema")
    if len(value) != 2:
        raise UnreadableError("wrong_length")
    raw = [number(item, notes) for item in value]
    x, y = (min(max(item, 0.0), 1000.0) for item in raw)
    if [x, y] != raw:
        if min(raw) < -CLIP or max(raw) > 1000 + CLIP:
            raise UnreadableError("out_of_range")
        note(notes, "clipped")
    return x, y


def _repaired_time(obj: dict[str, Any], notes: list[str]) -> float:
    given = _find(obj, TIME_KEYS, notes)
    if isinstance(given, list) and len(given) == 1:
        note(notes, "nested_list")
        given = given[0]
    if isinstance(given, list):
        raise UnreadableError("ambiguous")
    if given is None:
        raise UnreadableError("wrong_schema")
    seconds = repaired_second(given, notes)
    if seconds < 0:
        raise UnreadableError("out_of_range")
    return seconds


def _from_object(obj: Any, notes: list[str], *, video: bool) -> SegmentationPrompt:
    if isinstance(obj, list) and len(obj) == 1:
        note(notes, "nested_list")
        return _from_object(obj[0], notes, video=video)
    if not isinstance(obj, dict):
        raise UnreadableError("wrong_schema")
    wrapped = [key for key in obj if key.strip().lower() in _WRAPPERS]
    if "boxes" not in obj and len(wrapped) == 1:
        note(notes, "json_wrapped")
        return _from_object(obj[wrapped[0]], notes, video=video)
    given = _find(obj, BOX_KEYS, notes)
    box = repaired_box(given, notes) if given is not None else None
    points = [_repaired_points(_find(obj, names, notes), notes) for names in (_POSITIVE, _NEGATIVE)]
    if box is None:
        if not points[0]:
            raise UnreadableError("wrong_schema")
        note(notes, "missing_box")
    if not all(points):
        note(notes, "missing_points")
    elif any(len(group) != _POINTS for group in points):
        note(notes, "point_count")
    time_s = _repaired_time(obj, notes) if video else None
    if len(obj) > 3 + video:
        note(notes, "extra_keys")
    return SegmentationPrompt(box, points[0], points[1], time_s)


def _no_prose(text: str, context: Context, notes: list[str]) -> SegmentationPrompt:
    raise UnreadableError("truncated" if context.cut else "wrong_schema")


def _repaired(text: str, context: Context, notes: list[str], *, video: bool) -> SegmentationPrompt:
    return decide(text, context, notes, partial(_from_object, video=video), _no_prose)


def _schema(video: bool) -> Schema:
    return Schema(
        partial(_strict, video=video),
        partial(_official, video=video),
        partial(_paper, video=video),
        partial(_repaired, video=video),
        MAX_STRUCTURED_CHARS,
    )


IMAGE_PROMPT = _schema(video=False)
VIDEO_PROMPT = _schema(video=True)
