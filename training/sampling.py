"""Sampling on CPUs: the rollouts of a prompt share what was read of it, and leave as they end.

transformers' `generate` keeps a copy of the prompt's keys and values for each rollout, attends to
all of a cache made for the longest reply, and works on rows that have ended until the last one
has. Here the cache of a prompt is one, attended to by all of its rollouts in one product; that of
the replies is as long as they are, and rows that have ended are taken out. What is sampled follows
the same distribution (`tests/unit/test_training_sampling.py`), three times as fast for clips
(`tests/benchmarks/bench_rollout_sampling.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from trl.trainer.utils import pad

from onethinker_eval.training.shared_prompts import (
    Shared,
    attending,
    cache_name,
    hidden_after,
    next_places,
    pictures_by_row,
)

__all__ = ["first_of_each", "sample"]

_ROOM = 64
"""Tokens by which the cache of the replies grows, and after which rows that ended are left out."""


def first_of_each(
    each: int,
    prompt_ids: Sequence[Sequence[int]],
    shown: Sequence[int],
    fields: Mapping[str, Any],
    filler: int,
) -> dict[str, torch.Tensor]:
    """Return the model's inputs for the first of every `each` prompts, which are all the same.

    `shown` is how many pictures each prompt has, `fields` are those of TRL: `pixel_values` and
    `image_grid_thw` of all pictures, and lists by prompt and token. They are padded on the left.
    """
    chosen = range(0, len(prompt_ids), each)

    def rows(lists: Sequence[Sequence[int]], value: int) -> torch.Tensor:
        padded: torch.Tensor = pad(
            [torch.as_tensor(lists[at]) for at in chosen], padding_value=value, padding_side="left"
        )
        return padded

    made = {
        "input_ids": rows(prompt_ids, filler),
        "attention_mask": rows([[1] * len(ids) for ids in prompt_ids], 0),
    }
    if "image_grid_thw" in fields:
        grids, pixels = (
            torch.as_tensor(fields[name]) for name in ("image_grid_thw", "pixel_values")
        )
        pictures, patches = pictures_by_row(grids, pixels, shown)
        made["image_grid_thw"] = torch.cat([pictures[at] for at in chosen])
        made["pixel_values"] = torch.cat([patches[at] for at in chosen])
    for name in ("mm_token_type_ids", "token_type_ids"):
        if name in fields:
            made[name] = rows(fields[name], 0)
    return made


@torch.no_grad()
def sample(
    model: Any,
    prompts: Mapping[str, torch.Tensor],
    *,
    each: int,
    temperature: float,
    most: int,
    stop: Collection[int],
    never: Collection[int] = (),
) -> list[list[int]]:
    """Return `each` replies to every prompt, those of one prompt together, as token ids.

    `model` is a Qwen3-VL, `prompts` its inputs, padded on the left. A reply ends with a token of
    `stop`, which it keeps, or after `most` tokens; those of `never` are not said. A temperature
    of 0 takes the likeliest token.
    """
    tower = model.model.language_model
    store, logits, start = _read(model, prompts, each)
    replies: list[list[int]] = [[] for _ in range(len(logits))]
    banned = torch.tensor(sorted(never), dtype=torch.long)
    with attending(tower):
        for step in range(most):
            logits[:, banned] = -torch.inf
            if temperature:
                chances = torch.softmax(logits.float() / temperature, dim=-1)
                said = torch.multinomial(chances, 1)[:, 0]
            else:
                said = logits.argmax(dim=-1)
            for at, (row, token) in enumerate(zip(store.rows.tolist(), said.tolist(), strict=True)):
                if row >= 0:
                    replies[row].append(token)
                    if token in stop:
                        store.rows[at] = -1
            if not (store.rows >= 0).any():
                break
            if step % _ROOM == _ROOM - 1:
                kept = store.leave_out_ended()
                said, start = said[kept], start[kept]
            logits = _say(model, said, start + step, store)
    return replies


@dataclass
class _Store:
    """The keys and values of all layers.

    Those of prompts are (prompts, heads, length, width), those of replies (prompts × each, heads,
    room, width) of which `told` tokens are used. `rows` are the replies' numbers, -1 for one that
    has ended; `hidden` (prompts, length) is what pads the prompts.
    """

    prompts: list[tuple[torch.Tensor, torch.Tensor]]
    hidden: torch.Tensor
    rows: torch.Tensor
    replies: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    told: int = 0

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[Shared, Shared]:
        """Keep one token's keys and values (rows, heads, 1, width); return all of the layer's."""
        if layer == len(self.replies):
            self.replies.append((_room(keys), _room(values)))
        if self.told == self.replies[layer][0].shape[2]:
            grown = (torch.cat([one, _room(one)], dim=2) for one in self.replies[layer])
            self.replies[layer] = next(grown), next(grown)
        made = []
        for of_prompt, of_reply, new in zip(
            self.prompts[layer], self.replies[layer], (keys, values), strict=True
        ):
            of_reply[:, :, self.told] = new[:, :, 0]
            made.append(Shared(of_prompt, of_reply[:, :, : self.told + 1], self.hidden))
        return made[0], made[1]

    def leave_out_ended(self) -> torch.Tensor:
        """Keep as few rows as the live ones need, as many of each prompt; return which."""
        count = len(self.hidden)
        live = (self.rows >= 0).view(count, -1)
        prompts = live.any(dim=1).nonzero()[:, 0]
        each = int(live.sum(dim=1).max())
        order = live.int().argsort(dim=1, descending=True, stable=True)[prompts, :each]
        kept = (order + prompts[:, None] * live.shape[1]).reshape(-1)
        if len(kept) == len(self.rows):
            return torch.arange(len(kept))
        self.rows, self.hidden = self.rows[kept], self.hidden[prompts]
        self.prompts = [(keys[prompts], values[prompts]) for keys, values in self.prompts]
        self.replies = [(keys[kept], values[kept]) for keys, values in self.replies]
        return kept


def _room(like: torch.Tensor) -> torch.Tensor:
    rows, heads, _, width = like.shape
    return like.new_empty(rows, heads, _ROOM, width)


def _read(
    model: Any, prompts: Mapping[str, torch.Tensor], each: int
) -> tuple[_Store, torch.Tensor, torch.Tensor]:
    """Return the cache of the prompts, the first logits of each row, and its next place."""
    cache = DynamicCache(config=model.config.text_config)
    mask = prompts["attention_mask"]
    made = model(**prompts, **{cache_name(model.forward): cache}, use_cache=True, logits_to_keep=1)
    kind = model.get_input_embeddings().weight.dtype
    store = _Store(
        [(layer.keys.to(kind), layer.values.to(kind)) for layer in cache.layers],
        mask == 0,
        torch.arange(len(mask) * each),
    )
    start = next_places(model, prompts).repeat_interleave(each)
    return store, made.logits[:, -1].repeat_interleave(each, 0), start


def _say(model: Any, said: torch.Tensor, place: torch.Tensor, store: _Store) -> torch.Tensor:
    """Return the logits (rows, vocabulary) after the tokens `said` (rows,) at their places."""
    hidden = hidden_after(model, said[:, None], place[:, None], store)
    store.told += 1
    logits: torch.Tensor = model.lm_head(hidden[:, 0])
    return logits
