"""The vocabulary of the scenes: shapes as exact masks, colours, fills and grounds.

Masks are H×W bool arrays without antialiasing, trimmed to their extents, so a shape's box is the
size of its array. Colours are RGB, 0..255.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLOURS",
    "CORNERS",
    "FILLS",
    "GROUNDS",
    "PERSON",
    "SHAPES",
    "Mask",
    "Rgb",
    "cornered",
    "ground",
    "painted",
    "plural_of",
    "shape_mask",
]

Mask = NDArray[np.bool_]
Rgb = NDArray[np.uint8]

SHAPES = ("circle", "square", "triangle", "diamond", "star", "cross", "heart")
PERSON = "person"
#: corners a shape shows, for questions that ask to reason about them
CORNERS = {"circle": 0, "square": 4, "triangle": 3, "diamond": 4, "star": 10, "cross": 12}
COLOURS = {
    "red": (212, 38, 38),
    "green": (40, 152, 62),
    "blue": (36, 78, 214),
    "yellow": (240, 212, 40),
    "purple": (146, 54, 182),
    "orange": (244, 132, 24),
    "cyan": (48, 196, 214),
    "white": (248, 248, 248),
}
FILLS = ("plain", "striped")
GROUNDS = ("plain", "striped", "checked", "speckled", "wavy", "tiled")
_TONES = (
    (118, 120, 126),
    (146, 140, 130),
    (104, 114, 120),
    (134, 134, 134),
    (112, 118, 104),
    (92, 96, 104),
    (150, 150, 144),
)


def cornered(corners: int) -> str:
    """Return the shapes with so many corners.

    >>> cornered(4)
    'a square or a diamond'
    """
    return " or ".join(f"a {shape}" for shape, count in CORNERS.items() if count == corners)


def plural_of(word: str) -> str:
    """Return the plural of a noun of this vocabulary."""
    if word == "person":
        return "people"
    return f"{word}es" if word.endswith("s") else f"{word}s"


def _grid(height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of the pixel centres, both -1..1 over the array."""
    y = (np.arange(height) + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    return np.meshgrid(x, y)


def _star(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    angles = np.pi * np.arange(10) / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.44)
    px, py = radii * np.cos(angles), radii * np.sin(angles)
    px, py = px / np.abs(px).max(), (py - py.min()) / (py.max() - py.min()) * 2 - 1
    inside = np.zeros(x.shape, dtype=bool)
    for a in range(10):
        b = (a + 1) % 10
        crosses = (py[a] > y) != (py[b] > y)
        edge = px[a] + (y - py[a]) / (py[b] - py[a]) * (px[b] - px[a])
        inside ^= crosses & (x < edge)
    return inside


def _heart(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    side = np.abs(x)
    lobes = ((side - 0.5) / 0.5) ** 2 + ((y + 0.45) / 0.55) ** 2 <= 1
    return lobes | ((y > -0.3) & (side <= (1 - y) / 1.3 * 0.97))


def _person(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    head = (x / 0.58) ** 2 + ((y + 0.7) / 0.3) ** 2 <= 1
    shoulders = (x**2 + ((y - 0.1) / 0.5) ** 2 <= 1) & (y <= 0.1)
    legs = (y > 0.1) & (np.abs(x) <= 1.0 - 0.35 * (y > 0.45)) & ~((y > 0.45) & (np.abs(x) < 0.1))
    return head | shoulders | legs


@lru_cache(maxsize=4096)
def shape_mask(shape: str, size: int) -> Mask:
    """Return the mask of a shape whose larger side is `size` pixels (at least 4).

    Raises ValueError for an unknown shape or a smaller size.

    >>> shape_mask("square", 5).tolist() == [[True] * 5] * 5, shape_mask("circle", 9).shape
    (True, (9, 9))
    """
    if size < 4:
        raise ValueError(f"a shape needs 4 pixels or more, got {size}")
    width = max(4, round(size * 0.5)) if shape == PERSON else size
    x, y = _grid(size, width)
    if shape == "circle":
        mask = x**2 + y**2 <= 1
    elif shape == "square":
        mask = np.ones(x.shape, dtype=bool)
    elif shape == "triangle":
        mask = np.abs(x) <= (y + 1) / 2
    elif shape == "diamond":
        mask = np.abs(x) + np.abs(y) <= 1
    elif shape == "star":
        mask = _star(x, y)
    elif shape == "cross":
        mask = (np.abs(x) <= 0.36) | (np.abs(y) <= 0.36)
    elif shape == "heart":
        mask = _heart(x, y)
    elif shape == PERSON:
        mask = _person(x, y)
    else:
        raise ValueError(f"unknown shape {shape!r}; known: {', '.join((*SHAPES, PERSON))}")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    trimmed: Mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    trimmed.flags.writeable = False
    return trimmed


@lru_cache(maxsize=4096)
def painted(shape: str, size: int, colour: str, fill: str) -> Rgb:
    """Return the pixels of a shape, H×W×3: its colour, a darker rim, darker stripes if striped."""
    mask = shape_mask(shape, size)
    base = np.array(COLOURS[colour], dtype=np.float64)
    pixels = np.broadcast_to(base, (*mask.shape, 3)).copy()
    if fill == "striped":
        period = max(6, size // 4)
        rows, columns = np.indices(mask.shape)
        pixels[(rows + columns) % period < period // 2] = base * 0.45
    solid = np.pad(mask, 1)
    inner = solid[:-2, 1:-1] & solid[2:, 1:-1] & solid[1:-1, :-2] & solid[1:-1, 2:]
    pixels[mask & ~inner] = base * 0.35
    result: Rgb = pixels.astype(np.uint8)
    result.flags.writeable = False
    return result


@lru_cache(maxsize=64)
def ground(kind: str, width: int, height: int, seed: int) -> Rgb:
    """Return a calm grey ground with a visible pattern, H×W×3, read-only.

    Raises ValueError for an unknown kind.
    """
    source = np.random.RandomState(seed % 2**32)
    tone = np.array(_TONES[source.randint(len(_TONES))], dtype=np.int64)
    y, x = np.indices((height, width))
    period = int(source.randint(10, 21))
    if kind == "plain":
        level = np.zeros((height, width), dtype=np.int64)
    elif kind == "striped":
        level = ((x if source.randint(2) else y) % period < period // 2) * 18 - 9
    elif kind == "checked":
        level = ((x // period + y // period) % 2) * 20 - 10
    elif kind == "speckled":
        coarse = source.randint(0, 4, size=(-(-height // 3), -(-width // 3)))
        level = np.kron(coarse, np.ones((3, 3), dtype=np.int64))[:height, :width] * 8 - 12
    elif kind == "wavy":
        wave = np.sin((y + period * 0.4 * np.sin(x * 6.28 / (2 * period))) * 6.28 / period)
        level = np.round(wave * 2).astype(np.int64) * 6
    elif kind == "tiled":
        shift = (y // period % 2) * period
        joint = (y % period < 2) | ((x + shift) % (2 * period) < 2)
        level = np.where(joint, 16, -4)
    else:
        raise ValueError(f"unknown ground {kind!r}; known: {', '.join(GROUNDS)}")
    pixels: Rgb = np.clip(tone + level[:, :, None], 0, 255).astype(np.uint8)
    pixels.flags.writeable = False
    return pixels
