"""The canonical text of a value: what a model should write between the answer tags."""

from __future__ import annotations

import json
from typing import Any

from onethinker_eval.answers.reading import problem_key
from onethinker_eval.answers.values import SegmentationPrompt, Tube

__all__ = ["format_answer"]


def format_answer(value: Any, problem_type: str, *, data_type: str = "image") -> str:
    """Return the text of a value in the schema of its problem type.

    Reading the text back, inside tags made by `wrap`, gives an equal value under every rule.
    Whole numbers are written without a fraction.

    Args:
        value: as `parse` returns it: a letter or text, a number, a span (s), a box (0..1000), a
            `Tube`, a mapping of seconds to boxes, or a `SegmentationPrompt`.
        problem_type: as in the released data, any case.
        data_type: "image" or "video"; matters for segmentation only.

    Raises:
        UsageError: unknown problem type.
        TypeError: the value is not of the problem type's kind.

    Examples:
        >>> format_answer((12.5, 25.0), "temporal grounding")
        '{"time": [12.5, 25]}'
        >>> format_answer({1: (1, 2, 3, 4)}, "tracking")
        '{"boxes": {"1": [1, 2, 3, 4]}}'
    """
    key = problem_key(problem_type, data_type)
    if key in ("multiple choice", "math", "ocr", "open-ended", "caption"):
        if not isinstance(value, str):
            raise TypeError(f"{key} takes text, got {type(value).__name__}")
        return value.strip()
    if key in ("numerical", "regression"):
        return json.dumps(_number(value))
    return json.dumps(_fields(value, key))


def _number(value: Any) -> int | float:
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _numbers(values: Any) -> list[int | float]:
    return [_number(value) for value in values]


def _frames(boxes: dict[int, Any]) -> dict[str, list[int | float]]:
    return {str(second): _numbers(boxes[second]) for second in sorted(boxes)}


def _fields(value: Any, key: str) -> dict[str, Any]:
    """The JSON object of a structured value."""
    if key == "temporal grounding":
        return {"time": _numbers(value)}
    if key == "spatial grounding":
        return {"boxes": _numbers(value)}
    if key == "tracking":
        return {"boxes": _frames(value)}
    if key == "spatial-temporal grounding":
        if not isinstance(value, Tube):
            raise TypeError(f"{key} takes a Tube, got {type(value).__name__}")
        return {"time": _numbers(value.span_s), "boxes": _frames(value.boxes)}
    if not isinstance(value, SegmentationPrompt):
        raise TypeError(f"segmentation takes a SegmentationPrompt, got {type(value).__name__}")
    out: dict[str, Any] = {}
    if key == "segmentation video" and value.time_s is not None:
        out["time"] = _number(value.time_s)
    if value.box_1000 is not None:
        out["boxes"] = _numbers(value.box_1000)
    out["positive_points"] = [_numbers(point) for point in value.positive_points]
    out["negative_points"] = [_numbers(point) for point in value.negative_points]
    return out
