"""Caption metrics against NLTK, sacreBLEU and pycocoevalcap."""

from __future__ import annotations

import random

import pytest
from nltk.translate.meteor_score import single_meteor_score
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from onethinker_eval.metrics import captions
from onethinker_eval.metrics.caption_tokens import coco_words, mteval_words, treebank_words

WORDS = [
    "A",
    "man",
    "is",
    "riding",
    "his",
    "bike,",
    "on",
    "the",
    "Street.",
    "It's",
    "3.5",
    "km",
    "(about",
    "2-3",
    "miles)",
    "from",
    "St.",
    "Mark's!",
    '"Fast"',
    "riders",
    "stop;",
    "others",
    "wait:",
    "why?",
    "They're",
    "tired...",
    "well-known",
    "end/start",
    "&",
    "more",
]


class Synonyms:
    """A WordNet of two synsets, with a phrase that METEOR leaves out."""

    class Lemma:
        def __init__(self, name):
            self._name = name

        def name(self):
            return self._name

    class Synset:
        def __init__(self, names):
            self._names = names

        def lemmas(self):
            return [Synonyms.Lemma(name) for name in self._names]

    def synsets(self, lemma):
        groups = [["man", "chap", "human_being"], ["street", "road"]]
        return [self.Synset(names) for names in groups if lemma in names]


def caption_pairs(count, seed, longest=24):
    rng = random.Random(seed)
    for _ in range(count):
        start = rng.randint(0, len(WORDS) - 2)
        reference = WORDS[start : start + rng.randint(1, longest)]
        prediction = [word for word in reference if rng.random() > 0.25]
        for _ in range(rng.randint(0, 3)):
            extra = rng.choice([*WORDS, "chap", "road", "bikes"])
            prediction.insert(rng.randint(0, len(prediction)), extra)
        yield " ".join(prediction) or "nothing", " ".join(reference)


@pytest.mark.parametrize("variant", ["stem", "wordnet"])
def test_meteor_equals_nltk(variant):
    wordnet = Synonyms() if variant == "wordnet" else None
    values = set()
    for prediction, reference in caption_pairs(600, seed=1):
        expected = single_meteor_score(
            treebank_words(reference),
            treebank_words(prediction),
            wordnet=wordnet or _Nothing(),
        )
        got = captions.meteor(prediction, [reference], variant=variant, wordnet=wordnet)
        assert got == (expected, variant)
        values.add(expected)
    assert len(values) > 100


class _Nothing:
    def synsets(self, _lemma):
        return []


def test_meteor_takes_the_best_reference():
    both = captions.meteor("a man rode", ["nobody", "a man rides"], variant="stem")
    assert both == captions.meteor("a man rode", ["a man rides"], variant="stem")


def test_mteval_words_equal_sacrebleu():
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    reference = Tokenizer13a()
    rng = random.Random(2)
    pieces = [*"aZ09.,-/:;!?()[]{}'\"&<>@#$%^*+=|\\~`_ é東", "&amp;", "&quot;", "&lt;", "-\n", "\n"]
    for _ in range(4_000):
        value = "".join(rng.choice([*pieces, "<skipped>"]) for _ in range(rng.randint(0, 20)))
        assert mteval_words(value) == reference(value).split(), value


def test_bleu_equals_pycocoevalcap():
    rows = list(caption_pairs(200, seed=3))
    predictions = [prediction for prediction, _ in rows]
    references = [[reference, rows[i - 1][1]] for i, (_, reference) in enumerate(rows)]
    corpus, each = Bleu(4).compute_score(
        {i: [" ".join(coco_words(r)) for r in refs] for i, refs in enumerate(references)},
        {i: [" ".join(coco_words(p))] for i, p in enumerate(predictions)},
        verbose=0,
    )
    got = captions.bleu(predictions, references)
    assert [score.corpus for score in got] == corpus
    assert [list(score.each) for score in got] == each


def test_cider_equals_pycocoevalcap():
    rows = list(caption_pairs(150, seed=4))
    corpus, each = Cider().compute_score(
        {i: [" ".join(coco_words(reference))] for i, (_, reference) in enumerate(rows)},
        {i: [" ".join(coco_words(prediction))] for i, (prediction, _) in enumerate(rows)},
    )
    got = captions.cider([p for p, _ in rows], [[r] for _, r in rows])
    assert got.corpus == corpus
    assert list(got.each) == list(each)
    assert max(got.each) > 1


def test_rouge_l_equals_pycocoevalcap():
    rows = list(caption_pairs(400, seed=5))
    scorer = Rouge()
    for i, (prediction, reference) in enumerate(rows):
        references = [reference, rows[i - 1][1]]
        expected = scorer.calc_score(
            [" ".join(coco_words(prediction))], [" ".join(coco_words(r)) for r in references]
        )
        assert captions.rouge_l_coco(prediction, references) == pytest.approx(expected, abs=1e-12)


def test_ngram_precision_is_bleus_without_penalty():
    from sacrebleu.metrics import BLEU

    scorer = BLEU(effective_order=False, smooth_method="none")
    for prediction, reference in caption_pairs(400, seed=6):
        expected = scorer.sentence_score(prediction, [reference])
        for n in (1, 2, 3, 4):
            got = captions.ngram_precision(prediction, [reference], n)
            assert (got.matches, got.predicted) == (expected.counts[n - 1], expected.totals[n - 1])
            assert 100 * got.value == pytest.approx(expected.precisions[n - 1], abs=1e-12)
