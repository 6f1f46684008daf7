"""Error rates, ROUGE and the open-ended score on hand-made cases."""

from __future__ import annotations

import subprocess
import sys

import pytest

from onethinker_eval.errors import UsageError
from onethinker_eval.metrics import porter, text


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits", "units"),
    [
        ("", "", 0, 0),
        ("", "two words", 2, 0),
        ("two words", "", 2, 2),
        ("a b c", "a b c", 0, 3),
        ("a b c", "a x c", 1, 3),
        ("a b c", "a c", 1, 3),
        ("a b", "a b c d", 2, 2),
        ("a b", "b a", 2, 2),
        ("Stop", "stop", 1, 1),
        ("Stop.", "Stop", 1, 1),
        (" a\t b\n", "a\u00a0b\u3000", 0, 2),
        ("a\u200bb", "ab", 1, 1),
    ],
)
def test_word_edits(reference, hypothesis, edits, units):
    assert text.word_edits(reference, hypothesis) == (edits, units)
    assert text.wer(reference, hypothesis) == edits / max(1, units)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "edits", "units"),
    [
        ("", "", 0, 0),
        ("", "abc", 3, 0),
        ("kitten", "sitting", 3, 6),
        (" a  b ", "a b", 0, 3),
        ("ab", "a b", 1, 2),
        ("東京", "東北", 1, 2),
        ("\U0001f600", "\ud83d", 1, 1),
    ],
)
def test_character_edits(reference, hypothesis, edits, units):
    assert text.character_edits(reference, hypothesis) == (edits, units)
    assert text.cer(reference, hypothesis) == edits / max(1, units)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("a b", "a b", 1.0),
        ("a b", "a", 0.5),
        ("a", "x y z", 0.0),
        ("", "", 1.0),
        ("", "x", 0.0),
    ],
)
def test_ocr_accuracy(reference, hypothesis, expected):
    assert text.ocr_accuracy(reference, hypothesis) == expected


def test_rates_of_sums():
    pairs = (text.word_edits("a b", "a"), text.word_edits("c", "d"))
    total = [sum(column) for column in zip(*pairs, strict=True)]
    assert text.Edits(*total).rate == pytest.approx(2 / 3)
    assert text.Edits(0, 0).rate == 0.0
    assert text.Edits(3, 0).rate == 3.0


def test_overlap_by_hand():
    score = text.rouge("the cat sat on the mat", "the the the cat", stem=False)
    assert score.rouge1 == (3, 4, 6)
    assert score.rouge2 == (1, 3, 5)
    assert score.rouge_l == (2, 4, 6)
    assert score.rouge1.precision == 0.75
    assert score.rouge1.recall == 0.5
    assert score.rouge1.f1 == pytest.approx(0.6)


def test_overlap_without_items():
    nothing = text.Overlap(0, 0, 0)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.defined) == (0, 0, 0, False)
    assert text.Overlap(0, 1, 0).defined
    assert text.Overlap(0, 0, 1).defined


def test_bigrams_are_not_confused():
    # (a, b) and (b, a) must differ, whatever numbers the words get.
    score = text.rouge("a b c d e a c", "b a d c e c a", stem=False)
    assert score.rouge2.matches == 0
    assert score.rouge1.matches == 7
    assert text.rouge("x y x z", "x z x y", stem=False).rouge2 == (2, 3, 3)


@pytest.fixture(autouse=True)
def fresh_caches():
    porter.stem.cache_clear()
    text._SEPARATORS.clear()


def test_unknown_rules_and_alphabets_are_refused():
    with pytest.raises(UsageError, match=r"^unknown rule .*did you mean paper"):
        text.open_ended("a", "a", rule="papers")
    for call in (text.rouge, lambda a, b, alphabet: text.tokens(a, alphabet=alphabet)):
        with pytest.raises(UsageError, match=r"^unknown alphabet .*did you mean unicode"):
            call("a", "a", alphabet="unicod")


def test_stemming_is_off_on_both_sides():
    assert text.rouge("dog", "dogs", stem=False).rouge1.f1 == 0.0
    assert text.rouge("dogs", "dog", stem=False).rouge1.f1 == 0.0
    assert text.rouge("dog", "dogs").rouge1.f1 == text.rouge("dogs", "dog").rouge1.f1 == 1.0


def test_stemming_joins_words():
    assert text.rouge("running dogs", "runs dog").rouge1.f1 == 1.0
    assert text.rouge("running dogs", "runs dog", stem=False).rouge1.f1 == 0.0


@pytest.mark.parametrize(
    ("value", "ascii_tokens", "unicode_tokens"),
    [
        ("", [], []),
        ("Don't_stop 3.5!", ["don", "t", "stop", "3", "5"], ["don", "t", "stop", "3", "5"]),
        ("naïve", ["na", "ve"], ["naïve"]),
        ("nai\u0308ve", ["nai", "ve"], ["naïve"]),
        ("ＡＢＣ１２", [], ["abc12"]),
        ("Straße", ["stra", "e"], ["strasse"]),
        ("東京 タワー", [], ["東", "京", "タ", "ワ", "ー"]),
        ("in 東京now", ["in", "now"], ["in", "東", "京", "now"]),
        ("2本3本", ["2", "3"], ["2", "本", "3", "本"]),
        ("привет, мир", [], ["привет", "мир"]),
        ("नमस्ते", [], ["नमस्ते"]),
        ("ไทย", [], ["ไ", "ท", "ย"]),
        ("한국어 말", [], ["한국어", "말"]),
        ("a\U0001f600b", ["a", "b"], ["a", "b"]),
        ("x²", ["x"], ["x2"]),
    ],
)
def test_tokens(value, ascii_tokens, unicode_tokens):
    assert text.tokens(value, stem=False) == ascii_tokens
    assert text.tokens(value, stem=False, alphabet="unicode") == unicode_tokens


def test_a_mark_of_an_unsegmented_script_stays_with_its_letter():
    assert text.tokens("ที่นี่", stem=False, alphabet="unicode") == ["ที่", "นี่"]


def test_only_ascii_words_of_four_letters_are_stemmed():
    assert text.tokens("cats dogs his été") == ["cat", "dog", "his", "t"]
    assert text.tokens("cats his étés naïves", alphabet="unicode") == [
        "cat",
        "his",
        "étés",
        "naïves",
    ]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "paper", "official"),
    [
        ("yes", "yes", 2 / 3, 1.0),
        ("yes", "no", 0.0, 0.0),
        ("", "", 0.0, 0.0),
        ("", "yes", 0.0, 0.0),
        ("東京タワー", "東京タワー", 0.0, 1.0),
        ("東京", "東北", 0.0, (0.5 + 0.0 + 0.5) / 3),
        ("a red car", "a red car", 1.0, 1.0),
        ("yes", "yes it is", (0.5 + 0 + 0.5) / 3, (0.5 + 0 + 0.5) / 3),
        ("yes it is", "yes", (0.5 + 0 + 0.5) / 3, (0.5 + 0 + 0.5) / 3),
    ],
)
def test_open_ended(reference, hypothesis, paper, official):
    assert text.open_ended(reference, hypothesis) == pytest.approx(paper)
    assert text.open_ended(reference, hypothesis, rule="paper") == pytest.approx(paper)
    for rule in ("official", "repaired"):
        assert text.open_ended(reference, hypothesis, rule=rule) == pytest.approx(official)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", ""), ("a", "a"), ("is", "is"), ("as", "as"), ("sky", "sky"), ("skies", "sky"),
        ("dying", "die"), ("news", "news"), ("innings", "inning"), ("howe", "howe"),
        ("succeed", "succeed"), ("caresses", "caress"), ("ponies", "poni"), ("ties", "tie"),
        ("cats", "cat"), ("caress", "caress"), ("feed", "feed"), ("agreed", "agre"),
        ("plastered", "plaster"), ("bled", "bled"), ("motoring", "motor"), ("sing", "sing"),
        ("conflated", "conflat"), ("troubled", "troubl"), ("sized", "size"), ("hopping", "hop"),
        ("falling", "fall"), ("hissing", "hiss"), ("fizzed", "fizz"), ("failing", "fail"),
        ("filing", "file"), ("happy", "happi"), ("enjoy", "enjoy"), ("spied", "spi"),
        ("died", "die"), ("relational", "relat"), ("rational", "ration"), ("digitizer", "digit"),
        ("radically", "radic"), ("geology", "geolog"), ("adoption", "adopt"), ("rate", "rate"),
        ("cease", "ceas"), ("controll", "control"), ("roll", "roll"), ("oed", "o"), ("aed", "a"),
        ("activated", "activ"),
        ("generalized", "gener"), ("operabled", "oper"), ("conditionally", "condit"),
        ("ated", "ate"),
    ],
)  # fmt: skip
def test_stems_by_hand(word, expected):
    from nltk.stem.porter import PorterStemmer

    assert porter.stem(word) == expected
    assert PorterStemmer().stem(word) == expected


def test_text_metrics_import_neither_nltk_nor_rapidfuzz_nor_torch():
    code = (
        "import sys, onethinker_eval.metrics.text as t, onethinker_eval.metrics.mathematics as m,"
        "onethinker_eval.metrics.choices, onethinker_eval.metrics.numbers;"
        "import onethinker_eval.metrics.captions;"
        "t.open_ended('a b', 'b'); t.wer('a', 'b'); m.compare('1', '2');"
        "heavy = {'torch', 'nltk', 'sympy', 'math_verify', 'rouge_score', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
