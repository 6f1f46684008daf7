"""What a segmenter is: opened on the frames of one image or video, it answers prompts with masks.

Opening is where frames are encoded, so several expressions about one video share that work.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from onethinker_eval.segmentation.prompts import PixelPrompt

__all__ = ["Frames", "Mask", "Prompting", "Segmenter", "Session"]

Frames = "NDArray[np.uint8]"
Mask = "NDArray[np.bool_]"
Prompting = Literal["paper", "official"]


class Session(Protocol):
    """The frames of one image or video, ready for prompts."""

    def masks(
        self, prompt: PixelPrompt, prompting: Prompting
    ) -> Iterable[tuple[int, NDArray[np.bool_]]]:
        """Yield (frame index, (height, width) bool mask), each frame once at most, in any order."""
        ...


class Segmenter(Protocol):
    """Makes masks from boxes and points.

    `label` is the short name that stands beside every number; `identity` changes whenever the
    masks may; `promptings` are the ways of prompting that make a difference to it.
    """

    label: str
    identity: str
    promptings: tuple[Prompting, ...]

    def open(self, frames: NDArray[np.uint8], *, video: bool) -> Session:
        """Prepare `frames`, uint8 (T, H, W, 3) RGB; an image has one."""
        ...
