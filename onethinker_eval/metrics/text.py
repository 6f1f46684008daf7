"""Error rates and ROUGE on plain text: OCR and open-ended answers.

Arguments come as `(reference, hypothesis)`, the order of jiwer and rouge-score: the reference
is the truth, and an error rate divides by *its* length. Every rate is a fraction (0.25, not
25), an error rate may exceed 1.

| function | definition | source |
|---|---|---|
| `wer`, `word_edits` | edit distance of whitespace tokens / reference tokens | OneThinker, jiwer |
| `cer`, `character_edits` | the same on characters, a run of whitespace counting as one | jiwer |
| `ocr_accuracy` | 1 − WER, clipped to 0..1 | OneThinker |
| `rouge` | ROUGE-1, -2, -L: precision, recall, F1 | Lin 2004; equals rouge-score 0.1.2 |
| `open_ended` | mean F1 of the three with stemmer | OneThinker |

OneThinker stands for its `eval_bench.py`. jiwer splits at blanks only: the rates equal its own
after `" ".join(text.split())`.
Case and punctuation count in the error rates and do not in ROUGE. An empty reference has
length 1 in a rate, so a rate is always finite.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from onethinker_eval.errors import unknown_name
from onethinker_eval.metrics.porter import stem as porter_stem

__all__ = [
    "Edits",
    "Overlap",
    "Rouge",
    "cer",
    "character_edits",
    "ocr_accuracy",
    "open_ended",
    "rouge",
    "tokens",
    "wer",
    "word_edits",
]

Alphabet = Literal["ascii", "unicode"]
Rule = Literal["paper", "official", "repaired"]

_ALPHABETS = ("ascii", "unicode")
_RULES = ("paper", "official", "repaired")
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
# Scripts written without blanks: each character is a token. Thai, Lao, Myanmar, Khmer; kana,
# bopomofo, Han and its extensions; half-width kana is folded to kana before.
_UNSEGMENTED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
)
_IS_UNSEGMENTED = re.compile(f"[{_UNSEGMENTED}]")
_LEAVES_UNSEGMENTED = re.compile(f"(?<=[{_UNSEGMENTED}])(?=[^{_UNSEGMENTED}\\s])")


class Edits(NamedTuple):
    """Additive edit statistics: `edits` of `units` reference words or characters."""

    edits: int
    units: int

    @property
    def rate(self) -> float:
        """Edits per reference unit, an empty reference counting as one unit."""
        return self.edits / max(1, self.units)


class Overlap(NamedTuple):
    """Additive overlap statistics: `matches` of `predicted` and of `expected` items."""

    matches: int
    predicted: int
    expected: int

    @property
    def precision(self) -> float:
        """Share of predicted items that match, 0..1; 0 when there are none."""
        return self.matches / max(1, self.predicted)

    @property
    def recall(self) -> float:
        """Share of expected items that are matched, 0..1; 0 when there are none."""
        return self.matches / max(1, self.expected)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when nothing matches."""
        precision, recall = self.precision, self.recall
        total = precision + recall
        return 2 * precision * recall / total if total > 0 else 0.0

    @property
    def defined(self) -> bool:
        """Whether either side has an item at all (one word has no bigram)."""
        return self.predicted > 0 or self.expected > 0


class Rouge(NamedTuple):
    """ROUGE-1, ROUGE-2 and ROUGE-L of one pair."""

    rouge1: Overlap
    rouge2: Overlap
    rouge_l: Overlap


@lru_cache(maxsize=1)
def _distance() -> Callable[[Sequence[str], Sequence[str]], int]:
    """Return rapidfuzz's edit distance; an import in the scoring path would be paid per call."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance


@lru_cache(maxsize=1)
def _common_subsequence() -> Callable[[Sequence[int], Sequence[int]], int]:
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity


def word_edits(reference: str, hypothesis: str) -> Edits:
    r"""Count the word insertions, deletions and substitutions that lead to the reference.

    Words are what `str.split()` gives: any Unicode whitespace separates them.

    >>> word_edits("the cat sat", "the  cat\nsat down")
    Edits(edits=1, units=3)
    """
    expected, got = reference.split(), hypothesis.split()
    return Edits(_distance()(expected, got), len(expected))


def character_edits(reference: str, hypothesis: str) -> Edits:
    """Count the character edits, after runs of whitespace became one blank on both sides.

    >>> character_edits("kitten", "sitting")
    Edits(edits=3, units=6)
    """
    expected, got = " ".join(reference.split()), " ".join(hypothesis.split())
    return Edits(_distance()(expected, got), len(expected))


def wer(reference: str, hypothesis: str) -> float:
    """Return the word error rate, 0 (same words) upwards, above 1 for long insertions.

    >>> wer("the cat sat", "the cat sat down"), wer("", "two words")
    (0.3333333333333333, 2.0)
    """
    # As `word_edits(...).rate`, without the pair: this runs once per OCR sample and reward.
    expected = reference.split()
    return _distance()(expected, hypothesis.split()) / max(1, len(expected))


def cer(reference: str, hypothesis: str) -> float:
    """Return the character error rate, 0 upwards.

    >>> cer("abcd", "abed")
    0.25
    """
    return character_edits(reference, hypothesis).rate


def ocr_accuracy(reference: str, hypothesis: str) -> float:
    """Return 1 − WER clipped to 0..1, the OCR score and reward of OneThinker.

    Two empty texts score 1 here; a reply without an answer never reaches a metric.

    >>> ocr_accuracy("STOP AHEAD", "STOP"), ocr_accuracy("STOP", "go to the left")
    (0.5, 0.0)
    """
    return max(0.0, 1.0 - wer(reference, hypothesis))


class _Separators(dict[int, str]):
    """`str.translate` table filled as characters are met: letters, digits and marks stay.

    A letter of a script written without blanks gets one before it; its marks follow it.
    Anything that is no letter, digit or mark becomes a blank.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)[0]
        if kind not in "LMN":
            kept = " "
        elif kind != "M" and _IS_UNSEGMENTED.match(character):
            kept = f" {character}"
        else:
            kept = character
        self[code] = kept
        return kept


_SEPARATORS = _Separators()


def tokens(text: str, *, stem: bool = True, alphabet: Alphabet = "ascii") -> list[str]:
    """Split `text` into ROUGE tokens.

    `ascii` is the rule of the original ROUGE and of rouge-score: lower case, runs of
    `a`..`z` and `0`..`9`, tokens of more than three characters stemmed; text in another
    script has no token. `unicode` compares what is written: NFKC, case folded, letters,
    digits and marks of every script, one token per character where a script writes no
    blanks, the English stemmer on ASCII tokens only.

    >>> tokens("The dogs' naïve running")
    ['the', 'dog', 'na', 've', 'run']
    >>> tokens("naïve 東京 running", alphabet="unicode")
    ['naïve', '東', '京', 'run']
    """
    if alphabet not in _ALPHABETS:
        raise unknown_name("alphabet", alphabet, _ALPHABETS)
    if alphabet == "ascii":
        found = _ASCII_TOKEN.findall(text.lower())
        return [porter_stem(word) if len(word) > 3 else word for word in found] if stem else found
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_SEPARATORS)
    found = _LEAVES_UNSEGMENTED.sub(" ", folded).split()
    if not stem:
        return found
    return [porter_stem(word) if len(word) > 3 and word.isascii() else word for word in found]


def _shared(first: list[int], second: list[int]) -> int:
    """Return the size of the multiset intersection of two lists."""
    counts = Counter(first)
    shared = 0
    for item in second:
        left = counts.get(item)
        if left:
            counts[item] = left - 1
            shared += 1
    return shared


def rouge(
    reference: str, hypothesis: str, *, stem: bool = True, alphabet: Alphabet = "ascii"
) -> Rouge:
    """Return ROUGE-1, ROUGE-2 and ROUGE-L of one pair, as additive statistics.

    `rouge(...).rouge_l.f1` and its fellows equal rouge-score's `fmeasure` with
    `use_stemmer=stem`. The longest common subsequence is found bit-parallel.

    >>> round(rouge("the cat sat on the mat", "the cat is on a mat").rouge_l.f1, 4)
    0.6667
    """
    numbers: dict[str, int] = {}
    expected, got = (
        [numbers.setdefault(token, len(numbers)) for token in found]
        for found in (
            tokens(reference, stem=stem, alphabet=alphabet),
            tokens(hypothesis, stem=stem, alphabet=alphabet),
        )
    )
    size = len(numbers)
    expected_pairs = [a * size + b for a, b in pairwise(expected)]
    got_pairs = [a * size + b for a, b in pairwise(got)]
    common = _common_subsequence()(expected, got)
    return Rouge(
        Overlap(_shared(expected, got), len(got), len(expected)),
        Overlap(_shared(expected_pairs, got_pairs), len(got_pairs), len(expected_pairs)),
        Overlap(common, len(got), len(expected)),
    )


def open_ended(reference: str, hypothesis: str, *, rule: Rule = "paper") -> float:
    """Return the open-ended score, 0..1: mean F1 of ROUGE-1, -2 and -L with stemmer.

    `paper` is OneThinker's rule with its oddities: two identical one-word answers score
    2/3 because they have no bigram, and text without ASCII letters or digits scores 0.
    `official` and `repaired` read every script and leave out a ROUGE-2 that is not defined
    on either side, so identical answers score 1.

    >>> round(open_ended("yes", "Yes."), 4), open_ended("yes", "Yes.", rule="repaired")
    (0.6667, 1.0)
    >>> open_ended("東京", "東京"), open_ended("東京", "東京", rule="official")
    (0.0, 1.0)
    """
    if rule not in _RULES:
        raise unknown_name("rule", rule, _RULES)
    if rule == "paper":
        one, two, longest = rouge(reference, hypothesis)
        return (one.f1 + two.f1 + longest.f1) / 3.0
    parts = rouge(reference, hypothesis, alphabet="unicode")
    defined = [part.f1 for part in parts if part.defined]
    return sum(defined) / len(defined) if defined else 0.0
