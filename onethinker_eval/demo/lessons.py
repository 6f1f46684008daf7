"""Lessons: clips of cards on a board that teach a rule, work out a sum, or show an experiment.

Cards change every few seconds. The questions ask for what was shown, for the rule behind it, or to
use the rule on a new case, which a separate picture may show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onethinker_eval.demo.canvas import (
    BLACK,
    PAPER,
    Canvas,
    Colour,
    Figure,
    Slides,
    text_width,
    tinted,
)
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.queries import Query
from onethinker_eval.demo.scene import at_share
from onethinker_eval.demo.shapes import COLOURS
from onethinker_eval.demo.steps import at_pixel

__all__ = ["Lesson", "experiment", "machine", "sums"]

_BOARD = (34, 62, 52)
_CHALK = (240, 240, 232)
FPS = 4.0
_CARD_S, _DROP_S = 3, 2
_COUNT = (0.86, 0.2)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A clip, its subject, what it says in words, and questions; `case` is a picture of a new case.

    `facts` are questions with short answers that the words of `told` settle. `read` is a thought
    that reads the cards one after the other, each at its time and place.
    """

    slides: Slides
    subject: str
    told: str
    recall: Query
    rule: Query
    use: Query
    case: Figure
    facts: tuple[tuple[str, str], ...]
    read: str


def _card(size: tuple[int, int], board: Colour, lines: tuple[str, ...], scale: int = 2) -> Figure:
    canvas = Canvas(size, board)
    canvas.rectangle(0, size[1] - 5, size[0], size[1], (120, 84, 50))
    for at, line in enumerate(lines):
        y = size[1] / 2 + (at - (len(lines) - 1) / 2) * 15 * scale
        canvas.text(size[0] / 2, y, line, _CHALK, scale)
    return canvas.figure()


def _at(card: int, seconds: int = _CARD_S) -> str:
    """Return the words for the middle of the time at which a card is shown."""
    return f"At {(card + 0.5) * seconds:.1f} s"


def _written(size: tuple[int, int], line: str, first: int, last: int | None, scale: int = 3) -> str:
    """Return the place of the characters from `first` to before `last` of a card's one line."""
    begin, end, _ = slice(first, last).indices(len(line))
    left = (size[0] - text_width(line, scale)) / 2
    return at_pixel(left + text_width(line[:begin] + line[:end], scale) / 2, size[1] / 2, size)


def _near(value: int) -> tuple[str, ...]:
    steps = (1, -1, 2, -2, 3, 10, -3, 4, 5, 6)
    return tuple(str(value + step) for step in steps if value + step >= 0)[:9]


def machine(dice: Dice, size: tuple[int, int]) -> Lesson:
    """Return a lesson in which a machine turns numbers into others by one rule."""
    kind, amount = dice.pick(("add", "multiply by")), dice.integer(2, 5)
    board = tinted(dice.fork("board"), _BOARD)
    word = f"{kind} {amount}"

    def out(number: int) -> int:
        return number + amount if kind == "add" else number * amount

    numbers = dice.sample(range(2, 10), 4)
    shown, new = numbers[:3], numbers[3]
    pairs = [f"{n} > {out(n)}" for n in shown]
    cards = (
        _card(size, board, ("NUMBER", "MACHINE")),
        *(_card(size, board, (pair,), 3) for pair in pairs),
    )
    case = f"{new} > ?"
    at = dice.integer(0, 2)
    rules = [f"{verb} {value}" for verb in ("add", "multiply by") for value in range(2, 7)]
    wrong_rules = [r for r in dice.shuffled(rules) if r != word]
    spoken = ", ".join(f"{n} becomes {out(n)}" for n in shown)
    read = [
        f"{_at(card)} the number {_written(size, pair, 0, len(str(n)))} is {n}. "
        f"The one {_written(size, pair, -len(str(out(n))), None)} is {out(n)}."
        for card, (n, pair) in enumerate(zip(shown, pairs, strict=True), 1)
    ]
    made = f"{new} {'+' if kind == 'add' else '×'} {amount} = {out(new)}"
    ordinal = ("first", "second", "third")[at]
    recall = Query(
        "perception",
        f"What does the machine make of the {ordinal} number?",
        str(out(shown[at])),
        _near(out(shown[at])),
        f"The {ordinal} number: {read[at]}",
    )
    rule = Query(
        "comprehension",
        "Which rule does the machine follow?",
        word,
        tuple(wrong_rules[:9]),
        f"{' '.join(read)} {_found(shown, [out(n) for n in shown], word)}",
    )
    use = Query(
        "adaptation",
        "Use the rule of the lesson on the number in the picture. What comes out?",
        str(out(new)),
        _near(out(new)),
        f"{rule.thinking} In the picture the number "
        f"{_written(size, case, 0, len(str(new)))} is {new}. {made}.",
    )
    facts = (
        ("What does the machine do with a number?", word),
        (f"What does {shown[0]} become?", str(out(shown[0]))),
        (f"What does {shown[2]} become?", str(out(shown[2]))),
    )
    told = f"A number machine is shown. {spoken[0].upper()}{spoken[1:]}. The rule is {word}."
    slides = Slides(cards, _CARD_S, FPS)
    picture = _card(size, board, (case,), 3)
    return Lesson(slides, "Math", told, recall, rule, use, picture, facts, " ".join(read))


def _found(given: Sequence[int], made: Sequence[int], rule: str) -> str:
    """Return how a rule is found: the same difference twice is added, else it is a factor."""
    (a, b), (x, y) = given[:2], made[:2]
    steps = f"{x} - {a} = {x - a}. {y} - {b} = {y - b}."
    if x - a != y - b:
        steps = f"{steps} {x} / {a} = {x // a}. {y} / {b} = {y // b}."
    return f"{steps} The rule is: {rule}."


def sums(dice: Dice, size: tuple[int, int]) -> Lesson:
    """Return a lesson that names two numbers and asks for their sum, difference or product."""
    sign, verb = dice.pick((("+", "sum"), ("-", "difference"), ("×", "product")))
    a, b = sorted(dice.sample(range(2, 10), 2), reverse=True)
    board = tinted(dice.fork("board"), _BOARD)
    result = {"+": a + b, "-": a - b, "×": a * b}[sign]
    cards = (
        _card(size, board, (f"A = {a}",), 3),
        _card(size, board, (f"B = {b}",), 3),
        _card(size, board, (f"A {sign} B = ?",), 2),
    )
    read = [
        f"{_at(0)} A {_written(size, f'A = {a}', -1, None)} is {a}.",
        f"{_at(1)} B {_written(size, f'B = {b}', -1, None)} is {b}.",
        f"{_at(2)} the sign {_written(size, f'A {sign} B = ?', 2, 3, 2)} is {sign}.",
    ]
    recall = Query(
        "perception",
        "Which number does A stand for?",
        str(a),
        _near(a),
        read[0],
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
        f"{read[2]} That is the {verb}.",
    )
    use = Query(
        "arithmetic",
        "What is the answer to the question on the last card?",
        str(result),
        _near(result),
        f"{' '.join(read)} {a} {sign} {b} = {result}.",
    )
    facts = (
        ("What is the value of A?", str(a)),
        ("What is the value of B?", str(b)),
        ("Which operation is asked for?", verb),
    )
    told = f"The board says that A is {a} and B is {b}. Then it asks for the {verb} of A and B."
    slides = Slides(cards, _CARD_S, FPS)
    return Lesson(slides, "Math", told, recall, rule, use, cards[-1], facts, " ".join(read))


def experiment(dice: Dice, size: tuple[int, int]) -> Lesson:
    """Return a lesson in which drops turn the liquid in a glass from one colour to another."""
    before, after = dice.sample(("red", "green", "blue", "yellow", "purple", "orange"), 2)
    drops = dice.integer(2, 5)
    paper = tinted(dice.fork("paper"), PAPER)
    cards = tuple(
        _glass(size, paper, before if at < drops else after, at) for at in range(drops + 1)
    )
    colours = tuple(c for c in COLOURS if c not in (before, after))
    liquid, number = at_share(0.5, 0.6), at_share(*_COUNT)
    first = f"{_at(0, _DROP_S)} the liquid {liquid} is {before}."
    last = f"{_at(drops, _DROP_S)} the liquid {liquid} is {after}."
    recall = Query(
        "perception",
        "Which colour does the liquid have at first?",
        before,
        (after, *colours),
        first,
    )
    rule = Query(
        "comprehension",
        "Which colour does the liquid turn?",
        after,
        (before, *colours),
        f"{first} {last}",
    )
    use = Query(
        "counting",
        "After how many drops does the colour change?",
        str(drops),
        _near(drops)[:5],
        f"{first} {last} The number {number} is {drops}.",
    )
    facts = (
        ("Which colour is the liquid at first?", before),
        ("Which colour does it turn?", after),
        ("How many drops does it take?", str(drops)),
    )
    told = (
        f"Drops fall into a glass of {before} liquid. After {drops} drops the liquid turns {after}."
    )
    read = f"{first} {last} The number {number} is {drops}."
    slides = Slides(cards, _DROP_S, FPS)
    return Lesson(slides, "chemistry", told, recall, rule, use, cards[-1], facts, read)


def _glass(size: tuple[int, int], paper: Colour, colour: str, drops: int) -> Figure:
    canvas = Canvas(size, paper)
    x1, x2, y1, y2 = size[0] * 0.3, size[0] * 0.7, size[1] * 0.28, size[1] * 0.86
    canvas.rectangle(x1, y1 + 16, x2, y2, COLOURS[colour])
    for start, end in (((x1, y1), (x1, y2)), ((x1, y2), (x2, y2)), ((x2, y2), (x2, y1))):
        canvas.line(start, end, BLACK)
    if drops:
        canvas.disc(size[0] / 2, y1 - 8, 5, (90, 150, 210))
    canvas.text(size[0] * _COUNT[0], size[1] * _COUNT[1], str(drops), scale=2)
    return canvas.figure()
