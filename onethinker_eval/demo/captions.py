"""Captions told from the scene itself: what is there, where it is, what happens in order."""

from __future__ import annotations

from collections.abc import Sequence

from onethinker_eval.demo.clip_queries import told
from onethinker_eval.demo.motion import Timeline
from onethinker_eval.demo.queries import plural
from onethinker_eval.demo.referring import Seen
from onethinker_eval.demo.temporal import doing

__all__ = ["clip_caption", "clip_facts", "scene_caption", "where"]

_THIRDS = (0.36, 0.64)
_CLEAR_S = 0.5


def where(body: Seen) -> str:
    """Return the place of a body in words, such as "at the top left" or "in the middle"."""
    vertical = "top" if body.y < _THIRDS[0] else "bottom" if body.y > _THIRDS[1] else ""
    across = "left" if body.x < _THIRDS[0] else "right" if body.x > _THIRDS[1] else ""
    if not vertical and not across:
        return "in the middle"
    if not vertical:
        return f"on the {across}"
    return f"at the {vertical} {across}".rstrip()


def from_the_top(bodies: Sequence[Seen]) -> list[Seen]:
    """Return the bodies in the order in which a caption names them."""
    return sorted(bodies, key=lambda body: (round(body.y, 1), body.x))


def scene_caption(bodies: Sequence[Seen], ground: str) -> str:
    """Return a caption with the number of shapes, each one's looks and place, and the ground."""
    parts = [f"a {body.look} {where(body)}" for body in from_the_top(bodies)]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{plural('shape', len(bodies))} on a {ground} ground: {listed}."


def clip_caption(line: Timeline) -> str:
    """Return what happens in a clip, event after event."""
    names = [f"a {b.name}".replace("a orange", "an orange") for b in line.scene.bodies]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    steps = [told(line, event) for event in line.events]
    story = ". Then ".join(steps)
    return f"The clip shows {listed}. {story[0].upper()}{story[1:]}."


def clip_facts(line: Timeline) -> tuple[tuple[str, str], ...]:
    """Return three questions with short answers that the caption of a clip settles.

    First and last are asked for only where half a second or more tells them from the rest.
    """
    starts = [event.span_s[0] for event in line.events]
    facts = [("How many shapes are in the clip?", str(len(line.scene.bodies)))]
    if starts[1] - starts[0] >= _CLEAR_S:
        facts.append(("What happens first?", told(line, line.events[0])))
    if starts[-1] - starts[-2] >= _CLEAR_S:
        facts.append(("What begins last?", told(line, line.events[-1])))
    for index, body in enumerate(line.scene.bodies):
        own = [event.kind for event in line.events if event.body == index]
        if len(own) == 1:
            facts.append((f"What does the {body.name} do?", f"it {doing(own[0])}"))
    facts.append(("Which shape is named first?", line.scene.bodies[0].shape))
    facts.append(("Which shape is named last?", line.scene.bodies[-1].shape))
    return tuple(facts[:3])
