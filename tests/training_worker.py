"""Processes of training for tests that kill them or run several at once.

    python training_worker.py JOBS.json           runs the jobs, one after another
    python training_worker.py JOBS.json --fork    runs each in `world` processes forked from this,
                                                  which has done the imports; writes their exit
                                                  statuses to JOBS.out

A job is `{"recipe": FILE, "kill": null | {"step": N, "where": WHERE}, "rewards": "letters" |
"dice", "spy": null | FOLDER, "world": N}`. WHERE is "update" (in step N + 1, when its first
micro-batch is through) or "checkpoint" (while the checkpoint of step N is written, before the file
that makes it whole). Killed means SIGKILL, of this process alone. FOLDER gets the advantages.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["dice", "letters"]


def letters(reply: str, truth: Any, kind: str, **_: Any) -> Any:
    """A dense small reward for boxes (share of letters), 0 or 1 for the rest (an early letter)."""
    from onethinker_eval.training.rewards import Reward

    text = reply.strip()
    if kind == "spatial grounding":
        value = 0.3 * sum(c.isalpha() for c in text) / max(len(text), 1)
    else:
        value = float(any(c.isalpha() for c in text[:4]))
    return Reward(value, {"first": value, "format": 0.0}, value, "scored")


def dice(group: int) -> Callable[..., Any]:
    """Rewards that hang on the truth and the place in the group of `group`, whatever is said."""
    from onethinker_eval.training.rewards import Reward

    numbers = itertools.count()

    def measure(reply: str, truth: Any, kind: str, **_: Any) -> Reward:
        place = next(numbers) % group
        value = zlib.crc32(f"{truth} {place}".encode()) % 1000 / 1000
        return Reward(value, {"dice": value}, value, "scored")

    return measure


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(step: int, where: str) -> None:
    """Make this process kill itself at the step."""
    from transformers import Trainer

    name = {"update": "training_step", "checkpoint": "_save_optimizer_and_scheduler"}[where]
    original = getattr(Trainer, name)

    def deadly(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(self, *args, **kwargs)
        if self.state.global_step == step:
            _die()
        return made

    setattr(Trainer, name, deadly)


def _spy(folder: Path) -> None:
    """Write the names and advantages of each batch of rollouts, one file a process."""
    from onethinker_eval.training.ema_trainer import EmaTrainer

    original = EmaTrainer._generate_and_score_completions
    rank = os.environ.get("RANK", "0")

    def spied(self: Any, inputs: Any) -> Any:
        output = original(self, inputs)
        line = {
            "step": self.state.global_step,
            "names": self._names,
            "advantages": output["advantages"].tolist(),
            "moments": self.parts.moments.state_dict(),
        }
        with (folder / f"{rank}.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        return output

    EmaTrainer._generate_and_score_completions = spied  # type: ignore[method-assign]


def _run(job: dict[str, Any]) -> None:
    from onethinker_eval.training import grpo, recipe, sft
    from onethinker_eval.training.rollout_rewards import RolloutRewards

    if job.get("kill"):
        _arm(int(job["kill"]["step"]), job["kill"]["where"])
    if job.get("spy"):
        _spy(Path(job["spy"]))
    made = recipe.load(job["recipe"])
    if made.stage == "sft":
        sft.train(made)
        return
    measure = dice(made.rollouts.group_size) if job.get("rewards") == "dice" else letters
    grpo.train(made, rewards=RolloutRewards("paper", measure))


def _fork(job: dict[str, Any]) -> list[int]:
    """Run a job in new processes and return their exit statuses."""
    world = int(job.get("world", 1))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            if world > 1:
                os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                os.environ |= {"WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            status = 1
            try:
                _run(job)
                status = 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main(arguments: list[str]) -> None:
    """Run the jobs."""
    file = Path(arguments[0])
    jobs = json.loads(file.read_text(encoding="utf-8"))
    if "--fork" not in arguments:
        for job in jobs:
            _run(job)
        return
    import torch

    from onethinker_eval.training import grpo, sft  # noqa: F401  # imported once, for all

    torch.set_num_threads(1)
    statuses = [_fork(job) for job in jobs]
    file.with_suffix(".out").write_text(json.dumps(statuses), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
