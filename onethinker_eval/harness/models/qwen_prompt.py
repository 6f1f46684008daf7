"""The chat format of Qwen3-VL: the prompt's text, and what its processor makes of it.

One definition for every engine. `inputs` is what transformers generates from; `prompt_ids` are
the very same token ids without touching a pixel, to check another engine's prompt against.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from onethinker_eval.errors import UsageError
from onethinker_eval.harness.models.media_ahead import Shown
from onethinker_eval.media.video import VideoFrames

__all__ = ["QwenPrompt", "clip_metadata", "clip_tensor", "processed"]

_VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"

Messages = list[dict[str, Any]]


class QwenPrompt:
    """Writes prompts with the processor of a Qwen3-VL model.

    `video_markers`: `flat` writes a video as transformers up to 5.0 did, under which OneThinker-8B
    was trained and measured; `nested` as transformers from 5.10 on does.
    """

    def __init__(self, processor: Any, video_markers: str = "flat") -> None:
        """Use `processor`, a `Qwen3VLProcessor`; raises `UsageError` for unknown markers."""
        if video_markers not in {"flat", "nested"}:
            raise UsageError(f"video_markers is flat or nested, found {video_markers!r}")
        self.processor, self._flat = processor, video_markers == "flat"

    def text(self, messages: Messages) -> str:
        """Return the prompt, one place holder for each image and each video."""
        prompt: str = self.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return prompt.replace(_VIDEO, "<|video_pad|>") if self._flat else prompt

    def inputs(self, batch: Sequence[tuple[Messages, Shown]]) -> Any:
        """Return the processor's tensors of a batch; sizes and frames are already chosen."""
        texts = [self.text(messages) for messages, _ in batch]
        return processed(self.processor, texts, [media for _, media in batch])

    def prompt_ids(self, text: str, media: Shown) -> list[int]:
        """Return the token ids that `inputs` has for a prompt `text` with `media`.

        Made by the processor's own functions from the sizes and times alone.
        """
        from transformers.video_utils import VideoMetadata

        pictures_of = self.processor.image_processor
        grids = [_grid(1, image.shape[:2], pictures_of.patch_size) for image in media.images]
        seen = {"image_grid_thw": torch.tensor(grids)}
        pictures = [
            self.processor.replace_image_token(seen, image_idx=place)
            for place in range(len(media.images))
        ]
        clips_of = self.processor.video_processor
        grids = [
            _grid(
                -(-len(clip.frames) // clips_of.temporal_patch_size),
                clip.frames.shape[1:3],
                clips_of.patch_size,
            )
            for clip in media.videos
        ]
        shown = {
            "video_grid_thw": torch.tensor(grids),
            "video_metadata": [VideoMetadata(**clip_metadata(clip)) for clip in media.videos],
        }
        clips = [
            self.processor.replace_video_token(shown, video_idx=place)
            for place in range(len(media.videos))
        ]
        (whole,), _ = self.processor.get_text_with_replacements([text], pictures, clips, [])
        ids: list[int] = self.processor.tokenizer(whole)["input_ids"]
        return ids


def processed(processor: Any, texts: Sequence[str], media: Sequence[Shown]) -> Any:
    """Return the `processor`'s tensors of prompt `texts` with their media, padded on its side."""
    pictures = [image for one in media for image in one.images]
    clips = [clip for one in media for clip in one.videos]
    arguments: dict[str, Any] = {}
    if pictures:
        arguments["images"] = pictures
    if clips:
        arguments["videos"] = [clip_tensor(clip) for clip in clips]
        arguments["video_metadata"] = [clip_metadata(clip) for clip in clips]
        arguments["do_sample_frames"] = False
    return processor(
        text=list(texts), padding=True, do_resize=False, return_tensors="pt", **arguments
    )


def clip_tensor(clip: VideoFrames) -> torch.Tensor:
    """Return the frames of `clip` as uint8 (T, 3, H, W)."""
    return torch.from_numpy(clip.frames).permute(0, 3, 1, 2)


def clip_metadata(clip: VideoFrames) -> dict[str, Any]:
    """Return what Qwen3-VL's processor needs to know of a clip to write the times of its frames."""
    return {
        "fps": clip.fps,
        "frames_indices": list(clip.indices),
        "total_num_frames": clip.n_frames,
        "duration": clip.duration_s,
        "width": clip.width,
        "height": clip.height,
    }


def _grid(pairs: int, size: Sequence[int], patch: int) -> list[int]:
    height, width = size
    return [pairs, height // patch, width // patch]
