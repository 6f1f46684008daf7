"""`score`: each problem type and protocol on cases worked out by hand, and its edges."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

import onethinker_eval
from onethinker_eval.answers import format_answer, parse, wrap
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.scoring import (
    PROBLEM_TYPES,
    PROTOCOLS,
    failed_score,
    normal_type,
    score,
    score_answer,
)

BOX = [100, 100, 300, 300]
HALF = [100, 100, 300, 200]


def said(answer: Any) -> str:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return f"<think>Let me look.</think>\n<answer>{text}</answer>"


# ------------------------------------------------------------------------------ each type, paper


@pytest.mark.parametrize(
    ("kind", "answer", "truth", "accuracy"),
    [
        ("multiple choice", "B", "B", 1.0),
        ("multiple choice", "B", "C", 0.0),
        ("multiple choice", "b", "B", 1.0),
        ("multiple choice", "B. blue", "<answer>B</answer>", 1.0),
        ("multiple choice", "Both", "B", 1.0),
        ("multiple choice", "A", "(A) red", 1.0),
        ("numerical", "3.14159", "3.14", 1.0),
        ("numerical", "1,234.5", "1234.50", 1.0),
        ("numerical", "0.125", "0.13", 0.0),
        ("regression", "10.4", "10", 1.0),
        ("regression", "6", "10", 0.2),
        ("regression", "0", "0", 0.0),
        ("math", "0.5", "0.50", 1.0),
        ("math", "7", "8", 0.0),
        ("OCR", "the cat sat", "the cat sat", 1.0),
        ("OCR", "the cat", "the cat sat on", 0.5),
        ("OCR", "a b c d e f", "x", 0.0),
        ("open-ended", "a red cat", "a red cat", 1.0),
        ("open-ended", "yes", "yes", 2 / 3),
        ("temporal grounding", {"time": [1, 3]}, {"time": [1, 5]}, 0.5),
        ("temporal grounding", {"time": [3, 1]}, {"time": [1, 3]}, 0.0),
        ("temporal grounding", {"time": [7, 9]}, [1, 5], 0.0),
        ("spatial grounding", {"boxes": HALF}, {"boxes": BOX}, 0.5),
        ("spatial grounding", {"boxes": BOX}, BOX, 1.0),
        ("tracking", {"boxes": {"1": BOX}}, {"boxes": {"1": BOX, "2": BOX}}, 0.5),
        ("tracking", {"boxes": {"1": HALF, "9": BOX}}, {"boxes": {"1": BOX}}, 0.5),
        (
            "spatial-temporal grounding",
            {"time": [1, 3], "boxes": {"1": HALF}},
            {"time": [1, 5], "boxes": {"1": BOX, "2": BOX}},
            0.5,
        ),
    ],
)
def test_paper_accuracy(kind: str, answer: Any, truth: Any, accuracy: float) -> None:
    found = score(said(answer), truth, kind)
    assert found.accuracy == pytest.approx(accuracy, abs=1e-12)
    assert found.outcome == "scored"
    assert found.reason is None
    stored = truth if isinstance(truth, str) else json.dumps(truth)
    for form in (stored, f"<answer>{stored}</answer>", f"\n<answer> {stored} </answer>"):
        if "<answer>" not in stored:
            assert score(said(answer), form, kind).accuracy == found.accuracy


def test_thresholds_are_reached_by_equality() -> None:
    found = score(said({"time": [0, 5]}), {"time": [0, 10]}, "temporal grounding")
    assert found.components == {"tIoU": 0.5, "R@0.3": 1, "R@0.5": 1, "R@0.7": 0}
    assert found.statistics == {"n": 1, **found.components}
    box = score(said({"boxes": HALF}), {"boxes": BOX}, "spatial grounding", protocol="official")
    assert box.components == {"IoU": 0.5, "R@0.3": 1, "R@0.5": 1, "R@0.7": 0}


# ----------------------------------------------------------------------- where protocols differ


def test_tubes_by_protocol() -> None:
    truth = {"time": [0, 10], "boxes": {str(k): BOX for k in range(10)}}
    answer = said({"time": [0, 10], "boxes": {"0": BOX}})
    paper = score(answer, truth, "spatial-temporal grounding")
    assert paper.components["sIoU"] == 1.0
    assert paper.accuracy == 1.0
    official = score(answer, truth, "spatial-temporal grounding", protocol="official")
    assert official.components["sIoU"] == 1.0
    assert official.components["vIoU"] == pytest.approx(0.1)
    assert official.components["sIoU over truth"] == pytest.approx(0.1)
    assert official.accuracy == pytest.approx(0.1)
    assert official.statistics["vIoU@0.3"] == 0
    assert "vIoU" not in paper.components


def test_tracks_by_protocol() -> None:
    truth = {"boxes": {str(k): BOX for k in range(1, 5)}}
    answer = said({"boxes": {"1": BOX, "2": BOX, "3": HALF}})
    paper = score(answer, truth, "tracking")
    assert paper.components == {"AO": pytest.approx(2.5 / 4), "R@0.3": 1, "R@0.5": 1, "R@0.7": 0}
    official = score(answer, truth, "tracking", protocol="official")
    assert official.components["AO"] == pytest.approx(1.5 / 3)
    expected = {"n": 1, "frames": 3, "overlap": 1.5, "SR@0.5": 1, "SR@0.75": 1}
    assert {name: official.statistics[name] for name in expected} == expected
    # 1.0 exceeds 0 … 0.99, a half exceeds 0 … 0.49, nothing exceeds nothing.
    assert official.statistics["curve"] == 100 + 50 + 0
    assert official.statistics["curve points"] == 303
    assert {k: v for k, v in official.statistics.items() if k.startswith("curve@")} == {
        "curve@100": 1,
        "curve@50": 1,
        "curve@0": 1,
    }


def test_a_track_of_one_frame_has_no_frame_to_pool() -> None:
    found = score(
        said({"boxes": {"1": HALF}}), {"boxes": {"1": BOX}}, "tracking", protocol="official"
    )
    assert found.accuracy == 0.5
    assert found.statistics == {"n": 1, "frames": 0}


def test_invisible_frames_of_got10k_do_not_count() -> None:
    truth = {"boxes": {"1": BOX, "2": BOX, "3": BOX}}
    answer = said({"boxes": {"1": BOX, "2": BOX}})
    meta = {"cover": [8, 8, 0]}
    found = score(answer, truth, "tracking", protocol="official", meta=meta)
    assert found.statistics["frames"] == 1
    assert found.accuracy == 1.0


def test_regression_by_protocol() -> None:
    # An error of exactly one half meets VSI-Bench's loosest limit and not upstream's strict one.
    assert score(said("5"), "10", "regression").accuracy == 0.0
    assert score(said("5"), "10", "regression", protocol="official").accuracy == 0.1


def test_open_ended_by_protocol() -> None:
    assert score(said("東京"), "東京", "open-ended").accuracy == 0.0
    assert score(said("東京"), "東京", "open-ended", protocol="official").accuracy == 1.0


def test_segmentation_prompts_by_protocol() -> None:
    points = [[110, 110], [200, 200], [290, 290]]
    truth = {"boxes": BOX, "positive_points": points, "negative_points": points, "time": 2.0}
    shifted = [[x + 30, y + 40] for x, y in points]
    answer = said(
        {"boxes": HALF, "positive_points": points[::-1], "negative_points": shifted, "time": 4.0}
    )
    gauss = math.exp(-(50.0**2) / (2 * 50.0**2))
    paper = score(answer, truth, "segmentation", data_type="video")
    assert paper.components["keyframe time"] == pytest.approx(math.exp(-1.0))
    assert paper.accuracy == pytest.approx(0.3 * 0.5 + 0.3 * math.exp(-1) + 0.2 + 0.2 * gauss)
    official = score(answer, truth, "segmentation", data_type="video", protocol="official")
    assert official.accuracy == pytest.approx((0.5 + 1 + gauss + math.exp(-2.0)) / 4)
    assert official.statistics["prompts"] == 1
    assert "n" not in official.statistics
    del truth["time"]
    flat = said({"boxes": HALF, "positive_points": points, "negative_points": shifted})
    image = score(flat, truth, "segmentation")
    assert image.accuracy == pytest.approx(0.5 * 0.5 + 0.25 + 0.25 * gauss)
    assert "keyframe time" not in image.components


def test_paper_wants_three_points_against_three() -> None:
    points = [[110, 110], [200, 200], [290, 290]]
    truth = {"boxes": BOX, "positive_points": points, "negative_points": points[:2]}
    answer = said({"boxes": BOX, "positive_points": points, "negative_points": points})
    paper = score(answer, truth, "segmentation")
    assert (paper.outcome, paper.reason, paper.accuracy) == ("unparsable", "point_count", 0.0)
    official = score(answer, truth, "segmentation", protocol="official")
    assert official.components["negative points"] == pytest.approx(2 / 3)


# ---------------------------------------------------------------------------------- choice rules

OPTIONS = ("A. red", "B. blue", "C. green", "D. yellow")


@pytest.mark.parametrize(
    ("rule", "protocol", "answer", "outcome", "accuracy"),
    [
        ("", "official", "perhaps B", "unparsable", 0.0),
        ("", "official", "the blue one", "unparsable", 0.0),
        ("", "repaired", "(B)", "scored", 1.0),
        ("exact", "official", "B", "scored", 1.0),
        ("option_inference", "official", "(B)", "scored", 1.0),
        ("option_inference", "paper", "**B**", "scored", 1.0),
        ("option_inference", "official", "it is blue", "scored", 1.0),
        ("option_inference", "official", "A and B", "unparsable", 0.0),
        ("option_inference", "official", "Z", "scored", 0.0),
        ("first_character", "official", "Both", "scored", 1.0),
        ("first_character", "paper", "Both", "scored", 1.0),
        ("first_character", "official", "(B)", "unparsable", 0.0),
        ("video_holmes", "official", "so it must be (b)", "scored", 1.0),
        ("video_holmes", "paper", "nothing", "unparsable", 0.0),
        ("long_video_bench", "official", "The answer is B", "scored", 1.0),
        ("long_video_bench", "paper", "Cannot tell", "scored", 0.0),
    ],
)
def test_choice_rules(rule: str, protocol: Any, answer: str, outcome: str, accuracy: float) -> None:
    found = score(
        said(answer), "B", "multiple choice", options=OPTIONS, choice_rule=rule, protocol=protocol
    )
    assert (found.outcome, found.accuracy) == (outcome, accuracy)
    assert found.reading != "failed" or outcome == "unparsable"


def test_an_open_question_is_the_truth_or_anything_else() -> None:
    right = score(said("it is 12.5"), "2.5", "multiple choice", choice_rule="option_inference")
    assert right.accuracy == 1.0  # as in the original: the truth occurs in the text
    wrong = score(said("nine"), "2.5", "multiple choice", choice_rule="option_inference")
    assert wrong.outcome == "unparsable"


def test_the_truth_may_be_an_options_text_and_nothing_else() -> None:
    assert score(said("B"), "Blue", "multiple choice", options=OPTIONS).accuracy == 1.0
    with pytest.raises(DataError, match="must be an option, found 'purple'"):
        score(said("B"), "purple", "multiple choice", options=OPTIONS)


def test_unknown_rules_and_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean option_inference"):
        score(said("B"), "B", "multiple choice", choice_rule="option_inferense", protocol="paper")
    with pytest.raises(UsageError, match="did you mean official"):
        score(said("B"), "B", "multiple choice", protocol="oficial")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="did you mean spatial grounding"):
        score(said("B"), "B", "spacial grounding")


# ------------------------------------------------------------------------------------- LITA spans


def test_litas_way_with_spans() -> None:
    rule = {"span_rule": "lita", "meta": {"duration_s": 10.0}}
    kind, truth = "temporal grounding", {"time": [0, 10]}
    beyond = said({"time": [0, 40]})
    assert score(beyond, truth, kind, protocol="paper", **rule).accuracy == 0.25
    assert score(beyond, truth, kind, protocol="official", **rule).accuracy == 1.0
    missing = score("no idea", {"time": [0, 5]}, kind, protocol="official", **rule)
    assert (missing.outcome, missing.components["tIoU"]) == ("unparsable", 0.5)
    assert score("no idea", truth, kind, protocol="paper", **rule).accuracy == 0.0
    unknown = score("no idea", truth, kind, protocol="official", span_rule="lita")
    assert unknown.accuracy == 0.0
    swapped = score(said({"time": [9, -4]}), truth, kind, protocol="official", **rule)
    assert swapped.outcome == "unparsable" or swapped.accuracy == pytest.approx(0.9)


# ---------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("reply", ["", " ", "<answer></answer>", "<think>", "I do not know."])
def test_an_unreadable_reply_scores_nothing_and_says_why(protocol: Any, reply: str) -> None:
    truths = {
        "spatial grounding": {"boxes": BOX},
        "temporal grounding": {"time": [1, 2]},
        "tracking": {"boxes": {"1": BOX, "2": BOX}},
        "spatial-temporal grounding": {"time": [1, 2], "boxes": {"1": BOX}},
        "numerical": 3.0,
        "regression": 3.0,
    }
    for kind, truth in truths.items():
        found = score(reply, truth, kind, protocol=protocol)
        assert (found.accuracy, found.outcome) == (0.0, "unparsable")
        assert found.reason
        assert found.statistics["unparsable"] == 1
        assert found.statistics["n"] == 1


def test_unreadable_text_counts_all_its_words_as_wrong() -> None:
    found = score("", "three little words", "ocr")
    assert found.outcome == "unparsable"
    assert found.statistics["word edits"] == found.statistics["words"] == 3


def test_unreadable_tracks_count_their_frames() -> None:
    truth = {"boxes": {str(k): BOX for k in range(1, 33)}}
    found = score("lost", truth, "tracking", protocol="official")
    assert found.statistics["frames"] == 31
    assert found.statistics["overlap"] == 0.0
    assert found.statistics["curve@0"] == 31


@pytest.mark.parametrize("kind", PROBLEM_TYPES)
def test_a_missing_truth_is_an_error_of_the_data(kind: str) -> None:
    for truth in ("", "<answer></answer>", None, {}, [], "<answer> </answer>"):
        with pytest.raises(DataError, match="truth of a"):
            score("", truth, kind)


@pytest.mark.parametrize(
    ("kind", "truth"),
    [
        ("numerical", "many"),
        ("numerical", "nan"),
        ("numerical", True),
        ("numerical", math.inf),
        ("regression", [3]),
        ("ocr", True),
        ("math", {"a": 1}),
        ("temporal grounding", "{"),
        ("temporal grounding", {"time": [1]}),
        ("temporal grounding", {"time": [5, 1]}),
        ("temporal grounding", {"time": ["a", "b"]}),
        ("temporal grounding", {"time": "12"}),
        ("temporal grounding", '{"time": [NaN, 2]}'),
        ("spatial grounding", {"boxes": [1, 2, 3]}),
        ("spatial grounding", {"boxes": [5, 5, 1, 9]}),
        ("spatial grounding", {"boxes": [True, 0, 1, 1]}),
        ("spatial grounding", {"box": [0, 0, 1, 1]}),
        ("tracking", {"boxes": {}}),
        ("tracking", {"boxes": {"one": BOX}}),
        ("tracking", {"boxes": [BOX]}),
        ("spatial-temporal grounding", {"boxes": {"1": BOX}}),
        ("segmentation", {"boxes": BOX}),
        ("segmentation", {"boxes": BOX, "positive_points": [[1]], "negative_points": []}),
    ],
)
def test_a_malformed_truth_is_named(kind: str, truth: Any) -> None:
    with pytest.raises(DataError, match=f"the truth of a {kind} record must be") as caught:
        score(said("B"), truth, kind)
    assert caught.value.field == "truth"
    assert len(str(caught.value)) < 400


def test_a_video_prompt_needs_its_time() -> None:
    truth = {"boxes": BOX, "positive_points": [], "negative_points": []}
    with pytest.raises(DataError, match="time"):
        score("", truth, "segmentation", data_type="video")


def test_a_failed_sample_has_no_statistics() -> None:
    found = failed_score("timeout")
    assert (found.outcome, found.reason, found.accuracy) == ("failed", "timeout", 0.0)
    assert not found.statistics
    assert found.to_json()["outcome"] == "failed"


# -------------------------------------------------------------------------------------- the whole


def test_score_is_parse_and_then_score_answer() -> None:
    truth = {"boxes": BOX}
    for protocol in PROTOCOLS:
        reply = "<think>x</think><answer>{'boxes': [[100, 100, 300, 200]]}</answer>"
        answer = parse(reply, "spatial grounding", rule=protocol)
        whole = score(reply, truth, "spatial grounding", protocol=protocol)
        assert score_answer(answer, truth, "spatial grounding", protocol=protocol) == whole


def test_the_package_offers_score() -> None:
    assert onethinker_eval.score is score
    assert onethinker_eval.Score.__name__ == "Score"


def test_problem_types_in_any_case_and_spacing() -> None:
    assert normal_type(" Spatial-Temporal  Grounding") == "spatial-temporal grounding"
    assert score(said("B"), "B", "Multiple Choice").accuracy == 1.0
    assert len(PROBLEM_TYPES) == 12


def test_captions_say_which_meteor_they_have() -> None:
    truth = "A red cat sleeps on the old wooden table near the window."
    found = score(said(truth), truth, "caption")
    # METEOR of equal texts is 1 − ½/words³ (one chunk), so never quite 1.
    words = 13
    assert found.components["METEOR"] == pytest.approx(1 - 0.5 / words**3, abs=1e-12)
    assert found.components["ROUGE-L"] == 1.0
    assert found.components["BLEU-2 precision"] == 1.0
    other = score(said("A dog."), truth, "caption")
    assert 0.0 <= other.accuracy < 0.2
    assert set(found.statistics) <= {
        *("n", "accuracy", "METEOR", "ROUGE-L", "BLEU-2 precision", "METEOR without WordNet")
    }


def test_a_reply_that_is_no_text_is_missing() -> None:
    found = score(None, "B", "multiple choice")  # type: ignore[arg-type]
    assert (found.outcome, found.reason) == ("unparsable", "missing")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_canonical_answer_scores_one(protocol: Any) -> None:
    cases: list[tuple[str, Any, str]] = [
        ("spatial grounding", (1.0, 2.0, 30.0, 40.0), "image"),
        ("tracking", {1: (1.0, 2.0, 30.0, 40.0), 2: (5.0, 6.0, 70.0, 80.0)}, "video"),
    ]
    for kind, value, data_type in cases:
        text = format_answer(value, kind, data_type=data_type)
        found = score(wrap("Easy.", text), text, kind, data_type=data_type, protocol=protocol)
        assert found.accuracy == 1.0
        assert found.reading == "strict"
