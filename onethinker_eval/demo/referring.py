"""Expressions that name exactly one body of a still frame.

Every word has a strict meaning with a margin: "on the left" is true left of 0.42 of the width,
false right of 0.55, and unclear between. An expression is used only when it is true of the target
and clearly false of every other body, so no reader can take it for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.scene import Box, Scene, at_share, box_of
from onethinker_eval.demo.stage import named

__all__ = ["Expression", "Seen", "names_one", "refer", "seen"]

_CLEAR = 0.12
_VISIBLE = 0.6
STYLES = ("refcoco", "refcocop", "refcocog")


@dataclass(frozen=True, slots=True)
class Seen:
    """A visible body of a frame: looks, box in pixels, centre as shares of the frame (0..1)."""

    index: int
    shape: str
    colour: str
    fill: str
    grade: str
    box_px: Box
    x: float
    y: float

    @property
    def name(self) -> str:
        """Colour and shape, such as "red circle"."""
        return f"{self.colour} {self.shape}"

    @property
    def look(self) -> str:
        """Size, stripes if it has any, colour and shape, such as "small striped red circle"."""
        return named((self.shape, self.colour, self.fill, self.grade))

    def fits(self, word: str) -> bool:
        """Return whether `word` is its shape, colour or grade."""
        return word in (self.shape, self.colour, self.grade)


Test = Callable[[Seen], "bool | None"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A phrase and its meaning: True, False, or None when a careful reader could not tell."""

    text: str
    meaning: Test
    cue: str
    words: int


def seen(scene: Scene, frame: int = 0) -> list[Seen]:
    """Return the bodies of a frame of which at least 60 % of the pixels show."""
    owner = scene.owner(frame)
    time_s = scene.time_of(frame)
    result = []
    for index, body in enumerate(scene.bodies):
        box = box_of(owner == index)
        if box is None:
            continue
        whole = body.box_at(time_s)
        share = (box[2] - box[0]) * (box[3] - box[1])
        if share < _VISIBLE * (whole[2] - whole[0]) * (whole[3] - whole[1]):
            continue
        x, y = (box[0] + box[2]) / 2 / scene.width, (box[1] + box[3]) / 2 / scene.height
        colour = body.colour_at(time_s)
        result.append(Seen(index, body.shape, colour, body.fill, body.grade, box, x, y))
    return result


def names_one(expression: Expression, target: Seen, everything: Sequence[Seen]) -> bool:
    """Return whether the expression is true of the target and clearly false of all others."""
    if expression.meaning(target) is not True:
        return False
    return all(
        expression.meaning(other) is False for other in everything if other.index != target.index
    )


def _banded(value: float, low: float, high: float) -> bool | None:
    """Return True below `low`, False above `high`, None between."""
    return True if value < low else False if value > high else None


_SIDES: dict[str, tuple[str, str, Test]] = {
    "left": ("on the left", "left", lambda s: _banded(s.x, 0.42, 0.55)),
    "right": ("on the right", "right", lambda s: _banded(1 - s.x, 0.42, 0.55)),
    "top": ("at the top", "top", lambda s: _banded(s.y, 0.4, 0.55)),
    "bottom": ("at the bottom", "bottom", lambda s: _banded(1 - s.y, 0.4, 0.55)),
}
_RELATIONS: dict[str, Callable[[Seen, Seen], float]] = {
    "to the left of": lambda a, b: b.x - a.x,
    "to the right of": lambda a, b: a.x - b.x,
    "above": lambda a, b: b.y - a.y,
    "below": lambda a, b: a.y - b.y,
}
_EXTREMES = {"leftmost": (0, -1), "rightmost": (0, 1), "topmost": (1, -1), "lowest": (1, 1)}


def _both(*tests: Test) -> Test:
    """Return the conjunction: False as soon as one is, else None when one is unclear."""

    def test(body: Seen) -> bool | None:
        values = [part(body) for part in tests]
        return False if False in values else None if None in values else True

    return test


def _attributes(target: Seen, use: Sequence[str]) -> Test:
    wanted = [(name, getattr(target, name)) for name in use]
    return lambda body: all(getattr(body, name) == value for name, value in wanted)


def _head(target: Seen, use: Sequence[str], noun: str = "shape") -> str:
    """Return words such as "small striped red star"; a generic noun when the shape is unused."""
    words = [target.grade] if "grade" in use else []
    if "fill" in use:
        words.append(target.fill)
    if "colour" in use:
        words.append(target.colour)
    words.append(target.shape if "shape" in use else noun)
    return " ".join(words)


_USES = (
    ("shape",),
    ("colour",),
    ("colour", "shape"),
    ("grade", "shape"),
    ("grade", "colour"),
    ("fill", "shape"),
    ("fill", "colour"),
    ("grade", "colour", "shape"),
    ("fill", "colour", "shape"),
    ("grade", "fill", "colour", "shape"),
)


def _plain(target: Seen) -> list[Expression]:
    return [
        Expression(
            _head(target, use), _attributes(target, use), f"the {_head(target, use)}", len(use)
        )
        for use in _USES
    ]


def _located(target: Seen, everything: Sequence[Seen]) -> list[Expression]:
    """Return expressions by side of the frame and by extreme position."""
    result = []
    for use in _USES[:5]:
        head, same = _head(target, use), _attributes(target, use)
        for phrase, word, side in _SIDES.values():
            meaning = _both(same, side)
            cue = f"the {head} {phrase}"
            result.append(Expression(f"{head} {phrase}", meaning, cue, len(use)))
            result.append(Expression(f"{word} {head}", meaning, cue, len(use)))
        for word, (axis, sign) in _EXTREMES.items():
            meaning, text = _extreme(same, axis, sign, everything), f"{word} {head}"
            result.append(Expression(text, meaning, f"the {text}", len(use)))
    return result


def _extreme(same: Test, axis: int, sign: int, everything: Sequence[Seen]) -> Test:
    alike = sorted((body for body in everything if same(body)), key=lambda s: (s.x, s.y)[axis])
    if len(alike) < 2:
        return lambda body: None
    first, second = (alike[-1], alike[-2]) if sign > 0 else (alike[0], alike[1])
    clear = abs((first.x, first.y)[axis] - (second.x, second.y)[axis]) >= _CLEAR
    return lambda body: None if not clear else body.index == first.index


def _related(target: Seen, everything: Sequence[Seen]) -> list[Expression]:
    """Return expressions by position relative to another body that its looks alone single out."""
    result = []
    for anchor in everything:
        if anchor.index == target.index:
            continue
        use = ("colour", "shape")
        called = Expression(_head(anchor, use), _attributes(anchor, use), "", 2)
        if not names_one(called, anchor, everything):
            continue
        known = f"the {called.text} {at_share(anchor.x, anchor.y)}"
        for phrase, gap in _RELATIONS.items():

            def beside(
                body: Seen, anchor: Seen = anchor, gap: Callable[[Seen, Seen], float] = gap
            ) -> bool | None:
                if body.index == anchor.index:
                    return False
                return _banded(-gap(body, anchor), -_CLEAR, 0.02)

            for own in _USES[:5]:
                text = f"{_head(target, own)} {phrase} the {called.text}"
                meaning = _both(_attributes(target, own), beside)
                cue = f"{known} and then {phrase} it"
                result.append(Expression(text, meaning, cue, len(own)))
    return result


def refer(dice: Dice, target: Seen, everything: Sequence[Seen], style: str) -> Expression | None:
    """Return an expression in the manner of a benchmark that names only the target.

    "refcoco": short, positions allowed; "refcocop": looks only; "refcocog": fuller,
    usually relative to another body. None when no expression is unambiguous.
    """
    pools = [_plain(target)]
    if style != "refcocop":
        pools.append(_located(target, everything))
    if style == "refcocog":
        pools = [_related(target, everything), *reversed(pools)]
    elif dice.chance(0.7):
        pools.reverse()
    for pool in pools:
        fitting = [e for e in pool if names_one(e, target, everything)]
        if fitting:
            shortest = min(e.words for e in fitting)
            return dice.pick([e for e in fitting if e.words <= shortest + 1])
    return None
