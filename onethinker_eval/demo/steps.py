"""Steps of a thought that point: where a shape is, what stands from left to right, how it moves.

A small model cannot find, compare and conclude within one word. These steps put what must be found
into words, one look at a time, so that the conclusion can be read from them. Places are
"at [x, y]" or boxes [x1, y1, x2, y2] in 0..1000 of the frame, whole numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from onethinker_eval.demo.referring import Seen
from onethinker_eval.demo.scene import Body, Scene, at_share, to_1000
from onethinker_eval.demo.shapes import plural_of
from onethinker_eval.media.frames import FrameRule, sample_indices, slot_seconds

__all__ = [
    "FRAMES",
    "at_pixel",
    "course",
    "courses",
    "from_the_left",
    "limits",
    "order",
    "set_off",
    "unlike",
]

FRAMES = FrameRule(fps=2.0, max_frames=64)
"""The frames of a clip that a thought tells of; the embedded model is shown these."""
_MOMENTS = 8
_LEAST = 12.0
"""Change of a place or a size that counts, in 1000ths of the frame: two pixels of a demo clip."""
_INSTANT = 1e-6
_STILL = "still"
_CHANGES = (("left", "right"), ("up", "down"), ("shrinks", "grows"))


def at_pixel(x: float, y: float, size: tuple[int, int]) -> str:
    """Return a place given in pixels of a frame of `size` (width, height)."""
    return at_share(x / size[0], y / size[1])


def from_the_left(bodies: Iterable[Seen], counted: str = "") -> str:
    """Return each body with its number and place, from left to right.

    Those of a colour, a shape or a grade (`counted`) are counted. Who looks for some bodies only
    passes over others; who tells all of them does not.
    """
    told: list[str] = []
    found = 0
    for number, body in enumerate(sorted(bodies, key=lambda body: (body.x, body.y)), 1):
        grade = f"{body.grade} " if counted == body.grade else ""
        text = f"{number} {at_share(body.x, body.y)} {grade}{body.name}"
        if body.fits(counted):
            found += 1
            text = f"{text}: {found}"
        told.append(text)
    aim = f"I count {counted}. " if counted else ""
    return f"{aim}From the left: {', '.join(told)}."


def _pairs(scene: Scene) -> list[float]:
    """Return the times in seconds of all moments: those of the pairs of frames shown."""
    return slot_seconds(sample_indices(scene.frame_count, scene.fps, FRAMES), scene.fps)


def _moments(scene: Scene) -> list[int]:
    """Return which of all moments, spread evenly, a course is told at: at most eight."""
    last = len(_pairs(scene)) - 1
    return sorted({round(at * last / (_MOMENTS - 1)) for at in range(_MOMENTS)})


def course(scene: Scene, body: Body, at: Sequence[int] | None = None, told: str = "") -> str:
    """Return the box of a body at moments `at` (of all), and what it did since the one before.

    Without `at` they are the moments of a course, and the first at which the body is there if it
    is at none of these. "away" stands for a box where the body is not in the frame; `told` follows
    the first box. What it did is said after its boxes: who reads the boxes can tell, and nobody
    before.
    """
    if at is None:
        at = sorted({*_moments(scene), *_there(scene, body)})
    return ", ".join(_told(scene, body, at, told))


def _told(
    scene: Scene, body: Body, at: Sequence[int], told: str = "", *, amounts: bool = False
) -> list[str]:
    """Return for each moment of `at` what `course` says of it; with `amounts` also by how much."""
    parts: list[str] = []
    pairs = _pairs(scene)
    before: Sequence[float] | None = None
    for time_s in (pairs[one] for one in at):
        box = _inside(scene, body, time_s)
        now = body.pose(time_s) if box is not None else None
        text = f"{time_s:.1f}: {box}" if box is not None else f"{time_s:.1f} away"
        if box is not None and told:
            text, told = f"{text} {told}", ""
        elif before is not None and now is not None:
            text = f"{text} {_did(scene, before, now, amounts=amounts)}"
        parts.append(text)
        before = now
    return parts


def limits(
    scene: Scene, body: Body, span_s: tuple[float, float], *, moves: bool, at: str = "{:.1f} s"
) -> str:
    """Return the sentences that tell from what happens around them when an event begins and ends.

    `at` is how a time in seconds is said, `moves` whether the event is a change, or the body in
    view.
    """
    begins, ends = (
        f"{_around(scene, body, limit, ends=ends, moves=moves)} at {at.format(limit)}"
        for ends, limit in zip((False, True), span_s, strict=True)
    )
    return f"It begins: {begins}. It ends: {ends}."


def _around(scene: Scene, body: Body, limit: float, *, ends: bool, moves: bool) -> str:
    """Return the moments around a limit (s) of an event, by which it is past, and how long it is.

    They are all of those from one moment of a course (see `_from`) to the one after that which
    shows it, so that what was told of them roughly is told closely. What `moves` shows that it set
    off by what is told of it since the moment before, and that it stopped by being still, at the
    latest one moment after the first that tells of all of its motion. What is in view is there at
    once, and away at once. How far it went in the moment of the limit, and how far in a whole one,
    tells how long it is past.
    """
    pairs = _pairs(scene)
    last = len(pairs) - 1

    def still(at: int) -> bool:
        poses = [body.pose(pairs[one]) for one in (max(0, at - 1), at)]
        return _did(scene, *poses) == _STILL

    # What is so at the limit itself is in view, or has not set off.
    least = limit + (_INSTANT if ends != moves else -_INSTANT)
    first = next((at for at, time_s in enumerate(pairs) if time_s > least), last)
    seen = min(first + (moves and still(first) != ends), last)
    low = min(_from(scene, body, least, ends=ends, moves=moves), max(0, seen - 1))
    told = _told(scene, body, range(low, min(seen + 1, last) + 1), amounts=True)
    past = round(pairs[seen], 1)  # as it is told, and to be reckoned with
    back = f" less {past - limit:.1f} s" if past >= limit else ""
    return f"{', '.join(told)}, so by {past:.1f} s{back}"


def _from(scene: Scene, body: Body, limit: float, *, ends: bool, moves: bool) -> int:
    """Return the moment of a course from which on a limit of an event is told closely.

    Who has read the course alone must be able to tell it: it is the one before that which shows the
    limit. The last that tells of a motion shows its end, and one more is gone back for it: how far
    it goes in a whole moment is needed, too.
    """
    pairs, moments = _pairs(scene), _moments(scene)
    shows = next((at for at, one in enumerate(moments) if pairs[one] > limit), len(moments) - 1)
    if moves:
        # What is too little to be told does not show.
        before = pairs[moments[max(0, shows - 1)]]
        span = (before, limit) if ends else (limit, pairs[moments[shows]])
        if _did(scene, *(body.pose(time_s) for time_s in span)) == _STILL:
            shows += -1 if ends else 1
    back = 2 if moves and ends else 1
    return moments[min(max(0, shows - back), len(moments) - 1)]


def _inside(scene: Scene, body: Body, time_s: float) -> list[int] | None:
    """Return what of a body's box lies in the frame, 0..1000; None if nothing does."""
    left, top, right, bottom = body.box_at(time_s)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(right, scene.width), min(bottom, scene.height)
    if not body.shown_at(time_s) or x1 >= x2 or y1 >= y2:
        return None
    return to_1000((x1, y1, x2, y2), scene.width, scene.height)


def _did(
    scene: Scene, before: Sequence[float], now: Sequence[float], *, amounts: bool = False
) -> str:
    """Return the words for what changed between two poses (x, y, size in pixels).

    With `amounts` each is followed by how much that is, in 1000ths of the frame.
    """
    sides = (scene.width, scene.height, scene.width)
    moved = [1000 * (b - a) / side for a, b, side in zip(before, now, sides, strict=True)]
    words = [
        f"{_CHANGES[at][change > 0]}{f' {abs(change):.0f}' if amounts else ''}"
        for at, change in enumerate(moved)
        if abs(change) > _LEAST
    ]
    return " ".join(words) or _STILL


def courses(
    scene: Scene,
    count: int = 3,
    fitting: Collection[int] | None = None,
    *,
    counted: bool = False,
) -> str:
    """Return the looks of each body and up to `count` boxes of its course, in their `order`.

    Boxes are spread evenly over the moments at which a body is there, or over all if it never is;
    the first moment at which it is there no more follows. Its looks are said again at the end,
    beside what it did, and after whether it is one of `fitting` (indices of bodies), where these
    are given; if `counted`, with how many do so far. A `count` of 1 is a list of what there is,
    with where and when it shows first.
    """
    bodies = range(len(scene.bodies)) if fitting is not None else ()
    fits = {at: at in (fitting or ()) for at in bodies}
    return _listed(scene, count, fits, counted=counted)


def unlike(scene: Scene, index: int, count: int = 3) -> str:
    """Return `courses`, and which one is of another shape than all others: the body `index`.

    Each but the first is told with whether its shape fits that of the first. If none does, the
    first is meant, else the one that does not.
    """
    first, *rest = order(scene)
    shapes = [body.shape for body in scene.bodies]
    listed = _listed(scene, count, {at: shapes[at] == shapes[first] for at in rest})
    other = next(shape for shape in shapes if shape != shapes[index])
    return f"{listed} The others are {plural_of(other)}; it is the {scene.bodies[index].name}."


def set_off(scene: Scene, starts: Mapping[int, float], *, first: bool) -> str:
    """Return all of `courses`, and when bodies first set off (`starts`, in seconds).

    It is told from what happens around it, as in `limits`, right after the course of the body: a
    moment of a course is too rough to tell who was first. Each start is told with whether it fits:
    whether it is before (or, if not `first` is looked for, after) all told so far. The last that
    fits is the one meant.
    """
    begins: dict[int, str] = {}
    best: float | None = None
    for at in order(scene):
        if at not in starts:
            continue
        body, start = scene.bodies[at], starts[at]
        fits = best is None or (start < best if first else start > best)
        best = start if fits else best
        begins[at] = (
            f", it begins: {_around(scene, body, start, ends=False, moves=True)} at {start:.1f} s"
            f": {_mark(fits)} {body.name}"
        )
    return _listed(scene, _MOMENTS, {}, begins)


def _mark(fits: bool) -> str:
    return "fits" if fits else "no"


def _listed(
    scene: Scene,
    count: int,
    fits: Mapping[int, bool],
    more: Mapping[int, str] | None = None,
    *,
    counted: bool = False,
) -> str:
    """Return `courses` with a mark for each body of which `fits` tells whether it does.

    `more` is what else to say of bodies. If `counted`, those that fit are.
    """
    told: list[str] = []
    found = 0
    for index, shown in _ordered(scene):
        body = scene.bodies[index]
        steps = max(1, count - 1)
        chosen = {shown[round(one * (len(shown) - 1) / steps)] for one in range(count)}
        if count > 1:
            chosen.update([at for at in _moments(scene) if at > shown[-1]][:1])
        mark = f": {_mark(fits[index])}" if index in fits else ""
        if counted and fits.get(index):
            found += 1
            mark = f"{mark} {found}"
        again = f" {body.name}" if mark or count > 1 else ""
        rest = (more or {}).get(index, "")
        told.append(f"{course(scene, body, sorted(chosen), body.name)}{mark}{again}{rest}")
    return f"From the left: {'; '.join(told)}."


def order(scene: Scene) -> list[int]:
    """Return which bodies are told of first: those that are there first, from left to right."""
    return [index for index, _ in _ordered(scene)]


def _ordered(scene: Scene) -> list[tuple[int, list[int]]]:
    """Return the bodies in their `order`, each with the moments at which it is in the frame."""
    pairs = _pairs(scene)
    found = [(index, _there(scene, body)) for index, body in enumerate(scene.bodies)]

    def key(one: tuple[int, list[int]]) -> tuple[int, float]:
        index, shown = one
        return shown[0], scene.bodies[index].pose(pairs[shown[0]])[0]

    return sorted(found, key=key)


def _there(scene: Scene, body: Body) -> list[int]:
    """Return the moments of a course at which a body is in the frame.

    One that is there at none of these has its first of all moments, or all of a course if it never
    is.
    """
    pairs, moments = _pairs(scene), _moments(scene)
    shown = [at for at in moments if _inside(scene, body, pairs[at])]
    if shown:
        return shown
    first = next((at for at, time_s in enumerate(pairs) if _inside(scene, body, time_s)), None)
    return moments if first is None else [first]
