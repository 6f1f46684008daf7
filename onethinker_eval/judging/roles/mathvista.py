"""MathVista: the answer is read out of the response by a judge, and compared by rule.

Upstream asks the judge unless its prefetch finds a letter, or a number that is *right*. Here the
truth has no say in it: the judge is asked when the rule cannot read the answer.
"""

from __future__ import annotations

from onethinker_eval.judging.cases import Asking, JudgeSample, Verdict
from onethinker_eval.judging.roles.extraction import extracted, is_clear, score_of
from onethinker_eval.judging.roles.verdicts import right_or_wrong

__all__ = ["judge"]


def judge(sample: JudgeSample, ask: Asking) -> Verdict:
    """Keep a clear answer's score; else score what the judge extracts."""
    if is_clear(sample):
        return right_or_wrong(sample.score.accuracy == 1.0, asked=False)
    if not sample.answer.strip():
        return right_or_wrong(False, asked=False)
    value = extracted(sample, ask)
    right = value is not None and score_of(value, sample).accuracy == 1.0
    return right_or_wrong(right, asked=True)
