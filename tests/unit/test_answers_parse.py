"""The readers' interface: extraction, limits, errors, formatting, and single hard cases."""

from __future__ import annotations

import ast
import dataclasses
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import onethinker_eval.answers as answers
from onethinker_eval.answers import (
    FAILURES,
    PROBLEM_TYPES,
    REPAIRS,
    RULES,
    Answer,
    SegmentationPrompt,
    extract,
    format_answer,
    parse,
    wrap,
)
from onethinker_eval.errors import UsageError

PACKAGE = Path(answers.__file__).parent


def tagged(text: str) -> str:
    return f"<think>Look.</think><answer>{text}</answer>"


def read(text: str, problem_type: str, **more: Any) -> Answer:
    return parse(tagged(text), problem_type, **more)


def value(text: str, problem_type: str, **more: Any) -> Any:
    """The value, or the failure's name."""
    answer = read(text, problem_type, **more)
    return answer.failure if answer.reading == "failed" else answer.value


def test_exported_names() -> None:
    public = {
        name
        for name, thing in vars(answers).items()
        if not name.startswith("_") and not isinstance(thing, ModuleType) and name != "annotations"
    }
    assert public == set(answers.__all__)


def test_answers_are_frozen() -> None:
    answer = read("B", "multiple choice")
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.value = "C"  # type: ignore[misc]
    with pytest.raises(TypeError):
        REPAIRS["x"] = "y"  # type: ignore[index]
    with pytest.raises(TypeError):
        FAILURES["x"] = "y"  # type: ignore[index]


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="temporal grounding"):
        parse("x", "temporal groundin")
    with pytest.raises(UsageError, match="paper, official, repaired"):
        parse("x", "math", rule="lenient")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unknown problem type"):
        format_answer(1, "number")


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_problem_types_in_any_case(name: str) -> None:
    for spelled in (name.upper(), name.title(), f" {name} "):
        assert parse("<answer></answer>", spelled).failure == "empty"


@pytest.mark.parametrize("rule", RULES)
def test_no_reply_is_missing(rule: Any) -> None:
    for reply in (None, "", "  \n\t"):
        for name in PROBLEM_TYPES:
            assert parse(reply, name, rule=rule) == Answer(None, "failed", (), "missing", "")


def test_nothing_is_evaluated() -> None:
    for path in PACKAGE.glob("*.py"):
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)
        }
        assert not names & {"eval", "exec", "compile", "__import__", "literal_eval"}, path


def test_start_up_is_light() -> None:
    code = "import sys, onethinker_eval.answers; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=PACKAGE.parents[1],
    ).stdout.split()  # fmt: skip
    assert not {"torch", "numpy", "transformers", "lmms_eval", "pandas"} & set(loaded)


# ---------------------------------------------------------------------------------- extraction


@pytest.mark.parametrize(
    ("reply", "thinking", "answer", "found"),
    [
        ("<think>a</think><answer>B</answer>", "a", "B", "strict"),
        ("<think>a</think> so <answer>B</answer>", "a", "B", "tag"),
        ("<answer>B</answer>", None, "B", "tag"),
        ("a</think><answer>B</answer>", "a", "B", "tag"),
        ("<think>a</think><Answer>B</Answer>", "a", "B", "loose_tag"),
        ("<think>a</think><answer>B", "a", "B", "unclosed_tag"),
        ("<think>a <answer>B", "a", "B", "unclosed_tag"),
        ("<think>a <answer>B</answer>", "a", "B", "inside_thinking"),
        ("<think>a</think>B", "a", "B", "after_thinking"),
        ("B", None, "B", "whole"),
        ("<think>a", "a", None, "none"),
        ("<think>a</think>", "a", None, "none"),
        ("</answer>", None, None, "none"),
    ],
)
def test_extraction(reply: str, thinking: str | None, answer: str | None, found: str) -> None:
    got = extract(reply)
    assert (got.thinking, got.answer, got.found) == (thinking, answer, found)


def test_answer_with_thinking_inside() -> None:
    assert extract("<answer><think>hm</think>B</answer>").answer == "<think>hm</think>B"
    assert extract("I use <answer> tags. <think>hm</think><answer>B</answer>").answer == "B"


def test_answer_inside_thinking_counts_only_at_its_end() -> None:
    assert parse("<think><answer>B</answer> or not</think>", "multiple choice").failure == "missing"
    assert parse("<think>so <answer>B</answer></think>", "multiple choice").value == "B"


def test_last_of_several_thoughts() -> None:
    reply = "<think>a</think><answer>B</answer><think>b</think><answer>C</answer>"
    got = extract(reply)
    assert (got.answer, got.repairs) == ("C", ("several_answers",))
    assert (got.thinking or "").startswith("a")


def test_empty_last_tag_gives_way_to_a_filled_one() -> None:
    assert extract("<answer>B</answer><answer> </answer>").answer == "B"


def test_too_many_tags() -> None:
    reply = "<answer>B</answer>" * 20_000
    assert extract(reply).failure == "too_long"
    assert parse(reply, "multiple choice").failure == "too_long"
    assert parse(reply, "multiple choice", rule="official").failure == "too_long"
    assert parse(reply, "multiple choice", rule="paper").value == "B"


def test_too_long_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    from onethinker_eval.answers import extraction, reading

    monkeypatch.setattr(extraction, "MAX_REPLY_CHARS", 10)
    monkeypatch.setattr(reading, "MAX_REPLY_CHARS", 10)
    assert extract("x" * 11).failure == "too_long"
    answer = parse("x" * 5000, "ocr")
    assert (answer.failure, len(answer.text)) == ("too_long", 2000)


def test_wrap_refuses_what_would_break_the_tags() -> None:
    with pytest.raises(ValueError, match="</think>"):
        wrap("a</think>", "B")
    with pytest.raises(ValueError, match="tags"):
        wrap("a", "<answer>B")


# --------------------------------------------------------------------------- limits of numbers


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "text",
    ["1e400", "-1e999", "9" * 5000, "NaN", "nan", "Infinity", "-inf", "1" + "0" * 400, "0x10"],
)
def test_no_number(text: str, rule: Any) -> None:
    assert value(text, "numerical", rule=rule) == "not_a_number"
    for problem_type, body in (
        ("temporal grounding", f'{{"time": [0, {text}]}}'),
        ("spatial grounding", f'{{"boxes": [0, 0, 1, {text}]}}'),
    ):
        assert value(body, problem_type, rule=rule) in (
            "not_a_number",
            "wrong_schema",
            "wrong_length",
        )


def test_an_integer_of_many_digits_fails_in_json() -> None:
    body = f'{{"time": [0, {"9" * 5000}]}}'
    assert {value(body, "temporal grounding", rule=rule) for rule in RULES} <= {
        "not_a_number", "wrong_schema", "wrong_length",
    }  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("depth", [40, 500, 5_000, 49_000])
def test_depth(depth: int, rule: Any) -> None:
    for body in ("[" * depth + "]" * depth, '{"answer":' * depth + "1" + "}" * depth):
        for name in PROBLEM_TYPES[7:]:
            assert read(body, name, rule=rule).failure in (
                "wrong_schema",
                "too_long",
                "wrong_length",
            )


def test_surrogates_and_controls_survive() -> None:
    text = "\ud83d a\x00b \udc00"
    assert value(text, "ocr") == text
    assert value('{"time": [1, 2], "note": "\ud83d"}', "temporal grounding") == (1.0, 2.0)
    assert value('{"time": [1, 2], "note": "\x00"}', "temporal grounding") == (1.0, 2.0)


@pytest.mark.parametrize("rule", RULES)
def test_texts_under_every_rule(rule: Any) -> None:
    for name in ("math", "ocr", "open-ended", "caption"):
        assert value("a text", name, rule=rule) == "a text"
        answer = parse("Hm. <answer>a text</answer>", name, rule=rule)
        assert (answer.value, answer.repairs) == ("a text", ("no_thinking", "text_outside_tags"))
    assert value("3", "numerical", rule=rule) == 3.0
    letter = parse("<answer>B</answer>", "multiple choice", options=["A. x", "B. y"], rule=rule)
    assert (letter.value, letter.repairs) == ("B", ("no_thinking",))


def test_text_types_keep_what_stands_in_tags() -> None:
    assert value("Answer: yes", "open-ended") == "Answer: yes"
    assert parse("Answer:", "ocr").value == "Answer:"
    assert parse("x" * 200_001, "ocr").failure == "too_long"
    assert len(parse("x" * 200_001, "ocr").text) == 2000


@pytest.mark.parametrize(
    ("thing", "problem_type"),
    [
        (3, "multiple choice"),
        (3, "caption"),
        ((1, 2), "spatial-temporal grounding"),
        ({}, "segmentation"),
    ],
)
def test_format_refuses_another_kind(thing: Any, problem_type: str) -> None:
    with pytest.raises(TypeError, match="takes"):
        format_answer(thing, problem_type)


def test_format_writes_whole_numbers_plainly() -> None:
    assert format_answer(3.0, "numerical") == "3"
    assert format_answer(0.1, "regression") == "0.1"
    assert format_answer(1e20, "numerical") == "1e+20"
    assert format_answer(" MIND ", "ocr") == "MIND"
    prompt = SegmentationPrompt(None, ((1.0, 2.5),), (), 3.0)
    text = format_answer(prompt, "segmentation", data_type="video")
    assert text == '{"time": 3, "positive_points": [[1, 2.5]], "negative_points": []}'
    assert math.isclose(value("1e+20", "numerical"), 1e20)
