"""Properties of the readers: round trips, no exceptions, agreement of the three rules."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker_eval.answers import (
    FAILURES,
    PROBLEM_TYPES,
    REPAIRS,
    RULES,
    extract,
    format_answer,
    parse,
    wrap,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from strategies import answer_values, mangled_replies, thoughts

rules = st.sampled_from(RULES)
problem_types = st.sampled_from(
    [(name, kind) for name in PROBLEM_TYPES for kind in ("image", "video")]
)
options = st.one_of(
    st.none(),
    st.lists(st.text(max_size=12), max_size=5),
    st.just(["A. red", "B. dark red", "C. 3", "D. the door"]),
)


@pytest.mark.parametrize(("problem_type", "data_type"), list(answer_values))
@settings(max_examples=30)
@given(data=st.data(), thinking=thoughts)
def test_formatted_values_read_back(
    problem_type: str, data_type: str, data: st.DataObject, thinking: str
) -> None:
    value = data.draw(answer_values[problem_type, data_type])
    text = format_answer(value, problem_type, data_type=data_type)
    for rule in RULES:
        answer = parse(wrap(thinking, text), problem_type, data_type=data_type, rule=rule)
        assert answer.value == value
        assert (answer.reading, answer.repairs, answer.text) == ("strict", (), text)


@settings(max_examples=200)
@given(mangled_replies, problem_types, options, rules)
def test_no_reply_raises(reply: str, kind: tuple[str, str], opts: Any, rule: Any) -> None:
    answer = parse(reply, kind[0], data_type=kind[1], options=opts, rule=rule)
    assert (answer.reading == "failed") == (answer.value is None) == (answer.failure in FAILURES)
    assert (answer.reading == "repaired") == bool(answer.repairs)
    assert set(answer.repairs) <= set(REPAIRS)
    found = extract(reply)
    assert (found.answer is None) == (found.found == "none") == (found.failure in FAILURES)
    assert set(found.repairs) <= set(REPAIRS)


@settings(max_examples=200)
@given(mangled_replies, problem_types, options)
def test_strict_reads_alike_under_official_and_repaired(
    reply: str, kind: tuple[str, str], opts: Any
) -> None:
    """The paper rule may differ: it takes an answer quoted in the thinking."""
    name, data_type = kind
    official = parse(wrap("hm", reply) if "<" not in reply else reply, name,
                     data_type=data_type, options=opts, rule="official")  # fmt: skip
    if official.reading == "strict":
        text = wrap("hm", reply) if "<" not in reply else reply
        assert parse(text, name, data_type=data_type, options=opts) == official


@pytest.mark.parametrize(("problem_type", "data_type"), list(answer_values))
@settings(max_examples=12)
@given(data=st.data())
def test_no_prefix_of_a_reply_gives_another_value(
    problem_type: str, data_type: str, data: st.DataObject
) -> None:
    """A reply cut anywhere gives the value itself, fewer frames of it, or a failure."""
    value = data.draw(answer_values[problem_type, data_type].filter(lambda v: "</" not in str(v)))
    reply = wrap("Short.", format_answer(value, problem_type, data_type=data_type))
    text = reply.rfind("<answer>") + 8
    for end in data.draw(st.lists(st.integers(text, len(reply) - 1), max_size=12)):
        answer = parse(reply[:end], problem_type, data_type=data_type)
        parse(reply[:end], problem_type, data_type=data_type, rule="paper")
        assert parse(reply[:end], problem_type, data_type=data_type, rule="official").value is None
        if answer.reading == "failed" or answer.value == value:
            continue
        if problem_type == "tracking":
            assert answer.value.items() <= value.items()
        elif problem_type == "spatial-temporal grounding":
            assert answer.value.span_s == value.span_s
            assert answer.value.boxes.items() <= value.boxes.items()
        elif problem_type == "segmentation":
            assert answer.value.box_1000 == value.box_1000
            assert answer.value.positive_points in ((), value.positive_points)
            assert answer.value.negative_points == ()
        else:
            pytest.fail(f"{reply[:end]!r} reads as {answer.value!r}")


@settings(max_examples=50)
@given(st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.sampled_from(("time", "boxes", "1", "2", "positive_points",
                                         "negative_points", "bbox", "x", "start", "end", "answer")),
                        inner, max_size=5),
    ),
    max_leaves=25,
))  # fmt: skip
def test_any_json_value_is_read_or_refused(value: Any) -> None:
    reply = wrap("hm", json.dumps(value).replace("<", "("))
    for name in PROBLEM_TYPES:
        for rule in RULES:
            answer = parse(reply, name, data_type="video", rule=rule)
            assert answer.reading in ("strict", "repaired", "failed")
