"""The model a run starts from: loaded or untrained, parts frozen, adapters added."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

from onethinker_eval.errors import MissingPart, UsageError
from onethinker_eval.harness.models.cpu_memory import keep_freed_memory
from onethinker_eval.prompts import load_profile
from onethinker_eval.training.causal_attention import attend_causally
from onethinker_eval.training.deepening import deepen
from onethinker_eval.training.launch import uses_deepspeed
from onethinker_eval.training.recipe import ModelSettings, Recipe

__all__ = ["adapters", "load_policy", "untrained_folder"]


def load_policy(recipe: Recipe) -> tuple[Any, Any]:
    """Return the model, in float32 with the recipe's parts frozen, and its stock processor."""
    settings = recipe.model
    if uses_deepspeed(recipe.run.deepspeed):
        from onethinker_eval.training.processes import join_processes

        join_processes()
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
    if settings.layers is not None:
        deepen(model, settings.layers)
    causal = settings.attention == "causal"
    model.set_attn_implementation("sdpa" if causal else settings.attention)
    if causal:
        attend_causally(model)
    if not torch.cuda.is_available():
        keep_freed_memory()
        if not uses_deepspeed(recipe.run.deepspeed):
            _patches_as_matrix(model)
            _attend_by_size(model)
    visual = model.model.visual
    visual.requires_grad_(not settings.freeze_vision)
    for merger in (visual.merger, *getattr(visual, "deepstack_merger_list", ())):
        merger.requires_grad_(not settings.freeze_projector)
    if settings.freeze_embeddings:
        for rows in (model.get_input_embeddings(), model.get_output_embeddings()):
            rows.requires_grad_(False)
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


def _attend_by_size(model: Any) -> None:
    """Let the vision tower attend within all pictures of one size at once.

    The stock code calls attention once for each picture, which on CPUs costs a small model more
    than the attention itself.
    """
    for block in model.model.visual.blocks:
        block.attn.forward = functools.partial(_attention_by_size, block.attn)


def _attention_by_size(
    attention: Any,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **_: Any,
) -> torch.Tensor:
    count = hidden_states.shape[0]
    mixed = attention.qkv(hidden_states).reshape(count, 3, attention.num_heads, -1)
    query, key, value = mixed.permute(1, 0, 2, 3).unbind(0)
    query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    lengths = cu_seqlens[1:] - cu_seqlens[:-1]
    places, made = [], []
    for length in lengths.unique().tolist():
        rows = torch.repeat_interleave(lengths == length, lengths).nonzero()[:, 0]
        kind = value.dtype
        places.append(rows)
        made.append(
            _attend(
                query[rows].to(kind), key[rows].to(kind), value[rows], length, attention.scaling
            )
        )
    mixed = torch.empty_like(value)
    mixed[torch.cat(places)] = torch.cat(made)
    projected: torch.Tensor = attention.proj(mixed.reshape(count, -1))
    return projected


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, length: int, scale: float
) -> torch.Tensor:
    """Attend within blocks of `length` rows; all of shape (rows, heads, width)."""
    heads, width = query.shape[1:]
    query, key, value = (
        part.reshape(-1, length, heads, width).transpose(1, 2) for part in (query, key, value)
    )
    weights = torch.softmax(query @ key.transpose(2, 3) * scale, -1, dtype=torch.float32)
    return (weights.to(value.dtype) @ value).transpose(1, 2).reshape(-1, heads, width)


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
