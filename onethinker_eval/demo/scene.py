"""A scene: bodies with shape, colour, size, motion and times of visibility, drawn exactly.

Pixels are counted from the top left; boxes in pixels are (x1, y1, x2, y2) with x2 and y2 one past
the last pixel. Times are seconds, frame i is shown at i / fps, and spans include both ends.
Bodies later in the list are in front of earlier ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.demo.shapes import Mask, Rgb, ground, painted, shape_mask

__all__ = ["Body", "Box", "Key", "Scene", "at_share", "box_of", "still", "to_1000"]

Box = tuple[int, int, int, int]
_Slices = tuple[slice, slice]
_EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class Key:
    """Where a body is at one time: centre and larger side in pixels."""

    time_s: float
    x: float
    y: float
    size: float


@dataclass(frozen=True, slots=True)
class Body:
    """One object. Between keys it moves and grows linearly; outside them it rests."""

    shape: str
    colour: str
    fill: str
    grade: str
    keys: tuple[Key, ...]
    shown_s: tuple[tuple[float, float], ...] = ((0.0, float("inf")),)
    recolour: tuple[float, str] | None = None

    @property
    def name(self) -> str:
        """Colour and shape, such as "red circle"."""
        return f"{self.colour} {self.shape}"

    def colour_at(self, time_s: float) -> str:
        """Return the colour at a time: the second one from its change on."""
        if self.recolour is not None and time_s >= self.recolour[0] - _EPSILON_S:
            return self.recolour[1]
        return self.colour

    def shown_at(self, time_s: float) -> bool:
        """Return whether it is drawn at a time (it may still be hidden or out of frame)."""
        return any(s - _EPSILON_S <= time_s <= e + _EPSILON_S for s, e in self.shown_s)

    def pose(self, time_s: float) -> tuple[float, float, float]:
        """Return centre x, centre y and size in pixels at a time."""
        before = self.keys[0]
        if time_s <= before.time_s:
            return before.x, before.y, before.size
        for after in self.keys[1:]:
            if time_s <= after.time_s:
                part = (time_s - before.time_s) / (after.time_s - before.time_s)
                return (
                    before.x + (after.x - before.x) * part,
                    before.y + (after.y - before.y) * part,
                    before.size + (after.size - before.size) * part,
                )
            before = after
        return before.x, before.y, before.size

    def box_at(self, time_s: float) -> Box:
        """Return the whole box at a time, as if nothing hid it; it may leave the frame."""
        x, y, size = self.pose(time_s)
        height, width = shape_mask(self.shape, max(4, round(size))).shape
        left, top = round(x - width / 2), round(y - height / 2)
        return left, top, left + width, top + height


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture (one frame, fps 0) or a clip of `frame_count` frames at `fps`."""

    width: int
    height: int
    fps: float
    frame_count: int
    ground: str
    ground_seed: int
    bodies: tuple[Body, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds; 0 for a picture."""
        return self.frame_count / self.fps if self.fps else 0.0

    def time_of(self, frame: int) -> float:
        """Return the time at which a frame is shown."""
        return frame / self.fps if self.fps else 0.0

    def frame_at(self, time_s: float) -> int:
        """Return the frame shown at a time."""
        return round(time_s * self.fps)

    def owner(self, frame: int = 0) -> NDArray[np.int16]:
        """Return for each pixel of a frame the position of its body, or -1, H×W."""
        owner = np.full((self.height, self.width), -1, dtype=np.int16)
        for index, _, place, part, size in self._visible(frame):
            owner[place][shape_mask(self.bodies[index].shape, size)[part]] = index
        return owner

    def image(self, frame: int = 0) -> Rgb:
        """Return the pixels of a frame (the first by default), H×W×3."""
        pixels: Rgb = ground(self.ground, self.width, self.height, self.ground_seed).copy()
        for index, colour, place, part, size in self._visible(frame):
            body = self.bodies[index]
            mask = shape_mask(body.shape, size)[part]
            pixels[place][mask] = painted(body.shape, size, colour, body.fill)[part][mask]
        return pixels

    def _visible(self, frame: int) -> Iterator[tuple[int, str, _Slices, _Slices, int]]:
        """Yield for each body in the frame: position, colour, its pixels, mask part, size."""
        time_s = self.time_of(frame)
        for index, body in enumerate(self.bodies):
            if not body.shown_at(time_s):
                continue
            left, top, right, bottom = body.box_at(time_s)
            x1, y1 = max(left, 0), max(top, 0)
            x2, y2 = min(right, self.width), min(bottom, self.height)
            if x1 >= x2 or y1 >= y2:
                continue
            size = max(4, round(body.pose(time_s)[2]))
            part = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
            place = (slice(y1, y2), slice(x1, x2))
            yield index, body.colour_at(time_s), place, part, size

    def frames(self) -> Iterator[Rgb]:
        """Yield the pixels of every frame, each H×W×3."""
        for frame in range(self.frame_count):
            yield self.image(frame)

    def mask(self, index: int, frame: int = 0) -> Mask:
        """Return the visible pixels of one body in a frame, H×W."""
        mask: Mask = self.owner(frame) == index
        return mask

    def box(self, index: int, frame: int = 0) -> Box | None:
        """Return the box of the visible pixels of one body in a frame; None when none is."""
        return box_of(self.mask(index, frame))


def box_of(mask: Mask) -> Box | None:
    """Return the extents of a mask (ends exclusive), or None when it is empty.

    >>> box_of(np.array([[False, True, True], [False, False, False]]))
    (1, 0, 3, 1)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def still(x: float, y: float, size: float) -> tuple[Key, ...]:
    """Return the keys of a body that never moves."""
    return (Key(0.0, x, y, size),)


def to_1000(box_px: Box, width: int, height: int) -> list[int]:
    """Return a pixel box in 0..1000 of each axis, rounded to integers.

    >>> to_1000((16, 0, 80, 64), 160, 128)
    [100, 0, 500, 500]
    """
    x1, y1, x2, y2 = box_px
    return [
        round(x1 * 1000 / width),
        round(y1 * 1000 / height),
        round(x2 * 1000 / width),
        round(y2 * 1000 / height),
    ]


def at_share(x: float, y: float) -> str:
    """Return the words for a place given as shares of the frame (0..1).

    >>> at_share(0.25, 0.5)
    'at [250, 500]'
    """
    return f"at [{_of_1000(x)}, {_of_1000(y)}]"


def _of_1000(share: float) -> int:
    """Return a share of the frame (0..1) as the whole number of 0..1000 nearest to it."""
    return min(1000, max(0, round(1000 * share)))
