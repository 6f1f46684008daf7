"""Reinforcement learning from random weights raises the reward of two unlike tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_training import tiny_folder

pytest.importorskip("trl")

pytestmark = pytest.mark.slow


def test_a_random_model_learns_two_tasks_of_unlike_rewards(tmp_path: Path) -> None:
    from onethinker_eval.training import grpo, recipe
    from onethinker_eval.training.rewards import Reward
    from onethinker_eval.training.rollout_rewards import RolloutRewards

    def lists(reply: str, truth: Any, kind: str, **_: Any) -> Reward:
        """Earn 0.3 × the share of listed numbers for boxes, else 1 for starting with one."""
        if kind == "spatial grounding":
            share = min(reply.count(",") / 4, 1.0)
            return Reward(0.3 * share, {"listed": 0.3 * share}, share, "scored")
        first = float(reply.partition(",")[0].isdigit() and "," in reply)
        return Reward(first, {"first": first}, first, "scored")

    values = {
        "model.path": str(tiny_folder()),
        "data.sources": "[{kind: demo, families: [spatial_grounding, image_qa], size: 8}]",
        "data.video_share": "0",
        "optimiser.lr": "5e-3",
        "rollouts.max_tokens": "4",
        "rollouts.kl": "0",
        "rollouts.filter_tries": "0",
        "rollouts.log_every": "0",
        "ema_decay": "0.9",
        "run.output": str(tmp_path),
        "run.steps": "12",
        "run.batch": "4",
        "run.save_every": "100",
    }
    trainer = grpo.build(recipe.load("demo-grpo", values), RolloutRewards("paper", lists))
    trainer.train()
    curve = []
    for line in trainer.state.log_history:
        by_task = [value for name, value in line.items() if name.startswith("accuracy/")]
        if by_task:
            curve.append(sum(by_task) / len(by_task))
    assert len(curve) == 12
    assert sum(curve[-4:]) / 4 > sum(curve[:2]) / 2 + 0.2, curve
