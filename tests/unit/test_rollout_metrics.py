"""What is logged of rollouts: parts task by task, and rewards that failed."""

from __future__ import annotations

import math

import pytest

from onethinker_eval.training.ema import TaskMoments
from onethinker_eval.training.rollout_metrics import Told, summarise
from onethinker_eval.training.rollout_rewards import Rollout


def rollout(task: str, answer: float, form: float, outcome: str = "scored") -> Told:
    parts = {"accuracy": answer, "format": form}
    return Told({"id": "1"}, Rollout(task, "…", answer + form, answer, outcome, parts), 10)


def test_parts_are_told_by_task_and_failures_are_no_zeros() -> None:
    failed = Told({"id": "1"}, Rollout("caption", "…", failure="TimeLimit: too long"), 30)
    told = [
        *(rollout("math", 1.0, 1.0), rollout("math", 0.0, 1.0)),
        *(rollout("math", 0.0, 0.0, "unparsable"), rollout("math", 0.0, 0.0)),
        *(rollout("caption", 0.5, 1.0), failed),
    ]
    moments = TaskMoments(0.9)
    moments.update("math", [2.0, 1.0, 0.0, 0.0])
    made = summarise(told, 2, moments)
    assert made["part/math/accuracy"] == 0.25
    assert made["part/math/format"] == 0.5
    assert made["reward/math"] == 0.75
    assert made["uniform_groups/math"] == 0.5
    assert made["parse_failures/math"] == 0.25
    assert made["sigma/math"] == pytest.approx(moments.std("math"))
    # the failed one is in no mean
    assert (made["reward/caption"], made["part/caption/accuracy"]) == (1.5, 0.5)
    assert made["failed_rewards/caption"] == 0.5
    assert made["tokens/caption"] == 20
    assert "sigma/caption" not in made
    only = summarise([failed, failed], 2, moments)
    assert only["failed_rewards/caption"] == 1.0
    assert "reward/caption" not in only
    assert not any(math.isnan(value) for value in {**made, **only}.values())
