"""Scores of letters, numbers, formulas and texts.

| type | paper (`eval_bench.py` or the bundled VLMEvalKit) | official and repaired |
|---|---|---|
| multiple choice | first character; where the benchmark went through VLMEvalKit
  (`_PAPER_RULES`), its rule | the benchmark's own rule, else one exact letter |
| numerical | equal at two decimals | the same |
| regression | MRA with strict limits | MRA of VSI-Bench |
| math | math-verify | the same; `repaired` on normalised formulas too |
| OCR | 1 − WER, clipped | the same; WER and CER pooled beside it |
| open-ended | mean F1 of ROUGE-1, -2, -L | the same for every script |
| caption | METEOR, best variant this machine has; ROUGE-L and MMSci's 2-gram precision | the same |

A sample whose gold and answer are both empty never scores: an empty truth is an error of the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from onethinker_eval.answers.letters import option_texts
from onethinker_eval.errors import DataError, unknown_name
from onethinker_eval.metrics import choices, numbers, text
from onethinker_eval.scoring.case import Case, Unscorable
from onethinker_eval.scoring.result import Measured

__all__ = ["CHOICE_RULES", "LANGUAGE_MISSES", "LANGUAGE_RULES", "reads_text", "truth_letter"]

_PAPER_RULES = frozenset({"option_inference", "video_holmes", "long_video_bench"})
_LETTER = re.compile(r"\(?([A-Za-z])(?:[).:、\s]|$)")

CHOICE_RULES = (
    "exact",
    "first_character",
    "option_inference",
    "video_holmes",
    "long_video_bench",
)
"""Names a task file may give as `choice_rule`; "" is `exact`."""


def truth_letter(truth: str, options: Sequence[str]) -> str:
    """Return the right letter; the truth may be "B", "b. blue" or an option's text.

    Raises `DataError` if it is none of them.
    """
    match = _LETTER.match(truth)
    if match:
        return match[1].upper()
    folded = truth.casefold()
    for letter, option in option_texts(tuple(options)).items():
        if option.casefold() == folded:
            return letter
    raise DataError(
        f"the truth of a multiple choice record must be an option, found {truth!r}",
        field="truth",
        fix="mend the record",
    )


def _truth_letter(case: Case) -> str:
    return truth_letter(case.truth, case.options)


def reads_text(case: Case) -> bool:
    """Whether the benchmark's own rule reads the answer's text, whatever the parser made of it.

    Raises `UsageError` for an unknown rule.
    """
    rule = case.choice_rule
    # an open question has no letter to repair: every protocol reads it by the benchmark's rule
    if rule in ("", "exact") or (case.protocol == "repaired" and case.options):
        return False
    if rule not in CHOICE_RULES:
        raise unknown_name("choice rule", rule, CHOICE_RULES)
    return bool(case.answer.text) and (case.protocol == "official" or rule in _PAPER_RULES)


def _choice(case: Case) -> Measured:
    if not reads_text(case):
        letter = str(case.value)
        if len(letter) != 1:
            raise Unscorable("no_option")
        return _right(letter == _truth_letter(case))
    choice, truth = _by_rule(case, case.choice_rule)
    if choice.how == "none":
        raise Unscorable("no_option")
    return _right(choices.matches(choice, truth))


def _by_rule(case: Case, rule: str) -> tuple[choices.Choice, str]:
    answer = case.answer.text
    if rule == "first_character":
        return choices.first_character(answer), _truth_letter(case)
    if rule == "video_holmes":
        return choices.video_holmes(answer), _truth_letter(case)
    if rule == "long_video_bench":
        options = option_texts(tuple(case.options))
        return choices.long_video_bench(answer, options), _truth_letter(case)
    if not case.options:
        # VLMEvalKit turns an open question into "the truth, or anything else".
        return choices.option_inference(answer, choices.open_question_options(case.truth)), "A"
    return choices.option_inference(answer, option_texts(tuple(case.options))), _truth_letter(case)


def _right(right: bool) -> Measured:
    accuracy = 1.0 if right else 0.0
    return accuracy, {"accuracy": accuracy}, {"n": 1, "accuracy": int(right)}


def _graded(accuracy: float) -> Measured:
    return accuracy, {"accuracy": accuracy}, {"n": 1, "accuracy": accuracy}


def _numerical(case: Case) -> Measured:
    value = case.value
    return _right(isinstance(value, float) and numbers.equal_at(value, case.truth, 2))


def _regression(case: Case) -> Measured:
    accuracy = numbers.mra(
        case.value, case.truth, rule="onethinker" if case.protocol == "paper" else "vsi"
    )
    return accuracy, {"MRA": accuracy}, {"n": 1, "accuracy": accuracy}


def _math(case: Case) -> Measured:
    from onethinker_eval.metrics import mathematics

    verdict = mathematics.equivalent(
        str(case.value),
        case.truth,
        time_limit_s=case.time_limit_s,
        rule="repaired" if case.protocol == "repaired" else "paper",
    )
    return _right(verdict)


def _ocr(case: Case) -> Measured:
    return _ocr_measured(case, str(case.value))


def _ocr_measured(case: Case, answer: str) -> Measured:
    words = text.word_edits(case.truth, answer)
    characters = text.character_edits(case.truth, answer)
    accuracy = max(0.0, min(1.0, 1.0 - words.rate))
    components = {"accuracy": accuracy, "WER": words.rate, "CER": characters.rate}
    return (
        accuracy,
        components,
        {
            "n": 1,
            "accuracy": accuracy,
            "word edits": words.edits,
            "words": words.units,
            "character edits": characters.edits,
            "characters": characters.units,
        },
    )


def _open_ended(case: Case) -> Measured:
    rule = case.protocol
    accuracy = text.open_ended(case.truth, str(case.value), rule=rule)
    accuracy = max(0.0, min(1.0, accuracy))
    return accuracy, {"ROUGE": accuracy}, {"n": 1, "accuracy": accuracy}


def _caption(case: Case) -> Measured:
    from onethinker_eval.metrics import captions

    answer = str(case.value)
    meteor = captions.meteor(answer, [case.truth], variant=captions.meteor_variant())
    pairs = captions.ngram_precision(answer, [case.truth], 2)
    longest = text.rouge(case.truth, answer, stem=False).rouge_l.f1
    components = {"METEOR": meteor.value, "ROUGE-L": longest, "BLEU-2 precision": pairs.value}
    counts = {"n": 1, "accuracy": meteor.value, **components}
    if meteor.variant != "wordnet":
        counts["METEOR without WordNet"] = 1
    return meteor.value, components, counts


LANGUAGE_RULES: Mapping[str, Callable[[Case], Measured]] = {
    "multiple choice": _choice,
    "numerical": _numerical,
    "regression": _regression,
    "math": _math,
    "ocr": _ocr,
    "open-ended": _open_ended,
    "caption": _caption,
}
"""The rule of each language type; its answer was read."""

LANGUAGE_MISSES: Mapping[str, Callable[[Case], Measured]] = {
    **dict.fromkeys(LANGUAGE_RULES, lambda _: _right(False)),
    "ocr": lambda case: _ocr_measured(case, ""),
}
"""What an unreadable answer counts."""
