"""Image questions on scenes of shapes: multiple choice and counts."""

from __future__ import annotations

from onethinker_eval.demo.asking import Group, Setting
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.queries import as_choice, as_number, queries
from onethinker_eval.demo.referring import seen
from onethinker_eval.demo.stage import still_scene

__all__ = ["counts", "shape_choices"]

_COUNTING = ("count_shape", "count_colour", "count_all", "count_grade")


def shape_choices(dice: Dice, setting: Setting) -> Group:
    """Return a scene with multiple choice questions of different kinds on it."""
    for attempt in range(100):
        source = dice.fork("choices", attempt)
        scene = still_scene(source, setting, variety=4)
        made = queries(source, seen(scene))
        by_category = {query.category: query for query in reversed(made)}
        chosen = [query for query in made if by_category[query.category] is query]
        if len(chosen) >= setting.asks:
            asks = tuple(as_choice(source, query) for query in chosen[: setting.asks])
            return Group(scene, asks)
    raise RuntimeError("no scene with enough clear questions in 100 tries; allow more objects")


def counts(dice: Dice, setting: Setting) -> Group:
    """Return a scene with questions whose answer is a number of shapes."""
    scene = still_scene(dice, setting, variety=4)
    made = queries(dice, seen(scene), _COUNTING)
    return Group(scene, tuple(as_number(query) for query in made[: setting.asks]))
