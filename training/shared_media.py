"""Pictures that several samples of a batch ask about: prepared once, encoded once.

A generated scene comes with several questions, whose rows stand next to each other in the order.
Their media are the same objects in memory, so the processor can keep one copy of each and say
with `image_index` which of the copies every placeholder shows; the vision tower then runs on the
copies and its output is handed to every place that shows them. Values and gradients are those of
encoding each place by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from onethinker_eval.training.repeats import hand_out

__all__ = ["INDEX", "distinct", "encode_once", "share"]

INDEX = "image_index"
"""Key of a batch: for every placeholder the number of its picture among the distinct ones."""


def distinct(media: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Return the different objects of `media`, in order, and the number of each place's object.

    >>> a, b = object(), object()
    >>> distinct([a, b, a])[1]
    [0, 1, 0]
    """
    numbers: dict[Any, int] = {}
    places = [numbers.setdefault(_identity(item), len(numbers)) for item in media]
    firsts = dict(zip(reversed(places), reversed(media), strict=True))
    return [firsts[number] for number in range(len(firsts))], places


def _identity(item: Any) -> Any:
    """Return what two places share when they show the same memory, views included."""
    if isinstance(item, np.ndarray):
        return item.__array_interface__["data"][0], item.shape, item.strides
    return id(item)


def share(made: Mapping[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """Return processed distinct media as those of `places`: full grids, distinct pixels, index."""
    index = torch.tensor(places)
    grids = torch.as_tensor(made["image_grid_thw"])[index]
    return {"pixel_values": made["pixel_values"], "image_grid_thw": grids, INDEX: index}


def encode_once(model: Any) -> None:
    """Let `model` take batches with `image_index`; batches without it are treated as ever.

    The model's `forward` takes the key out and keeps it for the vision tower's next call.
    """
    visual = model.model.visual
    forward, encode = model.forward, visual.forward
    waiting: list[torch.Tensor] = []

    def run(*args: Any, **inputs: Any) -> Any:
        index = inputs.pop(INDEX, None)
        waiting[:] = [] if index is None else [index]
        return forward(*args, **inputs)

    def see(pixels: torch.Tensor, grid_thw: torch.Tensor, **rest: Any) -> Any:
        if not waiting:
            return encode(pixels, grid_thw=grid_thw, **rest)
        index = waiting.pop()
        first = _first_places(index)
        made = encode(pixels, grid_thw=grid_thw[first], **rest)
        return hand_out(made, grid_thw[first], index.tolist(), visual.spatial_merge_size)

    model.forward, visual.forward = run, see


def _first_places(index: torch.Tensor) -> torch.Tensor:
    """Return the first place of each number 0, 1, … in `index`."""
    first = torch.full((int(index.max()) + 1,), len(index), device=index.device)
    places = torch.arange(len(index), device=index.device)
    return first.scatter_reduce(0, index, places, reduce="amin")
