"""Reader of numerical and regression answers: one finite number."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from onethinker_eval.answers.cleaning import (
    CUE,
    after_cue,
    boxed,
    normalise,
    peel,
    unfence,
    unlatex,
)
from onethinker_eval.answers.json_repair import candidates
from onethinker_eval.answers.numerals import digits_value, finite, plain_number, spoken_number
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema
from onethinker_eval.answers.values import MAX_LINE_CHARS, UnreadableError

__all__ = ["NUMBER"]

_TOKEN = re.compile(
    r"(?P<sign>(?<![\w.,)\]}%])[-+–—])?(?:[$€£¥₹]\s?(?P<inner>-)?)?(?<![A-Za-z0-9_.,])"
    r"(?P<digits>[0-9]{1,3}(?:[ '’_\u00a0\u202f][0-9]{3})+(?![0-9])(?:[.,][0-9]+)?"
    r"|[0-9]+(?:[.,][0-9]+)*|\.[0-9]+)(?P<exp>[eE][-+]?[0-9]{1,3}(?!\w))?"
    r"(?![A-Za-z]{1,3}[0-9])(?![_²³¹⁰-⁹^π√])"
)
_POWER = re.compile(
    r"(?P<number>[-+]?[0-9]+(?:\.[0-9]+)?)\s?(?:x|\*|×|·|\\times|\\cdot)\s?10\s?"
    r"(?:\^|\*\*)\s?\{?\(?(?P<exp>[-+]?[0-9]{1,3})\)?\}?"
)
_SUPERSCRIPT = re.compile(
    r"(?P<number>[-+]?[0-9]+(?:\.[0-9]+)?)\s?[x×·*]\s?10(?P<exp>[⁻⁺]?[⁰¹²³⁴-⁹]{1,3})"
)
_RAISED = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "-+0123456789")
_FRACTION = re.compile(
    r"(?P<sign>[-+])?\s?(?:\\[dt]?frac\s?\{\s?(?P<a>[0-9]{1,15})\s?\}\s?\{\s?(?P<b>[0-9]{1,15})\s?\}"
    r"|(?P<c>[0-9]{1,15})\s?/\s?(?P<d>[0-9]{1,15}))"
)
_SCALE = re.compile(r"\s?(thousand|million|billion|trillion)(?![A-Za-z])", re.IGNORECASE)
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_HEDGED = re.compile(
    r"[<>≤≥±]|(?i:\b(?:more than|less than|fewer than|at least|at most|not|between|either|or|"
    r"cannot|can't|couldn't)\b)"
)
_SYMBOLIC = re.compile(r"[π√∞]|\\(?:pi|sqrt|infty|log|ln|sin|cos|tan)(?![a-z])")
_AFTER_CUE = re.compile(rf"{CUE}(?:\s{{1,4}}is|\s{{0,4}}[:=])\s{{0,4}}[*$]{{0,2}}")
_MAX_NUMBERS = 64
_SCALAR_KEYS = ("answer", "value", "number", "result", "final_answer", "count")
_EQUALS = re.compile(r"=|≈|≃|\\approx")


def _strict(text: str, context: Context = NO_CONTEXT) -> float:
    return plain_number(text)


def _official(text: str, context: Context, notes: list[str]) -> float:
    return _strict(text)


def _paper(text: str, context: Context, notes: list[str]) -> float:
    """What float() makes of the text once its commas are gone."""
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        raise UnreadableError("not_a_number") from None
    value = finite(value)
    notes.append("float_text")
    return value


def _repaired(text: str, context: Context, notes: list[str]) -> float:
    plain = normalise(text, notes)
    if context.unfinished(plain) and boxed(plain) is None:
        raise UnreadableError("truncated")
    if "\\boxed" in plain:
        inner = boxed(plain)
        if inner is not None:
            notes.append("boxed")
            plain = inner
    plain = unfence(plain, notes).strip()
    if plain[:1] in ("{", "[") or (":" in plain and '"' in plain):
        return _from_json(plain, notes)
    plain = peel(plain, notes)
    plain = peel(unlatex(after_cue(plain, notes), notes), notes)
    if not plain:
        raise UnreadableError("empty")
    return _from_line(plain, notes)


def _from_json(text: str, notes: list[str]) -> float:
    found = candidates(text if text[0] in "{[" else "{" + text + "}")
    if len(found) != 1:
        raise UnreadableError("wrong_schema")
    value, repairs = found[0]
    notes += [name for name in repairs if name not in notes]
    if isinstance(value, dict):
        keys = [key for key in value if key.lower() in _SCALAR_KEYS] or list(value)
        value = value[keys[0]] if len(keys) == 1 else value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    notes.append("json_wrapped")
    return _from_scalar(value, notes)


def _from_scalar(value: Any, notes: list[str]) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return finite(value)
    if isinstance(value, str):
        notes.append("numeric_string")
        return _from_line(value.strip(), notes)
    raise UnreadableError(
        "ambiguous" if isinstance(value, (list, dict)) and value else "not_a_number"
    )


def _from_line(text: str, notes: list[str]) -> float:
    """Read one number from a line: exact forms first, then the only number of the prose."""
    if text[:1] in ("–", "—") and text[1:2].isdigit():
        text = "-" + text[1:]
        notes.append("unicode_marks")
    try:
        return plain_number(text)
    except UnreadableError:
        pass
    exact = _exact(text, notes)
    if exact is not None:
        return exact
    if not any(char.isdigit() for char in text):
        raise UnreadableError("not_a_number")
    if _SYMBOLIC.search(text):
        raise UnreadableError("not_a_number")
    if _HEDGED.search(text):
        raise UnreadableError("ambiguous")
    pieces = _EQUALS.split(text)
    if len(pieces) > 1 and pieces[-1].strip():
        return _right_hand_side(pieces[-1].strip(), notes)
    return _only_number(text, notes)


def _right_hand_side(text: str, notes: list[str]) -> float:
    notes.append("equation")
    exact = _exact(text, notes)
    return _only_number(text, notes) if exact is None else exact


def _exact(text: str, notes: list[str]) -> float | None:
    """Read a fraction, a power of ten or a number word that is the whole text."""
    match = _FRACTION.fullmatch(text)
    if match:
        below = int(match["b"] or match["d"])
        if below == 0:
            raise UnreadableError("not_a_number")
        notes.append("fraction")
        value = int(match["a"] or match["c"]) / below
        return -value if match["sign"] == "-" else value
    match = _POWER.fullmatch(text) or _SUPERSCRIPT.fullmatch(text)
    if match:
        notes.append("power_of_ten")
        exponent = match["exp"].translate(_RAISED)
        return finite(float(f"{match['number']}e{exponent}"))
    word = spoken_number(text)
    if word is not None:
        notes.append("number_word")
    return word


def _only_number(text: str, notes: list[str]) -> float:
    tokens = list(islice(_TOKEN.finditer(text), _MAX_NUMBERS + 1))
    if not tokens:
        raise UnreadableError("not_a_number")
    if len(tokens) > _MAX_NUMBERS:
        raise UnreadableError("ambiguous")
    if len(tokens) > 1:
        return _announced(text, tokens, notes)
    return _token_value(text, tokens[0], notes)


def _announced(text: str, tokens: list[re.Match[str]], notes: list[str]) -> float:
    """Of several numbers take those that follow "the answer is", when they agree."""
    starts = {match.end() for match in _AFTER_CUE.finditer(text)}
    taken = [token for token in tokens if token.start() in starts]
    values: dict[float, list[str]] = {}
    for token in taken or tokens:
        repairs: list[str] = []
        values.setdefault(_token_value(text, token, repairs), repairs)
    if len(values) != 1:
        raise UnreadableError("ambiguous")
    ((value, repairs),) = values.items()
    notes += (["answer_cue"] if taken else []) + repairs
    return value


def _token_value(text: str, token: re.Match[str], notes: list[str]) -> float:
    mantissa = digits_value(token["digits"], notes)
    value = finite(float(f"{mantissa!r}{token['exp']}")) if token["exp"] else mantissa
    if (token["sign"] or "+")[0] in "-–—" or token["inner"]:
        value = -value
    after = text[token.end() :]
    scale = _SCALE.match(after)
    if scale:
        notes.append("scale_word")
        value = finite(value * _SCALES[scale[1].lower()])
        after = after[scale.end() :]
    if after[:2].strip()[:1] == "%" or after.lstrip().lower().startswith("percent"):
        notes.append("percent")
        after = after.lstrip().removeprefix("%").removeprefix("percent")
    before = text[: token.start()].strip()
    if before[-1:] in ("-", "–", "—"):
        raise UnreadableError("ambiguous")
    if token.group()[:1] in "$€£¥₹" or after.strip(" ."):
        notes.append("unit" if len(after.split()) <= 1 else "trailing_text")
    if before:
        notes.append("leading_text")
    return value


NUMBER = Schema(_strict, _official, _paper, _repaired, MAX_LINE_CHARS)
