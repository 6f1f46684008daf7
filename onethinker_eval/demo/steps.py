"""Steps of a thought that point: where a shape is, what stands from left to right, how it moves.

A small model cannot find, compare and conclude within one word. These steps put what must be found
into words, one look at a time, so that the conclusion can be read from them. Places are
"at [x, y]" in 0..1000 of the frame, whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

from onethinker_eval.demo.referring import Seen
from onethinker_eval.demo.scene import Body, Scene, at_share, of_1000

__all__ = ["at_pixel", "course", "first_and_last", "from_the_left"]

_MOMENTS = 8
_AXES = {"right": "x", "left": "x", "up": "y", "down": "y", "grow": "size", "shrink": "size"}


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


def course(scene: Scene, body: Body, kind: str, span_s: tuple[float, float] | None = None) -> str:
    """Return what of a body an event of `kind` changes, at each of the moments.

    That is the middle (x or y), or the larger side of its box ("size"), in 1000ths of the frame's
    width or height; 0 while it is not there. With the `span_s` of a move or a change of size it
    says where the moments within begin and where they end.
    """
    axis = _AXES.get(kind, "x")
    values, before = [], ""
    for time_s in _moments(scene):
        x, y, size = body.pose(time_s)
        share = {"x": x / scene.width, "y": y / scene.height, "size": size / scene.width}[axis]
        value = of_1000(share) if body.shown_at(time_s) else 0
        state = ""
        if span_s is not None and kind in _AXES:
            state = "changing " if span_s[0] < time_s < span_s[1] else "still "
        values.append(f"{state if state != before else ''}{time_s:.1f}={value}")
        before = state
    return f"Its {axis}: {', '.join(values)}"


def first_and_last(scene: Scene) -> str:
    """Return the looks of each body, and where it is when it first shows and when it last does."""
    end_s = scene.time_of(scene.frame_count - 1)
    told = []
    for body in sorted(scene.bodies, key=lambda one: one.keys[0].x):
        start, stop = max(0.0, body.shown_s[0][0]), min(end_s, body.shown_s[-1][1])
        first, last = body.pose(start), body.pose(stop)
        size = (scene.width, scene.height)
        told.append(f"{body.name} {at_pixel(*first[:2], size)} then {at_pixel(*last[:2], size)}")
    return f"From the left: {'; '.join(told)}."
