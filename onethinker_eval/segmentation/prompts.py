"""From an answer in 0..1000 to a prompt in pixels of one frame.

The arithmetic is that of the authors' segmentation step: a coordinate v becomes round(v·W/1000),
halves to even, clipped to 0..W (W itself included); the frame of a time t is round(t·fps),
clipped to the frames there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onethinker_eval.answers.values import SegmentationPrompt

__all__ = ["PixelPrompt", "key_frame", "to_pixels"]

_LATEST_S = 1e9
PointPx = tuple[int, int]
BoxPx = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PixelPrompt:
    """What a segmenter is given: a box, points, and the index (0-based) of the frame they are on.

    Coordinates are pixels, origin top left, 0..width and 0..height inclusive; a box may have no
    area. `box_px` is None when only points were given.
    """

    box_px: BoxPx | None
    positive_px: tuple[PointPx, ...]
    negative_px: tuple[PointPx, ...]
    frame: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the prompt as JSON values."""
        return {
            "box": None if self.box_px is None else list(self.box_px),
            "positive": [list(point) for point in self.positive_px],
            "negative": [list(point) for point in self.negative_px],
            "frame": self.frame,
        }


def key_frame(time_s: float | None, fps: float, frames: int) -> int:
    """Return the frame of a time: round(time·fps), halves to even, within 0..frames - 1.

    >>> key_frame(0.625, 4.0, 10), key_frame(99.0, 4.0, 10), key_frame(None, 4.0, 10)
    (2, 9, 0)
    """
    wanted = round(min(max(time_s or 0.0, -_LATEST_S), _LATEST_S) * fps)
    return max(0, min(wanted, frames - 1))


def to_pixels(
    prompt: SegmentationPrompt, width: int, height: int, *, fps: float = 1.0, frames: int = 1
) -> PixelPrompt:
    """Return `prompt` in pixels of a picture of `width` × `height`, on one of `frames` frames.

    >>> from onethinker_eval.answers.values import SegmentationPrompt
    >>> to_pixels(SegmentationPrompt((0, 0, 500, 1000), ((250, 5),), (), None), 100, 200)
    PixelPrompt(box_px=(0, 0, 50, 200), positive_px=((25, 1),), negative_px=(), frame=0)
    """

    def point(x: float, y: float) -> PointPx:
        return _pixel(x, width), _pixel(y, height)

    box = None
    if prompt.box_1000 is not None:
        (x1, y1), (x2, y2) = point(*prompt.box_1000[:2]), point(*prompt.box_1000[2:])
        box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    return PixelPrompt(
        box,
        tuple(point(*at) for at in prompt.positive_points),
        tuple(point(*at) for at in prompt.negative_points),
        key_frame(prompt.time_s, fps, frames),
    )


def _pixel(value: float, size: int) -> int:
    scaled = float(value * size / 1000.0)
    return int(max(0, min(size, round(max(-1e12, min(scaled, 1e12))))))
