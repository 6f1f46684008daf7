"""The tolerant JSON reader on its own, and the strict one against json.loads."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from onethinker_eval.answers.cleaning import boxed, normalise, peel, unlatex
from onethinker_eval.answers.json_repair import candidates, strict_json
from onethinker_eval.answers.values import UnreadableError


def only(text: str, **more: Any) -> Any:
    found = candidates(text, **more)
    assert len(found) == 1
    return found[0][0]


@pytest.mark.parametrize(
    "text",
    ['{"a": [1, 2.5]}', "NaN", "[1e400]", '"\\ud800"', '"\ud800"', "1" * 30, '{"a":1,"a":2}',
     "-0", " [ ] "],
)  # fmt: skip
def test_strict_reads_what_json_reads(text: str) -> None:
    ours, theirs = strict_json(text), json.loads(text)
    if isinstance(theirs, float) and math.isnan(theirs):
        assert math.isnan(ours)
    else:
        # A long integer comes as the nearest float, which is what every reader makes of it.
        assert ours == (float(theirs) if isinstance(theirs, int) else theirs)


@pytest.mark.parametrize(
    "text", ["[1,]", "{'a': 1}", "01", "[1]x", "\ufeff1", "", "[" * 90_000, "9" * 5_000]
)
def test_strict_refuses_what_json_refuses(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        json.loads(text)
    with pytest.raises(UnreadableError):
        strict_json(text)


def test_limit_of_length() -> None:
    for read in (strict_json, candidates):
        with pytest.raises(UnreadableError, match="too_long"):
            read(" " * 100_001)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 'it\\'s'}", {"a": "it's"}),
        ('{"a": "x\ny"}', {"a": "x\ny"}),
        ("{a: True, b: None, c: false,}", {"a": True, "b": None, "c": False}),
        ("{a = 1; b => 2}", {"a": 1, "b": 2}),
        ("[1, 2 // two\n, 3]", [1, 2, 3]),
        ("[1 /* one */, 2]", [1, 2]),
        ("[1, /* open", [1]),
        ("[1, // open", [1]),
        ("{a: (1, 2), b: [3, 4)}", {"a": [1, 2], "b": [3, 4]}),
        ("[[1, 2] [3]]", [[1, 2], [3]]),
        ("[,1,,2]", [1, 2]),
        ("{a: [1, 2}", {"a": [1, 2]}),
        ("{a: 1, ), b: 2}", {"a": 1, "b": 2}),
        ("{a, b: 2}", {"b": 2}),
        ("{=1, b: 2}", {"b": 2}),
        ("{a: }", {"a": ""}),
        ("{a: 1, ...}", {"a": 1}),
        ("[1, ..., 3]", [1, 3]),
        ('{"a": "open', {"a": "open"}),
        ('["a\\', ["a"]),
        ("[:]", [":"]),
        ("[x" + "y" * 300 + "]", None),
    ],
)  # fmt: skip
def test_tolerant_reading(text: str, value: Any) -> None:
    if value is None:
        assert isinstance(only(text), list)
    else:
        assert only(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b', {"a": 1}),
        ('{"a": 1, "b"', {"a": 1}),
        ('{"a": 1, "b":', {"a": 1}),
        ('{"a": 1, "b": 2', {"a": 1}),
        ('{"a": 1, "b": "x', {"a": 1}),
        ('{"a": [1, 2], "b": [3, 4', {"a": [1, 2]}),
        ('{"a": [1, 2], "b": [3, 4,', {"a": [1, 2]}),
        ('{"a": 1, b', {"a": 1}),
    ],
)
def test_cut_text_loses_its_last_entry(text: str, value: Any) -> None:
    assert only(text, cut=True) == value


def test_cut_list_gives_nothing() -> None:
    assert candidates("[1, 2", cut=True) == []


def test_at_most_sixteen_values() -> None:
    assert len(candidates("[1] " * 40)) == 16


def test_deep_nesting_is_refused() -> None:
    for text in ("[" * 40 + "]" * 40, "{'a':" * 40 + "1" + "}" * 40, "('" + "[" * 40):
        with pytest.raises(UnreadableError, match="wrong_schema"):
            candidates(text)


def test_json_in_latex() -> None:
    assert only("\\boxed{\\{'a': 1\\}}") == {"a": 1}
    assert candidates("\\boxed{3}")[0][0] == {}


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("\\boxed{a}", "a"),
        ("\\boxed{a} \\boxed{b{c}}", "b{c}"),
        ("\\boxed{a", None),
        ("\\boxed a", None),
        ("a", None),
    ],
)
def test_boxed(text: str, content: str | None) -> None:
    assert boxed(text) == content


def test_normalise_keeps_what_has_no_plain_form() -> None:
    notes: list[str] = []
    assert normalise("5² Ω", notes) == "5² Ω"
    assert notes == []
    assert normalise("a\u00a0b", notes) == "a b"
    assert notes == []


def test_peel_and_unlatex() -> None:
    assert peel("> # **x**", []) == "> # **x"
    assert peel("# x", []) == "x"
    assert peel("x", []) == "x"
    assert peel("``", []) == ""
    assert unlatex("cost: $5 and $6 more", []) == "cost: 5 and 6 more"
    assert unlatex("$5", []) == "$5"
