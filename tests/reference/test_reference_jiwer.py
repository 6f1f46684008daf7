"""Error rates against jiwer, on texts whose whitespace was made plain first."""

from __future__ import annotations

import random

import jiwer
import pytest

from onethinker_eval.metrics import text

WORDS = [
    *["the", "The", "THE", "3.5", ",", ".", "naïve", "東京", "мир", "—", "x"],
    *["cat's", "''", "a\tb", "\u00a0", "\u2009x", "e\u0301", "\U0001f600"],
]


def pairs(count, longest, seed):
    rng = random.Random(seed)
    for _ in range(count):
        reference = [rng.choice(WORDS) for _ in range(rng.randint(0, longest))]
        hypothesis = [word for word in reference if rng.random() > 0.2]
        for _ in range(rng.randint(0, 1 + longest // 4)):
            hypothesis.insert(rng.randint(0, len(hypothesis)), rng.choice(WORDS))
        yield " ".join(reference), rng.choice([" ", "  ", "\n"]).join(hypothesis)


def plain(value):
    return " ".join(value.split())


@pytest.mark.parametrize(("count", "longest"), [(3_000, 6), (600, 40), (60, 300)])
def test_wer_and_cer_equal_jiwer(count, longest):
    compared = 0
    for reference, hypothesis in pairs(count, longest, seed=longest):
        if not plain(reference):
            continue
        assert text.wer(reference, hypothesis) == jiwer.wer(plain(reference), plain(hypothesis))
        assert text.cer(reference, hypothesis) == jiwer.cer(plain(reference), plain(hypothesis))
        compared += 1
    assert compared > 0.8 * count


def test_sums_of_edits_equal_jiwers_corpus_rate():
    rows = [(a, b) for a, b in pairs(400, 30, seed=1) if plain(a)]
    edits = [text.word_edits(a, b) for a, b in rows]
    together = sum(e.edits for e in edits) / sum(e.units for e in edits)
    references, hypotheses = zip(*((plain(a), plain(b)) for a, b in rows), strict=True)
    assert together == pytest.approx(jiwer.wer(list(references), list(hypotheses)), abs=1e-15)


def test_jiwer_splits_at_blanks_only_and_we_do_not():
    assert jiwer.wer("a\tb", "a b") == 2.0
    assert text.wer("a\tb", "a b") == 0.0
