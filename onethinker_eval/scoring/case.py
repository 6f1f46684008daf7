"""What a scoring rule is given: one typed answer, one typed truth, and the sample's setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onethinker_eval.answers.values import Answer
from onethinker_eval.scoring.result import Protocol

__all__ = ["Case", "Unscorable"]


@dataclass(slots=True)
class Case:
    """One sample on its way to a score; `options` are "A. red" lines, `truth` is typed."""

    answer: Answer
    truth: Any
    protocol: Protocol
    data_type: str
    options: Sequence[str]
    choice_rule: str
    span_rule: str
    meta: Mapping[str, Any]
    time_limit_s: float

    @property
    def value(self) -> Any:
        """The answer's value; its type follows from the problem type."""
        return self.answer.value


class Unscorable(Exception):
    """Inside the package: an answer that the protocol's own rule cannot read, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
