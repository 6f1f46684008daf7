"""Types of a parsed answer, the closed sets of failures and repairs, and the size limits.

Boxes are (x1, y1, x2, y2) in 0..1000 per axis, origin top left, ends inclusive of the edge value;
spans are (start, end) in seconds; keys of tracks and tubes are whole seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

__all__ = [
    "FAILURES",
    "MAX_LINE_CHARS",
    "MAX_REPLY_CHARS",
    "MAX_STRUCTURED_CHARS",
    "MAX_TAGS",
    "MAX_TEXT_CHARS",
    "REPAIRS",
    "Answer",
    "Box",
    "Extraction",
    "Found",
    "Point",
    "Reading",
    "Rule",
    "SegmentationPrompt",
    "Span",
    "Tube",
    "UnreadableError",
    "note",
]

Box = tuple[float, float, float, float]
Span = tuple[float, float]
Point = tuple[float, float]
Rule = Literal["paper", "official", "repaired"]
Reading = Literal["strict", "repaired", "failed"]
Found = Literal[
    "strict",
    "tag",
    "loose_tag",
    "unclosed_tag",
    "inside_thinking",
    "after_thinking",
    "whole",
    "none",
]

MAX_REPLY_CHARS = 32_000_000
"""A longer reply is refused unread (`too_long`)."""
MAX_TAGS = 20_000
"""A reply with more think and answer tags than this is refused (`too_long`)."""
MAX_TEXT_CHARS = 200_000
"""Longest answer of the text types: OCR, open-ended, caption."""
MAX_STRUCTURED_CHARS = 100_000
"""Longest answer read as JSON, or searched for one."""
MAX_LINE_CHARS = 20_000
"""Longest answer read as a letter, a number or a formula."""

FAILURES: Mapping[str, str] = MappingProxyType(
    {
        "missing": "no answer: no reply, no tag, or nothing outside the thinking",
        "empty": "the answer is there and holds nothing",
        "truncated": "the reply ends inside the thinking or inside the answer",
        "unclosed_thinking": "the only answer stands inside thinking that never closes",
        "wrong_schema": "the answer is not of the form the problem type asks for",
        "wrong_length": "a span, box or point list with another number of entries",
        "not_a_number": "a number was due and something else, NaN or infinity stands there",
        "out_of_range": "a coordinate outside 0..1000, a negative time, a letter without option",
        "wrong_unit": "a number in a unit that the schema does not use, such as pixels or frames",
        "reversed_box": "x1 > x2 or y1 > y2",
        "reversed_span": "the start lies after the end",
        "ambiguous": "several readings, and no rule says which",
        "too_long": "longer than the documented limit of its kind",
    }
)
"""Every failure code with its meaning; no other code is ever given."""

REPAIRS: Mapping[str, str] = MappingProxyType(
    {
        # the tags
        "no_thinking": "an answer tag without any thinking",
        "think_not_opened": "thinking that starts without its opening tag",
        "unclosed_thinking": "thinking that never closes, with an answer at its end",
        "answer_inside_thinking": "the answer tag stands at the end of closed thinking",
        "several_answers": "several answer tags outside the thinking: the last one counts",
        "text_outside_tags": "prose around the thinking and the answer",
        "stray_tags": "a think or answer tag too many",
        "loose_tags": "answer tags in another case or with blanks or other brackets",
        "unclosed_answer": "the answer tag never closes and its content is complete",
        "no_answer_tag": "no answer tag: the text after the thinking, or the whole reply",
        "first_answer_tag": "paper rule: the first answer tag, though a later one is the answer",
        "whole_reply": "paper rule: an empty answer tag, so the whole reply is the answer",
        # wrapping of the answer
        "answer_cue": "words such as 'Answer:' or 'the answer is' before the value",
        "boxed": "LaTeX \\boxed{}",
        "latex": "LaTeX dollars, text or fraction commands",
        "code_fence": "a Markdown code fence or inline code",
        "markdown": "bold, italic or quote marks, brackets, a final full stop",
        "special_tokens": "end-of-text and box tokens of a tokenizer",
        "trailing_text": "prose after the value",
        "leading_text": "prose before the value",
        "json_wrapped": "a scalar inside a JSON object or list",
        "double_encoded": "JSON inside a JSON string",
        # characters
        "unicode_digits": "digits of another script or full-width digits",
        "unicode_marks": "full-width letters, commas, brackets, minus signs",
        # choices
        "lower_case": "a small letter for the option",
        "first_character": "paper rule: the first character of a longer answer",
        "letter_with_text": "the letter followed by its option's text or a remark",
        "letter_in_text": "one lone capital at the edge of a short sentence",
        "option_text": "the text of an option instead of its letter",
        "free_text": "official rule: text kept for the benchmark's own option inference",
        "outside_options": "paper rule: a letter that no option has",
        # numbers
        "thousands_separator": "1,234 or 1 234",
        "decimal_comma": "3,14",
        "percent": "a percent sign",
        "unit": "a unit or currency beside the number",
        "fraction": "1/2 or \\frac{1}{2}",
        "power_of_ten": "3 x 10^5",
        "scale_word": "thousand, million, billion",
        "number_word": "a number in words",
        "equation": "x = 5: the right-hand side",
        "float_text": "paper rule: what float() accepts once all commas are gone",
        "numeric_string": "a number written as a JSON string",
        "boolean_as_number": "paper rule: true and false count as 1 and 0",
        # JSON
        "json_syntax": "single quotes, trailing commas, comments, bare keys and the like",
        "closed_brackets": "brackets left open at the end",
        "dropped_tail": "a cut-off last entry was left out",
        "extra_keys": "keys that the schema does not have",
        "key_alias": "another name for a key, such as bbox",
        "bare_value": "the value without its object and key",
        "nested_list": "a list inside a list of one",
        "coordinate_keys": "x1, y1, x2, y2 (or start, end) as keys",
        "width_height": "x, y, width and height as keys",
        "corner_pairs": "two corner points instead of four numbers",
        "read_from_text": "numbers read from prose",
        # times, boxes, frames
        "clock_time": "mm:ss or hh:mm:ss",
        "reordered_span": "start and end were swapped",
        "reordered_box": "corners were swapped",
        "clipped": "a coordinate at most 20 beyond 0..1000 was clipped",
        "second_keys": "frame keys such as '9s', '09' or '9.0'",
        "boxes_in_order": "a plain list of boxes, one per second",
        "dropped_keys": "frames that are no whole second of the schema were left out",
        "dropped_boxes": "frames whose box breaks the schema were left out",
        "unreadable_box": "paper rule: an unreadable box counts as the empty box",
        "unreadable_span": "paper rule: an unreadable span counts as the empty span",
        "reversed": "paper rule: a reversed span or box is kept and overlaps nothing",
        "beyond_range": "paper rule: a coordinate or time outside the schema's range is kept",
        "point_count": "another number of points than three",
        "missing_boxes": "a span without any boxes",
        "missing_box": "no box, only points",
        "missing_points": "no points of one kind or both",
        "default_time": "paper rule: no readable time, so zero",
    }
)
"""Every repair with its meaning; no other name is ever given."""


def note(notes: list[str], name: str) -> None:
    """Append a repair's name unless it is there already."""
    if name not in notes:
        notes.append(name)


class UnreadableError(Exception):
    """Inside the package only: a text that a reader refuses, with the failure code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Tube:
    """A span in seconds and one box (0..1000) per whole second.

    Under the paper rule alone an unreadable span is the empty span (0, 0) and an unreadable box the
    empty box (0, 0, 0, 0): both overlap nothing, which is how the authors' evaluator scores them.

    Examples:
        >>> Tube((8.0, 9.5), {8: (1.0, 2.0, 3.0, 4.0)}).boxes[8]
        (1.0, 2.0, 3.0, 4.0)
    """

    span_s: Span
    boxes: dict[int, Box]


@dataclass(frozen=True, slots=True)
class SegmentationPrompt:
    """What a promptable segmenter needs; all coordinates in 0..1000 per axis.

    `box_1000` is None when only points were given, `time_s` (seconds) is None for images.

    Examples:
        >>> SegmentationPrompt((1.0, 2.0, 3.0, 4.0), ((2.0, 3.0),), (), None).time_s is None
        True
    """

    box_1000: Box | None
    positive_points: tuple[Point, ...]
    negative_points: tuple[Point, ...]
    time_s: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as read under one rule.

    `value` has the problem type's Python type, None when `reading` is "failed". `repairs` are names
    from `REPAIRS` in order of use, `failure` a name from `FAILURES`, `text` the answer as written.
    """

    value: Any | None
    reading: Reading
    repairs: tuple[str, ...]
    failure: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """Thinking and answer of a reply as the repairing rule finds them.

    `found` says where the answer came from, `repairs` how the tags were mended, `failure` why
    there is no answer. `cut` is true when the reply ended before the answer was closed.
    """

    thinking: str | None
    answer: str | None
    found: Found
    repairs: tuple[str, ...] = ()
    failure: str | None = None
    cut: bool = False
