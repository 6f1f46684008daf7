"""Video questions: clips of events, lessons with three tracks, and sums on a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from onethinker_eval.demo import lessons
from onethinker_eval.demo.asking import Ask, Family, Group, Setting, enough
from onethinker_eval.demo.clip_queries import clip_queries
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.lessons import Lesson
from onethinker_eval.demo.motion import timeline
from onethinker_eval.demo.queries import Query, as_choice, as_number

__all__ = ["clips", "lesson_tracks", "math_lessons"]


def clips(
    seconds: tuple[int, int],
    options: int,
    names: Sequence[str] | None = None,
    category: str = "",
) -> Family:
    """Return a family of clips (length in seconds, both ends) with choices of `options`.

    `names` choose among `CLIP_QUERIES`; `category` is written into the records.
    """
    return partial(_clip, seconds=seconds, options=options, names=names, category=category)


def _clip(
    dice: Dice,
    setting: Setting,
    *,
    seconds: tuple[int, int],
    options: int,
    names: Sequence[str] | None,
    category: str,
) -> Group:
    for attempt in range(100):
        source = dice.fork("clip", attempt)
        line = timeline(source, setting, source.integer(*seconds))
        made = [q for q in clip_queries(source, line, names) if len(q.wrong) >= options - 1]
        if enough(len(made), setting.asks, attempt):
            asks = [as_choice(source, q, "video_qa", options) for q in made[: setting.asks]]
            facts = {"category": category} if category else {}
            return Group(line.scene, tuple(replace(ask, facts=facts) for ask in asks))
    raise RuntimeError("no clip with enough clear questions in 100 tries; allow more objects")


def lesson_tracks(dice: Dice, setting: Setting) -> Group:
    """Return a lesson with a question of each VideoMMMU track.

    Perception has ten options or asks for a number, comprehension has ten options, adaptation
    shows a new case in a picture and asks for a number.
    """
    lesson = lessons.machine(dice, setting.size)
    recall = (
        as_choice(dice, lesson.recall, "video_qa", 10)
        if dice.chance(0.6)
        else as_number(lesson.recall, "video_qa")
    )
    rule = as_choice(dice, lesson.rule, "video_qa", 10)
    use = replace(as_number(lesson.use, "video_qa"), pictures=(0, 1))
    asks = []
    for ask, track in ((recall, "Perception"), (rule, "Comprehension"), (use, "Adaptation")):
        asks.append(replace(ask, facts={"track": track}))
    return Group(lesson.slides, tuple(asks), (lesson.case,))


def math_lessons(dice: Dice, setting: Setting) -> Group:
    """Return a lesson on numbers with choices of five (VideoMathQA's manner)."""
    lesson: Lesson = dice.pick((lessons.sums, lessons.machine))(dice, setting.size)
    wanted: list[Query] = [lesson.recall, lesson.rule]
    if lesson.use.category != "adaptation":
        wanted.insert(0, lesson.use)
    chosen = wanted[:1] + dice.shuffled(wanted[1:])
    asks: list[Ask] = [as_choice(dice, query, "video_qa", 5) for query in chosen[: setting.asks]]
    return Group(lesson.slides, tuple(asks))
