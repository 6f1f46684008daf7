"""The metric table: each metric's value from totals equals its definition over samples."""

from __future__ import annotations

import random

import pytest

from onethinker_eval.errors import UsageError
from onethinker_eval.scoring import PROBLEM_TYPES, PROTOCOLS
from onethinker_eval.scoring.definitions import (
    Metric,
    by_category,
    definitions,
    group_table,
    measure,
    success_curve,
    with_category,
)
from onethinker_eval.totals import Totals


def names(*arguments: str, **options: str) -> list[str]:
    return [metric.name for metric in definitions(*arguments, **options)]


def test_the_papers_columns_come_first() -> None:
    assert names("temporal grounding", "paper") == ["R@0.3", "R@0.5", "R@0.7", "mIoU"]
    assert names("tracking", "paper") == ["AO", "R@0.3", "R@0.5", "R@0.7"]
    assert names("Spatial Grounding", "paper")[1] == "R@0.5"
    assert {"tIoU@0.5", "tIoU", "sIoU@0.5", "sIoU"} <= set(
        names("spatial-temporal grounding", "paper")
    )
    assert names("segmentation", "paper")[:2] == ["cIoU", "gIoU"]
    assert names("segmentation", "paper", data_type="video")[:3] == ["J", "F", "J&F"]
    assert names("OCR", "paper")[:3] == ["accuracy", "WER", "CER"]
    assert names("regression", "paper")[0] == "MRA"
    assert names("caption", "paper")[0] == "METEOR"
    assert names("multiple choice", "official") == ["accuracy", "circular accuracy"]


@pytest.mark.parametrize("kind", PROBLEM_TYPES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_samples_no_value_and_names_are_unique(kind: str, protocol: str) -> None:
    metrics = definitions(kind, protocol)
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert all(measure(metric, Totals()) is None for metric in metrics)


def test_unknown_types_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean tracking"):
        definitions("trackin", "paper")


def test_mean_of_ratios() -> None:
    totals = Totals()
    totals.add({"n": 2, "J": 1.0, "F": 0.5})
    assert measure(definitions("segmentation", "paper", data_type="video")[2], totals) == 37.5


def test_ciou_weighs_large_objects() -> None:
    totals = Totals()
    totals.add({"n": 1, "IoU": 0.1, "intersection": 10, "union": 100})
    totals.add({"n": 1, "IoU": 0.9, "intersection": 900, "union": 1000})
    ciou, giou = definitions("segmentation", "paper")[:2]
    assert measure(ciou, totals) == pytest.approx(100 * 910 / 1100)
    assert measure(giou, totals) == 50.0


def test_circular_questions_need_every_rotation() -> None:
    circular = definitions("multiple choice", "paper")[-1]
    totals = Totals()
    for group, hits in {"q1": [1, 1, 1], "q2": [1, 0, 1], "q3": [1]}.items():
        for hit in hits:
            totals.add_group("group", group, {"n": 1, "accuracy": hit})
    assert measure(circular, totals) == pytest.approx(100 * 2 / 3)
    assert group_table(circular, totals) == {"q1": (1.0, 1.0), "q2": (0.0, 1.0), "q3": (1.0, 1.0)}
    # A question with a failed member is neither right nor wrong.
    totals.add_group("group", "q3", {"failed": 1})
    assert measure(circular, totals) == 50.0


def test_litas_mean_is_by_video_first() -> None:
    metrics = {m.name: m for m in definitions("temporal grounding", "official", span_rule="lita")}
    totals = Totals()
    for cluster, values in {"v1": [1.0, 0.0, 0.0], "v2": [1.0]}.items():
        for value in values:
            numbers = {"n": 1, "tIoU": value, "R@0.5": int(value >= 0.5)}
            totals.add(numbers)
            totals.add_group("cluster", cluster, numbers)
    assert measure(metrics["mIoU"], totals) == pytest.approx(100 * (1 / 3 + 1) / 2)
    assert measure(metrics["R@0.5"], totals) == pytest.approx(100 * (1 / 3 + 1) / 2)
    paper = {m.name: m for m in definitions("temporal grounding", "paper", span_rule="lita")}
    assert measure(paper["mIoU"], totals) == 50.0


def test_categories_and_their_macro_mean() -> None:
    totals = Totals()
    for category, hits in {"algebra": [1, 1, 0, 0], "charts [2]": [1]}.items():
        for hit in hits:
            totals.add(with_category({"n": 1, "accuracy": hit}, category))
    metrics = by_category(totals.sums)
    values = {metric.name: measure(metric, totals) for metric in metrics}
    assert values == {
        "macro accuracy": 75.0,
        "accuracy [algebra]": 50.0,
        "accuracy [charts [2]]": 100.0,
    }
    assert metrics[1].count == "n[algebra]"
    assert by_category(["n", "accuracy"]) == ()
    assert with_category({"prompts": 1}, "x") == {"prompts": 1}


def test_the_success_curve_counts_frames_beyond_each_threshold() -> None:
    from bisect import bisect_left

    import numpy as np

    rng = random.Random(2)
    values = [rng.random() for _ in range(200)] + [0.0, 1.0, 0.5, 0.29]
    grid = np.linspace(0, 1, 101)
    totals = Totals()
    for value in values:
        beyond = bisect_left(grid.tolist(), value)
        totals.add(
            {"frames": 1, "curve": beyond, "curve points": 101, f"curve@{beyond}": 1, "n": 1}
        )
    curve = success_curve(totals)
    expected = [(np.array(values) > limit).mean() for limit in grid]
    assert curve == pytest.approx(expected, abs=1e-12)
    auc = {m.name: m for m in definitions("tracking", "official")}["AUC"]
    assert measure(auc, totals) == pytest.approx(100 * np.mean(expected), abs=1e-9)
    assert success_curve(Totals()) == []


def test_pairs_of_a_metric() -> None:
    assert Metric("x", "a").pairs == (("a", "n"),)
    assert Metric("x", reduction="mean_of", parts=(("a", "b"),)).pairs == (("a", "b"),)


def test_summed_tracks_equal_the_toolkits_pooled_numbers() -> None:
    import json

    from onethinker_eval.metrics import boxes as box_metric
    from onethinker_eval.metrics import got10k
    from onethinker_eval.scoring import score

    rng = random.Random(5)
    totals, pooled = Totals(), []
    for _ in range(30):
        truth, guess = {}, {}
        for key in range(1, rng.randrange(2, 33)):
            x, y = rng.randrange(600), rng.randrange(600)
            box = [x, y, x + rng.randrange(20, 400), y + rng.randrange(20, 400)]
            truth[str(key)] = box
            if rng.random() < 0.9:
                guess[str(key)] = [min(1000, value + rng.randrange(60)) for value in box]
        if len(truth) < 2 or not guess:
            continue
        reply = f"<think>.</think><answer>{json.dumps({'boxes': guess})}</answer>"
        totals.add(score(reply, {"boxes": truth}, "tracking", protocol="official").statistics)
        rows = [
            [box_metric.to_ltwh(boxes.get(key, (0, 0, 0, 0))) for key in truth]
            for boxes in (guess, truth)
        ]
        pooled.append(got10k.frame_overlaps(*rows, (1000, 1000)))
    toolkit = got10k.pool(pooled)
    metrics = definitions("tracking", "official")
    values = {metric.name: measure(metric, totals) for metric in metrics}
    assert totals["frames"] == toolkit.frames
    assert values["AO"] == pytest.approx(100 * toolkit.ao, abs=1e-10)
    assert values["SR@0.5"] == pytest.approx(100 * toolkit.sr50, abs=1e-10)
    assert values["SR@0.75"] == pytest.approx(100 * toolkit.sr75, abs=1e-10)
    assert success_curve(totals) == pytest.approx(list(toolkit.curve), abs=1e-12)
    assert values["AUC"] == pytest.approx(100 * sum(toolkit.curve) / 101, abs=1e-10)
