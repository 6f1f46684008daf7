"""Whether two questions are the same words, or nearly: a normal form, MinHash and Jaccard.

Near-duplicates share at least `JACCARD` of their runs of five characters. Candidates come from
MinHash signatures in 16 bands of 4: two questions with that share miss each other less than once
in 1,000 times; what is found is compared exactly.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["JACCARD", "normal_question", "question_pairs", "similarity"]

JACCARD = 0.8
"""Least share of common character runs of near-duplicate questions."""

_RUN = 5
_BANDS, _ROWS = 16, 4
_MOST_IN_BUCKET = 64
"""Templated questions crowd buckets: of one, no more than this many are candidates of each."""
_MOST_COMPARED = 4
"""Of a question's candidates those are compared exactly whose signatures agree most."""
_NO_WORD = re.compile(r"[^\w]+", re.UNICODE)


def normal_question(text: str) -> str:
    r"""Return a question without case, punctuation and runs of blanks.

    >>> normal_question("  Where is\tthe RED ball?")
    'where is the red ball'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NO_WORD.sub(" ", folded).strip()


def similarity(first: str, second: str) -> float:
    """Return the Jaccard index of the character runs of two normal questions, 0..1.

    >>> similarity("where is the ball", "where is the ball"), similarity("aaaaaa", "bbbbbb")
    (1.0, 0.0)
    """
    a, b = _runs(first), _runs(second)
    return len(a & b) / len(a | b) if a or b else 1.0


def _runs(text: str) -> set[int]:
    data = text.encode()
    if len(data) <= _RUN:
        return {zlib.crc32(data)}
    return {zlib.crc32(data[at : at + _RUN]) for at in range(len(data) - _RUN + 1)}


def question_pairs(
    left: Sequence[str], right: Sequence[str], least: float = JACCARD
) -> Iterator[tuple[int, int, float]]:
    """Yield (left, right, Jaccard) of near pairs of different normal questions, each side unique.

    For each left question only its nearest right one is told. Time grows with the number of
    questions and of their near pairs, not with the product.
    """
    if not left or not right:
        return
    coefficients = np.random.default_rng(20251203).integers(
        1, 1 << 63, size=(2, _BANDS * _ROWS), dtype=np.uint64
    )
    mine, theirs = _signatures(left, coefficients), _signatures(right, coefficients)
    candidates: dict[int, set[int]] = {}
    for band in range(_BANDS):
        rows = slice(band * _ROWS, (band + 1) * _ROWS)
        buckets: dict[bytes, list[int]] = {}
        for number, key in enumerate(_keys(theirs[:, rows])):
            bucket = buckets.setdefault(key, [])
            if len(bucket) < _MOST_IN_BUCKET:
                bucket.append(number)
        for number, key in enumerate(_keys(mine[:, rows])):
            if key in buckets:
                candidates.setdefault(number, set()).update(buckets[key])
    for number, others in candidates.items():
        listed = np.array(sorted(others))
        alike = (theirs[listed] == mine[number]).mean(axis=1)
        nearest = listed[np.argsort(-alike, kind="stable")[:_MOST_COMPARED]].tolist()
        best = max((similarity(left[number], right[other]), -other) for other in nearest)
        if best[0] >= least:
            yield number, -best[1], best[0]


def _keys(rows: NDArray[np.uint32]) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(rows)]


def _signatures(texts: Sequence[str], coefficients: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return the MinHash signature of each text, (texts, permutations)."""
    runs = [np.fromiter(_runs(text), np.uint64) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(made) for made in runs])[:-1]])
    flat = np.concatenate(runs)
    made = np.empty((len(texts), coefficients.shape[1]), np.uint32)
    for at, (factor, offset) in enumerate(coefficients.T):
        # multiply-shift: the upper half of the product is a universal hash
        mixed = ((flat * (factor | np.uint64(1)) + offset) >> np.uint64(32)).astype(np.uint32)
        made[:, at] = np.minimum.reduceat(mixed, starts)
    return made
