"""Steps of a thought that point: where a shape is, what stands from left to right, how it moves.

A small model cannot find, compare and conclude within one word. These steps put what must be found
into words, one look at a time, so that the conclusion can be read from them. Places are
"at [x, y]" or boxes [x1, y1, x2, y2] in 0..1000 of the frame, whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onethinker_eval.demo.referring import Seen
from onethinker_eval.demo.scene import Body, Scene, at_share, to_1000

__all__ = ["at_pixel", "course", "courses", "from_the_left"]

_MOMENTS = 8
_LEAST = 12.0
"""Change of a place or a size that counts, in 1000ths of the frame: two pixels of a demo clip."""
_CHANGES = (("left", "right"), ("up", "down"), ("shrinks", "grows"))


def at_pixel(x: float, y: float, size: tuple[int, int]) -> str:
    """Return a place given in pixels of a frame of `size` (width, height)."""
    return at_share(x / size[0], y / size[1])


def from_the_left(bodies: Iterable[Seen]) -> str:
    """Return each body with its number and place, from left to right."""
    ordered = sorted(bodies, key=lambda body: (body.x, body.y))
    told = [
        f"{number} {at_share(body.x, body.y)} {body.name}" for number, body in enumerate(ordered, 1)
    ]
    return f"From the left: {', '.join(told)}."


def _moments(scene: Scene) -> list[float]:
    """Return eight times in seconds, evenly spread: the middles of pairs of sixteen frames."""
    last = scene.time_of(scene.frame_count - 1)
    return [(4 * at + 1) / 2 / (2 * _MOMENTS - 1) * last for at in range(_MOMENTS)]


def course(scene: Scene, body: Body, at: Sequence[int] = range(_MOMENTS), told: str = "") -> str:
    """Return the box of a body at moments `at` (of eight), and what it did since the one before.

    "away" stands for a box where the body is not in the frame; `told` follows the first box. What
    it did is said after its boxes: who reads the boxes can tell, and nobody before.
    """
    parts: list[str] = []
    moments = _moments(scene)
    before: Sequence[float] | None = None
    for time_s in (moments[one] for one in at):
        box = _inside(scene, body, time_s)
        now = body.pose(time_s) if box is not None else None
        text = f"{time_s:.1f}: {box}" if box is not None else f"{time_s:.1f} away"
        if box is not None and told:
            text, told = f"{text} {told}", ""
        elif before is not None and now is not None:
            text = f"{text} {_did(scene, before, now)}"
        parts.append(text)
        before = now
    return ", ".join(parts)


def _inside(scene: Scene, body: Body, time_s: float) -> list[int] | None:
    """Return what of a body's box lies in the frame, 0..1000; None if nothing does."""
    left, top, right, bottom = body.box_at(time_s)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(right, scene.width), min(bottom, scene.height)
    if not body.shown_at(time_s) or x1 >= x2 or y1 >= y2:
        return None
    return to_1000((x1, y1, x2, y2), scene.width, scene.height)


def _did(scene: Scene, before: Sequence[float], now: Sequence[float]) -> str:
    """Return the words for what changed between two poses (x, y, size in pixels)."""
    sides = (scene.width, scene.height, scene.width)
    moved = [1000 * (b - a) / side for a, b, side in zip(before, now, sides, strict=True)]
    words = [_CHANGES[at][change > 0] for at, change in enumerate(moved) if abs(change) > _LEAST]
    return " ".join(words) or "still"


def courses(scene: Scene, count: int) -> str:
    """Return the looks of each body and `count` boxes of its course, from left to right.

    They are spread evenly over the moments at which it is there, or over all if it never is.
    """
    told = []
    for body in sorted(scene.bodies, key=lambda one: one.keys[0].x):
        shown = [at for at, time_s in enumerate(_moments(scene)) if body.shown_at(time_s)]
        shown = shown or list(range(_MOMENTS))
        chosen = {shown[round(one * (len(shown) - 1) / (count - 1))] for one in range(count)}
        listed = course(scene, body, sorted(chosen), body.name)
        told.append(listed if body.name in listed else f"{body.name} {listed}")
    return f"From the left: {'; '.join(told)}."
