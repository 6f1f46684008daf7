"""Point sets and kernels: known values, odd input, errors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from onethinker_eval.metrics import kernels, points

NAN, INF = math.nan, math.inf


def test_matching_is_optimal_not_greedy() -> None:
    a = [(0.0, 0.0), (10.0, 0.0), (21.0, 0.0)]
    b = [(9.0, 0.0), (20.0, 0.0), (100.0, 0.0)]
    assert points.matched_distance(a, b) == (9 + 10 + 79) / 3
    assert points.match(a, b) == [(0, 0), (1, 1), (2, 2)]
    assert points.match(a, b[::-1]) == [(0, 2), (1, 1), (2, 0)]


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
def test_every_order_of_three_is_found(order: tuple[int, int, int]) -> None:
    a = [(0.0, 0.0), (100.0, 7.0), (3.0, 200.0)]
    b = [a[k] for k in order]
    assert points.matched_distance(a, b) == 0.0
    assert points.similarity(a, b) == 1.0
    assert [order[j] for _, j in points.match(a, b)] == [0, 1, 2]


def test_each_coordinate_of_three_points_counts() -> None:
    a = [(0.0, 0.0), (1000.0, 0.0), (0.0, 1000.0)]
    for k in range(3):
        for axis in range(2):
            b = [list(p) for p in a]
            b[k][axis] += 3.0
            assert points.matched_distance(a, b) == 1.0
            assert points.matched_distance(b, a) == 1.0


def test_unequal_numbers_match_the_smaller_set() -> None:
    a, b = [(0, 0)], [(9, 0), (3, 4), (50, 0)]
    assert points.match(a, b) == [(0, 1)]
    assert points.match(b, a) == [(1, 0)]
    assert points.matched_distance(a, b) == points.matched_distance(b, a) == 5.0
    two = [(50, 1), (0, 0)]
    assert points.match(b, two) == [(1, 1), (2, 0)]
    assert points.match(two, b) == [(0, 2), (1, 1)]
    third = pytest.approx(math.exp(-0.5) / 3, rel=1e-15)
    assert points.similarity(a, b, sigma=5.0) == third
    assert points.similarity(b, a, sigma=5.0) == third


def test_many_points() -> None:
    a = [(float(k), 0.0) for k in range(8)]
    b = [(float(k), 2.0) for k in reversed(range(8))]
    assert points.matched_distance(a, b) == 2.0
    assert points.match(a, b) == [(k, 7 - k) for k in range(8)]


def test_empty_sets() -> None:
    assert points.matched_distance([], []) == 0.0
    assert points.matched_distance([], [(1, 1)]) == INF
    assert points.matched_distance([(1, 1)], []) == INF
    assert points.similarity([], []) == 1.0
    assert points.similarity([], [(1, 1)]) == 0.0
    assert points.similarity([(1, 1)], []) == 0.0
    assert points.match([], [(1, 1)]) == points.match([(1, 1)], []) == []


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_coordinates_that_are_not_finite(bad: float, count: int) -> None:
    a = [(float(k), 0.0) for k in range(count)]
    for axis in range(2):
        b = [list(p) for p in a]
        b[-1][axis] = bad
        assert points.matched_distance(a, b) == points.matched_distance(b, a) == INF
        assert points.similarity(a, b) == 0.0
        with pytest.raises(
            ValueError, match=r"^expected finite coordinates, got a NaN or infinite one$"
        ):
            points.match(a, b)


@pytest.mark.parametrize("bad", [[(1,)], [(1, 2, 3)], [(1, 2), (3,), (4, 5)]])
def test_points_that_are_not_pairs_are_refused(bad: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="unpack"):
        points.matched_distance(bad, [(0, 0)] * len(bad))


def test_gaussian() -> None:
    assert kernels.gaussian(0.0, 50.0) == 1.0
    assert kernels.gaussian(50.0, 50.0) == kernels.gaussian(-50, 50) == math.exp(-0.5)
    assert kernels.gaussian(2.0, 1.0) == pytest.approx(0.1353352832366127, rel=1e-15)
    assert kernels.gaussian(INF, 1.0) == kernels.gaussian(NAN, 1.0) == 0.0
    assert kernels.gaussian(1e200, 1.0) == 0.0
    values = kernels.gaussian(np.array([0.0, 50.0, INF, NAN, 1e200]), 50.0)
    assert values == pytest.approx([1.0, math.exp(-0.5), 0.0, 0.0, 0.0], rel=1e-15)


def test_laplace() -> None:
    assert kernels.laplace(0.0, 2.0) == 1.0
    assert kernels.laplace(2.0, 2.0) == kernels.laplace(-2, 2) == math.exp(-1.0)
    assert kernels.laplace(4.0, 2.0) == pytest.approx(0.1353352832366127, rel=1e-15)
    assert kernels.laplace(INF, 1.0) == kernels.laplace(NAN, 1.0) == 0.0
    values = kernels.laplace(np.array([0.0, 2.0, -2.0, INF, NAN]), 2.0)
    assert values == pytest.approx([1.0, math.exp(-1), math.exp(-1), 0.0, 0.0], rel=1e-15)


def test_kernels_of_arrays_are_double_precision_and_never_warn() -> None:
    far = np.array([3e38, 1.0], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kernel in (kernels.gaussian, kernels.laplace):
            assert kernel(far, 2.0).dtype == np.float64
            assert kernel(far, 2.0)[1] == pytest.approx(kernel(1.0, 2.0), rel=1e-15)
            assert kernel(np.array([1e300, INF, NAN]), 2.0).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("bad", [0.0, -1.0, NAN])
def test_scales_must_be_positive(bad: float) -> None:
    with pytest.raises(ValueError, match="expected sigma above 0, got"):
        kernels.gaussian(1.0, bad)
    with pytest.raises(ValueError, match="expected scale above 0, got"):
        kernels.laplace(1.0, bad)
