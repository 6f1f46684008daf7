"""Image questions: scenes of shapes, charts, geometry, diagrams and small science pictures.

One function per benchmark whose manner of asking differs: interleaved images (MMMU), numbers and
choices mixed (MathVista), five versions of a problem (MathVerse), hints (ScienceQA), …
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onethinker_eval.demo import pictures
from onethinker_eval.demo.asking import Ask, Drawable, Group, Setting, enough
from onethinker_eval.demo.charts import chart, chart_queries
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.geometry import VERSIONS, problem
from onethinker_eval.demo.queries import Query, as_choice, as_number, queries
from onethinker_eval.demo.referring import seen
from onethinker_eval.demo.stage import still_scene
from onethinker_eval.demo.steps import from_the_left

__all__ = [
    "charts",
    "charts_as_choices",
    "compared",
    "counts",
    "diagrams",
    "geometry",
    "mmmu_open",
    "mmmu_two",
    "science",
    "shape_choices",
    "versions",
]

_COUNTING = ("count_shape", "count_colour", "count_all", "count_grade")


def shape_choices(dice: Dice, setting: Setting) -> Group:
    """Return a scene with multiple choice questions of different kinds on it."""
    for attempt in range(100):
        source = dice.fork("choices", attempt)
        scene = still_scene(source, setting, variety=4)
        made = queries(source, seen(scene))
        first = {query.category: query for query in reversed(made)}
        chosen = [query for query in made if first[query.category] is query]
        if enough(len(chosen), setting.asks, attempt):
            asks = tuple(as_choice(source, query) for query in chosen[: setting.asks])
            return Group(scene, asks)
    raise RuntimeError("no scene with enough clear questions in 100 tries; allow more objects")


def counts(dice: Dice, setting: Setting) -> Group:
    """Return a scene with questions whose answer is a number of shapes."""
    scene = still_scene(dice, setting, variety=4)
    made = queries(dice, seen(scene), _COUNTING)
    return Group(scene, tuple(as_number(query) for query in made[: setting.asks]))


def charts(dice: Dice, setting: Setting, numbers: float = 0.5) -> Group:
    """Return a chart; each question is a number with the given probability, else a choice."""
    it = chart(dice, setting.size)
    names = ("read", "highest", "difference", "sum", "above", "mean")
    asks = []
    for query in chart_queries(dice, it, names)[: setting.asks]:
        numeric = query.right.replace(".", "").isdigit()
        if numeric and dice.chance(numbers):
            asks.append(as_number(query))
        else:
            asks.append(as_choice(dice, query))
    return Group(it.figure, tuple(asks))


def charts_as_choices(dice: Dice, setting: Setting) -> Group:
    """Return a chart with multiple choice questions only."""
    return charts(dice, setting, numbers=0.0)


def geometry(dice: Dice, setting: Setting) -> Group:
    """Return a geometric figure with its numbers and one question, a number or a choice."""
    it = problem(dice, setting.size)
    name = "Vision Dominant"
    text, figure = it.version(name)
    query = Query(it.subject, text, it.answer, it.wrong, it.thinking(name))
    ask = as_choice(dice, query) if dice.chance(0.3) else as_number(query, problem_type="math")
    return Group(figure, (ask,))


def versions(dice: Dice, setting: Setting) -> Group:
    """Return one problem in the five versions of MathVerse, each with its own figure."""
    it = problem(dice, setting.size)
    choices = dice.chance(0.4)
    asks: list[Ask] = []
    figures: list[Drawable] = []
    for at, name in enumerate(VERSIONS):
        text, figure = it.version(name)
        query = Query(it.subject, text, it.answer, it.wrong, it.thinking(name))
        same = dice.fork("options")
        ask = as_choice(same, query) if choices else as_number(query, problem_type="math")
        full = f"{it.given} {it.asked}?"
        facts = {"problem_version": name, "question_for_eval": full, "subject": it.subject}
        asks.append(replace(ask, facts=facts, pictures=(at,)))
        figures.append(figure)
    return Group(figures[0], tuple(asks), tuple(figures[1:]))


def diagrams(dice: Dice, setting: Setting) -> Group:
    """Return a ring diagram with lettered parts (AI2D's manner)."""
    figure, made = pictures.cycle(dice, setting.size)
    chosen = dice.shuffled(made)[: setting.asks]
    return Group(figure, tuple(as_choice(dice, query) for query in chosen))


_SCIENCE = {
    "magnets": (pictures.magnets, "Like poles repel each other. Unlike poles attract each other."),
    "solutions": (pictures.solutions, "The concentration is the number of particles per volume."),
    "thermometers": (pictures.thermometers, ""),
}


def science(dice: Dice, setting: Setting) -> Group:
    """Return a small science picture; some questions come with a hint (ScienceQA's manner)."""
    maker, hint = _SCIENCE[dice.pick(sorted(_SCIENCE))]
    figure, made = maker(dice, setting.size)
    asks = [
        replace(as_choice(dice, query), facts={"hint": hint})
        for query in dice.shuffled(made)[: setting.asks]
    ]
    return Group(figure, tuple(asks))


def _opened(group: Group, disciplines: Sequence[str], dice: Dice) -> Group:
    """Return the group with "<image 1>" in its questions and a discipline as category."""
    asks = []
    for ask in group.asks:
        text = f"Look at <image 1>. {ask.question}"
        asks.append(replace(ask, question=text, category=dice.pick(disciplines)))
    return replace(group, asks=tuple(asks))


def compared(dice: Dice, setting: Setting) -> Group:
    """Return MMMU-like choices on one chart, figure or picture."""
    kind = dice.integer(0, 2)
    if kind == 0:
        return _opened(charts(dice, setting, numbers=0.0), ("Accounting", "Economics"), dice)
    if kind == 1:
        return _opened(science(dice, setting), ("Physics", "Chemistry"), dice)
    return _opened(shape_choices(dice, setting), ("Design", "Art"), dice)


def mmmu_open(dice: Dice, setting: Setting) -> Group:
    """Return MMMU-like questions without options; the answer is a number."""
    return _opened(charts(dice, replace(setting, asks=1), numbers=1.0), ("Finance",), dice)


def mmmu_two(dice: Dice, setting: Setting) -> Group:
    """Return a MMMU-like question that compares two pictures."""
    scenes = [still_scene(dice.fork("two", at), setting, variety=4) for at in range(2)]
    sizes = [len(scene.bodies) for scene in scenes]
    told = [
        f"In the {place} picture I look. {from_the_left(seen(scene))} It holds {size}."
        for place, scene, size in zip(("first", "second"), scenes, sizes, strict=True)
    ]
    options = ("the first", "the second", "both hold the same number", "neither holds any")
    right = options[0 if sizes[0] > sizes[1] else 1 if sizes[1] > sizes[0] else 2]
    query = Query(
        "Sociology",
        "Which picture holds more shapes, <image 1> or <image 2>?",
        right,
        tuple(option for option in options if option != right),
        f"{' '.join(told)} They are {sizes[0]} and {sizes[1]}.",
    )
    ask = replace(as_choice(dice, query), pictures=(0, 1))
    return Group(scenes[0], (ask,), (scenes[1],))
