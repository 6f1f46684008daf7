"""Spatio-temporal grounding: when and where, one box per whole second (the STVG twin).

A span is whole seconds, both ends included; key "k" is the frame at k seconds, and its box is that
of the visible pixels in 0..1000. Two bodies may look alike and differ in what they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from onethinker_eval.demo.asking import Ask, Group, Setting, enough, to_json
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.motion import DIRECTIONS, FPS, clip_looks, touching
from onethinker_eval.demo.scene import Body, Key, Scene, box_of, to_1000
from onethinker_eval.demo.shapes import GROUNDS, shape_mask
from onethinker_eval.demo.stage import Look, size_for
from onethinker_eval.demo.steps import course, limits
from onethinker_eval.demo.temporal import doing

__all__ = ["tubes"]

_SHOWN = 0.6
_TEMPLATES = (
    "When and where is this: the {0} {1}?",
    "Find the time and the boxes in which the {0} {1}.",
    "The {0} {1}. Give the span and a box for each second of it.",
    "In which seconds, and where, can you see that the {0} {1}?",
)
_KINDS = (*DIRECTIONS, "visible")


def tubes(dice: Dice, setting: Setting) -> Group:
    """Return a clip whose bodies each show up once, with one question per clear body."""
    for attempt in range(200):
        source = dice.fork("tubes", attempt)
        scene, kinds = _scene(source, setting)
        asks = []
        for index in range(len(scene.bodies)):
            ask = _ask(source, scene, kinds, index)
            if ask is not None:
                asks.append(ask)
        if enough(len(asks), setting.asks, attempt):
            return Group(scene, tuple(source.shuffled(asks)[: setting.asks]))
    raise RuntimeError("no clip with enough clear bodies in 200 tries; allow a larger frame")


def _scene(dice: Dice, setting: Setting) -> tuple[Scene, list[str]]:
    seconds = dice.integer(12, 18)
    wanted = clip_looks(dice, dice.integer(*setting.objects))
    if dice.chance(0.4):
        wanted[-1] = wanted[0]
    bodies: list[Body] = []
    kinds: list[str] = []
    for look in wanted:
        for _ in range(60):
            kind = dice.pick(_KINDS)
            body = _body(dice, look, kind, seconds, setting)
            if body is not None and not _meets(body, bodies, seconds):
                bodies.append(body)
                kinds.append(kind)
                break
    width, height = setting.size
    scene = Scene(
        width,
        height,
        FPS,
        round(seconds * FPS),
        dice.pick(GROUNDS),
        dice.integer(0, 10**6),
        tuple(bodies),
    )
    return scene, kinds


def _body(dice: Dice, look: Look, kind: str, seconds: int, setting: Setting) -> Body | None:
    width, height = setting.size
    size = round(size_for(dice, "small", setting) * dice.uniform(1.1, 1.5))
    length = dice.integer(3, 8)
    start = dice.integer(0, seconds - length - 1)
    half = size / 2 + 1
    x, y = dice.uniform(half, width - half), dice.uniform(half, height - half)
    dx, dy = DIRECTIONS.get(kind, (0, 0))
    share = dice.uniform(0.35, 0.6)
    x2, y2 = x + dx * share * width, y + dy * share * height
    if not (half <= x2 <= width - half and half <= y2 <= height - half):
        return None
    keys = (Key(start, round(x), round(y), size), Key(start + length, round(x2), round(y2), size))
    return Body(*look, keys=keys, shown_s=((start, start + length),))


def _meets(body: Body, others: Sequence[Body], seconds: int) -> bool:
    """Return whether it covers more than a fifth of a body while both are shown."""
    for half in range(seconds * 2):
        time_s = half / 2
        if not body.shown_at(time_s):
            continue
        box = body.box_at(time_s)
        for other in others:
            if other.shown_at(time_s) and touching(box, other.box_at(time_s)) > 0.2:
                return True
    return False


def _boxes(scene: Scene, index: int) -> dict[int, list[int]] | None:
    body = scene.bodies[index]
    start, end = (round(t) for t in body.shown_s[0])
    boxes = {}
    for second in range(start, end + 1):
        mask = scene.owner(scene.frame_at(second)) == index
        box = box_of(mask)
        whole = shape_mask(body.shape, round(body.pose(second)[2])).sum()
        if box is None or mask.sum() < _SHOWN * whole:
            return None
        boxes[second] = to_1000(box, scene.width, scene.height)
    return boxes


def _ask(dice: Dice, scene: Scene, kinds: Sequence[str], index: int) -> Ask | None:
    body, kind = scene.bodies[index], kinds[index]
    for other, what in zip(scene.bodies, kinds, strict=True):
        alike = other is not body and (other.shape, other.colour) == (body.shape, body.colour)
        if alike and (kind == "visible" or what in (kind, "visible")):
            return None
    boxes = _boxes(scene, index)
    if boxes is None:
        return None
    name, act = body.name, doing(kind)
    start, end = min(boxes), max(boxes)
    answer = {"time": [start, end], "boxes": {str(at): box for at, box in boxes.items()}}
    thought = (
        f"I wait for the {name}. {course(scene, body)}. "
        f"{limits(scene, body, (start, end), moves=False, at='second {}')} "
        "I note its box at each second."
    )
    return Ask(
        "spatio_temporal_grounding",
        kind,
        "spatial-temporal grounding",
        dice.pick(_TEMPLATES).format(name, act),
        to_json(answer),
        thought,
        facts={"body": index, "duration_s": scene.duration_s},
    )
