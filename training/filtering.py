"""Which groups of rollouts are worth an update, and the tensors of those that are.

A group whose rollouts are all right or all wrong has the same reward throughout: it teaches
nothing and dilutes the mean over tokens. Such groups, and those with a failed reward, are left
out and others drawn; where the bound on tries is reached, the batch is filled with rows that are
masked entirely. Everything here works on the rows of one process: a group never spans two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from trl.trainer.utils import split_pixel_values_by_grid, unsplit_pixel_values_by_grid

__all__ = ["assemble", "has_failed", "is_informative"]

_LEFT = ("prompt_ids", "prompt_mask")
_RIGHT = (
    "completion_ids",
    "completion_mask",
    "old_per_token_logps",
    "ref_per_token_logps",
    "sampling_per_token_logps",
    "importance_sampling_ratio",
    "tool_mask",
)
_BOTH = ("mm_token_type_ids", "token_type_ids")


def is_informative(accuracies: Sequence[float], low: float, high: float) -> bool:
    """Return whether a group's mean accuracy lies strictly between `low` and `high`.

    >>> is_informative([1, 1, 0, 1], 0.01, 0.99), is_informative([1, 1, 1, 1], 0.01, 0.99)
    (True, False)
    """
    return low < math.fsum(accuracies) / len(accuracies) < high


def has_failed(rewards: Sequence[float]) -> bool:
    """Return whether a reward of a group could not be measured (is NaN)."""
    return any(math.isnan(value) for value in rewards)


def assemble(
    parts: Sequence[tuple[dict[str, Any], Sequence[int], Sequence[int]]],
    *,
    pad_token: int,
) -> dict[str, Any]:
    """Return one batch made of chosen rows of several batches of TRL's rollout step.

    Each part is a batch, the rows to keep, and those among its rows to mask entirely (they stand
    after the kept ones). Prompts are padded on the left, completions on the right.
    """
    chosen = [_rows(batch, [*keep, *mask], len(mask)) for batch, keep, mask in parts]
    chosen = [batch for batch in chosen if len(batch["prompt_ids"])]
    prompt = max(batch["prompt_ids"].shape[1] for batch in chosen)
    reply = max(batch["completion_ids"].shape[1] for batch in chosen)
    # A correction of whole sequences has one column, whatever the length of the replies.
    narrow = {
        name
        for name in _RIGHT
        if all(name in batch and batch[name].shape[1] == 1 for batch in chosen)
    }
    padded = [_pad(batch, prompt, reply, pad_token, narrow) for batch in chosen]
    joined: dict[str, Any] = {}
    for name, first in padded[0].items():
        values = [batch[name] for batch in padded]
        if isinstance(first, list):
            joined[name] = [row for value in values for row in value]
        elif isinstance(first, torch.Tensor) and first.ndim:
            joined[name] = torch.cat(values)
        else:
            joined[name] = first  # num_items_in_batch: the trainer counts anew
    return dict(unsplit_pixel_values_by_grid(joined))


def _rows(batch: dict[str, Any], rows: list[int], masked: int) -> dict[str, Any]:
    picked: dict[str, Any] = {}
    for name, value in split_pixel_values_by_grid(batch).items():
        if isinstance(value, torch.Tensor) and value.ndim:
            picked[name] = value[torch.tensor(rows, dtype=torch.long, device=value.device)]
        elif isinstance(value, list):
            picked[name] = [value[row] for row in rows]
        else:
            picked[name] = value
    if masked:
        mask = picked["completion_mask"].clone()
        mask[len(rows) - masked :] = 0
        picked["completion_mask"] = mask
    return picked


def _pad(
    batch: dict[str, Any], prompt: int, reply: int, pad_token: int, narrow: set[str]
) -> dict[str, Any]:
    left = prompt - batch["prompt_ids"].shape[1]
    right = reply - batch["completion_ids"].shape[1]
    made = dict(batch)
    for names, room in ((_LEFT, (left, 0)), (_RIGHT, (0, right)), (_BOTH, (left, right))):
        for name in names:
            value = made.get(name)
            if value is None or name in narrow:
                continue
            filler = pad_token if name.endswith("n_ids") or name == "prompt_ids" else 0
            made[name] = torch.nn.functional.pad(value, room, value=filler)
    return made
