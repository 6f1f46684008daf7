"""The frames that masks are made on: which moments of a video, and at which size.

Frame i of a video's list stands at i / fps seconds, fps being the record's. It is the first frame
of the file at or after that time, as the authors' extraction takes it. Pictures have the size the
record states, or the file's where it states none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onethinker_eval.errors import DataError
from onethinker_eval.metrics.rle import MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Place", "load", "place_of", "resized_mask"]

_MOST_BYTES = 16 << 30
_HAIR = 1e-3  # of a frame: time stamps are rounded to milliseconds or finer


@dataclass(frozen=True, slots=True)
class Place:
    """Where masks of a sample belong: its medium, frame names, rate and sizes.

    `size` is the stated (height, width), None for the file's own; `mask_size` that of the true
    masks, None if there is none. Samples of one `scene` share their frames.
    """

    path: str
    video: bool
    names: tuple[str, ...]
    fps: float
    size: tuple[int, int] | None
    mask_size: tuple[int, int] | None

    @property
    def scene(self) -> tuple[Any, ...]:
        """What decides the frames."""
        return self.path, self.video, len(self.names), self.fps, self.size


def place_of(record: Mapping[str, Any]) -> Place:
    """Return the place of a stored record; `DataError` if it lacks what segmentation needs."""
    kind = "video" if str(record["data_type"]).startswith("video") else "image"
    paths = [path for medium, path in record["media"] if medium == kind]
    if not paths:
        raise DataError(f"the record has no {kind}", field="media")
    meta = record["meta"]
    truth = meta.get("segmentation") or {}
    names = tuple(str(name) for name in truth.get("frames") or ())
    fps = float(meta.get("fps") or 0.0)
    if kind == "video":
        if not names:
            raise DataError("the record lists no frames", field="segmentation")
        if not (fps > 0 and math.isfinite(fps)):
            raise DataError("the record has no frame rate", field="fps")
    else:
        names, fps = names[:1] or ("0",), 1.0
    size = None
    if meta.get("width") and meta.get("height"):
        size = int(meta["height"]), int(meta["width"])
        if size[0] * size[1] > MAX_PIXELS:
            raise DataError(f"{size[1]}x{size[0]} pixels are too many", field="resolution")
    return Place(paths[0], kind == "video", names, fps, size, _mask_size(truth.get("rle")))


def _mask_size(masks: Any) -> tuple[int, int] | None:
    found = masks.values() if isinstance(masks, Mapping) and "size" not in masks else [masks]
    for mask in found:
        if isinstance(mask, Mapping) and mask.get("size"):
            height, width = mask["size"]
            return int(height), int(width)
    return None


def load(place: Place) -> NDArray[np.uint8]:
    """Return the frames of a place, uint8 (T, H, W, 3) RGB.

    Raises `DataError` naming the file when it is missing, broken, or ends before its last frame.
    """
    return _video(place) if place.video else _image(place)


def _image(place: Place) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    from onethinker_eval.media import images

    pixels = images.read(place.path).pixels
    if place.size is not None and pixels.shape[:2] != place.size:
        height, width = place.size
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(picture)
    return pixels[None]


def _video(place: Place) -> NDArray[np.uint8]:
    import numpy as np

    from onethinker_eval.media import video

    about = video.probe(place.path)
    height, width = place.size or (about.height, about.width)
    if len(place.names) * height * width * 3 > _MOST_BYTES:
        raise DataError(
            f"{len(place.names)} frames of {width}x{height} are too many", file=place.path
        )
    indices = _indices(place, about.n_frames, about.fps)
    frames = video.read_indices(place.path, indices).frames
    if frames.shape[1:3] == (height, width):
        return frames
    import cv2

    small = [cv2.resize(each, (width, height), interpolation=cv2.INTER_CUBIC) for each in frames]
    return np.stack(small)


def _indices(place: Place, frames: int, rate: float) -> list[int]:
    """Return the file's frame for each name; a last one just past the end is the last there is."""
    step = rate / place.fps
    wanted = [max(0, math.ceil(number * step - _HAIR)) for number in range(len(place.names))]
    if wanted[-1] >= frames + max(1, math.ceil(step)):
        raise DataError(
            f"the video has {frames} frames at {rate:.6g} per second, too few for "
            f"{len(wanted)} at {place.fps:.6g}",
            file=place.path,
            fix="fetch the video again",
        )
    return [min(index, frames - 1) for index in wanted]


def resized_mask(mask: NDArray[np.bool_], size: tuple[int, int] | None) -> NDArray[np.bool_]:
    """Return `mask` (H, W) at `size` (height, width), nearest pixel; as it is without a size."""
    if size is None or mask.shape == size:
        return mask
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(mask.astype(np.uint8)).resize(
        (size[1], size[0]), Image.Resampling.NEAREST
    )
    return np.asarray(picture) > 0
