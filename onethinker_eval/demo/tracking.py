"""Tracking: a box in the first frame, then one box a second for 32 seconds (GOT-10k's twin).

Key "k" (1..32) is the frame at k-1 seconds; its box is that of the visible pixels, 0..1000. The
target always shows at least 45 % of itself at those frames; another body may pass in front.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onethinker_eval.demo.asking import Ask, Group, Setting, enough, to_json
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.motion import FPS, clip_looks, wander
from onethinker_eval.demo.scene import Body, Box, Scene, box_of, to_1000
from onethinker_eval.demo.shapes import GROUNDS, shape_mask
from onethinker_eval.demo.stage import size_for

__all__ = ["tracking"]

SECONDS = 32
_SHOWN = 0.45
_FIRST = 0.9
_TEMPLATES = (
    "In the first frame the target is at the box {0}. Follow it and give its box at each second.",
    "The box {0} holds the target at the start. Where is the target at every second?",
    "Track the object whose box in the first frame is {0}.",
    "Keep an eye on the object at {0} in the first frame; report its box once a second.",
)


def tracking(dice: Dice, setting: Setting) -> Group:
    """Return a clip of 32 s with one tracking question per body that stays in view."""
    for attempt in range(200):
        scene = _scene(dice.fork("tracking", attempt), setting)
        owners = [scene.owner(scene.frame_at(second)) for second in range(SECONDS)]
        asks = []
        for index in range(len(scene.bodies)):
            boxes = _boxes(scene, owners, index)
            if boxes is not None:
                asks.append(_ask(dice, scene, index, boxes))
        if enough(len(asks), setting.asks, attempt * 2):
            return Group(scene, tuple(asks[: setting.asks]))
    raise RuntimeError("no target stayed in view in 200 tries; allow fewer objects")


def _scene(dice: Dice, setting: Setting) -> Scene:
    count = max(2, dice.integer(*setting.objects) - 1)
    bodies = []
    for shape, colour, fill, _ in clip_looks(dice, count):
        grade = "large" if dice.chance(0.4) else "small"
        size = size_for(dice, grade, setting) * 1.1
        keys = wander(dice, setting, SECONDS, size)
        bodies.append(Body(shape, colour, fill, grade, keys))
    width, height = setting.size
    return Scene(
        width,
        height,
        FPS,
        round(SECONDS * FPS),
        dice.pick(GROUNDS),
        dice.integer(0, 10**6),
        tuple(bodies),
    )


def _boxes(scene: Scene, owners: list[NDArray[np.int16]], index: int) -> list[Box] | None:
    """Return the box at each second, or None when the target is ever hidden too far."""
    boxes = []
    for second, owner in enumerate(owners):
        mask = owner == index
        size = round(scene.bodies[index].pose(second)[2])
        share = mask.sum() / shape_mask(scene.bodies[index].shape, size).sum()
        box = box_of(mask)
        if box is None or share < (_SHOWN if second else _FIRST):
            return None
        boxes.append(box)
    return boxes


def _ask(dice: Dice, scene: Scene, index: int, boxes: list[Box]) -> Ask:
    body = scene.bodies[index]
    track = [to_1000(box, scene.width, scene.height) for box in boxes]
    answer = {"boxes": {str(at + 1): box for at, box in enumerate(track)}}
    return Ask(
        "tracking",
        "tracking",
        "tracking",
        dice.pick(_TEMPLATES).format(track[0]),
        to_json(answer),
        f"The first box holds the {body.name}. I follow it for 32 seconds.",
        facts={"body": index, "boxes_px": [list(box) for box in boxes]},
    )
