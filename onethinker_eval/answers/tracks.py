"""Readers of tracking and spatial-temporal grounding answers.

Tracking: {"boxes": {"1": [x1, y1, x2, y2], …, "32": […]}}, second k for k in 1..32.
Spatial-temporal grounding: {"time": [s, e], "boxes": {"9": […], …}}, one box per whole second of
the span. Boxes in 0..1000. A frame whose box breaks the schema counts as a missing frame under
`official` and `repaired`; a track fails when no frame is left, a tube keeps its span.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from onethinker_eval.answers.boxes import BOX_KEYS, paper_box, repaired_box, strict_box
from onethinker_eval.answers.cleaning import normalise
from onethinker_eval.answers.json_repair import strict_json
from onethinker_eval.answers.numerals import finite, seconds_value
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema, decide
from onethinker_eval.answers.spans import (
    TIME_KEYS,
    paper_span,
    repaired_span,
    span_from_text,
    strict_span,
)
from onethinker_eval.answers.values import (
    MAX_STRUCTURED_CHARS,
    Box,
    Span,
    Tube,
    UnreadableError,
    note,
)

__all__ = ["LAST_SECOND", "TRACK", "TUBE"]

LAST_SECOND = 32
"""A track has one box for each of the seconds 1..32 at most."""

_MAX_BOXES = 20_000
_EMPTY_BOX: Box = (0.0, 0.0, 0.0, 0.0)
_EMPTY_SPAN: Span = (0.0, 0.0)
_TRACK_KEYS = {str(second): second for second in range(1, LAST_SECOND + 1)}
_SECOND_KEYS = ("time", "second", "seconds", "sec", "t", "timestamp", "time_s", "s")
_WRAPPERS = ("answer", "result", "output", "final_answer", "prediction", "track", "tracks")
_KEY = re.compile(
    r"(?:(?:time|seconds?|sec|t|s)[\s_=:#-]{0,3})?0{0,6}(?P<second>[0-9]{1,6})(?:\.0{1,6})?"
    r"\s{0,2}(?:seconds?|secs?|s|秒)?",
    re.IGNORECASE,
)
_NUM = r"\s{0,3}-?[0-9]{1,9}(?:\.[0-9]{1,12})?\s{0,3}"
_PAIR = re.compile(
    r"(?<![0-9.:])(?P<key>[0-9]{1,4}(?:\.0{1,3})?)\s?(?:seconds?|secs?|s)?[\"']?\s{0,3}(?:[:=]|->|→)"
    rf"\s{{0,3}}[\[(](?P<box>{_NUM},{_NUM},{_NUM},{_NUM})[\])]",
    re.IGNORECASE,
)


def _canonical(key: str) -> int:
    """The whole second of a key in plain decimal, -1 for any other key."""
    if key.isascii() and key.isdigit() and len(key) < 8 and (key[0] != "0" or len(key) == 1):
        return int(key)
    return -1


def _strict_track(text: str, context: Context = NO_CONTEXT) -> dict[int, Box]:
    obj = strict_json(text)
    boxes = obj["boxes"] if type(obj) is dict and len(obj) == 1 and "boxes" in obj else None
    if type(boxes) is not dict:
        raise UnreadableError("wrong_schema")
    if not boxes:
        raise UnreadableError("empty")
    try:
        return {_TRACK_KEYS[key]: strict_box(value) for key, value in boxes.items()}
    except KeyError:
        raise UnreadableError("out_of_range") from None


def _strict_tube(text: str, context: Context = NO_CONTEXT) -> Tube:
    obj = strict_json(text)
    if type(obj) is not dict or len(obj) != 2 or "time" not in obj or "boxes" not in obj:
        raise UnreadableError("wrong_schema")
    span = strict_span(obj["time"])
    boxes = obj["boxes"]
    if type(boxes) is not dict:
        raise UnreadableError("wrong_schema")
    first, last = math.floor(span[0]), math.ceil(span[1])
    out: dict[int, Box] = {}
    for key, value in boxes.items():
        second = _canonical(key)
        if not first <= second <= last:
            raise UnreadableError("out_of_range" if second >= 0 else "wrong_schema")
        out[second] = strict_box(value)
    return Tube(span, out)


def _keep(
    boxes: dict[str, Any],
    allowed: Callable[[int], bool],
    notes: list[str],
    read_key: Callable[[str, list[str]], int],
    read_box: Callable[[Any], Box],
    *,
    needed: bool = True,
) -> dict[int, Box]:
    """Read the frames that can be read; name those left out; refuse when one is `needed`."""
    out: dict[int, Box] = {}
    refusal: UnreadableError | None = None
    for key, value in boxes.items():
        second = read_key(key, notes)
        if second < 0 or not allowed(second):
            note(notes, "dropped_keys")
            refusal = refusal or UnreadableError("out_of_range" if second >= 0 else "wrong_schema")
            continue
        try:
            box = read_box(value)
        except UnreadableError as error:
            note(notes, "dropped_boxes")
            refusal = refusal or error
            continue
        if out.setdefault(second, box) != box:
            raise UnreadableError("ambiguous")
    if refusal is not None and not out and needed:
        raise refusal
    return out


def _in_track(second: int) -> bool:
    return 1 <= second <= LAST_SECOND


def _in_span(span: Span) -> Callable[[int], bool]:
    first, last = math.floor(span[0]), math.ceil(span[1])
    return lambda second: first <= second <= last


def _official_key(key: str, notes: list[str]) -> int:
    return _canonical(key)


def _official_track(text: str, context: Context, notes: list[str]) -> dict[int, Box]:
    obj = strict_json(text)
    if not isinstance(obj, dict) or not isinstance(obj.get("boxes"), dict):
        raise UnreadableError("wrong_schema")
    if len(obj) > 1:
        notes.append("extra_keys")
    if not obj["boxes"]:
        raise UnreadableError("empty")
    return _keep(obj["boxes"], _in_track, notes, _official_key, strict_box)


def _official_tube(text: str, context: Context, notes: list[str]) -> Tube:
    obj = strict_json(text)
    if not isinstance(obj, dict) or "time" not in obj or not isinstance(obj.get("boxes"), dict):
        raise UnreadableError("wrong_schema")
    if len(obj) > 2:
        notes.append("extra_keys")
    span = strict_span(obj["time"])
    boxes = obj["boxes"]
    allowed = _in_span(span)
    return Tube(span, _keep(boxes, allowed, notes, _official_key, strict_box, needed=False))


def _paper_boxes(boxes: dict[str, Any], notes: list[str]) -> dict[int, Box]:
    """Boxes under keys that can equal a released key; the authors compare keys as strings."""
    out: dict[int, Box] = {}
    for key, value in boxes.items():
        second = _canonical(key)
        if second < 0:
            note(notes, "dropped_keys")
            continue
        try:
            out[second] = paper_box(value, notes)
        except UnreadableError:
            note(notes, "unreadable_box")
            out[second] = _EMPTY_BOX
    return out


def _paper_track(text: str, context: Context, notes: list[str]) -> dict[int, Box]:
    obj = strict_json(text)
    if not isinstance(obj, dict) or not isinstance(obj.get("boxes"), dict):
        raise UnreadableError("wrong_schema")
    if len(obj) > 1:
        notes.append("extra_keys")
    boxes = _paper_boxes(obj["boxes"], notes)
    if not boxes:
        raise UnreadableError("wrong_schema" if obj["boxes"] else "empty")
    if max(boxes) > LAST_SECOND or min(boxes) < 1:
        note(notes, "beyond_range")
    return boxes


def _paper_tube(text: str, context: Context, notes: list[str]) -> Tube:
    """Span and boxes each count for half, so either may be unreadable on its own."""
    obj = strict_json(text)
    if not isinstance(obj, dict):
        raise UnreadableError("wrong_schema")
    if len(obj) > 2:
        notes.append("extra_keys")
    given = obj.get("boxes")
    boxes = _paper_boxes(given, notes) if isinstance(given, dict) else {}
    if not isinstance(given, dict):
        note(notes, "missing_boxes")
    try:
        span = paper_span(obj.get("time"), notes)
    except UnreadableError:
        if not boxes:
            raise
        note(notes, "unreadable_span")
        return Tube(_EMPTY_SPAN, boxes)
    if any(not _in_span(span)(second) for second in boxes):
        note(notes, "beyond_range")
    return Tube(span, boxes)


def _repaired_key(key: str, notes: list[str]) -> int:
    second = _canonical(key)
    if second >= 0:
        return second
    text = normalise(key, notes).strip()
    match = _KEY.fullmatch(text)
    if match:
        note(notes, "second_keys")
        return int(match["second"])
    if ":" in text:
        try:
            seconds = seconds_value(text, [])
        except UnreadableError:
            return -1
        if seconds == int(seconds):
            note(notes, "clock_time")
            return int(seconds)
    return -1


def _repaired_boxes(
    boxes: dict[str, Any],
    allowed: Callable[[int], bool],
    notes: list[str],
    *,
    needed: bool = True,
) -> dict[int, Box]:
    def read_box(value: Any) -> Box:
        return repaired_box(value, notes)

    return _keep(boxes, allowed, notes, _repaired_key, read_box, needed=needed)


def _listed(value: list[Any], seconds: list[int] | None, notes: list[str]) -> dict[str, Any]:
    """Turn a list of boxes, or of objects with a second and a box, into a mapping."""
    if len(value) > _MAX_BOXES:
        raise UnreadableError("too_long")
    if value and all(isinstance(item, dict) for item in value):
        pairs = [_pair(item) for item in value]
        note(notes, "key_alias")
        if len({key for key, _ in pairs}) != len(pairs):
            raise UnreadableError("ambiguous")
        return dict(pairs)
    if not value or not all(isinstance(item, list) for item in value):
        raise UnreadableError("wrong_schema" if value else "empty")
    if seconds is None:
        seconds = list(range(1, len(value) + 1))
    if len(seconds) != len(value) or len(value) > _MAX_BOXES:
        raise UnreadableError("wrong_length")
    note(notes, "boxes_in_order")
    return {str(second): box for second, box in zip(seconds, value, strict=True)}


def _pair(item: dict[str, Any]) -> tuple[str, Any]:
    lowered = {key.strip().lower(): value for key, value in item.items()}
    times = [key for key in _SECOND_KEYS if key in lowered]
    boxes = [key for key in BOX_KEYS if key in lowered]
    if len(times) != 1 or len(boxes) != 1:
        raise UnreadableError("wrong_schema")
    second = lowered[times[0]]
    if isinstance(second, (int, float)) and not isinstance(second, bool):
        number = finite(second)
        second = int(number) if number == int(number) else number
    return str(second), lowered[boxes[0]]


def _find(obj: dict[str, Any], names: tuple[str, ...], plain: str, notes: list[str]) -> Any:
    """The value under the plain name, else under the only alias, else None."""
    if plain in obj:
        return obj[plain]
    found = [key for key in obj if key.strip().lower() in names]
    if len(found) != 1:
        return None
    note(notes, "key_alias")
    return obj[found[0]]


def _track_from_object(obj: Any, notes: list[str]) -> dict[int, Box]:
    if isinstance(obj, dict):
        found = _find(obj, BOX_KEYS, "boxes", notes)
        wrapped = [key for key in obj if key.strip().lower() in _WRAPPERS]
        if found is None and len(wrapped) == 1:
            note(notes, "json_wrapped")
            return _track_from_object(obj[wrapped[0]], notes)
        if found is not None and len(obj) > 1:
            note(notes, "extra_keys")
        if found is None:
            note(notes, "bare_value")
            found = obj
    else:
        note(notes, "bare_value")
        found = obj
    if isinstance(found, list):
        found = _listed(found, None, notes)
    if not isinstance(found, dict):
        raise UnreadableError("wrong_schema")
    if not found:
        raise UnreadableError("empty")
    return _repaired_boxes(found, _in_track, notes)


def _tube_from_object(obj: Any, notes: list[str]) -> Tube:
    if not isinstance(obj, dict):
        raise UnreadableError("wrong_schema")
    wrapped = [key for key in obj if key.strip().lower() in _WRAPPERS]
    if "boxes" not in obj and len(wrapped) == 1:
        note(notes, "json_wrapped")
        return _tube_from_object(obj[wrapped[0]], notes)
    time = _find(obj, TIME_KEYS, "time", notes)
    found = _find(obj, BOX_KEYS, "boxes", notes)
    if time is None:
        times = {key: value for key, value in obj.items() if value is not found}
        span = repaired_span(times, notes)
    else:
        span = repaired_span(time, notes)
    if time is not None and len(obj) > 2:
        note(notes, "extra_keys")
    if isinstance(found, list):
        first, last = math.ceil(span[0]), math.floor(span[1])
        if last - first > _MAX_BOXES:
            raise UnreadableError("wrong_length")
        found = _listed(found, list(range(first, last + 1)), notes)
    if found is None:
        note(notes, "missing_boxes")
        return Tube(span, {})
    if not isinstance(found, dict):
        raise UnreadableError("wrong_schema")
    return Tube(span, _repaired_boxes(found, _in_span(span), notes, needed=False))


def _pairs_in(text: str, notes: list[str]) -> dict[str, Any]:
    """Read `9: [x1, y1, x2, y2]` lines that stand without an object around them."""
    out: dict[str, Any] = {}
    for match in _PAIR.finditer(text):
        box = [float(part) for part in match["box"].split(",")]
        if out.setdefault(match["key"], box) != box:
            raise UnreadableError("ambiguous")
    if not out:
        raise UnreadableError("wrong_schema")
    note(notes, "read_from_text")
    return out


def _track_from_prose(text: str, context: Context, notes: list[str]) -> dict[int, Box]:
    found = _pairs_in(normalise(text, notes), notes)
    return _repaired_boxes(found, _in_track, notes)


def _tube_from_prose(text: str, context: Context, notes: list[str]) -> Tube:
    plain = normalise(text, notes)
    found = _pairs_in(plain, notes)
    span = span_from_text(_PAIR.sub(" ", plain), notes)
    return Tube(span, _repaired_boxes(found, _in_span(span), notes, needed=False))


def _repaired_track(text: str, context: Context, notes: list[str]) -> dict[int, Box]:
    return decide(text, context, notes, _track_from_object, _track_from_prose)


def _repaired_tube(text: str, context: Context, notes: list[str]) -> Tube:
    return decide(text, context, notes, _tube_from_object, _tube_from_prose)


TRACK = Schema(_strict_track, _official_track, _paper_track, _repaired_track, MAX_STRUCTURED_CHARS)
TUBE = Schema(_strict_tube, _official_tube, _paper_tube, _repaired_tube, MAX_STRUCTURED_CHARS)
