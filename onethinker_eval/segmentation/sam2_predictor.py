"""SAM2's video predictor, fed with arrays and sparing of its image encoder.

The package reads frames from a folder of JPEG files and remembers the encoding of the last frame
only. Here frames come from memory, resized as the package resizes them, and encodings are kept as
far as a budget of bytes allows, so that a second expression about a video, and the pass back to
its beginning, encode nothing again. What is computed from them is the package's own code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from sam2 import sam2_video_predictor
from sam2.sam2_video_predictor import SAM2VideoPredictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ArrayFrames", "ArrayPredictor", "Encodings"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ArrayFrames:
    """Frames (T, H, W, 3 uint8) as normalised tensors (3, S, S), made when asked for."""

    def __init__(self, frames: NDArray[np.uint8], size: int) -> None:
        """Show `frames` at `size` × `size` pixels."""
        self._frames, self._size = frames, size

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Any:
        # The package resizes with PIL's default filter, before it normalises.
        small = Image.fromarray(self._frames[index]).resize((self._size, self._size))
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255.0
        mean, std = (torch.tensor(each)[:, None, None] for each in (_MEAN, _STD))
        return (pixels - mean) / std


class Encodings:
    """What the image encoder made of some frames, up to `budget` bytes; position codes are shared.

    `batch` frames are encoded at once.
    """

    def __init__(self, batch: int, budget: int) -> None:
        """Keep nothing yet."""
        self.batch, self.budget = batch, budget
        self.encoded = 0
        self._known: dict[int, list[Any]] = {}
        self._positions: list[Any] = []
        self._used = 0

    def get(self, index: int) -> tuple[list[Any], list[Any]] | None:
        """Return (feature maps, position codes) of a frame, or None."""
        maps = self._known.get(index)
        return None if maps is None else (maps, self._positions)

    def wanted(self, index: int, total: int) -> list[int]:
        """Return the frames to encode together with `index`: its block, without known ones."""
        start = index - index % self.batch
        block = range(start, min(start + self.batch, total))
        others = [n for n in block if n != index and n not in self._known]
        return [index, *others] if self._used < self.budget else [index]

    def put(self, indices: Sequence[int], output: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        """Keep the encoder's output for `indices`, and return that of the first of them."""
        self.encoded += len(indices)
        self._positions = [each[:1] for each in output["vision_pos_enc"]]
        first: list[Any] = []
        for place, index in enumerate(indices):
            maps = [each[place : place + 1].clone() for each in output["backbone_fpn"]]
            first = first or maps
            size = sum(each.numel() * each.element_size() for each in maps)
            if self._used + size <= self.budget:
                self._known[index] = maps
                self._used += size
        return first, self._positions

    def shrink(self) -> bool:
        """Halve batch and budget and forget everything; False when nothing is left to halve."""
        if self.batch == 1 and self.budget == 0:
            return False
        self.budget = self.budget // 2 if self.batch > 1 else 0
        self.batch = max(1, self.batch // 2)
        self._known, self._used = {}, 0
        return True


class ArrayPredictor(SAM2VideoPredictor):  # type: ignore[misc]  # the package has no types
    """The package's predictor on frames in memory; build it through hydra like the original."""

    def start(self, frames: NDArray[np.uint8], encodings: Encodings) -> dict[str, Any]:
        """Return a fresh inference state for `frames` (T, H, W, 3 uint8)."""
        # The fields of `init_state`, which would read a folder of JPEG files.
        return {
            "images": ArrayFrames(frames, self.image_size),
            "num_frames": len(frames),
            "offload_video_to_cpu": False,
            "offload_state_to_cpu": False,
            "video_height": frames.shape[1],
            "video_width": frames.shape[2],
            "device": self.device,
            "storage_device": self.device,
            "point_inputs_per_obj": {},
            "mask_inputs_per_obj": {},
            "cached_features": {},
            "constants": {},
            "obj_id_to_idx": OrderedDict(),
            "obj_idx_to_id": OrderedDict(),
            "obj_ids": [],
            "output_dict_per_obj": {},
            "temp_output_dict_per_obj": {},
            "frames_tracked_per_obj": {},
            "encodings": encodings,
        }

    def _get_image_feature(
        self, inference_state: dict[str, Any], frame_idx: int, batch_size: int
    ) -> Any:
        encodings: Encodings | None = inference_state.get("encodings")
        if encodings is not None and frame_idx not in inference_state["cached_features"]:
            found = encodings.get(frame_idx) or self._encode(inference_state, frame_idx)
            output = {"backbone_fpn": found[0], "vision_pos_enc": found[1]}
            # The image itself is passed along by the original and read by nothing.
            blank = torch.empty((1, 3, 1, 1), device=self.device)
            inference_state["cached_features"] = {frame_idx: (blank, output)}
        return super()._get_image_feature(inference_state, frame_idx, batch_size)

    def _encode(self, state: dict[str, Any], index: int) -> tuple[list[Any], list[Any]]:
        indices = state["encodings"].wanted(index, state["num_frames"])
        batch = torch.stack([state["images"][each] for each in indices]).to(self.device)
        found: tuple[list[Any], list[Any]] = state["encodings"].put(
            indices, self.forward_image(batch)
        )
        return found


def _without_bar(order: Iterable[Any], **options: Any) -> Iterable[Any]:
    return order


def fill_holes(scores: Any, max_area: int) -> Any:
    """Set background parts of up to `max_area` pixels to 0.1, as the package's GPU kernel does.

    `scores` are (N, 1, H, W) mask logits; parts are 8-connected.
    """
    import cv2

    planes = (scores <= 0).to(torch.uint8).cpu().numpy()
    holes = np.zeros(planes.shape, dtype=np.bool_)
    for number, plane in enumerate(planes[:, 0]):
        _, labels, stats, _ = cv2.connectedComponentsWithStats(plane, connectivity=8)
        small = stats[:, cv2.CC_STAT_AREA] <= max_area
        small[0] = False
        holes[number, 0] = small[labels]
    return torch.where(torch.from_numpy(holes).to(scores.device), 0.1, scores)


def _without_kernel() -> bool:
    """Tell whether the package was built without its GPU kernel, as from PyPI without nvcc."""
    import importlib.util

    return importlib.util.find_spec("sam2._C") is None


sam2_video_predictor.tqdm = _without_bar  # its bars know no switch
if _without_kernel():
    sam2_video_predictor.fill_holes_in_mask_scores = fill_holes
