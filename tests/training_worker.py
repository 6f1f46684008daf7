"""A process of training for tests that kill it: `python training_worker.py JOBS.json`.

JOBS.json is a list of `{"recipe": FILE, "kill": null | {"step": N, "where": WHERE}}`; they run
one after another. WHERE is "update" (in the loss of step N + 1) or "checkpoint" (while the
checkpoint of step N is written, before the file that makes it whole). Killed means SIGKILL, of
this process alone. Rewards are those of `letters`: random models earn some, and unlike ones.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

__all__ = ["letters"]


def letters(reply: str, truth: Any, kind: str, **_: Any) -> Any:
    """A dense small reward for boxes (share of letters), 0 or 1 for the rest (an early letter)."""
    from onethinker_eval.training.rewards import Reward

    text = reply.strip()
    if kind == "spatial grounding":
        value = 0.3 * sum(c.isalpha() for c in text) / max(len(text), 1)
    else:
        value = float(any(c.isalpha() for c in text[:4]))
    return Reward(value, {"first": value, "format": 0.0}, value, "scored")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(kill: dict[str, Any]) -> None:
    """Make this process kill itself at the step."""
    from transformers import Trainer

    step, where = int(kill["step"]), kill["where"]
    if where == "update":
        original = Trainer.training_step

        def training_step(self: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(self, *args, **kwargs)
            if self.state.global_step == step:
                _die()
            return made

        Trainer.training_step = training_step
        return
    write = Trainer._save_optimizer_and_scheduler

    def save(self: Any, *args: Any, **kwargs: Any) -> Any:
        write(self, *args, **kwargs)
        if self.state.global_step == step:
            _die()

    Trainer._save_optimizer_and_scheduler = save


def main(jobs: Path) -> None:
    """Run the jobs."""
    from onethinker_eval.training import grpo, recipe, sft
    from onethinker_eval.training.rollout_rewards import RolloutRewards

    for job in json.loads(jobs.read_text(encoding="utf-8")):
        if job["kill"]:
            _arm(job["kill"])
        made = recipe.load(job["recipe"])
        if made.stage == "sft":
            sft.train(made)
        else:
            grpo.train(made, rewards=RolloutRewards("paper", letters))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
