"""Relative accuracy, rounding and tolerance at their edges."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from onethinker_eval.errors import UsageError
from onethinker_eval.metrics import numbers

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("pred", "target", "onethinker", "vsi"),
    [
        (10, 10, 1.0, 1.0),
        (10.4, 10, 1.0, 1.0),
        (1.05, 1.0, 0.9, 1.0),
        (6, 10, 0.2, 0.3),
        (5, 10, 0.0, 0.1),
        (15, 10, 0.0, 0.1),
        (4.99, 10, 0.0, 0.0),
        (0, 0, 0.0, 1.0),
        (1, 0, 0.0, 0.0),
        (0, 1e-13, 0.0, 0.0),
        (1e-13, 1e-13, 0.0, 1.0),
        (1e-12, 1e-12, 1.0, 1.0),
        (-1e-12, -1e-12, 1.0, 1.0),
        (-10, -10, 1.0, 1.0),
        (99, -10, 0.0, 1.0),
        (-10, 10, 0.0, 0.0),
        (NAN, 10, 0.0, 0.0),
        (10, NAN, 0.0, 0.0),
        (INF, 10, 0.0, 0.0),
        (-INF, 10, 0.0, 0.0),
        (10, INF, 0.0, 0.0),
        (INF, INF, 0.0, 0.0),
        (1e308, -1e308, 0.0, 1.0),
    ],
)
def test_mra(pred, target, onethinker, vsi):
    assert numbers.mra(pred, target) == onethinker
    assert numbers.mra(pred, target, rule="vsi") == vsi
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert numbers.mra_batch(pred, target).item() == onethinker
        assert numbers.mra_batch([pred], [target], rule="vsi").tolist() == [vsi]


def test_small_integer_types_do_not_wrap_around():
    small, large = np.array([6], dtype=np.uint8), np.array([10], dtype=np.uint8)
    assert numbers.mra_batch(small, large).tolist() == [0.2]
    assert numbers.mra_batch(small, large, rule="vsi").tolist() == [0.3]
    assert numbers.mra_batch(small, 10.0).tolist() == [0.2]


def test_batches_broadcast_and_equal_the_scalar():
    pred = np.linspace(-3, 30, 67)
    target = np.array([-2.0, 0.0, 0.5, 7.0, 20.0])[:, None]
    for rule in ("onethinker", "vsi"):
        got = numbers.mra_batch(pred, target, rule=rule)
        assert got.shape == (5, 67)
        for i, j in np.ndindex(got.shape):
            assert got[i, j] == numbers.mra(float(pred[j]), float(target[i, 0]), rule=rule)
    assert numbers.mra_batch([], []).shape == (0,)


def test_unknown_rule_is_refused():
    for call in (numbers.mra, numbers.mra_batch):
        with pytest.raises(UsageError, match=r"MRA rule 'vis'.*did you mean vsi"):
            call(1.0, 1.0, rule="vis")


@pytest.mark.parametrize(
    ("pred", "target", "decimals", "expected"),
    [
        (3.14159, 3.14, 2, True),
        (0.125, 0.13, 2, False),
        (0.125, 0.12, 2, True),
        (2.675, 2.68, 2, False),
        (0.0001, 0.0004, 2, True),
        (0.0001, 0.0004, 4, False),
        (14.4, 14, 0, True),
        (-0.001, 0.0, 2, True),
        (NAN, NAN, 2, False),
        (INF, INF, 2, True),
        (INF, -INF, 2, False),
        (1e300, 1e300, 2, True),
        (3, 3.0, 2, True),
    ],
)
def test_equal_at(pred, target, decimals, expected):
    assert numbers.equal_at(pred, target, decimals) is expected
    if decimals == 2:
        assert numbers.equal_at(pred, target) is expected


@pytest.mark.parametrize(
    ("pred", "target", "limits", "expected"),
    [
        (1.0, 1.0, {}, True),
        (1.0, 1.0000001, {}, False),
        (10.5, 10.0, {"relative": 0.05}, True),
        (9.5, 10.0, {"relative": 0.05}, True),
        (10.6, 10.0, {"relative": 0.05}, False),
        (-10.5, -10.0, {"relative": 0.05}, True),
        (0.25, 0.0, {"absolute": 0.25}, True),
        (0.26, 0.0, {"absolute": 0.25}, False),
        (0.01, 0.0, {"relative": 1.0}, False),
        (10.5, 10.0, {"relative": 0.01, "absolute": 0.5}, True),
        (10.5, 10.0, {"relative": 0.05, "absolute": 0.1}, True),
        (NAN, NAN, {"absolute": INF}, False),
        (INF, INF, {}, True),
        (INF, 1.0, {"absolute": INF}, False),
        (1.0, INF, {"relative": 0.5}, False),
        (1e308, 0.0, {"absolute": INF}, True),
    ],
)
def test_within_tolerance(pred, target, limits, expected):
    assert numbers.within_tolerance(pred, target, **limits) is expected


@pytest.mark.parametrize("limits", [{"relative": -0.1}, {"absolute": -1}, {"absolute": NAN}])
def test_impossible_tolerances_are_refused(limits):
    with pytest.raises(ValueError, match="tolerances must be 0 or more"):
        numbers.within_tolerance(1.0, 1.0, **limits)
