"""Lessons: clips of cards on a board that teach a rule, work out a sum, or show an experiment.

Cards change every few seconds. The questions ask for what was shown, for the rule behind it, or to
use the rule on a new case, which a separate picture may show.
"""

from __future__ import annotations

from dataclasses import dataclass

from onethinker_eval.demo.canvas import BLACK, Canvas, Figure, Slides
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.queries import Query
from onethinker_eval.demo.shapes import COLOURS

__all__ = ["Lesson", "experiment", "machine", "sums"]

_BOARD = (34, 62, 52)
_CHALK = (240, 240, 232)
FPS = 4.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """A clip, its subject, what it says in words, and questions; `case` is a picture of a new case.

    `facts` are questions with short answers that the words of `told` settle.
    """

    slides: Slides
    subject: str
    told: str
    recall: Query
    rule: Query
    use: Query
    case: Figure
    facts: tuple[tuple[str, str], ...]


def _card(size: tuple[int, int], lines: tuple[str, ...], scale: int = 2) -> Figure:
    canvas = Canvas(size, _BOARD)
    canvas.rectangle(0, size[1] - 5, size[0], size[1], (120, 84, 50))
    for at, line in enumerate(lines):
        y = size[1] / 2 + (at - (len(lines) - 1) / 2) * 15 * scale
        canvas.text(size[0] / 2, y, line, _CHALK, scale)
    return canvas.figure()


def _near(value: int) -> tuple[str, ...]:
    steps = (1, -1, 2, -2, 3, 10, -3, 4, 5, 6)
    return tuple(str(value + step) for step in steps if value + step >= 0)[:9]


def machine(dice: Dice, size: tuple[int, int]) -> Lesson:
    """Return a lesson in which a machine turns numbers into others by one rule."""
    kind, amount = dice.pick(("add", "multiply by")), dice.integer(2, 5)
    word = f"{kind} {amount}"

    def out(number: int) -> int:
        return number + amount if kind == "add" else number * amount

    numbers = dice.sample(range(2, 10), 4)
    shown, new = numbers[:3], numbers[3]
    pairs = [f"{n} > {out(n)}" for n in shown]
    cards = (_card(size, ("NUMBER", "MACHINE")), *(_card(size, (pair,), 3) for pair in pairs))
    at = dice.integer(0, 2)
    rules = [f"{verb} {value}" for verb in ("add", "multiply by") for value in range(2, 7)]
    wrong_rules = [r for r in dice.shuffled(rules) if r != word]
    spoken = ", ".join(f"{n} becomes {out(n)}" for n in shown)
    ordinal = ("first", "second", "third")[at]
    recall = Query(
        "perception",
        f"What does the machine make of the {ordinal} number?",
        str(out(shown[at])),
        _near(out(shown[at])),
        f"The {ordinal} number is {shown[at]}; it becomes {out(shown[at])}.",
    )
    rule = Query(
        "comprehension",
        "Which rule does the machine follow?",
        word,
        tuple(wrong_rules[:9]),
        f"I see that {spoken}. The rule is: {word}.",
    )
    use = Query(
        "adaptation",
        "Use the rule of the lesson on the number in the picture. What comes out?",
        str(out(new)),
        _near(out(new)),
        f"The lesson shows that {spoken}, so the rule is {word}. {new} becomes {out(new)}.",
    )
    facts = (
        ("What does the machine do with a number?", word),
        (f"What does {shown[0]} become?", str(out(shown[0]))),
        (f"What does {shown[2]} become?", str(out(shown[2]))),
    )
    told = f"A number machine is shown. {spoken[0].upper()}{spoken[1:]}. The rule is {word}."
    slides = Slides(cards, 3, FPS)
    return Lesson(slides, "Math", told, recall, rule, use, _card(size, (f"{new} > ?",), 3), facts)


def sums(dice: Dice, size: tuple[int, int]) -> Lesson:
    """Return a lesson that names two numbers and asks for their sum, difference or product."""
    sign, verb = dice.pick((("+", "sum"), ("-", "difference"), ("×", "product")))
    a, b = sorted(dice.sample(range(2, 10), 2), reverse=True)
    result = {"+": a + b, "-": a - b, "×": a * b}[sign]
    cards = (
        _card(size, (f"A = {a}",), 3),
        _card(size, (f"B = {b}",), 3),
        _card(size, (f"A {sign} B = ?",), 2),
    )
    recall = Query(
        "perception",
        "Which number does A stand for?",
        str(a),
        _near(a),
        f"The card says A = {a}.",
    )
    rule = Query(
        "comprehension",
        "What is asked for at the end?",
        f"the {verb} of A and B",
        tuple(
            f"the {v} of A and B"
            for v in ("sum", "difference", "product", "ratio", "mean", "larger")
            if v != verb
        ),
        f"The last card says A {sign} B, the {verb}.",
    )
    use = Query(
        "arithmetic",
        "What is the answer to the question on the last card?",
        str(result),
        _near(result),
        f"A is {a} and B is {b}. {a} {sign} {b} = {result}.",
    )
    facts = (
        ("What is the value of A?", str(a)),
        ("What is the value of B?", str(b)),
        ("Which operation is asked for?", verb),
    )
    told = f"The board says that A is {a} and B is {b}. Then it asks for the {verb} of A and B."
    slides = Slides(cards, 3, FPS)
    return Lesson(slides, "Math", told, recall, rule, use, cards[-1], facts)


def experiment(dice: Dice, size: tuple[int, int]) -> Lesson:
    """Return a lesson in which drops turn the liquid in a glass from one colour to another."""
    before, after = dice.sample(("red", "green", "blue", "yellow", "purple", "orange"), 2)
    drops = dice.integer(2, 5)
    cards = tuple(_glass(size, before if at < drops else after, at) for at in range(drops + 1))
    colours = tuple(c for c in COLOURS if c not in (before, after))
    recall = Query(
        "perception",
        "Which colour does the liquid have at first?",
        before,
        (after, *colours),
        f"At the beginning the liquid is {before}.",
    )
    rule = Query(
        "comprehension",
        "Which colour does the liquid turn?",
        after,
        (before, *colours),
        f"The liquid turns from {before} to {after}.",
    )
    use = Query(
        "counting",
        "After how many drops does the colour change?",
        str(drops),
        _near(drops)[:5],
        f"I count {drops} drops until the liquid is {after}.",
    )
    facts = (
        ("Which colour is the liquid at first?", before),
        ("Which colour does it turn?", after),
        ("How many drops does it take?", str(drops)),
    )
    told = (
        f"Drops fall into a glass of {before} liquid. After {drops} drops the liquid turns {after}."
    )
    return Lesson(Slides(cards, 2, FPS), "chemistry", told, recall, rule, use, cards[-1], facts)


def _glass(size: tuple[int, int], colour: str, drops: int) -> Figure:
    canvas = Canvas(size)
    x1, x2, y1, y2 = size[0] * 0.3, size[0] * 0.7, size[1] * 0.28, size[1] * 0.86
    canvas.rectangle(x1, y1 + 16, x2, y2, COLOURS[colour])
    for start, end in (((x1, y1), (x1, y2)), ((x1, y2), (x2, y2)), ((x2, y2), (x2, y1))):
        canvas.line(start, end, BLACK)
    if drops:
        canvas.disc(size[0] / 2, y1 - 8, 5, (90, 150, 210))
    canvas.text(size[0] * 0.86, size[1] * 0.2, str(drops), scale=2)
    return canvas.figure()
