"""Reading the truth of a record: typed, checked, and cached, as a truth is scored many times.

A truth is a plain value (`"B"`, `3.5`, `{"time": [1, 2]}`), JSON text, or the released solution
string with its `<answer>` tags. Units are those of the answer schemas: boxes (x1, y1, x2, y2) in
0..1000, times in seconds, frame keys in whole seconds. A truth that cannot be read is an error of
the data, never a score.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from onethinker_eval.answers.values import Box, Point, SegmentationPrompt, Span, Tube
from onethinker_eval.errors import DataError

__all__ = ["read_truth"]

_TAGGED = re.compile(r"<answer>\s*(.*?)\s*</answer>", re.DOTALL | re.IGNORECASE)
_TEXT_TYPES = frozenset({"multiple choice", "math", "ocr", "open-ended", "caption"})
_NUMBER_TYPES = frozenset({"numerical", "regression"})


def read_truth(
    truth: Any, problem_type: str, data_type: str = "image", *, cached: bool = True
) -> Any:
    """Return the typed truth of `problem_type` (lower case); raises `DataError` if malformed.

    Texts stay texts, numbers are floats, spans pairs, boxes 4-tuples, tracks `{second: box}`,
    tubes `Tube`, segmentation prompts `SegmentationPrompt`. `cached` keeps the truths read last;
    where each is met once, that only costs.

    >>> read_truth('<answer>{"time": [1, 2.5]}</answer>', "temporal grounding")
    (1.0, 2.5)
    """
    if isinstance(truth, str):
        read = _read_again if cached else _read_text
        return read(truth, problem_type, data_type)
    return _read(truth, problem_type, data_type)


def _read_text(truth: str, problem_type: str, data_type: str) -> Any:
    text = _untagged(truth)
    if problem_type in _TEXT_TYPES:
        return _read(text, problem_type, data_type)
    if problem_type in _NUMBER_TYPES:
        try:
            return _number(float(text.replace(",", "")))
        except ValueError as error:
            raise _bad(problem_type, "a number", text) from error
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _bad(problem_type, "JSON", text) from error
    return _read(value, problem_type, data_type)


def _untagged(truth: str) -> str:
    """Return what the first answer tag holds, or all of the text."""
    if truth.startswith("<answer>") and truth.find("</answer>") == len(truth) - 9:
        return truth[8:-9].strip()
    tagged = _TAGGED.search(truth)
    return (tagged.group(1) if tagged else truth).strip()


_read_again = lru_cache(maxsize=4096)(_read_text)


def _read(value: Any, problem_type: str, data_type: str) -> Any:
    try:
        return _READERS[problem_type](value, data_type)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _bad(problem_type, _EXPECTED[problem_type], value) from error


def _bad(problem_type: str, expected: str, found: Any) -> DataError:
    shown = repr(found)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return DataError(
        f"the truth of a {problem_type} record must be {expected}, found {shown}",
        field="truth",
        fix="mend the record",
    )


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _text(value: Any, _data_type: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError("not a text")
    text = str(value).strip()
    if not text:
        raise ValueError("empty")
    return text


def _plain_number(value: Any, _data_type: str) -> float:
    return _number(value)


def _numbers(value: Any, count: int) -> tuple[float, ...]:
    if type(value) not in (list, tuple) or len(value) != count:
        raise ValueError(f"expected {count} numbers")
    if bool in map(type, value):
        raise TypeError("a boolean is not a number")
    numbers = tuple(map(float, value))
    # Infinity and NaN survive a sum, and so spare looking at each number.
    if not math.isfinite(sum(numbers)):
        raise ValueError("not finite")
    return numbers


def _box(value: Any) -> Box:
    x1, y1, x2, y2 = _numbers(value, 4)
    if x1 > x2 or y1 > y2:
        raise ValueError("reversed box")
    return x1, y1, x2, y2


def _span(value: Any) -> Span:
    start, end = _numbers(value, 2)
    if start > end:
        raise ValueError("reversed span")
    return start, end


def _boxes(value: Any) -> dict[int, Box]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("expected one box per second")
    return {int(key): _box(box) for key, box in value.items()}


def _inner(value: Any, key: str) -> Any:
    """Return `value[key]`, or `value` itself where the object around it was left out."""
    return value[key] if type(value) is dict and key in value else value


def _points(value: Any) -> tuple[Point, ...]:
    points = []
    for item in value:
        x, y = _numbers(item, 2)
        points.append((x, y))
    return tuple(points)


def _prompt(value: Any, data_type: str) -> SegmentationPrompt:
    time_s = _number(value["time"]) if data_type == "video" else None
    return SegmentationPrompt(
        _box(value["boxes"]),
        _points(value["positive_points"]),
        _points(value["negative_points"]),
        time_s,
    )


_READERS: dict[str, Any] = {
    **dict.fromkeys(_TEXT_TYPES, _text),
    **dict.fromkeys(_NUMBER_TYPES, _plain_number),
    "temporal grounding": lambda value, _: _span(_inner(value, "time")),
    "spatial grounding": lambda value, _: _box(_inner(value, "boxes")),
    "spatial-temporal grounding": lambda value, _: Tube(
        _span(value["time"]), _boxes(value["boxes"])
    ),
    "tracking": lambda value, _: _boxes(_inner(value, "boxes")),
    "segmentation": _prompt,
}

_EXPECTED: dict[str, str] = {
    **dict.fromkeys(_TEXT_TYPES, "a text that is not empty"),
    **dict.fromkeys(_NUMBER_TYPES, "a finite number"),
    "temporal grounding": '{"time": [start, end]} in seconds',
    "spatial grounding": '{"boxes": [x1, y1, x2, y2]} in 0..1000',
    "spatial-temporal grounding": '{"time": [start, end], "boxes": {"second": [4 numbers]}}',
    "tracking": '{"boxes": {"second": [x1, y1, x2, y2]}}',
    "segmentation": '{"boxes", "positive_points", "negative_points"} and "time" for a video',
}
