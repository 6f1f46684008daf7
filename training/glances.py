"""Where a reply looks: the words and numbers of a thought that tell of a place, and which place.

The thoughts of the demo generator say one look at a time ("the small green cross from 469 to 641
across and from 203 to 375 down", "1 at [272, 777] cyan cross", "0.6 away"), so that what is to be
looked at while each of their words is written can be read from the text itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from onethinker_eval.demo.shapes import COLOURS, SHAPES

__all__ = [
    "Entry",
    "Glance",
    "compared",
    "coordinates",
    "copied",
    "done",
    "ended",
    "entries",
    "followed",
    "glances",
    "limits",
    "past",
    "renamed",
    "restated",
    "retold",
]

Box = tuple[float, float, float, float]
Span = tuple[int, int]

EVERYWHERE: Box = (0.0, 0.0, 1000.0, 1000.0)
POINT = 30.0
"""Half the side of what is looked at where only a point is told, of 1000."""

_NUMBER = r"(\d+)"
_BOX = rf"\[{_NUMBER}, {_NUMBER}, {_NUMBER}, {_NUMBER}\]"
_ENTRY = rf"(?P<time>\d+\.\d)(?P<there>: {_BOX}[^.;,<]*| away)"
_TOLD = re.compile(
    r"(?P<moment>At (?P<at>\d+\.\d) s )"
    r"|(?P<still> ?In the (?:(?P<which>first|second) )?picture )"
    # What comes next is looked for from the mark on that says that something does.
    rf"|(?P<course>(?:; )?{_ENTRY})"
    rf'|(?P<track>"(?P<second>\d+)": {_BOX})'
    r"|(?P<first>first box holds the [^.]*)"
    r"|(?P<span>(?:(?:find|is|fits:) the [^.;:\d]*(?:[.;] [Ii]t [^.;:\d]*)?)?"
    rf"{_NUMBER} to {_NUMBER} across and (?:from )?{_NUMBER} to {_NUMBER} down)"
    rf"|(?P<point>(?:, )?[^.;:,\[\]>]*\[{_NUMBER}, {_NUMBER}\](?: (?!and |then )[^.;,\[\]<]*)?"
    r"(?:\. It is [^.]*)?)"
)
_WHICH = {"first": 0, "second": 1}
_GIVEN = re.compile(_BOX)
_COURSE = re.compile(_ENTRY)
_LIMITS = re.compile(r"(?<=is from )\d+\.\d|(?<= s to )\d+\.\d")
_PAST = re.compile(
    r" by (?P<by>\d+\.\d) s(?: less (?P<less>\d+\.\d) s)? at (?:second )?(?P<limit>\d+(?:\.\d)?)"
)
_RETOLD = re.compile(r"(?:[Ii]t begins|(?P<ends>It ends)): (?P<time>\d+\.\d)")
_SHOWS = re.compile(r"is the (?P<name>\w+ \w+)\. At (?P<time>\d+\.\d) s it shows well")
_NTH = re.compile(r"(?<=: fits )\d+|That makes (?P<all>\d+)")
_COORDINATES = re.compile(r'(?<!"time": )\[[\d, ]+\]|\d+ to \d+ (?:across|down)')
_COPIED = re.compile(
    r"\b\d+(?= [-+×/] \d)|(?<=[-+×/] )\d+"
    r"|(?<=are )\d+(?= and \d)|(?<=and )\d+(?=\.)|(?<=radius is )\d+|(?<=I put )\d+"
    r"|(?<=with )\d+(?= corners)|(?<=look for )\d+(?=\n)|(?<=<answer>)\d+(?=<)"
    r'|"time": \[([\d.]+), ([\d.]+)\]'
)
_COUNTS = re.compile(r"I count (?P<what>\w+)\. From the left: (?P<listed>[^.]*)\.")
_COUNTED = re.compile(r": \d")
_SEARCHED = re.compile(
    r"I (?:look for|need the time in which) (?:the|what) (?P<what>[^.:]+)\."
    r"(?: That is an? (?P<shape>[^.:]+)\.)? From the left: "
)
_MARK = re.compile(r"(?<=:) (?:fits|no)\b")
_SAID = "I see that"
_STATED = re.compile(r"(?P<what>the [^.:;\d]+):(?P<mark> (?:fits|no)\b)")
_LIST = re.compile(
    r"(?P<first>From (?:the left|top to bottom): )|; (?=\d+\.\d)|, (?=(?:\d+ )?at \[)"
)
_WHOLE_LIST = re.compile(
    r"(?P<begin>From (?:the left|top to bottom): )(?:[^.<]|\.\d)*(?P<end>\.)(?!\d)"
)
_COURSES = re.compile(
    r"From the left: (?P<listed>\d+\.\d.*?)\. (?:I see that (?P<stated>[^.]*)\.)?", re.DOTALL
)
_LISTED = re.compile(r"(?:[^;.]|\.\d)+")
_CHANGE = re.compile(r"\b(?:left|right|up|down|grows|shrinks|still|away)\b")
_FIRST = re.compile(r"\[[\d, ]+\]|away")
_NAME = re.compile(
    r"(?P<seen>\] (?:(?:large|small) )?)?"
    rf"\b(?P<name>(?:{'|'.join(COLOURS)}) (?:{'|'.join(SHAPES)}))\b"
)


@dataclass(frozen=True, slots=True)
class Glance:
    """Characters `start` to `end` of a text are written while looking at a box.

    `box` is (x1, y1, x2, y2), 0 to 1000; `seconds` is the time in the clip, None for any, or for a
    picture beside the clip if there is one. `picture` counts several pictures from 0, None for all.
    """

    start: int
    end: int
    box: Box
    seconds: float | None = None
    picture: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment of a course: it begins with the time, and is told up to `end`."""

    start: int
    told: int
    end: int
    seconds: float


def glances(text: str, reply: int) -> Iterator[Glance]:
    """Yield what is looked at in the reply that begins at character `reply` of `text`.

    Boxes and points of an answer are left out where its thought has told them: they are copied.

    >>> [one.box for one in glances("It is the star from 5 to 9 across and from 2 to 4 down", 0)]
    [(5.0, 2.0, 9.0, 4.0)]
    """
    end = text.find("</think>", reply)
    end = len(text) if end < 0 else end
    moment: float | None = None
    picture: int | None = None
    timed = '"time"' in text[end:]
    for found in _TOLD.finditer(text, reply):
        numbers = [float(group) for group in found.groups() if group and group.isdigit()]
        if found["moment"]:
            moment = float(found["at"])
        elif found["still"]:
            moment, picture = None, _WHICH.get(found["which"])
        elif found["course"]:
            # Whether it is there at all is written right after the time.
            box = _box(numbers) if numbers else EVERYWHERE
            start = found.start("there" if found.start() == found.start("time") else "course")
            yield Glance(start, found.end(), box, float(found["time"]))
        elif found["track"]:
            second = numbers[0]
            # A track counts its seconds from one, a span from the clip's beginning.
            seconds = second if timed else second - 1
            yield Glance(found.start() + 1, found.end(), _box(numbers[1:]), seconds)
        elif found["first"]:
            given = _GIVEN.search(text)
            if given:
                yield Glance(*found.span(), _box([float(one) for one in given.groups()]), 0.0)
        elif found.start() < end and found["span"]:
            x1, x2, y1, y2 = numbers
            yield Glance(*found.span(), (x1, y1, x2, y2), moment)
        elif found.start() < end and found["point"]:
            x, y = numbers
            box = (x - POINT, y - POINT, x + POINT, y + POINT)
            yield Glance(*found.span(), box, moment, picture)


def copied(text: str, reply: int) -> Iterator[Span]:
    """Yield start and end of the numbers of the reply that repeat one said before.

    These are those to calculate with, those that a problem gives, and those of the answer.

    >>> text = "The sides are 6 and 4. 6 × 4 = 24. The shape with 5 corners"
    >>> [text[start:end] for start, end in copied(text, 0)]
    ['6', '4', '6', '4', '5']
    """
    for found in _COPIED.finditer(text, reply):
        if found[1]:
            yield found.span(1)
            yield found.span(2)
        else:
            yield found.span()


def renamed(text: str, reply: int) -> Iterator[tuple[Span, Span]]:
    """Yield the names in the reply that repeat one said in it, each with the last one before.

    Both are (start, end). One that follows a place is said of what is seen there, and repeats none.
    A conclusion repeats that of what fits: something else may have the same name.

    >>> text = "at [9, 9] red star, at [9, 9] red star. So the red star"
    >>> list(renamed(text, 0))
    [((47, 55), (30, 38))]
    """
    said: dict[str, Span] = {}
    for found in _NAME.finditer(text, reply):
        name = found["name"]
        before = said.get(name)
        if before and not found["seen"]:
            fits = text.rfind(f" fits {name}", reply, found.start())
            if fits >= 0 and text.endswith(" It is the ", reply, found.start("name")):
                before = fits + len(" fits "), fits + len(f" fits {name}")
            yield found.span("name"), before
        said[name] = found.span("name")


def restated(text: str, reply: int) -> Iterator[tuple[Span, Span]]:
    """Yield the counts in the reply that follow another, each with that one.

    So is the time at which something shows well, with the moment at which it was first seen. Both
    are (start, end).

    >>> text = "fits red star; 0.5 away: fits 1 red star; 0.5 away: fits 2 bar. That makes 2."
    >>> [(text[slice(*said)], text[slice(*seen)]) for said, seen in restated(text, 0)]
    [('2', '1'), ('2', '2')]
    """
    before: Span | None = None
    for found in _NTH.finditer(text, reply):
        said = found.span("all") if found["all"] else found.span()
        if before:
            yield said, before
        before = said
    for found in _SHOWS.finditer(text, reply):
        # Two may have the same name: the one that fits is meant.
        mark = text.rfind(f": fits {found['name']}", reply, found.start())
        begun = max(text.rfind("; ", reply, mark), text.rfind("left: ", reply, mark), reply)
        named = re.compile(rf"\d+\.\d: {_BOX} {found['name']}\b")
        first = named.search(text, begun if mark >= 0 else reply, found.start())
        if first:
            yield found.span("time"), first.span()


def compared(text: str, reply: int) -> Iterator[tuple[Span, Span]]:
    """Yield the marks in the reply that say whether something fits, each with what it is to fit.

    Both are (start, end). Marks are the count of something listed, "fits" and "no"; they are to fit
    what is counted or looked for, or one of the options; the shape of the first of a list where
    that one has no mark. What fits none of the options is told by a look at the words with which
    the telling began: there is no option to see.

    >>> list(compared("I count red. From the left: 1 at [9, 9] red star: 1, 2 at [9, 9] cross.", 0))
    [((48, 51), (8, 11))]
    """
    for found in _COUNTS.finditer(text, reply):
        for mark in _COUNTED.finditer(text, *found.span("listed")):
            yield mark.span(), found.span("what")
    for found in _SEARCHED.finditer(text, reply):
        first = _LISTED.match(text, found.end())
        name = _NAME.search(text, *first.span()) if first else None
        marked = first and _MARK.search(text, *first.span())
        wanted = found.span("shape" if found["shape"] else "what")
        if name and not marked and not _sets_off(text, found.end()):
            wanted = _shape(text, name.span("name"))
        for mark in _MARK.finditer(text, found.end()):
            yield mark.span(), wanted
    for found in _STATED.finditer(text, reply):
        option = text.rfind(f". {found['what']}\n", 0, reply) + len(". ")
        said = text.rfind(_SAID, reply, found.start())
        if found["mark"] == " fits" and option >= len(". "):
            yield found.span("mark"), (option, option + len(found["what"]))
        elif found["mark"] == " no" and said >= 0:
            yield found.span("mark"), (said, said + len(_SAID))


def done(text: str, reply: int) -> Iterator[tuple[Span, list[Span]]]:
    """Yield the words in the reply on what a listed thing did, each with those that told it before.

    All are (start, end). They are the mark of a course in a list, and what is stated of the thing
    by its name after the list: of its words those that say the same, or all if none does. Where a
    shape is looked for, the mark is told from the thing's name instead; where one of the first or
    last to set off is, from the last of their starts that fits, or its own where there is none.

    >>> text = "From the left: 0.5: [1, 1, 2, 2] red bar, 1.5: [1, 1, 3, 3] grows: fits red bar. So"
    >>> [(text[start:end], [text[a:b] for a, b in told]) for (start, end), told in done(text, 0)]
    [(' fits', ['grows'])]
    """
    by_shape = {found.end() for found in _SEARCHED.finditer(text, reply) if found["shape"]}
    for found in _COURSES.finditer(text, reply):
        changes: dict[str, list[Span]] = {}
        named = found.start("listed") in by_shape
        timed = _sets_off(text, found.start("listed"))
        best: Span | None = None
        for part in _LISTED.finditer(text, *found.span("listed")):
            told = [one.span() for one in _CHANGE.finditer(text, *part.span())]
            mark = _MARK.search(text, *part.span())
            names = list(_NAME.finditer(text, *part.span()))
            if told and names:
                changes[names[-1]["name"]] = told
            begun = _PAST.search(text, *part.span())
            if timed:
                if begun and mark:
                    yield mark.span(), [best or begun.span("limit")]
                    best = begun.span("limit") if mark[0] == " fits" else best
                continue
            named = named or (part.start() == found.start("listed") and mark is None)
            before = [one.span("name") for one in names if mark and one.end() <= mark.start()]
            seen = [_shape(text, one) for one in before[:1]] if named else told
            if seen and mark:
                yield mark.span(), seen
        for part in _LISTED.finditer(text, *found.span("stated")):
            name = _NAME.search(text, *part.span())
            end = text.find(":", *part.span())
            if name and end > 0 and name["name"] in changes:
                told = changes[name["name"]]
                stated = text[name.end() : end]
                yield (
                    (name.end(), end),
                    [one for one in told if text[slice(*one)] in stated] or told,
                )


def _shape(text: str, name: Span) -> Span:
    """Return where the last word of a name is, which says its shape."""
    return text.rindex(" ", *name) + 1, name[1]


def _sets_off(text: str, listed: int) -> bool:
    """Return whether the list that begins at character `listed` tells when each thing sets off."""
    return ", it begins: " in text[listed : text.find(". ", listed)]


def followed(text: str, reply: int) -> Iterator[tuple[Span, Span]]:
    """Yield where a list goes on to the next thing, each with the place of the one before.

    Both are (start, end); the first ends with the place of the next.

    >>> list(followed("From the left: 1 at [9, 9] red star, 2 at [19, 9] cross.", 0))
    [((35, 49), (20, 26))]
    """
    before: Span | None = None
    for found in _LIST.finditer(text, reply):
        place = _FIRST.search(text, found.end())
        if found["first"] or (before and ". " in text[before[1] : found.start()]):
            before = None
        if place is None:
            return
        if before:
            yield (found.start(), place.end()), before
        if found["first"] or before:
            before = place.span()


def ended(text: str, reply: int) -> Iterator[tuple[Span, Span]]:
    """Yield where a list of what is seen ends, each with the words that it began with.

    Both are (start, end). There is nothing more to see then.

    >>> text = "From the left: 0.5: [1, 1, 2, 2] red bar. So"
    >>> [(text[start:end], text[a:b]) for (start, end), (a, b) in ended(text, 0)]
    [('.', 'From the left: ')]
    """
    for found in _WHOLE_LIST.finditer(text, reply):
        yield found.span("end"), found.span("begin")


def entries(text: str, reply: int) -> Iterator[Entry]:
    """Yield the moments of all courses in the reply.

    >>> [one.seconds for one in entries("0.6 away, 3.0: [5, 2, 9, 4] still.", 0)]
    [0.6, 3.0]
    """
    for found in _COURSE.finditer(text, reply):
        yield Entry(found.start(), found.start("there"), found.end(), float(found["time"]))


def limits(text: str, reply: int) -> Iterator[Span]:
    """Yield start and end of the times in the reply that limit an event.

    >>> text = "That is from 10.2 s to 14.0 s."
    >>> [text[start:end] for start, end in limits(text, 0)]
    ['10.2', '14.0']
    """
    for found in _LIMITS.finditer(text, reply):
        yield found.span()


def past(text: str, reply: int) -> Iterator[tuple[Span, Span | None, Span]]:
    """Yield the moments by which a limit of an event is past, how long it is, and the limit.

    All are (start, end); None stands for a limit after the last moment.

    >>> text = "It begins by 10.7 s less 0.2 s at 10.5 s."
    >>> [[text[start:end] for start, end in found] for found in past(text, 0)]
    [['10.7', '0.2', '10.5']]
    """
    for found in _PAST.finditer(text, reply):
        less = found.span("less") if found["less"] else None
        yield found.span("by"), less, found.span("limit")


def retold(text: str, reply: int) -> Iterator[tuple[Span, int, bool]]:
    """Yield the times from which on the limits of an event are told closely.

    Each is (start, end) of the time, the character up to which the course is told roughly, and
    whether it is for the end of the event.

    >>> text = "0.2 away, 4.2: [1, 1, 2, 2]. It begins: 0.2 away, 1.2 away. It ends: 4.2: [1, 1, 2"
    >>> [(text[slice(*time)], rough, ends) for time, rough, ends in retold(text, 0)]
    [('0.2', 29, False), ('4.2', 29, True)]
    """
    rough = reply
    for found in _RETOLD.finditer(text, reply):
        rough = rough if found["ends"] else found.start()
        yield found.span("time"), rough, bool(found["ends"])


def coordinates(text: str) -> Iterator[Span]:
    """Yield start and end of what in a text are coordinates: lists of numbers and extents."""
    for found in _COORDINATES.finditer(text):
        yield found.span()


def _box(numbers: list[float]) -> Box:
    x1, y1, x2, y2 = numbers
    return x1, y1, x2, y2
