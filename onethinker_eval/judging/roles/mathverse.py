"""MathVerse: extraction, then equality in meaning.

Upstream spends two calls on every sample. Here a clear answer is not extracted again, and what
the rule finds equal, or two different letters, needs no opinion.
"""

from __future__ import annotations

from onethinker_eval.judging.cases import Asking, JudgeSample, Unreadable, Verdict, plain_reply
from onethinker_eval.judging.roles.extraction import extracted, is_clear, score_of
from onethinker_eval.judging.roles.verdicts import right_or_wrong

__all__ = ["judge"]


def judge(sample: JudgeSample, ask: Asking) -> Verdict:
    """Extract if need be, compare by rule, and let the judge compare what is left."""
    if not sample.answer.strip():
        return right_or_wrong(False, asked=False)
    score, value, asked = sample.score, sample.answer, False
    if not is_clear(sample):
        found = extracted(sample, ask)
        if found is None:
            return right_or_wrong(False, asked=True)
        score, value, asked = score_of(found, sample), found, True
    letters = sample.kind == "multiple choice" and score.outcome == "scored"
    if score.accuracy == 1.0 or letters:
        return right_or_wrong(score.accuracy == 1.0, asked=asked)
    return right_or_wrong(_same(sample, value, ask), asked=True)


def _same(sample: JudgeSample, value: str, ask: Asking) -> bool:
    def read(reply: str) -> bool:
        text = plain_reply(reply).rstrip(".")
        if text not in ("0", "1"):
            raise Unreadable("expected 0 or 1")
        return text == "1"

    asked = sample.meta.get("question_for_eval") or sample.question
    inputs = {"question": str(asked), "truth": sample.truth, "answer": value}
    return ask.text("same_answer", inputs, read)
