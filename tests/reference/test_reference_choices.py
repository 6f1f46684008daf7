"""Letter and number rules against rows computed by the evaluators they reproduce."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from onethinker_eval.metrics import choices, numbers, text

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def letter_rows():
    rows = json.loads((DATA / "choices_golden.json").read_text(encoding="utf-8"))["rows"]
    assert len(rows) > 2_000
    return rows


@pytest.fixture(scope="module")
def onethinker():
    return json.loads((DATA / "onethinker_text_golden.json").read_text(encoding="utf-8"))


def column(golden, start):
    return next(rows for name, rows in golden.items() if name.startswith(start))


def as_vlmevalkit(choice):
    return "Z" if choice.how == "refusal" else choice.letter


def test_option_inference_equals_vlmevalkit(letter_rows):
    wrong = [
        (reply, options, expected)
        for reply, options, expected, _, _ in letter_rows
        if as_vlmevalkit(choices.option_inference(reply, options)) != expected
    ]
    assert not wrong
    assert {row[2] for row in letter_rows} >= {None, "A", "B", "C", "D", "E", "Z"}


def test_video_holmes_equals_the_original(letter_rows):
    wrong = [row for row in letter_rows if choices.video_holmes(row[0]).letter != row[3]]
    assert not wrong


def test_long_video_bench_equals_the_original(letter_rows):
    wrong = [
        row
        for row in letter_rows
        if as_vlmevalkit(choices.long_video_bench(row[0], row[1])) != row[4]
    ]
    assert not wrong


def test_first_character_equals_onethinker(onethinker):
    rows = column(onethinker, "multiple choice")
    for reply, truth, accuracy in rows:
        assert choices.matches(choices.first_character(reply), truth) == (accuracy == 1.0), reply
    assert sum(row[2] for row in rows) > 10


def test_numbers_equal_onethinker(onethinker):
    rows = column(onethinker, "numbers")
    for reply, truth, numerical, regression in rows:
        pred, target = (float(value.replace(",", "")) for value in (reply, truth))
        assert numbers.equal_at(pred, target) == (numerical == 1.0), (reply, truth)
        assert numbers.mra(pred, target) == regression, (reply, truth)
    assert len({row[3] for row in rows}) == 11


def test_mra_equals_vsi_bench(onethinker):
    rows = column(onethinker, "vsi")
    pairs = [(float(reply), float(truth)) for reply, truth, _ in rows]
    expected = [row[2] for row in rows]
    assert [numbers.mra(*pair, rule="vsi") for pair in pairs] == expected
    batch = numbers.mra_batch(*zip(*pairs, strict=True), rule="vsi")
    assert batch.tolist() == expected
    assert any(math.isnan(pred) for pred, _ in pairs)


def test_texts_equal_onethinker(onethinker):
    for reference, hypothesis, error_rate, rouge in column(onethinker, "text"):
        assert text.wer(reference, hypothesis) == error_rate
        assert text.open_ended(reference, hypothesis) == pytest.approx(rouge, abs=1e-12)
