"""Rollouts on disk as the run folder of an evaluation, which `onethinker-eval report` opens.

`rollouts/replies/train_<task>.jsonl` holds one line a rollout with the keys of an evaluation's
journal (`key`, `id`, `status`, `reply`, `error`, `record`, `seconds`, `tokens`) and `training`:
the step, the reward and its parts. `rollouts/tasks/` tells the report what these tasks are,
`rollouts/run.json` which run it was. A resumed run takes its lines back to the checkpoint, so
that no step stands there twice.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import PREFIX, catalogue
from onethinker_eval.files import Journal, read_journal, write_atomic, write_json_atomic
from onethinker_eval.training.rollout_metrics import Told

__all__ = ["RolloutLog", "score_rollouts"]

_PROTOCOL = "paper"
_NO_LIMIT = 1 << 53


class RolloutLog:
    """Writes the rollouts of every `every`-th step under `folder`."""

    def __init__(self, folder: Path, every: int, *, model: str = "", seed: int = 0) -> None:
        """`every` 0 writes none; `model` and `seed` are told in the folder's manifest."""
        self._folder = folder
        self._every = every
        self._model = model
        self._seed = seed
        self._described: dict[str, dict[str, Any]] = {}

    def wants(self, step: int) -> bool:
        """Return whether the rollouts of `step` are written."""
        return self._every > 0 and step % self._every == 0

    def write(self, step: int, told: Sequence[Told]) -> None:
        """Append the rollouts of all processes; only the main process may call it."""
        by_task: dict[str, list[dict[str, Any]]] = {}
        for number, item in enumerate(told):
            by_task.setdefault(item.rollout.task, []).append(_line(step, number, item))
        for task, lines in by_task.items():
            self._describe(task, lines[0]["record"])
            with Journal(self._folder / "replies" / f"{_task_id(task)}.jsonl") as journal:
                journal.append(*lines)

    def rewind(self, step: int) -> None:
        """Drop the rollouts of `step` and later: a run that goes on there takes them again."""
        for path in (self._folder / "replies").glob("*.jsonl"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a line torn by a kill goes with the others
                lines = list(read_journal(path))
            kept = [offset for offset, line in lines if line["training"]["step"] < step]
            if not kept:
                path.unlink()
            elif len(kept) < len(lines):
                stored = path.read_bytes()
                ends = [stored.index(b"\n", offset) + 1 for offset in kept]
                spans = zip(kept, ends, strict=True)
                write_atomic(path, b"".join(stored[start:end] for start, end in spans))

    def _describe(self, task: str, record: dict[str, Any]) -> None:
        """Write the task file of a task when it is first met, and put it into the manifest."""
        name = _task_id(task)
        if name in self._described:
            return
        kind = str(record["problem_type"]).strip().lower()
        data_type = "image" if record["data_type"] == "image" else "video"
        family, headline = _alike(kind, data_type)
        metadata = {
            "benchmark": name,
            "subset": "train",
            "family": family,
            "title": f"Rollouts: {task}",
            "problem_type": kind,
            "data_type": data_type,
            "headline": {_PROTOCOL: headline},
            "protocols": [_PROTOCOL],
        }
        # JSON is YAML too.
        text = json.dumps({"task": name, "metadata": metadata}, indent=2)
        write_atomic(self._folder / "tasks" / f"{name}.yaml", text + "\n")
        place = {"benchmark": name, "split": "train"}
        self._described[name] = {
            "prompts": "training",
            "generation": {},
            "limit": _NO_LIMIT,
            "info": place,
        }
        write_json_atomic(self._folder / "run.json", self._manifest())

    def _manifest(self) -> dict[str, Any]:
        path = self._folder / "run.json"
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        known = old.get("identity", {}).get("tasks", {})
        return {
            "schema": 1,
            "name": f"{self._folder.parent.name} rollouts",
            "demo": False,
            "created": old.get("created", now),
            "identity": {
                "model": {"name": "policy", "arguments": {"pretrained": self._model}},
                "seed": self._seed,
                "tasks": {**known, **self._described},
            },
            "settings": {
                "include_path": [str((self._folder / "tasks").resolve())],
                "protocols": [_PROTOCOL],
            },
            "sessions": [
                {
                    "command": "onethinker-train grpo",
                    "versions": {"onethinker-eval": version("onethinker-eval")},
                }
            ],
        }


def score_rollouts(folder: Path) -> int:
    """Score all rollouts of a log as an evaluation would, and return their number.

    Afterwards `onethinker-eval report FOLDER` opens it. Without rollouts nothing is done.
    """
    from onethinker_eval.reporting import write_leaderboards
    from onethinker_eval.rescoring import rescore

    if not any((folder / "replies").glob("*.jsonl")):
        return 0
    made = rescore(folder, protocols=(_PROTOCOL,), include_path=(folder / "tasks",))
    write_leaderboards(folder, made.rows)
    return sum(task.samples for task in made.tasks)


def _task_id(task: str) -> str:
    return f"{PREFIX}train_{task.replace('/', '_').replace(' ', '_').replace('-', '_')}"


def _alike(kind: str, data_type: str) -> tuple[str, str]:
    """Return family and headline metric of the first benchmark of the same kind."""
    for same in (True, False):
        for task in catalogue().tasks.values():
            if task.problem_type == kind and (task.data_type == data_type or not same):
                return task.family, task.headline[_PROTOCOL]
    return "other", "accuracy"


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
