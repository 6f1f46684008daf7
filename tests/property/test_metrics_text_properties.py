"""Laws that text, number and choice metrics keep on any input."""

from __future__ import annotations

import math

import numpy as np  # noqa: F401 - loaded before the first deadline runs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker_eval.metrics import choices, numbers, porter, text
from onethinker_eval.metrics.math_normal_form import normal_form
from onethinker_eval.metrics.mathematics import compare

words = st.lists(
    st.sampled_from(["a", "b", "cats", "running", "é", "東京", "3.5", "x_y"]), max_size=9
)
phrases = words.map(" ".join)
anything = st.text(max_size=60) | phrases
numbers_ = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-100, 100).map(float)
ordinary = st.floats(-1e6, 1e6)
letters = st.sampled_from("ABCDE")
options = st.dictionaries(letters, st.text(max_size=8) | phrases, min_size=1, max_size=5)


@given(anything, anything)
def test_edits_are_symmetric_and_bounded(first, second):
    for count in (text.word_edits, text.character_edits):
        there, back = count(first, second), count(second, first)
        assert there.edits == back.edits
        assert abs(there.units - back.units) <= there.edits <= max(there.units, back.units)
        assert (there.edits == 0) == (" ".join(first.split()) == " ".join(second.split()))
        assert 0.0 <= there.rate < math.inf


@given(phrases, phrases, phrases)
def test_edits_keep_the_triangle_inequality(first, second, third):
    for count in (text.word_edits, text.character_edits):
        direct = count(first, third).edits
        assert direct <= count(first, second).edits + count(second, third).edits


@given(anything, anything)
def test_ocr_accuracy_is_a_fraction_and_one_only_for_the_same_words(first, second):
    score = text.ocr_accuracy(first, second)
    assert 0.0 <= score <= 1.0
    assert (score == 1.0) == (first.split() == second.split())


@given(anything, st.text(alphabet=" \t\n\u00a0\u3000", max_size=5))
def test_whitespace_around_words_never_counts(value, blanks):
    spaced = blanks + f" {blanks}".join(value.split()) + blanks
    assert text.wer(value, spaced) == 0.0
    assert text.cer(value, spaced) == 0.0


@given(anything, anything, st.booleans(), st.sampled_from(["ascii", "unicode"]))
def test_rouge_is_symmetric_in_f1_and_bounded(first, second, stem, alphabet):
    there = text.rouge(first, second, stem=stem, alphabet=alphabet)
    back = text.rouge(second, first, stem=stem, alphabet=alphabet)
    for one, other in zip(there, back, strict=True):
        assert one.matches == other.matches
        assert (one.predicted, one.expected) == (other.expected, other.predicted)
        assert one.f1 == other.f1
        assert 0 <= one.matches <= min(one.predicted, one.expected)
    assert there.rouge_l.matches <= there.rouge1.matches
    assert there.rouge2.matches <= max(0, there.rouge1.matches - 1)


@given(phrases)
def test_rouge_of_a_text_with_itself_is_perfect_where_defined(value):
    for part in text.rouge(value, value, alphabet="unicode"):
        assert part.f1 == (1.0 if part.defined else 0.0)


@given(anything, anything, st.sampled_from(["paper", "official", "repaired"]))
def test_open_ended_is_a_fraction(first, second, rule):
    assert 0.0 <= text.open_ended(first, second, rule=rule) <= 1.0


@given(phrases, phrases)
def test_official_and_paper_agree_on_ascii_sentences(first, second):
    first, second = (
        f"{value.encode('ascii', 'ignore').decode()} one two" for value in (first, second)
    )
    official = text.open_ended(first, second, rule="official")
    assert official == pytest.approx(text.open_ended(first, second), abs=1e-12)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", max_size=24))
def test_stems_are_no_longer_than_their_word_and_one(word):
    stemmed = porter.stem(word)
    assert len(stemmed) <= len(word) + 1
    assert stemmed.isalnum() or word == ""


@given(numbers_, numbers_)
def test_mra_is_a_tenth_and_never_raises(pred, target):
    for rule in ("onethinker", "vsi"):
        score = numbers.mra(pred, target, rule=rule)
        assert round(score * 10) / 10 == score
        assert 0.0 <= score <= 1.0
        assert numbers.mra_batch(pred, target, rule=rule).item() == score


@given(ordinary, ordinary, st.floats(0, 1))
def test_mra_falls_with_distance(pred, target, share):
    nearer = target + share * (pred - target)
    assert numbers.mra(nearer, target) >= numbers.mra(pred, target)
    assert numbers.mra(-pred, -target) == numbers.mra(pred, target)
    if target > 0:
        assert numbers.mra(pred, target, rule="vsi") >= numbers.mra(pred, target)


@given(numbers_, numbers_, st.integers(-2, 6))
def test_rounded_equality_is_symmetric_and_holds_for_equals(pred, target, decimals):
    assert numbers.equal_at(pred, target, decimals) == numbers.equal_at(target, pred, decimals)
    assert numbers.equal_at(pred, pred, decimals) == (not math.isnan(pred))


@given(numbers_, numbers_, st.floats(0, 10), st.floats(0, 10))
def test_a_wider_tolerance_keeps_what_is_within(pred, target, narrow, more):
    if numbers.within_tolerance(pred, target, relative=narrow):
        assert numbers.within_tolerance(pred, target, relative=narrow + more)
        assert numbers.within_tolerance(pred, target, relative=narrow, absolute=more)


@given(st.text(max_size=80), options)
def test_rules_give_an_option_or_nothing(reply, known):
    for choice in (
        choices.option_inference(reply, known),
        choices.long_video_bench(reply, known),
        choices.video_holmes(reply),
        choices.first_character(reply),
    ):
        assert (choice.letter is None) == (choice.how in ("none", "refusal"))
        assert choice.letter is None or choice.letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        assert not choices.matches(choice, "")
    assert choices.option_inference(reply, known).letter in {None, *known}


@given(letters, options, st.sampled_from(["{}", "({})", "{}.", "**{}**", "Answer: {}", " [{}] "]))
def test_a_plain_letter_is_read_by_every_vlmevalkit_rule(letter, known, form):
    reply = form.format(letter)
    known = {letter: "x", **known}
    assert choices.option_inference(reply, known).letter == letter
    assert choices.long_video_bench(reply, known).letter == letter
    assert choices.video_holmes(reply).letter == letter


@given(st.lists(st.integers(0, 3_000_005), max_size=12))
def test_groups_partition_the_rows_whose_base_is_there(indices):
    groups = choices.circular_groups(indices)
    covered = sorted(position for rows in groups.values() for position in rows)
    bases = {index for index in indices if index < 1_000_000}
    assert set(groups) == bases
    assert covered == [i for i, index in enumerate(indices) if index % 1_000_000 in bases]


@given(st.text(alphabet="0123456789abxy\\{}$()^_.,% frac sqrt text", max_size=40))
def test_normal_form_is_stable_and_blank_free(value):
    once = normal_form(value)
    assert not any(character.isspace() for character in once)
    assert once == once.lower()
    assert normal_form(f"  {value}\n") == once


@given(st.integers(-(10**8), 10**8), st.integers(0, 6), st.integers(0, 6))
@settings(max_examples=60)
def test_a_number_equals_itself_written_otherwise(value, zeros, more):
    plain = f"{value}.{'0' * zeros}" if zeros else str(value)
    other = f"{value:,}.{'0' * more}" if more else f"{value:,}"
    assert compare(plain, other).equal
    assert not compare(plain, str(value + 1)).equal
