"""Reader of multiple-choice answers: the capital letter of one option."""

from __future__ import annotations

import re
from functools import lru_cache
from string import ascii_uppercase

from onethinker_eval.answers.cleaning import CUE, CUE_VERB, boxed, normalise, peel, unfence, unlatex
from onethinker_eval.answers.json_repair import candidates
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema
from onethinker_eval.answers.values import MAX_LINE_CHARS, UnreadableError, note

__all__ = ["LETTER", "option_texts"]

_LABEL = re.compile(r"\s{0,8}\(?([A-Z])\s?[.):：、．]\s{0,8}")
_WRAP = r"[\s*_\"'(\[{$\\:：]{0,12}"
_FILLER = r"(?:\s{0,4}(?i:option|choice|letter)(?![A-Za-z]))?"
_CUED = re.compile(
    rf"(?<![A-Za-z]){CUE}[*_]{{0,2}}{CUE_VERB}?{_FILLER}{_WRAP}([A-Z])(?![A-Za-z0-9'’])"
)
_FINAL = re.compile(r"(?i:final\s{1,4}answer)")
_LEADING = re.compile(
    r"[\[(*]{0,3}([A-Za-z])\s{0,2}(?:[.)\]:：、,]|(?<=\n)|\s[-–—]|\*\*|\s(?=(?:because|since|as|is)\b))\s{0,4}",
    re.DOTALL,
)
_ALONE = re.compile(r"(?<![A-Za-z0-9'’])([A-Z])(?![A-Za-z0-9'’])")
_SEVERAL = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]\s{0,3}(?:,|/|&|\+|and|or|y|und|et|和|或|、)\s{0,3}[A-Z](?![A-Za-z0-9])"
)
_NEGATED = re.compile(
    r"(?i:\b(?:not|never|neither|nor|isn't|cannot|except|wrong|incorrect|rather than|instead of)\b)"
)
_LETTER_COMMAND = re.compile(r"\\[a-zA-Z]{3,12}\s?\{")
_WORDS = re.compile(r"\w+")
_ARTICLE = re.compile(r"\s[a-z]")
_SCALAR_KEYS = ("answer", "option", "choice", "letter", "final_answer", "label", "result")


@lru_cache(maxsize=4096)
def option_texts(options: tuple[str, ...]) -> dict[str, str]:
    """Map letters to option texts; labels such as "B." are taken off when every option has one.

    Examples:
        >>> option_texts(("A. red", "B. blue"))
        {'A': 'red', 'B': 'blue'}
        >>> option_texts(("red", "blue"))
        {'A': 'red', 'B': 'blue'}
    """
    labels = [_LABEL.match(option) for option in options]
    if all(labels):
        letters = [label[1] for label in labels if label]
        if len(set(letters)) == len(letters):
            return {
                label[1]: option[label.end() :].strip()
                for label, option in zip(labels, options, strict=True)
                if label
            }
    return dict(zip(ascii_uppercase, (option.strip() for option in options), strict=False))


def _allowed(context: Context) -> str:
    return "".join(option_texts(context.options)) if context.options else ascii_uppercase


def _strict(text: str, context: Context = NO_CONTEXT) -> str:
    if len(text) != 1 or not "A" <= text <= "Z":
        raise UnreadableError("wrong_schema")
    if context.options and text not in option_texts(context.options):
        raise UnreadableError("out_of_range")
    return text


def _paper(text: str, context: Context, notes: list[str]) -> str:
    """The first character, in upper case."""
    letter = text[0].upper()
    if len(letter) != 1 or not "A" <= letter <= "Z":
        raise UnreadableError("wrong_schema")
    if len(text) > 1:
        notes.append("first_character")
    elif letter != text:
        notes.append("lower_case")
    if context.options and letter not in option_texts(context.options):
        notes.append("outside_options")
    return letter


def _official(text: str, context: Context, notes: list[str]) -> str:
    """The letter when the text is plainly one, else the text for the benchmark's own rule."""
    bare = text.strip(" .()[]{},:;!*#\n\t")
    if len(bare) == 1 and "A" <= bare <= "Z":
        if bare != text:
            notes.append("markdown")
        return _strict(bare, context)
    notes.append("free_text")
    return text


def _repaired(text: str, context: Context, notes: list[str]) -> str:
    plain = normalise(text, notes)
    if "\\boxed" in plain:
        inner = boxed(plain)
        if inner:
            notes.append("boxed")
            plain = inner
    plain = unfence(plain, notes).strip()
    if plain[:1] in ("{", "[") and ('"' in plain or "'" in plain):
        plain = _from_json(plain, notes)
    plain = unlatex(peel(plain, notes), notes)
    if "\\" in plain:
        plain = _LETTER_COMMAND.sub("{", plain)
    plain = peel(plain, notes)
    if not plain:
        raise UnreadableError("empty")
    letter = _read(plain, context, notes)
    if letter not in _allowed(context):
        raise UnreadableError("out_of_range")
    return letter


def _from_json(text: str, notes: list[str]) -> str:
    found = candidates(text)
    value = found[0][0] if len(found) == 1 else None
    if isinstance(value, dict):
        keys = [key for key in value if key.lower() in _SCALAR_KEYS] or list(value)
        value = value[keys[0]] if len(keys) == 1 else None
    if isinstance(value, list):
        if len(value) > 1:
            raise UnreadableError("ambiguous")
        value = value[0] if value else None
    if not isinstance(value, str):
        return text
    notes.append("json_wrapped")
    return peel(value, notes)


def _read(text: str, context: Context, notes: list[str]) -> str:
    """Try the readings from the plainest to the loosest; the first that applies decides."""
    bare = text.strip(" .()[]{}:*#")
    if bare != text and len(bare) == 1:
        note(notes, "markdown")
        text = bare
    if len(text) == 1 and text.isascii() and text.isalpha():
        if text.islower():
            notes.append("lower_case")
        return text.upper()
    texts = option_texts(context.options) if context.options else {}
    exact = [letter for letter, option in texts.items() if _same(option, text)]
    if len(exact) == 1:
        notes.append("option_text")
        return exact[0]
    cues = list(_CUED.finditer(text))
    cued = {match[1] for match in cues}
    if any(_SEVERAL.match(text, match.start(1)) for match in cues):
        raise UnreadableError("ambiguous")
    if len(cued) == 1:
        notes.append("answer_cue")
        return cued.pop()
    if len(cued) > 1:
        return _final(text, notes)
    if _SEVERAL.match(text):
        raise UnreadableError("ambiguous")
    leading = _LEADING.match(text)
    if leading and leading.end() < len(text) and leading[1].isupper():
        return _labelled(leading[1], text[leading.end() :], texts, notes)
    if texts:
        named = _named_option(text, texts)
        if named:
            notes.append("option_text")
            return named
    return _lone_letter(text, notes)


def _final(text: str, notes: list[str]) -> str:
    """Of contradicting announcements only one marked as final counts."""
    marks = [match.start() for match in _FINAL.finditer(text)]
    cued = {match[1] for match in _CUED.finditer(text, marks[-1])} if marks else set()
    if len(cued) != 1:
        raise UnreadableError("ambiguous")
    notes.append("answer_cue")
    return cued.pop()


def _same(option: str, text: str) -> bool:
    return bool(option) and _fold(option) == _fold(text)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'`*()[]")


def _labelled(letter: str, rest: str, texts: dict[str, str], notes: list[str]) -> str:
    """A letter and a remark; the remark must not be another option's text."""
    other = [name for name, option in texts.items() if _same(option, rest)]
    if other and letter not in other:
        raise UnreadableError("ambiguous")
    others = {match[1] for match in _ALONE.finditer(rest)} - {letter, "A", "I"}
    if others & set(texts or ascii_uppercase) and not _NEGATED.search(rest):
        raise UnreadableError("ambiguous")
    notes.append("letter_with_text")
    return letter


def _named_option(text: str, texts: dict[str, str]) -> str | None:
    """The only option whose words stand in the text, longer options hiding those inside them."""
    words = f" {' '.join(_WORDS.findall(text.casefold()))} "
    found: dict[str, str] = {}
    for letter, option in texts.items():
        needle = f" {' '.join(_WORDS.findall(option.casefold()))} "
        if needle.strip() and needle in words:
            found[letter] = needle
    for letter in sorted(found, key=lambda name: len(found[name])):
        longer = [other for other in found if other != letter and found[letter] in found[other]]
        if longer and words.count(found[letter]) == words.count(found[longer[0]]):
            del found[letter]
    if len(found) > 1 or (found and _NEGATED.search(text)):
        raise UnreadableError("ambiguous")
    return next(iter(found), None)


def _lone_letter(text: str, notes: list[str]) -> str:
    """One capital that stands alone at the edge of a short text."""
    letters = [
        match
        for match in _ALONE.finditer(text)
        if not (match[1] in "AI" and _ARTICLE.match(text, match.end()))
    ]
    distinct = {match[1] for match in letters}
    if len(distinct) > 1:
        raise UnreadableError("ambiguous")
    if not letters:
        raise UnreadableError("wrong_schema")
    last = letters[-1]
    after = text[last.end() :].strip(" .!*)\"'")
    if _NEGATED.search(text):
        raise UnreadableError("ambiguous")
    words = len(text.split())
    if words > 8 or (after and not (letters[0].start() <= 2 and words <= 4)):
        raise UnreadableError("ambiguous")
    notes.append("letter_in_text")
    return last[1]


LETTER = Schema(_strict, _official, _paper, _repaired, MAX_LINE_CHARS)
