"""The model a run starts from: loaded or untrained, parts frozen, adapters added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from onethinker_eval.errors import MissingPart, UsageError
from onethinker_eval.prompts import load_profile
from onethinker_eval.training.launch import uses_deepspeed
from onethinker_eval.training.recipe import ModelSettings, Recipe

__all__ = ["adapters", "load_policy", "untrained_folder"]


def load_policy(recipe: Recipe) -> tuple[Any, Any]:
    """Return the model, in float32 with the recipe's parts frozen, and its stock processor."""
    settings = recipe.model
    if settings.scratch == "tiny":
        from onethinker_eval.training.tiny_model import build_model, build_processor
        from onethinker_eval.training.tiny_start import tokenizer_for

        tokenizer = tokenizer_for(load_profile(recipe.data.prompts))
        model = build_model(tokenizer, seed=recipe.run.seed)
        processor = build_processor(tokenizer)
    elif settings.path is None:
        raise UsageError("the recipe names no model", hint="set model.path or model.scratch")
    else:
        dtype = torch.bfloat16 if settings.weights == "bf16" else torch.float32
        model = AutoModelForImageTextToText.from_pretrained(settings.path, dtype=dtype)
        processor = AutoProcessor.from_pretrained(settings.path)
    model.set_attn_implementation(settings.attention)
    if not torch.cuda.is_available() and not uses_deepspeed(recipe.run.deepspeed):
        _patches_as_matrix(model)
    visual = model.model.visual
    visual.requires_grad_(not settings.freeze_vision)
    for merger in (visual.merger, *getattr(visual, "deepstack_merger_list", ())):
        merger.requires_grad_(not settings.freeze_projector)
    return model, processor


def untrained_folder(recipe: Recipe, folder: Path) -> Path:
    """Write the untrained model of a recipe with `scratch` to `folder`, unless it is there.

    Reinforcement learning loads the policy twice (once as the reference), hence from a folder.
    """
    if not (folder / "preprocessor_config.json").exists():
        model, processor = load_policy(recipe)
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def adapters(settings: ModelSettings) -> Any:
    """Return the LoRA settings of a recipe, or None where all weights are trained."""
    if not settings.lora_rank:
        return None
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise MissingPart(
            "LoRA needs the package peft", hint="pip install 'onethinker-eval[train]'"
        ) from error
    return LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        target_modules=r".*language_model.*\.(q|k|v|o|gate|up|down)_proj",
        task_type="CAUSAL_LM",
    )


def _patches_as_matrix(model: Any) -> None:
    """Let the patch convolution, whose stride is its kernel, run as the matrix product it is.

    On CPUs the gradient of a bfloat16 convolution costs more than the rest of a small model.
    Not under ZeRO-3, which gathers weights when the module that holds them is called.
    """
    embed = model.model.visual.patch_embed

    def forward(patches: torch.Tensor) -> torch.Tensor:
        weight = embed.proj.weight
        flat = weight.reshape(weight.shape[0], -1)
        return torch.nn.functional.linear(patches.to(weight.dtype), flat, embed.proj.bias)

    embed.forward = forward
