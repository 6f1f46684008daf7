"""What a reply looks at, as tokens: of the pictures, of the options, of what was said before.

`glances` reads from the text of a reply where its words look; here that becomes, for each kind of
look, which token asks and which are to be seen. `guidance` makes a loss of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, takewhile

import torch
from torch.nn import functional

from onethinker_eval.training.glances import (
    Entry,
    Glance,
    Span,
    compared,
    coordinates,
    copied,
    done,
    ended,
    entries,
    followed,
    glances,
    limits,
    past,
    renamed,
    restated,
    retold,
)
from onethinker_eval.training.slots import SLOT_TIME, media_runs

__all__ = [
    "PICTURE",
    "Looks",
    "Told",
    "copies",
    "deeds",
    "letters",
    "lists",
    "looks",
    "lookups",
    "replies",
    "sought",
    "spans",
    "times",
]

COVERED = 0.15
"""Least share of a token's side, or of the box's, that a box must cover for the token to count."""
NEAR = 0.6
"""Slots of a clip are near to a time up to this share of the time between two of them."""
STRIDE = 3
"""One of so many tokens of a clip is asked whether it sees its time."""
BEFORE = 3
"""Moments before the one by which a limit is past that tell how long it is."""
SHOWN = 2
"""Moments of a course, from that on which is told closely again, that tell of a beginning."""
STOPPED = 4
"""The same of an end: it shows by what is told after it."""
PICTURE = "\x00"


@dataclass(frozen=True, slots=True)
class Looks:
    """What is looked at: at token `asks` (N,) of `rows` (N,), the tokens `seen` (N, length)."""

    rows: torch.Tensor
    asks: torch.Tensor
    seen: torch.Tensor

    def some(self, most: int) -> Looks:
        """Return `most` of them at random, or all if they are no more."""
        if len(self.rows) <= most:
            return self
        chosen = torch.randperm(len(self.rows))[:most].sort().values
        return Looks(self.rows[chosen], self.asks[chosen], self.seen[chosen])


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture in a row: its first token, its size in tokens, and its time in the clip.

    `stamp` is the token that says the time; both are None for a picture that is in no clip.
    """

    start: int
    height: int
    width: int
    seconds: float | None = None
    stamp: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A row as text: its words are the tokens `ids`, `starts` where they begin, `start` its reply.

    The word of a token of a picture is a NUL.
    """

    ids: list[int]
    words: list[str]
    starts: list[int]
    text: str
    start: int

    def token(self, at: int) -> int:
        """Return the token that character `at` is in."""
        return bisect_right(self.starts, at) - 1

    def tokens(self, start: int, end: int) -> range:
        """Return the tokens that characters `start` to before `end` are in."""
        return range(self.token(start), self.token(end - 1) + 1)


def replies(ids: torch.Tensor, labels: torch.Tensor, texts: Sequence[str]) -> list[Told]:
    """Return each row of `ids` (rows, length) as text, and where its reply begins.

    `labels` is -100 outside of replies, `texts` the text of each token (a NUL for one of a
    picture).
    """
    made = []
    for tokens, label in zip(ids.tolist(), labels, strict=True):
        words = [texts[token] for token in tokens]
        starts = [0, *accumulate(map(len, words))]
        start = starts[int((label >= 0).int().argmax())]
        made.append(Told(tokens, words, starts, "".join(words), start))
    return made


def looks(told: Sequence[Told], sizes: Iterator[tuple[int, int]]) -> dict[str, Looks]:
    """Return what is looked at in rows of one length: "places" by replies, "moments" by clips.

    Where a list ends there is nothing more to see, and the words that it began with are looked at.
    `sizes` are the height and width of each picture in tokens, row by row.
    """
    length = _length(told)
    places: list[tuple[int, int, torch.Tensor]] = []
    moments: list[tuple[int, int, int]] = []
    for row, one in enumerate(told):
        pictures = list(_pictures(one, sizes))
        for picture in pictures:
            if picture.stamp is not None:
                end = picture.start + picture.height * picture.width
                moments += [(row, at, picture.stamp) for at in range(picture.start, end, STRIDE)]
        for glance in glances(one.text, one.start):
            seen = _covered(glance, pictures, length)
            if seen.any():
                # What is written at a token is asked for at the one before.
                places += [(row, at - 1, seen) for at in one.tokens(glance.start, glance.end)]
        for (end, _), began in ended(one.text, one.start):
            places.append((row, one.token(end) - 1, _mask(one.tokens(*began), length)))
    return {"places": _several(places, length), "moments": _single(_triples(moments), length)}


def letters(ids: torch.Tensor, texts: Sequence[str], marks: Mapping[int, str]) -> Looks:
    """Return for each token of an option in `ids` (rows, length) the token of its letter.

    `texts` and `marks` are the texts and the letters of options by token; an option ends with its
    line.
    """
    made = [
        (row, at, mark)
        for row, tokens in enumerate(ids.tolist())
        for at, mark in _options(tokens, texts, marks)
    ]
    return _single(_triples(made), ids.shape[1])


def _options(
    tokens: Sequence[int], texts: Sequence[str], marks: Mapping[int, str]
) -> Iterator[tuple[int, int]]:
    """Yield the place of each token of an option, and that of the option's letter."""
    mark = None
    for at, token in enumerate(tokens):
        if token in marks:
            mark = at
        elif "\n" in texts[token] or texts[token].startswith("<"):
            mark = None
        elif mark is not None:
            yield at, mark


def copies(told: Sequence[Told], texts: Sequence[str], marks: Mapping[int, str]) -> Looks:
    """Return for each number or name of a reply that repeats one the tokens of that before it.

    A mark that says whether something fits looks at what it is to fit. `texts` and `marks` are
    those of `letters`. Coordinates and numbers of options are no source.
    """
    length = _length(told)
    made: list[tuple[int, int, torch.Tensor]] = []
    for row, one in enumerate(told):
        taken = {at for at, _ in _options(one.ids, texts, marks)}
        for start, end in coordinates(one.text):
            taken |= set(one.tokens(start, end))
        for start, end in copied(one.text, one.start):
            place, number = one.token(start), one.text[start:end]
            same = [at for at in range(place) if one.words[at].strip(" ,") == number]
            found = [at for at in same if at not in taken]
            if place not in taken and found:
                made.append((row, place - 1, _mask(found, length)))
        pairs = (said(one.text, one.start) for said in (renamed, restated, compared))
        for (start, _), seen in chain.from_iterable(pairs):
            made.append((row, one.token(start) - 1, _mask(one.tokens(*seen), length)))
    return _several(made, length)


def lookups(ids: torch.Tensor, texts: Sequence[str], marks: Mapping[int, str]) -> Looks:
    """Return the look of each row of `ids` (rows, length) that looks an option up.

    The token before the row's last option letter asks; the option of that letter in the list is
    seen, from its first token to the one that was said last, but for what all the options say.
    `texts` and `marks` are those of `letters`; rows without options have no look.
    """
    found = _looked_up(ids, texts, marks)
    length = ids.shape[1]
    return _several([(row, ask, _mask(own, length)) for row, ask, own, _ in found], length)


def sought(ids: torch.Tensor, texts: Sequence[str], marks: Mapping[int, str]) -> Looks:
    """Return for each look of `lookups` the same words where they were said right before.

    The last word of "I look for 45 degrees" does not tell by itself which option is meant.
    """
    found = _looked_up(ids, texts, marks)
    length = ids.shape[1]
    return _several([(row, ask, _mask(said, length)) for row, ask, _, said in found], length)


def _looked_up(
    ids: torch.Tensor, texts: Sequence[str], marks: Mapping[int, str]
) -> Iterator[tuple[int, int, list[int], list[int]]]:
    """Yield each row that looks an option up, the token that asks, and words that are its own.

    They are those in the list of options, and the same where they were said before the letter.
    """
    for row, tokens in enumerate(ids.tolist()):
        options: dict[int, list[int]] = {}
        for at, mark in _options(tokens, texts, marks):
            options.setdefault(mark, []).append(at)
        *listed, said = options or [0]
        for mark in listed:
            if marks[tokens[mark]] == marks[tokens[said]]:
                words = (tokens[at] for at in options[mark])
                again = zip(options[mark], words, tokens[said + 1 :], strict=False)
                seen = [at for at, *_ in takewhile(lambda one: one[1] == one[2], again)]
                if seen and tokens[seen[-1]] == tokens[said - 1]:
                    shared = set.intersection(
                        *({tokens[at] for at in options[one]} for one in listed)
                    )
                    own = [at for at in seen if tokens[at] not in shared] or seen
                    # The option and what was looked for end alike.
                    yield row, said - 1, own, [at - seen[-1] + said - 1 for at in own]
                break


def _triples(made: Sequence[tuple[int, int, int]]) -> torch.Tensor:
    return torch.tensor(made, dtype=torch.long).reshape(-1, 3)


def times(told: Sequence[Told]) -> Looks:
    """Return for each token of a course in a reply the token of its time."""
    made = [
        (row, at, one.token(entry.start))
        for row, one in enumerate(told)
        for entry in entries(one.text, one.start)
        for at in one.tokens(entry.told, entry.end)
    ]
    return _single(_triples(made), _length(told))


def spans(told: Sequence[Told]) -> Looks:
    """Return for each limit of an event in a reply the tokens of the moments around that time.

    They are those of the course that was told last before it, of two moments or more. The moment by
    which it is past is one of them said again, and looks at that one alone; how long it is past is
    seen in those around that moment, and the limit itself reckoned from these two. Where the
    moments around a limit begin, it looks at those of the course in which it shows.
    """
    length = _length(told)
    made: list[tuple[int, int, torch.Tensor]] = []

    def look(row: int, one: Told, at: int, seen: Iterable[Span]) -> None:
        tokens = chain(*(one.tokens(*span) for span in seen))
        made.append((row, one.token(at) - 1, _mask(tokens, length)))

    for row, one in enumerate(told):
        found = list(entries(one.text, one.start))
        for start, stop in limits(one.text, one.start):
            course = _course(found, start)
            if len(course) > 1:
                at = min(_last(course, float(one.text[start:stop])), len(course) - 2)
                look(row, one, start, _said(course[max(0, at) : at + 2]))
        for time, rough, ends in retold(one.text, one.start):
            course = _course(found, rough)
            at = max(0, _last(course, float(one.text[slice(*time)])))
            if course:
                look(row, one, time[0], _said(course[at : at + (STOPPED if ends else SHOWN)]))
        for by, less, limit in past(one.text, one.start):
            course = _course(found, by[0])
            if len(course) > 1:
                at = max(0, _last(course, float(one.text[slice(*by)])))
                around = _said(course[max(0, at - BEFORE) : at + 2])
                look(row, one, by[0], _said(course[at : at + 1]))
                look(row, one, limit[0], [by, less] if less else around)
                if less:
                    look(row, one, less[0], around)
    return _several(made, length)


def _said(entries: Iterable[Entry]) -> list[Span]:
    return [(entry.start, entry.end) for entry in entries]


def _last(course: Sequence[Entry], time_s: float) -> int:
    """Return which moment of a course is the last up to a time, -1 if none is."""
    return sum(entry.seconds <= time_s for entry in course) - 1


def _course(found: Sequence[Entry], start: int) -> Sequence[Entry]:
    """Return the last of the moments told before `start`, and those before as far as in order."""
    told = [entry for entry in found if entry.end < start]
    first = len(told) - 1
    while first > 0 and told[first - 1].seconds < told[first].seconds:
        first -= 1
    return told[max(0, first) :]


def deeds(told: Sequence[Told]) -> Looks:
    """Return for each word of a reply on what a listed thing did the words that told it before."""
    length = _length(told)
    made = [
        (row, at - 1, _mask(chain(*(one.tokens(*word) for word in words)), length))
        for row, one in enumerate(told)
        for said, words in done(one.text, one.start)
        for at in one.tokens(*said)
    ]
    return _several(made, length)


def lists(told: Sequence[Told]) -> Looks:
    """Return for each token of a reply with which a list goes on the place of the thing before.

    It is asked at the token before, as far as the place of the next thing.
    """
    length = _length(told)
    made = [
        (row, at - 1, _mask(one.tokens(*place), length))
        for row, one in enumerate(told)
        for more, place in followed(one.text, one.start)
        for at in one.tokens(*more)
    ]
    return _several(made, length)


def _length(told: Sequence[Told]) -> int:
    return len(told[0].ids) if told else 0


def _mask(tokens: Iterable[int], length: int) -> torch.Tensor:
    """Return which of `length` tokens are among `tokens`: (length,) bool."""
    seen = torch.zeros(length, dtype=torch.bool)
    seen[list(tokens)] = True
    return seen


def _several(made: Sequence[tuple[int, int, torch.Tensor]], length: int) -> Looks:
    """Return the looks (row, asking token, tokens seen) of `made`."""
    rows, asks = (torch.tensor([one[at] for one in made], dtype=torch.long) for at in (0, 1))
    seen = torch.stack([one[2] for one in made]) if made else torch.zeros(0, length).bool()
    return Looks(rows, asks, seen)


def _single(triples: torch.Tensor, length: int) -> Looks:
    """Return the looks (row, asking token, token seen) of `triples` (N, 3), each at one token."""
    rows, asks, found = triples.T
    return Looks(rows, asks, functional.one_hot(found, length).bool())


def _pictures(told: Told, sizes: Iterator[tuple[int, int]]) -> Iterator[_Picture]:
    """Yield the pictures of a row, with the time that stands between each and the one before."""
    before = 0
    for start, end in media_runs([word == PICTURE for word in told.words], True):
        picture = _Picture(start, *next(sizes))
        found = SLOT_TIME.search(told.text, told.starts[before], told.starts[start])
        if found:
            stamp = told.token(found.start(1))
            picture = replace(picture, seconds=float(found[1]), stamp=stamp)
        yield picture
        before = end


def _covered(glance: Glance, pictures: Sequence[_Picture], length: int) -> torch.Tensor:
    """Return which of a row's tokens the place of `glance` covers: (length,) bool."""
    seen = torch.zeros(length, dtype=torch.bool)
    x1, y1, x2, y2 = glance.box
    for picture in _at(glance, pictures):
        across = _side(x1 / 1000, x2 / 1000, picture.width)
        down = _side(y1 / 1000, y2 / 1000, picture.height)
        cells = (down[:, None] & across[None, :]).reshape(-1)
        seen[picture.start : picture.start + len(cells)] = cells
    return seen


def _at(glance: Glance, pictures: Sequence[_Picture]) -> list[_Picture]:
    """Return the pictures near to its time; without one those beside a clip, or all of a clip."""
    timed = [(one, one.seconds) for one in pictures if one.seconds is not None]
    if glance.seconds is None or len(timed) < 2:
        still = [one for one in pictures if one.seconds is None] or list(pictures)
        return still if glance.picture is None else still[glance.picture : glance.picture + 1]
    near = NEAR * (timed[1][1] - timed[0][1])
    far = min(abs(time - glance.seconds) for _, time in timed)
    return [one for one, time in timed if abs(time - glance.seconds) <= max(near, far)]


def _side(low: float, high: float, count: int) -> torch.Tensor:
    """Return which of `count` equal parts of 0 to 1 the stretch from `low` to `high` covers."""
    edges = torch.arange(count) / count
    common = (edges + 1 / count).clamp(max=high) - edges.clamp(min=low)
    return common >= COVERED * min(1 / count, max(high - low, 1e-6))
