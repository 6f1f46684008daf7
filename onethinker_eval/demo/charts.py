"""Charts with exact values: bars and lines over lettered groups, values 1 to 10."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from onethinker_eval.demo.canvas import BLACK, GREY, Canvas, Figure
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.queries import Query
from onethinker_eval.demo.shapes import COLOURS
from onethinker_eval.demo.steps import at_pixel

__all__ = ["Chart", "chart", "chart_caption", "chart_queries"]

_LETTERS = "ABCDE"
_INKS = ("red", "green", "blue", "orange", "purple")


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart, its numbers (one of 1..10 for each letter) and where they are drawn.

    `tops` are pixels: the point, or the middle of the bar's upper end.
    """

    figure: Figure
    kind: str
    values: tuple[int, ...]
    tops: tuple[tuple[float, float], ...]

    @property
    def letters(self) -> str:
        """The letters below the groups."""
        return _LETTERS[: len(self.values)]

    def value(self, letter: str) -> int:
        """Return the value of a group."""
        return self.values[_LETTERS.index(letter)]

    def read(self, letter: str) -> str:
        """Return a step of thought: where a group ends and what that means."""
        x, y = self.tops[_LETTERS.index(letter)]
        place = at_pixel(x, y, (self.figure.width, self.figure.height))
        return f"{letter} ends {place} and that is {self.value(letter)}"


def chart(dice: Dice, size: tuple[int, int], groups: tuple[int, int] = (3, 5)) -> Chart:
    """Return a bar or line chart of 3 to 5 groups whose values differ."""
    kind = "line" if dice.chance(0.35) else "bar"
    values = tuple(dice.sample(range(1, 11), dice.integer(*groups)))
    canvas = Canvas(size)
    left, right, top, floor = 18, size[0] - 4, 8, size[1] - 14
    unit = (floor - top) / 10
    for level in range(0, 11, 2):
        y = floor - level * unit
        canvas.line((left, y), (right, y), GREY, width=1)
        canvas.text(9, y, str(level))
    step = (right - left) / len(values)
    points = []
    for at, value in enumerate(values):
        x, y = left + step * (at + 0.5), floor - value * unit
        points.append((x, y))
        canvas.text(x, floor + 8, _LETTERS[at])
        if kind == "bar":
            ink = COLOURS[_INKS[at]]
            canvas.rectangle(x - step * 0.32, y, x + step * 0.32, floor, ink)
    if kind == "line":
        for start, end in pairwise(points):
            canvas.line(start, end, COLOURS["blue"])
        for x, y in points:
            canvas.disc(x, y, 3.5, COLOURS["red"])
    canvas.line((left, top), (left, floor), BLACK)
    canvas.line((left, floor), (right, floor), BLACK)
    return Chart(canvas.figure(), kind, values, tuple(points))


def _near(value: int, low: int = 0) -> tuple[str, ...]:
    others = [v for step in range(1, 7) for v in (value - step, value + step) if v >= low]
    return tuple(str(v) for v in others[:6])


def _noun(it: Chart) -> str:
    return "bar" if it.kind == "bar" else "point"


def _read(dice: Dice, it: Chart) -> Query:
    letter = dice.pick(it.letters)
    value = it.value(letter)
    return Query(
        "chart reading",
        f"What is the value of {_noun(it)} {letter}?",
        str(value),
        _near(value, 1),
        f"{_noun(it).capitalize()} {it.read(letter)}.",
    )


def _highest(dice: Dice, it: Chart) -> Query:
    most = dice.chance(0.5)
    value = max(it.values) if most else min(it.values)
    letter = it.letters[it.values.index(value)]
    word = "highest" if most else "lowest"
    return Query(
        "comparison",
        f"Which {_noun(it)} has the {word} value?",
        letter,
        tuple(other for other in _LETTERS if other != letter),
        f"The {word} is this: {it.read(letter)}.",
    )


def _difference(dice: Dice, it: Chart) -> Query:
    one, other = sorted(dice.sample(it.letters, 2), key=it.value, reverse=True)
    a, b = it.value(one), it.value(other)
    return Query(
        "arithmetic",
        f"By how much is {one} higher than {other}?",
        str(a - b),
        _near(a - b, 1),
        f"{it.read(one)}. {it.read(other)}. {a} - {b} = {a - b}.",
    )


def _sum(dice: Dice, it: Chart) -> Query:
    one, other = sorted(dice.sample(it.letters, 2))
    a, b = it.value(one), it.value(other)
    return Query(
        "arithmetic",
        f"What is the sum of {one} and {other}?",
        str(a + b),
        _near(a + b, 1),
        f"{it.read(one)}. {it.read(other)}. {a} + {b} = {a + b}.",
    )


def _above(dice: Dice, it: Chart) -> Query:
    limit = dice.integer(3, 7)
    found = [letter for letter, value in zip(it.letters, it.values, strict=True) if value > limit]
    names = f"Above are {', '.join(found)}." if found else "None is above."
    each = [f"{it.read(at)} {'above' if at in found else 'not'}" for at in it.letters]
    return Query(
        "counting",
        f"How many {_noun(it)}s lie above {limit}?",
        str(len(found)),
        _near(len(found)),
        f"{'. '.join(each)}. {names} That makes {len(found)}.",
    )


def _mean(dice: Dice, it: Chart) -> Query:
    one, other = sorted(dice.sample(it.letters, 2))
    a, b = it.value(one), it.value(other)
    mean = (a + b) / 2
    return Query(
        "statistics",
        f"What is the mean of {one} and {other}? Give one decimal.",
        f"{mean:.1f}",
        tuple(f"{mean + step:.1f}" for step in (0.5, -0.5, 1.0, -1.0, 1.5)),
        f"{it.read(one)}. {it.read(other)}. {a} + {b} = {a + b}. {a + b} / 2 = {mean:.1f}.",
    )


_MAKERS: dict[str, Callable[[Dice, Chart], Query]] = {
    "read": _read,
    "highest": _highest,
    "difference": _difference,
    "sum": _sum,
    "above": _above,
    "mean": _mean,
}


def chart_queries(dice: Dice, it: Chart, names: tuple[str, ...] = ()) -> list[Query]:
    """Return a query of each kind named (all but the mean by default), in random order."""
    chosen = names or tuple(name for name in _MAKERS if name != "mean")
    return [_MAKERS[name](dice, it) for name in dice.shuffled(chosen)]


def chart_caption(it: Chart) -> str:
    """Return a caption that names the kind, the groups, the extremes and every value."""
    kind = "Bar chart" if it.kind == "bar" else "Line chart"
    high, low = max(it.values), min(it.values)
    top, bottom = it.letters[it.values.index(high)], it.letters[it.values.index(low)]
    listed = ", ".join(f"{n} {v}" for n, v in zip(it.letters, it.values, strict=True))
    return (
        f"{kind} of {len(it.values)} groups. Group {top} is the highest with {high} and group "
        f"{bottom} the lowest with {low}. The values are {listed}."
    )
