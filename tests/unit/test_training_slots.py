"""A video as slots is the native video, bit for bit; and the pixels do reach the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import tiny_parts

torch = pytest.importorskip("torch")

from onethinker_eval.media.frames import slot_seconds  # noqa: E402
from onethinker_eval.training.slots import (  # noqa: E402
    SlotImageProcessor,
    slot_processor,
    video_parts,
)

FPS = 12.0
INDICES = [0, 6, 12, 18, 24, 30]
DICE = np.random.default_rng(0)
FRAMES = DICE.integers(0, 256, (len(INDICES), 64, 96, 3), dtype=np.uint8)
STILL = DICE.integers(0, 256, (96, 64, 3), dtype=np.uint8)
QUESTION = {"type": "text", "text": "Where is the red square?"}


def native(processor: Any, stills: list[np.ndarray]) -> Any:
    parts = [{"type": "video"}, *({"type": "image"} for _ in stills), QUESTION]
    messages = [{"role": "user", "content": parts}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    metadata = {"fps": FPS, "frames_indices": INDICES, "total_num_frames": 31, "duration": 31 / FPS}
    return processor(
        text=[text],
        images=stills or None,
        videos=[torch.from_numpy(FRAMES).permute(0, 3, 1, 2)],
        video_metadata=[metadata],
        do_resize=False,
        do_sample_frames=False,
        return_tensors="pt",
    )


def slots(processor: Any, frames: np.ndarray, stills: list[np.ndarray]) -> Any:
    parts, pairs = video_parts(frames, INDICES, FPS)
    parts += [*({"type": "image"} for _ in stills), QUESTION]
    messages = [{"role": "user", "content": parts}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    return slot_processor(processor)(text=[text], images=[[*pairs, *stills]], return_tensors="pt")


def logits(model: Any, inputs: Any) -> Any:
    with torch.no_grad():
        return model(**inputs).logits


@pytest.mark.parametrize("stills", [[], [STILL]], ids=["video", "video and image"])
def test_slots_are_the_native_video(stills: list[np.ndarray]) -> None:
    model, processor = tiny_parts()
    expected, made = native(processor, stills), slots(processor, FRAMES, stills)
    image, video = model.config.image_token_id, model.config.video_token_id
    ids = expected["input_ids"]
    assert (ids == video).sum() == 3 * 2 * 3  # slots × rows × columns after merging
    assert torch.equal(ids.masked_fill(ids == video, image), made["input_ids"])
    kinds = ["pixel_values_videos", "pixel_values"]
    rows = torch.cat([expected[kind] for kind in kinds if kind in expected])
    assert torch.equal(rows, made["pixel_values"])
    difference = (logits(model, expected) - logits(model, made)).abs().max()
    # With an image beside it the native form calls the vision tower twice, slots once: the
    # sums of the matrix products are then ordered otherwise.
    assert difference <= (1e-5 if stills else 0.0)


def test_the_model_sees_every_slot() -> None:
    model, processor = tiny_parts()
    before = logits(model, slots(processor, FRAMES, [STILL]))[0, -1]
    for slot in range(3):
        other = FRAMES.copy()
        other[2 * slot : 2 * slot + 2] = 255 - other[2 * slot : 2 * slot + 2]
        changed = logits(model, slots(processor, other, [STILL]))[0, -1]
        assert (changed - before).abs().max() > 1e-4


def test_images_alone_go_the_stock_way() -> None:
    _, processor = tiny_parts()
    mine = slot_processor(processor).image_processor(images=[STILL], return_tensors="pt")
    stock = processor.image_processor(images=[STILL], return_tensors="pt")
    assert torch.equal(mine["pixel_values"], stock["pixel_values"])
    assert torch.equal(mine["image_grid_thw"], stock["image_grid_thw"])


@pytest.mark.parametrize(("size", "grid"), [((64, 96), (4, 6)), ((60, 90), (14, 20))])
def test_a_small_picture_that_the_frame_rule_sized_is_not_enlarged(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    _, processor = tiny_parts()
    pictures = slot_processor(processor).image_processor
    pictures.size = {"shortest_edge": 256 * 256, "longest_edge": 1 << 24}  # as Qwen3-VL has it
    small = np.zeros((*size, 3), np.uint8)
    made = pictures(images=[small], return_tensors="pt")["image_grid_thw"]
    with_clip = pictures(images=[FRAMES[:2], small], return_tensors="pt")["image_grid_thw"]
    assert tuple(made[0, 1:].tolist()) == tuple(with_clip[1, 1:].tolist()) == grid


def test_what_is_saved_is_the_stock_processor(tmp_path: Path) -> None:
    from transformers import AutoProcessor

    _, processor = tiny_parts()
    made = slot_processor(processor)
    made.image_processor(images=[FRAMES[:2]], return_tensors="pt")
    made.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert not isinstance(again.image_processor, SlotImageProcessor)
    assert again.image_processor.patch_size == processor.image_processor.patch_size


def test_an_odd_last_frame_is_doubled() -> None:
    parts, pairs = video_parts(FRAMES[:3], INDICES[:3], FPS)
    assert slot_seconds(INDICES[:3], FPS) == [0.25, 1.0]
    assert len(pairs) == 2
    assert np.array_equal(pairs[1][0], pairs[1][1])
    assert [part["text"] for part in parts if part["type"] == "text"] == [
        "<|vision_start|><0.2 seconds>",
        "<1.0 seconds>",
        "<|vision_end|>",
    ]


@pytest.mark.parametrize("frames", [FRAMES[:2], FRAMES[0], FRAMES[..., :1]])
def test_frames_of_another_shape_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected frames of shape"):
        video_parts(frames, INDICES, FPS)
