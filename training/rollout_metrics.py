"""What is logged of a batch of rollouts: rewards, their parts and σ, task by task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onethinker_eval.training.ema import TaskMoments
from onethinker_eval.training.rollout_rewards import Rollout

__all__ = ["Told", "summarise"]


@dataclass(frozen=True, slots=True)
class Told:
    """A rollout as the processes tell each other: its record, what it earned, its tokens."""

    record: Mapping[str, Any]
    rollout: Rollout
    tokens: int

    def without_text(self) -> Told:
        """Return the same without record and reply, for when only numbers are wanted."""
        return Told({}, replace(self.rollout, reply=""), self.tokens)


def summarise(told: Sequence[Told], group_size: int, moments: TaskMoments) -> dict[str, float]:
    """Return the metrics of all processes' rollouts, whole groups one after another.

    Names are `reward/<task>`, `accuracy/<task>`, `part/<task>/<part>`, `sigma/<task>`,
    `uniform_groups/<task>` (share of groups of one reward), `parse_failures/<task>`,
    `failed_rewards/<task>` (both shares of rollouts) and `tokens/<task>`.
    """
    by_task: dict[str, list[Told]] = {}
    for item in told:
        by_task.setdefault(item.rollout.task, []).append(item)
    made: dict[str, float] = {}
    for task, items in sorted(by_task.items()):
        scored = [item.rollout for item in items if item.rollout.failure is None]
        made[f"tokens/{task}"] = _mean([item.tokens for item in items])
        made[f"failed_rewards/{task}"] = 1 - len(scored) / len(items)
        if task in moments.tasks:
            made[f"sigma/{task}"] = moments.std(task)
        if not scored:
            continue
        made[f"reward/{task}"] = _mean([rollout.total for rollout in scored])
        made[f"accuracy/{task}"] = _mean([rollout.accuracy for rollout in scored])
        made[f"parse_failures/{task}"] = _mean([r.outcome == "unparsable" for r in scored])
        made[f"uniform_groups/{task}"] = _uniform(items, group_size)
        for part in sorted({name for rollout in scored for name in rollout.parts}):
            values = [rollout.parts.get(part, 0.0) for rollout in scored]
            made[f"part/{task}/{part}"] = _mean(values)
    return made


def _uniform(items: Sequence[Told], size: int) -> float:
    groups = [items[start : start + size] for start in range(0, len(items), size)]
    return _mean([len({item.rollout.total for item in group}) == 1 for group in groups])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
