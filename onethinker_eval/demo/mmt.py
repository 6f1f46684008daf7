"""MMT-Bench's twin: its sub-tasks, each with the name of the group it counts to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from onethinker_eval.demo import captioning, pictures
from onethinker_eval.demo.asking import Family, Group, Setting
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.pictures import Drawn
from onethinker_eval.demo.queries import as_choice, queries
from onethinker_eval.demo.referring import seen
from onethinker_eval.demo.stage import still_scene

__all__ = ["SUBTASKS", "subtasks"]

#: sub-task → group, spelled as the real file spells them
SUBTASKS = {
    "color_recognition": "visual_recognition",
    "shape_recognition": "visual_recognition",
    "counting_by_category": "counting",
    "rotated_object_detection": "localization",
    "point_tracking": "cross_image_matching",
    "image_quality_assessment": "image_evaluation_judgement",
    "gui_general": "gui_navigation",
    "image_captioning": "visual_captioning",
    "instance_captioning": "visual_captioning",
    "multiple_instance_captioning": "visual_captioning",
}
_QUERIES = {
    "color_recognition": ("colour_of",),
    "shape_recognition": ("shape_of",),
    "counting_by_category": ("count_shape", "count_colour"),
}
_DRAWN: dict[str, Callable[[Dice, tuple[int, int]], Drawn]] = {
    "rotated_object_detection": pictures.rotated,
    "point_tracking": pictures.point_tracking,
    "gui_general": pictures.screen,
}
_CAPTIONS: dict[str, Family] = {
    "image_captioning": captioning.image_captioning,
    "instance_captioning": captioning.instance_captioning,
    "multiple_instance_captioning": captioning.multiple_instance_captioning,
}


def _draw(dice: Dice, setting: Setting, *, name: str) -> Group:
    if name in _CAPTIONS:
        group = _CAPTIONS[name](dice, setting)
    elif name in _DRAWN or name == "image_quality_assessment":
        group = _figure(dice, setting, name)
    else:
        group = _scene(dice, setting, name)
    asks = [
        replace(ask, category=name, facts={"l2-category": SUBTASKS[name]}) for ask in group.asks
    ]
    return replace(group, asks=tuple(asks))


def _figure(dice: Dice, setting: Setting, name: str) -> Group:
    if name == "image_quality_assessment":
        scene = replace(still_scene(dice, setting), ground=dice.pick(("plain", "checked", "tiled")))
        figure, made = pictures.quality(dice, scene.image())
    else:
        figure, made = _DRAWN[name](dice, setting.size)
    return Group(figure, (as_choice(dice, made[0]),))


def _scene(dice: Dice, setting: Setting, name: str) -> Group:
    for attempt in range(100):
        source = dice.fork(name, attempt)
        scene = still_scene(source, setting, variety=4)
        made = queries(source, seen(scene), _QUERIES[name])
        if made:
            return Group(scene, (as_choice(source, made[0]),))
    raise RuntimeError(f"no scene for {name} in 100 tries; allow more objects")


def subtasks() -> tuple[Family, ...]:
    """Return a family for each sub-task, in the order of `SUBTASKS`."""
    return tuple(partial(_draw, name=name) for name in SUBTASKS)
