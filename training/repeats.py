"""The same picture once: what a group's rollouts share is prepared and encoded a single time.

The rollouts of a group have one prompt, so a batch of 128 rollouts holds 16 different videos,
eight times each. TRL prepares and encodes every copy, at each of the three passes (sampling,
reference, update). Here each distinct medium is prepared once and encoded once a pass; the copies
are rows taken from that result, through which gradients add up as they should.

The vision tower is still called exactly once a pass, on every process, as ZeRO-3 demands.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from transformers.image_processing_utils import BatchFeature
from transformers.models.qwen3_vl import Qwen3VLProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from onethinker_eval.training.slots import SlotImageProcessor, slot_processor

__all__ = ["RepeatImageProcessor", "distinct_media", "encode_once", "hand_out", "rollout_processor"]

_KNOWN = {"return_tensors"}
_STRIDE = 61
"""Every how many values of a patch the sums look at; equality is checked on all of them."""


class RepeatImageProcessor(SlotImageProcessor):
    """A slot processor that prepares each distinct array of a batch once.

    What the last call prepared is kept: TRL asks for the same batch twice.
    """

    def preprocess(self, images: Any, **kwargs: Any) -> BatchFeature:
        """Return `pixel_values` (rows, patch) and `image_grid_thw` (media, 3), copies included."""
        media = _leaves(images)
        keys = [_key(medium) for medium in media]
        # Other settings than the processor's own, or another kind of result, are rare and go
        # the plain way.
        plain = kwargs.get("return_tensors") in (None, "pt") and not kwargs.keys() - _KNOWN
        if not plain or None in keys:
            return super().preprocess(images, **kwargs)
        kept: dict[bytes, tuple[Any, Any]] = self.__dict__.get("_prepared", {})
        fresh = {key: medium for key, medium in zip(keys, media, strict=True) if key not in kept}
        made: dict[bytes | None, tuple[Any, Any]] = {key: kept[key] for key in keys if key in kept}
        if fresh:
            prepared = super().preprocess(list(fresh.values()), return_tensors="pt")
            grids = prepared["image_grid_thw"]
            rows = prepared["pixel_values"].split(grids.prod(dim=1).tolist())
            made |= zip(fresh, zip(rows, grids, strict=True), strict=True)
        self.__dict__["_prepared"] = made
        data = {
            "pixel_values": torch.cat([made[key][0] for key in keys]),
            "image_grid_thw": torch.stack([made[key][1] for key in keys]),
        }
        return BatchFeature(data=data)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings to save: those of the stock image processor."""
        saved: dict[str, Any] = super().to_dict()
        saved.pop("_prepared", None)
        return saved


def rollout_processor(processor: Qwen3VLProcessor) -> Qwen3VLProcessor:
    """Return `slot_processor(processor)` with an image path that knows repetitions."""
    made = slot_processor(processor)
    settings = made.image_processor.to_dict()
    settings.pop("image_processor_type", None)
    made.image_processor = RepeatImageProcessor(**settings)
    return made


def encode_once(model: torch.nn.Module) -> None:
    """Let the vision towers in `model` encode each distinct medium of a call once."""
    for module in model.modules():
        if isinstance(module, Qwen3VLVisionModel):
            _wrap(module)


def distinct_media(pixels: torch.Tensor, grid: torch.Tensor) -> tuple[list[int], list[int]]:
    """Return the first place of each distinct medium, and for every medium its number there.

    `pixels` is (rows, patch), the patches of all media one after another; `grid` is (media, 3).
    Candidates are found by two sums and compared in full, so that two media never pass for one.

    >>> grid = torch.tensor([[1, 1, 2]] * 3)
    >>> distinct_media(torch.tensor([[1.0], [2.0], [5.0], [6.0], [1.0], [2.0]]), grid)
    ([0, 1], [0, 1, 0])
    """
    parts = pixels.split(grid.prod(dim=1).tolist())
    ramp = torch.arange(1, 1 + max(map(len, parts)), device=pixels.device, dtype=torch.float64)
    flat = pixels[:, ::_STRIDE].sum(dim=1, dtype=torch.float64)
    sums = torch.stack(
        [torch.stack([rows.sum(), rows @ ramp[: len(rows)]]) for rows in flat.split(_sizes(parts))]
    )
    seen: dict[tuple[Any, ...], list[int]] = {}
    first: list[int] = []
    number: list[int] = []
    for at, key in enumerate(zip(grid.tolist(), sums.tolist(), strict=True)):
        alike = seen.setdefault((*key[0], *key[1]), [])
        same = next((n for n in alike if torch.equal(parts[first[n]], parts[at])), None)
        if same is None:
            same = len(first)
            first.append(at)
            alike.append(same)
        number.append(same)
    return first, number


def _wrap(tower: Qwen3VLVisionModel) -> None:
    encode = tower.forward

    def once(hidden_states: torch.Tensor, grid_thw: torch.Tensor, **kwargs: Any) -> Any:
        first, number = distinct_media(hidden_states, grid_thw)
        if len(first) == len(number):
            return encode(hidden_states, grid_thw, **kwargs)
        parts = hidden_states.split(grid_thw.prod(dim=1).tolist())
        made = encode(torch.cat([parts[at] for at in first]), grid_thw[first], **kwargs)
        return hand_out(made, grid_thw[first], number, tower.spatial_merge_size)

    tower.forward = once


def hand_out(made: Any, grid: torch.Tensor, number: list[int], merge: int) -> Any:
    """Give every place the vision tower's output for its medium.

    `made` is the output for distinct media of `grid` (media, 3); `number` says for each place
    which of them it shows; `merge` is the tower's `spatial_merge_size`.
    """
    sizes = grid.prod(dim=1)
    merged = sizes // merge**2
    made.last_hidden_state = _copies(made.last_hidden_state, sizes, number)
    made.pooler_output = _copies(made.pooler_output, merged, number)
    made.deepstack_features = [_copies(layer, merged, number) for layer in made.deepstack_features]
    return made


def _copies(rows: torch.Tensor, sizes: torch.Tensor, number: list[int]) -> torch.Tensor:
    parts = rows.split(sizes.tolist())
    return torch.cat([parts[n] for n in number])


def _sizes(parts: tuple[torch.Tensor, ...]) -> list[int]:
    return [len(part) for part in parts]


def _leaves(images: Any) -> list[Any]:
    if isinstance(images, (list, tuple)):
        return [leaf for item in images for leaf in _leaves(item)]
    return [images]


def _key(medium: Any) -> bytes | None:
    if not isinstance(medium, np.ndarray):
        return None
    head = f"{medium.shape}{medium.dtype}".encode()
    return hashlib.blake2b(
        np.ascontiguousarray(medium).data, digest_size=20, key=head[:64]
    ).digest()
