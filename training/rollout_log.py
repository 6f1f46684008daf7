"""Rollouts on disk, as the reply lines of an evaluation's run folder.

`rollouts/replies/<task>.jsonl` holds one line a rollout with the keys of an evaluation's journal
(`key`, `id`, `status`, `reply`, `error`, `record`, `seconds`, `tokens`) and `training`: the step,
the reward and its parts. After a resume a step may stand there twice; the later lines hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onethinker_eval.files import Journal
from onethinker_eval.training.rollout_metrics import Told

__all__ = ["RolloutLog"]


class RolloutLog:
    """Writes the rollouts of every `every`-th step under `folder`."""

    def __init__(self, folder: Path, every: int) -> None:
        """`every` 0 writes none."""
        self._folder = folder
        self._every = every

    def wants(self, step: int) -> bool:
        """Return whether the rollouts of `step` are written."""
        return self._every > 0 and step % self._every == 0

    def write(self, step: int, told: Sequence[Told]) -> None:
        """Append the rollouts of all processes; only the main process may call it."""
        by_task: dict[str, list[dict[str, Any]]] = {}
        for number, item in enumerate(told):
            by_task.setdefault(item.rollout.task, []).append(_line(step, number, item))
        for task, lines in by_task.items():
            name = task.replace("/", "-").replace(" ", "-")
            with Journal(self._folder / "replies" / f"{name}.jsonl") as journal:
                journal.append(*lines)


def _line(step: int, number: int, item: Told) -> dict[str, Any]:
    rollout = item.rollout
    name = f"{item.record['id']}@{step}.{number}"
    failed = rollout.failure is not None
    return {
        "key": hashlib.sha256(name.encode()).hexdigest(),
        "id": name,
        "status": "ok",
        "reply": rollout.reply,
        "error": None,
        "record": {**item.record, "id": name},
        "seconds": 0.0,
        "tokens": {"in": None, "out": item.tokens},
        "training": {
            "step": step,
            "reward": None if failed else rollout.total,
            "parts": dict(rollout.parts),
            "failure": rollout.failure,
        },
    }
