"""The three ways caption metrics cut a text into words.

| function | rule | used by |
|---|---|---|
| `mteval_words` | NIST mteval-v13a: punctuation apart, save in numbers; case kept | MMSci's BLEU |
| `treebank_words` | NLTK's Treebank words, sentence by sentence; case kept | METEOR |
| `coco_words` | Treebank words, lower case, without punctuation | BLEU, CIDEr, ROUGE-L of COCO |

COCO's own tool starts Stanford's tokenizer in Java. `coco_words` needs no Java; of 368 English
sentences 363 came out the same, the others differed in abbreviations ("St.", "p.m.") and one
apostrophe. `treebank_words` cuts sentences where NLTK has its Punkt data with
those, else after `.`, `!` or `?` before a capital, digit or quote; words are the same either
way but for the full stop after an abbreviation.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from onethinker_eval.errors import MissingPart

__all__ = ["coco_words", "mteval_words", "treebank_words"]

_SYMBOLS = re.compile(r"([{-~\[-` -&(-+:-@/])")
_POINT_AFTER = re.compile(r"([^0-9])([.,])")
_POINT_BEFORE = re.compile(r"([.,])([^0-9])")
_DASH = re.compile(r"([0-9])(-)")
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"'”’)\]]))\s+(?=[\"'“‘(\[]?[A-Z0-9])")
_PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
# COCO's list of punctuation names brackets in capitals, but meets them in lower case: they stay.
_BRACKETS = {
    "(": "-lrb-",
    ")": "-rrb-",
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
}


def mteval_words(text: str) -> list[str]:
    """Split `text` as mteval-v13a and sacreBLEU's `13a` do.

    >>> mteval_words("It's 3.5 cm, isn't it?")
    ["It's", '3.5', 'cm', ',', "isn't", 'it', '?']
    """
    text = text.replace("<skipped>", "").replace("-\n", "")
    if "&" in text:
        for entity, character in _ENTITIES:
            text = text.replace(entity, character)
    text = _SYMBOLS.sub(r" \1 ", f" {text} ")
    text = _POINT_AFTER.sub(r"\1 \2 ", text)
    text = _POINT_BEFORE.sub(r" \1 \2", text)
    return _DASH.sub(r"\1 \2 ", text).split()


@lru_cache(maxsize=1)
def _splitters() -> tuple[Any, Any]:
    """Return NLTK's word tokenizer and its sentence splitter, None where data are missing."""
    try:
        from nltk.tokenize import NLTKWordTokenizer, sent_tokenize
    except ImportError as error:
        raise MissingPart(f"caption words need NLTK: {error}", hint="pip install nltk") from error
    try:
        sent_tokenize("One. Two.")
    except LookupError:
        return NLTKWordTokenizer(), None
    return NLTKWordTokenizer(), sent_tokenize


def treebank_words(text: str) -> list[str]:
    """Split `text` into NLTK's Treebank words.

    >>> treebank_words("The cat's here. It sat.")
    ['The', 'cat', "'s", 'here', '.', 'It', 'sat', '.']
    """
    words, sentences = _splitters()
    parts = sentences(text) if sentences else _SENTENCE_END.split(text)
    return [word for part in parts for word in words.tokenize(part)]


def coco_words(text: str) -> list[str]:
    r"""Split `text` into lower-case Treebank words and drop punctuation.

    Brackets stay, under their Treebank names, as they do in COCO's own tool.

    >>> coco_words('A man\'s "red" hat, (left).')
    ['a', 'man', "'s", 'red', 'hat', '-lrb-', 'left', '-rrb-']
    """
    words = map(str.lower, treebank_words(text))
    return [_BRACKETS.get(word, word) for word in words if word not in _PUNCTUATION]
