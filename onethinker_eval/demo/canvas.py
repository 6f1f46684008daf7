"""Drawing figures: rectangles, lines, polygons, discs and letters on a pixel board, all exact.

Coordinates are pixels from the top left, ends exclusive; colours are RGB tuples 0..255.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.shapes import Mask, Rgb, painted, shape_mask

__all__ = ["BLACK", "GREY", "PAPER", "Canvas", "Colour", "Figure", "Slides", "text_width", "tinted"]

Colour = tuple[int, int, int]
BLACK: Colour = (24, 24, 28)
GREY: Colour = (190, 190, 186)
PAPER: Colour = (250, 248, 240)
_TINT = 12
_GLYPHS = {
    "0": "ehjlphe",
    "1": "4c4444e",
    "2": "eh1248v",
    "3": "v2421he",
    "4": "26aiv22",
    "5": "vgu11he",
    "6": "68guhhe",
    "7": "v124888",
    "8": "ehhehhe",
    "9": "ehhf12c",
    "A": "ehhvhhh",
    "B": "uhhuhhu",
    "C": "ehggghe",
    "D": "sihhhis",
    "E": "vgguggv",
    "F": "vgguggg",
    "G": "ehgnhhf",
    "H": "hhhvhhh",
    "I": "e44444e",
    "J": "72222ic",
    "K": "hikokih",
    "L": "ggggggv",
    "M": "hrllhhh",
    "N": "hhpljhh",
    "O": "ehhhhhe",
    "P": "uhhuggg",
    "Q": "ehhhlid",
    "R": "uhhukih",
    "S": "fgge11u",
    "T": "v444444",
    "U": "hhhhhhe",
    "V": "hhhhha4",
    "W": "hhhllla",
    "X": "hha4ahh",
    "Y": "hhha444",
    "Z": "v1248gv",
    "+": "044v440",
    "-": "000v000",
    "=": "00v0v00",
    "?": "eh12404",
    ".": "00000cc",
    "×": "0ha4ah0",
    "/": "01248g0",
    "%": "op248j3",
    ":": "0cc0cc0",
    ">": "8421248",
    "°": "6996000",
    "(": "2488842",
    ")": "8422248",
    ",": "0000c48",
    " ": "0000000",
}


def _glyph(character: str) -> Mask:
    """Return a letter as 7×5 pixels; ValueError when the alphabet lacks it."""
    rows = _GLYPHS.get(character.upper())
    if rows is None:
        raise ValueError(f"the figure alphabet has no {character!r}")
    values = np.array([int(row, 32) for row in rows])
    glyph: Mask = (values[:, None] >> np.arange(4, -1, -1) & 1).astype(bool)
    return glyph


def text_width(text: str, scale: int = 1) -> int:
    """Return the width of a line of text in pixels."""
    return (6 * len(text) - 1) * scale


def tinted(dice: Dice, colour: Colour) -> Colour:
    """Return a colour next to `colour`.

    Where only few pictures are possible, each comes on paper of its own: else those that the
    evaluation holds could not be trained on, and what they show would never be learnt.
    """
    red, green, blue = (min(255, max(0, part + dice.integer(-_TINT, _TINT))) for part in colour)
    return red, green, blue


class Canvas:
    """A board to draw on; `figure()` freezes it."""

    def __init__(self, size: tuple[int, int], colour: Colour = PAPER) -> None:
        self.width, self.height = size
        self.pixels: Rgb = np.full((self.height, self.width, 3), colour, dtype=np.uint8)

    def rectangle(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """Fill a rectangle."""
        left, right = max(0, round(x1)), max(0, round(x2))
        self.pixels[max(0, round(y1)) : max(0, round(y2)), left:right] = colour

    def frame(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        """Draw the outline of a rectangle, 2 pixels wide."""
        for a, b in (
            ((x1, y1), (x2, y1)),
            ((x2, y1), (x2, y2)),
            ((x2, y2), (x1, y2)),
            ((x1, y2), (x1, y1)),
        ):
            self.line(a, b, colour)

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: int = 2
    ) -> None:
        """Draw a straight line, `width` pixels wide."""
        steps = max(1, round(2 * max(abs(end[0] - start[0]), abs(end[1] - start[1]))))
        at = np.linspace(0, 1, steps + 1)
        x = np.round(start[0] + (end[0] - start[0]) * at - width / 2).astype(int)
        y = np.round(start[1] + (end[1] - start[1]) * at - width / 2).astype(int)
        for dx in range(width):
            for dy in range(width):
                inside = (
                    (x + dx >= 0) & (x + dx < self.width) & (y + dy >= 0) & (y + dy < self.height)
                )
                self.pixels[y[inside] + dy, x[inside] + dx] = colour

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon (even-odd rule)."""
        y, x = np.indices((self.height, self.width)) + 0.5
        inside = np.zeros((self.height, self.width), dtype=bool)
        for (ax, ay), (bx, by) in zip(points, [*points[1:], points[0]], strict=True):
            if ay != by:
                crosses = (ay > y) != (by > y)
                inside ^= crosses & (x < ax + (y - ay) / (by - ay) * (bx - ax))
        self.pixels[inside] = colour

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        rows, columns = np.indices((self.height, self.width)) + 0.5
        self.pixels[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = colour

    def text(self, x: float, y: float, text: str, colour: Colour = BLACK, scale: int = 1) -> None:
        """Write one line centred at x, y; ValueError for a letter the alphabet lacks."""
        left = round(x - text_width(text, scale) / 2)
        top = round(y - 7 * scale / 2)
        for at, character in enumerate(text):
            glyph = np.kron(_glyph(character), np.ones((scale, scale), dtype=bool)).astype(bool)
            self._stamp(glyph, left + 6 * scale * at, top, colour)

    def shape(self, shape: str, x: float, y: float, size: int, colour: str) -> None:
        """Draw a shape of the scenes' vocabulary centred at x, y."""
        mask = shape_mask(shape, size)
        left, top = round(x - mask.shape[1] / 2), round(y - mask.shape[0] / 2)
        part = self.pixels[top : top + mask.shape[0], left : left + mask.shape[1]]
        part[mask] = painted(shape, size, colour, "plain")[mask]

    def _stamp(self, mask: Mask, left: int, top: int, colour: Colour) -> None:
        rows, columns = np.nonzero(mask)
        rows, columns = rows + top, columns + left
        inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        self.pixels[rows[inside], columns[inside]] = colour

    def figure(self) -> Figure:
        """Return what is drawn so far as a picture."""
        return Figure(self.pixels.copy())


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A finished picture, H×W×3."""

    pixels: Rgb

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def fps(self) -> float:
        """Frames a second: a picture has none."""
        return 0.0

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return 1

    def image(self) -> Rgb:
        """Return the pixels, H×W×3."""
        return self.pixels

    def frames(self) -> Iterator[Rgb]:
        """Yield the pixels once."""
        yield self.pixels


@dataclass(frozen=True, slots=True)
class Slides:
    """A clip that shows one figure after the other, each for `seconds_each` seconds."""

    cards: tuple[Figure, ...]
    seconds_each: int
    fps: float

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.cards[0].width

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.cards[0].height

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return round(len(self.cards) * self.seconds_each * self.fps)

    def image(self) -> Rgb:
        """Return the first card, H×W×3."""
        return self.cards[0].pixels

    def frames(self) -> Iterator[Rgb]:
        """Yield each frame, H×W×3."""
        each = round(self.seconds_each * self.fps)
        for card in self.cards:
            for _ in range(each):
                yield card.pixels
