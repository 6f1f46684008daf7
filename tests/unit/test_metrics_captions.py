"""Caption metrics: variants, missing parts, words and hand-counted values."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest

from onethinker_eval.errors import MissingPart, UsageError
from onethinker_eval.metrics import caption_tokens, captions
from onethinker_eval.metrics.caption_tokens import coco_words, mteval_words, treebank_words


class Lemma:
    def __init__(self, name):
        self._name = name

    def name(self):
        return self._name


class Synset:
    def __init__(self, *names):
        self._names = names

    def lemmas(self):
        return [Lemma(name) for name in self._names]


class SmallWordNet:
    def synsets(self, lemma):
        return [Synset("sofa", "couch", "day_bed")] if lemma in ("sofa", "couch") else []


def test_meteor_names_its_variant_and_synonyms_count():
    stem = captions.meteor("on the sofa", ["on the couch"], variant="stem")
    full = captions.meteor(
        "on the sofa", ["on the couch"], variant="wordnet", wordnet=SmallWordNet()
    )
    assert (stem.variant, full.variant) == ("stem", "wordnet")
    # Two of three words in one run: F 2/3, penalty 1/16. All three: F 1, penalty 1/54.
    assert stem.value == pytest.approx(2 / 3 * (1 - 0.5 * (1 / 2) ** 3))
    assert full.value == pytest.approx(1 - 0.5 * (1 / 3) ** 3)


def test_meteor_of_nothing():
    assert captions.meteor("", ["a cat"], variant="stem").value == 0.0
    assert captions.meteor("a cat", [""], variant="stem").value == 0.0
    assert captions.meteor("dog", ["cat"], variant="stem").value == 0.0


def test_meteor_without_wordnet_data_is_a_missing_part(monkeypatch):
    monkeypatch.setattr(captions, "_installed_wordnet", lambda: None)
    assert captions.meteor_variant() == "stem"
    with pytest.raises(MissingPart, match="WordNet"):
        captions.meteor("a", ["a"], variant="wordnet")


def test_installed_wordnet_is_used(monkeypatch):
    monkeypatch.setattr(captions, "_installed_wordnet", SmallWordNet)
    assert captions.meteor_variant() == "wordnet"
    assert captions.meteor("sofa", ["couch"], variant="wordnet").value == 0.5


@pytest.mark.parametrize("there", [True, False])
def test_the_data_decide_whether_wordnet_is_installed(monkeypatch, there):
    class Corpus:
        def ensure_loaded(self):
            if not there:
                raise LookupError

    corpus = Corpus()
    monkeypatch.setattr(captions, "_nltk", lambda _name: type("Module", (), {"wordnet": corpus}))
    captions._installed_wordnet.cache_clear()
    assert captions._installed_wordnet() is (corpus if there else None)
    captions._installed_wordnet.cache_clear()


def test_unknown_variant_is_refused():
    with pytest.raises(UsageError, match="did you mean wordnet"):
        captions.meteor("a", ["a"], variant="wordnett")


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("nltk.translate.meteor_score", lambda: captions.meteor("a", ["a"], variant="stem")),
        ("pycocoevalcap.bleu.bleu_scorer", lambda: captions.bleu(["a"], [["a"]])),
        ("pycocoevalcap.cider.cider_scorer", lambda: captions.cider(["a"], [["a"]])),
        ("nltk.tokenize", lambda: treebank_words("a")),
    ],
)
def test_missing_packages_are_named(monkeypatch, module, call):
    caption_tokens._splitters.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPart, match=r"pip install (nltk|pycocoevalcap)"):
        call()


@pytest.mark.parametrize("references", [[], "a cat", ()])
def test_references_must_be_a_list(references):
    for metric in (
        lambda: captions.meteor("a", references, variant="stem"),
        lambda: captions.ngram_precision("a", references),
        lambda: captions.rouge_l_coco("a", references),
        lambda: captions.bleu(["a"], [references]),
        lambda: captions.cider(["a"], [references]),
    ):
        with pytest.raises(ValueError, match="non-empty sequence"):
            metric()


def test_lists_must_have_the_same_length():
    for metric in (captions.bleu, captions.cider):
        with pytest.raises(ValueError, match="2 predictions for 1 reference lists"):
            metric(["a", "b"], [["a"]])


@pytest.mark.parametrize(
    ("prediction", "references", "n", "matches", "predicted"),
    [
        ("the cat sat on the mat", ["the cat is on the mat"], 2, 3, 5),
        ("the the the", ["the cat"], 1, 1, 3),
        ("the the the", ["the cat", "the the"], 1, 2, 3),
        ("a b c", ["a b", "b c"], 2, 2, 2),
        ("The cat", ["the cat"], 1, 1, 2),
        ("a", ["a"], 2, 0, 0),
        ("", ["a"], 1, 0, 0),
    ],
)
def test_ngram_precision(prediction, references, n, matches, predicted):
    got = captions.ngram_precision(prediction, references, n)
    assert got == (matches, predicted)
    assert got.value == (matches / predicted if predicted else 0.0)


def test_bigrams_are_the_default_and_n_starts_at_one():
    assert captions.ngram_precision("a b c", ["a b c"]) == (2, 2)
    with pytest.raises(ValueError, match="n must be 1 or more"):
        captions.ngram_precision("a", ["a"], 0)


@pytest.mark.parametrize(
    ("prediction", "references", "expected"),
    [
        ("a b c d", ["a c"], (1 + 1.44) * 0.5 * 1 / (1 + 1.44 * 0.5)),
        ("a c", ["a b c d"], (1 + 1.44) * 1 * 0.5 / (0.5 + 1.44 * 1)),
        ("a b", ["a x y z", "b"], (1 + 1.44) * 0.5 * 1 / (1 + 1.44 * 0.5)),
        ("a", ["b"], 0.0),
        ("", ["b"], 0.0),
        ("b", ["", "b"], 1.0),
        ("?!", ["..."], 0.0),
    ],
)
def test_rouge_l_coco(prediction, references, expected):
    assert captions.rouge_l_coco(prediction, references) == pytest.approx(expected, abs=1e-15)


def test_bleu_of_one_caption_uses_the_closest_length():
    short, long = captions.bleu(["a b c"], [["a b c", "a b c d e f"]], max_n=2)
    assert short.corpus == pytest.approx(1.0, abs=1e-8)
    assert short.each == (pytest.approx(1.0, abs=1e-8),)
    assert long.corpus == pytest.approx(1.0, abs=1e-8)
    assert len(captions.bleu(["a"], [["a"]])) == 4


def test_bleu_falls_with_order():
    scores = captions.bleu(["a red cat sat on mats"], [["a red dog sat on mats"]])
    assert all(high.corpus > low.corpus for high, low in pairwise(scores))


def test_cider_of_a_single_caption_is_zero():
    assert captions.cider(["a red cat"], [["a red cat"]]) == (0.0, (0.0,))


def test_cider_rewards_rare_words():
    score = captions.cider(
        ["a red cat on grass", "a dog on grass"], [["a red cat on grass"], ["a bird on grass"]]
    )
    assert score.each[0] > 5 > score.each[1]
    assert score.corpus == pytest.approx(sum(score.each) / 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a.b", ["a", ".", "b"]),
        ("3.5,2", ["3.5,2"]),
        ("3,b", ["3", ",", "b"]),
        ("2-3", ["2", "-", "3"]),
        ("a-b", ["a-b"]),
        ("a-\nb", ["ab"]),
        ("&quot;x&amp;&lt;y&gt;", ['"', "x", "&", "<", "y", ">"]),
        ("it's (x)", ["it's", "(", "x", ")"]),
        ("x<skipped>y", ["xy"]),
        ("", []),
    ],
)
def test_mteval_words(value, expected):
    assert mteval_words(value) == expected


@pytest.fixture
def without_punkt(monkeypatch):
    import nltk

    def missing(_text):
        raise LookupError

    monkeypatch.setattr(nltk.tokenize, "sent_tokenize", missing)
    caption_tokens._splitters.cache_clear()
    yield
    caption_tokens._splitters.cache_clear()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("It sat. It ran.", ["It", "sat", ".", "It", "ran", "."]),
        ("It sat. it ran.", ["It", "sat.", "it", "ran", "."]),
        ('He said "no." "Yes!"', ["He", "said", "``", "no", ".", "''", "``", "Yes", "!", "''"]),
        ("about 3. 4 men", ["about", "3", ".", "4", "men"]),
        ("Dr. No", ["Dr", ".", "No"]),
        ("can't", ["ca", "n't"]),
        ("", []),
    ],
)
def test_treebank_words_without_punkt(without_punkt, value, expected):
    assert treebank_words(value) == expected


def test_punkt_is_used_where_its_data_are(monkeypatch):
    import nltk

    monkeypatch.setattr(nltk.tokenize, "sent_tokenize", lambda text: text.split("|"))
    caption_tokens._splitters.cache_clear()
    assert treebank_words("one.|two.") == ["one", ".", "two", "."]
    caption_tokens._splitters.cache_clear()


def test_coco_words():
    assert coco_words("A [big] {man's} \"hat\" -- `so`; well-made... (x)!") == [
        "a", "-lsb-", "big", "-rsb-", "-lcb-", "man", "'s", "-rcb-", "hat", "so", "well-made",
        "-lrb-", "x", "-rrb-",
    ]  # fmt: skip
