"""Recall at thresholds: the share of scores (each in 0..1) that reach a threshold.

Two rules exist in the literature and both are here: `score >= threshold` (OneThinker, LLaVA-ST,
VideoChat-R1, VLMEvalKit) and, with `strict=True`, `score > threshold` (GOT-10k, VidSTG,
HC-STVG). Scores are compared as they are, with no tolerance: two spans that overlap by exactly
0.3 on paper may give 0.2999999999999998 in binary floating point and miss, as they do in every
published evaluator.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["THRESHOLDS", "count_hits", "is_hit", "recall_at"]

THRESHOLDS = (0.3, 0.5, 0.7)
"""The thresholds of the paper's tables 4 to 7."""


def is_hit(score: float, threshold: float, *, strict: bool = False) -> bool:
    """Whether `score` reaches `threshold`; NaN never does.

    >>> is_hit(0.5, 0.5), is_hit(0.5, 0.5, strict=True)
    (True, False)
    """
    return score > threshold if strict else score >= threshold


def count_hits(scores: Iterable[float], threshold: float, *, strict: bool = False) -> int:
    """Number of `scores` that reach `threshold`: the additive part of a recall.

    >>> count_hits([0.2, 0.5, 0.9], 0.5)
    2
    """
    return sum(is_hit(score, threshold, strict=strict) for score in scores)


def recall_at(scores: Iterable[float], threshold: float, *, strict: bool = False) -> float:
    """Share (0..1) of `scores` that reach `threshold`; `ValueError` when there are none.

    >>> recall_at([0.2, 0.5, 0.9, 0.4], 0.5)
    0.5
    """
    values = list(scores)
    if not values:
        raise ValueError("expected at least one score, got none: a recall of nothing is undefined")
    return count_hits(values, threshold, strict=strict) / len(values)
