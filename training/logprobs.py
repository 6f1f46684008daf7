"""Log-probabilities of sampled tokens on CPUs, from the logits of those tokens alone.

TRL folds the projection onto the vocabulary into a kernel that skips the prompt on GPUs. Without
Triton it projects every position, prompts included, and throws most of that away: with prompts
of 300 tokens and replies of 60, five sixths of it. On CPUs the model's own `logits_to_keep` does
the same sum for the reply alone. Prompts that several replies share are read once for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from onethinker_eval.training.shared_prompts import pictures_by_row

__all__ = ["reply_logprobs"]

_BY_ROW = ("mm_token_type_ids", "token_type_ids")


def reply_logprobs(
    model: Any,
    tokens: torch.Tensor,
    mask: torch.Tensor,
    keep: int,
    *,
    temperature: float,
    media: Mapping[str, Any],
    rows: int | None = None,
    entropy: bool = False,
    each: int = 1,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the log-probability of the last `keep` tokens of each row, and the entropy there.

    `tokens` and `mask` are (N, L), the results (N, keep); masked tokens get 0. `media` holds
    TRL's `pixel_values`, `image_grid_thw`, `num_images` and token kinds; `rows` are handled at
    once. Where all of `each` rows that follow one another have one prompt, it is read once for
    them; the model must know `replies` then (see `shared_prompts`).
    """
    found, spread = [], []
    for part, images in _parts(tokens, mask, media, rows or len(tokens)):
        prompts = _shared(part, images, keep, min(each, len(part["input_ids"])))
        if prompts is None:
            made = model(**part, logits_to_keep=keep + 1, use_cache=False)
            logits = made.logits[:, :-1].float() / temperature
        else:
            replies = part["input_ids"][:, -keep:]
            logits = model(**prompts, replies=replies).float() / temperature
        shown = part["attention_mask"][:, -keep:] == 0
        targets = part["input_ids"][:, -keep:]
        every = torch.log_softmax(logits, dim=-1)
        found.append(every.gather(-1, targets[..., None])[..., 0].masked_fill(shown, 0.0))
        if entropy:
            with torch.no_grad():
                spread.append(-(every.exp() * every).sum(dim=-1).masked_fill(shown, 0.0))
    return torch.cat(found), torch.cat(spread) if entropy else None


def _shared(
    part: Mapping[str, Any], images: Sequence[int], keep: int, each: int
) -> dict[str, Any] | None:
    """Return the inputs for one prompt of every `each` rows; None where they are not the same."""
    ids = part["input_ids"][:, :-keep]
    if each < 2 or len(ids) % each:
        return None
    made = {name: part[name][::each, :-keep] for name in ("input_ids", "attention_mask")}
    made |= {name: part[name][::each, :-keep] for name in _BY_ROW if name in part}
    if not torch.equal(ids, made["input_ids"].repeat_interleave(each, dim=0)):
        return None
    if "pixel_values" in part:
        grids, patches = pictures_by_row(part["image_grid_thw"], part["pixel_values"], images)
        if not all(torch.equal(one, patches[at - at % each]) for at, one in enumerate(patches)):
            return None  # other pictures may come with the same words
        made["image_grid_thw"] = torch.cat(grids[::each])
        made["pixel_values"] = torch.cat(patches[::each])
    return made


def _parts(
    tokens: torch.Tensor, mask: torch.Tensor, media: Mapping[str, Any], rows: int
) -> Iterator[tuple[dict[str, Any], Sequence[int]]]:
    """Yield the model's inputs for `rows` rows at a time, and how many pictures each has."""
    pixels, grid = media.get("pixel_values"), media.get("image_grid_thw")
    counts: Sequence[int] = media.get("num_images") or [0] * len(tokens)
    images = [0, *torch.tensor(counts).cumsum(0).tolist()]
    for start in range(0, len(tokens), rows):
        end = min(start + rows, len(tokens))
        part = {"input_ids": tokens[start:end], "attention_mask": mask[start:end]}
        part |= {name: media[name][start:end] for name in _BY_ROW if media.get(name) is not None}
        if pixels is not None and grid is not None:
            patches = [0, *grid.prod(dim=1).cumsum(0).tolist()]
            first, last = images[start], images[end]
            part["image_grid_thw"] = grid[first:last]
            part["pixel_values"] = pixels[patches[first] : patches[last]]
        yield part, counts[start:end]
