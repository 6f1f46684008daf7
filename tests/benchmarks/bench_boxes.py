"""Speed of box and span overlap: batches against a Python loop, and the price of one call.

    python tests/benchmarks/bench_boxes.py [--boxes 100000] [--repeats 7]

Times are CPU time in one process on one core, the best of all repeats. Results are checked for
equality before they are timed.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import geometry_cases
import numpy as np
import plain_geometry

from onethinker_eval.metrics import boxes, points, spans, tracks

GOAL = 50.0


def nanoseconds(run: Callable[[], Any], count: int, repeats: int) -> float:
    """Best CPU time of `run`, per item."""
    best = math.inf
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return 1e9 * best / count


def simple_loop_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Box IoU as most evaluators write it."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    area_a = max(0.0, a[2] - a[0]) * max(0.0, a[3] - a[1])
    area_b = max(0.0, b[2] - b[0]) * max(0.0, b[3] - b[1])
    union = area_a + area_b - shared
    return shared / union if union > 1e-12 else 0.0


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    pairs = [
        (pred, truth)
        for pred, truth in geometry_cases.box_pairs(5, options.boxes)
        if all(map(math.isfinite, pred))
    ]
    count, repeats = len(pairs), options.repeats
    pred, truth = np.array([p for p, _ in pairs]), np.array([t for _, t in pairs])
    one_by_one = [boxes.iou(p, t) for p, t in pairs]
    assert boxes.iou(pred, truth).tolist() == one_by_one
    assert [simple_loop_iou(p, t) for p, t in pairs] == one_by_one

    loop = nanoseconds(lambda: [simple_loop_iou(p, t) for p, t in pairs], count, repeats)
    own = nanoseconds(lambda: [boxes.iou(p, t) for p, t in pairs], count, repeats)
    batch = nanoseconds(lambda: boxes.iou(pred, truth), count, 3 * repeats)
    some = pred[:1000]
    table = nanoseconds(lambda: boxes.pairwise_iou(some, some), len(some) ** 2, repeats)
    print(f"box IoU of {count} pairs, ns a pair")
    print(f"  Python loop, usual code      {loop:9.1f}")
    print(f"  Python loop over boxes.iou   {own:9.1f}   {loop / own:7.1f}x")
    print(f"  boxes.iou on arrays          {batch:9.1f}   {loop / batch:7.1f}x")
    print(f"  boxes.pairwise_iou           {table:9.1f}   {loop / table:7.1f}x")
    print(f"goal batches >= {GOAL:g}x: {'met' if loop / batch >= GOAL else 'MISSED'}")

    cuts = geometry_cases.span_pairs(6, 20_000)
    clips = [geometry_cases.track_pair(seed) for seed in range(500)]
    keys = sum(len(t) for _, t in clips)
    sets = [geometry_cases.point_sets(seed, 3, 3) for seed in range(5000)]
    print("\nother calls, ns each")
    lines: list[tuple[str, Callable[[], Any], Callable[[], Any], int]] = [
        (
            "spans.tiou",
            lambda: [spans.tiou(a, b) for a, b in cuts],
            lambda: [plain_geometry.span_iou(a, b) for a, b in cuts],
            len(cuts),
        ),
        (
            "tracks.average_overlap, a box",
            lambda: [tracks.average_overlap(p, t) for p, t in clips],
            lambda: [
                [simple_loop_iou(p.get(k, (0,) * 4), b) for k, b in t.items()] for p, t in clips
            ],
            keys,
        ),
        (
            "points.similarity, 3 to 3",
            lambda: [points.similarity(a, b) for a, b in sets],
            lambda: [plain_geometry.matched_distance(a, b) for a, b in sets],
            len(sets),
        ),
    ]
    for name, ours, plain, items in lines:
        fast, slow = nanoseconds(ours, items, repeats), nanoseconds(plain, items, repeats)
        print(f"  {name:<30}{fast:9.1f}   plain code {slow:9.1f}   {slow / fast:6.1f}x")


if __name__ == "__main__":
    main()
