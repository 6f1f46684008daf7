"""Videos as one image per temporal slot: what lets stock trainers see video pixels.

Qwen3-VL treats a video of T slots (pairs of frames) exactly as T images: vision attention stays
within a slot, positions are split per slot, and the times between them are plain text. A video
written as `"<0.6 seconds>"` + image, slot after slot, therefore gives the same tokens (but for
the placeholder's id), the same pixel rows and the same logits as the native video input, which a
test checks.

Why it is needed: TRL computes log-probabilities without video arguments (pixels are dropped
without a word), and under ZeRO-3 a batch with images on one rank and videos on another makes the
ranks call the vision tower a different number of times and deadlock. With slots there is one
modality, one call, and nothing of TRL to override.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers.image_processing_utils import BatchFeature
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen3_vl import Qwen3VLProcessor, Qwen3VLVideoProcessor

from onethinker_eval.media.frames import FRAMES_PER_SLOT, slot_seconds

__all__ = [
    "SLOT_TIME",
    "SlotImageProcessor",
    "is_pair",
    "is_sized",
    "media_runs",
    "slot_processor",
    "video_parts",
]

SLOT_TIME = re.compile(r"<(\d+\.\d) seconds>")
"""The time of a slot as `video_parts` writes it before the slot's picture."""


def video_parts(
    frames: NDArray[np.uint8], indices: Sequence[int], fps: float
) -> tuple[list[dict[str, Any]], list[NDArray[np.uint8]]]:
    """Return a video as chat content parts and the frame pairs its image parts stand for.

    `frames` is (T, H, W, 3) with H and W multiples of the model's 32; `indices` and `fps` as in
    `slot_seconds`. The parts repeat the text of the native expansion, outer markers included.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) != len(indices):
        raise ValueError(
            f"expected frames of shape (T, H, W, 3) and T={len(indices)} indices, "
            f"got {frames.shape}"
        )
    if len(frames) % FRAMES_PER_SLOT:
        frames = np.concatenate([frames, frames[-1:]])
    pairs = list(frames.reshape(-1, FRAMES_PER_SLOT, *frames.shape[1:]))
    parts: list[dict[str, Any]] = []
    lead = "<|vision_start|>"
    for seconds in slot_seconds(indices, fps):
        parts += [{"type": "text", "text": f"{lead}<{seconds:.1f} seconds>"}, {"type": "image"}]
        lead = ""
    parts.append({"type": "text", "text": "<|vision_end|>"})
    return parts, pairs


class SlotImageProcessor(Qwen2VLImageProcessor):  # type: ignore[misc]  # untyped base
    """Qwen's image processor that also takes frame pairs: uint8 arrays of shape (2, H, W, 3).

    Images go the usual way; a pair goes through the video processor as a video of two frames,
    already sampled and resized. Rows come back in the order the media were given; with `shared`,
    a medium given several times has rows once (see `shared_media`).
    """

    shared = False

    def fetch_images(self, image_url_or_urls: Any) -> Any:
        """Leave frame pairs alone, which the base class does not know as images."""
        if is_pair(image_url_or_urls):
            return image_url_or_urls
        if isinstance(image_url_or_urls, (list, tuple)):
            return [self.fetch_images(item) for item in image_url_or_urls]
        return super().fetch_images(image_url_or_urls)

    def preprocess(self, images: Any, **kwargs: Any) -> BatchFeature:
        """Return `pixel_values` (rows, patch) and `image_grid_thw` (media, 3)."""
        if not self.shared:
            return self._prepare(images, **kwargs)
        from onethinker_eval.training.shared_media import distinct, share

        media, places = distinct(_flatten(images))
        tensors = {**kwargs, "return_tensors": "pt"}
        return BatchFeature(data=share(self._prepare(media, **tensors), places))

    def _prepare(self, images: Any, **kwargs: Any) -> BatchFeature:
        import torch

        media = _flatten(images)
        if not any(is_pair(item) for item in media):
            return super().preprocess(images, **{**self._sizing(media), **kwargs})
        pairs = [index for index, item in enumerate(media) if is_pair(item)]
        stills = [index for index, item in enumerate(media) if not is_pair(item)]
        made = dict(zip(pairs, self._pairs([media[index] for index in pairs]), strict=True))
        if stills:
            pictures = [media[index] for index in stills]
            tensors = {**self._sizing(pictures), **kwargs, "return_tensors": "pt"}
            images = super().preprocess(pictures, **tensors)
            parts = _by_medium(images["pixel_values"], images["image_grid_thw"])
            made |= zip(stills, parts, strict=True)
        data = {
            "pixel_values": torch.cat([made[index][0] for index in range(len(media))]),
            "image_grid_thw": torch.stack([made[index][1] for index in range(len(media))]),
        }
        return BatchFeature(data=data, tensor_type=kwargs.get("return_tensors"))

    def _sizing(self, pictures: Sequence[Any]) -> dict[str, Any]:
        """Return what leaves pictures alone that the frame rule has sized, as in evaluation.

        The stock processor would enlarge those below the model's own least size.
        """
        sides = [_sides(picture) for picture in pictures]
        sized = all(known and is_sized(*known, self) for known in sides)
        return {"do_resize": False} if sized else {}

    def _pairs(self, pairs: list[NDArray[np.uint8]]) -> list[tuple[Any, Any]]:
        import torch

        videos = [torch.from_numpy(np.ascontiguousarray(p)).permute(0, 3, 1, 2) for p in pairs]
        made = self._video_processor()(
            videos, do_resize=False, do_sample_frames=False, return_tensors="pt"
        )
        return _by_medium(made["pixel_values_videos"], made["video_grid_thw"])

    def _video_processor(self) -> Qwen3VLVideoProcessor:
        made = self.__dict__.get("_slot_video_processor")
        if made is None:
            made = Qwen3VLVideoProcessor(
                patch_size=self.patch_size,
                temporal_patch_size=self.temporal_patch_size,
                merge_size=self.merge_size,
                image_mean=self.image_mean,
                image_std=self.image_std,
                cap_pixels_per_frame=True,
            )
            self.__dict__["_slot_video_processor"] = made
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return the settings to save: those of the stock image processor."""
        saved: dict[str, Any] = super().to_dict()
        saved.pop("_slot_video_processor", None)
        saved.pop("shared", None)
        saved["image_processor_type"] = Qwen2VLImageProcessor.__name__
        return saved


def is_sized(height: int, width: int, processor: Any) -> bool:
    """Return whether a picture is made of whole tokens, as the frame rule makes it."""
    whole = processor.patch_size * processor.merge_size
    return height % whole == 0 and width % whole == 0


def _sides(picture: Any) -> tuple[int, int] | None:
    """Return height and width of an array (H, W, 3) or a PIL image, None for anything else."""
    if isinstance(picture, np.ndarray):
        return picture.shape[0], picture.shape[1]
    return (picture.height, picture.width) if hasattr(picture, "width") else None


def slot_processor(processor: Qwen3VLProcessor, *, shared: bool = False) -> Qwen3VLProcessor:
    """Return a processor like `processor` whose image path also takes frame pairs.

    With `shared` it prepares a medium that is given several times once.
    """
    settings = processor.image_processor.to_dict()
    settings.pop("image_processor_type", None)
    images = SlotImageProcessor(**settings)
    images.shared = shared
    return Qwen3VLProcessor(
        image_processor=images,
        tokenizer=processor.tokenizer,
        video_processor=processor.video_processor,
        chat_template=processor.chat_template,
    )


def _by_medium(rows: Any, grids: Any) -> list[tuple[Any, Any]]:
    sizes = grids.prod(dim=1).tolist()
    return list(zip(rows.split(sizes), grids, strict=True))


def media_runs(ids: Sequence[int], wanted: int) -> list[tuple[int, int]]:
    """Return first and one-past-last place of each run of `wanted`, the placeholder of a medium.

    >>> media_runs([1, 7, 7, 2, 7], 7)
    [(1, 3), (4, 5)]
    """
    edges = np.diff(np.concatenate([[0], np.asarray(ids) == wanted, [0]]).astype(np.int8))
    starts, ends = (np.flatnonzero(edges == sign).tolist() for sign in (1, -1))
    return list(zip(starts, ends, strict=True))


def is_pair(item: Any) -> bool:
    """Return whether a medium is a slot of a video: two frames, (2, H, W, 3)."""
    return isinstance(item, np.ndarray) and item.ndim == 4 and item.shape[0] == FRAMES_PER_SLOT


def _flatten(images: Any) -> list[Any]:
    if isinstance(images, (list, tuple)):
        return [leaf for item in images for leaf in _flatten(item)]
    return [images]
