"""From a reply and its truth to a `Score`: the one place that chooses a metric.

`score` = `parse` (which never sees the truth) + `score_answer` (which never sees the raw reply).
Both are pure: no randomness, no network, no state but caches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from onethinker_eval.answers import parse
from onethinker_eval.answers.values import Answer
from onethinker_eval.errors import unknown_name
from onethinker_eval.scoring.case import Case, Unscorable
from onethinker_eval.scoring.language import LANGUAGE_MISSES, LANGUAGE_RULES, reads_text
from onethinker_eval.scoring.perception import PERCEPTION_MISSES, PERCEPTION_RULES
from onethinker_eval.scoring.result import PROTOCOLS, Measured, Protocol, Score
from onethinker_eval.scoring.truths import read_truth

__all__ = ["PROBLEM_TYPES", "TIME_LIMIT_S", "normal_type", "score", "score_answer", "score_case"]

TIME_LIMIT_S = 5.0
"""Seconds a symbolic comparison may take before it counts as different."""

_RULES = {**LANGUAGE_RULES, **PERCEPTION_RULES}
_MISSES = {**LANGUAGE_MISSES, **PERCEPTION_MISSES}
_NO_META: Mapping[str, Any] = MappingProxyType({})

PROBLEM_TYPES = tuple(_RULES)
"""The problem types as the released data spells them, in lower case."""


def normal_type(problem_type: str) -> str:
    """Return the problem type in lower case; raises `UsageError` naming the nearest ones.

    >>> normal_type("OCR")
    'ocr'
    """
    if problem_type in _RULES:
        return problem_type
    folded = " ".join(problem_type.lower().split())
    if folded not in _RULES:
        raise unknown_name("problem type", problem_type, _RULES)
    return folded


def score(
    reply: str,
    truth: Any,
    problem_type: str,
    *,
    data_type: str = "image",
    protocol: Protocol = "paper",
    options: Sequence[str] | None = None,
    choice_rule: str | None = None,
    span_rule: str | None = None,
    meta: Mapping[str, Any] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> Score:
    """Score a model's raw reply against a truth, 0..1.

    Boxes are (x1, y1, x2, y2) in 0..1000, spans in seconds, as the answer schemas have them.

    Args:
        reply: the model's text, thinking included. Any text is accepted and never raises.
        truth: a plain value, JSON text, or the released solution string with `<answer>` tags.
        problem_type: as the released data spells it, any case ("spatial grounding", "OCR", …).
        data_type: "image" or "video"; it matters for segmentation alone.
        protocol: "paper", "official" or "repaired"; see `onethinker_eval.scoring`.
        options: the option lines of a multiple-choice question ("A. red", …).
        choice_rule: the benchmark's own way to read a letter, one of `CHOICE_RULES`.
        span_rule: "lita" for ANet-RTL's way with spans, else none.
        meta: what a rule needs of the record: `duration_s` (lita), `cover` (GOT-10k).
        time_limit_s: seconds a symbolic comparison may take.

    Raises:
        DataError: the truth is malformed.
        UsageError: unknown problem type, protocol or rule.

    Examples:
        >>> score("<think>…</think><answer>B</answer>", "B", "multiple choice").accuracy
        1.0
        >>> reply = '<think>…</think><answer>{"time": [1, 3]}</answer>'
        >>> score(reply, {"time": [1, 5]}, "temporal grounding").components["tIoU"]
        0.5
        >>> score("no idea", {"time": [1, 5]}, "temporal grounding").outcome
        'unparsable'
    """
    kind = normal_type(problem_type)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    answer = parse(
        reply if isinstance(reply, str) else "",
        kind,
        data_type=data_type,
        options=options,
        rule=protocol,
    )
    return score_answer(
        answer,
        truth,
        kind,
        data_type=data_type,
        protocol=protocol,
        options=options,
        choice_rule=choice_rule,
        span_rule=span_rule,
        meta=meta,
        time_limit_s=time_limit_s,
    )


def score_answer(
    answer: Answer,
    truth: Any,
    problem_type: str,
    *,
    data_type: str = "image",
    protocol: Protocol = "paper",
    options: Sequence[str] | None = None,
    choice_rule: str | None = None,
    span_rule: str | None = None,
    meta: Mapping[str, Any] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> Score:
    """Score an answer that `onethinker_eval.answers.parse` read under the same protocol.

    Arguments and errors are those of `score`.
    """
    kind = normal_type(problem_type)
    case = Case(
        answer,
        read_truth(truth, kind, data_type),
        protocol,
        data_type,
        options or (),
        choice_rule or "",
        span_rule or "",
        meta or _NO_META,
        time_limit_s,
    )
    return score_case(case, kind)


def score_case(case: Case, kind: str) -> Score:
    """Score a case whose truth is typed already; `kind` is a `normal_type`."""
    answer = case.answer
    if answer.failure is not None and not (kind == "multiple choice" and reads_text(case)):
        return _unparsable(answer, _MISSES[kind](case), answer.failure)
    try:
        accuracy, components, statistics = _RULES[kind](case)
    except Unscorable as problem:
        return _unparsable(answer, _MISSES[kind](case), problem.reason)
    reading = answer.reading if answer.failure is None else "repaired"
    return Score(accuracy, components, "scored", None, reading, statistics, answer)


def _unparsable(answer: Answer, measured: Measured, reason: str) -> Score:
    accuracy, components, statistics = measured
    statistics["unparsable"] = 1
    return Score(accuracy, components, "unparsable", reason, answer.reading, statistics, answer)
