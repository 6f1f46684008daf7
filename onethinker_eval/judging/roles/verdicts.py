"""Verdicts of right or wrong, which the judged accuracy is made of."""

from __future__ import annotations

from onethinker_eval.judging.cases import Verdict

__all__ = ["right_or_wrong"]


def right_or_wrong(right: bool, *, asked: bool) -> Verdict:
    """Return the verdict of one sample.

    >>> dict(right_or_wrong(True, asked=False).statistics)
    {'judged': 1, 'judged accuracy': 1}
    """
    hit = 1 if right else 0
    return Verdict({"judged": 1, "judged accuracy": hit}, {"judged accuracy": float(hit)}, asked)
