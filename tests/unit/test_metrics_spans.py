"""Span overlap and recall: known values, odd input, errors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from onethinker_eval.metrics import recall, spans

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0.0, 10.0), (0.0, 10.0), 1.0),
        ((0.0, 10.0), (5.0, 15.0), 1 / 3),
        ((0.0, 10.0), (2.0, 4.0), 0.2),
        ((0.0, 10.0), (10.0, 20.0), 0.0),
        ((0.0, 10.0), (15.0, 20.0), 0.0),
        ((10.0, 0.0), (0.0, 10.0), 0.0),
        ((3.0, 1.0), (3.0, 1.0), 0.0),
        ((2.0, 2.0), (2.0, 2.0), 0.0),
        ((2.0, 2.0), (0.0, 10.0), 0.0),
        ((NAN, 5.0), (0.0, 10.0), 0.0),
        ((0.0, NAN), (0.0, 10.0), 0.0),
        ((0.0, INF), (0.0, 10.0), 0.0),
        ((0.0, INF), (0.0, INF), 0.0),
        ((-INF, INF), (0.0, 10.0), 0.0),
        ((0.0, 1e-12), (0.0, 1e-12), 0.0),
        ((0.0, 2e-12), (0.0, 2e-12), 1.0),
        ((-4.0, -2.0), (-3.0, -2.0), 0.5),
        ((1.1, 1.4), (1.1, 2.1), 0.2999999999999998),
    ],
)
def test_known_values(a: tuple[float, float], b: tuple[float, float], expected: float) -> None:
    assert spans.tiou(a, b) == expected
    assert spans.tiou(b, a) == expected
    assert spans.tiou(np.array(a), np.array(b)) == expected
    assert spans.tiou(np.array([b]), a).tolist() == [expected]


def test_arrays_broadcast() -> None:
    many = np.array([[0, 10], [5, 15]])
    assert spans.tiou(many[:, None], many).tolist() == [[1.0, 1 / 3], [1 / 3, 1.0]]
    assert spans.tiou((0, 10), many).tolist() == [1.0, 1 / 3]


def test_small_types_do_not_overflow_and_nothing_warns() -> None:
    days = np.array([[0, 200], [100, 250]], np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spans.tiou(days, days[::-1]).tolist() == [0.4, 0.4]
        assert spans.tiou(days.astype(np.int8), days)[0] == 0.0  # 200 reads as -56 there
        assert spans.tiou(np.array([0, 10], np.uint8), days[1]) == 0.0  # 10 - 100 is no 166
        assert spans.tiou(np.zeros(2), np.zeros(2)) == 0.0
        assert spans.tiou(np.array([-INF, INF]), np.array([INF, INF])) == 0.0


@pytest.mark.parametrize("bad", [(), (1,), (1, 2, 3)])
def test_a_sequence_without_two_numbers_is_refused(bad: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="unpack"):
        spans.tiou(bad, (0, 1))
    with pytest.raises(ValueError, match="unpack"):
        spans.tiou((0, 1), bad)


def test_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 2\), got an array of shape \(2, 3\)"):
        spans.tiou(np.zeros((2, 3)), (0, 1))
    with pytest.raises(ValueError, match=r"got an array of shape \(\)"):
        spans.tiou(np.array(1.0), (0, 1))


def test_recall_has_two_rules() -> None:
    scores = [0.3, 0.5, 0.7, 0.1, math.nan]
    assert [recall.count_hits(scores, t) for t in recall.THRESHOLDS] == [3, 2, 1]
    assert [recall.count_hits(scores, t, strict=True) for t in (0.3, 0.5, 0.7)] == [2, 1, 0]
    assert recall.recall_at(scores, 0.5) == 0.4
    assert recall.recall_at(iter(scores), 0.5, strict=True) == 0.2
    assert recall.is_hit(0.5, 0.5)
    assert not recall.is_hit(math.nan, 0.0)
    assert not recall.is_hit(math.nan, 0.0, strict=True)


def test_recall_has_no_tolerance() -> None:
    dust = spans.tiou((1.1, 1.4), (1.1, 2.1))
    assert dust == pytest.approx(0.3)
    assert not recall.is_hit(dust, 0.3)


def test_recall_of_nothing_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"^expected at least one score, got none: a recall of nothing is undefined$",
    ):
        recall.recall_at([], 0.5)
