"""A segmenter without weights: GrabCut on the prompted frame, optical flow to the other frames.

Colour models of inside and outside are fitted from the box and the points (GrabCut, Rother et al.
2004, OpenCV). A model's box is seldom right to the pixel, so what is just outside of it may belong
to the object too. On a video the mask is carried to the next frame by dense optical flow and its
edge is cut anew; it goes forward to the end, then backward from the same frame. An object whose
colours are no longer met where it should be is taken to be gone.

It is good on plain shapes and fair on photographs: its numbers say nothing about SAM2's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onethinker_eval.segmentation.prompts import PixelPrompt
    from onethinker_eval.segmentation.segmenter import Prompting

__all__ = ["GrabCut"]

VERSION = 2
_ROUNDS = 5
_RING = 0.12  # of the shorter side of a box: how far outside of it the object may reach
_LONGEST = 640  # pixels of a window's longer side; a larger one is cut at this size
_BINS = 16
_KEPT_BYTES = 256 << 20  # of optical flow, for the next expression about the same video
_LEAST_FOR_DIS = 64  # pixels; DIS needs some room for its pyramid
_LEAST_ALIKE = 0.35


def _opencv() -> Any:
    import cv2  # loaded late, and its stubs miss half of what is used here

    return cv2


class GrabCut:
    """The embedded segmenter `grabcut`; the same input gives the same masks."""

    label = "grabcut"
    identity = f"grabcut {VERSION}"
    promptings: tuple[Prompting, ...] = ("paper",)

    def open(self, frames: NDArray[np.uint8], *, video: bool) -> _Session:
        """Prepare `frames`, uint8 (T, H, W, 3) RGB."""
        return _Session(frames)


class _Session:
    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self._frames = frames
        self._flows: dict[tuple[int, int], NDArray[np.float32]] = {}

    def masks(
        self, prompt: PixelPrompt, prompting: Prompting
    ) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Yield the mask of the prompted frame, of those after it, then of those before it."""
        start = segment(self._frames[prompt.frame], prompt)
        yield prompt.frame, start
        look = _Look(self._frames[prompt.frame], start)
        last = len(self._frames) - 1
        for order in (range(prompt.frame, last), range(prompt.frame, 0, -1)):
            mask = start
            for index in order:
                following = index + (order.step or 1)
                mask = self._carry(mask, index, following, look)
                yield following, mask

    def _carry(
        self, mask: NDArray[np.bool_], index: int, following: int, look: _Look
    ) -> NDArray[np.bool_]:
        if not mask.any():
            return mask
        moved = _warp(mask, self._flow(following, index))
        if not moved.any():
            return moved
        frame = self._frames[following]
        refined = _refine(frame, moved)
        return refined if look.alike(frame, refined) else np.zeros_like(mask)

    def _flow(self, frm: int, to: int) -> NDArray[np.float32]:
        """Return where each pixel of frame `frm` stands in frame `to`; kept for other prompts."""
        known = self._flows.get((frm, to))
        if known is None:
            known = _optical_flow(self._frames[frm], self._frames[to])
            if (len(self._flows) + 1) * known.nbytes <= _KEPT_BYTES:
                self._flows[frm, to] = known
        return known


def segment(frame: NDArray[np.uint8], prompt: PixelPrompt) -> NDArray[np.bool_]:
    """Return the mask (H, W) of what box and points mark in `frame` (H, W, 3 uint8)."""
    cv2 = _opencv()

    height, width = frame.shape[:2]
    seeds = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    box = _room(prompt, width, height)
    x1, y1, x2, y2 = box
    side = min(x2 - x1, y2 - y1)
    ring = max(1, round(_RING * side))
    seeds[max(0, y1 - ring) : y2 + ring, max(0, x1 - ring) : x2 + ring] = cv2.GC_PR_BGD
    seeds[y1:y2, x1:x2] = cv2.GC_PR_FGD if prompt.box_px is not None else cv2.GC_PR_BGD
    radius = max(1, round(0.02 * side))
    for points, value in (
        (prompt.positive_px, cv2.GC_FGD),
        (prompt.negative_px, cv2.GC_BGD),
    ):
        for x, y in points:
            at = (min(x, width - 1), min(y, height - 1))
            cv2.circle(seeds, at, radius, int(value), thickness=-1)
    found = _cut(frame, seeds, box, _ROUNDS)
    if not found.any():
        found = (seeds == cv2.GC_PR_FGD) | (seeds == cv2.GC_FGD)
    return _marked_parts(found, prompt.positive_px)


def _room(prompt: PixelPrompt, width: int, height: int) -> tuple[int, int, int, int]:
    """Return where the object may be: the box, of one pixel at least, or the whole picture."""
    if prompt.box_px is None:
        return 0, 0, width, height
    x1, y1, x2, y2 = prompt.box_px
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _cut(
    frame: NDArray[np.uint8], seeds: NDArray[np.uint8], box: tuple[int, int, int, int], rounds: int
) -> NDArray[np.bool_]:
    """Run GrabCut on the window around `box` and return the foreground of the whole picture."""
    cv2 = _opencv()

    height, width = seeds.shape
    x1, y1, x2, y2 = box
    margin = max(12, (x2 - x1) // 3, (y2 - y1) // 3)
    top, bottom = max(0, y1 - margin), min(height, y2 + margin)
    left, right = max(0, x1 - margin), min(width, x2 + margin)
    window, marks = frame[top:bottom, left:right], seeds[top:bottom, left:right]
    size = (right - left, bottom - top)
    scale = _LONGEST / max(size)
    if scale < 1:
        small = (max(2, round(size[0] * scale)), max(2, round(size[1] * scale)))
        window = cv2.resize(window, small, interpolation=cv2.INTER_AREA)
        marks = cv2.resize(marks, small, interpolation=cv2.INTER_NEAREST)
    cut = _grabcut(np.ascontiguousarray(window), np.ascontiguousarray(marks), rounds)
    if scale < 1:
        cut = cv2.resize(cut, size, interpolation=cv2.INTER_LINEAR) > 0.5
    found = np.zeros((height, width), dtype=np.bool_)
    found[top:bottom, left:right] = cut > 0.5
    return found


def _grabcut(window: Any, marks: Any, rounds: int) -> Any:
    """Return the foreground of a window as float32 0 or 1."""
    cv2 = _opencv()

    probable = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    if not probable.any() or probable.all():
        return probable.astype(np.float32)  # one of the two models would have nothing to learn from
    models = np.zeros((2, 1, 65))
    cv2.setRNGSeed(0)  # the models start from k-means with random centres
    cv2.grabCut(window, marks, None, models[0], models[1], rounds, mode=cv2.GC_INIT_WITH_MASK)
    inside = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    return inside.astype(np.float32)


def _marked_parts(mask: NDArray[np.bool_], points: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Keep the parts that hold a positive point, and large ones; all if no part holds one."""
    cv2 = _opencv()

    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 2:
        return mask
    height, width = mask.shape
    marked = {int(labels[min(y, height - 1), min(x, width - 1)]) for x, y in points} - {0}
    areas = stats[:, cv2.CC_STAT_AREA]
    least = 0.2 * areas[1:].max()
    kept = [n for n in range(1, count) if n in marked or areas[n] >= least]
    return np.isin(labels, kept)


def _optical_flow(frame: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the displacement (H, W, 2; x then y, pixels) from `frame` to `other`."""
    cv2 = _opencv()

    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (frame, other)]
    height, width = grey[0].shape
    if min(height, width) >= _LEAST_FOR_DIS:
        flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(*grey, None)
    else:
        flow = cv2.calcOpticalFlowFarneback(*grey, None, 0.5, 3, 9, 3, 5, 1.1, 0)
    found: NDArray[np.float32] = flow
    return found


def _warp(mask: NDArray[np.bool_], flow: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return `mask` as seen from the frame that `flow` starts at."""
    cv2 = _opencv()

    height, width = mask.shape
    across = flow[..., 0] + np.arange(width, dtype=np.float32)
    down = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    moved = cv2.remap(
        mask.astype(np.float32), across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    found: NDArray[np.bool_] = moved > 0.5
    return found


def _refine(frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cut the edge of `mask` anew, within a ring whose width follows the object's size."""
    cv2 = _opencv()

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    ring = max(2, round(0.08 * min(box[2] - box[0], box[3] - box[1])))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ring + 1, 2 * ring + 1))
    plane = mask.astype(np.uint8)
    outer, inner = cv2.dilate(plane, kernel), cv2.erode(plane, kernel)
    seeds = np.full(mask.shape, cv2.GC_BGD, dtype=np.uint8)
    seeds[outer > 0] = cv2.GC_PR_BGD
    seeds[mask] = cv2.GC_PR_FGD
    seeds[inner > 0] = cv2.GC_FGD
    reach = (box[0] - ring, box[1] - ring, box[2] + ring, box[3] + ring)
    clipped = (
        max(0, reach[0]),
        max(0, reach[1]),
        min(mask.shape[1], reach[2]),
        min(mask.shape[0], reach[3]),
    )
    found = _cut(frame, seeds, clipped, 1)
    return found if found.any() else mask


class _Look:
    """The colours of the object on the prompted frame, to notice when it is gone."""

    def __init__(self, frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
        inside, outside = _histogram(frame[mask]), _histogram(frame[~mask])
        self._inside = inside > outside

    def alike(self, frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> bool:
        """Tell whether enough pixels of `mask` have colours more typical of the object."""
        pixels = frame[mask]
        if not len(pixels):
            return False
        share = self._inside[_cells(pixels)].mean()
        return bool(share >= _LEAST_ALIKE)


def _cells(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    levels = pixels.astype(np.int64) * _BINS // 256
    cells: NDArray[np.int64] = (levels[:, 0] * _BINS + levels[:, 1]) * _BINS + levels[:, 2]
    return cells


def _histogram(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    counts = np.bincount(_cells(pixels), minlength=_BINS**3)
    found: NDArray[np.float64] = counts / max(1, len(pixels))
    return found
