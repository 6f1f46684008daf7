"""What a training process needs to know of its launch: processes, batches, files, checkpoints."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from onethinker_eval.errors import UsageError, unknown_name
from onethinker_eval.paths import training_dir
from onethinker_eval.training.recipe import OptimiserSettings, Recipe

__all__ = [
    "accumulation",
    "deepspeed_file",
    "last_checkpoint",
    "start_anew",
    "trainer_arguments",
    "uses_deepspeed",
    "world_size",
]

_LOG = logging.getLogger(__name__)
_OF_A_RUN = ("checkpoint-*", "best", "best-step-*", "evaluations", "rollouts")


def world_size() -> int:
    """Return the number of processes, as torchrun and accelerate tell it; 1 without them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def accumulation(batch: int, micro_batch: int, processes: int | None = None) -> int:
    """Return how many micro-batches of a process make a step of `batch` samples.

    Raises `UsageError` where the batch cannot be shared out evenly.

    >>> accumulation(32, 4, processes=2)
    4
    """
    processes = world_size() if processes is None else processes
    step = micro_batch * processes
    if batch % step:
        raise UsageError(
            f"{batch} samples a step cannot be shared by {processes} processes that hold "
            f"{micro_batch} at once",
            hint=f"make the batch a multiple of {step}, or change run.micro_batch",
        )
    return batch // step


def deepspeed_file(name: str | None) -> str | None:
    """Return the path of a DeepSpeed file given by path or shipped name (zero2, zero3)."""
    if name is None or Path(name).is_file():
        return name
    shipped = {path.stem: path for path in (training_dir() / "deepspeed").glob("*.json")}
    if name not in shipped:
        raise unknown_name("DeepSpeed file", name, sorted(shipped))
    return str(shipped[name])


def trainer_arguments(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments that transformers' trainer takes alike in every stage."""
    import torch

    run, settings = recipe.run, recipe.optimiser
    deepspeed = deepspeed_file(run.deepspeed)
    if uses_deepspeed(run.deepspeed):
        from onethinker_eval.training.processes import let_recipe_decide, spare_the_compiler

        spare_the_compiler()
        if run.deepspeed:
            let_recipe_decide()
    return {
        "output_dir": run.output,
        "max_steps": run.steps,
        "per_device_train_batch_size": run.micro_batch,
        "learning_rate": settings.lr,
        "lr_scheduler_type": settings.schedule,
        "lr_scheduler_kwargs": _schedule(settings, run.steps),
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip,
        "optim": "adamw_torch",
        "bf16": run.precision == "bf16" and _has_bf16(),
        "gradient_checkpointing": run.gradient_checkpointing,
        "deepspeed": deepspeed,
        "use_cpu": not torch.cuda.is_available(),
        "save_steps": run.save_every,
        "save_total_limit": run.keep,
        "logging_steps": run.log_every,
        "report_to": list(run.trackers) or "none",
        "seed": run.seed,
        "dataloader_num_workers": run.workers,
        "remove_unused_columns": False,
    }


def _has_bf16() -> bool:
    """Return whether this machine calculates in bfloat16, and say so if it does not.

    Without instructions for it a CPU takes 30 times as long for a product in bfloat16 as in
    float32; what is learnt is the same.
    """
    import torch

    if torch.cuda.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return True
    _LOG.warning("precision: this CPU has no bf16 instructions; training in fp32, which is faster")
    return False


def _schedule(settings: OptimiserSettings, steps: int) -> dict[str, Any]:
    """Return what the schedule needs to know besides the first rate."""
    if settings.schedule == "warmup_stable_decay":
        rest = {"num_decay_steps": round(steps * settings.decay), "decay_type": "linear"}
        return rest | {"min_lr_ratio": settings.min_lr_rate or 0.0}
    return {} if settings.min_lr_rate is None else {"min_lr_rate": settings.min_lr_rate}


def uses_deepspeed(name: str | None) -> bool:
    """Return whether the recipe (`name`) or accelerate's launcher asks for DeepSpeed."""
    return name is not None or os.environ.get("ACCELERATE_USE_DEEPSPEED", "") == "true"


def last_checkpoint(output: Path) -> Path | None:
    """Return the newest whole checkpoint of a run: one killed while it was written is no use.

    The trainer writes `trainer_state.json` last.
    """
    found = []
    for folder in output.glob("checkpoint-*"):
        number = folder.name.removeprefix("checkpoint-")
        if number.isdigit() and _is_whole(folder / "trainer_state.json"):
            found.append((int(number), folder))
    return max(found)[1] if found else None


def start_anew(output: Path) -> None:
    """Move what an earlier run left in `output` into `earlier-N`; only the first process does.

    Left where they are, its newer checkpoints would be taken for those of the new run.
    """
    old = [path for pattern in _OF_A_RUN for path in output.glob(pattern)]
    if not old or os.environ.get("RANK", "0") != "0":
        return
    number = 1 + len(list(output.glob("earlier-*")))
    folder = output / f"earlier-{number}"
    folder.mkdir()
    for path in old:
        path.rename(folder / path.name)


def _is_whole(state: Path) -> bool:
    try:
        return "global_step" in json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
