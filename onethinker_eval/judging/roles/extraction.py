"""Reading the final answer out of a long response, for the two mathematics benchmarks."""

from __future__ import annotations

from onethinker_eval.judging.cases import (
    Asking,
    JudgeSample,
    Unreadable,
    plain_reply,
    shortened,
)
from onethinker_eval.scoring import Score, score

__all__ = ["LONG_CHARS", "extracted", "is_clear", "score_of"]

LONG_CHARS = 80
"""A formula of more characters is taken for a sentence around an answer."""

_MOST_CHARS = 1000
_NONE = ("none", "no answer", "n/a", "not given")
_FORMS = {
    "multiple choice": "the capital letter of the option",
    "numerical": "a plain number, without its unit",
    "math": "a number, an expression or a list, as the response writes it",
}


def is_clear(sample: JudgeSample) -> bool:
    """Tell whether the rule alone reads the answer: decided without a look at the truth."""
    score = sample.score
    if score.outcome != "scored":
        return False
    return sample.kind != "math" or (score.reading == "strict" and len(sample.answer) <= LONG_CHARS)


def extracted(sample: JudgeSample, ask: Asking) -> str | None:
    """Return the answer that the judge reads in the response, None if it finds none."""

    def read(reply: str) -> str | None:
        text = plain_reply(reply)
        if not text or len(text) > _MOST_CHARS:
            raise Unreadable("expected a short answer, or NONE")
        return None if text.rstrip(".").casefold() in _NONE else text

    question = "\n".join([sample.question, *_unseen_options(sample)])
    form = _FORMS.get(sample.kind, _FORMS["math"])
    if sample.kind == "numerical" and sample.meta.get("answer_type") == "integer":
        form = "a whole number, without its unit"
    inputs = {"question": question, "answer": shortened(sample.answer), "form": form}
    return ask.text("extract_value", inputs, read)


def _unseen_options(sample: JudgeSample) -> tuple[str, ...]:
    return () if sample.meta.get("options_in_question") else sample.options


def score_of(value: str, sample: JudgeSample) -> Score:
    """Score an extracted answer by the benchmark's rule, as if the model had given it alone."""
    text = value.replace("<", " ") if "answer>" in value else value
    return score(
        f"<think>\n</think>\n<answer>{text}</answer>",
        sample.truth,
        sample.kind,
        data_type=sample.data_type,
        protocol=sample.protocol,
        options=sample.options,
        choice_rule=sample.choice_rule or None,
        meta=sample.meta,
    )
