"""EMA-GRPO's advantages: group-centred rewards over a moving standard deviation per task.

OneThinker (arXiv 2512.03043, eqs. 9 to 11): for each task the first and second moments of its
rewards are averaged exponentially over training steps, and the advantage of a rollout is its
reward less its group's mean, divided by the task's standard deviation. All rollouts of a task
share one scale (no bias between easy and hard prompts), and each task has its own (dense and
sparse rewards weigh alike).

Where the paper and the released code differ, both are options of `AdvantageRule`:

| what | paper | released code | option |
|---|---|---|---|
| too large advantages | clipped to ±5 | the group's own std is used instead | `guard` |
| moments used at a step | not said | those updated with this step's rewards | `update` |
| smallest σ | not said | 1e-3 | `floor` of `TaskMoments` |

GRPO and Dr.GRPO are the same rule with another `scale`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

__all__ = ["AdvantageRule", "TaskMoments", "advantages", "task_key"]

_EPSILON = 1e-6


class _Moments(NamedTuple):
    first: float
    second: float
    updates: int


class TaskMoments:
    """Moving first and second moments of the rewards of each task.

    The first batch of a task sets its moments (no bias towards zero). Rewards that are NaN
    (a judge that did not answer) are left out. Sums are exact (`math.fsum`), so the state does
    not depend on the order in which ranks hand in their rewards.

    >>> moments = TaskMoments(decay=0.5)
    >>> moments.update("tracking", [0.0, 1.0])
    >>> moments.std("tracking")
    0.5
    """

    def __init__(self, decay: float = 0.99, *, floor: float = 1e-3) -> None:
        """Average with `decay` in [0, 1); `std` never falls below `floor` > 0."""
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        if not floor > 0.0:
            raise ValueError(f"floor must be above 0, got {floor}")
        self.decay = decay
        self.floor = floor
        self._tasks: dict[str, _Moments] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks seen so far, sorted."""
        return tuple(sorted(self._tasks))

    def update(self, task: str, rewards: Iterable[float]) -> None:
        """Fold one step's rewards of `task` into its moments; nothing finite changes nothing."""
        known = [float(reward) for reward in rewards if math.isfinite(reward)]
        if not known:
            return
        first = math.fsum(known) / len(known)
        second = math.fsum(reward * reward for reward in known) / len(known)
        old = self._tasks.get(task)
        if old is None:
            self._tasks[task] = _Moments(first, second, 1)
            return
        keep, add = self.decay, 1.0 - self.decay
        self._tasks[task] = _Moments(
            keep * old.first + add * first,
            keep * old.second + add * second,
            old.updates + 1,
        )

    def mean(self, task: str) -> float:
        """Return the moving mean reward of `task`; raises `KeyError` before its first update."""
        return self._of(task).first

    def std(self, task: str) -> float:
        """Return σ of `task`, at least `floor`; raises `KeyError` before its first update."""
        moments = self._of(task)
        variance = moments.second - moments.first * moments.first
        return max(math.sqrt(max(variance, 0.0)), self.floor)

    def _of(self, task: str) -> _Moments:
        if task not in self._tasks:
            raise KeyError(f"no rewards of task {task!r} were seen yet")
        return self._tasks[task]

    def state_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; floats survive JSON exactly."""
        return {
            "decay": self.decay,
            "floor": self.floor,
            "tasks": {task: list(self._tasks[task]) for task in self.tasks},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`; raises `ValueError` if it was made with other settings."""
        for name, mine in (("decay", self.decay), ("floor", self.floor)):
            if state[name] != mine:
                raise ValueError(
                    f"the checkpoint's moments were made with {name}={state[name]}, "
                    f"this run asks for {mine}"
                )
        self._tasks = {
            str(task): _Moments(float(first), float(second), int(updates))
            for task, (first, second, updates) in state["tasks"].items()
        }


@dataclass(frozen=True, slots=True)
class AdvantageRule:
    """How rewards become advantages.

    `scale`: what the centred reward is divided by: the task's moving σ ("ema"), the group's own
    σ ("group": GRPO), or nothing ("none": Dr.GRPO).
    `guard` (scale "ema" only): "clip" cuts at ±`clip` (paper); "group_std" divides by the
    group's own σ any group in which an advantage exceeds ±`clip` (released code).
    `update`: whether a step's rewards enter the moments "before" the step uses them (released
    code, and the only choice for a task's first step) or "after".
    """

    scale: Literal["ema", "group", "none"] = "ema"
    guard: Literal["clip", "group_std"] = "clip"
    update: Literal["before", "after"] = "before"
    clip: float = 5.0

    def __post_init__(self) -> None:
        """Refuse unknown names, which YAML recipes can hold."""
        allowed = {
            "scale": ("ema", "group", "none"),
            "guard": ("clip", "group_std"),
            "update": ("before", "after"),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        if not self.clip > 0:
            raise ValueError(f"clip must be above 0, got {self.clip}")


def task_key(problem_type: str, data_type: str) -> str:
    """Return the task whose moments a sample shares: its problem type; segmentation by modality.

    >>> task_key("Segmentation", "video")
    'segmentation/video'
    """
    kind = problem_type.strip().lower()
    if kind == "segmentation":
        return f"{kind}/{'image' if data_type.strip().lower() == 'image' else 'video'}"
    return kind


def advantages(
    rewards: Sequence[float],
    tasks: Sequence[str],
    group_size: int,
    moments: TaskMoments,
    rule: AdvantageRule | None = None,
) -> list[float]:
    """Return one advantage per reward and update `moments` once.

    `rewards` holds whole groups one after another, `group_size` rollouts each; `tasks` names the
    task of each rollout (one task per group). A NaN reward gets advantage 0 and counts in no
    mean. Raises `ValueError` for lengths that do not fit or a group of two tasks.

    >>> [round(a, 3) for a in advantages([0, 0, 1, 1], ["a"] * 4, 2, TaskMoments())]
    [0.0, 0.0, 0.0, 0.0]
    >>> [round(a, 3) for a in advantages([0, 1, 1, 1], ["a"] * 4, 2, TaskMoments())]
    [-1.155, 1.155, 0.0, 0.0]
    """
    rule = rule or AdvantageRule()
    groups = _groups(rewards, tasks, group_size)
    by_task: dict[str, list[float]] = {}
    for task, group in groups:
        by_task.setdefault(task, []).extend(group)
    unseen = set(by_task) - set(moments.tasks)
    for task, values in by_task.items():
        if rule.update == "before" or task in unseen:
            moments.update(task, values)
    result: list[float] = []
    for task, group in groups:
        result.extend(_group_advantages(group, task, moments, rule))
    if rule.update == "after":
        for task, values in by_task.items():
            if task not in unseen:
                moments.update(task, values)
    return result


def _groups(
    rewards: Sequence[float], tasks: Sequence[str], size: int
) -> list[tuple[str, list[float]]]:
    if size < 1 or len(rewards) % size or len(rewards) != len(tasks):
        raise ValueError(
            f"expected whole groups of {size} with a task each, "
            f"got {len(rewards)} rewards and {len(tasks)} tasks"
        )
    groups = []
    for start in range(0, len(rewards), size):
        names = set(tasks[start : start + size])
        if len(names) != 1:
            raise ValueError(f"group {start // size} mixes the tasks {sorted(names)}")
        group = [float(reward) for reward in rewards[start : start + size]]
        groups.append((names.pop(), group))
    return groups


def _group_advantages(
    group: list[float], task: str, moments: TaskMoments, rule: AdvantageRule
) -> list[float]:
    known = [reward for reward in group if math.isfinite(reward)]
    if not known:
        return [0.0] * len(group)
    mean = math.fsum(known) / len(known)
    centred = [reward - mean if math.isfinite(reward) else 0.0 for reward in group]
    if rule.scale == "none":
        return centred
    if rule.scale == "group":
        return _divide(centred, _group_std(known, mean))
    # A task whose rewards were all NaN so far has no moments; its advantages are 0 anyway.
    scaled = _divide(centred, moments.std(task))
    if rule.guard == "clip":
        return [min(max(value, -rule.clip), rule.clip) for value in scaled]
    if any(abs(value) > rule.clip for value in scaled):
        return _divide(centred, _group_std(known, mean))
    return scaled


def _divide(values: list[float], std: float) -> list[float]:
    return [value / (std + _EPSILON) for value in values]


def _group_std(known: list[float], mean: float) -> float:
    """Return the population standard deviation of a group, as the released code has it."""
    return math.sqrt(math.fsum((reward - mean) ** 2 for reward in known) / len(known))
