"""Spatial grounding and image segmentation: one expression, one body, its exact box and mask."""

from __future__ import annotations

from functools import partial

from onethinker_eval.demo.asking import Ask, Group, Setting, enough, to_json
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.prompting import prompts, segmentation_thought
from onethinker_eval.demo.referring import Expression, Seen, refer, seen
from onethinker_eval.demo.rle import encode
from onethinker_eval.demo.scene import Scene, to_1000
from onethinker_eval.demo.shapes import PERSON, SHAPES
from onethinker_eval.demo.stage import still_scene

__all__ = ["grounding", "segmentation"]

_GROUND = (
    "Find the {0}.",
    "Where is the {0}?",
    "Give the box of the {0}.",
    "Locate the {0}.",
    "Mark the {0} with a box.",
)
_SEGMENT = (
    "Segment the {0}.",
    "Outline the {0}.",
    "Which pixels show the {0}?",
    "Cut out the {0}.",
)
_THOUGHTS = (
    "I look for {0}. It is the {1} from {2} to {4} across and from {3} to {5} down.",
    "I search for {0} and find the {1}. It spans {2} to {4} across and {3} to {5} down.",
    "The words mean {0}. That is the {1}; it covers {2} to {4} across and {3} to {5} down.",
)


def _targets(
    dice: Dice,
    setting: Setting,
    style: str,
    people: bool | None,
    overlap: float,
    *,
    close_up: bool = False,
) -> tuple[Scene, list[tuple[Seen, Expression]]]:
    """Return a scene and as many different named bodies as asked for (at least one).

    In a `close_up` the body in the middle is one of them.
    """
    shapes = (PERSON,) if people else SHAPES if people is False else (*SHAPES, PERSON)
    for attempt in range(200):
        source = dice.fork("scene", attempt)
        scene = still_scene(source, setting, shapes=shapes, overlap=overlap, close_up=close_up)
        everything = seen(scene)
        if len(everything) != len(scene.bodies):
            continue
        found = []
        for target in source.shuffled(everything):
            expression = refer(source, target, everything, style)
            if expression is not None:
                found.append((target, expression))
        if close_up:
            found.sort(key=lambda pair: pair[0].index)
            if not found or found[0][0].index:
                continue
        if enough(len(found), setting.asks, attempt):
            return scene, found[: setting.asks]
    raise RuntimeError(f"no unambiguous {style} scene in 200 tries; allow more objects")


def _phrase(dice: Dice, templates: tuple[str, ...], expression: Expression) -> str:
    return dice.pick(templates).format(expression.text)


def _ground(
    dice: Dice,
    setting: Setting,
    *,
    style: str,
    people: bool | None = None,
    close_up: bool = False,
) -> Group:
    overlap = 0.15 if dice.chance(0.3) else 0.0
    scene, found = _targets(dice, setting, style, people, overlap, close_up=close_up)
    asks = []
    for target, expression in found:
        box = to_1000(target.box_px, scene.width, scene.height)
        thought = dice.pick(_THOUGHTS).format(expression.cue, target.look, *box)
        asks.append(
            Ask(
                "spatial_grounding",
                style,
                "spatial grounding",
                _phrase(dice, _GROUND, expression),
                to_json({"boxes": box}),
                thought,
                facts={
                    "box_px": list(target.box_px),
                    "body": target.index,
                    "phrase": expression.text,
                },
            )
        )
    return Group(scene, tuple(asks))


def _segment(dice: Dice, setting: Setting, *, style: str) -> Group:
    scene, found = _targets(dice, setting, style, None, 0.2 if dice.chance(0.4) else 0.0)
    asks = []
    for target, expression in found:
        mask = scene.mask(target.index)
        answer = prompts(mask)
        asks.append(
            Ask(
                "image_segmentation",
                style,
                "segmentation",
                _phrase(dice, _SEGMENT, expression),
                to_json(answer),
                segmentation_thought(expression.cue, target.look, answer),
                facts={
                    "segmentation_output": {"segmentation_rle": encode(mask)},
                    "body": target.index,
                    "phrase": expression.text,
                },
            )
        )
    return Group(scene, tuple(asks))


grounding = {
    "refcoco_val": partial(_ground, style="refcoco"),
    "refcoco_testA": partial(_ground, style="refcoco", people=True),
    "refcoco_testB": partial(_ground, style="refcoco", people=False),
    "refcocop_val": partial(_ground, style="refcocop"),
    "refcocop_testA": partial(_ground, style="refcocop", people=True),
    "refcocop_testB": partial(_ground, style="refcocop", people=False),
    "refcocog_val": partial(_ground, style="refcocog"),
    "refcocog_test": partial(_ground, style="refcocog"),
}
segmentation = {
    "seg_refcoco": partial(_segment, style="refcoco"),
    "seg_refcocop": partial(_segment, style="refcocop"),
    "seg_refcocog": partial(_segment, style="refcocog"),
}
