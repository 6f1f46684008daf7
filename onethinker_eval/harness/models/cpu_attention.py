"""Attention on CPUs that does not copy the cache for every token it generates.

Where several query heads share a key head, transformers repeats keys and values for each of them
before it multiplies, on CPUs and with a mask always. For one new token that copy of the whole
cache is most of the work. Here the query heads of a key head are the rows of one product instead,
which gives the same numbers (`tests/benchmarks/bench_cpu_decoding.py`). Longer queries (prompts,
training) go the stock way, for which the copy matters little.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask
from transformers.models.qwen3_vl.modeling_qwen3_vl import eager_attention_forward

__all__ = ["group_query_heads"]

_STOCK = {
    "eager": (eager_attention_forward, eager_mask),
    "sdpa": (sdpa_attention_forward, sdpa_mask),
}


def group_query_heads(model: Any) -> None:
    """Let `model` (a Qwen3-VL on the CPU) generate so; its attention is "eager" or "sdpa".

    Any other implementation is left as it is.
    """
    stock = model.config._attn_implementation
    if stock not in _STOCK:
        return
    attend, mask = _STOCK[stock]

    def forward(
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **rest: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if query.shape[2] > 1 or query.requires_grad:
            return attend(module, query, key, value, attention_mask, **rest)
        return _one_token(query, key, value, attention_mask, rest["scaling"]), None

    name = f"grouped_{stock}"
    AttentionInterface.register(name, forward)
    AttentionMaskInterface.register(name, mask)
    model.set_attn_implementation(name)


def _one_token(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
) -> torch.Tensor:
    """Return (rows, 1, heads, width) for queries (rows, heads, 1, width); keys have fewer heads."""
    rows, heads, _, width = query.shape
    shared = key.shape[1]
    grouped = query.reshape(rows, shared, heads // shared, width)
    scores = grouped @ key.transpose(2, 3) * scaling
    if mask is not None:  # (rows, 1, 1, length): the same for every head
        scores = (
            scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        )
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    return (weights @ value).reshape(rows, 1, heads, width)
