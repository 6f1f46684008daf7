"""Rewards of whole batches of rollouts, as the reward functions TRL calls.

TRL wants one function per term; scoring gives all terms at once. A batch is therefore scored
when its first term is asked for, and the other terms read the same result. A reward that fails
(a truth that cannot be read, a judge that does not answer) is NaN in every term and is counted
by reason: the trainer drops its group, and no rollout gets a zero it did not earn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from onethinker_eval.training.ema import task_key
from onethinker_eval.training.rewards import Profile, Reward, reward

__all__ = ["TERMS", "Rollout", "RolloutRewards", "text_of_completion"]

TERMS = ("answer", "format", "structure")
"""The terms of every reward; `answer` is the sum of the parts that are not the other two."""

_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rollout:
    """What is known of one rollout: where it belongs, what was said, what it earned.

    `total`, `accuracy` and the parts are NaN or absent where `failure` names a reason.
    """

    task: str
    reply: str
    total: float = math.nan
    accuracy: float = math.nan
    outcome: str = "failed"
    parts: Mapping[str, float] = field(default_factory=lambda: _NONE)
    failure: str | None = None

    def term(self, name: str) -> float:
        """Return one of `TERMS`; NaN where the reward failed."""
        if self.failure is not None:
            return math.nan
        if name == "answer":
            return math.fsum(v for part, v in self.parts.items() if part not in TERMS[1:])
        return self.parts.get(name, 0.0)


class RolloutRewards:
    """The rewards of the latest batch, and functions that give its terms to TRL."""

    def __init__(self, profile: Profile, measure: Callable[..., Reward] = reward) -> None:
        """Weigh by `profile`; `measure` is `rewards.reward` or has its signature."""
        self.failures: Counter[str] = Counter()
        self.rollouts: list[Rollout] = []
        self._profile = profile
        self._measure = measure
        self._batch: Any = None

    def functions(self) -> list[Callable[..., list[float]]]:
        """Return one reward function for each of `TERMS`, named after it."""
        return [self._function(name) for name in TERMS]

    def _function(self, name: str) -> Callable[..., list[float]]:
        def term(completions: Sequence[Any], **columns: Any) -> list[float]:
            return [made.term(name) for made in self.score(completions, columns)]

        term.__name__ = name
        return term

    def score(self, completions: Sequence[Any], columns: Mapping[str, Any]) -> list[Rollout]:
        """Return the rollouts of a batch; the same list object is scored once."""
        if self._batch is not completions:
            names = ("truth", "problem_type", "data_type", "options")
            rows = zip(completions, *(columns[name] for name in names), strict=True)
            self.rollouts = [self._rollout(*row) for row in rows]
            self._batch = completions
        return self.rollouts

    def _rollout(
        self, completion: Any, truth: Any, kind: str, data_type: str, options: Sequence[str]
    ) -> Rollout:
        reply = text_of_completion(completion)
        task = task_key(kind, data_type)
        try:
            made = self._measure(
                reply,
                truth,
                kind,
                data_type=data_type,
                profile=self._profile,
                options=tuple(options) or None,
            )
        except Exception as error:  # whatever went wrong must not become a reward
            reason = type(error).__name__
            self.failures[reason] += 1
            text = " ".join(str(error).split())
            return Rollout(task, reply, failure=f"{reason}: {text}")
        return Rollout(task, reply, made.total, made.accuracy, made.outcome, dict(made.parts))


def text_of_completion(completion: Any) -> str:
    """Return the text of a completion: a string, or a conversation of one reply.

    >>> text_of_completion([{"role": "assistant", "content": "B"}])
    'B'
    """
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
