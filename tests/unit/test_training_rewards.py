"""Rewards: the evaluation's own functions, the paper's sums, the released weights."""

from __future__ import annotations

import math
from typing import Any

import pytest

import onethinker_eval
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.training import annotation_filters, reward_worker, rewards
from onethinker_eval.training.rewards import reward


def said(answer: str) -> str:
    return f"<think>I looked.</think>\n<answer>{answer}</answer>"


IMAGE_PROMPT = (
    '{"boxes": [100, 100, 300, 300], "positive_points": [[150, 150], [200, 200], [250, 250]], '
    '"negative_points": [[10, 10], [20, 20], [30, 30]]}'
)
TRACK = '{"boxes": {"1": [0, 0, 9, 9], "2": [1, 1, 9, 9]}}'
TUBE = '{"time": [2, 4], "boxes": {"2": [0, 0, 10, 10], "3": [0, 0, 10, 10], "4": [0, 0, 10, 10]}}'


def test_the_metric_of_training_is_the_metric_of_evaluation() -> None:
    assert rewards.score is onethinker_eval.score
    assert rewards.strict_body is onethinker_eval.answers.extraction.strict_body
    assert rewards.parse is onethinker_eval.answers.parse
    assert reward_worker.reward is rewards.reward
    assert annotation_filters.score is onethinker_eval.score


@pytest.mark.parametrize(
    ("reply", "truth", "kind", "data_type", "best"),
    [
        ("B", "B", "multiple choice", "image", 2),
        ("3.14", "3.14", "numerical", "image", 2),
        ("7", "7", "regression", "video", 2),
        ("5 / 10 km", "5 / 10 km", "OCR", "image", 2),
        ('{"time": [1, 4]}', '{"time": [1, 4]}', "temporal grounding", "video", 2),
        ('{"boxes": [1, 2, 30, 40]}', [1, 2, 30, 40], "spatial grounding", "image", 2),
        (TUBE, TUBE, "spatial-temporal grounding", "video", 3),
        (
            '{"boxes": {"1": [0, 0, 9, 9]}}',
            '{"boxes": {"1": [0, 0, 9, 9]}}',
            "tracking",
            "video",
            2,
        ),
        (IMAGE_PROMPT, IMAGE_PROMPT, "segmentation", "image", 4),
    ],
)
def test_perfect_answers_earn_the_maximum(
    reply: str, truth: Any, kind: str, data_type: str, best: float
) -> None:
    if kind == "spatial grounding":
        truth = {"boxes": truth}
    paper = reward(said(reply), truth, kind, data_type=data_type)
    assert paper.total == pytest.approx(best)
    assert paper.accuracy == 1.0
    released = reward(said(reply), truth, kind, data_type=data_type, profile="released")
    assert released.total == pytest.approx(1.5)
    for made in (paper, released):
        assert sum(made.parts.values()) == pytest.approx(made.total)


def video_prompt(time: float) -> str:
    return f'{IMAGE_PROMPT[:-1]}, "time": {time}}}'


@pytest.mark.parametrize("late_s", [0.5, 1.0, 2.0, 4.0])
def test_key_frame_kernels_of_paper_and_released_code(late_s: float) -> None:
    truth = video_prompt(5.0)
    reply = said(video_prompt(5.0 + late_s))
    paper = reward(reply, truth, "segmentation", data_type="video")
    assert paper.parts["keyframe time"] == pytest.approx(math.exp(-(late_s**2) / 2))
    assert paper.total == pytest.approx(4 + math.exp(-(late_s**2) / 2))
    released = reward(reply, truth, "segmentation", data_type="video", profile="released")
    assert released.parts["accuracy"] == pytest.approx(0.9 * (0.7 + 0.3 * math.exp(-late_s / 2)))


def test_point_kernel_has_sigma_50() -> None:
    moved = IMAGE_PROMPT.replace(
        "[150, 150], [200, 200], [250, 250]", "[150, 180], [200, 230], [250, 280]"
    )
    made = reward(said(moved), IMAGE_PROMPT, "segmentation")
    assert made.parts["positive points"] == pytest.approx(math.exp(-(30**2) / (2 * 50**2)))
    assert made.parts["negative points"] == 1.0


def test_format_needs_both_tags() -> None:
    assert reward("<answer>B</answer>", "B", "multiple choice").parts["format"] == 0.0
    assert reward("B", "B", "multiple choice", profile="released").total == pytest.approx(0.9)
    assert reward(said("B"), "A", "multiple choice").total == 1.0


def test_released_structure() -> None:
    wrong_box = reward(
        said('{"boxes": [1, 2, 3, 4]}'),
        '{"boxes": [500, 500, 600, 600]}',
        "spatial grounding",
        profile="released",
    )
    assert wrong_box.total == pytest.approx(0.6)  # valid but wrong
    partial = reward(
        said('{"time": [2, 4], "boxes": {"2": [0, 0, 10, 10]}}'),
        TUBE,
        "spatial-temporal grounding",
        profile="released",
    )
    assert partial.parts["structure"] == pytest.approx(0.25 + 0.25 / 3)
    no_json = reward(said("somewhere"), TUBE, "spatial-temporal grounding", profile="released")
    assert no_json.total == pytest.approx(0.1)


def test_a_reward_model_replaces_rouge() -> None:
    made = reward(said("a red ball"), "the ball is red", "caption", judged=0.75)
    assert made.accuracy == 0.75
    assert reward("", "the ball is red", "caption", judged=0.75).accuracy == 0.0


def test_a_malformed_truth_is_an_error_not_a_zero() -> None:
    with pytest.raises(DataError):
        reward(said("{}"), "no json", "tracking", data_type="video")


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="did you mean paper"):
        reward("", "B", "multiple choice", profile="papper")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="tracking"):
        reward("", "B", "traking")
