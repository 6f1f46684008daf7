"""A deeper model that at first says the same: layers put in that begin by changing nothing.

What a small model has learnt is kept when it turns out to be too shallow: a layer of a transformer
adds to what it is given, so that one whose outputs are zero is none (compare "Net2Net", Chen et
al., ICLR 2016, arXiv 1511.05641).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch

from onethinker_eval.errors import UsageError

__all__ = ["deepen"]


@torch.no_grad()
def deepen(model: Any, layers: int) -> None:
    """Give the language model of a Qwen3-VL as many `layers`, in place; its outputs stay the same.

    New layers are copies of the last, put before it, so that they see what it has learnt to see;
    what they make of it counts for nothing until it is trained. UsageError where the model has
    more layers, or takes pictures up in its last.
    """
    text = model.config.text_config
    stack = model.model.language_model.layers
    last = len(stack) - 1
    if layers <= last:
        raise UsageError(
            f"the model has {last + 1} layers, which is more than {layers}",
            hint="set model.layers to as many or more, or leave it out",
        )
    if layers > len(stack) and len(model.config.vision_config.deepstack_visual_indexes) > last:
        raise UsageError("the model takes pictures up in its last layer, which must stay the last")
    for _ in range(layers - len(stack)):
        added = deepcopy(stack[-1])
        added.self_attn.o_proj.weight.zero_()
        added.mlp.down_proj.weight.zero_()
        stack.insert(last, added)
    for at, layer in enumerate(stack):
        layer.self_attn.layer_idx = at
    if getattr(text, "layer_types", None):
        text.layer_types = [*text.layer_types[:last], *text.layer_types[-1:] * (layers - last)]
    text.num_hidden_layers = layers
