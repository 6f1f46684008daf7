"""A picture that several samples show is prepared and encoded once, with the same result."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from tiny_training import tiny_parts

torch = pytest.importorskip("torch")

from onethinker_eval.training.policy import _attend_by_size  # noqa: E402
from onethinker_eval.training.shared_media import INDEX, distinct, encode_once  # noqa: E402
from onethinker_eval.training.slots import slot_processor  # noqa: E402

DICE = np.random.default_rng(0)
STILL = DICE.integers(0, 256, (96, 64, 3), dtype=np.uint8)
OTHER = DICE.integers(0, 256, (64, 64, 3), dtype=np.uint8)
CLIP = DICE.integers(0, 256, (4, 64, 96, 3), dtype=np.uint8)


def batch(*, shared: bool) -> Any:
    """Return three prompts: the still, the other with the still, and a clip of two slots."""
    processor = slot_processor(tiny_parts()[1], shared=shared)
    shown = [[STILL], [OTHER, STILL], [STILL, *CLIP.reshape(2, 2, *CLIP.shape[1:])]]
    vision = "<|vision_start|><|image_pad|><|vision_end|>"
    texts = [vision * len(images) + "Where is the red square?" for images in shown]
    return processor(images=shown, text=texts, padding=True, return_tensors="pt")


def logits_and_gradient(model: Any, inputs: Any) -> tuple[Any, Any]:
    model.zero_grad()
    logits = model(**inputs, use_cache=False).logits
    kept = inputs["attention_mask"].bool()
    (logits[kept].float() ** 2).mean().backward()
    return logits[kept].detach(), model.model.visual.pos_embed.weight.grad.clone()


def test_pixels_are_kept_once_and_the_logits_are_those_of_every_place() -> None:
    model = copy.deepcopy(tiny_parts()[0])
    plain, shared = batch(shared=False), batch(shared=True)
    assert plain["input_ids"].equal(shared["input_ids"])
    assert plain["image_grid_thw"].equal(shared["image_grid_thw"])
    assert shared[INDEX].tolist() == [0, 1, 0, 0, 2, 3]
    repeated = 2 * (96 // 16) * (64 // 16)
    assert len(plain["pixel_values"]) - len(shared["pixel_values"]) == repeated
    expected = logits_and_gradient(model, plain)
    encode_once(model)
    made = logits_and_gradient(model, shared)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-6)
    # And a batch without the index goes the usual way.
    torch.testing.assert_close(logits_and_gradient(model, plain), expected)


def test_the_index_decides_which_picture_is_seen() -> None:
    model = copy.deepcopy(tiny_parts()[0])
    encode_once(model)
    inputs = batch(shared=True)
    right = model(**inputs, use_cache=False).logits
    inputs[INDEX][4:] = torch.tensor([3, 2])  # the slots of the clip change places
    assert not torch.allclose(model(**inputs, use_cache=False).logits, right)


def test_attention_by_size_equals_the_stock_loop_over_pictures() -> None:
    model = copy.deepcopy(tiny_parts()[0])
    model.set_attn_implementation("eager")
    inputs = batch(shared=False)
    expected = logits_and_gradient(model, inputs)
    _attend_by_size(model)
    torch.testing.assert_close(logits_and_gradient(model, inputs), expected, rtol=1e-4, atol=1e-6)


def test_views_of_one_memory_are_one_medium() -> None:
    clip = CLIP.copy()
    places = distinct([clip[:2], clip[2:], clip[:2], clip[:2].copy()])[1]
    assert places == [0, 1, 0, 2]
