"""Which training records are in a benchmark already: the same or nearly the same question, medium.

| kind | the training record has, of one benchmark record |
|---|---|
| `sample` | all its media (same or look-alike) and the question with its choices (same or near);
  without media the question alone |
| `medium` | a medium of the very same bytes |
| `look-alike` | a medium that looks the same (an image; a video's first, middle and last frame) |
| `question` | a question of the same words, eight or more |
| `near question` | a question of nearly the same words, eight or more |

A record is told once, under the first kind that holds. The first three are `SERIOUS`. Questions
alone are not: benchmarks of one form ask the same of every picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.errors import DataError
from onethinker_eval.records import Medium, Record
from onethinker_eval.training.look_alike import MOST_DIFFERENCE, HashIndex, difference
from onethinker_eval.training.media_facts import MediumFacts, grids
from onethinker_eval.training.question_alike import (
    JACCARD,
    normal_question,
    question_pairs,
    similarity,
)

__all__ = ["KINDS", "SERIOUS", "Contamination", "Item", "Match", "compare"]

KINDS = ("sample", "medium", "look-alike", "question", "near question")
SERIOUS = KINDS[:3]

_LEAST_WORDS = 8
_MOST_CANDIDATES = 8
"""Of a medium's look-alikes by hash this many, the nearest, are compared."""

Facts = Mapping[Medium, MediumFacts]
Grids = Callable[[Medium], Sequence[NDArray[np.uint8]]]


@dataclass(frozen=True, slots=True)
class Item:
    """A record and where it belongs: a training source's name, or a benchmark's."""

    group: str
    record: Record


@dataclass(frozen=True, slots=True)
class Match:
    """A training record and the benchmark record it repeats.

    `difference` of a look-alike in levels of 0..255 (0 for the same bytes), `jaccard` of the
    questions; None where there is nothing to say.
    """

    kind: str
    source: str
    record: str
    benchmark: str
    matched: str
    difference: float | None = None
    jaccard: float | None = None


@dataclass(frozen=True, slots=True)
class Contamination:
    """The matches, and what was compared."""

    matches: tuple[Match, ...]
    trained: int
    tested: int
    media: tuple[int, int]
    plain: int
    """Training media with a picture too plain for look-alikes; the bytes are compared."""
    candidates: int
    """Pairs of media whose pixels were compared."""
    counts: Mapping[str, Counter[str]] = field(default_factory=dict)
    """For each kind the number of records by "source → benchmark"."""

    @property
    def serious(self) -> int:
        """Return how many training records repeat a benchmark's sample or medium."""
        return sum(match.kind in SERIOUS for match in self.matches)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "trained": self.trained,
            "tested": self.tested,
            "media": list(self.media),
            "plain": self.plain,
            "candidates": self.candidates,
            "thresholds": {"difference": MOST_DIFFERENCE, "jaccard": JACCARD},
            "counts": {kind: dict(self.counts[kind]) for kind in KINDS if kind in self.counts},
            "matches": [asdict(match) for match in self.matches],
        }


def compare(
    trained: Sequence[Item],
    tested: Sequence[Item],
    facts: Facts,
    *,
    grids_of: Grids = grids,
) -> Contamination:
    """Compare training with benchmark records; `facts` are those of the media of both.

    `grids_of` decodes a medium again to compare its pixels, for candidates alone.
    """
    mine, theirs = _media(trained), _media(tested)
    same = _same_bytes(mine, theirs, facts)
    alike, candidates = _look_alikes(mine, theirs, facts, grids_of)
    by_medium: dict[Medium, list[Item]] = {}
    for item in tested:
        for medium in item.record.media:
            by_medium.setdefault(medium, []).append(item)
    questions = _Questions(trained, tested)
    matches = []
    for item in trained:
        match = _by_media(item, by_medium, same, alike) or questions.match(item)
        if match is not None:
            matches.append(match)
    counts: dict[str, Counter[str]] = {}
    for match in matches:
        counts.setdefault(match.kind, Counter())[f"{match.source} → {match.benchmark}"] += 1
    plain = sum(any(not look for look in facts[medium].looks) for medium in mine)
    return Contamination(
        tuple(matches),
        len(trained),
        len(tested),
        (len(mine), len(theirs)),
        plain,
        candidates,
        counts,
    )


def _media(items: Sequence[Item]) -> list[Medium]:
    return list(dict.fromkeys(medium for item in items for medium in item.record.media))


def _by_media(
    item: Item,
    by_medium: Mapping[Medium, Sequence[Item]],
    same: Mapping[Medium, Sequence[Medium]],
    alike: Mapping[Medium, Sequence[tuple[Medium, float]]],
) -> Match | None:
    """Return the most serious match by media: the same sample, then the nearest medium."""
    shared: dict[int, tuple[Item, list[float]]] = {}
    for medium in item.record.media:
        twins = dict.fromkeys(same.get(medium, ()), 0.0)
        for twin, value in alike.get(medium, ()):
            twins.setdefault(twin, value)
        for twin, value in twins.items():
            for other in by_medium[twin]:
                shared.setdefault(id(other), (other, []))[1].append(value)
    if not shared:
        return None
    question = _question(item)
    best: tuple[float, Item, float] | None = None
    for other, values in shared.values():
        if len(values) < len(item.record.media):
            continue
        share = similarity(question, _question(other))
        if share >= JACCARD and (best is None or share > best[0]):
            best = (share, other, max(values))
    if best is not None:
        return _match("sample", item, best[1], best[2], best[0])
    other, values = min(shared.values(), key=lambda pair: min(pair[1]))
    exact = any(medium in same for medium in item.record.media) and min(values) == 0.0
    return _match("medium" if exact else "look-alike", item, other, min(values))


def _question(item: Item) -> str:
    """Return what is asked, choices included in an order of their own, in normal form."""
    choices = sorted(normal_question(option[2:]) for option in item.record.options)
    return " ".join([normal_question(item.record.question), *choices])


def _match(
    kind: str, item: Item, other: Item, value: float | None = None, share: float | None = None
) -> Match:
    return Match(kind, item.group, item.record.id, other.group, other.record.id, value, share)


def _same_bytes(
    mine: Iterable[Medium], theirs: Iterable[Medium], facts: Facts
) -> dict[Medium, list[Medium]]:
    by_content: dict[str, list[Medium]] = {}
    for medium in theirs:
        if facts[medium].content:
            by_content.setdefault(facts[medium].content, []).append(medium)
    return {
        medium: by_content[facts[medium].content]
        for medium in mine
        if facts[medium].content in by_content
    }


def _look_alikes(
    mine: Sequence[Medium], theirs: Sequence[Medium], facts: Facts, grids_of: Grids
) -> tuple[dict[Medium, list[tuple[Medium, float]]], int]:
    """Return for each medium those that look the same, and how many pairs were compared."""
    held: dict[Medium, list[NDArray[np.uint8]] | None] = {}

    def cells(medium: Medium) -> Sequence[NDArray[np.uint8]]:
        if medium not in held:
            try:
                held[medium] = list(grids_of(medium))
            except DataError:
                held[medium] = None
        return held[medium] or ()

    found: dict[Medium, list[tuple[Medium, float]]] = {}
    compared = 0
    for medium, others in _candidates(mine, theirs, facts):
        for other in others:
            compared += 1
            first, second = cells(medium), cells(other)
            if not first or len(first) != len(second):
                continue
            value = max(difference(a, b) for a, b in zip(first, second, strict=True))
            if value <= MOST_DIFFERENCE:
                found.setdefault(medium, []).append((other, value))
        held.pop(medium, None)  # ours are compared once; theirs may come again
    return found, compared


def _candidates(
    mine: Sequence[Medium], theirs: Sequence[Medium], facts: Facts
) -> Iterator[tuple[Medium, list[Medium]]]:
    """Yield media of ours with the nearest of theirs by hash, one kind of medium at a time."""
    for kind in ("image", "video"):
        places = 1 if kind == "image" else 3
        left = [m for m in mine if m.kind == kind and len(facts[m].looks) == places]
        right = [m for m in theirs if m.kind == kind and len(facts[m].looks) == places]
        near: dict[Medium, dict[Medium, int]] = {}
        for place in range(places):
            # One picture that is not plain must find the other; all are compared afterwards.
            for first, second, bits in _near(left, right, facts, place):
                near.setdefault(first, {})[second] = bits
        for medium, others in near.items():
            yield medium, sorted(others, key=lambda other: others[other])[:_MOST_CANDIDATES]


def _near(
    left: Sequence[Medium], right: Sequence[Medium], facts: Facts, place: int
) -> Iterator[tuple[Medium, Medium, int]]:
    ours, theirs = _by_look(left, facts, place), _by_look(right, facts, place)
    if not ours or not theirs:
        return
    queries, stored = np.array(list(ours), np.uint64), np.array(list(theirs), np.uint64)
    for first, second, bits in HashIndex(stored).near(queries):
        for a, b, count in zip(first.tolist(), second.tolist(), bits.tolist(), strict=True):
            others = theirs[int(stored[b])][:_MOST_CANDIDATES]
            for medium in ours[int(queries[a])]:
                for other in others:
                    yield medium, other, count


def _by_look(media: Iterable[Medium], facts: Facts, place: int) -> dict[int, list[Medium]]:
    made: dict[int, list[Medium]] = {}
    for medium in media:
        look = facts[medium].looks[place]
        if look:
            made.setdefault(int(look, 16), []).append(medium)
    return made


class _Questions:
    """Training questions among the benchmarks' by their words alone."""

    def __init__(self, trained: Sequence[Item], tested: Sequence[Item]) -> None:
        self._tested: dict[str, Item] = {}
        for item in tested:
            self._tested.setdefault(_question(item), item)
        asked = {_question(item): None for item in trained}
        left = [text for text in asked if text not in self._tested]
        right = list(self._tested)
        self._near = {
            left[mine]: (right[theirs], share)
            for mine, theirs, share in question_pairs(left, right)
        }

    def match(self, item: Item) -> Match | None:
        text = _question(item)
        other, share = self._tested.get(text), 1.0
        if other is None and text in self._near:
            near, share = self._near[text]
            other = self._tested[near]
        if other is None:
            return None
        if not item.record.media and not other.record.media:
            return _match("sample", item, other, None, share)
        if len(text.split()) < _LEAST_WORDS:
            return None
        return _match("question" if share == 1.0 else "near question", item, other, None, share)
