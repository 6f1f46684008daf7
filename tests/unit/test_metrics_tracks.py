"""Tracks, tubes and pooled tracking numbers: known values, gaps, errors."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from onethinker_eval.metrics import got10k, tracks

FULL, HALF, GONE = (0, 0, 10, 10), (0, 0, 10, 5), (90, 90, 99, 99)


def test_overlap_per_key_follows_the_truth() -> None:
    truth = {3: FULL, 1: FULL, 2: FULL}
    pred = {1: FULL, 3: HALF, 7: FULL}
    assert tracks.overlaps(pred, truth) == [0.5, 1.0, 0.0]
    assert tracks.average_overlap(pred, truth) == 0.5
    assert tracks.siou_truth(pred, truth) == 0.5
    assert tracks.siou_common(pred, truth) == 0.75
    assert tracks.viou_union(pred, truth) == 1.5 / 4


def test_success_compares_strictly_unless_told() -> None:
    truth = {1: FULL, 2: FULL, 3: FULL, 4: FULL}
    pred = {1: FULL, 2: HALF, 3: GONE}
    assert tracks.success(pred, truth) == 0.25
    assert tracks.success(pred, truth, 0.5) == 0.25
    assert tracks.success(pred, truth, 0.5, strict=False) == 0.5
    assert tracks.success(pred, truth, 0.0, strict=False) == 1.0
    assert tracks.success(pred, truth, 0.49) == 0.5


def test_empty_predictions() -> None:
    truth = {1: FULL}
    for metric in (
        tracks.average_overlap,
        tracks.success,
        tracks.siou_common,
        tracks.siou_truth,
        tracks.viou_union,
    ):
        assert metric({}, truth) == 0.0
    assert tracks.siou_common({2: FULL}, truth) == 0.0


def test_empty_truth() -> None:
    for metric in (tracks.siou_common, tracks.siou_truth, tracks.viou_union):
        assert metric({1: FULL}, {}) == 0.0
    assert tracks.viou_union({}, {}) == 0.0
    for metric in (tracks.average_overlap, tracks.success):
        with pytest.raises(
            ValueError, match=r"^expected a true track with at least one box, got an empty one$"
        ):
            metric({1: FULL}, {})


def test_a_box_at_key_with_no_value_counts_zero() -> None:
    assert tracks.average_overlap({1: None}, {1: FULL}) == 0.0  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("pred_span", "truth_span", "expected"),
    [
        ((0, 10), (0, 10), 1.0),
        ((0, 5), (0, 10), 0.5),
        ((5, 15), (0, 10), 5 / 15),
        ((12, 15), (0, 10), 0.0),
        ((0, 10), (0, 0), 0.0),
        ((40, 50), (60, 70), 0.0),
    ],
)
def test_tubes_by_spans(
    pred_span: tuple[int, int], truth_span: tuple[int, int], expected: float
) -> None:
    boxes = dict.fromkeys(range(20), FULL)
    assert tracks.viou_spans(boxes, boxes, pred_span, truth_span, range(20)) == expected


def test_tubes_need_both_boxes() -> None:
    boxes = dict.fromkeys(range(10), FULL)
    half = dict.fromkeys(range(5), HALF)
    assert tracks.viou_spans(half, boxes, (0, 10), (0, 10), range(10)) == 0.25
    assert tracks.viou_spans(boxes, half, (0, 10), (0, 10), range(10)) == 0.25
    assert tracks.viou_spans(boxes, boxes, (0, 10), (0, 10), [0, 5]) == 1.0
    assert tracks.viou_spans(boxes, boxes, (2, 4), (6, 8), range(10)) == 0.0
    assert tracks.viou_spans(boxes, boxes, (3, 4), (3, 4), range(10)) == 1.0
    assert tracks.viou_spans(boxes, boxes, (3, 4), (3, 4), []) == 0.0


class TestGot10k:
    SIZE = (100, 50)

    def test_boxes_are_clipped_to_the_image(self) -> None:
        inside = [[90.0, 40.0, 10.0, 10.0]]
        beyond = [[90.0, 40.0, 500.0, 500.0]]
        assert got10k.rect_iou(inside, beyond, self.SIZE) == pytest.approx(1.0)
        assert got10k.rect_iou(inside, beyond)[0] == pytest.approx(100 / 250000)
        left = [[-50.0, -50.0, 60.0, 60.0]]  # only the corner moves, the size stays
        assert got10k.rect_iou(left, [[0.0, 0.0, 60.0, 50.0]], self.SIZE) == pytest.approx(1.0)
        negative = [[10.0, 10.0, -5.0, 5.0]]
        assert got10k.rect_iou(negative, negative, self.SIZE).tolist() == [0.0]
        assert got10k.rect_iou(negative, [[0.0, 0.0, 50.0, 50.0]]).tolist() == [0.0]
        outside = [[150.0, 60.0, 10.0, 10.0]]
        assert got10k.rect_iou(outside, outside, self.SIZE).tolist() == [0.0]
        assert got10k.rect_iou(outside, [[120.0, 55.0, 60.0, 60.0]], self.SIZE).tolist() == [0.0]

    def test_arguments_stay_as_they_are(self) -> None:
        boxes = np.array([[-5.0, -5.0, 500.0, 500.0]])
        got10k.rect_iou(boxes, boxes, self.SIZE)
        assert boxes.tolist() == [[-5.0, -5.0, 500.0, 500.0]]

    def test_empty_and_undefined_boxes_overlap_nothing(self) -> None:
        nothing = [[0.0, 0.0, 0.0, 0.0]]
        assert got10k.rect_iou(nothing, nothing).tolist() == [0.0]
        assert got10k.rect_iou([[math.nan, 0, 5, 5]], [[0, 0, 5, 5]], self.SIZE).tolist() == [0.0]

    def test_the_epsilon_shows_in_the_smallest_boxes(self) -> None:
        dot = [[0.0, 0.0, 2.0**-26, 2.0**-26]]  # its area is the machine epsilon
        assert got10k.rect_iou(dot, dot).tolist() == [0.5]

    def test_small_types_do_not_overflow_and_nothing_warns(self) -> None:
        boxes = np.array([[0, 0, 200, 200], [100, 100, 200, 200]], np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert got10k.rect_iou(boxes, boxes[::-1]) == pytest.approx([1 / 7, 1 / 7])
            assert got10k.rect_iou(boxes, boxes, (100, 50))[0] == pytest.approx(1.0)
            got10k.rect_iou([[math.inf, 0, 5, 5]], [[math.inf, 0, math.inf, 5]], self.SIZE)
            got10k.rect_iou([[0, 0, math.inf, 0]], [[0, 0, math.inf, 0]])
        third = np.array([1 / 3], np.float32)
        assert got10k.pool([third, [1.0]]).ao == (float(third[0]) + 1.0) / 2
        rough = np.array([0.1, 0.2, 0.7], np.float16)
        assert got10k.pool([rough]).ao == np.mean(rough.astype(np.float64))

    def test_first_and_invisible_frames_are_left_out(self) -> None:
        truth = np.array([[0.0, 0.0, 10.0, 10.0]] * 4)
        pred = truth.copy()
        pred[0] = 0
        pred[2] = 0
        values = got10k.frame_overlaps(pred, truth, self.SIZE, cover=[0, 1, 1, 0])
        assert values == pytest.approx([1.0, 0.0])
        assert got10k.frame_overlaps(pred, truth, self.SIZE) == pytest.approx([1.0, 0.0, 1.0])

    def test_pooling_weighs_frames_not_sequences(self) -> None:
        pooled = got10k.pool([[1.0], [0.0, 0.5, 0.75]])
        assert pooled.ao == 0.5625
        assert (pooled.sr50, pooled.sr75, pooled.frames) == (0.5, 0.25, 4)
        assert len(pooled.curve) == got10k.CURVE_BINS == 101
        assert pooled.curve[0] == 0.75
        assert pooled.curve[49:51] == (0.75, 0.5)
        assert pooled.curve[74:76] == (0.5, 0.25)
        assert pooled.curve[99:] == (0.25, 0.0)

    def test_errors(self) -> None:
        with pytest.raises(
            ValueError, match=r"^expected at least one visible frame after frame 0, got none$"
        ):
            got10k.pool([])
        with pytest.raises(ValueError, match="got none"):
            got10k.pool([[], []])
        with pytest.raises(ValueError, match="equal numbers of boxes, got 1 and 2"):
            got10k.rect_iou([[0, 0, 1, 1]], [[0, 0, 1, 1]] * 2)
        with pytest.raises(ValueError, match=r"\(frames, 4\), got shape \(2, 3\)"):
            got10k.rect_iou(np.zeros((2, 3)), np.zeros((2, 3)))
        with pytest.raises(ValueError, match=r"\(frames, 4\), got shape \(4,\)"):
            got10k.rect_iou([0, 0, 1, 1], [0, 0, 1, 1])
        boxes = [[0, 0, 1, 1]] * 3
        with pytest.raises(ValueError, match=r"each of 3 frames, got an array of shape \(2,\)"):
            got10k.frame_overlaps(boxes, boxes, self.SIZE, cover=[1, 1])
