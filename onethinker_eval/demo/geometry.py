"""Figures to calculate with: areas, perimeters and angles, with the numbers drawn on them.

Each problem comes in the five versions of MathVerse: the less the text says, the more the figure
has to be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from onethinker_eval.demo.canvas import BLACK, Canvas, Figure
from onethinker_eval.demo.dice import Dice

__all__ = ["VERSIONS", "Problem", "problem"]

VERSIONS = (
    "Text Dominant",
    "Text Lite",
    "Vision Intensive",
    "Vision Dominant",
    "Vision Only",
)
_FILL = (206, 222, 246)
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question on a figure: what is given, what is asked, the answer and the way to it.

    `numbers` names the given numbers without saying what the figure is; `hint` says how to write
    the answer; `short` is the question in capitals for drawing; `answer` is a number or LaTeX;
    `wrong` are other values for multiple choice.
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
    thinking: str
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


Draw = Callable[[Canvas, bool], None]


def _figures(size: tuple[int, int], draw: Draw, short: str) -> tuple[Figure, Figure, Figure]:
    """Return the figure with labels, without, and with labels and the question."""
    result = []
    for labels, question in ((True, False), (False, False), (True, True)):
        canvas = Canvas(size)
        draw(canvas, labels)
        if question:
            canvas.text(size[0] / 2, 9, short)
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

    def draw(canvas: Canvas, labels: bool) -> None:
        _filled(canvas, [(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
        if labels:
            canvas.text(cx, y2 + 12, str(w), scale=2)
            canvas.text(x2 + 14, cy, str(h), scale=2)

    given = f"A rectangle is {w} long and {h} wide."
    if dice.chance(0.5):
        answer = w * h
        asked, short, way = "What is the area", "AREA = ?", f"{w} × {h}"
    else:
        answer = 2 * (w + h)
        asked, short = "What is the perimeter", "PERIMETER = ?"
        way = f"2 × ({w} + {h})"
    thinking = f"The sides are {w} and {h}. {way} = {answer}."
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
        thinking,
        *_figures(size, draw, short),
    )


def _triangle(dice: Dice, size: tuple[int, int]) -> Problem:
    base, height = 2 * dice.integer(2, 4), dice.integer(2, 6)
    unit = min((size[0] - 50) / base, (size[1] - 56) / height)
    cx, cy = size[0] / 2 - 4, size[1] / 2 + 4
    x1, x2 = cx - base * unit / 2, cx + base * unit / 2
    y1, y2 = cy - height * unit / 2, cy + height * unit / 2

    def draw(canvas: Canvas, labels: bool) -> None:
        _filled(canvas, [(x1, y1), (x1, y2), (x2, y2)])
        canvas.frame(x1, y2 - 7, x1 + 7, y2, BLACK)
        if labels:
            canvas.text(cx, y2 + 12, str(base), scale=2)
            canvas.text(x1 - 14, cy, str(height), scale=2)

    answer = base * height // 2
    given = f"A right triangle has legs of {base} and {height}."
    thinking = f"The legs are {base} and {height}. {base} × {height} / 2 = {answer}."
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
        thinking,
        *_figures(size, draw, "AREA = ?"),
    )


def _circle(dice: Dice, size: tuple[int, int]) -> Problem:
    radius = dice.integer(2, 9)
    reach = min(size) * 0.34
    cx, cy = size[0] / 2, size[1] / 2 + 6

    def draw(canvas: Canvas, labels: bool) -> None:
        canvas.disc(cx, cy, reach + 1, BLACK)
        canvas.disc(cx, cy, reach - 1, _FILL)
        canvas.disc(cx, cy, 2.5, BLACK)
        canvas.line((cx, cy), (cx + reach, cy), BLACK)
        if labels:
            canvas.text(cx + reach / 2, cy - 11, str(radius), scale=2)

    given = f"A circle has the radius {radius}."
    if dice.chance(0.5):
        factor, asked, short = radius**2, "What is the area", "AREA = ?"
        way = f"{radius} × {radius} = {factor}, times pi"
    else:
        factor, asked = 2 * radius, "What is the circumference"
        short, way = "CIRCUMFERENCE = ?", f"2 × {radius} = {factor}, times pi"
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
        f"The radius is {radius}. {way}.",
        *_figures(size, draw, short),
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

    def draw(canvas: Canvas, labels: bool) -> None:
        _filled(canvas, [(x1, y2), (x2, y2), top])
        canvas.text(top[0], y1 + 26, "X", scale=2)
        if labels:
            canvas.text(x1 + 23, y2 - 8, f"{left}°")
            canvas.text(x2 - 20, y2 - 8, f"{right}°")

    given = f"Two angles of a triangle are {left}° and {right}°."
    thinking = f"The angles add up to 180. 180 - {left} - {right} = {answer}."
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
        thinking,
        *_figures(size, draw, "ANGLE X = ?"),
    )


def _function(dice: Dice, size: tuple[int, int]) -> Problem:
    slope, start, at = dice.integer(1, 3), dice.integer(1, 5), dice.integer(2, 5)
    answer = slope * at + start
    formula = f"{slope}X + {start}" if slope > 1 else f"X + {start}"

    def draw(canvas: Canvas, labels: bool) -> None:
        floor, wall = size[1] - 16, 18
        canvas.line((wall, 24), (wall, floor), BLACK)
        canvas.line((wall, floor), (size[0] - 8, floor), BLACK)
        rise = (floor - 40) * 0.3 * slope
        canvas.line((wall, floor - 12), (size[0] - 20, floor - 12 - rise), (212, 38, 38))
        if labels:
            canvas.text(size[0] / 2 + 8, 28, f"Y = {formula}", scale=1)
            canvas.text(size[0] / 2 + 8, size[1] - 6, f"X = {at}")

    shown = formula.replace("X", "x")
    given = f"The line is y = {shown}, and x is {at}."
    thinking = f"I put {at} into {shown}. {slope} × {at} + {start} = {answer}."
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
        thinking,
        *_figures(size, draw, "Y = ?"),
    )


_MAKERS = (_rectangle, _triangle, _circle, _angle, _function)


def problem(dice: Dice, size: tuple[int, int]) -> Problem:
    """Return a random problem with its figures of the given size (width, height)."""
    return dice.pick(_MAKERS)(dice, size)
