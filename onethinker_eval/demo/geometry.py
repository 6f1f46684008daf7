"""Figures to calculate with: areas, perimeters and angles, with the numbers drawn on them.

Each problem comes in the five versions of MathVerse: the less the text says, the more the figure
has to be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from onethinker_eval.demo.canvas import BLACK, PAPER, Canvas, Figure, tinted
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.steps import at_pixel

__all__ = ["VERSIONS", "Problem", "problem"]

VERSIONS = (
    "Text Dominant",
    "Text Lite",
    "Vision Intensive",
    "Vision Dominant",
    "Vision Only",
)
_FILL = (206, 222, 246)
_TOP = 9
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question on a figure: what is given, what is asked, the answer and the way to it.

    `numbers` names the given numbers without saying what the figure is; `hint` says how to write
    the answer; `short` is the question in capitals for drawing; `answer` is a number or LaTeX;
    `wrong` are other values for multiple choice. The way to the answer begins with the numbers:
    `known` where the text says them, `read` off the labels of the figure where it does not.
    """

    subject: str
    given: str
    numbers: str
    asked: str
    noun: str
    hint: str
    short: str
    answer: str
    wrong: tuple[str, ...]
    read: str
    known: str
    way: str
    labelled: Figure
    bare: Figure
    with_question: Figure

    def version(self, name: str) -> tuple[str, Figure]:
        """Return text and figure of one of `VERSIONS`; ValueError for another name."""
        full, blind = f"{self.asked} of the {self.noun}?", f"{self.asked}?"
        texts = {
            "Text Dominant": (f"{self.given} {full}", self.bare),
            "Text Lite": (f"Given {self.numbers}. {full}", self.bare),
            "Vision Intensive": (f"Given {self.numbers}. {blind}", self.bare),
            "Vision Dominant": (blind, self.labelled),
            "Vision Only": ("Solve the problem in the picture.", self.with_question),
        }
        if name in texts:
            text, figure = texts[name]
            return f"{text} {self.hint}".rstrip(), figure
        raise ValueError(f"unknown version {name!r}; known: {', '.join(VERSIONS)}")

    def thinking(self, name: str) -> str:
        """Return the way to the answer in one of `VERSIONS`."""
        figure = self.version(name)[1]
        steps = [self.known if figure is self.bare else self.read, self.way]
        if figure is self.with_question:
            size = figure.width, figure.height
            steps.insert(0, f"The words {at_pixel(size[0] / 2, _TOP, size)} are {self.short}")
        return " ".join(steps)


Draw = Callable[[Canvas, bool], None]


def _figures(
    dice: Dice, size: tuple[int, int], draw: Draw, short: str
) -> tuple[Figure, Figure, Figure]:
    """Return the figure with labels, without, and with labels and the question."""
    result, paper = [], tinted(dice.fork("paper"), PAPER)
    for labels, question in ((True, False), (False, False), (True, True)):
        canvas = Canvas(size, paper)
        draw(canvas, labels)
        if question:
            canvas.text(size[0] / 2, _TOP, short)
        result.append(canvas.figure())
    return result[0], result[1], result[2]


def _filled(canvas: Canvas, points: list[Point]) -> None:
    canvas.polygon(points, _FILL)
    for start, end in zip(points, [*points[1:], points[0]], strict=True):
        canvas.line(start, end, BLACK)


def _near(value: int) -> tuple[str, ...]:
    return tuple(str(v) for v in (value + 2, value + 4, value - 1, value + 6) if v > 0)


def _rectangle(dice: Dice, size: tuple[int, int]) -> Problem:
    w, h = dice.integer(4, 9), dice.integer(2, 6)
    unit = min((size[0] - 50) / w, (size[1] - 56) / h)
    cx, cy = size[0] / 2 - 6, size[1] / 2 + 4
    x1, x2, y1, y2 = cx - w * unit / 2, cx + w * unit / 2, cy - h * unit / 2, cy + h * unit / 2
    below, beside = (cx, y2 + 12), (x2 + 14, cy)

    def draw(canvas: Canvas, labels: bool) -> None:
        _filled(canvas, [(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
        if labels:
            canvas.text(*below, str(w), scale=2)
            canvas.text(*beside, str(h), scale=2)

    given = f"A rectangle is {w} long and {h} wide."
    if dice.chance(0.5):
        answer = w * h
        asked, short, way = "What is the area", "AREA = ?", f"{w} × {h} = {answer}."
    else:
        answer = 2 * (w + h)
        asked, short = "What is the perimeter", "PERIMETER = ?"
        way = f"{w} + {h} = {w + h}. 2 × {w + h} = {answer}."
    read = (
        f"The rectangle is {at_pixel(cx, cy, size)}. "
        f"The side {at_pixel(*below, size)} is {w}. The side {at_pixel(*beside, size)} is {h}."
    )
    return Problem(
        "plane geometry",
        given,
        f"sides of {w} and {h}",
        asked,
        "rectangle",
        "",
        short,
        str(answer),
        _near(answer),
        read,
        f"The sides are {w} and {h}.",
        way,
        *_figures(dice, size, draw, short),
    )


def _triangle(dice: Dice, size: tuple[int, int]) -> Problem:
    base, height = 2 * dice.integer(2, 4), dice.integer(2, 6)
    unit = min((size[0] - 50) / base, (size[1] - 56) / height)
    cx, cy = size[0] / 2 - 4, size[1] / 2 + 4
    x1, x2 = cx - base * unit / 2, cx + base * unit / 2
    y1, y2 = cy - height * unit / 2, cy + height * unit / 2
    below, beside = (cx, y2 + 12), (x1 - 14, cy)

    def draw(canvas: Canvas, labels: bool) -> None:
        _filled(canvas, [(x1, y1), (x1, y2), (x2, y2)])
        canvas.frame(x1, y2 - 7, x1 + 7, y2, BLACK)
        if labels:
            canvas.text(*below, str(base), scale=2)
            canvas.text(*beside, str(height), scale=2)

    answer = base * height // 2
    given = f"A right triangle has legs of {base} and {height}."
    read = (
        f"The triangle is {at_pixel(cx, cy, size)}. "
        f"The leg {at_pixel(*below, size)} is {base}. "
        f"The leg {at_pixel(*beside, size)} is {height}."
    )
    return Problem(
        "plane geometry",
        given,
        f"legs of {base} and {height}",
        "What is the area",
        "triangle",
        "",
        "AREA = ?",
        str(answer),
        _near(answer),
        read,
        f"The legs are {base} and {height}.",
        f"{base} × {height} = {base * height}. {base * height} / 2 = {answer}.",
        *_figures(dice, size, draw, "AREA = ?"),
    )


def _circle(dice: Dice, size: tuple[int, int]) -> Problem:
    radius = dice.integer(2, 9)
    reach = min(size) * 0.34
    cx, cy = size[0] / 2, size[1] / 2 + 6
    along = (cx + reach / 2, cy - 11)

    def draw(canvas: Canvas, labels: bool) -> None:
        canvas.disc(cx, cy, reach + 1, BLACK)
        canvas.disc(cx, cy, reach - 1, _FILL)
        canvas.disc(cx, cy, 2.5, BLACK)
        canvas.line((cx, cy), (cx + reach, cy), BLACK)
        if labels:
            canvas.text(*along, str(radius), scale=2)

    given = f"A circle has the radius {radius}."
    if dice.chance(0.5):
        factor, asked, short = radius**2, "What is the area", "AREA = ?"
        way = f"{radius} × {radius} = {factor}. Times pi"
    else:
        factor, asked = 2 * radius, "What is the circumference"
        short, way = "CIRCUMFERENCE = ?", f"2 × {radius} = {factor}. Times pi"
    wrong = tuple(f"{factor + step}\\pi" for step in (1, 2, 3, 5))
    return Problem(
        "plane geometry",
        given,
        f"the radius {radius}",
        asked,
        "circle",
        "Write it with \\pi.",
        short,
        f"{factor}\\pi",
        wrong,
        f"The circle is {at_pixel(cx, cy, size)}. The radius {at_pixel(*along, size)} is {radius}.",
        f"The radius is {radius}.",
        f"{way}.",
        *_figures(dice, size, draw, short),
    )


def _angle(dice: Dice, size: tuple[int, int]) -> Problem:
    left, right = 10 * dice.integer(4, 7), 10 * dice.integer(4, 7)
    answer = 180 - left - right
    slopes = math.tan(math.radians(left)), math.tan(math.radians(right))
    foot = slopes[1] / (slopes[0] + slopes[1])
    base = min(size[0] * 0.84, size[1] * 0.7 / (slopes[0] * foot))
    x1, y2 = (size[0] - base) / 2, size[1] * 0.92
    x2, y1 = x1 + base, y2 - base * foot * slopes[0]
    top = (x1 + base * foot, y1)
    inner = (x1 + 23, y2 - 8), (x2 - 20, y2 - 8)

    def draw(canvas: Canvas, labels: bool) -> None:
        _filled(canvas, [(x1, y2), (x2, y2), top])
        canvas.text(top[0], y1 + 26, "X", scale=2)
        if labels:
            canvas.text(*inner[0], f"{left}°")
            canvas.text(*inner[1], f"{right}°")

    given = f"Two angles of a triangle are {left}° and {right}°."
    read = (
        f"The angle {at_pixel(*inner[0], size)} is {left}. "
        f"The angle {at_pixel(*inner[1], size)} is {right}."
    )
    return Problem(
        "plane geometry",
        given,
        f"angles of {left}° and {right}°",
        "How many degrees has the angle x",
        "triangle",
        "",
        "ANGLE X = ?",
        str(answer),
        _near(answer),
        read,
        f"The angles are {left} and {right}.",
        f"{left} + {right} = {left + right}. 180 - {left + right} = {answer}.",
        *_figures(dice, size, draw, "ANGLE X = ?"),
    )


def _function(dice: Dice, size: tuple[int, int]) -> Problem:
    slope, start, at = dice.integer(1, 3), dice.integer(1, 5), dice.integer(2, 5)
    answer = slope * at + start
    formula = f"{slope}X + {start}" if slope > 1 else f"X + {start}"
    above: Point = (size[0] / 2 + 8, 28)
    below: Point = (size[0] / 2 + 8, size[1] - 6)

    def draw(canvas: Canvas, labels: bool) -> None:
        floor, wall = size[1] - 16, 18
        canvas.line((wall, 24), (wall, floor), BLACK)
        canvas.line((wall, floor), (size[0] - 8, floor), BLACK)
        rise = (floor - 40) * 0.3 * slope
        canvas.line((wall, floor - 12), (size[0] - 20, floor - 12 - rise), (212, 38, 38))
        if labels:
            canvas.text(*above, f"Y = {formula}")
            canvas.text(*below, f"X = {at}")

    shown = formula.replace("X", "x")
    given = f"The line is y = {shown}, and x is {at}."
    read = f"The line {at_pixel(*above, size)} is {shown}. The x {at_pixel(*below, size)} is {at}."
    return Problem(
        "functions",
        given,
        f"y = {shown} and x = {at}",
        "What is the value y",
        "line",
        "",
        "Y = ?",
        str(answer),
        _near(answer),
        read,
        f"I put {at} into {shown}.",
        f"{slope} × {at} = {slope * at}. {slope * at} + {start} = {answer}.",
        *_figures(dice, size, draw, "Y = ?"),
    )


_MAKERS = (_rectangle, _triangle, _circle, _angle, _function)


def problem(dice: Dice, size: tuple[int, int]) -> Problem:
    """Return a random problem with its figures of the given size (width, height)."""
    return dice.pick(_MAKERS)(dice, size)
