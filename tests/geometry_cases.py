"""Masks, boxes, spans and tracks made from a seed, the same on every machine.

Only `random.Random.random` (specified to the bit) and whole-number arithmetic are used, so that
numbers obtained once from another evaluator stay comparable. `digest` proves it.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

SMALL_MASKS = range(2600)
FRAME_MASKS = range(10_000, 10_060)  # 480×854 and the like
HUGE_MASKS = range(20_000, 20_006)  # 4K


def digest(arrays: Iterable[Mask]) -> str:
    """SHA-256 over shapes and pixels of masks."""
    state = hashlib.sha256()
    for array in arrays:
        state.update(repr(array.shape).encode() + np.packbits(array).tobytes())
    return state.hexdigest()


def whole(rng: random.Random, low: int, high: int) -> int:
    """A whole number in low..high."""
    return low + int(rng.random() * (high - low + 1))


def _ellipse(rng: random.Random, height: int, width: int) -> Mask:
    y, x = np.ogrid[:height, :width]
    cy, cx = whole(rng, -height // 8, height + height // 8), whole(rng, -width // 8, width)
    ry, rx = whole(rng, 1, max(1, height // 2)), whole(rng, 1, max(1, width // 2))
    return ((y - cy) * rx) ** 2 + ((x - cx) * ry) ** 2 <= (rx * ry) ** 2


def _rectangle(rng: random.Random, height: int, width: int) -> Mask:
    mask = np.zeros((height, width), dtype=bool)
    y, x = whole(rng, -3, height), whole(rng, -3, width)
    bottom, right = y + whole(rng, 1, height), x + whole(rng, 1, width)
    mask[max(y, 0) : max(bottom, 0), max(x, 0) : max(right, 0)] = True
    return mask


def _pixel(rng: random.Random, height: int, width: int) -> Mask:
    mask = np.zeros((height, width), dtype=bool)
    mask[whole(rng, 0, height - 1), whole(rng, 0, width - 1)] = True
    return mask


def _corner(rng: random.Random, height: int, width: int) -> Mask:
    mask = np.zeros((height, width), dtype=bool)
    mask[-whole(rng, 0, 1), -whole(rng, 0, 1)] = True
    return mask


def _noise(rng: random.Random, height: int, width: int) -> Mask:
    step = max(1, height * width // 4000)  # coarse noise on large images
    flat = [rng.random() < 0.5 for _ in range(-(-height * width // step))]
    return np.repeat(np.array(flat), step)[: height * width].reshape(height, width)


def _stripes(rng: random.Random, height: int, width: int) -> Mask:
    y, x = np.ogrid[:height, :width]
    return (y * whole(rng, 0, 2) + x * whole(rng, 0, 2)) % whole(rng, 2, 5) == 0


def _line(rng: random.Random, height: int, width: int) -> Mask:
    mask = np.zeros((height, width), dtype=bool)
    if rng.random() < 0.5:
        mask[whole(rng, 0, height - 1), :] = True
    else:
        mask[:, whole(rng, 0, width - 1)] = True
    return mask


def _blobs(rng: random.Random, height: int, width: int) -> Mask:
    mask = _ellipse(rng, height, width)
    for _ in range(whole(rng, 1, 3)):
        mask = mask ^ _ellipse(rng, height, width)
    return mask


_SHAPES: tuple[Callable[[random.Random, int, int], Mask], ...] = (
    _ellipse,
    _ellipse,
    _rectangle,
    _blobs,
    _blobs,
    _pixel,
    _corner,
    _noise,
    _stripes,
    _line,
    lambda rng, height, width: np.zeros((height, width), dtype=bool),
    lambda rng, height, width: np.ones((height, width), dtype=bool),
    lambda rng, height, width: ~_ellipse(rng, height, width),
)


def _shift(mask: Mask, dy: int, dx: int) -> Mask:
    """The mask moved by (dy, dx); what leaves the image is lost."""
    out = np.zeros_like(mask)
    height, width = mask.shape
    out[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = mask[
        max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)
    ]
    return out


def _size(rng: random.Random, seed: int) -> tuple[int, int]:
    if seed in HUGE_MASKS:
        return 2160, 3840
    if seed in FRAME_MASKS:
        return ((480, 854), (854, 480), (360, 640), (720, 1280))[whole(rng, 0, 3)]
    if rng.random() < 0.15:
        return whole(rng, 1, 3), whole(rng, 1, 40)
    return whole(rng, 1, 48), whole(rng, 1, 72)


def mask_pair(seed: int) -> tuple[Mask, Mask, Mask | None]:
    """Prediction, truth and, for one seed in four, void pixels."""
    rng = random.Random(seed)
    height, width = _size(rng, seed)

    def draw() -> Mask:
        return _SHAPES[whole(rng, 0, len(_SHAPES) - 1)](rng, height, width)

    truth = draw()
    way = rng.random()
    if way < 0.45:
        reach = 3 + max(height, width) // 60
        dy = max(-height + 1, min(height - 1, whole(rng, -reach, reach)))
        dx = max(-width + 1, min(width - 1, whole(rng, -reach, reach)))
        pred = _shift(truth, dy, dx)
    elif way < 0.5:
        pred = truth.copy()
    else:
        pred = draw()
    void = draw() if seed % 4 == 3 else None
    return pred, truth, void


def number(rng: random.Random) -> float:
    """A coordinate in 0..1000, whole or with a fraction."""
    return float(whole(rng, 0, 1000)) if rng.random() < 0.5 else 1000.0 * rng.random()


def box(rng: random.Random) -> Box:
    """A box with corners anywhere: one in eight is reversed or empty."""
    x, y = number(rng), number(rng)
    w, h = number(rng) * rng.random(), number(rng) * rng.random()
    if rng.random() < 0.06:
        w = -w
    if rng.random() < 0.06:
        h = 0.0
    return x, y, x + w, y + h


def near(rng: random.Random, other: Box, noise: float = 60.0) -> Box:
    """A box whose corners lie around another's."""
    x1, y1, x2, y2 = (v + noise * (rng.random() - 0.5) for v in other)
    return x1, y1, x2, y2


_ODD_BOXES: tuple[Box, ...] = (
    (0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0, 1000.0, 1000.0),
    (10.0, 10.0, 0.0, 0.0),
    (0.0, 0.0, 1e-7, 1e-7),
    (-5.0, -5.0, 5.0, 5.0),
    (math.nan, 0.0, 10.0, 10.0),
    (0.0, 0.0, math.nan, 10.0),
    (0.0, 0.0, math.inf, 10.0),
    (-math.inf, 0.0, 10.0, 10.0),
    (0.0, 0.0, 1e200, 1e200),
    (5.0, 5.0, 5.0, 9.0),
    (1e-320, 0.0, 1.0, 1.0),
)


def box_pairs(seed: int = 11, count: int = 4000) -> list[tuple[Box, Box]]:
    """Pairs of boxes: random, near, equal, touching, and every odd one with ordinary ones.

    The second box is always finite, as a benchmark's truth is.
    """
    rng = random.Random(seed)
    pairs: list[tuple[Box, Box]] = []
    for _ in range(count):
        truth = box(rng)
        way = rng.random()
        if way < 0.5:
            pred = near(rng, truth)
        elif way < 0.6:
            pred = truth
        elif way < 0.65:
            pred = (truth[2], truth[1], truth[2] + 10.0, truth[3])
        elif way < 0.75:
            pred = _ODD_BOXES[whole(rng, 0, len(_ODD_BOXES) - 1)]
        else:
            pred = box(rng)
        pairs.append((pred, truth))
    finite = [odd for odd in _ODD_BOXES if all(map(math.isfinite, odd))]
    pairs += [(pred, truth) for pred in _ODD_BOXES for truth in finite]
    return pairs


def span_pairs(seed: int = 12, count: int = 4000) -> list[tuple[tuple[float, ...], ...]]:
    """Pairs of spans in seconds, cut from `box_pairs` so that the same oddities occur."""
    return [((p[0], p[2]), (t[0], t[2])) for p, t in box_pairs(seed, count)]


def track_pair(seed: int) -> tuple[dict[str, Box], dict[str, Box]]:
    """Predicted and true track over seconds 1..32 with gaps, extras and reversed boxes."""
    rng = random.Random(seed)
    start, length = whole(rng, 1, 9), whole(rng, 1, 24)
    truth = {str(k): box(rng) for k in range(start, start + length)}
    late, early = whole(rng, -4, 4), whole(rng, -4, 4)
    pred = {}
    for k in range(start + late, start + length + early):
        if rng.random() < 0.9:
            other = truth.get(str(k))
            pred[str(k)] = box(rng) if other is None else near(rng, other)
    return pred, truth


def point_sets(seed: int, n: int, m: int) -> tuple[list[list[float]], list[list[float]]]:
    """n and m points; half the time the second are the first, moved and shuffled."""
    rng = random.Random(seed)
    first = [[number(rng), number(rng)] for _ in range(n)]
    if rng.random() < 0.5 and n:
        second = [
            [v + 90.0 * (rng.random() - 0.5) for v in first[(k * 7 + 1) % n]] for k in range(m)
        ]
    else:
        second = [[number(rng), number(rng)] for _ in range(m)]
    return first, second


def got10k_sequence(
    seed: int, tracker: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int], tuple[int, int]]:
    """Predicted and true boxes (left, top, width, height) in pixels, cover values, image size.

    Coordinates are whole thousandths, so that text files keep them exactly.
    """
    rng = random.Random(seed)
    width, height = ((1920, 1080), (1280, 720), (640, 480))[whole(rng, 0, 2)]
    frames = whole(rng, 3, 40)
    x, y = whole(rng, -50, width), whole(rng, -50, height)
    w, h = whole(rng, 20, width // 2), whole(rng, 20, height // 2)
    truth, cover = [], []
    for _ in range(frames):
        truth.append([x * 1000, y * 1000, w * 1000, h * 1000])
        cover.append(whole(rng, 0, 8))
        x, y = x + whole(rng, -15, 15), y + whole(rng, -15, 15)
        w, h = max(1, w + whole(rng, -9, 9)), max(1, h + whole(rng, -9, 9))
    noise = random.Random(seed * 31 + tracker)
    error = (0, 20_000, 80_000, 300_000)[tracker]
    pred = [[v + whole(noise, -error, error) for v in row] for row in truth]
    for row in pred:
        if noise.random() < 0.05:
            row[:] = [0, 0, 0, 0]
    return np.array(pred) / 1000.0, np.array(truth) / 1000.0, cover, (width, height)


class TubeCase(NamedTuple):
    """A tube in frame numbers: sampled frames, spans, a box for every frame the spans touch."""

    frame_count: int
    frames: list[int]
    truth_span: tuple[int, int]
    pred_span: tuple[int, int]
    truth: dict[int, Box]
    pred: dict[int, Box]


def tube_case(seed: int) -> TubeCase:
    """A 20 s video sampled at about 5 fps; boxes are never empty or reversed."""
    rng = random.Random(seed)
    frame_count = whole(rng, 100, 600)

    def span(low: int, high: int) -> tuple[int, int]:
        start = whole(rng, low, high - 2)
        return start, whole(rng, start + 1, high - 1)

    truth_span = span(0, frame_count)
    if rng.random() < 0.6:
        low, high = truth_span
        pred_span = (max(0, low + whole(rng, -30, 30)), high + whole(rng, -30, 30))
    else:
        pred_span = span(0, frame_count)
    frames = [0]  # the next frame whose time, in fifths of a second, has grown by a whole one
    for frame in range(frame_count - 1):
        if int(frames[-1] * (5 / (frame_count / 20))) < int(frame * (5 / (frame_count / 20))):
            frames.append(frame)
    truth, pred = {}, {}
    for frame in range(*truth_span):
        x, y = whole(rng, 0, 500), whole(rng, 0, 500)
        truth[frame] = (float(x), float(y), x + 100.0 + whole(rng, 0, 99), y + 100.0)
        pred[frame] = near(rng, truth[frame])
    return TubeCase(frame_count, frames, truth_span, pred_span, truth, pred)
