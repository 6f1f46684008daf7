"""Attention of replies that share prompts: what was read of a prompt is kept once for all of them.

Rows stand by prompt, as many of each. Keys and values of a prompt are those of one row; the queries
of all its replies are the rows of one product with them. Sampling works so token by token, the
update with whole replies: the numbers are those of each prompt and reply read together.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache

__all__ = [
    "Shared",
    "attending",
    "cache_name",
    "hidden_after",
    "next_places",
    "pictures_by_row",
    "read_replies",
]

_NAME = "shared_prompt"
REPLIES = "replies"
"""Key of a call of the model with replies: their tokens (rows, length), padded on the right."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Keys or values as a layer's attention gets them: of the prompts, and of the replies.

    `prompt` is (prompts, heads, length, width), `reply` (rows, heads, tokens, width); `hidden`
    (prompts, length) is what pads the prompts.
    """

    prompt: torch.Tensor
    reply: torch.Tensor
    hidden: torch.Tensor


class _Beside:
    """A cache that puts the keys and values of replies beside those of their prompts."""

    def __init__(self, cache: DynamicCache, hidden: torch.Tensor) -> None:
        self._cache, self._hidden = cache, hidden

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[Shared, Shared]:
        of = self._cache.layers[layer]
        return Shared(of.keys, keys, self._hidden), Shared(of.values, values, self._hidden)


def read_replies(model: Any) -> None:
    """Let `model` (a Qwen3-VL) take `replies` beside its inputs, which are then prompts.

    It returns the logits (rows, length, vocabulary) of their tokens. Prompts are padded on the
    left. In a model that is wrapped for several processes gradients need it to be one call.
    """
    forward = model.forward

    @functools.wraps(forward)
    def run(*args: Any, **inputs: Any) -> Any:
        replies = inputs.pop(REPLIES, None)
        return forward(*args, **inputs) if replies is None else _logits(model, inputs, replies)

    model.forward = run


def _logits(model: Any, prompts: Mapping[str, Any], replies: torch.Tensor) -> torch.Tensor:
    tower, cache = model.model.language_model, DynamicCache(config=model.config.text_config)
    made = model.model(**prompts, **{cache_name(model.model.forward): cache}, use_cache=True)
    mask = prompts["attention_mask"]
    each = len(replies) // len(mask)
    told = replies[:, :-1]
    steps = torch.arange(told.shape[1], device=replies.device)
    places = next_places(model, prompts).repeat_interleave(each)[:, None] + steps
    with attending(tower):
        hidden = hidden_after(model, told, places, _Beside(cache, mask == 0))
    # The first token of a reply is foretold by the last of its prompt.
    last = made.last_hidden_state[:, -1:].repeat_interleave(each, dim=0)
    logits: torch.Tensor = model.lm_head(torch.cat([last, hidden], dim=1))
    return logits


def hidden_after(
    model: Any, tokens: torch.Tensor, places: torch.Tensor, cache: Any
) -> torch.Tensor:
    """Return the last hidden states (rows, length, width) of `tokens` (rows, length) of replies.

    `places` (rows, length) is where they stand, `cache` what gives `Shared` keys and values. To be
    called while `attending`.
    """
    tower = model.model.language_model
    hidden = model.get_input_embeddings()(tokens)
    turns = tower.rotary_emb(hidden, places.expand(3, -1, -1))
    kept = {cache_name(tower.layers[0].forward): cache}
    for layer in tower.layers:
        hidden = layer(hidden, position_embeddings=turns, attention_mask=None, **kept)
    normed: torch.Tensor = tower.norm(hidden)
    return normed


def pictures_by_row(
    grids: torch.Tensor, pixels: torch.Tensor, shown: Sequence[int]
) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    """Return the grids and the patches of each row, of which `shown` says how many pictures it has.

    `grids` is (pictures, 3), `pixels` (patches of all, width).
    """
    own = grids.split(list(shown))
    return own, pixels.split([int(one.prod(dim=1).sum()) for one in own])


def next_places(model: Any, prompts: Mapping[str, Any]) -> torch.Tensor:
    """Return the place (prompts,) of the first token after prompts that `model` has just read."""
    length: torch.Tensor = prompts["attention_mask"].sum(dim=1)
    return length + model.model.rope_deltas[:, 0] if "image_grid_thw" in prompts else length


def cache_name(forward: Any) -> str:
    """Return what this version of transformers calls the cache that `forward` takes."""
    return "cache" if "cache" in inspect.signature(forward).parameters else "past_key_values"


@contextmanager
def attending(tower: Any) -> Iterator[None]:
    """Let the language model `tower` attend to the `Shared` keys and values of its cache."""
    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, lambda *_, **__: None)
    before = tower.config._attn_implementation
    tower.config._attn_implementation = _NAME
    try:
        yield
    finally:
        tower.config._attn_implementation = before


def _attend(
    module: Any,
    query: torch.Tensor,
    keys: Shared,
    values: Shared,
    _: Any,
    scaling: float,
    **__: Any,
) -> tuple[torch.Tensor, None]:
    """Return what the last tokens of replies see of prompt and reply: (rows, tokens, heads, width).

    Query heads that share a key head, and rows that share a prompt, are the rows of one product.
    """
    rows, heads, tokens, width = query.shape
    count, shared, length, _width = keys.prompt.shape
    asked = (query * scaling).reshape(rows, shared, -1, width)  # (rows, heads, group × tokens, …)
    of_prompt = _together(asked, count) @ keys.prompt.transpose(2, 3)
    of_prompt = of_prompt.masked_fill(keys.hidden[:, None, None], -torch.inf)
    of_reply = asked @ keys.reply.transpose(2, 3)
    if tokens > 1:
        told = keys.reply.shape[2]
        later = torch.ones(tokens, told, dtype=torch.bool, device=query.device)
        later = later.triu(1 + told - tokens).repeat(heads // shared, 1)
        of_reply = of_reply.masked_fill(later, -torch.inf)
    scores = torch.cat([_apart(of_prompt, rows), of_reply], dim=3)
    weights = torch.softmax(scores, dim=3, dtype=torch.float32).to(values.reply.dtype)
    seen = weights[..., length:] @ values.reply
    seen = seen + _apart(_together(weights[..., :length], count) @ values.prompt, rows)
    return seen.reshape(rows, heads, tokens, width).transpose(1, 2), None


def _together(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Return (rows, heads, queries, …) as (prompts, heads, rows of one × queries, …)."""
    _, heads, queries, last = rows.shape
    grouped = rows.reshape(count, -1, heads, queries, last).transpose(1, 2)
    return grouped.reshape(count, heads, -1, last)


def _apart(grouped: torch.Tensor, rows: int) -> torch.Tensor:
    """Return what `_together` made as it was."""
    count, heads, _, last = grouped.shape
    parted = grouped.reshape(count, heads, rows // count, -1, last).transpose(1, 2)
    return parted.reshape(rows, heads, -1, last)
