"""Matching an unclear answer to an option: the fallback of VLMEvalKit's multiple-choice scoring.

Upstream asks a model only when its letter rule finds nothing, tries three times, and then takes
an option at random. Here the third rubbish reply is a failed judgement.
"""

from __future__ import annotations

from onethinker_eval.answers.letters import option_texts
from onethinker_eval.judging.cases import (
    Asking,
    JudgeSample,
    Unreadable,
    Verdict,
    plain_reply,
    shortened,
)
from onethinker_eval.judging.roles.verdicts import right_or_wrong
from onethinker_eval.metrics import choices
from onethinker_eval.scoring.language import truth_letter

__all__ = ["judge", "matched_letter", "options_of"]


def options_of(sample: JudgeSample) -> tuple[dict[str, str], str]:
    """Return the options by letter, and the right letter.

    A question without options is, as upstream, a choice between its truth and anything else.
    """
    if not sample.options:
        return choices.open_question_options(sample.truth), "A"
    return option_texts(sample.options), truth_letter(sample.truth, sample.options)


def matched_letter(sample: JudgeSample, options: dict[str, str], ask: Asking) -> str | None:
    """Return the letter the judge reads in the answer, None for "none of them"."""

    def read(reply: str) -> str | None:
        choice = choices.option_inference(plain_reply(reply), options)
        if choice.how == "none":
            raise Unreadable(f"expected a letter of {''.join(options)} or Z")
        return choice.letter

    lines = "\n".join(f"{letter}. {text}" for letter, text in options.items())
    inputs = {
        "question": sample.question,
        "options": lines,
        "answer": shortened(sample.answer),
    }
    return ask.text("match_option", inputs, read)


def judge(sample: JudgeSample, ask: Asking) -> Verdict:
    """Keep what the rule read; else let the judge find the option. Nothing said is wrong."""
    if sample.score.outcome == "scored":
        return right_or_wrong(sample.score.accuracy == 1.0, asked=False)
    if not sample.answer.strip():
        return right_or_wrong(False, asked=False)
    options, truth = options_of(sample)
    return right_or_wrong(matched_letter(sample, options, ask) == truth, asked=True)
