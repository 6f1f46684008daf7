"""A Qwen3-VL of about 1.5 million parameters, started so that it learns to see in minutes.

The classes are transformers' own; only the configuration is small and only the starting values
differ from the usual small noise. With 0.02 noise everywhere the model answers a constant box
for the whole of a short training; with the start below it localises. What matters, in order:

1. the vision position table starts as 2-D sinusoids of standard deviation 1 in a random
   rotation, so that places are told apart from the first step;
2. patch filters start as cosine patterns times colour-opponent axes with the constant one
   damped: random filters pass little but mean brightness, which drowns shape and place;
3. the rows of number tokens start as a smooth code, so that near numbers start alike.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

from onethinker_eval.training.tiny_tokenizer import CHAT_TEMPLATE, number_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["build_model", "build_processor", "save"]

PATCH = 16
WEIGHT_STD = 0.05
SIDE = 8  # the position table is SIDE × SIDE: one entry a patch on a 128 × 128 picture
HALF = [0.5, 0.5, 0.5]


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLProcessor:
    """Return the stock processor around `tokenizer`; sizes fit pictures of 32 to 512 pixels."""
    images = Qwen2VLImageProcessor(
        patch_size=PATCH,
        temporal_patch_size=2,
        merge_size=2,
        image_mean=HALF,
        image_std=HALF,
        size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    )
    videos = Qwen3VLVideoProcessor(
        patch_size=PATCH,
        temporal_patch_size=2,
        merge_size=2,
        image_mean=HALF,
        image_std=HALF,
        size={"shortest_edge": 32 * 32, "longest_edge": 128 * 512 * 512},
        cap_pixels_per_frame=True,
    )
    return Qwen3VLProcessor(images, tokenizer, videos, chat_template=CHAT_TEMPLATE)


def build_model(
    tokenizer: PreTrainedTokenizerFast, *, seed: int = 0
) -> Qwen3VLForConditionalGeneration:
    """Return an untrained model for `tokenizer`, the same for the same seed."""
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    try:
        model = Qwen3VLForConditionalGeneration(_config(tokenizer))
        _start(model, tokenizer)
    finally:
        torch.random.set_rng_state(state)
    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_new_tokens=1024,
    )
    return model


def save(folder: Path, model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor) -> None:
    """Write model (safetensors, bfloat16) and processor to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)


def _config(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    vocabulary = tokenizer.get_vocab()
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 64,  # vLLM's CPU kernels refuse less
            "max_position_embeddings": 8192,
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [12, 10, 10],
                "mrope_interleaved": True,
            },
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 96,
            "intermediate_size": 288,
            "num_heads": 3,
            "patch_size": PATCH,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "out_hidden_size": 128,
            "num_position_embeddings": SIDE * SIDE,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"],
        vision_end_token_id=vocabulary["<|vision_end|>"],
        tie_word_embeddings=True,
    )


@torch.no_grad()
def _start(model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast) -> None:
    for name, weight in model.named_parameters():
        if weight.ndim >= 2:
            torch.nn.init.normal_(weight, std=WEIGHT_STD)
        elif name.endswith("bias"):
            torch.nn.init.zeros_(weight)
        else:
            torch.nn.init.ones_(weight)
    visual = model.model.visual
    visual.pos_embed.weight.copy_(_position_table(visual.pos_embed.weight.shape[1]))
    filters = visual.patch_embed.proj.weight
    filters.copy_(_patch_filters(filters.shape[0], filters.shape[2]))
    rows = number_rows(tokenizer)
    table = model.get_input_embeddings().weight
    for ids, scale in ((rows.integers, 1000.0), (rows.listed, 1000.0), (rows.tenths, 410.0)):
        table[list(ids)] = _smooth_code(ids, scale, table.shape[1])


def _position_table(width: int) -> torch.Tensor:
    """2-D sinusoids over a SIDE × SIDE grid, randomly rotated, standard deviation 1."""
    place = torch.arange(SIDE).float() / SIDE
    waves = torch.arange(1, width // 4 + 1).float() * (math.pi / 2) * (8 / (width // 4))
    angles = place[:, None] * waves[None, :]
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows = line[:, None, :].expand(SIDE, SIDE, -1)
    columns = line[None, :, :].expand(SIDE, SIDE, -1)
    table = torch.cat([rows, columns], dim=-1).reshape(SIDE * SIDE, -1)
    rotation, _ = torch.linalg.qr(torch.randn(width, width))
    table = table @ rotation
    return (table - table.mean(0)) / table.std()


def _patch_filters(count: int, frames: int) -> torch.Tensor:
    """Cosine patterns × colour axes, the constant one damped; equal over both frames."""
    points = (torch.arange(PATCH).float() + 0.5) * math.pi / PATCH
    waves = torch.stack([(points * k).cos() for k in range(PATCH)])
    waves /= waves.norm(dim=1, keepdim=True)
    order = sorted(
        ((u, v) for u in range(PATCH) for v in range(PATCH)), key=lambda uv: (sum(uv), uv)
    )
    colours = torch.tensor([[1.0, 1, 1], [1, -1, 0], [1, 1, -2]])
    colours /= colours.norm(dim=1, keepdim=True)
    made = []
    for u, v in order:
        pattern = torch.outer(waves[u], waves[v]) * (0.3 if u == v == 0 else 1.0)
        made += [colour[:, None, None] * pattern for colour in colours]
    kept = torch.stack(made[:count]) * (0.5 * math.sqrt(PATCH) / math.sqrt(frames))
    return kept[:, :, None].expand(-1, -1, frames, -1, -1)


def _smooth_code(ids: Sequence[int], scale: float, width: int) -> torch.Tensor:
    """Sines and cosines of doubling frequency, randomly rotated, as large as other rows."""
    values = torch.arange(len(ids)).float() / scale
    waves = 2.0 ** torch.linspace(0, 7, width // 2)
    angles = values[:, None] * waves[None, :] * math.pi
    code = torch.cat([angles.sin(), angles.cos()], dim=1)
    rotation, _ = torch.linalg.qr(torch.randn(width, width))
    return code @ rotation * (WEIGHT_STD / code.std())
