"""Questions about a clip of events, each with one right answer, wrong ones and a short thought."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.motion import MOVES, Event, Timeline
from onethinker_eval.demo.queries import Query
from onethinker_eval.demo.scene import Body
from onethinker_eval.demo.shapes import COLOURS, SHAPES
from onethinker_eval.demo.steps import at_pixel, course, courses, order, set_off
from onethinker_eval.demo.temporal import doing

__all__ = ["CLIP_QUERIES", "clip_queries", "told"]

Maker = Callable[[Dice, Timeline], "Query | None"]
_GAP_S = 1.0
_CLOSE = 5
"""Boxes of a body's course: to tell when it did what."""
_DIRECTIONS = {"right": "to the right", "left": "to the left", "up": "up", "down": "down"}
_FATES = (
    *(f"it {doing(kind)}" for kind in (*MOVES, "grow", "shrink")),
    "it is there only for a while",
)


def _name(line: Timeline, event: Event) -> str:
    return line.scene.bodies[event.body].name


def told(line: Timeline, event: Event) -> str:
    """Return an event as a clause, such as "the red circle moves up"."""
    return f"the {_name(line, event)} {doing(event.kind)}"


def _watched(line: Timeline, event: Event) -> str:
    body = line.scene.bodies[event.body]
    return f"I watch the {body.name}. {course(line.scene, body)}."


def _absent_names(dice: Dice, line: Timeline) -> list[str]:
    names = {body.name for body in line.scene.bodies}
    pool = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    return [name for name in dice.shuffled(pool) if name not in names][:6]


def _other_names(dice: Dice, line: Timeline, right: str) -> tuple[str, ...]:
    """Return the other bodies' names first, then names of bodies that are not in the clip."""
    names = [body.name for body in line.scene.bodies]
    return tuple(([n for n in names if n != right] + _absent_names(dice, line))[:6])


def _false_events(dice: Dice, line: Timeline) -> list[str]:
    """Return clauses about the clip's bodies that are not true at any time."""
    true = {(event.body, event.kind) for event in line.events}
    kinds = (*MOVES, "grow", "shrink")
    false = [
        f"the {body.name} {doing(kind)}"
        for at, body in enumerate(line.scene.bodies)
        for kind in kinds
        if (at, kind) not in true
    ]
    return dice.shuffled(false)[:6]


def _direction(dice: Dice, line: Timeline) -> Query | None:
    moves = [event for event in line.events if event.kind in MOVES]
    once = [e for e in moves if sum(other.body == e.body for other in moves) == 1]
    if not once:
        return None
    event = dice.pick(once)
    right = _DIRECTIONS[event.kind]
    wrong = [text for text in _DIRECTIONS.values() if text != right]
    name = _name(line, event)
    return Query(
        "motion",
        f"In which direction does the {name} move?",
        right,
        (*wrong, "it does not move", "in a circle"),
        f"{_watched(line, event)} It moves {right}.",
    )


def _fate(dice: Dice, line: Timeline) -> Query | None:
    single = [e for e in line.events if sum(o.body == e.body for o in line.events) == 1]
    if not single:
        return None
    event = dice.pick(single)
    kinds = (*MOVES, "grow", "shrink", "visible")
    right = _FATES[kinds.index(event.kind)]
    name = _name(line, event)
    wrong = tuple(dice.shuffled([text for text in _FATES if text != right])[:5])
    thought = f"{_watched(line, event)} So {right}."
    return Query("action", f"What happens to the {name}?", right, wrong, thought)


def _who(dice: Dice, line: Timeline) -> Query | None:
    kinds = [event.kind for event in line.events]
    single = [e for e in line.events if kinds.count(e.kind) == 1 and e.kind != "visible"]
    if not single:
        return None
    event = dice.pick(single)
    right = _name(line, event)
    return Query(
        "object",
        f"Which shape {doing(event.kind)}?",
        right,
        _other_names(dice, line, right),
        f"I look for what {doing(event.kind)}. {courses(line.scene, fitting=[event.body])} "
        f"Only the {right} {doing(event.kind)}.",
    )


def _which_first(dice: Dice, line: Timeline) -> Query | None:
    starts = line.starts()
    if len(starts) < 2:
        return None
    first = dice.chance(0.5)
    ordered = sorted(starts, key=lambda body: starts[body], reverse=not first)
    if abs(starts[ordered[0]] - starts[ordered[1]]) < _GAP_S:
        return None
    right = line.scene.bodies[ordered[0]].name
    word = "first" if first else "last"
    others = tuple(line.scene.bodies[at].name for at in sorted(ordered[1:]))
    extra = [n for n in _other_names(dice, line, right) if n not in others]
    return Query(
        "order",
        f"Which shape is the {word} to start moving?",
        right,
        (*others, *extra)[:6],
        f"I look for the {word} to start moving. {set_off(line.scene, starts, first=first)} "
        f"The {word} is the {right}.",
    )


def _place(line: Timeline, body: Body, time_s: float) -> str:
    x, y, _ = body.pose(time_s)
    return at_pixel(x, y, (line.scene.width, line.scene.height))


def _count(dice: Dice, line: Timeline) -> Query | None:
    fitting, act = set(range(len(line.scene.bodies))), "appears"
    noun = "different shapes appear in the clip"
    if dice.chance(0.5):
        fitting, act = {event.body for event in line.events if event.kind in MOVES}, "moves"
        noun = "shapes move from their place"
    count = len(fitting)
    near = tuple(str(v) for v in sorted(range(7), key=lambda v: abs(v - count)) if v != count)
    listed = courses(line.scene, fitting=fitting, counted=True)
    return Query(
        "counting",
        f"How many {noun}?",
        str(count),
        near[:5],
        f"I look for what {act}. {listed} That makes {count}.",
    )


def _happens(dice: Dice, line: Timeline) -> Query | None:
    false = _false_events(dice, line)
    event = dice.pick(line.events)
    if len(false) < 5 or event.kind == "visible":
        return None
    right = told(line, event)
    return Query(
        "plot",
        "Which of these happens in the clip?",
        right,
        tuple(false[:5]),
        f"{courses(line.scene, _CLOSE)} {_happened(line, right)} So {right}.",
    )


def _next(dice: Dice, line: Timeline) -> Query | None:
    """Ask what happens after an event; needs one event that clearly comes next."""
    chances = []
    for event in line.events:
        later = [e for e in line.events if e.span_s[0] >= event.span_s[1]]
        overlapping = [
            e
            for e in line.events
            if e is not event and e.span_s[0] < event.span_s[1] <= e.span_s[1] + 0.5
        ]
        later.sort(key=lambda e: e.span_s[0])
        clear = len(later) == 1 or (
            len(later) > 1 and later[1].span_s[0] - later[0].span_s[0] >= _GAP_S
        )
        if later and clear and not overlapping and later[0].kind != "visible":
            chances.append((event, later[0]))
    false = _false_events(dice, line)
    if not chances or len(false) < 5:
        return None
    before, after = dice.pick(chances)
    right = told(line, after)
    ended = told(line, before) if before.kind != "visible" else f"the {_name(line, before)} is seen"
    return Query(
        "temporal",
        f"What is the next thing to happen after this: {ended}?",
        right,
        tuple(false[:5]),
        f"{courses(line.scene, _CLOSE)} {_happened(line, right)} Then {right}.",
    )


def _happened(line: Timeline, right: str) -> str:
    """Return what moves or changes its size, body by body, up to what is `right`.

    Each is told with whether it fits: that the last one does is what the conclusion repeats.
    """
    clauses = [
        told(line, event)
        for at in order(line.scene)
        for event in line.events
        if event.body == at and event.kind != "visible"
    ]
    marked = [f"{clause}: no" for clause in clauses[: clauses.index(right)]]
    return f"I see that {'; '.join([*marked, f'{right}: fits'])}."


def _part(dice: Dice, line: Timeline) -> Query | None:
    """Ask in which third of the clip a short appearance lies; it must lie well inside."""
    third = line.scene.duration_s / 3
    parts = ("in the first third", "in the middle third", "in the last third")
    fitting = []
    for event in line.events:
        at = int(event.span_s[0] // third)
        if event.kind == "visible" and event.span_s[1] <= (at + 1) * third - 0.5:
            fitting.append((event, parts[at]))
    if not fitting:
        return None
    event, right = dice.pick(fitting)
    wrong = [p for p in parts if p != right]
    name = _name(line, event)
    return Query(
        "temporal",
        f"When can the {name} be seen?",
        right,
        (*wrong, "all the time", "at no time", "only in the very first frame"),
        f"{_watched(line, event)} "
        f"That is from {event.span_s[0]:.1f} s to {event.span_s[1]:.1f} s {right}.",
    )


def _at_rest(dice: Dice, line: Timeline) -> Query | None:
    """Ask for the colour of the one body of its shape, whatever it does."""
    shapes = [body.shape for body in line.scene.bodies]
    single = [body for body in line.scene.bodies if shapes.count(body.shape) == 1]
    if not single:
        return None
    body = dice.pick(single)
    wrong = tuple(dice.shuffled([c for c in COLOURS if c != body.colour])[:5])
    return Query(
        "attribute",
        f"What colour is the {body.shape}?",
        body.colour,
        wrong,
        f"{_shown(line, body)} It is {body.colour}.",
    )


def _shown(line: Timeline, body: Body) -> str:
    """Return when a body shows first, and where it is then."""
    time_s = body.shown_s[0][0]
    return f"At {time_s:.1f} s the only {body.shape} is {_place(line, body, time_s)}."


CLIP_QUERIES: dict[str, Maker] = {
    "direction": _direction,
    "fate": _fate,
    "who": _who,
    "which_first": _which_first,
    "count": _count,
    "happens": _happens,
    "next": _next,
    "part": _part,
    "at_rest": _at_rest,
}


def clip_queries(dice: Dice, line: Timeline, names: Sequence[str] | None = None) -> list[Query]:
    """Return the queries of these names (all by default) that have a clear answer, shuffled."""
    chosen = dice.shuffled(names or tuple(CLIP_QUERIES))
    made = [CLIP_QUERIES[name](dice, line) for name in chosen]
    return [query for query in made if query is not None]
