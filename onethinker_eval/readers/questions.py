"""Questions from tables of columns: what VLMEvalKit's TSV files and the hub's data sets share.

A question is one of four kinds: `choice` (letters; without options it is open, as in MMMU),
`mathvista` (choice, number or list by `question_type` and `answer_type`), `mathverse` (choices
inside the question) and `caption`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onethinker_eval.readers.fields import LETTERS, Place, absent, lettered, strip_tags
from onethinker_eval.records import Medium, Record

__all__ = ["KINDS", "Question", "letter_of", "literal_list", "options_inside", "record_of"]

KINDS = ("choice", "mathvista", "mathverse", "caption")
_CHOICE_LINE = re.compile(r"^\s*\(?([A-H])\s*[:.)]\s*(\S.*)$", re.MULTILINE)
_CHOICE_KINDS = ("multi_choice", "multi-choice", "multiple-choice", "multiple choice")


@dataclass(slots=True)
class Question:
    """The raw pieces of one question, before they are checked."""

    id: str
    question: str
    answer: Any
    media: tuple[Medium, ...]
    cluster: str
    options: Sequence[str] = ()
    hint: str = ""
    question_type: str = ""
    answer_type: str = ""
    answer_as: str = "letter"
    options_in_question: bool = False
    meta: dict[str, Any] = field(default_factory=dict)


def record_of(raw: Question, kind: str, data_type: str, place: Place) -> Record:
    """Return the record of a question; raises `DataError` naming the field at fault."""
    problem_type, options, truth = _kinds(raw, kind, place)
    question = strip_tags(raw.question)
    meta = dict(raw.meta)
    if options and (raw.options_in_question or options_inside(options, question)):
        meta["options_in_question"] = True
    if raw.hint:
        question = f"Hint: {raw.hint}\n{question}"
    if not question.strip():
        raise place.error("missing or empty", "question")
    return Record(
        id=raw.id,
        problem_type=problem_type,
        data_type=data_type,
        question=question,
        media=raw.media,
        truth=truth,
        options=options,
        cluster=raw.cluster or raw.id,
        meta=meta,
        origin=place.origin,
    )


def _kinds(raw: Question, kind: str, place: Place) -> tuple[str, tuple[str, ...], Any]:
    """Return (problem type, options, truth)."""
    if kind == "caption":
        return "caption", (), _text(raw.answer, place)
    if kind == "mathvista":
        return _mathvista(raw, place)
    if kind == "mathverse":
        return _mathverse(raw, place)
    options = lettered(raw.options)
    if not options:  # an open question: VLMEvalKit scores it as a choice with the truth as option
        open_kind = "multiple choice" if raw.question_type not in ("open", "numerical") else ""
        return open_kind or "numerical", (), _text(raw.answer, place)
    return "multiple choice", options, letter_of(raw.answer, options, raw.answer_as, place)


def _mathvista(raw: Question, place: Place) -> tuple[str, tuple[str, ...], Any]:
    if raw.question_type in _CHOICE_KINDS:
        options = lettered(raw.options)
        if not options:
            raise place.error("a multiple choice question without choices", "choices")
        return "multiple choice", options, letter_of(raw.answer, options, raw.answer_as, place)
    number = raw.answer_type in ("integer", "float")
    return ("numerical" if number else "math"), (), _text(raw.answer, place)


def _mathverse(raw: Question, place: Place) -> tuple[str, tuple[str, ...], Any]:
    truth = _text(raw.answer, place)
    if raw.question_type not in _CHOICE_KINDS:
        return "math", (), truth
    found = {letter: text.strip() for letter, text in _CHOICE_LINE.findall(raw.question)}
    letters = LETTERS[: len(found)]
    options = tuple(f"{letter}. {found[letter]}" for letter in letters if letter in found)
    if len(options) != len(found):
        options = ()
    return "multiple choice", options, letter_of(truth, options, "letter", place)


def _text(value: Any, place: Place) -> str:
    return place.text({"answer": value}, "answer")


def letter_of(answer: Any, options: Sequence[str], given_as: str, place: Place) -> str:
    """Return the right letter from a letter, a 0-based index or an option's text.

    Raises `DataError` if the answer is none of the options.
    """
    text = _text(answer, place).strip()
    if given_as == "index":
        place_of = int(text) if re.fullmatch(r"\d{1,2}", text) else -1
        if 0 <= place_of < len(options):
            return LETTERS[place_of]
    elif given_as == "text":
        texts = [option.partition(". ")[2].strip() for option in options]
        if text in texts:
            return LETTERS[texts.index(text)]
    match = re.fullmatch(r"\(?([A-Za-z])\)?[.:]?", text)
    if match and given_as != "index":
        letter = match[1].upper()
        if not options or any(option.startswith(letter) for option in options):
            return letter
    shown = ", ".join(option[:20] for option in options)
    raise place.error(f"the answer {text[:40]!r} is none of the options ({shown})", "answer")


def options_inside(options: Sequence[str], question: str) -> bool:
    """Return whether the question already spells out its choices, lettered as "A. text"."""
    if not options or not re.search(r"\b(choices|options)\b", question, re.IGNORECASE):
        return False
    return all(option.partition(". ")[2].strip() in question for option in options)


def literal_list(value: Any, place: Place, field_name: str) -> list[str]:
    """Return a list of texts from a list, a mapping by letter, or the text of a Python list."""
    if absent(value):
        return []
    found = value
    if isinstance(value, str):
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise place.error("expected a list of texts", field_name) from error
    if isinstance(found, Mapping):
        found = [found[key] for key in sorted(found) if not absent(found[key])]
    if hasattr(found, "tolist"):
        found = found.tolist()
    if not isinstance(found, (list, tuple)) or len(found) > len(LETTERS):
        raise place.error("expected a list of at most 26 texts", field_name)
    kept = [str(item) for item in found]
    while kept and kept[-1].strip() in ("", "N/A", "nan"):
        kept.pop()
    return kept
