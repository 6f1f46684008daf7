"""vLLM's own multimodal processor makes of our prompts what transformers' processor makes.

No engine runs: vLLM reads the model's configuration and processor, and does to a request what it
does before its scheduler. Token ids must be equal, pixels bit for bit.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from clips import write_clip
from PIL import Image

from onethinker_eval.errors import DataError, MissingPart, UsageError
from onethinker_eval.harness.models.qwen_prompt import QwenPrompt
from onethinker_eval.harness.models.vllm_engine import (
    check_platform,
    check_prompt,
    engine_prompt,
    gpu_share,
)
from onethinker_eval.media import images, video
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.media.shown import Shown

if TYPE_CHECKING:
    from onethinker_eval.media.video import VideoFrames

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"
)

RULE = FrameRule(
    max_frames=16,
    frame_pixels=160 * 128,
    image_pixels=160 * 128,
    min_frame_pixels=32 * 32,
    min_image_pixels=32 * 32,
)
NTSC = Fraction(30000, 1001)
ASKED = {"type": "text", "text": "When does it start?\nAnswer in <answer></answer>, e.g. 1.5"}


@pytest.fixture(scope="module")
def folder() -> str:
    from onethinker_eval.demo.tiny_model import tiny_folder

    return str(tiny_folder())


@pytest.fixture(scope="module")
def processor(folder: str) -> Any:
    from onethinker_eval.harness.models.qwen_inputs import load_processor

    return load_processor(folder)


@pytest.fixture(scope="module")
def vllm_processor(folder: str) -> Any:
    """What vLLM's front end calls for a request with media."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    from vllm.config import ModelConfig
    from vllm.multimodal import MULTIMODAL_REGISTRY

    config = ModelConfig(model=folder, dtype="float32", mm_processor_cache_gb=0)
    return MULTIMODAL_REGISTRY.create_processor(config)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = tmp_path_factory.mktemp("media")
    draw = np.random.default_rng(0)
    found = {}
    for name, size in (("wide", (90, 300)), ("small", (20, 24))):
        found[name] = made / f"{name}.png"
        Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8)).save(found[name])
    for name, count, rate in (("plain", 30, 10), ("odd", 47, NTSC), ("short", 5, 5)):
        found[name] = made / f"{name}.mp4"
        write_clip(found[name], count, size=(96, 128), fps=rate)  # type: ignore[arg-type]
    return found


CASES = {
    "text alone": [],
    "an image": ["wide"],
    "two images": ["small", "wide"],
    "a video": ["plain"],
    "a video of a broken rate": ["odd"],
    "a video of four frames": ["short"],
    "several videos": ["plain", "odd", "short"],
    "the same video twice": ["odd", "odd"],
    "image, video, image, video": ["wide", "plain", "small", "odd"],
}


def question(files: dict[str, Path], names: list[str]) -> tuple[list[dict[str, Any]], Shown]:
    parts, pictures, clips = [], [], []
    for name in names:
        path = str(files[name])
        kind = "image" if path.endswith(".png") else "video"
        parts.append({"type": kind, "url": path})
        if kind == "image":
            pictures.append(images.read(path, RULE).pixels)
        else:
            clips.append(video.read(path, RULE))
    messages = [{"role": "user", "content": [*parts, ASKED]}]
    return messages, Shown(tuple(pictures), tuple(clips))


def by_vllm(vllm_processor: Any, text: str, media: Shown) -> tuple[list[int], dict[str, Any]]:
    """Return the prompt and the media tensors that vLLM hands to its engine."""
    from vllm.multimodal.processing import ProcessorInputs, TimingContext

    prompt = engine_prompt(text, media)
    tokenizer = vllm_processor.info.get_tokenizer()
    ids = tokenizer.encode(prompt["prompt"])
    if "multi_modal_data" not in prompt:
        return ids, {}
    made = vllm_processor.apply(
        ProcessorInputs(
            prompt=ids,
            mm_data_items=vllm_processor.info.parse_mm_data(prompt["multi_modal_data"]),
            hf_processor_mm_kwargs=prompt["mm_processor_kwargs"],
        ),
        TimingContext(enabled=False),
    )
    return list(made["prompt_token_ids"]), made["mm_kwargs"].get_data()


def as_bytes(pixels: torch.Tensor) -> torch.Tensor:
    """Return pixel values as the bytes they came from: vLLM scales them on the device only."""
    if pixels.dtype == torch.uint8:
        return pixels
    bytes_of = (pixels * 0.5 + 0.5) * 255
    assert (bytes_of - bytes_of.round()).abs().max() < 1e-3
    return bytes_of.round().to(torch.uint8)


@pytest.mark.parametrize("markers", ["flat", "nested"])
@pytest.mark.parametrize("case", CASES)
def test_token_for_token_and_pixel_for_pixel(
    case: str, markers: str, files: dict[str, Path], processor: Any, vllm_processor: Any
) -> None:
    messages, media = question(files, CASES[case])
    prompt = QwenPrompt(processor, markers)
    reference = prompt.inputs([(messages, media)])
    wanted = reference["input_ids"][0].tolist()
    text = prompt.text(messages)
    seen, tensors = by_vllm(vllm_processor, text, media)
    assert seen == wanted
    assert prompt.prompt_ids(text, media) == wanted  # what replies are checked against at run time
    check_prompt(seen, wanted)
    kinds = {"image" if name in ("wide", "small") else "video" for name in CASES[case]}
    names = {"image": "pixel_values", "video": "pixel_values_videos"}
    for kind in kinds:
        theirs = torch.as_tensor(tensors[names[kind]])
        assert torch.equal(as_bytes(theirs), as_bytes(reference[names[kind]]))
        grid = torch.as_tensor(tensors[f"{kind}_grid_thw"])
        assert torch.equal(grid, reference[f"{kind}_grid_thw"])
    assert len({*tensors} & {*names.values()}) == len(kinds)


def shifted(clip: VideoFrames) -> VideoFrames:
    return replace(clip, indices=tuple(index + 2 for index in clip.indices))


def slower(clip: VideoFrames) -> VideoFrames:
    return replace(clip, fps=clip.fps / 2)


def fewer(clip: VideoFrames) -> VideoFrames:
    return replace(clip, frames=clip.frames[:-2], indices=clip.indices[:-2])


@pytest.mark.parametrize("change", [shifted, slower, fewer])
def test_other_times_or_frames_are_noticed(
    change: Any, files: dict[str, Path], processor: Any, vllm_processor: Any
) -> None:
    messages, media = question(files, ["odd"])
    prompt = QwenPrompt(processor)
    text = prompt.text(messages)
    seen, _ = by_vllm(vllm_processor, text, Shown((), (change(media.videos[0]),)))
    wanted = prompt.inputs([(messages, media)])["input_ids"][0].tolist()
    assert seen != wanted
    with pytest.raises(DataError, match="they differ from token"):
        check_prompt(seen, wanted)


def test_other_pixels_are_noticed(
    files: dict[str, Path], processor: Any, vllm_processor: Any
) -> None:
    messages, media = question(files, ["plain"])
    (clip,) = media.videos
    turned = Shown((), (replace(clip, frames=clip.frames[::-1].copy()),))
    prompt = QwenPrompt(processor)
    _, tensors = by_vllm(vllm_processor, prompt.text(messages), turned)
    reference = prompt.inputs([(messages, media)])["pixel_values_videos"]
    theirs = torch.as_tensor(tensors["pixel_values_videos"])
    assert not torch.equal(as_bytes(theirs), as_bytes(reference))


def test_a_machine_without_a_gpu_is_told_what_to_do(vllm_processor: Any) -> None:
    from vllm.platforms import current_platform

    if current_platform.device_type:
        check_platform()
        return
    with pytest.raises(MissingPart, match=r"no GPU here.*--model onethinker"):
        check_platform()


def test_processes_of_a_machine_share_its_gpus() -> None:
    shares = [gpu_share(None, 8, rank, 2) for rank in range(4)]
    assert shares == ["0,1", "2,3", "4,5", "6,7"]
    with pytest.raises(UsageError, match="needs 2 GPU"):
        gpu_share("0,1,2", 8, 1, 2)
