"""Which of a teacher's replies are kept: form, length, accuracy by our metrics, consistency.

Accuracy is `onethinker_eval.score`, protocol `paper`: what fills the leaderboard and what the
rewards are made of. Consistency is two things: where the thinking says what "the answer is", that
must be the answer given (letters and numbers; other answers are seldom put into a sentence); and
where several replies are asked for, accepted ones must reach the threshold against each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from onethinker_eval.answers import extract
from onethinker_eval.answers.extraction import strict_body
from onethinker_eval.errors import DataError
from onethinker_eval.scoring import score
from onethinker_eval.training.annotation_settings import AnnotationSettings
from onethinker_eval.training.lessons import Lesson, without_tags

__all__ = ["REASONS", "Verdict", "agreeing", "scorable", "weigh"]

REASONS = (
    "no reply",
    "format",
    "thinking too short",
    "thinking too long",
    "unreadable answer",
    "below threshold",
    "contradicts itself",
    "no agreement",
)
"""Why a reply is not kept, from the first filter to the last."""

_STATED = re.compile(
    r"\b(?:answer|option|choice)\s+(?:is|must be|should be)\s*:?\s*\W{0,4}"
    r"(?:(?P<letter>[A-Z])\b(?![a-z'’])|(?P<number>-?\d[\d,]*(?:\.\d+)?))",
)
_LETTERS = frozenset({"multiple choice"})
_NUMBERS = frozenset({"numerical", "regression"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A weighed reply: kept where `reason` is empty."""

    reason: str
    accuracy: float = 0.0
    thinking: str = ""
    answer: str = ""

    @property
    def accepted(self) -> bool:
        """Return whether the reply passed all filters."""
        return not self.reason


def scorable(lesson: Lesson) -> bool:
    """Return whether the record's truth can be scored; if not, no teacher need be asked."""
    try:
        _score(lesson, "", lesson.record.truth)
    except DataError:
        return False
    return True


def weigh(reply: str, lesson: Lesson, settings: AnnotationSettings) -> Verdict:
    """Return whether a reply is kept, with its thinking and answer, or why it is not."""
    parts = extract(reply)
    if settings.strict_format and strict_body(reply) is None:
        return Verdict("format")
    thinking, answer = without_tags(parts.thinking), without_tags(parts.answer)
    if len(thinking) < settings.min_thinking:
        return Verdict("thinking too short")
    if len(thinking) > settings.max_thinking:
        return Verdict("thinking too long")
    accuracy, outcome = _score(lesson, reply, lesson.record.truth)
    if outcome != "scored" or not answer:
        return Verdict("unreadable answer")
    if accuracy < settings.thresholds[lesson.kind]:
        return Verdict("below threshold", accuracy)
    if settings.consistent and _contradicts(thinking, answer, lesson):
        return Verdict("contradicts itself", accuracy)
    return Verdict("", accuracy, thinking, answer)


def agreeing(verdicts: Sequence[Verdict], lesson: Lesson, settings: AnnotationSettings) -> Verdict:
    """Return the best accepted reply that enough others agree with, else why there is none.

    Best is the most accurate, of equals the first.
    """
    accepted = [made for made in verdicts if made.accepted]
    if not accepted:
        return max(verdicts, key=lambda made: REASONS.index(made.reason))
    least = settings.thresholds[lesson.kind]
    kept = [
        made
        for made in accepted
        if sum(other is made or _agree(made, other, lesson) >= least for other in accepted)
        >= settings.agree
    ]
    if not kept:
        return Verdict("no agreement", max(made.accuracy for made in accepted))
    return max(kept, key=lambda made: made.accuracy)


def _agree(first: Verdict, second: Verdict, lesson: Lesson) -> float:
    try:
        return _score(lesson, f"<answer>{first.answer}</answer>", second.answer)[0]
    except DataError:
        return 0.0


def _score(lesson: Lesson, reply: str, truth: object) -> tuple[float, str]:
    record = lesson.record
    made = score(
        reply, truth, lesson.kind, data_type=record.data_type, options=record.options or None
    )
    return made.accuracy, made.outcome


def _contradicts(thinking: str, answer: str, lesson: Lesson) -> bool:
    """Return whether the last answer that the thinking states is another one."""
    name = "letter" if lesson.kind in _LETTERS else "number"
    if lesson.kind not in _LETTERS | _NUMBERS:
        return False
    stated = [found[name] for found in _STATED.finditer(thinking) if found[name]]
    if not stated:
        return False
    if name == "letter":
        return stated[-1] != answer.strip().lstrip("(")[:1].upper()
    try:
        return float(stated[-1].replace(",", "")) != float(answer.replace(",", ""))
    except ValueError:
        return False
