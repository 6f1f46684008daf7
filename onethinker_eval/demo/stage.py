"""Drawing still scenes: which bodies, where. Positions are pixels of the frame's own size.

Sizes come in two bands with a gap between, so that "small" and "large" are never in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence

from onethinker_eval.demo.asking import Setting
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.scene import Body, Scene, still
from onethinker_eval.demo.shapes import COLOURS, FILLS, GROUNDS, PERSON, SHAPES

__all__ = ["GRADES", "Look", "bodies", "looks", "named", "place", "size_for", "still_scene"]

GRADES = ("small", "large")
_BANDS = {"small": (0.17, 0.22), "large": (0.31, 0.38)}
_CLOSE_UP = (0.56, 0.64)
_OFF_CENTRE = 0.04
_GAP = 0.02

Look = tuple[str, str, str, str]


def size_for(dice: Dice, grade: str, setting: Setting) -> int:
    """Return the larger side in pixels of a small or large body."""
    low, high = _BANDS[grade]
    return round(dice.uniform(low, high) * min(setting.size))


def looks(dice: Dice, count: int, shapes: Sequence[str] = SHAPES, variety: int = 3) -> list[Look]:
    """Return `count` different (shape, colour, fill, grade) with repeated shapes and colours.

    Few shapes and colours (at most `variety` of each) make bodies that must be told apart.
    """
    some_shapes = dice.sample(shapes, min(len(shapes), dice.integer(2, variety)))
    some_colours = dice.sample(tuple(COLOURS), dice.integer(2, variety + 1))
    if len(shapes) == 1:
        some_colours = dice.sample(tuple(COLOURS), variety + 1)
    result: list[Look] = []
    while len(result) < count:
        fill = FILLS[1] if dice.chance(0.3) else FILLS[0]
        look = (dice.pick(some_shapes), dice.pick(some_colours), fill, dice.pick(GRADES))
        if look not in result:
            result.append(look)
    return result


def named(look: Look) -> str:
    """Return the full name of a look, such as "small striped red star".

    >>> named(("star", "red", "plain", "large"))
    'large red star'
    """
    shape, colour, fill, grade = look
    return f"{grade} striped {colour} {shape}" if fill == "striped" else f"{grade} {colour} {shape}"


def place(
    dice: Dice,
    sizes: Sequence[float],
    setting: Setting,
    overlap: float = 0.0,
    *,
    close_up: bool = False,
) -> list[tuple[float, float]] | None:
    """Return centres inside the frame for boxes of these sides, or None when they do not fit.

    `overlap` is the share by which two boxes may reach into each other (0..1). `close_up` puts
    the first one near the middle of the frame.
    """
    width, height = setting.size
    gap = _GAP * min(setting.size)
    for _ in range(60):
        centres: list[tuple[float, float]] = []
        for at, size in enumerate(sizes):
            for _ in range(40):
                half = size / 2 + 2
                if close_up and at == 0:
                    x, y = (
                        side * dice.uniform(0.5 - _OFF_CENTRE, 0.5 + _OFF_CENTRE)
                        for side in setting.size
                    )
                else:
                    x, y = dice.uniform(half, width - half), dice.uniform(half, height - half)
                if all(
                    max(abs(x - cx), abs(y - cy)) >= (size + sizes[other]) / 2 * (1 - overlap) + gap
                    for other, (cx, cy) in enumerate(centres)
                ):
                    centres.append((round(x), round(y)))
                    break
            if len(centres) != at + 1:
                break
        if len(centres) == len(sizes):
            return centres
    return None


def bodies(
    dice: Dice,
    chosen: Sequence[Look],
    setting: Setting,
    overlap: float = 0.0,
    *,
    close_up: bool = False,
) -> tuple[Body, ...]:
    """Return resting bodies for the looks; drops the last ones when they do not fit.

    In a `close_up` the first one fills the middle of the frame.
    """
    wanted = list(chosen)
    while True:
        sizes = [_tall(look, size_for(dice, look[3], setting)) for look in wanted]
        if close_up:
            share = dice.uniform(*_CLOSE_UP)
            sizes[0] = _tall(wanted[0], round(share * min(setting.size)))
        centres = place(dice, sizes, setting, overlap, close_up=close_up)
        if centres is not None:
            return tuple(
                Body(*look, keys=still(x, y, size))
                for look, (x, y), size in zip(wanted, centres, sizes, strict=True)
            )
        wanted.pop()


def _tall(look: Look, size: int) -> int:
    return round(size * 1.3) if look[0] == PERSON else size


def still_scene(
    dice: Dice,
    setting: Setting,
    *,
    shapes: Sequence[str] = SHAPES,
    overlap: float = 0.0,
    variety: int = 3,
    close_up: bool = False,
) -> Scene:
    """Return a picture of resting bodies, their number in `setting.objects`.

    In a `close_up` the first one is large and in the middle, as the subject of a photograph is.
    """
    count = dice.integer(*setting.objects)
    chosen = looks(dice, count, shapes, variety)
    if close_up:
        # The first in the list is the subject; no other may carry its name.
        subject = (*chosen[0][:3], GRADES[1])
        chosen = [subject, *(look for look in chosen[1:] if look != subject)]
    width, height = setting.size
    placed = bodies(dice, chosen, setting, overlap, close_up=close_up)
    return Scene(width, height, 0, 1, dice.pick(GROUNDS), dice.integer(0, 10**6), placed)
