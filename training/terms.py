"""What numbers of a thought are reckoned from: each from two others that were told before it.

How far something went is the difference of two coordinates, how long a limit of an event is past
the share that one such way has of another, and the limit itself a time less that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["reckoned"]

Span = tuple[int, int]

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
    """Yield the numbers of the reply that are reckoned, each with the two that it is reckoned from.

    All are (start, end).

    >>> told = "1.0: [10, 5, 30, 9], 2.0: [20, 5, 40, 9] right 10, 3.0: [40, 5, 60, 9] right 20"
    >>> text = f"It begins: {told}, so by 2.0 s less 0.5 s at 1.5 s."
    >>> [[text[start:end] for start, end in found] for found in reckoned(text, 0)]
    [['10', '20', '10'], ['20', '40', '20'], ['0.5', '10', '20'], ['1.5', '2.0', '0.5']]
    """
    for found in _CLOSELY.finditer(text, reply):
        moments = list(_moments(text, *found.span("told")))
        for before, now in pairwise(moments):
            if before.box and now.box:
                yield from _differences(text, before, now)
        if found["less"]:
            shares = _shares(moments, found["by"], ends=found["limited"] == "ends")
            if shares:
                yield found.span("less"), *shares
            yield found.span("limit"), found.span("by"), found.span("less")


def _moments(text: str, start: int, end: int) -> Iterator[_Moment]:
    for entry in _ENTRY.finditer(text, start, end):
        there = entry["did"] is not None
        ways = _WAY.finditer(text, *entry.span("did")) if there else ()
        yield _Moment(
            entry["time"],
            tuple(entry.span(at) for at in (2, 3, 4, 5)) if there else (),
            {way["word"]: way.span("far") for way in ways},
        )


def _differences(text: str, before: _Moment, now: _Moment) -> Iterator[tuple[Span, Span, Span]]:
    """Yield each way with the coordinate now and before; one cut off by the frame tells nothing."""
    for word, far in now.ways.items():
        axis = _AXIS.get(word, 0)
        cut = any(int(text[slice(*one.box[axis])]) in _EDGES for one in (before, now))
        at = axis + 2 if cut else axis
        yield far, now.box[at], before.box[at]


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
