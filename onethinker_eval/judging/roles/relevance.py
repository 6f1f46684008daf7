"""G-Eval relevance of a figure's caption, 1 to 5, against the published one (MMSci)."""

from __future__ import annotations

from onethinker_eval.judging.cases import (
    Asking,
    JudgeSample,
    Unreadable,
    Verdict,
    plain_reply,
    shortened,
)

__all__ = ["judge"]


def judge(sample: JudgeSample, ask: Asking) -> Verdict:
    """Let the judge rate the caption; nothing said rates 1, the lowest."""
    if sample.score.outcome != "scored":
        return _rated(1, asked=False)
    inputs = {"truth": sample.truth, "answer": shortened(sample.answer)}
    return _rated(ask.text("rate_relevance", inputs, _read), asked=True)


def _rated(rating: int, *, asked: bool) -> Verdict:
    statistics = {"relevance rated": 1, "relevance": rating, "relevance of": 100}
    return Verdict(statistics, {"G-Eval relevance": float(rating)}, asked)


def _read(reply: str) -> int:
    text = plain_reply(reply).rstrip(".")
    if text not in ("1", "2", "3", "4", "5"):
        raise Unreadable("expected a digit from 1 to 5")
    return int(text)
