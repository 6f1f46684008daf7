"""What a recipe would do, without loading a model: batches, memory, first prompts."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from onethinker_eval.errors import OneThinkerError
from onethinker_eval.training.launch import accumulation, deepspeed_file, world_size
from onethinker_eval.training.recipe import Recipe

__all__ = ["Memory", "explain", "memory", "parameters"]

_PROMPTS = 2
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes per process for weights, gradients, optimiser moments and the reference model."""

    weights: float
    gradients: float
    moments: float
    reference: float

    @property
    def total(self) -> float:
        """All of it; activations and rollout caches come on top."""
        return self.weights + self.gradients + self.moments + self.reference


def explain(recipe: Recipe) -> str:
    """Return the whole text of `--dry-run`."""
    return "\n".join([*_batches(recipe), *_memory(recipe), *_prompts(recipe)])


def _batches(recipe: Recipe) -> list[str]:
    run, processes = recipe.run, world_size()
    lines = [f"processes          {processes} (from the launcher's WORLD_SIZE)"]
    if recipe.stage == "sft":
        held = accumulation(run.batch, run.micro_batch)
        lines += [
            f"step               {run.batch} samples = {processes} processes × {held} "
            f"micro-batches × {run.micro_batch}",
            f"run                {run.steps} steps = {run.steps * run.batch} samples",
        ]
        return lines
    rollouts = recipe.rollouts
    held = accumulation(run.batch * rollouts.group_size, run.micro_batch)
    return [
        *lines,
        f"batch of rollouts  {run.batch} prompts × {rollouts.group_size} = "
        f"{run.batch * rollouts.group_size} = {processes} processes × {held} micro-batches × "
        f"{run.micro_batch}",
        f"updates            {rollouts.updates} for each batch of rollouts",
        f"run                {run.steps} steps = {run.steps // rollouts.updates} batches of "
        f"rollouts, at most {1 + rollouts.filter_tries} × as many prompts by filtering",
    ]


def memory(recipe: Recipe, count: float, *, stage: int = 0, processes: int = 1) -> Memory:
    """Return the estimate for a model of `count` parameters under ZeRO `stage` (0: none).

    Adam keeps two float32 moments a trained parameter; adapters are taken as 1 % of the model.

    >>> made = memory(Recipe("sft"), 1e9)
    >>> round(made.weights / 1e9), round(made.gradients / 1e9), round(made.moments / 1e9)
    (4, 4, 8)
    """
    size = 2 if recipe.model.weights == "bf16" else 4
    trained = 0.01 * count if recipe.model.lora_rank else count
    shared = {1: ("moments",), 2: ("moments", "gradients")}
    names = shared.get(stage, ()) if stage < 3 else ("moments", "gradients", "weights")

    def part(name: str, value: float) -> float:
        return value / processes if name in names else value

    beside = recipe.stage == "grpo" and recipe.rollouts.kl > 0 and not recipe.model.lora_rank
    return Memory(
        part("weights", size * count),
        part("gradients", size * trained),
        part("moments", 8 * trained),
        part("weights", size * count) if beside else 0.0,
    )


def parameters(model: str | None) -> float | None:
    """Return how many parameters a model has: from its weight files, or from its name.

    >>> parameters("Qwen/Qwen3-VL-8B-Instruct")
    8000000000.0
    """
    folder = Path(model or "")
    stored = sum(_stored(path) for path in folder.glob("*.safetensors")) if model else 0
    if stored:
        return float(stored)
    named = re.search(r"(\d+(?:\.\d+)?)b\b", (model or "").lower())
    return float(named.group(1)) * 1e9 if named else None


def _stored(path: Path) -> int:
    with path.open("rb") as stream:
        head = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    shapes = [entry["shape"] for name, entry in head.items() if name != "__metadata__"]
    total = 0
    for shape in shapes:
        count = 1
        for side in shape:
            count *= side
        total += count
    return total


def _memory(recipe: Recipe) -> list[str]:
    count = 1.5e6 if recipe.model.scratch else parameters(recipe.model.path)
    if count is None:
        return [f"memory             not known: no weights at {recipe.model.path}"]
    path = deepspeed_file(recipe.run.deepspeed)
    stage = 0
    if path:
        settings = json.loads(Path(path).read_text(encoding="utf-8"))
        stage = int(settings["zero_optimization"]["stage"])
    made = memory(recipe, count, stage=stage, processes=world_size())
    sizes = ", ".join(
        f"{name} {getattr(made, name) / _GIB:.2f}"
        for name in ("weights", "gradients", "moments", "reference")
    )
    return [
        f"memory             {made.total / _GIB:.2f} GiB a process for {count:.3g} parameters"
        f" (ZeRO-{stage}: {sizes}), without activations"
    ]


def _prompts(recipe: Recipe) -> list[str]:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from onethinker_eval.training.rows import training_rows

        rows, order = training_rows(recipe, 1)
    except OneThinkerError as error:
        return [f"prompts            cannot be shown: {error}"]
    lines = []
    for number in range(min(_PROMPTS, len(order))):
        row = rows[number]
        shapes = sorted({"×".join(map(str, image.shape)) for image in row["images"]})
        lines.append(
            f"\nprompt {number + 1}: {row['problem_type']}, {len(row['images'])} images or slots "
            f"of {', '.join(shapes)}"
        )
        parts = row["prompt"][-1]["content"]
        lines.append("".join(part.get("text", "<image>") for part in parts))
        reply = row["completion"][0]["content"][0]["text"]
        lines.append(f"-> {reply}" if recipe.stage == "sft" else f"truth: {row['truth']}")
    return lines
