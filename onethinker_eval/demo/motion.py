"""Bodies in time: wandering, single events, and clips whose events do not hide each other.

Times are seconds on a grid of half seconds (whole seconds where asked), spans include both ends.
A body rests outside its events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from onethinker_eval.demo.asking import Setting
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.scene import Body, Box, Key, Scene
from onethinker_eval.demo.shapes import COLOURS, GROUNDS, SHAPES
from onethinker_eval.demo.stage import Look, size_for

__all__ = [
    "DIRECTIONS",
    "FPS",
    "MOVES",
    "Event",
    "Timeline",
    "clip_looks",
    "timeline",
    "touching",
    "wander",
]

FPS = 4.0
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}
MOVES = tuple(DIRECTIONS)
KINDS = (*MOVES, "grow", "shrink", "visible")
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Event:
    """What one body does in a span: a direction of motion, "grow", "shrink" or "visible"."""

    body: int
    kind: str
    span_s: Span


@dataclass(frozen=True, slots=True)
class Timeline:
    """A clip and everything that happens in it, in order of time."""

    scene: Scene
    events: tuple[Event, ...]

    def starts(self) -> dict[int, float]:
        """Return when bodies (by index) that move first set off, in seconds."""
        return {e.body: e.span_s[0] for e in reversed(self.events) if e.kind in MOVES}


def clip_looks(dice: Dice, count: int, shapes: Sequence[str] = SHAPES) -> list[Look]:
    """Return looks whose (shape, colour) pairs differ, with some shapes and colours in common."""
    some_shapes = dice.sample(shapes, min(len(shapes), max(2, dice.integer(2, 4))))
    some_colours = dice.sample(tuple(COLOURS), dice.integer(3, 4))
    pairs = [(shape, colour) for shape in some_shapes for colour in some_colours]
    return [
        (shape, colour, "striped" if dice.chance(0.2) else "plain", "small")
        for shape, colour in dice.sample(pairs, min(count, len(pairs)))
    ]


def wander(
    dice: Dice, setting: Setting, duration_s: float, size: float, pause: float = 0.2
) -> tuple[Key, ...]:
    """Return keys of a walk inside the frame with turns every 3 to 6 seconds and slow growth."""
    width, height = setting.size
    keys: list[Key] = []
    time_s = 0.0
    while True:
        now = size * dice.uniform(0.85, 1.2)
        half = now / 2 + 1
        x, y = dice.uniform(half, width - half), dice.uniform(half, height - half)
        if keys and dice.chance(pause):
            x, y = keys[-1].x, keys[-1].y
        keys.append(Key(time_s, round(x), round(y), round(now)))
        if time_s >= duration_s:
            return tuple(keys)
        time_s += dice.integer(3, 6)


def touching(one: Box, other: Box) -> float:
    """Return the overlap of two boxes as a share of the smaller one, 0..1."""
    w = min(one[2], other[2]) - max(one[0], other[0])
    h = min(one[3], other[3]) - max(one[1], other[1])
    if w <= 0 or h <= 0:
        return 0.0
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other))
    return w * h / smaller


def _spans(dice: Dice, count: int, duration_s: float, step_s: float) -> list[Span]:
    """Return disjoint spans in order, at least 1.5 s long and 1.5 s apart."""
    slot = (duration_s - 1.5) / count
    result = []
    for at in range(count):
        longest = min(8.0, slot - 1.5)
        length = max(1.5, dice.uniform(min(2.0, longest), longest))
        start = at * slot + dice.uniform(0.5, max(0.5, slot - length - 0.5))
        start, length = round(start / step_s) * step_s, max(1, round(length / step_s)) * step_s
        result.append((start, start + length))
    return result


def _move(dice: Dice, kind: str, spot: Key, setting: Setting) -> Key | None:
    """Return where a body ends that moves from `spot`, or None when it has no room."""
    dx, dy = DIRECTIONS[kind]
    extent = setting.size[0] if dx else setting.size[1]
    length = dice.uniform(0.3, 0.55) * extent
    x, y, half = spot.x + dx * length, spot.y + dy * length, spot.size / 2
    if not (half <= x <= setting.size[0] - half and half <= y <= setting.size[1] - half):
        return None
    return replace(spot, x=round(x), y=round(y))


def _body(
    dice: Dice, look: Look, kinds: Sequence[str], spans: Sequence[Span], setting: Setting
) -> Body | None:
    """Return a body doing the events in their spans, or None when a random start leaves no room."""
    size = size_for(dice, "small", setting) * (1.0 if "shrink" in kinds or "grow" in kinds else 1.2)
    growth = dice.uniform(1.7, 2.1)
    if "shrink" in kinds:
        size *= growth
    half = size * (growth if "grow" in kinds else 1) / 2 + 1
    width, height = setting.size
    spot = Key(
        0.0,
        round(dice.uniform(half, width - half)),
        round(dice.uniform(half, height - half)),
        round(size),
    )
    keys, shown = [spot], ((0.0, float("inf")),)
    for kind, span in zip(kinds, spans, strict=True):
        if kind == "visible":
            shown = (span,)
            continue
        if kind in MOVES:
            end = _move(dice, kind, keys[-1], setting)
        else:
            factor = growth if kind == "grow" else 1 / growth
            end = replace(keys[-1], size=round(keys[-1].size * factor))
        if end is None:
            return None
        keys += [replace(keys[-1], time_s=span[0]), replace(end, time_s=span[1])]
    return Body(*look, keys=tuple(keys), shown_s=shown)


def _kinds(dice: Dice, allowed: Sequence[str]) -> list[str]:
    """Return one event, or two different ones that a reader cannot mix up."""
    first = dice.pick(allowed)
    if first == "visible" or dice.chance(0.5):
        return [first]
    rest = [k for k in allowed if k not in (first, "visible")]
    if first in ("grow", "shrink"):
        rest = [k for k in rest if k in MOVES]
    return [first, dice.pick(rest)] if rest else [first]


def _clear(body: Body, others: Sequence[Body], duration_s: float) -> bool:
    """Return whether a body stays apart from the others, looked at every half second."""
    for at in range(round(duration_s * 2)):
        time_s = at / 2
        box = body.box_at(time_s)
        if any(touching(box, other.box_at(time_s)) > 0.05 for other in others):
            return False
    return True


def timeline(
    dice: Dice,
    setting: Setting,
    duration_s: float,
    *,
    kinds: Sequence[str] = KINDS,
    shapes: Sequence[str] = SHAPES,
    step_s: float = 0.5,
) -> Timeline:
    """Return a clip in which each body has its own one or two events, all in plain view.

    Bodies that find no free path are left out; at least two remain or another clip is drawn.
    """
    width, height = setting.size
    for attempt in range(100):
        source = dice.fork("timeline", attempt)
        placed: list[Body] = []
        events: list[Event] = []
        for look in clip_looks(source, source.integer(*setting.objects), shapes):
            what = _kinds(source, kinds)
            spans = _spans(source, len(what), duration_s, step_s)
            for _ in range(40):
                body = _body(source, look, what, spans, setting)
                if body is not None and _clear(body, placed, duration_s):
                    pairs = zip(what, spans, strict=True)
                    events += [Event(len(placed), kind, span) for kind, span in pairs]
                    placed.append(body)
                    break
        if len(placed) >= 2:
            events.sort(key=lambda event: event.span_s)
            scene = Scene(
                width,
                height,
                FPS,
                round(duration_s * FPS),
                source.pick(GROUNDS),
                source.integer(0, 10**6),
                tuple(placed),
            )
            return Timeline(scene, tuple(events))
    raise RuntimeError("no clip with two free bodies in 100 tries; allow a larger frame")
