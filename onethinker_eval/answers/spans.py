"""Reader of temporal grounding answers.

{"time": [start, end]} in seconds, 0 <= start <= end.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from onethinker_eval.answers.cleaning import boxed, normalise
from onethinker_eval.answers.json_repair import strict_json
from onethinker_eval.answers.numerals import TimeToken, finite, seconds_value, time_tokens
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema, decide
from onethinker_eval.answers.values import MAX_STRUCTURED_CHARS, Span, UnreadableError, note

__all__ = [
    "SPAN",
    "TIME_KEYS",
    "paper_numbers",
    "paper_span",
    "repaired_second",
    "repaired_span",
    "span_from_text",
    "strict_span",
]

TIME_KEYS = (
    "time",
    "times",
    "time_span",
    "timespan",
    "timestamp",
    "timestamps",
    "span",
    "interval",
    "segment",
    "time_range",
    "temporal_span",
    "time_interval",
    "seconds",
    "period",
)
_STARTS = ("start", "start_time", "begin", "from", "start_s", "start_sec", "start_seconds", "s")
_ENDS = ("end", "end_time", "stop", "to", "end_s", "end_sec", "end_seconds", "finish", "e")
_WRAPPERS = ("answer", "result", "output", "final_answer", "prediction")
_JOIN = re.compile(
    r"\s{0,4}(?:(?:s|sec|seconds?)?\s{0,2},?\s{0,2})(?:-|–|—|~|to|until|till|through|bis|hasta|"
    r"jusqu'à|à|a|al|至|到|до|から|부터|-->|→|->)\s{0,4}(?:the\s|about\s|around\s|t\s?=\s?)?",
    re.IGNORECASE,
)
_AND = re.compile(r"\s{0,4}(?:and|und|y|et|e|和|与|и)\s{0,4}(?:about\s|around\s)?", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:between|zwischen|entre|tra|между|在)\s{0,3}\Z", re.IGNORECASE)
_COMMA = re.compile(r"\s{0,4}[,;]\s{0,4}")
_OPENED = re.compile(r"[\[({<]\s{0,3}\Z")
_LASTING = re.compile(r"(?i:\b(?:lasts?|lasting|duration|long|for\s+(?:about\s+)?[0-9]))")
_FRAMES = re.compile(r"(?:\bframes?|帧)\s{0,3}(?:no\.?|number|#)?\s{0,2}[0-9]", re.IGNORECASE)
_NEGATIVE = re.compile(r"(?:^|[\[(,{]|\bfrom|\bbetween)\s{0,3}-\s{0,2}[0-9.]")


def strict_span(value: Any) -> Span:
    """Read a JSON list of two numbers as a span in seconds.

    Examples:
        >>> strict_span([1, 2.5])
        (1.0, 2.5)
    """
    if type(value) is not list:
        raise UnreadableError("wrong_schema")
    if len(value) != 2:
        raise UnreadableError("wrong_length")
    start, end = value
    if type(start) is not float or type(end) is not float:
        for number in value:
            if type(number) is not float and type(number) is not int:
                raise UnreadableError("not_a_number")
        start, end = finite(start), finite(end)
    return _ordered(start, end)


def _ordered(start: float, end: float) -> Span:
    if not (0.0 <= start <= end < float("inf")):
        if start != start or end != end or max(abs(start), abs(end)) == float("inf"):
            raise UnreadableError("not_a_number")
        raise UnreadableError("out_of_range" if min(start, end) < 0 else "reversed_span")
    return start, end


def _strict(text: str, context: Context = NO_CONTEXT) -> Span:
    obj = strict_json(text)
    if type(obj) is dict and len(obj) == 1 and "time" in obj:
        return strict_span(obj["time"])
    raise UnreadableError("wrong_schema")


def _official(text: str, context: Context, notes: list[str]) -> Span:
    obj = strict_json(text)
    if not isinstance(obj, dict) or "time" not in obj:
        raise UnreadableError("wrong_schema")
    if len(obj) > 1:
        notes.append("extra_keys")
    return strict_span(obj["time"])


def paper_numbers(value: Any, length: int, notes: list[str]) -> tuple[float, ...]:
    """Read a JSON list as the authors do: anything that float() takes, strings and booleans too.

    Their metrics give NaN and infinity the score 0, so both are refused here.

    Examples:
        >>> paper_numbers(["1", True], 2, [])
        (1.0, 1.0)
    """
    if not isinstance(value, list):
        raise UnreadableError("wrong_schema")
    if len(value) != length:
        raise UnreadableError("wrong_length")
    out = []
    for item in value:
        if isinstance(item, str):
            note(notes, "numeric_string")
        elif isinstance(item, bool):
            note(notes, "boolean_as_number")
        try:
            out.append(finite(float(item)))
        except (TypeError, ValueError, OverflowError):
            raise UnreadableError("not_a_number") from None
    return tuple(out)


def paper_span(value: Any, notes: list[str]) -> Span:
    """Read a span as the authors do; a reversed one stays and overlaps nothing."""
    start, end = paper_numbers(value, 2, notes)
    if start > end:
        note(notes, "reversed")
    if min(start, end) < 0:
        note(notes, "beyond_range")
    return start, end


def _paper(text: str, context: Context, notes: list[str]) -> Span:
    obj = strict_json(text)
    if not isinstance(obj, dict) or "time" not in obj:
        raise UnreadableError("wrong_schema")
    if len(obj) > 1:
        notes.append("extra_keys")
    return paper_span(obj["time"], notes)


def repaired_second(value: Any, notes: list[str]) -> float:
    """Read one time: a number, or a text with a number, a clock or a unit."""
    if isinstance(value, str):
        repairs: list[str] = []
        seconds = seconds_value(normalise(value, notes), repairs)
        for name in repairs or ["numeric_string"]:
            note(notes, name)
        return seconds
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnreadableError("not_a_number")
    return finite(value)


def repaired_span(value: Any, notes: list[str]) -> Span:
    """Read a span from any JSON form: list, nested list, pair of keys, text."""
    if isinstance(value, str):
        note(notes, "read_from_text")
        return span_from_text(value, notes)
    if isinstance(value, dict):
        start, end = _find(value, _STARTS), _find(value, _ENDS)
        if start is None or end is None:
            raise UnreadableError("wrong_schema")
        note(notes, "coordinate_keys")
        value = [value[start], value[end]]
    if not isinstance(value, list):
        raise UnreadableError("wrong_length" if isinstance(value, (int, float)) else "wrong_schema")
    if len(value) == 1 and isinstance(value[0], (list, dict, str)):
        note(notes, "nested_list")
        return repaired_span(value[0], notes)
    if value and all(isinstance(item, (list, dict)) for item in value):
        raise UnreadableError("ambiguous")
    if len(value) != 2:
        raise UnreadableError("wrong_length")
    start_s, end_s = repaired_second(value[0], notes), repaired_second(value[1], notes)
    if start_s > end_s >= 0:
        note(notes, "reordered_span")
        start_s, end_s = end_s, start_s
    return _ordered(start_s, end_s)


def _find(obj: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The only key of a mapping that has one of the names, in any case."""
    found = [key for key in obj if key.strip().lower() in names]
    return found[0] if len(found) == 1 else None


def _from_object(obj: Any, notes: list[str]) -> Span:
    if isinstance(obj, list):
        notes.append("bare_value")
        return repaired_span(obj, notes)
    if not isinstance(obj, dict):
        raise UnreadableError("wrong_schema")
    wrapper = _find(obj, _WRAPPERS)
    if wrapper is not None and "time" not in obj:
        note(notes, "json_wrapped")
        inner = obj[wrapper]
        return (
            _from_object(inner, notes) if isinstance(inner, dict) else repaired_span(inner, notes)
        )
    key = "time" if "time" in obj else _find(obj, TIME_KEYS)
    if key is None:
        return repaired_span(obj, notes)
    if key != "time":
        note(notes, "key_alias")
    if len(obj) > 1:
        note(notes, "extra_keys")
    return repaired_span(obj[key], notes)


def _repaired(text: str, context: Context, notes: list[str]) -> Span:
    return decide(text, context, notes, _from_object, _from_prose)


def _from_prose(text: str, context: Context, notes: list[str]) -> Span:
    inner = boxed(text)
    if inner:
        note(notes, "boxed")
        text = inner
    note(notes, "read_from_text")
    return span_from_text(text, notes)


def span_from_text(text: str, notes: list[str]) -> Span:
    """Read the one time span of a sentence, in seconds.

    Two times are a span; of more, only ranges such as "from 3 to 5 s" count, and all must agree.

    Raises:
        UnreadableError: `ambiguous`, `wrong_length` (one time), `wrong_schema` (none),
            `wrong_unit`, `reversed_span`: prose that names the later time first is not reordered.

    Examples:
        >>> span_from_text("between 12.3 and 25.7 seconds", [])
        (12.3, 25.7)
        >>> span_from_text("0:05 - 1:10", [])
        (5.0, 70.0)
    """
    text = normalise(text, notes)
    if _NEGATIVE.search(text):
        raise UnreadableError("out_of_range")
    if _FRAMES.search(text):
        raise UnreadableError("wrong_unit")
    repairs: list[str] = []
    tokens = time_tokens(text, repairs)
    ranges = {_seconds(a, b) for a, b in pairwise(tokens) if _joined(text, a, b)}
    if len(ranges) == 1 and (len(tokens) > 2 or not _LASTING.search(text)):
        start, end = ranges.pop()
    elif len(tokens) == 2 and not _LASTING.search(text):
        start, end = _seconds(tokens[0], tokens[1])
    elif len(tokens) < 2:
        raise UnreadableError("wrong_length" if tokens else "wrong_schema")
    else:
        raise UnreadableError("ambiguous")
    for name in repairs:
        note(notes, name)
    return _ordered(start, end)


def _joined(text: str, first: TimeToken, second: TimeToken) -> bool:
    between = text[first.end : second.start]
    if len(between) > 24:
        return False
    if _JOIN.fullmatch(between):
        return True
    before = text[max(0, first.start - 16) : first.start]
    if _COMMA.fullmatch(between):
        return bool(_OPENED.search(before)) and text[second.end : second.end + 3].strip()[:1] in (
            "]",
            ")",
            "}",
            ">",
        )
    return bool(_AND.fullmatch(between) and _BETWEEN.search(before))


def _seconds(first: TimeToken, second: TimeToken) -> Span:
    """Both times in seconds; "1 to 2 minutes" gives its unit to both."""
    if first.unit is None and second.unit in ("ms", "min", "h"):
        first = first._replace(unit=second.unit)
    return first.seconds, second.seconds


SPAN = Schema(_strict, _official, _paper, _repaired, MAX_STRUCTURED_CHARS)
