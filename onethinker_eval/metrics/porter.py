"""The Porter stemmer in the dialect ROUGE scores are made with.

Definition: M. F. Porter, "An algorithm for suffix stripping" (1980), with the departures of
NLTK's default mode, because `rouge-score` stems with that mode: words of one or two letters
stay, a short list of irregular words, `-ies`/`-ied` of four-letter words keep their `e`,
`y` becomes `i` only after a consonant, and three changed rules in the second step.
The result equals `nltk.stem.porter.PorterStemmer().stem` for every lower-case ASCII word.

It lives here because importing NLTK costs seconds and its stemmer has no memory: a word seen
before is answered from a bounded cache.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["stem"]

_IRREGULAR = {
    "skies": "sky",
    "sky": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "news": "news",
    "innings": "inning",
    "inning": "inning",
    "outings": "outing",
    "outing": "outing",
    "cannings": "canning",
    "canning": "canning",
    "howe": "howe",
    "proceed": "proceed",
    "exceed": "exceed",
    "succeed": "succeed",
}

# The first suffix that fits decides, whether or not its condition holds: order matters.
_STEP_2 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
    ("logi", "log"),
)
_STEP_3 = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_STEP_4 = (
    "al",
    "ance",
    "ence",
    "er",
    "ic",
    "able",
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
)
_CACHED_WORDS = 65_536


def _shape(word: str) -> str:
    """Return `word` as a string of `c` (consonant) and `v` (vowel).

    `y` is a consonant at the start and after a vowel, a vowel after a consonant; digits
    count as consonants.

    >>> _shape("syzygy"), _shape("toy")
    ('cvcvcv', 'cvc')
    """
    shape: list[str] = []
    before = "v"
    for letter in word:
        if letter in "aeiou":
            before = "v"
        elif letter == "y":
            before = "c" if before == "v" else "v"
        else:
            before = "c"
        shape.append(before)
    return "".join(shape)


def _measure(word: str) -> int:
    """Return Porter's m: how often a vowel is followed by a consonant."""
    return _shape(word).count("vc")


def _short_end(word: str) -> bool:
    """Tell whether `word` ends consonant-vowel-consonant (not w, x, y), or is just `vc`."""
    shape = _shape(word)
    if len(shape) == 2:
        return shape == "vc"
    return shape.endswith("cvc") and word[-1] not in "wxy"


def _plural(word: str) -> str:
    """Step 1a."""
    if word.endswith("ies"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def _past_and_gerund(word: str) -> str:
    """Step 1b."""
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    if word.endswith("ed"):
        base = word[:-2]
    elif word.endswith("ing"):
        base = word[:-3]
    else:
        return word
    shape = _shape(base)
    if "v" not in shape:
        return word
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if len(base) >= 2 and base[-1] == base[-2] and shape[-1] == "c":
        return base if base[-1] in "lsz" else base[:-1]
    if shape.count("vc") == 1 and _short_end(base):
        return base + "e"
    return base


def _final_y(word: str) -> str:
    """Step 1c, which asks for a consonant before the `y` and at least two letters."""
    if word.endswith("y") and len(word) > 2 and _shape(word)[-2] == "c":
        return word[:-1] + "i"
    return word


def _double_suffix(word: str) -> str:
    """Step 2."""
    if word.endswith("alli") and _measure(word[:-4]) > 0:
        word = word[:-2]
    for suffix, replacement in _STEP_2:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            # "logi" leaves its l with the stem that is measured: "geologi" becomes "geolog".
            measured = word[:-3] if suffix == "logi" else base
            return base + replacement if _measure(measured) > 0 else word
    return word


def _middle_suffix(word: str) -> str:
    """Step 3."""
    for suffix, replacement in _STEP_3:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            return base + replacement if _measure(base) > 0 else word
    return word


def _last_suffix(word: str) -> str:
    """Step 4."""
    for suffix in _STEP_4:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            allowed = suffix != "ion" or base.endswith(("s", "t"))
            return base if allowed and _measure(base) > 1 else word
    return word


def _tidy(word: str) -> str:
    """Steps 5a and 5b."""
    if word.endswith("e"):
        base = word[:-1]
        measure = _measure(base)
        if measure > 1 or (measure == 1 and not _short_end(base)):
            word = base
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        return word[:-1]
    return word


@lru_cache(maxsize=_CACHED_WORDS)
def stem(word: str) -> str:
    """Return the Porter stem of one lower-case word (letters and digits, any length).

    >>> [stem(word) for word in ("caresses", "flies", "dies", "relational", "sky", "happy")]
    ['caress', 'fli', 'die', 'relat', 'sky', 'happi']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    word = _final_y(_past_and_gerund(_plural(word)))
    return _tidy(_last_suffix(_middle_suffix(_double_suffix(word))))
