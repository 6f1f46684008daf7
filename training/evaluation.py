"""Evaluating a checkpoint with the harness, in a process of its own, and keeping the best one.

The evaluation is the command anybody would type, `onethinker-eval --model … --tasks …`, on a
checkpoint that is already on disk. It shares nothing with the training process, hence works the
same under DeepSpeed, and its run folders (`RUN/evaluations/step-20`) are ordinary ones.

The best checkpoint is `RUN/best`, a link to `RUN/best-step-20` that is set in one instant; the
folder holds the model's files, without the optimiser's, and `metrics.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import Task, resolve
from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.files import write_json_atomic
from onethinker_eval.rescoring.rows import MetricRow, read_metrics
from onethinker_eval.scoring.definitions import definitions
from onethinker_eval.training.recipe import DataSettings, EvaluationSettings

__all__ = [
    "MEAN",
    "best_so_far",
    "check_settings",
    "command",
    "evaluate",
    "keep_best",
    "metrics_of",
    "result_file",
]

MEAN = "mean"
"""The mean over benchmarks of their headline metrics."""

_PROTOCOL = "paper"
_NOT_THE_MODEL = ("trainer_state", "ema_moments", "rng_state", "optimizer", "scheduler", "scaler")
_LAUNCHERS = ("ACCELERATE_", "TORCHELASTIC_", "FSDP_", "DEEPSPEED_")
_RANKS = {
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK"),
    *("GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT"),
}
_SAID = 2000


def check_settings(settings: EvaluationSettings) -> None:
    """Raise `UsageError` for a task or a metric of `best` that does not exist."""
    if settings.every < 0:
        raise UsageError(f"evaluation.every must not be below 0, got {settings.every}")
    if not settings.every:
        return
    names = _metric_names(resolve(settings.tasks))
    if settings.best not in names:
        from onethinker_eval.errors import unknown_name

        raise unknown_name("evaluation.best", settings.best, sorted(names))


def command(
    settings: EvaluationSettings, data: DataSettings, checkpoint: Path, output: Path, name: str
) -> list[str]:
    """Return the command that evaluates `checkpoint` into the run folder `output`/`name`.

    The model named `onethinker` sees frames and images as the training does.
    """
    arguments = {"pretrained": str(checkpoint)}
    if settings.model == "onethinker":
        sizes = ("fps", "max_frames", "frame_pixels", "image_pixels")
        arguments |= {"video_markers": "nested"}
        arguments |= {key: str(getattr(data, key)) for key in sizes}
    for pair in filter(None, settings.model_args.split(",")):
        key, _, value = pair.partition("=")
        arguments[key.strip()] = value
    made = [sys.executable, "-m", "onethinker_eval", "--model", settings.model]
    made += ["--model_args", ",".join(f"{key}={value}" for key, value in arguments.items())]
    made += ["--tasks", ",".join(settings.tasks), "--data", settings.data]
    made += ["--protocol", _PROTOCOL, "--batch_size", str(settings.batch_size)]
    made += ["--prompts", data.prompts, "--output", str(output), "--run", name]
    if settings.limit is not None:
        made += ["--limit", str(settings.limit)]
    if settings.max_tokens is not None:
        made += ["--gen_kwargs", f"max_new_tokens={settings.max_tokens}"]
    if settings.device is not None:
        made += ["--device", settings.device]
    return [*made, "--quiet"]


def evaluate(
    settings: EvaluationSettings, data: DataSettings, checkpoint: Path, run: Path, step: int
) -> dict[str, float]:
    """Evaluate a checkpoint, store the metrics in `result_file` and return them.

    Raises `RunError` with the command's last words when it gives no metrics.
    """
    output = run / "evaluations"
    asked = command(settings, data, checkpoint.resolve(), output, f"step-{step}")
    output.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        asked, env=_plain_environment(), capture_output=True, text=True, check=False
    )
    # 1 stands for samples without a score, which the metrics count.
    found = read_metrics(output / f"step-{step}" / "metrics.csv") if done.returncode < 2 else []
    if not found:
        raise RunError(
            f"the evaluation of {checkpoint} ended with {done.returncode}: "
            f"{done.stderr.strip()[-_SAID:]}",
            hint=" ".join(asked),
        )
    metrics = metrics_of(found, resolve(settings.tasks))
    write_json_atomic(result_file(run, step), {"step": step, "metrics": metrics})
    return metrics


def result_file(run: Path, step: int) -> Path:
    """Return where the metrics of the checkpoint of `step` are kept."""
    return run / "evaluations" / f"step-{step}.json"


def metrics_of(rows: Sequence[MetricRow], tasks: Sequence[Task]) -> dict[str, float]:
    """Return `BENCHMARK/METRIC` → percent, splits averaged, and `MEAN` of the headlines."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.protocol == _PROTOCOL:
            values.setdefault(f"{row.benchmark}/{row.metric}", []).append(row.value)
    made = {name: sum(found) / len(found) for name, found in values.items()}
    headlines = {f"{task.benchmark}/{task.headline[_PROTOCOL]}" for task in tasks}
    known = [made[name] for name in sorted(headlines) if name in made]
    if known:
        made[MEAN] = sum(known) / len(known)
    return made


def best_so_far(run: Path) -> Mapping[str, Any] | None:
    """Return `metrics.json` of the best checkpoint: `step`, `metric`, `value`, `metrics`."""
    try:
        found = json.loads((run / "best" / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def keep_best(
    run: Path, checkpoint: Path, step: int, metrics: Mapping[str, float], metric: str
) -> bool:
    """Keep `checkpoint` as `RUN/best` if it has more of `metric` than the best so far.

    Return whether it does. A process killed at any instant leaves the old best or the new one.
    """
    before = best_so_far(run)
    value = metrics.get(metric)
    if value is None or (before is not None and value <= before["value"]):
        return False
    folder = run / f"best-step-{step}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in checkpoint.iterdir():
        if path.is_file() and path.suffix != ".pth" and not path.name.startswith(_NOT_THE_MODEL):
            _link_or_copy(path, folder / path.name)
    (folder / "training_args.bin").unlink(missing_ok=True)
    told = {"step": step, "metric": metric, "value": value, "metrics": dict(metrics)}
    write_json_atomic(folder / "metrics.json", told)
    _point(run / "best", folder)
    for old in run.glob("best-step-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return True


def _point(link: Path, folder: Path) -> None:
    """Make `link` lead to `folder`, in one instant."""
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name, target_is_directory=True)
    fresh.replace(link)


def _link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has none."""
    with contextlib.suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)


def _plain_environment() -> dict[str, str]:
    """Return the environment without what makes a process one of many."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _RANKS and not name.startswith(_LAUNCHERS)
    }


def _metric_names(tasks: Sequence[Task]) -> set[str]:
    names = {MEAN}
    for task in tasks:
        names |= {
            f"{task.benchmark}/{metric.name}"
            for metric in definitions(
                task.problem_type, _PROTOCOL, data_type=task.data_type, span_rule=task.span_rule
            )
        }
    return names
