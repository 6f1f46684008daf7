"""Rollouts by vLLM: TRL's own path, given prompts that vLLM reads as the policy does.

TRL hands vLLM the token ids that the policy is trained on, and the pictures. Two things keep
vLLM from reading them as they are meant:

- The ids hold one place for each patch. vLLM takes the first place for the whole picture and puts
  in all of its patches again: a prompt with repeated places, in which the second picture stands
  where the first should go on.
- A video is one image for each slot of two frames (see `slots`), which vLLM's image path does not
  know.

`NativeMedia` stands between TRL and vLLM's `LLM`, and changes only what is asked: one place for
each image, and for each video one native item with its frames and times. What vLLM then reads is
compared with the policy's ids, prompt by prompt. Sampling, log-probabilities, weights and sleep
stay TRL's. A server is sent images only, by TRL's client, here as pictures rather than arrays.

A third thing goes wrong after an update: vLLM keeps what the vision tower made of a picture, and
TRL empties only the cache of prefixes. Both are emptied here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.errors import DataError, RunError
from onethinker_eval.harness.models.qwen_prompt import clip_metadata, clip_tensor
from onethinker_eval.harness.models.vllm_engine import check_prompt
from onethinker_eval.media.frames import FRAMES_PER_SLOT
from onethinker_eval.media.video import VideoFrames
from onethinker_eval.training.slots import (
    SLOT_TIME,
    is_pair,
    is_sized,
    media_runs,
)

__all__ = ["NativeMedia", "PictureClient", "connect", "native_prompt"]

_TENTHS = 10.0
"""Frames a second of the clips sent: the model is told times in tenths of seconds."""
_SERVE = "start the server with `trl vllm-serve --model MODEL`"
_AS_IT_IS = {"do_resize": False, "do_sample_frames": False}
_CLIPS_AS_THEY_ARE = {"videos_kwargs": _AS_IT_IS}
"""Media are sampled and sized by the frame rule; images of other sizes go through the model's
processor, as in training."""


class _Marks(NamedTuple):
    """Token ids that stand around media, and for them."""

    start: int
    end: int
    image: int
    video: int

    @classmethod
    def of(cls, processor: Any) -> _Marks:
        known = processor.tokenizer.convert_tokens_to_ids
        names = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
        return cls(*(known(name) for name in names))


def connect(generation: Any, processor: Any) -> None:
    """Let TRL's `VLLMGeneration` ask by `NativeMedia`, or `PictureClient` where it has a server."""
    if generation.mode == "colocate":
        generation.llm = NativeMedia(generation.llm, processor)
    elif generation.accelerator.is_main_process:
        generation.vllm_client = PictureClient(generation.vllm_client)


class NativeMedia:
    """vLLM's `LLM` for prompts as TRL sends them; all else is the engine's own."""

    def __init__(self, engine: Any, processor: Any) -> None:
        """Stand before `engine`; `processor` is the policy's."""
        self._engine, self._processor = engine, processor
        self._marks = _Marks.of(processor)

    def __getattr__(self, name: str) -> Any:
        """Return what the engine has."""
        return getattr(self._engine, name)

    def generate(self, prompts: Sequence[Mapping[str, Any]], **settings: Any) -> list[Any]:
        """Return the engine's outputs; raises `DataError` if it read other tokens."""
        asked = [native_prompt(prompt, self._processor) for prompt in prompts]
        outputs: list[Any] = self._engine.generate(asked, **settings)
        image, video = self._marks.image, self._marks.video
        for prompt, output in zip(prompts, outputs, strict=True):
            read = [image if token == video else token for token in output.prompt_token_ids]
            check_prompt(read, prompt["prompt_token_ids"])
        return outputs

    def reset_prefix_cache(self) -> bool:
        """Forget what earlier weights made, pictures included; TRL calls this after an update."""
        self._engine.llm_engine.reset_encoder_cache()
        return bool(self._engine.reset_prefix_cache())


class PictureClient:
    """TRL's client of a vLLM server, for images that are arrays; all else is the client's own."""

    def __init__(self, client: Any) -> None:
        """Stand before `client`."""
        self._client = client

    def __getattr__(self, name: str) -> Any:
        """Return what the client has."""
        return getattr(self._client, name)

    def image_features(self, images: Sequence[Sequence[Any] | None]) -> Any:
        """Return what the server makes of each prompt's images."""
        from PIL import Image

        return self._client.image_features(
            [[Image.fromarray(image) for image in shown] if shown else None for shown in images]
        )

    def reset_prefix_cache(self) -> None:
        """Forget what earlier weights made, pictures included; TRL calls this after an update."""
        address = f"{self._client.base_url}/reset_encoder_cache"
        answer = self._client.session.post(address)
        if not answer.ok:
            raise RunError(f"{address} answered {answer.status_code}", hint=_SERVE)
        self._client.reset_prefix_cache()


def native_prompt(prompt: Mapping[str, Any], processor: Any) -> dict[str, Any]:
    """Return TRL's prompt for vLLM with one place for each image and for each video.

    `prompt` has `prompt_token_ids`, places for all patches, and in `multi_modal_data` under
    `image` one medium or a list: images (H, W, 3) and frame pairs (2, H, W, 3), all uint8. Times
    are read from the ids, so they are those the policy sees. Raises `DataError` where ids and
    media do not fit.
    """
    ids = list(prompt["prompt_token_ids"])
    given = prompt.get("multi_modal_data", {}).get("image", [])
    media = list(given) if isinstance(given, (list, tuple)) else [given]
    marks = _Marks.of(processor)
    runs = media_runs(ids, marks.image)
    if len(runs) != len(media):
        raise DataError(
            f"a prompt has places for {len(runs)} pictures and is shown {len(media)}",
            fix="a question must not contain the model's media markers",
        )
    if not media:
        return {"prompt_token_ids": ids}
    made = _Made([], [], [])
    at = 0
    for (first, last), medium in zip(runs, media, strict=True):
        lead, at = ids[at:first], last
        if not is_pair(medium):
            made.ids.extend([*lead, marks.image])
            made.images.append(medium)
            continue
        time, before = _time(lead, marks, processor)
        if before is not None:  # a marker: a new video, else its next slot
            made.ids.extend([*before, marks.video])
            made.clips.append(([], []))
        frames, times = made.clips[-1]
        frames.append(medium)
        times.append(time)
        at += 1  # the slot's own end marker, which vLLM writes
    made.ids.extend(ids[at:])
    sized = all(is_sized(*image.shape[:2], processor.image_processor) for image in made.images)
    return {
        "prompt_token_ids": made.ids,
        "multi_modal_data": _items(made),
        "mm_processor_kwargs": _AS_IT_IS if sized else _CLIPS_AS_THEY_ARE,
    }


class _Made(NamedTuple):
    ids: list[int]
    images: list[NDArray[np.uint8]]
    clips: list[tuple[list[NDArray[np.uint8]], list[int]]]
    """Frame pairs of each video, and their times in tenths of seconds."""


def _items(made: _Made) -> dict[str, list[Any]]:
    items: dict[str, list[Any]] = {}
    if made.images:
        items["image"] = made.images
    if made.clips:
        clips = [_clip(frames, times) for frames, times in made.clips]
        items["video"] = [(clip_tensor(clip), clip_metadata(clip)) for clip in clips]
    return items


def _clip(pairs: Sequence[NDArray[np.uint8]], times: Sequence[int]) -> VideoFrames:
    """Return slots as a clip; both frames of one have its time, whose mean is that time."""
    frames = np.concatenate(pairs)
    return VideoFrames(
        frames=frames,
        indices=tuple(time for time in times for _ in range(FRAMES_PER_SLOT)),
        fps=_TENTHS,
        n_frames=times[-1] + 1,
        width=frames.shape[2],
        height=frames.shape[1],
        decoder="slots",
    )


def _time(lead: Sequence[int], marks: _Marks, processor: Any) -> tuple[int, list[int] | None]:
    """Return a slot's time in tenths of seconds from the tokens that lead to its places.

    If it opens a video, also the tokens up to and with the video's own start marker.
    """
    written = list(lead[:-1])  # without the slot's start marker
    around = [at for at, token in enumerate(written) if token in (marks.start, marks.end)]
    begin = around[-1] + 1 if around else 0
    text = processor.tokenizer.decode(written[begin:])
    found = SLOT_TIME.fullmatch(text)
    if found is None:
        raise DataError(f"expected the time of two frames in the prompt, found {text[:60]!r}")
    return round(10 * float(found[1])), written[:begin] if around else None
