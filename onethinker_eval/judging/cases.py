"""What a judge's role is given, what it may ask, and what it yields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from onethinker_eval.scoring.result import Protocol as ScoringProtocol
from onethinker_eval.scoring.result import Score

__all__ = [
    "MAX_ANSWER_CHARS",
    "Asking",
    "JudgeFailed",
    "JudgeSample",
    "Unreadable",
    "Verdict",
    "plain_reply",
    "shortened",
]

Value = TypeVar("Value")

MAX_ANSWER_CHARS = 12_000
"""Of a longer answer a judge is shown the end, where answers stand."""


class JudgeFailed(Exception):
    """A judgement that could not be had: the sample has no judged score."""

    def __init__(self, kind: str, message: str) -> None:
        """Keep the `kind` ("not_judged", or one of `CallError`) and a one-line message."""
        super().__init__(message)
        self.kind = kind


class Unreadable(Exception):
    """A judge's reply that is not of the form it was asked for."""


@dataclass(frozen=True, slots=True)
class JudgeSample:
    """One answered sample: its record's fields, its answer's text, and its score by rule.

    `kind` is the problem type in lower case, `options` are "A. red" lines, `answer` is the text
    that the protocol's reader took for the answer (thinking excluded).
    """

    id: str
    question: str
    options: tuple[str, ...]
    truth: str
    kind: str
    data_type: str
    meta: Mapping[str, Any]
    answer: str
    score: Score
    protocol: ScoringProtocol
    choice_rule: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a role yields: additive statistics, components to show, and whether a judge was asked.

    `failed` counts the judgements inside that could not be had; they are in no other statistic.
    """

    statistics: Mapping[str, int | float]
    components: Mapping[str, float] = field(default_factory=dict)
    asked: bool = True


class Asking(Protocol):
    """How a role asks: stored replies first, then, in a session with a judge, the judge."""

    def text(self, prompt: str, inputs: Mapping[str, str], read: Callable[[str], Value]) -> Value:
        """Return what `read` makes of the reply to a prompt; raises `JudgeFailed`.

        `read` raises `Unreadable` for rubbish, which is asked again a few times.
        """

    def reward(self, prompt: str, reference: str, candidate: str) -> float:
        """Return the reward model's number; raises `JudgeFailed`."""


_THINKING = re.compile(r"\A.*</think>", re.DOTALL)


def plain_reply(text: str) -> str:
    """Return a judge's reply without its thinking and without Markdown's marks around it.

    >>> plain_reply("<think>B or C?</think> **B**")
    'B'
    """
    return _THINKING.sub("", text).strip().strip("`*\"' \n")


def shortened(text: str, most: int = MAX_ANSWER_CHARS) -> str:
    """Return `text`, or its last `most` characters after an ellipsis.

    >>> shortened("abcdef", 4)
    '…cdef'
    """
    return text if len(text) <= most else f"…{text[-most:]}"
