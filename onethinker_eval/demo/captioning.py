"""Captions as answers (MMSci's and Video-MMLU's twins) and as choices (MMT-Bench's captioning)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onethinker_eval.demo import lessons
from onethinker_eval.demo.asking import Ask, Group, Setting
from onethinker_eval.demo.captions import (
    clip_caption,
    clip_facts,
    from_the_top,
    scene_caption,
    where,
)
from onethinker_eval.demo.charts import chart, chart_caption
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.motion import timeline
from onethinker_eval.demo.queries import Query, as_choice
from onethinker_eval.demo.referring import Seen, seen
from onethinker_eval.demo.scene import at_share
from onethinker_eval.demo.shapes import COLOURS, SHAPES
from onethinker_eval.demo.stage import still_scene
from onethinker_eval.demo.steps import courses, from_the_left

__all__ = [
    "chart_figure",
    "clip_story",
    "image_captioning",
    "instance_captioning",
    "lesson_story",
    "multiple_instance_captioning",
    "scene_figure",
]

_IMAGE = (
    "Write a caption for this figure.",
    "Describe the figure in a caption.",
    "What does the figure show? Answer with a caption.",
)
_VIDEO = (
    "Describe the clip in detail.",
    "Tell what the clip shows, in order.",
    "Write a caption that says what happens in the clip.",
)


def _caption(dice: Dice, family: str, category: str, text: str, thinking: str) -> Ask:
    question = dice.pick(_IMAGE if family == "image_caption" else _VIDEO)
    return Ask(family, category, "caption", question, text, thinking)


def chart_figure(dice: Dice, setting: Setting) -> Group:
    """Return a chart with its caption."""
    it = chart(dice, setting.size)
    thought = f"It is a {it.kind} chart. {'. '.join(map(it.read, it.letters))}."
    ask = _caption(dice, "image_caption", "chart", chart_caption(it), thought)
    return Group(it.figure, (ask,))


def scene_figure(dice: Dice, setting: Setting) -> Group:
    """Return a scene of shapes with its caption."""
    scene = still_scene(dice, setting, variety=4)
    bodies = seen(scene)
    thought = _listed(bodies)
    text = scene_caption(bodies, scene.ground)
    return Group(scene, (_caption(dice, "image_caption", "scene", text, thought),))


def clip_story(dice: Dice, setting: Setting) -> Group:
    """Return a clip of events with its caption and questions that the caption settles."""
    line = timeline(dice, setting, dice.integer(12, 18))
    thought = f"{courses(line.scene)} I list {len(line.events)} events in order."
    ask = _caption(dice, "video_caption", "physics", clip_caption(line), thought)
    return Group(line.scene, (replace(ask, facts={"qa": clip_facts(line)}),))


def lesson_story(dice: Dice, setting: Setting) -> Group:
    """Return a lesson with its caption and questions that the caption settles."""
    maker = dice.pick((lessons.machine, lessons.sums, lessons.experiment))
    lesson = maker(dice, setting.size)
    thought = f"The lesson is about {lesson.subject.lower()}. {lesson.read}"
    ask = _caption(dice, "video_caption", lesson.subject, lesson.told, thought)
    return Group(lesson.slides, (replace(ask, facts={"qa": lesson.facts}),))


def _instance(body: Seen) -> str:
    fill = "striped " if body.fill == "striped" else "plain "
    return f"a {body.grade} {fill}{body.name}"


def _placed(body: Seen) -> str:
    return f"{at_share(body.x, body.y)} {body.look}"


def _listed(bodies: Sequence[Seen]) -> str:
    return f"From top to bottom: {', '.join(map(_placed, from_the_top(bodies)))}."


def _changed(dice: Dice, body: Seen) -> list[Seen]:
    """Return the body with one or two of its looks changed, each differently."""
    colours = [c for c in COLOURS if c != body.colour]
    shapes = [s for s in SHAPES if s != body.shape]
    grade = "small" if body.grade == "large" else "large"
    return [
        replace(body, colour=dice.pick(colours)),
        replace(body, shape=dice.pick(shapes)),
        replace(body, grade=grade, colour=dice.pick(colours)),
    ]


def image_captioning(dice: Dice, setting: Setting) -> Group:
    """Return a scene and four captions of which one fits."""
    scene = still_scene(dice, replace(setting, objects=(2, 3)), variety=4)
    first, *rest = seen(scene)
    wrong = [scene_caption([other, *rest], scene.ground) for other in _changed(dice, first)]
    query = Query(
        "image_captioning",
        "Which caption fits the picture?",
        scene_caption([first, *rest], scene.ground),
        tuple(wrong),
        _listed((first, *rest)),
    )
    return Group(scene, (as_choice(dice, query),))


def instance_captioning(dice: Dice, setting: Setting) -> Group:
    """Return a scene and four descriptions, of which one fits the shape at a named place."""
    for attempt in range(100):
        source = dice.fork("instance", attempt)
        scene = still_scene(source, setting, variety=4)
        bodies = seen(scene)
        places = [where(body) for body in bodies]
        alone = [b for b, place in zip(bodies, places, strict=True) if places.count(place) == 1]
        if not alone:
            continue
        body = source.pick(alone)
        wrong = [_instance(other) for other in _changed(source, body)]
        if set(wrong) & {_instance(other) for other in bodies}:
            continue
        query = Query(
            "instance_captioning",
            f"Which description fits the shape {where(body)}?",
            _instance(body),
            tuple(wrong),
            f"The shape {where(body)} is {at_share(body.x, body.y)}. It is {_instance(body)}.",
        )
        return Group(scene, (as_choice(source, query),))
    raise RuntimeError("no shape alone at its place in 100 tries; allow fewer objects")


def multiple_instance_captioning(dice: Dice, setting: Setting) -> Group:
    """Return a scene of two shapes and four captions of how they lie to each other."""
    for attempt in range(100):
        scene = still_scene(dice.fork("pair", attempt), replace(setting, objects=(2, 2)))
        bodies = seen(scene)
        if len(bodies) != 2:
            continue
        one, other = bodies
        dx, dy = other.x - one.x, other.y - one.y
        names = [f"a {body.name}" for body in bodies]
        if one.shape == other.shape or one.colour == other.colour or abs(abs(dx) - abs(dy)) < 0.15:
            continue
        if abs(dx) > abs(dy):
            words = (
                ("to the left of", "to the right of")
                if dx > 0
                else ("to the right of", "to the left of")
            )
        else:
            words = ("above", "below") if dy > 0 else ("below", "above")
        swapped = f"a {other.colour} {one.shape}", f"a {one.colour} {other.shape}"
        third = _changed(dice, one)[1]
        wrong = [
            f"{names[0]} {words[1]} {names[1]}",
            f"a {third.name} {words[0]} {names[1]}",
            f"{swapped[0]} {words[1]} {swapped[1]}",
        ]
        right = f"{names[0]} {words[0]} {names[1]}"
        query = Query(
            "multiple_instance_captioning",
            "Which caption tells how the shapes lie?",
            right,
            tuple(wrong),
            f"{from_the_left(bodies)} So {right}.",
        )
        if len({right, *wrong}) == 4:
            return Group(scene, (as_choice(dice, query),))
    raise RuntimeError("no pair of shapes with a clear relation in 100 tries")
