"""Attention guided: heads of a small model are told where to look while they write of a place.

A model from scratch learns to look only once a look has paid off, and a look pays off only once
what is seen is understood: on clips and lists of options a model of three layers wrote fluent
guesses for hours. But where a reply must look is known from its own text (see `looks`), so a few
heads are told: the loss of each is minus the logarithm of its attention on the tokens that the
place covers. What it brings back, and what comes of it, is learnt by the usual loss alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from transformers.models.qwen3_vl.modeling_qwen3_vl import rotate_half

from onethinker_eval.training.looks import (
    PICTURE,
    Looks,
    copies,
    deeds,
    letters,
    lists,
    looks,
    lookups,
    replies,
    sought,
    spans,
    times,
)
from onethinker_eval.training.tiny_tokenizer import option_marks

__all__ = ["Guidance"]

MOST = 512
"""Looks of a kind in a batch that are asked about: of some there are thousands, much alike."""


class Guidance:
    """The loss of guided heads of a Qwen3-VL.

    In the first layer one head is told to see from the tokens of a clip their time, another from
    those of an option its letter; in every later layer the first head from the reply what it tells
    of, in the middle one the other from a text looked for the option that says the same (before it
    the last from the end of that text the words that tell it from other options), and in the last
    one the last from a number or a name the same one said before. What a course tells of a
    moment is told to see that time (the second head of the first layer), and the limits of an event
    the moments around them (the other of the last). Where a list goes on, the second head of the
    second layer is told to see the place of what was listed last; whether it fits, and what it did,
    is told after a look (of the last head of the middle layer) at the words for what it did.
    """

    def __init__(self, model: Any, tokenizer: Any, kinds: Collection[str]) -> None:
        """Watch the layers of `model`; guide the heads of `kinds`."""
        self._kinds = kinds
        self._texts = [tokenizer.decode([at]) for at in range(len(tokenizer))]
        self._texts[model.config.image_token_id] = PICTURE
        self._marks = option_marks(tokenizer)
        self._merge = model.config.vision_config.spatial_merge_size
        self._layers = model.model.language_model.layers
        self._given: dict[int, tuple[torch.Tensor, Any]] = {}
        for at, layer in enumerate(self._layers):
            layer.register_forward_pre_hook(self._keep(at), with_kwargs=True)

    def _keep(self, at: int) -> Any:
        def keep(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            hidden = given[0] if given else named["hidden_states"]
            self._given[at] = hidden, named["position_embeddings"]

        return keep

    def read(self, inputs: Mapping[str, torch.Tensor], labels: torch.Tensor) -> dict[str, Looks]:
        """Return what is to be looked at in a batch whose `input_ids` are as they were told."""
        ids = inputs["input_ids"]
        grids = inputs["image_grid_thw"][:, 1:] // self._merge if "image_grid_thw" in inputs else ()
        sizes = iter([(int(height), int(width)) for height, width in grids])
        told = replies(ids, labels, self._texts)
        found = looks(told, sizes)
        others: dict[str, Callable[[], Looks]] = {
            "letters": lambda: letters(ids, self._texts, self._marks),
            "options": lambda: lookups(ids, self._texts, self._marks),
            "sought": lambda: sought(ids, self._texts, self._marks),
            "copies": lambda: copies(told, self._texts, self._marks),
            "times": lambda: times(told),
            "spans": lambda: spans(told),
            "lists": lambda: lists(told),
            "deeds": lambda: deeds(told),
        }
        return {kind: found[kind] if kind in found else others[kind]() for kind in self._kinds}

    def loss(self, read: Mapping[str, Looks], mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the mean loss of each kind of look, after the model has run on their batch."""
        later = range(1, len(self._layers))
        count = self._layers[0].self_attn.config.num_attention_heads
        other = count // 2
        heads = {
            "moments": [(0, 0)],
            "letters": [(0, other)],
            "places": [(at, 0) for at in later],
            "options": [(len(self._layers) // 2, other)],
            "sought": [(max(0, len(self._layers) // 2 - 1), count - 1)],
            "copies": [(len(self._layers) - 1, count - 1)],
            "times": [(0, 1)],
            "spans": [(len(self._layers) - 1, other)],
            "lists": [(min(1, len(self._layers) - 1), 1)],
            "deeds": [(len(self._layers) // 2, count - 1)],
        }
        keys: dict[tuple[int, int], torch.Tensor] = {}
        asked = {
            kind: one.some(MOST) for kind, one in read.items() if heads[kind] and len(one.rows)
        }
        return {
            kind: torch.stack([self._of_head(*at, one, mask, keys) for at in heads[kind]]).mean()
            for kind, one in asked.items()
        }

    def _of_head(
        self,
        at: int,
        head: int,
        one: Looks,
        mask: torch.Tensor,
        keys: dict[tuple[int, int], torch.Tensor],
    ) -> torch.Tensor:
        """Return the mean loss of one head; `keys` keeps those of layers and groups of heads."""
        layer, (hidden, turns) = self._layers[at], self._given[at]
        attention = layer.self_attn
        width = attention.head_dim
        group = head // attention.num_key_value_groups
        weight = attention.q_proj.weight[head * width : (head + 1) * width]
        if (at, group) not in keys:
            keys[at, group] = _keys(layer, hidden, turns, slice(group * width, (group + 1) * width))
        rows, tokens, wanted = (part.to(hidden.device) for part in (one.rows, one.asks, one.seen))
        # Only the tokens that ask are worked on: they are few.
        asking = layer.input_layernorm(hidden[rows, tokens]) @ weight.T
        asking = _turned(attention.q_norm(asking), *(part[rows, tokens] for part in turns))
        scores = _by_row(asking, keys[at, group], rows).float() * attention.scaling
        later = torch.arange(scores.shape[1], device=hidden.device)[None] > tokens[:, None]
        scores = scores.masked_fill(later | ~mask[rows].bool(), -torch.inf)
        seen = scores.masked_fill(~wanted, -torch.inf).logsumexp(dim=1)
        return (scores.logsumexp(dim=1) - seen).mean()


def _keys(layer: Any, hidden: torch.Tensor, turns: Any, part: slice) -> torch.Tensor:
    """Return the keys (rows, length, width) of the heads whose key weights are `part`."""
    attention = layer.self_attn
    keys = layer.input_layernorm(hidden) @ attention.k_proj.weight[part].T
    return _turned(attention.k_norm(keys), *turns)


def _turned(vectors: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Return queries or keys (…, width) turned by their places, as the model turns them."""
    turned: torch.Tensor = vectors * cos + rotate_half(vectors) * sin
    return turned.to(vectors.dtype)


def _by_row(asking: torch.Tensor, keys: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the products (N, length) of `asking` (N, width) with the `keys` of their `rows`."""
    order = rows.argsort(stable=True)
    counts = rows.bincount(minlength=len(keys)).tolist()
    asked = asking[order].split(counts)
    made = torch.cat([one @ own.T for one, own in zip(asked, keys, strict=True)])
    return made[order.argsort()]
