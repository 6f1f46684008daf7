"""Box and span overlap, tracks and tubes equal the numbers of the evaluators they come from."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import geometry_cases
import numpy as np
import plain_geometry
import pytest

from onethinker_eval.metrics import boxes, spans, tracks

DATA = Path(__file__).parent / "data"
BOXES = json.loads((DATA / "boxes.json").read_text())
TRACKS = json.loads((DATA / "tracks.json").read_text())


def test_box_iou_equals_the_released_reward() -> None:
    pairs = geometry_cases.box_pairs()
    assert len(pairs) == len(BOXES["iou"]) > 4000
    assert [boxes.iou(pred, truth) for pred, truth in pairs] == BOXES["iou"]


def test_tiou_equals_the_released_reward() -> None:
    pairs = geometry_cases.span_pairs()
    assert [spans.tiou(pred, truth) for pred, truth in pairs] == BOXES["tiou"]


def test_box_iou_equals_the_plain_definition_in_either_order() -> None:
    for pred, truth in geometry_cases.box_pairs(seed=21, count=3000):
        expected = plain_geometry.box_iou(pred, truth)
        assert boxes.iou(pred, truth) == expected
        assert boxes.iou(truth, pred) == expected


def test_tiou_equals_the_plain_definition_in_either_order() -> None:
    for pred, truth in geometry_cases.span_pairs(seed=22, count=3000):
        expected = plain_geometry.span_iou(pred, truth)
        assert spans.tiou(pred, truth) == expected
        assert spans.tiou(truth, pred) == expected


def test_batches_equal_single_boxes_to_the_last_bit() -> None:
    pairs = geometry_cases.box_pairs(seed=23, count=9000)  # several chunks
    pred, truth = np.array([p for p, _ in pairs]), np.array([t for _, t in pairs])
    single = [boxes.iou(p, t) for p, t in pairs]
    assert boxes.iou(pred, truth).tolist() == single
    assert boxes.iou(truth, pred).tolist() == single
    few = pairs[-90:] + pairs[:40]
    table = boxes.pairwise_iou([p for p, _ in few], [t for _, t in few])
    assert table.tolist() == [[boxes.iou(p, t) for _, t in few] for p, _ in few]


def test_batches_of_spans_equal_single_spans_to_the_last_bit() -> None:
    pairs = geometry_cases.span_pairs(seed=24, count=3000)
    pred, truth = np.array([p for p, _ in pairs]), np.array([t for _, t in pairs])
    single = [spans.tiou(p, t) for p, t in pairs]
    assert spans.tiou(pred, truth).tolist() == single
    assert spans.tiou(truth, pred).tolist() == single


@pytest.mark.slow
def test_box_iou_equals_torchvision() -> None:
    torch = pytest.importorskip("torch")
    from torchvision.ops import box_iou

    proper = [
        box
        for pair in geometry_cases.box_pairs(seed=25, count=1500)
        for box in pair
        if all(map(math.isfinite, box)) and box[0] + 1e-3 < box[2] < 1e9 and box[1] < box[3]
    ]
    tensor = torch.tensor(proper, dtype=torch.float64)
    theirs = box_iou(tensor, tensor).numpy()
    assert np.abs(boxes.pairwise_iou(proper, proper) - theirs).max() <= 1e-12


def test_tracks_equal_the_released_reward() -> None:
    for seed, (overlap, common) in enumerate(
        zip(TRACKS["average_overlap"], TRACKS["siou_common"], strict=True)
    ):
        pred, truth = geometry_cases.track_pair(seed)
        assert tracks.average_overlap(pred, truth) == overlap
        assert tracks.siou_truth(pred, truth) == overlap
        assert tracks.siou_common(pred, truth) == common


def test_tubes_equal_the_hc_stvg_evaluator() -> None:
    golden = TRACKS["tubedetr"]
    for seed, (viou, over_truth, tiou) in enumerate(
        zip(golden["viou"], golden["gt_viou"], golden["tiou"], strict=True)
    ):
        case = geometry_cases.tube_case(seed)
        ours = tracks.viou_spans(
            case.pred, case.truth, case.pred_span, case.truth_span, case.frames
        )
        assert math.isclose(ours, viou, abs_tol=1e-12)
        seen = {frame: case.truth[frame] for frame in case.frames if frame in case.truth}
        assert math.isclose(tracks.siou_truth(case.pred, seen), over_truth, abs_tol=1e-12)
        assert math.isclose(spans.tiou(case.pred_span, case.truth_span), tiou, abs_tol=1e-12)


def test_union_viou_equals_its_definition_second_by_second() -> None:
    for seed in range(500):
        pred, truth = geometry_cases.track_pair(seed)
        total, seconds = 0.0, 0
        for second in range(-10, 60):
            key = str(second)
            if key in pred or key in truth:
                seconds += 1
            if key in pred and key in truth:
                total += plain_geometry.box_iou(pred[key], truth[key])
        assert math.isclose(tracks.viou_union(pred, truth), total / seconds, abs_tol=1e-12)


def test_success_counts_frames() -> None:
    for seed in range(200):
        pred, truth = geometry_cases.track_pair(seed)
        values = tracks.overlaps(pred, truth)
        assert len(values) == len(truth)
        curve = [tracks.success(pred, truth, k / 20) for k in range(21)]
        assert all(a >= b for a, b in pairwise(curve))
        assert curve[10] * len(truth) == pytest.approx(sum(v > 0.5 for v in values))
