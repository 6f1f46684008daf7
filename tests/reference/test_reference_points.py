"""Matching of points equals the released reward, SciPy and a search through all matchings."""

from __future__ import annotations

import json
import math
from pathlib import Path

import geometry_cases
import numpy as np
import plain_geometry
import pytest
from scipy.optimize import linear_sum_assignment

from onethinker_eval.metrics import points

GOLDEN = json.loads((Path(__file__).parent / "data" / "points.json").read_text())


def test_three_to_three_equals_the_released_reward() -> None:
    for seed, expected in enumerate(GOLDEN["similarity"]):
        a, b = geometry_cases.point_sets(seed, 3, 3)
        ours = points.similarity(a, b, sigma=GOLDEN["sigma"])
        assert math.isclose(ours, expected, rel_tol=1e-12, abs_tol=1e-300)


@pytest.mark.parametrize("n", range(1, 7))
@pytest.mark.parametrize("m", range(1, 7))
def test_any_sizes_equal_the_search_through_all_matchings(n: int, m: int) -> None:
    for seed in range(12):
        a, b = geometry_cases.point_sets(seed + 1000 * n + 100 * m, n, m)
        expected = plain_geometry.matched_distance(a, b)
        assert math.isclose(points.matched_distance(a, b), expected, rel_tol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(3, 3), (2, 3), (4, 4), (9, 7), (40, 40), (60, 90)])
def test_sums_equal_scipy(n: int, m: int) -> None:
    for seed in range(40):
        a, b = geometry_cases.point_sets(seed, n, m)
        cost = np.hypot(*(np.array(a)[:, None] - np.array(b)[None]).transpose(2, 0, 1))
        expected = cost[linear_sum_assignment(cost)].sum() / min(n, m)
        assert math.isclose(points.matched_distance(a, b), expected, rel_tol=1e-12)
        chosen = points.match(a, b)
        assert len(chosen) == min(n, m)
        assert len({i for i, _ in chosen}) == len({j for _, j in chosen}) == min(n, m)
        assert math.isclose(sum(cost[i, j] for i, j in chosen) / min(n, m), expected, rel_tol=1e-12)
