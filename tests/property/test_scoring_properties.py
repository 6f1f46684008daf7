"""Properties of scores: bounds, the oracle, agreement with a plain peer, merging."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_rewards import accuracy as plain_accuracy
from strategies import boxes_1000, points_1000, spans_s

from onethinker_eval.answers import SegmentationPrompt, Tube, format_answer, parse, wrap
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.tally import Belonging, Tally, tally
from onethinker_eval.scoring import PROBLEM_TYPES, PROTOCOLS, Score, score, score_answer
from onethinker_eval.scoring.definitions import definitions, measure

tracks = st.dictionaries(st.integers(1, 32), boxes_1000, min_size=2, max_size=6)
three_points = st.lists(points_1000, min_size=3, max_size=3).map(tuple)
words = st.text("abcdefg ", min_size=1, max_size=40).filter(str.strip)

truths: dict[str, st.SearchStrategy[Any]] = {
    "multiple choice": st.sampled_from("ABCDEFGHIJ"),
    "numerical": st.floats(-1e6, 1e6).map(lambda x: round(x, 2)),
    "regression": st.floats(0.5, 1e6).map(lambda x: round(x, 3)),
    "math": st.integers(-999, 999).map(str),
    "ocr": words.map(str.strip),
    "temporal grounding": spans_s,
    "spatial grounding": boxes_1000,
    "spatial-temporal grounding": tracks.map(
        lambda boxes: Tube((float(min(boxes)), float(max(boxes))), boxes)
    ),
    "tracking": tracks,
}
prompts = {
    "image": st.builds(SegmentationPrompt, boxes_1000, three_points, three_points, st.none()),
    "video": st.builds(
        SegmentationPrompt, boxes_1000, three_points, three_points, st.floats(0, 100)
    ),
}


@pytest.mark.parametrize("kind", truths)
@settings(max_examples=25)
@given(data=st.data())
def test_the_oracle_scores_one_under_every_protocol(kind: str, data: st.DataObject) -> None:
    value = data.draw(truths[kind])
    text = format_answer(value, kind)
    for protocol in PROTOCOLS:
        found = score(wrap("As given.", text), text, kind, protocol=protocol)
        assert found.accuracy == pytest.approx(1.0, abs=1e-12)
        assert found.outcome == "scored"


@pytest.mark.parametrize("data_type", prompts)
@settings(max_examples=25)
@given(data=st.data())
def test_the_oracle_prompts_perfectly(data_type: str, data: st.DataObject) -> None:
    text = format_answer(data.draw(prompts[data_type]), "segmentation", data_type=data_type)
    for protocol in PROTOCOLS:
        found = score(
            wrap("As given.", text), text, "segmentation", data_type=data_type, protocol=protocol
        )
        assert found.accuracy == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=20)
@given(text=words.map(str.strip))
def test_the_oracle_on_open_questions_has_the_papers_known_quirk(text: str) -> None:
    for protocol in ("official", "repaired"):
        assert score(wrap(".", text), text, "open-ended", protocol=protocol).accuracy == 1.0
    one_word = len(text.split()) == 1
    paper = score(wrap(".", text), text, "open-ended").accuracy
    assert paper == pytest.approx(2 / 3 if one_word else 1.0)


replies = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "<think>x</think><answer>{}</answer>",
            '<answer>{"time": [1, 2], "boxes": {"1": [1, 2, 3, 4]}}</answer>',
            '<answer>{"boxes": [1, 2, 3, 4]}</answer>',
            "<answer>{'time': (1, 2)}</answer>",
            "<answer>12</answer>",
            "<answer>[[1,2,3,4]]</answer>",
            '<answer>{"boxes": {"1": [NaN, 1e999, true, "4"]}}</answer>',
        ]
    ),
    st.dictionaries(
        st.sampled_from(["time", "boxes", "positive_points", "negative_points"]),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5)),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.text("0123456789", max_size=2), inner, max_size=3)
            ),
            max_leaves=12,
        ),
        max_size=4,
    ).map(lambda value: f"<think>.</think><answer>{json.dumps(value)}</answer>"),
)

fixed: dict[str, Any] = {
    "multiple choice": "B",
    "numerical": 3.5,
    "regression": 3.5,
    "math": "7",
    "ocr": "some words here",
    "open-ended": "some words here",
    "temporal grounding": {"time": [1, 4]},
    "spatial grounding": {"boxes": [1, 2, 30, 40]},
    "spatial-temporal grounding": {"time": [1, 4], "boxes": {"1": [1, 2, 30, 40]}},
    "tracking": {"boxes": {"1": [1, 2, 30, 40], "2": [1, 2, 30, 40]}},
    "segmentation": {
        "boxes": [1, 2, 30, 40],
        "positive_points": [[1, 1], [2, 2], [3, 3]],
        "negative_points": [[1, 1], [2, 2], [3, 3]],
        "time": 2.0,
    },
}


@settings(max_examples=100)
@given(
    reply=replies,
    kind=st.sampled_from(sorted(fixed)),
    protocol=st.sampled_from(PROTOCOLS),
    data_type=st.sampled_from(["image", "video"]),
    rule=st.sampled_from(["", "option_inference", "video_holmes", "long_video_bench"]),
)
def test_no_reply_raises_or_leaves_the_bounds(
    reply: str, kind: str, protocol: Any, data_type: str, rule: str
) -> None:
    found = score(
        reply,
        fixed[kind],
        kind,
        protocol=protocol,
        data_type=data_type,
        choice_rule=rule,
        options=("A. red", "B. blue"),
    )
    assert 0.0 <= found.accuracy <= 1.0
    assert found.outcome in ("scored", "unparsable")
    assert (found.reason is None) == (found.outcome == "scored")
    assert found.outcome == "scored" or found.accuracy == 0.0
    assert all(value >= 0 for value in found.components.values())
    one = tally([found], [Belonging("c")], Plan("t", "b", "", kind, data_type))
    for metric in definitions(kind, protocol, data_type=data_type):
        value = measure(metric, one.totals)
        assert value is None or value >= 0.0
        assert value is None or value <= 100.0 or metric.name in ("WER", "CER")


@settings(max_examples=150)
@given(
    reply=replies.filter(lambda text: "NaN" not in text and "Infinity" not in text),
    kind=st.sampled_from(sorted(set(fixed) - {"segmentation", "math", "open-ended"})),
)
def test_paper_agrees_with_a_plain_peer(reply: str, kind: str) -> None:
    truth = fixed[kind]
    stored = truth if isinstance(truth, str) else json.dumps(truth)
    mine = score(reply, truth, kind).accuracy
    assert mine == pytest.approx(plain_accuracy(reply, stored, kind), abs=1e-12)


def shared(reply: str, kind: str) -> None:
    answers = [parse(reply, kind, rule=protocol) for protocol in PROTOCOLS]
    if answers[0].reading == "strict":
        assert answers[0] == answers[1] == answers[2]


@settings(max_examples=150)
@given(reply=replies, kind=st.sampled_from(PROBLEM_TYPES))
def test_a_strict_answer_is_one_answer_under_all_protocols(reply: str, kind: str) -> None:
    shared(reply, kind)


@settings(max_examples=20)
@given(data=st.data(), seed=st.integers(0, 999))
def test_shards_in_any_order_give_bit_identical_totals_and_sums(
    data: st.DataObject, seed: int
) -> None:
    kind = data.draw(st.sampled_from(["tracking", "spatial-temporal grounding", "ocr"]))
    drawn = data.draw(st.lists(replies, min_size=4, max_size=12))
    rng = random.Random(seed)
    scores = [score(reply, fixed[kind], kind, protocol="official") for reply in drawn]
    plan = Plan("t", "b", "", kind, "image", span_rule="lita")
    entries = [
        (found, Belonging(f"v{rng.randrange(3)}", f"g{rng.randrange(2)}", rng.choice("xy")))
        for found in scores
    ]
    whole = of_entries(entries, plan)
    shards = data.draw(st.integers(1, 4))
    rng.shuffle(entries)
    merged = Tally()
    for start in range(shards):
        merged.merge(of_entries(entries[start::shards], plan))
    assert merged.totals.to_json() == whole.totals.to_json()
    assert merged.reasons == whole.reasons
    assert merged.clusters.clusters == whole.clusters.clusters
    for name in whole.clusters.names:
        assert merged.clusters.values(name).tolist() == whole.clusters.values(name).tolist()


def of_entries(entries: list[tuple[Score, Belonging]], plan: Plan) -> Tally:
    return tally([entry[0] for entry in entries], [entry[1] for entry in entries], plan)


@settings(max_examples=40)
@given(first=boxes_1000, second=boxes_1000, factor=st.sampled_from([0.5, 0.25]))
def test_box_scores_do_not_change_with_the_scale(
    first: tuple[float, ...], second: tuple[float, ...], factor: float
) -> None:
    answer = parse(
        wrap(".", format_answer(first, "spatial grounding")), "spatial grounding", rule="official"
    )
    whole = score_answer(answer, list(second), "spatial grounding", protocol="official")
    smaller = [factor * value for value in first]
    scaled = score(
        wrap(".", format_answer(tuple(smaller), "spatial grounding")),
        [factor * value for value in second],
        "spatial grounding",
        protocol="official",
    )
    assert scaled.accuracy == pytest.approx(whole.accuracy, abs=1e-9)
