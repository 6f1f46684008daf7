"""Drawn pictures for questions on science, diagrams, screens and image quality, with queries.

Each function returns the figure and the queries that have an exact answer on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onethinker_eval.demo.canvas import BLACK, GREY, Canvas, Figure
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.queries import Query
from onethinker_eval.demo.shapes import COLOURS, SHAPES, Rgb
from onethinker_eval.demo.steps import at_pixel

__all__ = [
    "cycle",
    "magnets",
    "point_tracking",
    "quality",
    "rotated",
    "screen",
    "solutions",
    "thermometers",
]

Drawn = tuple[Figure, list[Query]]
_LETTERS = "ABCD"


def _others(items: Sequence[str], right: str) -> tuple[str, ...]:
    return tuple(item for item in items if item != right)


def cycle(dice: Dice, size: tuple[int, int]) -> Drawn:
    """Return a ring of four lettered shapes joined by arrows, one way round."""
    canvas = Canvas(size)
    shapes, colours = dice.sample(SHAPES, 4), dice.sample(tuple(COLOURS)[:7], 4)
    names = [f"{c} {s}" for c, s in zip(colours, shapes, strict=True)]
    cx, cy, rx, ry = size[0] / 2, size[1] / 2, size[0] / 2 - 28, size[1] / 2 - 22
    spots = [(cx, cy - ry), (cx + rx, cy), (cx, cy + ry), (cx - rx, cy)]
    forward = dice.chance(0.5)
    seen: list[str] = []
    for at in range(4):
        (x1, y1), (x2, y2) = spots[at], spots[(at + 1) % 4]
        if not forward:
            x1, y1, x2, y2 = x2, y2, x1, y1
        a = (x1 + (x2 - x1) * 0.36, y1 + (y2 - y1) * 0.36)
        b = (x1 + (x2 - x1) * 0.62, y1 + (y2 - y1) * 0.62)
        _arrow(canvas, a, b)
        middle = at_pixel((x1 + x2) / 2, (y1 + y2) / 2, size)
        seen.append(f"The arrow {middle} points {'down' if y2 > y1 else 'up'}.")
    for at, (x, y) in enumerate(spots):
        canvas.shape(shapes[at], x, y, 28, colours[at])
        dx, dy = 20 if at != 3 else -20, 8 if at == 2 else -10
        canvas.text(x + dx, y + dy, _LETTERS[at])
    step = 1 if forward else -1
    start = dice.integer(0, 3)
    after, before = (start + step) % 4, (start - step) % 4
    asked = dice.integer(0, 3)
    places = [at_pixel(x, y, size) for x, y in spots]
    return canvas.figure(), [
        Query(
            "diagram",
            f"What comes right after the {names[start]}?",
            names[after],
            _others(names, names[after]),
            f"The {names[start]} is {places[start]}. {seen[start]} So the next is {places[after]} "
            f"where the {names[after]} is.",
        ),
        Query(
            "diagram",
            f"Which letter comes right before {_LETTERS[start]}?",
            _LETTERS[before],
            _others(_LETTERS, _LETTERS[before]),
            f"{_LETTERS[start]} is {places[start]}. {seen[start]} So the one before is "
            f"{places[before]} where {_LETTERS[before]} is.",
        ),
        Query(
            "labels",
            f"Which letter marks the {shapes[asked]}?",
            _LETTERS[asked],
            _others(_LETTERS, _LETTERS[asked]),
            f"The {shapes[asked]} is {places[asked]}. The letter there is {_LETTERS[asked]}.",
        ),
    ]


def _arrow(canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    canvas.line(start, end, BLACK)
    direction = np.array([end[0] - start[0], end[1] - start[1]])
    direction = direction / np.hypot(*direction)
    side = np.array([-direction[1], direction[0]])
    tip = np.array(end) + direction * 4
    left, right = tip - direction * 9 + side * 5, tip - direction * 9 - side * 5
    points = [(float(p[0]), float(p[1])) for p in (tip, left, right)]
    canvas.polygon(points, BLACK)


def magnets(dice: Dice, size: tuple[int, int]) -> Drawn:
    """Return two bar magnets end to end with lettered poles."""
    canvas = Canvas(size)
    poles = [("N", "S") if dice.chance(0.5) else ("S", "N") for _ in range(2)]
    gap = dice.integer(10, 30)
    y, wide = size[1] * dice.uniform(0.25, 0.75), (size[0] - 16 - gap) / 4
    for at, pair in enumerate(poles):
        for part, pole in enumerate(pair):
            x = 8 + at * (2 * wide + gap) + part * wide
            ink = COLOURS["red"] if pole == "N" else COLOURS["blue"]
            canvas.rectangle(x, y - 16, x + wide, y + 16, ink)
            canvas.text(x + wide / 2, y, pole, (250, 250, 250), scale=2)
    inner = poles[0][1], poles[1][0]
    alike = inner[0] == inner[1]
    right, wrong = ("repel", "attract") if alike else ("attract", "repel")
    word = "like" if alike else "unlike"
    middle = at_pixel(8 + 2 * wide + gap / 2, y, size)
    return canvas.figure(), [
        Query(
            "physics",
            "Will these magnets attract or repel each other?",
            right,
            (wrong,),
            f"The magnets meet {middle}. The poles there are {inner[0]} and {inner[1]}. "
            f"These are {word} poles, so the magnets {right}.",
        )
    ]


def solutions(dice: Dice, size: tuple[int, int]) -> Drawn:
    """Return two glasses of the same size with different numbers of particles."""
    canvas = Canvas(size)
    colour = dice.pick(("red", "green", "blue", "purple"))
    counts = dice.sample(range(2, 11), 2)
    if abs(counts[0] - counts[1]) < 2:
        counts[1] = 12 - counts[0] if counts[0] != 6 else 10
    wide, tall = size[0] / 2 - 20, size[1] - 40
    running: list[str] = []
    for at, count in enumerate(counts):
        x1, y1 = 10 + at * size[0] / 2, 10
        canvas.rectangle(x1, y1 + tall * 0.15, x1 + wide, y1 + tall, (216, 234, 246))
        for a, b in (
            ((x1, y1), (x1, y1 + tall)),
            ((x1, y1 + tall), (x1 + wide, y1 + tall)),
            ((x1 + wide, y1 + tall), (x1 + wide, y1)),
        ):
            canvas.line(a, b, BLACK)
        cells = [(c, r) for r in range(4) for c in range(3)]
        chosen = dice.sample(cells, count)
        running.append(", ".join(str(sum(r <= row for _, r in chosen)) for row in range(4)))
        for c, r in chosen:
            canvas.disc(x1 + wide * (c + 0.5) / 3, y1 + tall * (0.27 + r * 0.2), 5, COLOURS[colour])
        canvas.text(x1 + wide / 2, size[1] - 14, "AB"[at], scale=2)
    right = "AB"[counts.index(max(counts))]
    other = "AB"[1 - "AB".index(right)]
    return canvas.figure(), [
        Query(
            "chemistry",
            f"Which solution has a higher concentration of {colour} particles?",
            f"solution {right}",
            (f"solution {other}", "neither; their concentrations are the same"),
            f"I count row by row. A: {running[0]}. B: {running[1]}. Both glasses are the same "
            f"size. Solution {right} is more concentrated.",
        )
    ]


def thermometers(dice: Dice, size: tuple[int, int]) -> Drawn:
    """Return three lettered thermometers with scales from 0 to 40 degrees."""
    canvas = Canvas(size)
    values = dice.sample(range(5, 41, 5), 3)
    top, floor = 12, size[1] - 34
    ends: list[str] = []
    for at, value in enumerate(values):
        x, end = size[0] * (at + 0.5) / 3 + 6, floor - (floor - top) * value / 40
        ends.append(at_pixel(x, end, size))
        canvas.rectangle(x - 6, top - 3, x + 6, floor + 4, BLACK)
        canvas.rectangle(x - 4, top - 1, x + 4, floor + 4, (252, 252, 252))
        canvas.rectangle(x - 4, end, x + 4, floor + 4, COLOURS["red"])
        canvas.disc(x, floor + 6, 8, COLOURS["red"])
        for mark in range(0, 41, 10):
            y = floor - (floor - top) * mark / 40
            canvas.line((x - 11, y), (x - 7, y), BLACK, width=1)
            canvas.text(x - 19, y, str(mark))
        canvas.text(x, size[1] - 10, "ABC"[at])
    hot, cold = values.index(max(values)), values.index(min(values))
    asked = dice.integer(0, 2)
    near = tuple(str(v) for v in range(0, 45, 5) if v != values[asked])
    return canvas.figure(), [
        Query(
            "physics",
            "Which thermometer shows the highest temperature?",
            "ABC"[hot],
            _others("ABC", "ABC"[hot]),
            f"The highest column ends {ends[hot]}. That is {'ABC'[hot]}.",
        ),
        Query(
            "physics",
            "Which thermometer shows the lowest temperature?",
            "ABC"[cold],
            _others("ABC", "ABC"[cold]),
            f"The lowest column ends {ends[cold]}. That is {'ABC'[cold]}.",
        ),
        Query(
            "physics",
            f"What temperature does thermometer {'ABC'[asked]} show?",
            str(values[asked]),
            tuple(dice.sample(near, 5)),
            f"The column of {'ABC'[asked]} ends {ends[asked]} and that is {values[asked]}.",
        ),
    ]


def screen(dice: Dice, size: tuple[int, int]) -> Drawn:
    """Return a small screen of buttons; asks for the region to press."""
    canvas = Canvas(size, (226, 230, 236))
    words = dice.sample(("OPEN", "SAVE", "BACK", "HELP", "MAIL", "PLAY", "STOP", "EDIT"), 4)
    corners = ("top left", "top right", "bottom left", "bottom right")
    canvas.rectangle(0, 0, size[0], 14, (60, 90, 150))
    places: list[str] = []
    for at, word in enumerate(words):
        x, y = _quarter(at, size[0], size[1] - 16)
        y += 16
        places.append(at_pixel(x, y, size))
        canvas.rectangle(x - 30, y - 14, x + 30, y + 14, (250, 250, 250))
        canvas.frame(x - 30, y - 14, x + 30, y + 14, GREY)
        canvas.text(x, y, word, scale=2)
    asked = dice.integer(0, 3)
    return canvas.figure(), [
        Query(
            "gui_general",
            f"Where do you tap to choose {words[asked].lower()}?",
            corners[asked],
            _others(corners, corners[asked]),
            f"The button {words[asked].lower()} is {places[asked]} at the {corners[asked]}.",
        )
    ]


def quality(dice: Dice, image: Rgb) -> Drawn:
    """Return a picture that is clean, noisy, blurred or too dark, and ask which."""
    names = ("no defect", "noise", "blur", "too dark")
    right = dice.pick(names)
    pixels = image.astype(np.float64)
    if right == "noise":
        source = np.random.RandomState(dice.integer(0, 2**31 - 1))
        pixels += (source.random_sample(image.shape[:2])[:, :, None] - 0.5) * 110
    elif right == "blur":
        for axis in (0, 1):
            padded = np.pad(pixels, [(4, 4) if a == axis else (0, 0) for a in range(3)], "edge")
            count = pixels.shape[axis]
            shifted = [np.take(padded, range(k, k + count), axis) for k in range(9)]
            pixels = np.mean(shifted, axis=0)
    elif right == "too dark":
        pixels *= 0.22
    figure = Figure(np.clip(pixels, 0, 255).astype(np.uint8))
    seen = {
        "no defect": "clear edges and normal light",
        "noise": "grain all over",
        "blur": "soft edges",
        "too dark": "hardly any light",
    }[right]
    return figure, [
        Query(
            "image_quality_assessment",
            "Which defect does the picture have?",
            right,
            _others(names, right),
            f"I see {seen}: {right}.",
        )
    ]


def rotated(dice: Dice, size: tuple[int, int]) -> Drawn:
    """Return a slanted ship-like bar on water and ask for its angle to the horizontal."""
    canvas = Canvas(size, (96, 132, 168))
    angle = dice.pick((0, 45, 90, 135))
    half, thick = min(size) * 0.36, min(size) * 0.1
    along = np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])
    across = np.array([-along[1], along[0]])
    centre = np.array([size[0] * dice.uniform(0.42, 0.58), size[1] * dice.uniform(0.45, 0.55)])
    corners = [
        centre + along * half * a + across * thick * b
        for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))
    ]
    canvas.polygon(
        [(float(p[0]), float(p[1])) for p in corners],
        COLOURS[dice.pick(("white", "yellow", "orange"))],
    )
    tips = [centre + along * half * side for side in (-1, 1)]
    ends = [at_pixel(float(tip[0]), float(tip[1]), size) for tip in tips]
    texts = [f"{value} degrees" for value in (0, 45, 90, 135)]
    right = f"{angle} degrees"
    return canvas.figure(), [
        Query(
            "rotated_object_detection",
            "By which angle is the long bar turned against the horizontal, counter-clockwise?",
            right,
            _others(texts, right),
            f"One end is {ends[0]}. The other end is {ends[1]}. The bar stands at {right}.",
        )
    ]


def point_tracking(dice: Dice, size: tuple[int, int]) -> Drawn:
    """Return two frames side by side; a marked shape moves, ask where it is in the second."""
    canvas = Canvas(size)
    middle = size[0] / 2
    colours = dice.sample(("red", "green", "blue", "orange"), 2)
    corners = ("top left", "top right", "bottom left", "bottom right")
    spots = [dice.sample(range(4), 2) for _ in range(2)]
    marked: list[tuple[float, float]] = []
    for frame, pair in enumerate(spots):
        for spot, colour in zip(pair, colours, strict=True):
            x, y = _quarter(spot, middle, size[1])
            x += middle * frame
            canvas.shape("circle", x, y, 22, colour)
            if colour == colours[0]:
                marked.append((x, y))
    canvas.text(*marked[0], "+", (255, 255, 255), scale=2)
    canvas.line((middle, 0), (middle, size[1]), BLACK)
    right = corners[spots[1][0]]
    return canvas.figure(), [
        Query(
            "point_tracking",
            "The left half is the first frame, the right half the second. "
            "Where is the point marked with a cross in the second frame?",
            right,
            _others(corners, right),
            f"The cross is {at_pixel(*marked[0], size)} on the {colours[0]} circle. "
            f"In the second frame that is {at_pixel(*marked[1], size)} at the {right}.",
        )
    ]


def _quarter(at: int, width: float, height: float) -> tuple[float, float]:
    """Return the middle of quarter `at` (row by row, 0..3), pulled a little inwards."""
    return width * (0.27 + 0.46 * (at % 2)), height * (0.27 + 0.46 * (at // 2))
