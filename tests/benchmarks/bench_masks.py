"""Speed of J and F of masks: this package against plain NumPy and the official DAVIS code.

    python tests/benchmarks/bench_masks.py [--davis PATH] [--frames 24] [--repeats 5]

`--davis` is a checkout of github.com/davisvideochallenge/davis2017-evaluation; its code is run
from there (it needs scikit-image). Without it, only the plain NumPy version is compared with.
Times are CPU milliseconds a frame in one process on one core, the best of all repeats. Every
pair of results is checked for equality before it is timed.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import plain_geometry
from pycocotools import mask as coco

from onethinker_eval.metrics import masks, rle

Pair = tuple[np.ndarray, np.ndarray]
MEVIS_FRAMES = 424 * 80  # expressions × about 80 frames
GOALS = {"J": 6.0, "F": 12.0, "J and F from run lengths": 8.0}


def outline(rng: random.Random, height: int, width: int, area: float) -> Pair:
    """A wobbly blob of about `area` of the image as truth, and a slightly different one."""
    y, x = np.mgrid[:height, :width]
    cy, cx = (0.3 + 0.4 * rng.random()) * height, (0.3 + 0.4 * rng.random()) * width
    radius = math.sqrt(area * height * width / math.pi)
    shape = 0.6 + 0.9 * rng.random()
    phase = 6.0 * rng.random()

    def blob(dy: float, dx: float, waves: int) -> np.ndarray:
        v, u = y - cy - dy, x - cx - dx
        wobble = 1.0 + 0.15 * np.sin(waves * np.arctan2(v, u) + phase)
        return np.hypot(v * shape, u / shape) <= radius * wobble

    return blob(0, 0, 5), blob(10 * rng.random() - 5, 10 * rng.random() - 5, 7)


def plain_j(pred: np.ndarray, truth: np.ndarray) -> float:
    """J in plain NumPy."""
    union = np.logical_or(pred, truth).sum()
    return np.logical_and(pred, truth).sum() / union if union else 1.0


def plain_f(pred: np.ndarray, truth: np.ndarray) -> float:
    """F of DAVIS in plain NumPy: the boundary is grown by one shifted copy per disk offset."""
    height, width = pred.shape
    radius = math.ceil(0.008 * math.hypot(height, width))
    edges = []
    for mask in (pred, truth):
        wide = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
        edges.append((mask != wide[:-1, 1:]) | (mask != wide[1:, :-1]) | (mask != wide[1:, 1:]))
    if not edges[0].any() or not edges[1].any():
        return float(edges[0].any() == edges[1].any())
    shares = []
    for one, other in (edges, edges[::-1]):
        wide = np.pad(other, radius)
        grown = np.zeros_like(one)
        for dy, dx in plain_geometry.disk(radius):
            grown |= wide[radius + dy :, radius + dx :][:height, :width]
        shares.append((one & grown).sum() / one.sum())
    total = shares[0] + shares[1]
    return 2 * shares[0] * shares[1] / total if total else 0.0


def milliseconds(run: Callable[[], Any], frames: int, repeats: int) -> float:
    """Best CPU time of `run`, per frame."""
    best = math.inf
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return 1000 * best / frames


def official(folder: Path | None) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """J and F of the checkout at `folder`, taking (truth, prediction)."""
    if folder is None:
        return None
    sys.path.insert(0, str(folder))
    from davis2017.metrics import db_eval_boundary, db_eval_iou

    return db_eval_iou, db_eval_boundary


def compare(
    name: str,
    ours: Callable[[], list[float]],
    other: Callable[[], list[float]],
    frames: int,
    repeats: int,
    against: str,
) -> float:
    """Check that both give the same numbers, time both, print a line, return the ratio."""
    assert [float(v) for v in ours()] == [float(v) for v in other()], f"{name} differs"
    fast, slow = milliseconds(ours, frames, repeats), milliseconds(other, frames, repeats)
    print(f"{name:<28}{against:<14}{slow:>10.3f}{fast:>10.3f}{slow / fast:>9.1f}x")
    return slow / fast


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--davis", type=Path, help="checkout of davis2017-evaluation")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=[480, 854], metavar=("H", "W"))
    options = parser.parse_args()

    rng = random.Random(5)
    pairs = [outline(rng, *options.size, area=0.06) for _ in range(options.frames)]
    packed = [tuple(rle.encode(mask) for mask in pair) for pair in pairs]
    stored = [
        [{"size": form["size"], "counts": form["counts"].encode()} for form in pair]
        for pair in packed
    ]
    sides: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
        ("plain NumPy", plain_j, plain_f)
    ]
    reference = official(options.davis)
    if reference is not None:
        sides.append(("DAVIS", *reference))

    print(f"{options.frames} frames of {options.size[0]} × {options.size[1]}; ms a frame\n")
    print(f"{'what':<28}{'against':<14}{'theirs':>10}{'ours':>10}{'ratio':>10}")
    reached: dict[str, float] = {}
    for against, j, f in sides:

        def both(j: Callable[..., Any] = j, f: Callable[..., Any] = f) -> list[float]:
            values = []
            for pair in stored:
                pred, truth = (coco.decode(form) for form in pair)
                values += [j(truth, pred), f(truth, pred)]
            return values

        table: list[tuple[str, Callable[[], list[float]], Callable[[], list[float]]]] = [
            (
                "J",
                lambda: [masks.davis_j(p, t) for p, t in pairs],
                lambda j=j: [j(t, p) for p, t in pairs],
            ),
            (
                "F",
                lambda: [masks.davis_f(p, t) for p, t in pairs],
                lambda f=f: [f(t, p) for p, t in pairs],
            ),
            (
                "J and F from run lengths",
                lambda: [v for p, t in packed for v in masks.davis_jf_rle(p, t)],
                both,
            ),
        ]
        for name, ours, theirs in table:
            reached[name] = compare(name, ours, theirs, options.frames, options.repeats, against)
    per_frame = milliseconds(
        lambda: [masks.davis_jf_rle(p, t) for p, t in packed], options.frames, options.repeats
    )
    print(f"\nMeViS-size job ({MEVIS_FRAMES} frames): {per_frame * MEVIS_FRAMES / 1000:.0f} s")
    if reference is None:
        print("goals are against the official code: pass --davis")
        return
    for name, goal in GOALS.items():
        word = "met" if reached[name] >= goal else "MISSED"
        print(f"goal {name} >= {goal:g}x: {word} ({reached[name]:.1f}x)")


if __name__ == "__main__":
    main()
