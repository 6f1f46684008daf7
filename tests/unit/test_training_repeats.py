"""What a group's rollouts share is prepared and encoded once, with the results of doing it anew."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from tiny_training import tiny_parts

torch = pytest.importorskip("torch")

from onethinker_eval.training import repeats  # noqa: E402
from onethinker_eval.training.logprobs import reply_logprobs  # noqa: E402
from onethinker_eval.training.repeats import (  # noqa: E402
    distinct_media,
    encode_once,
    rollout_processor,
)
from onethinker_eval.training.slots import SlotImageProcessor, slot_processor  # noqa: E402

DICE = np.random.default_rng(0)
PAIR = DICE.integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
STILL = DICE.integers(0, 256, (96, 64, 3), dtype=np.uint8)
OTHER = DICE.integers(0, 256, (96, 64, 3), dtype=np.uint8)
MEDIA = [PAIR, STILL, PAIR.copy(), OTHER, STILL, STILL.copy()]


def inputs(processor: Any) -> Any:
    messages = [
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
        for text in ("Where?", "Where is the red square?", "The answer", "red", "box", "box")
    ]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    images = [[medium] for medium in MEDIA]
    return processor(text=text, images=images, padding=True, return_tensors="pt")


def test_media_are_prepared_once_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = tiny_parts()[1]
    plain = slot_processor(processor).image_processor(images=MEDIA, return_tensors="pt")
    seen: list[int] = []
    original = SlotImageProcessor.preprocess

    def counted(self: Any, images: Any, **kwargs: Any) -> Any:
        seen.append(len(images))
        return original(self, images, **kwargs)

    monkeypatch.setattr(SlotImageProcessor, "preprocess", counted)
    mine = rollout_processor(processor)
    for _ in range(2):
        made = mine.image_processor(images=MEDIA, return_tensors="pt")
        assert torch.equal(made["pixel_values"], plain["pixel_values"])
        assert torch.equal(made["image_grid_thw"], plain["image_grid_thw"])
    assert seen == [3]
    mine.image_processor(images=[OTHER, OTHER[::-1].copy()], return_tensors="pt")
    assert seen == [3, 1]
    assert "_prepared" not in mine.image_processor.to_dict()


def test_logits_and_gradients_are_those_of_encoding_every_copy() -> None:
    stock, processor = tiny_parts()
    model = copy.deepcopy(stock)
    batch = inputs(slot_processor(processor))
    counted: list[int] = []
    model.model.visual.patch_embed.register_forward_hook(
        lambda _, rows, __: counted.append(len(rows[0]))
    )
    results = []
    for once in (False, True):
        if once:
            encode_once(model)
        model.zero_grad()
        logits = model(**batch).logits
        logits.square().mean().backward()
        results.append((logits.detach(), {n: w.grad.clone() for n, w in model.named_parameters()}))
    (plain, expected), (mine, found) = results
    assert counted == [6 * 24, 3 * 24]
    assert (plain - mine).abs().max() < 1e-5
    for name, gradient in expected.items():
        assert torch.allclose(gradient, found[name], rtol=1e-3, atol=1e-7), name


def test_media_that_look_alike_to_the_sums_are_told_apart() -> None:
    pixels = torch.zeros(8, 4)
    pixels[2, 1], pixels[6, 2] = 1.0, 1.0  # not among the columns the sums look at
    grid = torch.tensor([[1, 1, 2]] * 4)
    assert repeats._STRIDE > 4
    assert distinct_media(pixels, grid) == ([0, 1, 3], [0, 1, 0, 2])
    wider = torch.tensor([[1, 2, 1], [1, 1, 2], [1, 1, 2], [1, 1, 2]])
    assert distinct_media(torch.zeros(8, 4), wider) == ([0, 1], [0, 1, 1, 1])


@pytest.mark.parametrize("rows", [None, 2, 4])
def test_logprobs_are_those_of_the_whole_logits(rows: int | None) -> None:
    model, processor = tiny_parts()
    batch = inputs(slot_processor(processor))
    media = {
        "pixel_values": batch["pixel_values"],
        "image_grid_thw": batch["image_grid_thw"],
        "num_images": [1] * len(MEDIA),
        "mm_token_type_ids": batch["mm_token_type_ids"],
    }
    keep = 3
    mask = batch["attention_mask"].clone()
    mask[0, -1] = 0
    with torch.no_grad():
        found, spread = reply_logprobs(
            model,
            batch["input_ids"],
            mask,
            keep,
            temperature=0.7,
            media=media,
            rows=rows,
            entropy=True,
        )
        whole = model(**{**batch, "attention_mask": mask}).logits[:, -keep - 1 : -1] / 0.7
    every = whole.log_softmax(dim=-1)
    shown = mask[:, -keep:] == 1
    assert 0 < shown.sum() < shown.numel()
    expected = every.gather(-1, batch["input_ids"][:, -keep:, None])[..., 0] * shown
    entropies = -(every.exp() * every).sum(dim=-1) * shown
    assert torch.allclose(found, expected, atol=1e-5)
    assert spread is not None
    assert torch.allclose(spread, entropies, atol=1e-5)
