"""Reader of spatial grounding answers.

{"boxes": [x1, y1, x2, y2]} in 0..1000 per axis, x1 <= x2, y1 <= y2.
"""

from __future__ import annotations

import re
from typing import Any

from onethinker_eval.answers.cleaning import boxed, normalise
from onethinker_eval.answers.json_repair import strict_json
from onethinker_eval.answers.numerals import finite, plain_number
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema, decide
from onethinker_eval.answers.spans import paper_numbers
from onethinker_eval.answers.values import MAX_STRUCTURED_CHARS, Box, UnreadableError, note

__all__ = [
    "BOX",
    "BOX_KEYS",
    "CLIP",
    "number",
    "paper_box",
    "repaired_box",
    "strict_box",
]

BOX_KEYS = (
    "boxes",
    "box",
    "bbox",
    "bboxes",
    "bbox_2d",
    "bounding_box",
    "bounding_boxes",
    "boundingbox",
    "box_1000",
    "coordinates",
    "coords",
    "region",
    "rect",
)
CLIP = 20.0
"""How far beyond 0..1000 the repairing rule clips a coordinate; further out it refuses."""

_CORNERS = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
    ("x0", "y0", "x1", "y1"),
)
_SIZES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
_WRAPPERS = ("answer", "result", "output", "final_answer", "prediction")
_NUMBER = re.compile(r"(?<![\w.])-?(?:[0-9]{1,9}(?:\.[0-9]{1,12})?|\.[0-9]{1,12})(?![\w]|\.[0-9])")
_LABELLED = re.compile(
    r"(?<![A-Za-z0-9])(x_?min|y_?min|x_?max|y_?max|x[012]|y[012]|left|top|right|bottom)\s{0,3}[=:]"
    r"\s{0,3}(-?[0-9]{1,9}(?:\.[0-9]{1,12})?)",
    re.IGNORECASE,
)
_GAP = r"\s{0,4}[,;]?\s{0,4}"
_FOUR = re.compile(
    rf"[\[(<{{]\s{{0,4}}[\[(]?({_GAP.join([r'-?[0-9]{1,9}(?:[.][0-9]{1,12})?'] * 2)})"
    rf"\s{{0,4}}[\])]?{_GAP}[\[(]?"
    rf"({_GAP.join([r'-?[0-9]{1,9}(?:[.][0-9]{1,12})?'] * 2)})\s{{0,4}}[\])]?"
)
_BAD_UNIT = re.compile(r"(?<=[0-9])\s{0,2}(?:px|pixels?|cm|mm)(?![A-Za-z])", re.IGNORECASE)
_PERCENT = re.compile(r"[0-9]\s?%")


def strict_box(value: Any) -> Box:
    """Read a JSON list of four numbers as a box in 0..1000.

    Examples:
        >>> strict_box([35, 227, 437, 932])
        (35.0, 227.0, 437.0, 932.0)
    """
    if type(value) is not list:
        raise UnreadableError("wrong_schema")
    if len(value) != 4:
        raise UnreadableError("wrong_length")
    x1, y1, x2, y2 = value
    for item in value:
        if type(item) is not int and type(item) is not float:
            raise UnreadableError("not_a_number")
    if 0 <= x1 <= x2 <= 1000 and 0 <= y1 <= y2 <= 1000:
        return float(x1), float(y1), float(x2), float(y2)
    return _refuse(value)


def _refuse(value: list[Any]) -> Box:
    numbers = [finite(item) for item in value]
    if min(numbers) < 0 or max(numbers) > 1000:
        raise UnreadableError("out_of_range")
    raise UnreadableError("reversed_box")


def _strict(text: str, context: Context = NO_CONTEXT) -> Box:
    obj = strict_json(text)
    if type(obj) is dict and len(obj) == 1 and "boxes" in obj:
        return strict_box(obj["boxes"])
    raise UnreadableError("wrong_schema")


def _official(text: str, context: Context, notes: list[str]) -> Box:
    obj = strict_json(text)
    if not isinstance(obj, dict) or "boxes" not in obj:
        raise UnreadableError("wrong_schema")
    if len(obj) > 1:
        notes.append("extra_keys")
    return strict_box(obj["boxes"])


def paper_box(value: Any, notes: list[str]) -> Box:
    """Read a box as the authors do; reversed or out of range it stays as it is."""
    x1, y1, x2, y2 = paper_numbers(value, 4, notes)
    if x1 > x2 or y1 > y2:
        note(notes, "reversed")
    if min(x1, y1, x2, y2) < 0 or max(x1, y1, x2, y2) > 1000:
        note(notes, "beyond_range")
    return x1, y1, x2, y2


def _paper(text: str, context: Context, notes: list[str]) -> Box:
    obj = strict_json(text)
    if not isinstance(obj, dict) or "boxes" not in obj:
        raise UnreadableError("wrong_schema")
    if len(obj) > 1:
        notes.append("extra_keys")
    return paper_box(obj["boxes"], notes)


def number(value: Any, notes: list[str]) -> float:
    """Read one coordinate: a number, or a text with a plain number."""
    if isinstance(value, str):
        text = normalise(value, notes).strip()
        if _BAD_UNIT.search(text):
            raise UnreadableError("wrong_unit")
        if text.endswith("%"):
            note(notes, "percent")
            return 10.0 * plain_number(text[:-1].rstrip())
        note(notes, "numeric_string")
        return plain_number(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnreadableError("not_a_number")
    return finite(value)


def repaired_box(value: Any, notes: list[str]) -> Box:
    """Read a box from any JSON form: list, nested list, corner pairs, keys, text.

    Examples:
        >>> repaired_box([[437, 227], [35, 1004]], notes := [])
        (35.0, 227.0, 437.0, 1000.0)
        >>> notes
        ['corner_pairs', 'clipped', 'reordered_box']
    """
    if isinstance(value, str):
        note(notes, "read_from_text")
        return _box_from_text(value, notes)
    if isinstance(value, dict):
        return _box_from_keys(value, notes)
    if not isinstance(value, list):
        raise UnreadableError("wrong_schema")
    if len(value) == 1:
        note(notes, "nested_list")
        return repaired_box(value[0], notes)
    if len(value) == 2 and all(isinstance(item, list) and len(item) == 2 for item in value):
        note(notes, "corner_pairs")
        value = value[0] + value[1]
    if value and all(isinstance(item, (list, dict)) for item in value):
        raise UnreadableError("ambiguous")
    if len(value) != 4:
        raise UnreadableError("wrong_length" if value else "empty")
    return _settle([number(item, notes) for item in value], notes)


def _settle(corners: list[float], notes: list[str]) -> Box:
    """Clip what is hardly out of range and put the corners in order."""
    clipped = [min(max(value, 0.0), 1000.0) for value in corners]
    if clipped != corners:
        if min(corners) < -CLIP or max(corners) > 1000 + CLIP:
            raise UnreadableError("out_of_range")
        note(notes, "clipped")
    x1, y1, x2, y2 = clipped
    if x1 > x2 or y1 > y2:
        note(notes, "reordered_box")
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _box_from_keys(obj: dict[str, Any], notes: list[str]) -> Box:
    lowered = {key.strip().lower(): item for key, item in obj.items()}
    for names in _CORNERS:
        if all(name in lowered for name in names):
            note(notes, "coordinate_keys")
            return _settle([number(lowered[name], notes) for name in names], notes)
    for names in _SIZES:
        if all(name in lowered for name in names):
            note(notes, "width_height")
            x, y, width, height = (number(lowered[name], notes) for name in names)
            if width < 0 or height < 0:
                raise UnreadableError("out_of_range")
            return _settle([x, y, x + width, y + height], notes)
    raise UnreadableError("wrong_schema")


def _from_object(obj: Any, notes: list[str]) -> Box:
    if isinstance(obj, list):
        note(notes, "bare_value")
        if len(obj) == 1 and isinstance(obj[0], dict):
            return _from_object(obj[0], notes)
        return repaired_box(obj, notes)
    if not isinstance(obj, dict):
        raise UnreadableError("wrong_schema")
    if "box_2d" in {key.lower() for key in obj}:
        # Some models write y before x under this name, others do not.
        raise UnreadableError("ambiguous")
    for names, repair in ((BOX_KEYS, "key_alias"), (_WRAPPERS, "json_wrapped")):
        found = ["boxes"] if "boxes" in obj else [k for k in obj if k.strip().lower() in names]
        if len(found) > 1:
            raise UnreadableError("ambiguous")
        if found:
            if found[0] != "boxes":
                note(notes, repair)
            if len(obj) > 1:
                note(notes, "extra_keys")
            inner = obj[found[0]]
            if isinstance(inner, dict) and repair == "json_wrapped":
                return _from_object(inner, notes)
            return repaired_box(inner, notes)
    return _box_from_keys(obj, notes)


def _repaired(text: str, context: Context, notes: list[str]) -> Box:
    if _LABELLED.search(text) and "{" not in text:
        return _from_prose(text, context, notes)
    return decide(text, context, notes, _from_object, _from_prose)


def _from_prose(text: str, context: Context, notes: list[str]) -> Box:
    inner = boxed(text)
    if inner:
        note(notes, "boxed")
        text = inner
    note(notes, "read_from_text")
    return _box_from_text(text, notes)


def _box_from_text(text: str, notes: list[str]) -> Box:
    """Read the one box of a sentence: labelled, bracketed, or its only four numbers."""
    text = normalise(text, notes)
    if _BAD_UNIT.search(text):
        raise UnreadableError("wrong_unit")
    labels = [(match[1].lower(), float(match[2])) for match in _LABELLED.finditer(text)]
    if labels:
        named = dict(labels)
        if len(named) != len(labels) or len(named) != 4:
            raise UnreadableError("wrong_length" if len(named) < 4 else "ambiguous")
        return _box_from_keys(named, notes)
    bracketed = {match[1] + " " + match[2] for match in _FOUR.finditer(text)}
    if len(bracketed) > 1:
        raise UnreadableError("ambiguous")
    source = bracketed.pop() if bracketed else text
    found = [finite(float(match.group())) for match in _NUMBER.finditer(source)]
    if len(found) != 4:
        if not found:
            raise UnreadableError("wrong_schema")
        raise UnreadableError("wrong_length" if len(found) < 4 else "ambiguous")
    if _PERCENT.search(text):
        note(notes, "percent")
        found = [10.0 * value for value in found]
    return _settle(found, notes)


BOX = Schema(_strict, _official, _paper, _repaired, MAX_STRUCTURED_CHARS)
