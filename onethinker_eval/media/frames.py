"""Frame rules: which frames of a video are shown, and at what size. Arithmetic only.

Sizes are (height, width) in pixels; frame indices are 0-based. Two rules are in use:

- `fps`: `fps` frames a second, at least `min_frames`, at most `max_frames` spread evenly over the
  whole video (the authors' scripts, through qwen_vl_utils with patch size 16);
- `uniform`: `max_frames` spread evenly, or all frames rounded down to an even number if the video
  has fewer (the authors' VLMEvalKit).

The index of the i-th of n out of N frames is i·(N-1)/(n-1) rounded to the nearest, computed in
whole numbers. qwen_vl_utils computes it in 32-bit floats, whose rounding depends on the processor:
the two agree up to 50,000 frames (half an hour) and may differ by one frame beyond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any, Literal

from onethinker_eval.errors import DataError, UsageError, unknown_name

__all__ = [
    "FRAMES_PER_SLOT",
    "FrameRule",
    "fit",
    "image_size",
    "sample_indices",
    "slot_seconds",
    "video_size",
]

FRAMES_PER_SLOT = 2

_EVEN = 2
_MAX_RATIO = 200
_MAX_FRAME_TOKENS = 768
_TOTAL_TOKENS = 128000 * 0.9


@dataclass(frozen=True, slots=True)
class FrameRule:
    """How a video is sampled and how large its frames and images may be.

    Pixel limits are areas (height × width) after resizing; `factor` divides both sides of the
    result: patch size 16 times 2 patches merged. A small frame is enlarged to `min_frame_pixels`.
    """

    rule: Literal["fps", "uniform"] = "fps"
    fps: float = 2.0
    max_frames: int = 128
    min_frames: int = 4
    frame_pixels: int = 256 * 32 * 32
    image_pixels: int = 1024 * 32 * 32
    min_frame_pixels: int = 128 * 32 * 32
    min_image_pixels: int = 4 * 32 * 32
    factor: int = 32

    def __post_init__(self) -> None:
        if self.rule not in ("fps", "uniform"):
            raise UsageError(f"unknown frame rule {self.rule!r}", hint="use fps or uniform")
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "rule" and not (isinstance(value, (int, float)) and value > 0):
                raise UsageError(f"the frame rule's {item.name} must be above 0, found {value!r}")
        if self.max_frames < _EVEN:
            raise UsageError(f"max_frames must be 2 or more, found {self.max_frames}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> FrameRule:
        """Build a rule from a task file's `frames:`; an unknown key is a `UsageError`."""
        known = {item.name for item in fields(cls)}
        for key in values:
            if key not in known:
                raise unknown_name("frame rule key", key, sorted(known))
        rule = dict(values)
        usual = cls()
        floor = min(usual.min_frame_pixels, int(rule.get("frame_pixels", usual.frame_pixels)))
        rule.setdefault("min_frame_pixels", floor)
        floor = min(usual.min_image_pixels, int(rule.get("image_pixels", usual.image_pixels)))
        rule.setdefault("min_image_pixels", floor)
        return cls(**rule)

    def to_json(self) -> dict[str, Any]:
        """Return the rule as JSON values, for signatures and run manifests."""
        return asdict(self)


def sample_indices(n_frames: int, fps: float, rule: FrameRule) -> list[int]:
    """Return the indices (0-based, ascending, an even number of them) of the frames shown.

    `n_frames` is the video's length and `fps` its own frame rate. Raises `DataError` for fewer
    than 2 frames or a frame rate that is no positive number.

    >>> sample_indices(10, 5.0, FrameRule())
    [0, 3, 6, 9]
    >>> sample_indices(7, 5.0, FrameRule(rule="uniform"))
    [0, 1, 2, 4, 5, 6]
    """
    if n_frames < _EVEN:
        raise DataError(f"the video has {n_frames} frame(s), 2 are needed")
    if not (fps > 0 and math.isfinite(fps)):
        raise DataError(f"the video's frame rate is {fps!r}")
    count = _count(n_frames, fps, rule)
    steps = 2 * (count - 1)
    return [(2 * (n_frames - 1) * step + count - 1) // steps for step in range(count)]


def _count(n_frames: int, fps: float, rule: FrameRule) -> int:
    most = rule.max_frames // _EVEN * _EVEN
    if rule.rule == "uniform":
        # an odd maximum rounds half to even, as the reference does with its number of frames
        wanted = round(Fraction(rule.max_frames, _EVEN)) * _EVEN
        return wanted if n_frames >= wanted else n_frames // _EVEN * _EVEN
    least = math.ceil(rule.min_frames / _EVEN) * _EVEN
    wanted_at_fps = n_frames / fps * rule.fps
    count = min(min(max(wanted_at_fps, least), most), n_frames)
    return math.floor(count / _EVEN) * _EVEN


def slot_seconds(indices: Sequence[int], fps: float) -> list[float]:
    """Return the time of each slot: the mean time of its two frames, as Qwen3-VL has it.

    `indices` are frame numbers in the file, `fps` the file's rate. An odd last frame is doubled.

    >>> slot_seconds([0, 12, 24], fps=24.0)
    [0.25, 1.0]
    """
    frames = list(indices)
    if len(frames) % FRAMES_PER_SLOT:
        frames.append(frames[-1])
    pairs = zip(frames[::2], frames[1::2], strict=True)
    return [(first / fps + second / fps) / 2 for first, second in pairs]


def fit(height: int, width: int, *, factor: int, least: int, most: int) -> tuple[int, int]:
    """Return (height, width) divisible by `factor`, area within [least, most], shape kept.

    Raises `DataError` if one side is more than 200 times the other, as the reference refuses.

    >>> fit(480, 854, factor=32, least=131072, most=262144)
    (352, 672)
    """
    if min(height, width) < 1 or max(height, width) > _MAX_RATIO * min(height, width):
        raise DataError(f"a picture of {width}x{height} pixels is too narrow or empty")
    tall = max(factor, round(height / factor) * factor)
    wide = max(factor, round(width / factor) * factor)
    if tall * wide > most:
        scale = math.sqrt((height * width) / most)
        tall = math.floor(height / scale / factor) * factor
        wide = math.floor(width / scale / factor) * factor
    elif tall * wide < least:
        scale = math.sqrt(least / (height * width))
        tall = math.ceil(height * scale / factor) * factor
        wide = math.ceil(width * scale / factor) * factor
    return max(factor, tall), max(factor, wide)


def image_size(height: int, width: int, rule: FrameRule) -> tuple[int, int]:
    """Return the (height, width) an image is shown at."""
    return fit(
        height, width, factor=rule.factor, least=rule.min_image_pixels, most=rule.image_pixels
    )


def video_size(height: int, width: int, count: int, rule: FrameRule) -> tuple[int, int]:
    """Return the (height, width) the `count` frames of a video are shown at.

    Beside `frame_pixels`, the reference's caps hold: 768 tokens a frame, 115,200 over all pairs.
    """
    token = rule.factor**2
    cap = min(_MAX_FRAME_TOKENS * token, _TOTAL_TOKENS * token / count * _EVEN)
    most = min(float(rule.frame_pixels), max(cap, int(rule.min_frame_pixels * 1.05)))
    return fit(height, width, factor=rule.factor, least=rule.min_frame_pixels, most=int(most))
