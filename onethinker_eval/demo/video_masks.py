"""Video segmentation: an expression about motion (MeViS) or one to think about (ReasonVOS).

The answer is a time on the grid of half seconds, the first at which nearly all of the body shows,
with box and points at that time. The truth is a mask for each frame; frames without the body have
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.demo.asking import Ask, Group, Setting, enough, to_json
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.motion import FPS, touching
from onethinker_eval.demo.prompting import prompts, segmentation_thought
from onethinker_eval.demo.rle import encode
from onethinker_eval.demo.scene import Body, Key, Scene
from onethinker_eval.demo.shapes import CORNERS, GROUNDS, SHAPES, cornered
from onethinker_eval.demo.stage import looks, size_for
from onethinker_eval.demo.steps import courses, unlike

__all__ = ["video_segmentation"]

_SEGMENT = (
    "Segment the {0}.",
    "Follow the outline of the {0}.",
    "Mark the pixels of the {0}.",
    "Which pixels belong to the {0}?",
)
_MOTION = {
    "right": "that moves to the right",
    "left": "that moves to the left",
    "up": "that moves up",
    "down": "that moves down",
    "still": "that does not move",
    "grow": "that grows",
    "return": "that goes away from its place and comes back",
    "leave": "that leaves the picture",
    "enter": "that comes into the picture",
}
_DELTA = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}
_UNLIKE = "shape that does not belong with the others"
_WHEEL = "shape that could roll like a wheel"
_CORNERED = "only shape with"
_ENOUGH = 0.95
_LEAST = 6


@dataclass(frozen=True, slots=True)
class _Clip:
    scene: Scene
    kinds: tuple[str, ...]


Owners = Sequence[NDArray[np.int16]]


def _keys(
    dice: Dice, kind: str, size: float, seconds: float, setting: Setting
) -> tuple[Key, ...] | None:
    """Return the keys of a motion over the clip, or None when this start has no room for it."""
    width, height = setting.size
    half = size / 2 + 1
    x, y = dice.uniform(half, width - half), dice.uniform(half, height - half)
    start = Key(0.0, round(x), round(y), size)
    if kind == "still":
        return (start,)
    if kind == "grow":
        return (start, Key(seconds, start.x, start.y, round(size * 1.9)))
    dx, dy = _DELTA[kind] if kind in _DELTA else dice.pick(tuple(_DELTA.values()))
    share = dice.uniform(0.35, 0.6)
    end_x, end_y = x + dx * share * width, y + dy * share * height
    if kind in ("leave", "enter"):
        near = x < width / 2
        end_x, end_y = (-half - 4 if near else width + half + 4), y
        far = Key(seconds * dice.uniform(0.5, 0.7), round(end_x), start.y, size)
        if kind == "leave":
            return (start, far)
        began = seconds - far.time_s
        return (Key(began, far.x, far.y, size), Key(seconds - 1, start.x, start.y, size))
    if not (half <= end_x <= width - half and half <= end_y <= height - half):
        return None
    there = Key(seconds, round(end_x), round(end_y), size)
    if kind == "return":
        return (
            start,
            Key(seconds / 2, there.x, there.y, size),
            Key(seconds, start.x, start.y, size),
        )
    return (start, there)


def _clip(dice: Dice, setting: Setting) -> _Clip:
    seconds = dice.integer(6, 8)
    chosen = looks(dice, dice.integer(*setting.objects), SHAPES, variety=3)
    bodies: list[Body] = []
    kinds: list[str] = []
    for look in chosen:
        for _ in range(60):
            kind = dice.pick(tuple(_MOTION))
            size = size_for(dice, look[3], setting)
            if kind == "grow":
                size = size_for(dice, "small", setting)
            keys = _keys(dice, kind, size, seconds, setting)
            if keys is not None and _apart_at_rest(keys, look, bodies):
                bodies.append(Body(*look, keys=keys))
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
    return _Clip(scene, tuple(kinds))


def _apart_at_rest(
    keys: tuple[Key, ...], look: tuple[str, str, str, str], others: list[Body]
) -> bool:
    """Return whether the body's first and last box keep clear of the others' first and last."""
    body = Body(*look, keys=keys)
    return all(
        touching(body.box_at(time_s), other.box_at(time_s)) < 0.3
        for other in others
        for time_s in (0.0, 4.0, 8.0)
    )


def _motion_phrase(_: Dice, clip: _Clip, index: int) -> str | None:
    """Return the shortest words for looks and motion that fit this body alone."""
    body, kind = clip.scene.bodies[index], clip.kinds[index]
    if kind in _DELTA and _muddled(clip, kind, index):
        return None
    for use in ((), ("shape",), ("colour",), ("colour", "shape")):
        alike = [
            at
            for at, other in enumerate(clip.scene.bodies)
            if clip.kinds[at] == kind
            and all(getattr(other, name) == getattr(body, name) for name in use)
        ]
        if alike == [index]:
            words = [body.colour] if "colour" in use else []
            words.append(body.shape if "shape" in use else "shape")
            return f"{' '.join(words)} {_MOTION[kind]}"
    return None


def _muddled(clip: _Clip, kind: str, index: int) -> bool:
    """Return whether another body also moves that way for a while (going back, leaving, …)."""
    dx, dy = _DELTA[kind]
    for at, body in enumerate(clip.scene.bodies):
        if at == index or len(body.keys) < 2 or clip.kinds[at] == "grow":
            continue
        for a, b in pairwise(body.keys):
            if (b.x - a.x) * dx + (b.y - a.y) * dy > 8:
                return True
    return False


def _reason_phrase(dice: Dice, clip: _Clip, index: int) -> str | None:
    """Return words that need a step of thought and fit this body alone."""
    body, kind = clip.scene.bodies[index], clip.kinds[index]
    others = [o for at, o in enumerate(clip.scene.bodies) if at != index]
    found = []
    corners = CORNERS.get(body.shape)
    if corners and all(CORNERS.get(other.shape) != corners for other in others):
        found.append(f"{_CORNERED} {corners} corners")
    if corners == 0 and all(other.shape not in ("circle", "heart") for other in others):
        found.append(_WHEEL)
    shapes = {other.shape for other in others}
    if len(others) >= 2 and len(shapes) == 1 and body.shape not in shapes:
        found.append(_UNLIKE)
    if kind == "leave" and clip.kinds.count("leave") == 1:
        found.append("shape that you can no longer see at the end")
    if kind == "enter" and clip.kinds.count("enter") == 1:
        found.append("shape that is not there at the beginning")
    if kind == "still" and clip.kinds.count("still") == 1:
        found.append("shape that rests while the others are busy")
    return dice.pick(found) if found else None


def _answer(clip: _Clip, owners: Owners, index: int) -> tuple[float, dict[str, Any]] | None:
    """Return the time at which nearly all of the body shows first, and the answer's JSON value."""
    step = round(FPS / 2)
    times = range(0, clip.scene.frame_count, step)
    areas = [int((owners[frame] == index).sum()) for frame in times]
    if max(areas) < _LEAST**2:
        return None
    frame = next(f for f, area in zip(times, areas, strict=True) if area >= _ENOUGH * max(areas))
    time_s = clip.scene.time_of(frame)
    return time_s, {"time": time_s, **prompts(owners[frame] == index)}


def _truth(owners: Owners, index: int, keep_empty: bool) -> dict[str, Any]:
    """Return frames and masks; absent ones are null when `keep_empty`, else left out."""
    names = [f"{frame:05d}" for frame in range(len(owners))]
    masks: dict[str, Any] = {}
    for name, owner in zip(names, owners, strict=True):
        mask = owner == index
        if mask.any():
            masks[name] = encode(mask)
        elif keep_empty:
            masks[name] = None
    return {"frames": names, "segmentation_rle": masks}


def _draw(dice: Dice, setting: Setting, *, style: str) -> Group:
    phrase = _motion_phrase if style == "mevis" else _reason_phrase
    for attempt in range(200):
        source = dice.fork(style, attempt)
        clip = _clip(source, setting)
        words = [phrase(source, clip, index) for index in range(len(clip.scene.bodies))]
        if not enough(len(words) - words.count(None), setting.asks, attempt):
            continue
        owners = [clip.scene.owner(frame) for frame in range(clip.scene.frame_count)]
        asks = [
            ask
            for index, text in enumerate(words)
            if text and (ask := _ask(source, clip, owners, index, text, style)) is not None
        ]
        if enough(len(asks), setting.asks, attempt):
            return Group(clip.scene, tuple(source.shuffled(asks)[: setting.asks]))
    raise RuntimeError(f"no {style} clip with enough clear bodies in 200 tries")


def _ask(dice: Dice, clip: _Clip, owners: Owners, index: int, words: str, style: str) -> Ask | None:
    found = _answer(clip, owners, index)
    if found is None:
        return None
    time_s, answer = found
    body = clip.scene.bodies[index]
    steps = f"{_found(clip, index, words)} At {time_s:.1f} s it shows well."
    thought = segmentation_thought(f"the {words}", body.name, answer, steps)
    return Ask(
        "video_segmentation",
        style,
        "segmentation",
        dice.pick(_SEGMENT).format(words),
        to_json(answer),
        thought,
        facts={
            "segmentation_output": _truth(owners, index, style == "mevis"),
            "body": index,
            "phrase": words,
        },
    )


def _found(clip: _Clip, index: int, words: str) -> str:
    """Return how the body that `words` mean is found, and its name: when it shows follows that."""
    if words == _UNLIKE:
        return unlike(clip.scene, index)  # shows only once all have been told
    body = clip.scene.bodies[index]
    shaped = words == _WHEEL or words.startswith(_CORNERED)
    lead = f"That is {cornered(CORNERS[body.shape])}. " if shaped else ""
    return f"{lead}{courses(clip.scene, fitting=[index])} It is the {body.name}."


video_segmentation = {name: partial(_draw, style=name) for name in ("mevis", "reasonvos")}
