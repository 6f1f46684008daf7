"""Questions about a still scene, each with one right answer, wrong ones, and a short thought.

A query is free of any benchmark's form: it becomes a multiple choice question or a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onethinker_eval.demo.asking import Ask, choice
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.referring import Seen
from onethinker_eval.demo.scene import at_share
from onethinker_eval.demo.shapes import COLOURS, SHAPES, plural_of
from onethinker_eval.demo.steps import from_the_left

__all__ = ["QUERIES", "Query", "as_choice", "as_number", "plural", "queries"]

_CLEAR = 0.15
_COUNTS = tuple(str(n) for n in range(1, 9))


@dataclass(frozen=True, slots=True)
class Query:
    """A question, its right answer, plausible wrong ones and the way to the right one."""

    category: str
    question: str
    right: str
    wrong: tuple[str, ...]
    thinking: str


Maker = Callable[[Dice, Sequence[Seen]], "Query | None"]


def plural(word: str, count: int) -> str:
    """Return "1 cross", "2 crosses", "3 people": a count with its noun.

    >>> plural("cross", 2), plural("person", 3), plural("star", 1)
    ('2 crosses', '3 people', '1 star')
    """
    return f"{count} {word if count == 1 else plural_of(word)}"


def _counted(question: str, bodies: Sequence[Seen], noun: str, word: str = "") -> Query | None:
    """Return the question how many of the bodies, which a `noun` names, fit a `word`, or are."""
    count = sum(not word or body.fits(word) for body in bodies)
    if not count:
        return None
    near = sorted((c for c in _COUNTS if c != str(count)), key=lambda c: abs(int(c) - count))
    is_or_are = "is" if count == 1 else "are"
    thought = f"{from_the_left(bodies, word)} There {is_or_are} {plural(noun, count)}."
    return Query("counting", question, str(count), tuple(near[:4]), thought)


def _count_shape(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    shape = dice.pick(sorted({body.shape for body in bodies}))
    text = dice.pick(("How many {0} are there?", "Count the {0} in the picture."))
    return _counted(text.format(plural_of(shape)), bodies, shape, shape)


def _count_colour(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    colour = dice.pick(sorted({body.colour for body in bodies}))
    text = dice.pick(("How many shapes are {0}?", "How many {0} shapes can you see?"))
    return _counted(text.format(colour), bodies, f"{colour} shape", colour)


def _count_all(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    text = dice.pick(("How many shapes are in the picture?", "What is the number of shapes?"))
    return _counted(text, bodies, "shape")


def _count_grade(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    grade = dice.pick(("small", "large"))
    return _counted(f"How many {grade} shapes are there?", bodies, f"{grade} shape", grade)


def _alone(dice: Dice, bodies: Sequence[Seen], name: str) -> Seen | None:
    values = [getattr(body, name) for body in bodies]
    single = [body for body in bodies if values.count(getattr(body, name)) == 1]
    return dice.pick(single) if single else None


def _colour_of(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    body = _alone(dice, bodies, "shape")
    if body is None:
        return None
    text = dice.pick(("What colour is the {0}?", "Which colour does the {0} have?"))
    wrong = tuple(dice.shuffled([c for c in COLOURS if c != body.colour])[:4])
    thought = f"The {body.shape} is {at_share(body.x, body.y)}. It is {body.colour}."
    return Query("attribute", text.format(body.shape), body.colour, wrong, thought)


def _shape_of(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    body = _alone(dice, bodies, "colour")
    if body is None:
        return None
    text = dice.pick(("What is the {0} shape?", "Which shape is {0}?"))
    wrong = tuple(dice.shuffled([s for s in SHAPES if s != body.shape])[:4])
    thought = f"The {body.colour} shape is {at_share(body.x, body.y)}. It is a {body.shape}."
    return Query("attribute", text.format(body.colour), body.shape, wrong, thought)


def _place_of(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    clear = [
        body
        for body in bodies
        if not 0.42 <= body.x <= 0.58
        and not 0.42 <= body.y <= 0.58
        and sum((b.colour, b.shape) == (body.colour, body.shape) for b in bodies) == 1
    ]
    if not clear:
        return None
    body = dice.pick(clear)
    corner = ("top" if body.y < 0.5 else "bottom") + " " + ("left" if body.x < 0.5 else "right")
    corners = tuple(f"{v} {h}" for v in ("top", "bottom") for h in ("left", "right"))
    text = dice.pick(("In which part of the picture is the {0}?", "Where is the {0}?"))
    name = body.name
    thought = f"The {name} is {at_share(body.x, body.y)} towards the {corner}."
    wrong = tuple(c for c in corners if c != corner)
    return Query("localisation", text.format(name), corner, wrong, thought)


_EXTREMES: dict[str, Callable[[Seen], float]] = {
    "furthest to the left": lambda b: b.x,
    "furthest to the right": lambda b: -b.x,
    "highest up": lambda b: b.y,
    "lowest": lambda b: -b.y,
}


def _extreme(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    names = [body.name for body in bodies]
    if len(bodies) < 3 or len(set(names)) < len(names):
        return None
    words, key = dice.pick(sorted(_EXTREMES.items(), key=lambda item: item[0]))
    ordered = sorted(bodies, key=key)
    if key(ordered[1]) - key(ordered[0]) < _CLEAR:
        return None
    right = ordered[0].name
    wrong = [name for name in names if name != right]
    absent = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    extra = [name for name in dice.shuffled(absent) if name not in names]
    filled = tuple((wrong + extra)[: max(3, len(wrong))])
    place = at_share(ordered[0].x, ordered[0].y)
    thought = f"The shape {words} is {place}. It is the {right}."
    return Query("relation", f"Which shape is {words}?", right, filled, thought)


def _most_colour(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    values = [body.colour for body in bodies]
    ranked = sorted(set(values), key=lambda c: (-values.count(c), c))
    if len(ranked) < 2 or values.count(ranked[0]) == values.count(ranked[1]):
        return None
    wrong = [*ranked[1:], *dice.shuffled([c for c in COLOURS if c not in ranked])][:4]
    thought = f"{from_the_left(bodies)} Most are {ranked[0]}."
    return Query("comparison", "Which colour occurs most often?", ranked[0], tuple(wrong), thought)


def _striped(dice: Dice, bodies: Sequence[Seen]) -> Query | None:
    striped = [body for body in bodies if body.fill == "striped"]
    names = [body.name for body in bodies]
    if len(striped) != 1 or len(bodies) < 2 or len(set(names)) < len(names):
        return None
    right = striped[0].name
    absent = [f"{c} {s}" for c in COLOURS for s in SHAPES if f"{c} {s}" not in names]
    wrong = [name for name in names if name != right] + dice.sample(absent, 3)
    thought = f"Stripes are {at_share(striped[0].x, striped[0].y)} on the {right}."
    return Query("attribute", "Which shape is striped?", right, tuple(wrong[:4]), thought)


QUERIES: dict[str, Maker] = {
    "count_shape": _count_shape,
    "count_colour": _count_colour,
    "count_all": _count_all,
    "count_grade": _count_grade,
    "colour_of": _colour_of,
    "shape_of": _shape_of,
    "place_of": _place_of,
    "extreme": _extreme,
    "most_colour": _most_colour,
    "striped": _striped,
}


def queries(dice: Dice, bodies: Sequence[Seen], names: Sequence[str] | None = None) -> list[Query]:
    """Return the queries of these names (all by default) that have a clear answer, shuffled."""
    made = [QUERIES[name](dice, bodies) for name in dice.shuffled(names or tuple(QUERIES))]
    return [query for query in made if query is not None]


def as_choice(dice: Dice, query: Query, family: str = "image_qa", count: int = 4) -> Ask:
    """Return the query as a multiple choice question with `count` options."""
    options, letter = choice(dice, query.right, query.wrong, min(count, len(query.wrong) + 1))
    return Ask(
        family,
        query.category,
        "multiple choice",
        query.question,
        letter,
        f"{query.thinking} {_looked_up(query.right, letter)}",
        options,
    )


def _looked_up(right: str, letter: str) -> str:
    """Return the step from an answer to its letter: the answer once more, then its option.

    In words like "that is option B" a small model would have to find the letter that stands before
    a text it said some words ago; here it continues the text that stands in the list.
    """
    return f"I look for {right}\n{letter}. {right}."


def as_number(query: Query, family: str = "image_qa", problem_type: str = "numerical") -> Ask:
    """Return a query without options; its right answer is a number (or LaTeX for "math")."""
    return Ask(family, query.category, problem_type, query.question, query.right, query.thinking)
