"""Box overlap: known values, odd input, errors."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

from onethinker_eval.metrics import boxes

UNIT = (0.0, 0.0, 10.0, 10.0)
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (UNIT, UNIT, 1.0),
        (UNIT, (5.0, 0.0, 15.0, 10.0), 1 / 3),
        (UNIT, (0.0, 5.0, 10.0, 15.0), 1 / 3),
        (UNIT, (5.0, 5.0, 15.0, 15.0), 25 / 175),
        (UNIT, (2.0, 4.0, 7.0, 6.0), 0.1),
        (UNIT, (10.0, 0.0, 20.0, 10.0), 0.0),
        (UNIT, (0.0, 10.0, 10.0, 20.0), 0.0),
        (UNIT, (30.0, 30.0, 40.0, 40.0), 0.0),
        (UNIT, (10.0, 0.0, 0.0, 10.0), 0.0),
        (UNIT, (0.0, 10.0, 10.0, 0.0), 0.0),
        (UNIT, (10.0, 10.0, 0.0, 0.0), 0.0),
        ((3.0, 3.0, 3.0, 3.0), (3.0, 3.0, 3.0, 3.0), 0.0),
        ((3.0, 3.0, 3.0, 8.0), UNIT, 0.0),
        ((3.0, 3.0, 8.0, 3.0), UNIT, 0.0),
        ((0.0, 0.0, INF, 10.0), UNIT, 0.0),
        ((-INF, -INF, INF, INF), (-INF, -INF, INF, INF), 0.0),
        ((0.0, 0.0, 1e-6, 1e-6), (0.0, 0.0, 1e-6, 1e-6), 0.0),
        ((0.0, 0.0, 1e-6, 2e-6), (0.0, 0.0, 1e-6, 2e-6), 1.0),
        *((tuple(NAN if i == k else v for i, v in enumerate(UNIT)), UNIT, 0.0) for k in range(4)),
    ],
)
def test_known_values(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert boxes.iou(a, b) == expected
    assert boxes.iou(b, a) == expected
    assert boxes.iou(np.array(a), np.array(b)) == expected
    assert boxes.pairwise_iou([b], [a]).tolist() == [[expected]]


def test_a_union_at_the_limit_is_empty() -> None:
    side = 1e-6
    assert side * side == boxes.MIN_UNION
    assert boxes.iou((0, 0, side, side), (0, 0, side, side)) == 0.0
    array = np.array([[0.0, 0.0, side, side]])
    assert boxes.iou(array, array).tolist() == [0.0]


def test_whole_numbers_and_lists_are_fine() -> None:
    assert boxes.iou([0, 0, 10, 10], (0, 0, 10, 5)) == 0.5


def test_arrays_broadcast() -> None:
    many = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]])
    assert boxes.iou(many, UNIT).tolist() == [1.0, 0.5, 0.0]
    assert boxes.iou(UNIT, many).tolist() == [1.0, 0.5, 0.0]
    table = boxes.iou(many[:, None], many[None])
    assert table.shape == (3, 3)
    assert table.tolist() == boxes.pairwise_iou(many, many).tolist()
    assert many.tolist() == [[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]]


def test_small_types_do_not_overflow_and_nothing_warns() -> None:
    many = np.array([[0, 0, 200, 200], [100, 0, 250, 250]], np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert boxes.iou(many, many[::-1]).tolist() == [20000 / 57500] * 2
        assert boxes.iou(np.zeros(4), np.zeros(4)) == 0.0
        assert boxes.iou(np.array([0, 0, INF, INF]), np.array([-INF, 0, INF, NAN])) == 0.0


def test_tables_larger_than_one_chunk() -> None:
    rows = [(float(k), 0.0, float(k) + 10.0, 10.0) for k in range(200)]
    boxes.pairwise_iou(rows[::-1], rows)  # memory used again must not pass for a result
    table = boxes.pairwise_iou(rows, rows)
    assert table.tolist() == [[boxes.iou(a, b) for b in rows] for a in rows]
    long = boxes.pairwise_iou(rows * 20, rows[:1])
    assert long[:, 0].tolist() == [boxes.iou(a, rows[0]) for a in rows] * 20


def test_empty_batches() -> None:
    assert boxes.iou(np.empty((0, 4)), UNIT).shape == (0,)
    assert boxes.pairwise_iou([], [UNIT]).shape == (0, 1)
    assert boxes.pairwise_iou([UNIT, UNIT], []).shape == (2, 0)


@pytest.mark.parametrize("bad", [(), (1, 2, 3), (1, 2, 3, 4, 5)])
def test_a_sequence_without_four_numbers_is_refused(bad: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="unpack"):
        boxes.iou(bad, UNIT)
    with pytest.raises(ValueError, match="unpack"):
        boxes.iou(UNIT, bad)


def test_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 4\), got an array of shape \(2, 3\)"):
        boxes.iou(np.zeros((2, 3)), UNIT)
    with pytest.raises(ValueError, match=r"got an array of shape \(\)"):
        boxes.iou(np.array(1.0), UNIT)
    with pytest.raises(ValueError, match=r"\(N, 4\) and \(M, 4\), got \(4,\) and \(1, 4\)"):
        boxes.pairwise_iou(UNIT, [UNIT])
    with pytest.raises(ValueError, match=r"got \(1, 4\) and \(4,\)"):
        boxes.pairwise_iou([UNIT], UNIT)


def test_corners_to_size() -> None:
    assert boxes.to_ltwh((1, 2, 4, 9)) == (1, 2, 3, 7)


def test_scalar_modules_load_without_array_libraries() -> None:
    code = (
        "import sys, onethinker_eval.metrics as m; before = set(sys.modules)\n"
        "from onethinker_eval.metrics import boxes, spans, tracks, points, kernels, recall\n"
        "boxes.iou((0, 0, 1, 1), (0, 0, 1, 1)); spans.tiou((0, 1), (0, 1))\n"
        "points.similarity([(0, 0)] * 3, [(1, 1)] * 3)\n"
        "heavy = {'numpy', 'scipy', 'cv2', 'pycocotools', 'torch'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
