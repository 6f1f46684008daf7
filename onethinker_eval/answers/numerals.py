"""Numbers and times as people write them: separators, units, fractions, clocks.

Nothing is computed that the text does not say; where two readings are possible the functions
refuse with `ambiguous` instead of choosing.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from onethinker_eval.answers.values import UnreadableError

__all__ = [
    "TimeToken",
    "digits_value",
    "finite",
    "plain_number",
    "seconds_value",
    "spoken_number",
    "time_tokens",
]

_PLAIN = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_INDIAN = re.compile(r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?")
_SPACED = re.compile(r"[0-9]{1,3}(?:[ '’_\u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?")
_CONTINENTAL = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3}){2,}")
_COMMA = re.compile(r"[0-9]+,[0-9]+")

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: float(value) for value, word in enumerate(_ONES)}
_WORDS.update({word: 10.0 * value for value, word in enumerate(_TENS, start=2)})
_WORDS.update({"hundred": 100.0, "thousand": 1000.0, "dozen": 12.0, "half": 0.5})

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_UNIT_NAMES = (
    ("ms", r"ms|milli-?seconds?|msecs?"),
    ("min", r"mins?|minutes?|minuten?|minutos?|分钟|分鐘|分|мин|분|m"),
    ("h", r"hours?|hrs?|stunden?|horas?|heures?|小时|小時|h"),
    ("s", r"seconds?|secs?|sekunden?|secondes?|segundos?|secondi|秒钟|秒|сек|초|s"),
)
_UNIT = "|".join(f"(?P<u_{name}>{words})" for name, words in _UNIT_NAMES)
_NOT_TIME = r"(?P<bad>frames?|fps|px|pixels?|%|percent|帧)"
_TIME = re.compile(
    r"(?<![A-Za-z0-9_.:])(?:"
    r"(?P<clock>[0-9]{1,3}:[0-9]{1,2}(?::[0-9]{1,2})?(?:\.[0-9]{1,9})?)(?![\d:])"
    r"|(?:(?P<ch>[0-9]{1,3})\s?(?:h|hrs?|hours?)\s?)?"
    r"(?P<cm>[0-9]{1,4})\s?(?:min|mins|minutes?|m|分钟|分)(?:\s?and)?\s?"
    r"(?P<cs>[0-9]{1,2}(?:\.[0-9]{1,9})?)\s?(?:seconds?|secs?|s|秒)(?![A-Za-z])"
    r"|(?P<number>[0-9]{1,12}(?:[.,][0-9]{1,12})?)(?![\d])"
    rf"(?:\s{{0,2}}-?(?:{_NOT_TIME}|(?:{_UNIT}))(?![A-Za-z]))?"
    r")",
    re.IGNORECASE,
)


class TimeToken(NamedTuple):
    """One time in a text: value in `unit`, the unit's name or None, and where it stands."""

    value: float
    unit: str | None
    start: int
    end: int

    @property
    def seconds(self) -> float:
        """The time in seconds; a number without unit counts as seconds."""
        return self.value * _SECONDS[self.unit] if self.unit in _SECONDS else self.value


def finite(value: float | int) -> float:
    """Return a finite float or refuse.

    Examples:
        >>> finite(3)
        3.0
    """
    try:
        number = float(value)
    except OverflowError:
        raise UnreadableError("not_a_number") from None
    if not math.isfinite(number):
        raise UnreadableError("not_a_number")
    return number


def plain_number(text: str) -> float:
    """Read an ASCII decimal number such as -3, 2.50 or 1e-3, and nothing else.

    Examples:
        >>> plain_number("-2.50")
        -2.5
    """
    if _PLAIN.fullmatch(text) is None:
        raise UnreadableError("not_a_number")
    return finite(float(text))


def digits_value(token: str, notes: list[str]) -> float:
    """Read an unsigned number with any common separators.

    Examples:
        >>> digits_value("1,234.5", []), digits_value("3,14", []), digits_value("1.234,5", [])
        (1234.5, 3.14, 1234.5)
    """
    if _PLAIN.fullmatch(token):
        return finite(float(token))
    if (_THOUSANDS.fullmatch(token) and token[0] != "0") or _INDIAN.fullmatch(token):
        notes.append("thousands_separator")
        return finite(float(token.replace(",", "")))
    if _SPACED.fullmatch(token):
        notes.append("thousands_separator")
        return finite(float(re.sub(r"[ '’_\u00a0\u202f]", "", token).replace(",", ".")))
    if _CONTINENTAL.fullmatch(token):
        notes.append("thousands_separator")
        return finite(float(token.replace(".", "").replace(",", ".")))
    if _COMMA.fullmatch(token):
        notes.append("decimal_comma")
        return finite(float(token.replace(",", ".")))
    raise UnreadableError("not_a_number")


def spoken_number(text: str) -> float | None:
    """Read one English number word, or tens and ones; None for anything else.

    Examples:
        >>> spoken_number("Twenty-one"), spoken_number("no one")
        (21.0, None)
    """
    words = text.lower().replace("-", " ").split()
    if len(words) == 1:
        return _WORDS.get(words[0])
    if len(words) == 2 and words[0] in _TENS and words[1] in _ONES[1:10]:
        return _WORDS[words[0]] + _WORDS[words[1]]
    if len(words) == 2 and words[0] in ("a", "one") and words[1] in ("hundred", "dozen", "half"):
        return _WORDS[words[1]]
    return None


def _clock_seconds(text: str) -> float:
    parts = text.split(":")
    if any(float(part) >= 60 for part in parts[1:]):
        raise UnreadableError("not_a_number")
    total = 0.0
    for part in parts:
        total = total * 60 + float(part)
    return total


def time_tokens(text: str, notes: list[str]) -> list[TimeToken]:
    """Return all times of a text in order.

    Raises:
        UnreadableError: `wrong_unit` for frames, pixels or percent; `not_a_number` for a clock
            such as 1:75; `too_long` for more than 2,000 numbers.

    Examples:
        >>> [token.seconds for token in time_tokens("from 1:05 to 2 min 10 s", [])]
        [65.0, 130.0]
    """
    tokens: list[TimeToken] = []
    for match in _TIME.finditer(text):
        if match["bad"]:
            raise UnreadableError("wrong_unit")
        if len(tokens) >= 2000:
            raise UnreadableError("too_long")
        tokens.append(_time_token(match, notes))
    return tokens


def _time_token(match: re.Match[str], notes: list[str]) -> TimeToken:
    if match["clock"]:
        notes.append("clock_time")
        return TimeToken(_clock_seconds(match["clock"]), "clock", match.start(), match.end())
    if match["cm"]:
        notes.append("unit")
        value = 3600.0 * int(match["ch"] or 0) + 60.0 * int(match["cm"]) + float(match["cs"])
        return TimeToken(value, "clock", match.start(), match.end())
    number = match["number"]
    if "," in number:
        notes.append("decimal_comma")
    unit = next((name for name, _ in _UNIT_NAMES if match[f"u_{name}"]), None)
    if unit is not None:
        notes.append("unit")
    return TimeToken(float(number.replace(",", ".")), unit, match.start(), match.end())


def seconds_value(text: str, notes: list[str]) -> float:
    """Read a text that holds one time and nothing else, in seconds.

    Examples:
        >>> seconds_value("00:12.5", []), seconds_value("2 min", [])
        (12.5, 120.0)
    """
    text = text.strip()
    if text.startswith("-") and text[1:].lstrip()[:1].isdigit():
        raise UnreadableError("out_of_range")
    try:
        return plain_number(text)
    except UnreadableError:
        pass
    tokens = time_tokens(text, notes)
    if (
        len(tokens) != 1
        or text[: tokens[0].start].strip("~≈=t ")
        or text[tokens[0].end :].strip(". ")
    ):
        raise UnreadableError("not_a_number")
    return tokens[0].seconds
