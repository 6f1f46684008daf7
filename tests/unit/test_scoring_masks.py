"""Mask scores: the two evaluators' rules for frames, empty masks and missing predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.metrics import masks as metric
from onethinker_eval.metrics import rle
from onethinker_eval.scoring import PROTOCOLS, failed_score, score
from onethinker_eval.scoring.masks import score_masks, with_prompt

EMPTY = {"size": [12, 16], "counts": [192]}


def block(x1: int, y1: int, x2: int, y2: int) -> dict[str, Any]:
    mask = np.zeros((12, 16), dtype=bool)
    mask[y1:y2, x1:x2] = True
    return rle.encode(mask)


SQUARE, SHIFTED = block(2, 2, 8, 8), block(4, 2, 10, 8)
BOTH = 24 / 48


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("truth", [SQUARE, {"rle": SQUARE}, {"segmentation_rle": SQUARE}])
def test_image_masks(protocol: Any, truth: Any) -> None:
    found = score_masks(SHIFTED, truth, "image", protocol)
    assert found.outcome == "scored"
    assert found.accuracy == found.components["IoU"] == BOTH
    counts = {"n": 1, "IoU": BOTH, "intersection": 24, "union": 48}
    assert {name: found.statistics[name] for name in counts} == counts
    assert ("P@0.5" in found.statistics) == (protocol != "paper")


def test_an_image_without_a_mask() -> None:
    paper = score_masks(None, SQUARE, "image", "paper", reason="wrong_schema")
    assert (paper.outcome, paper.reason) == ("unparsable", "wrong_schema")
    assert paper.statistics == {"dropped": 1, "unparsable": 1}
    official = score_masks(None, SQUARE, "image", "official")
    assert official.statistics["union"] == 36
    assert official.statistics["intersection"] == 0
    assert official.statistics["n"] == official.statistics["unparsable"] == 1
    # Even an empty truth is not met by an answer that could not be read.
    assert score_masks(None, EMPTY, "image", "official").accuracy == 0.0


def test_two_empty_image_masks() -> None:
    assert score_masks(EMPTY, EMPTY, "image", "paper").accuracy == 0.0
    official = score_masks(EMPTY, EMPTY, "image", "official")
    assert official.accuracy == 1.0
    assert official.statistics["union"] == 0


def video(**rles: Any) -> dict[str, Any]:
    return {"frames": ["a", "b", "c"], "rle": rles}


@pytest.mark.parametrize(("protocol", "count"), [("paper", 2), ("official", 3)])
def test_frames_that_count(protocol: Any, count: int) -> None:
    truth = video(a=SQUARE, b=SQUARE, c=None)
    found = score_masks({"a": SQUARE, "b": SHIFTED, "c": EMPTY}, truth, "video", protocol)
    assert found.statistics["frames"] == count
    region = (1.0 + BOTH) / 2 if protocol == "paper" else (1.0 + BOTH + 1.0) / 3
    assert found.components["J"] == pytest.approx(region)
    arrays = [rle.decode(mask) for mask in (SQUARE, SHIFTED)]
    outline = (metric.onethinker_f if protocol == "paper" else metric.davis_f)(arrays[1], arrays[0])
    edges = (1 + outline) / 2 if protocol == "paper" else (1 + outline + 1) / 3
    assert found.components["F"] == pytest.approx(edges)
    assert found.accuracy == pytest.approx((region + edges) / 2)
    assert found.components["J&F"] == found.accuracy
    assert found.statistics["J over frames"] == pytest.approx(region * count)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_missing_frames_score_nothing(protocol: Any) -> None:
    truth = video(a=SQUARE, b=SQUARE, c=SQUARE)
    for pred in ({"a": SQUARE}, [SQUARE], [SQUARE, None, None], {"0": SQUARE}, {0: SQUARE}):
        found = score_masks(pred, truth, "video", protocol)
        assert found.components["J"] == pytest.approx(1 / 3)
        assert found.components["F"] == pytest.approx(1 / 3)
    nothing = score_masks(None, truth, "video", protocol)
    assert (nothing.accuracy, nothing.outcome) == (0.0, "unparsable")
    assert nothing.statistics["n"] == 1
    assert nothing.statistics["frames"] == 3


def test_empty_frames_by_protocol() -> None:
    truth = video(a=EMPTY, b=EMPTY, c=EMPTY)
    pred = [EMPTY] * 3
    paper = score_masks(pred, truth, "video", "paper")
    assert (paper.components["J"], paper.components["F"]) == (0.0, 1.0)
    official = score_masks(pred, truth, "video", "official")
    assert (official.components["J"], official.components["F"]) == (1.0, 1.0)


def test_a_video_without_any_true_mask() -> None:
    truth = video(a=None)
    paper = score_masks([EMPTY] * 3, truth, "video", "paper")
    assert (paper.accuracy, paper.statistics["frames"]) == (0.0, 0)
    assert score_masks([EMPTY] * 3, truth, "video", "official").accuracy == 1.0
    assert score_masks([SQUARE] * 3, truth, "video", "official").accuracy == 0.0


@pytest.mark.parametrize(
    ("pred", "truth", "data_type"),
    [
        ({"size": [12, 16], "counts": [1]}, SQUARE, "image"),
        (SQUARE, {"size": [12, 16]}, "image"),
        (SQUARE, None, "image"),
        (SQUARE, {"rle": None}, "image"),
        ({"size": [3, 3], "counts": [9]}, SQUARE, "image"),
        ("mask", SQUARE, "image"),
        ([SQUARE], {"rle": {"a": SQUARE}}, "video"),
        ([SQUARE], {"frames": [], "rle": {}}, "video"),
        ([SQUARE], video(a={"counts": "x"}), "video"),
        ([5], video(a=SQUARE), "video"),
        ([{"size": [3, 3], "counts": [9]}], video(a=SQUARE), "video"),
        ([SQUARE], None, "video"),
    ],
)
def test_malformed_masks_are_named(pred: Any, truth: Any, data_type: str) -> None:
    with pytest.raises(DataError) as caught:
        score_masks(pred, truth, data_type, "official")
    assert caught.value.field == "segmentation"


def test_names_are_checked() -> None:
    with pytest.raises(UsageError, match="unknown data type 'audio'"):
        score_masks(SQUARE, SQUARE, "audio")
    with pytest.raises(UsageError, match="did you mean paper"):
        score_masks(SQUARE, SQUARE, "image", "papers")  # type: ignore[arg-type]


def test_a_mask_stands_beside_its_prompt() -> None:
    points = [[1, 1], [2, 2], [3, 3]]
    truth = {"boxes": [0, 0, 9, 9], "positive_points": points, "negative_points": points}
    text = '<think>.</think><answer>{"boxes": [0, 0, 9, 9], "positive_points": [[1,1],[2,2],[3,3]],'
    text += ' "negative_points": [[1,1],[2,2],[3,3]]}</answer>'
    prompt = score(text, truth, "segmentation")
    both = with_prompt(prompt, score_masks(SHIFTED, SQUARE, "image"))
    assert both.accuracy == BOTH
    assert both.components["box IoU"] == 1.0
    assert both.statistics["prompts"] == both.statistics["n"] == 1
    assert both.outcome == "scored"
    assert both.answer is prompt.answer
    lost = score("nothing", truth, "segmentation", protocol="official")
    missed = with_prompt(lost, score_masks(None, SQUARE, "image", "official", reason="missing"))
    assert (missed.outcome, missed.reason, missed.accuracy) == ("unparsable", lost.reason, 0.0)
    assert missed.statistics["unparsable"] == 1
    assert failed_score("x").outcome == "failed"
