"""Laws that the geometric metrics obey for all input."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker_eval.metrics import (
    boxes,
    got10k,
    kernels,
    masks,
    points,
    recall,
    rle,
    spans,
    tracks,
)

POWERS = st.sampled_from([0.125, 0.5, 2.0, 8.0])  # scaling by these is exact


@given(strategies.any_boxes, strategies.any_boxes)
def test_box_iou_is_a_symmetric_share_for_any_numbers(a: tuple, b: tuple) -> None:
    value = boxes.iou(a, b)
    assert 0.0 <= value <= 1.0
    assert value == boxes.iou(b, a)
    assert value == boxes.iou(np.array(a), np.array(b))


@given(strategies.boxes_1000, strategies.boxes_1000)
def test_box_iou_of_proper_boxes(a: tuple, b: tuple) -> None:
    assert boxes.iou(a, a) == 1.0
    overlap = min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
    assert (boxes.iou(a, b) > 0) == overlap


@given(strategies.boxes_1000, strategies.boxes_1000, POWERS, POWERS)
def test_box_iou_ignores_scales_mirrors_and_swapped_axes(
    a: tuple, b: tuple, sx: float, sy: float
) -> None:
    value = boxes.iou(a, b)
    scaled = [(x1 * sx, y1 * sy, x2 * sx, y2 * sy) for x1, y1, x2, y2 in (a, b)]
    assert boxes.iou(*scaled) == value
    mirrored = [(-x2, y1, -x1, y2) for x1, y1, x2, y2 in (a, b)]
    assert boxes.iou(*mirrored) == value
    turned = [(y1, x1, y2, x2) for x1, y1, x2, y2 in (a, b)]
    assert boxes.iou(*turned) == value


@given(strategies.boxes_1000)
def test_a_reversed_box_overlaps_nothing(box: tuple) -> None:
    x1, y1, x2, y2 = box
    for turned in ((x2, y1, x1, y2), (x1, y2, x2, y1), (x2, y2, x1, y1)):
        assert boxes.iou(turned, box) == boxes.iou(turned, turned) == 0.0


@given(strategies.any_spans, strategies.any_spans)
def test_tiou_is_a_symmetric_share_for_any_numbers(a: tuple, b: tuple) -> None:
    value = spans.tiou(a, b)
    assert 0.0 <= value <= 1.0
    assert value == spans.tiou(b, a)
    assert value == spans.tiou(np.array(a), np.array(b))


@given(strategies.spans_s, strategies.spans_s, POWERS)
def test_tiou_of_proper_spans(a: tuple, b: tuple, scale: float) -> None:
    assert spans.tiou(a, a) == 1.0
    value = spans.tiou(a, b)
    assert (value > 0) == (min(a[1], b[1]) > max(a[0], b[0]))
    assert value == spans.tiou(*[(s * scale, e * scale) for s, e in (a, b)])
    assert value == spans.tiou(*[(-e, -s) for s, e in (a, b)])
    high = [(s, 0.0, e, 1.0) for s, e in (a, b)]
    assert math.isclose(value, boxes.iou(*high), rel_tol=1e-9)


@given(strategies.tracks_1000, strategies.tracks_1000)
def test_track_metrics_are_shares_in_a_fixed_order(pred: dict, truth: dict) -> None:
    common, over_truth = tracks.siou_common(pred, truth), tracks.siou_truth(pred, truth)
    union = tracks.viou_union(pred, truth)
    assert 0.0 <= union <= over_truth + 1e-12
    assert over_truth <= common + 1e-12
    assert common <= 1.0
    assert math.isclose(union, tracks.viou_union(truth, pred), abs_tol=1e-12)
    assert math.isclose(common, tracks.siou_common(truth, pred), abs_tol=1e-12)
    if truth:
        assert tracks.average_overlap(truth, truth) == tracks.viou_union(truth, truth) == 1.0
        assert tracks.average_overlap(pred, truth) == over_truth


@given(strategies.tracks_1000.filter(bool), strategies.tracks_1000)
def test_success_falls_with_the_threshold(truth: dict, pred: dict) -> None:
    thresholds = [k / 10 for k in range(11)]
    for strict in (True, False):
        curve = [tracks.success(pred, truth, t, strict=strict) for t in thresholds]
        assert all(a >= b for a, b in pairwise(curve))
        assert all(0.0 <= value <= 1.0 for value in curve)
    assert all(
        tracks.success(pred, truth, t) <= tracks.success(pred, truth, t, strict=False)
        for t in thresholds
    )


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_recall_falls_with_the_threshold(scores: list, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert recall.recall_at(scores, low) >= recall.recall_at(scores, high)
    assert recall.recall_at(scores, low) >= recall.recall_at(scores, low, strict=True)
    assert recall.recall_at(scores, 0.0) == 1.0


@given(st.lists(st.lists(st.floats(0, 1), max_size=9), min_size=1).filter(any))
def test_pooling_does_not_depend_on_the_cut(parts: list) -> None:
    whole = got10k.pool([[value for part in parts for value in part]])
    assert got10k.pool(parts) == whole
    assert all(a >= b for a, b in pairwise(whole.curve))
    assert whole.curve[50] == whole.sr50
    assert whole.curve[-1] == 0.0


@given(strategies.point_lists, strategies.point_lists)
def test_point_similarity_is_a_symmetric_share(a: list, b: list) -> None:
    value = points.similarity(a, b)
    assert 0.0 <= value <= 1.0
    assert math.isclose(value, points.similarity(b, a), rel_tol=1e-9)
    assert points.similarity(a, a) == 1.0


@given(strategies.point_lists, st.randoms(use_true_random=False))
def test_point_matching_ignores_order(a: list, rng: object) -> None:
    shuffled = a.copy()
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert points.matched_distance(a, shuffled) <= 1e-9


@given(strategies.point_lists, st.floats(-500, 500), st.floats(-500, 500))
def test_moving_all_points_moves_them_by_at_most_that(a: list, dx: float, dy: float) -> None:
    moved = [(x + dx, y + dy) for x, y in a]
    assert points.matched_distance(a, moved) <= math.hypot(dx, dy) * (1 + 1e-9) + 1e-9


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-3, 1e4))
def test_kernels_fall_with_the_distance(a: float, b: float, scale: float) -> None:
    near, far = sorted((a, b))
    for kernel in (kernels.gaussian, kernels.laplace):
        assert 0.0 <= kernel(far, scale) <= kernel(near, scale) <= 1.0
        assert kernel(0.0, scale) == 1.0
        assert kernel(-near, scale) == kernel(near, scale)


@settings(max_examples=200)
@given(strategies.mask_pairs())
def test_mask_scores_are_symmetric_shares(pair: tuple) -> None:
    pred, truth = pair
    for score in (masks.davis_jf, masks.onethinker_jf):
        values = score(pred, truth)
        assert values == score(truth, pred)
        assert all(0.0 <= value <= 1.0 for value in values)
    assert masks.davis_jf(pred, pred) == (1.0, 1.0)
    assert masks.onethinker_f(pred, pred) == 1.0
    assert masks.onethinker_j(pred, pred) == float(pred.any())


@settings(max_examples=200)
@given(strategies.mask_pairs())
def test_mask_scores_under_mirrors_and_turns(pair: tuple) -> None:
    pred, truth = pair
    expected = masks.davis_jf(pred, truth)
    assert masks.davis_jf(pred.T, truth.T) == expected
    assert masks.davis_jf(np.ascontiguousarray(pred.T), np.ascontiguousarray(truth.T)) == expected
    for flip in (np.flipud, np.fliplr, np.rot90):
        assert masks.davis_j(flip(pred), flip(truth)) == expected.j
        assert masks.onethinker_jf(flip(pred), flip(truth)) == masks.onethinker_jf(pred, truth)


@settings(max_examples=200)
@given(strategies.mask_pairs(), st.integers(1, 3), st.integers(1, 3))
def test_region_overlap_ignores_enlargement(pair: tuple, sy: int, sx: int) -> None:
    pred, truth = pair
    large = [np.kron(mask, np.ones((sy, sx), bool)) for mask in pair]
    assert masks.davis_j(*large) == masks.davis_j(pred, truth)
    assert masks.intersection_union(*large) == tuple(
        sy * sx * n for n in masks.intersection_union(pred, truth)
    )


@settings(max_examples=200)
@given(strategies.mask_pairs())
def test_run_lengths_keep_everything(pair: tuple) -> None:
    forms = [rle.encode(mask) for mask in pair]
    for mask, form in zip(pair, forms, strict=True):
        assert np.array_equal(rle.decode(form), mask)
        assert rle.read(form).area == mask.sum()
    assert masks.davis_jf_rle(*forms) == masks.davis_jf(*pair)
    assert masks.onethinker_jf_rle(*forms) == masks.onethinker_jf(*pair)
    assert masks.intersection_union_rle(*forms) == masks.intersection_union(*pair)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1))
def test_cumulative_and_mean_iou_are_shares(pairs: list) -> None:
    overlaps = [(a, a + b) for a, b in pairs]
    assert 0.0 <= masks.ciou(overlaps) <= 1.0
    assert masks.ciou(overlaps) == masks.ciou(overlaps[::-1])
    assert masks.giou(overlaps, empty=0.0) <= masks.giou(overlaps) <= 1.0


@given(st.text(max_size=40) | st.binary(max_size=40), st.integers(1, 30), st.integers(1, 30))
def test_any_counts_are_read_or_refused(counts: str | bytes, height: int, width: int) -> None:
    try:
        runs = rle.read({"size": [height, width], "counts": counts})
    except rle.RleError:
        return
    assert 0 <= runs.area <= height * width
