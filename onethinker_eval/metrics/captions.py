"""Caption metrics: METEOR, BLEU, n-gram precision, ROUGE-L and CIDEr.

Predictions come first, references second; each prediction has one or more references. Scores
are fractions (0.25, not 25); CIDEr is 0..10 as defined.

| function | definition | counted by |
|---|---|---|
| `meteor` | METEOR 2007 (α 0.9, β 3, γ 0.5), best reference | NLTK `single_meteor_score` |
| `ngram_precision` | clipped n-gram precision, mteval-13a words; MMSci's "B2" for n = 2 | here |
| `bleu` | BLEU-1..4 of a corpus and of each caption, COCO style | pycocoevalcap `BleuScorer` |
| `cider` | CIDEr of a corpus and of each caption, COCO style | pycocoevalcap `CiderScorer` |
| `rouge_l_coco` | ROUGE-L with β 1.2, COCO style | here; equals pycocoevalcap `Rouge` |

MMSci's ROUGE-L is `metrics.text.rouge(…, stem=False).rouge_l.f1`. CIDEr weighs n-grams by
how rare they are among the references of the *corpus*: of a single caption it is always 0.

METEOR comes in two variants, never mixed silently: `wordnet` also matches synonyms and needs
WordNet's data, `stem` matches words and stems only and scores a little lower. The result
carries its variant; so must every report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from onethinker_eval.errors import MissingPart, unknown_name
from onethinker_eval.metrics.caption_tokens import coco_words, mteval_words, treebank_words

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "CaptionScores",
    "Meteor",
    "Precision",
    "WordNet",
    "bleu",
    "cider",
    "meteor",
    "meteor_variant",
    "ngram_precision",
    "rouge_l_coco",
]

MeteorVariant = Literal["wordnet", "stem"]
_COCO_BETA = 1.2


class WordNet(Protocol):
    """What METEOR asks of a WordNet reader, such as NLTK's."""

    def synsets(self, lemma: str, /) -> Sequence[Any]:
        """Return the synsets of a word; each has `lemmas()`, each lemma a `name()`."""
        ...


class Meteor(NamedTuple):
    """A METEOR `value`, 0..1, and the `variant` it was computed with."""

    value: float
    variant: MeteorVariant


class Precision(NamedTuple):
    """Additive n-gram statistics: `matches` of `predicted` n-grams."""

    matches: int
    predicted: int

    @property
    def value(self) -> float:
        """Share of predicted n-grams found in a reference; 0 when there are none."""
        return self.matches / self.predicted if self.predicted else 0.0


class CaptionScores(NamedTuple):
    """A corpus score and the score of each caption, in order."""

    corpus: float
    each: tuple[float, ...]


class _NoSynonyms:
    """A WordNet without words."""

    def synsets(self, _lemma: str, /) -> Sequence[Any]:
        return ()


def _nltk(name: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPart(f"METEOR needs NLTK: {error}", hint="pip install nltk") from error


@lru_cache(maxsize=1)
def _installed_wordnet() -> WordNet | None:
    """Return NLTK's WordNet reader if its data are installed; nothing is downloaded."""
    wordnet: Any = _nltk("nltk.corpus").wordnet
    try:
        wordnet.ensure_loaded()
    except LookupError:
        return None
    reader: WordNet = wordnet
    return reader


def meteor_variant() -> MeteorVariant:
    """Return the best METEOR variant this machine can compute: `wordnet` needs its data."""
    return "wordnet" if _installed_wordnet() is not None else "stem"


def meteor(
    prediction: str,
    references: Sequence[str],
    *,
    variant: MeteorVariant,
    wordnet: WordNet | None = None,
) -> Meteor:
    """Return METEOR of one caption against the best of its references.

    The variant is the caller's choice, see `meteor_variant`. `wordnet` may pass a reader
    instead of NLTK's installed data; without either, variant `wordnet` raises `MissingPart`.
    Words are those of NLTK's tokenizer, sentence by sentence, lower-cased.

    >>> meteor("a cat sat", ["the cats sat"], variant="stem").variant
    'stem'
    """
    if variant not in ("wordnet", "stem"):
        raise unknown_name("METEOR variant", variant, ("wordnet", "stem"))
    reader: WordNet | None = _NoSynonyms()
    if variant == "wordnet":
        reader = wordnet if wordnet is not None else _installed_wordnet()
    if reader is None:
        raise MissingPart(
            "METEOR with synonyms needs the WordNet data of NLTK",
            hint="python -m nltk.downloader wordnet, or variant 'stem'",
        )
    single = _nltk("nltk.translate.meteor_score").single_meteor_score
    words = treebank_words(prediction)
    best = max(
        float(single(treebank_words(reference), words, wordnet=reader))
        for reference in _checked(references)
    )
    return Meteor(best, variant)


def ngram_precision(prediction: str, references: Sequence[str], n: int = 2) -> Precision:
    """Count the n-grams of a caption that occur in its references, each as often as there.

    Case counts, tokens are those of mteval-v13a. With one reference and n = 2 this is the
    "B2" column of MMSci (a precision; no brevity penalty, no geometric mean).

    >>> ngram_precision("a red cat sat.", ["A red cat sat there."]).value
    0.5
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}")
    found = _ngrams(mteval_words(prediction), n)
    allowed: Counter[tuple[str, ...]] = Counter()
    for reference in _checked(references):
        allowed |= _ngrams(mteval_words(reference), n)
    return Precision((found & allowed).total(), found.total())


def bleu(
    predictions: Sequence[str], references: Sequence[Sequence[str]], *, max_n: int = 4
) -> tuple[CaptionScores, ...]:
    """Return BLEU-1 … BLEU-`max_n`, each of the corpus and of every caption.

    The reference length closest to the caption's counts towards brevity, for one caption
    too. Tokens are `coco_words`.

    >>> [round(score.corpus, 3) for score in bleu(["a red cat sat"], [["A red cat sat."]])]
    [1.0, 1.0, 1.0, 1.0]
    """
    scorer = _pycocoevalcap("bleu.bleu_scorer").BleuScorer(n=max_n)
    for words, known in _coco_pairs(predictions, references):
        scorer += (words, known)
    corpus, each = scorer.compute_score(option="closest")
    return tuple(
        CaptionScores(float(score), tuple(map(float, scores)))
        for score, scores in zip(corpus, each, strict=True)
    )


def cider(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Return CIDEr of the corpus (the mean) and of every caption, 0..10.

    Tokens are `coco_words`. Rarity is taken from the given references, so scores of
    different subsets are not comparable, and a single caption scores 0.

    >>> cider(["a red cat", "a blue dog"], [["a red cat"], ["a green bird"]]).each[1] < 10
    True
    """
    scorer = _pycocoevalcap("cider.cider_scorer").CiderScorer(n=4, sigma=6.0)
    for words, known in _coco_pairs(predictions, references):
        scorer += (words, known)
    corpus, each = scorer.compute_score()
    return CaptionScores(float(corpus), tuple(map(float, each)))


def rouge_l_coco(prediction: str, references: Sequence[str]) -> float:
    """Return COCO's ROUGE-L: best precision and best recall over references, β 1.2.

    >>> rouge_l_coco("a red cat", ["a red cat", "one cat"])
    1.0
    """
    from rapidfuzz.distance import LCSseq

    words = coco_words(prediction)
    precision = recall = 0.0
    for reference in _checked(references):
        known = coco_words(reference)
        if not words or not known:
            continue
        common = int(LCSseq.similarity(words, known))
        precision = max(precision, common / len(words))
        recall = max(recall, common / len(known))
    if not precision:
        return 0.0
    weight = _COCO_BETA**2
    return ((1 + weight) * precision * recall) / (recall + weight * precision)


def _checked(references: Sequence[str]) -> Sequence[str]:
    """Return `references`, refusing none at all and the slip of passing one bare string."""
    if isinstance(references, str) or not references:
        raise ValueError("references must be a non-empty sequence of captions")
    return references


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def _coco_pairs(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> Iterable[tuple[str, list[str]]]:
    """Yield each caption and its references as blank-separated tokens."""
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} reference lists")
    for prediction, known in zip(predictions, references, strict=True):
        yield (
            " ".join(coco_words(prediction)),
            [" ".join(coco_words(reference)) for reference in _checked(known)],
        )


def _pycocoevalcap(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"pycocoevalcap.{name}")
    except ImportError as error:
        raise MissingPart(
            f"BLEU and CIDEr need pycocoevalcap: {error}", hint="pip install pycocoevalcap"
        ) from error
