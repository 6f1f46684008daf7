"""Temporal grounding: when does something happen? Charades, ActivityNet and ANet-RTL twins.

A span runs from the first to the last moment of the event, both ends included, in seconds on a
grid of half seconds. ANet-RTL's questions describe the body by reasoning, not by its name.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from onethinker_eval.demo.asking import Ask, Group, Setting, enough, to_json
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.motion import MOVES, Event, Timeline, timeline
from onethinker_eval.demo.scene import Body
from onethinker_eval.demo.shapes import CORNERS, cornered
from onethinker_eval.demo.steps import course, courses, limits, set_off, unlike

__all__ = ["doing", "temporal"]

_DOING = {
    "grow": "grows",
    "shrink": "shrinks",
    "visible": "is in view",
    "right": "moves to the right",
    "left": "moves to the left",
    "up": "moves up",
    "down": "moves down",
}
_ASK = {
    "charades": (
        "When is this seen: {0} {1}?",
        "Find the time in which {0} {1}.",
        "During which seconds can you see that {0} {1}?",
        "Give the span of: {0} {1}.",
    ),
    "activitynet": (
        "Which part of the clip shows how {0} {1}?",
        "Ground this sentence in time: {0} {1}.",
        "The sentence is: {0} {1}. When does it hold?",
    ),
    "anet_rtl": (
        "Think about what you see. During which time is it that {0} {1}?",
        "Work out which shape is meant: {0} {1}. When?",
    ),
}
_ORDER = ("first", "second", "third", "fourth", "fifth")


def doing(kind: str) -> str:
    """Return the words for an event, such as "moves to the left"."""
    return _DOING[kind]


def _named(body: Body) -> str:
    return f"the {body.name}"


def _reasoned(dice: Dice, line: Timeline, event: Event) -> tuple[str, str] | None:
    """Return a description that needs a step of thought, and that step; None when none fits."""
    body = line.scene.bodies[event.body]
    name = body.name
    found: list[tuple[str, str]] = []
    corners = CORNERS.get(body.shape)
    others = [o for at, o in enumerate(line.scene.bodies) if at != event.body]
    if corners is not None and all(CORNERS.get(o.shape, 0) != corners for o in others):
        words = "without any corners" if corners == 0 else f"with {corners} corners"
        rounded = corners == 0 and any(o.shape == "heart" for o in others)
        if not rounded:
            listed = courses(line.scene, 1, [event.body])
            step = f"That is {cornered(corners)}. {listed} It is the {name}."
            found.append((f"the only shape {words}", step))
    same_shape = [o for o in others if o.shape == body.shape]
    if not same_shape and len(others) >= 2 and len({o.shape for o in others}) == 1:
        listed = unlike(line.scene, event.body, 1)
        found.append(("the shape that is unlike all the others", listed))
    appearing = [e for e in line.events if e.kind == "visible"]
    if event.kind == "visible" and len(appearing) > 1 and _apart(appearing):
        order = _ORDER[appearing.index(event)]
        step = f"{courses(line.scene, 1)} The {order} one is the {name}."
        found.append((f"the {order} shape to come into view", step))
    moving = [e for e in line.events if e.kind in MOVES]
    if event.kind in MOVES and moving.index(event) == 0 and len(moving) > 1 and _apart(moving):
        step = f"{set_off(line.scene, line.starts(), first=True)} The first is the {name}."
        found.append(("the shape that sets off first", step))
    return dice.pick(found) if found else None


def _apart(events: list[Event]) -> bool:
    """Return whether the events begin at least a second after each other."""
    starts = [event.span_s[0] for event in events]
    return all(b - a >= 1.0 for a, b in pairwise(starts))


def _ask(dice: Dice, line: Timeline, event: Event, style: str) -> Ask | None:
    body = line.scene.bodies[event.body]
    subject, step = _named(body), ""
    if style == "anet_rtl":
        reasoned = _reasoned(dice, line, event)
        if reasoned is None:
            return None
        subject, step = reasoned[0], f" {reasoned[1]}"
    act = doing(event.kind)
    question = dice.pick(_ASK[style]).format(subject, act)
    thought = (
        f"I need the time in which {subject} {act}.{step} {course(line.scene, body)}. "
        f"{limits(line.scene, body, event.span_s, moves=event.kind != 'visible')}"
    )
    facts = {"duration_s": line.scene.duration_s, "body": event.body, "kind": event.kind}
    return Ask(
        "temporal_grounding",
        style,
        "temporal grounding",
        question,
        to_json({"time": list(event.span_s)}),
        thought,
        facts=facts,
    )


def _draw(dice: Dice, setting: Setting, *, style: str, seconds: tuple[int, int]) -> Group:
    for attempt in range(100):
        source = dice.fork(style, attempt)
        line = timeline(source, setting, source.integer(*seconds))
        asks: list[Ask] = []
        for event in source.shuffled(line.events):
            ask = _ask(source, line, event, style)
            if ask is not None and ask.answer not in [other.answer for other in asks]:
                asks.append(ask)
        if enough(len(asks), setting.asks, attempt):
            return Group(line.scene, tuple(asks[: setting.asks]))
    raise RuntimeError(f"no {style} clip with a clear question in 100 tries; allow more objects")


temporal = {
    "charades": partial(_draw, style="charades", seconds=(14, 22)),
    "activitynet": partial(_draw, style="activitynet", seconds=(22, 32)),
    "anet_rtl": partial(_draw, style="anet_rtl", seconds=(16, 24)),
}
