"""POLAR's way of scoring free text: a reward model's number for the answer against the truth."""

from __future__ import annotations

from onethinker_eval.judging.cases import Asking, JudgeSample, Verdict, shortened

__all__ = ["KINDS", "judge", "pair"]

KINDS = ("caption", "open-ended")
"""The problem types a reward model scores, as in the paper's training."""


def pair(sample: JudgeSample) -> tuple[str, str, str]:
    """Return (prompt, reference, candidate); an answer that cannot be read is an empty one."""
    answer = sample.answer if sample.score.outcome == "scored" else ""
    return sample.question, sample.truth, shortened(answer)


def judge(sample: JudgeSample, ask: Asking) -> Verdict:
    """Return the reward, whose scale and zero are the model's own."""
    value = ask.reward(*pair(sample))
    return Verdict({"rewarded": 1, "reward": value, "reward of": 100}, {"reward": value})
