"""What numbers of a thought are reckoned from: each from two others that were told before it.

How far something went is the difference of where it is now and where it was in the moment before,
how long a limit of an event is past the share that one such way has of another, and the limit
itself a time less that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["changes", "reckoned", "ways"]

Span = tuple[int, int]
Box = tuple[float, float, float, float]

_CLOSELY = re.compile(
    r"[Ii]t (?P<limited>begins|ends): (?P<told>(?:[^.;]|\.\d)*?), so by (?P<by>\d+\.\d) s"
    r"(?: less (?P<less>\d+\.\d) s at (?:second )?(?P<limit>\d+(?:\.\d)?))?"
)
_ENTRY = re.compile(
    r"(?P<time>\d+\.\d)(?:: \[(\d+), (\d+), (\d+), (\d+)\](?P<did>[a-z\d ]*)| away)"
)
_WAY = re.compile(r"(?P<word>left|right|up|down|grows|shrinks) (?P<far>\d+)")
_AXIS = {"up": 1, "down": 1}
"""Which of a box's first two numbers tells of a way; the first does, of a size too."""
_EDGES = (0, 1000)


@dataclass(frozen=True, slots=True)
class _Moment:
    """One moment told closely: its time, its box's numbers (none if away), and the ways gone."""

    time: str
    box: tuple[Span, ...]
    ways: dict[str, Span]


def reckoned(text: str, reply: int) -> Iterator[tuple[Span, Span, Span]]:
    """Yield what of the reply is reckoned from two numbers told before: it, and these two.

    All are (start, end).

    >>> told = "1.0: [10, 5, 30, 9], 2.0: [20, 5, 40, 9] right 10, 3.0: [40, 5, 60, 9] right 20"
    >>> text = f"It begins: {told}, so by 2.0 s less 0.5 s at 1.5 s."
    >>> [[text[start:end] for start, end in found] for found in reckoned(text, 0)]
    [['0.5', '10', '20'], ['1.5', '2.0', '0.5']]
    """
    for found in _CLOSELY.finditer(text, reply):
        if found["less"]:
            moments = list(_moments(text, *found.span("told")))
            shares = _shares(moments, found["by"], ends=found["limited"] == "ends")
            if shares:
                yield found.span("less"), *shares
            yield found.span("limit"), found.span("by"), found.span("less")


def ways(text: str, reply: int) -> Iterator[tuple[Span, Span]]:
    """Yield how far something went in the reply, each with the coordinate that tells it now.

    Both are (start, end): of a box cut off by the frame it is that of the other side.

    >>> text = "It begins: 1.0: [10, 5, 30, 9], 2.0: [20, 5, 40, 9] right 10, so by 2.0 s."
    >>> [[text[start:end] for start, end in found] for found in ways(text, 0)]
    [['10', '20']]
    """
    for found in _CLOSELY.finditer(text, reply):
        for moment in _moments(text, *found.span("told")):
            for word, far in moment.ways.items():
                axis = _AXIS.get(word, 0)
                cut = int(text[slice(*moment.box[axis])]) in _EDGES
                yield far, moment.box[axis + 2 * cut]


def changes(text: str, reply: int) -> Iterator[tuple[Span, float, Box]]:
    """Yield what the reply says a thing did since the moment before, with that moment's box.

    It is (start, end) of the words and numbers, the time in seconds, and x1, y1, x2, y2.

    >>> text = "1.0: [1, 5, 3, 9], 2.0: [2, 5, 4, 9] right 10, 3.0 away"
    >>> [(text[start:end], at, box) for (start, end), at, box in changes(text, 0)]
    [(' right 10', 1.0, (1.0, 5.0, 3.0, 9.0))]
    """
    for before, now in pairwise(_ENTRY.finditer(text, reply)):
        told = before["did"] is not None and now["did"]
        if told and text[before.end() : now.start()] == ", ":
            x1, y1, x2, y2 = (float(before[at]) for at in (2, 3, 4, 5))
            yield now.span("did"), float(before["time"]), (x1, y1, x2, y2)


def _moments(text: str, start: int, end: int) -> Iterator[_Moment]:
    for entry in _ENTRY.finditer(text, start, end):
        there = entry["did"] is not None
        ways = _WAY.finditer(text, *entry.span("did")) if there else ()
        yield _Moment(
            entry["time"],
            tuple(entry.span(at) for at in (2, 3, 4, 5)) if there else (),
            {way["word"]: way.span("far") for way in ways},
        )


def _shares(moments: Sequence[_Moment], by: str, *, ends: bool) -> tuple[Span, Span] | None:
    """Return the way gone in the moment of a limit, and that in a whole one; None if not told."""
    at = next((at for at, moment in enumerate(moments) if moment.time == by), None)
    if at is None:
        return None
    part, whole = (at - 1, at - 2) if ends else (at, at + 1)
    if not (0 <= part < len(moments) and 0 <= whole < len(moments)):
        return None
    words = [word for word in moments[part].ways if word in moments[whole].ways]
    return (moments[part].ways[words[0]], moments[whole].ways[words[0]]) if words else None
