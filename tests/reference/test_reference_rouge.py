"""ROUGE against rouge-score, and the Porter stemmer against NLTK's."""

from __future__ import annotations

import random

import pytest
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer

from onethinker_eval.metrics import porter, text

TYPES = ["rouge1", "rouge2", "rougeL"]
STEMS = [
    "run",
    "happi",
    "nation",
    "relat",
    "dog",
    "sky",
    "tri",
    "agre",
    "hop",
    "fil",
    "control",
    "x",
    "y",
    "a",
    "bb",
    "42",
    "3d",
]
ENDINGS = [
    "s",
    "es",
    "ies",
    "ied",
    "ed",
    "ing",
    "eed",
    "y",
    "e",
    "ll",
    "al",
    "er",
    "ic",
    "able",
    "ational",
    "tional",
    "enci",
    "anci",
    "izer",
    "bli",
    "alli",
    "entli",
    "eli",
    "ousli",
    "ization",
    "ation",
    "ator",
    "alism",
    "iveness",
    "fulness",
    "ousness",
    "aliti",
    "iviti",
    "biliti",
    "fulli",
    "logi",
    "icate",
    "ative",
    "alize",
    "iciti",
    "ical",
    "ful",
    "ness",
    "ance",
    "ence",
    "ible",
    "ant",
    "ement",
    "ment",
    "ent",
    "ion",
    "ou",
    "ism",
    "ate",
    "iti",
    "ous",
    "ive",
    "ize",
    "sses",
    "ss",
    "at",
    "bl",
    "iz",
    "ly",
]
GLUE = [" ", "  ", "\n", "-", ", ", ". ", "'", " é ", "_", " 東 ", "\u0130", "\u212a", "<", "\t"]


def words(rng, count):
    return [
        rng.choice(STEMS) + rng.choice(["", rng.choice(ENDINGS)]) + rng.choice(["", "", "ing"])
        for _ in range(count)
    ]


def pairs(count, longest, seed):
    rng = random.Random(seed)
    for _ in range(count):
        chosen = words(rng, rng.randint(0, longest))
        other = [word for word in chosen if rng.random() > 0.3] + words(rng, rng.randint(0, 3))
        if rng.random() < 0.2:
            rng.shuffle(other)
        cased = [rng.choice([str, str.upper, str.title])(word) for word in other]
        glue = rng.choice(GLUE)
        yield " ".join(chosen), glue.join(cased)


def parts(score):
    return [
        (part.precision, part.recall, part.f1)
        for part in (score.rouge1, score.rouge2, score.rouge_l)
    ]


@pytest.mark.parametrize("stem", [True, False])
@pytest.mark.parametrize(("count", "longest"), [(2_500, 8), (150, 60), (6, 300)])
def test_rouge_equals_rouge_score(stem, count, longest):
    scorer = rouge_scorer.RougeScorer(TYPES, use_stemmer=stem)
    seen = set()
    for reference, hypothesis in pairs(count, longest, seed=longest):
        expected = scorer.score(reference, hypothesis)
        got = parts(text.rouge(reference, hypothesis, stem=stem))
        for ours, name in zip(got, TYPES, strict=True):
            assert ours == pytest.approx(tuple(expected[name]), abs=1e-12), (reference, hypothesis)
        seen.add(got[2][2])
    assert len(seen) > min(count, 40) // 2


def test_every_string_is_tokenized_as_rouge_score_does():
    from rouge_score.tokenizers import DefaultTokenizer

    rng = random.Random(5)
    plain, stemmed = DefaultTokenizer(False), DefaultTokenizer(True)
    for _ in range(3_000):
        value = "".join(
            chr(rng.choice([rng.randint(32, 126), rng.randint(0, 0x2FF), rng.randint(0, 0x2FFFF)]))
            for _ in range(rng.randint(0, 30))
        )
        assert text.tokens(value, stem=False) == plain.tokenize(value)
        assert text.tokens(value, stem=True) == stemmed.tokenize(value)


def test_stems_equal_nltks():
    reference = PorterStemmer()
    rng = random.Random(6)
    vocabulary = {first + second for first in STEMS for second in ENDINGS}
    vocabulary |= {first + second for first in ENDINGS for second in ENDINGS}
    vocabulary |= set(porter._IRREGULAR)
    for _ in range(40_000):
        start = "".join(rng.choice("aeiouybcdlrstwxz9") for _ in range(rng.randint(0, 6)))
        vocabulary.add(start + rng.choice(ENDINGS))
        vocabulary.add(start + rng.choice(ENDINGS) + rng.choice(ENDINGS))
    wrong = [w for w in sorted(vocabulary) if porter.stem.__wrapped__(w) != reference.stem(w)]
    assert len(vocabulary) > 30_000
    assert not wrong
