"""A normal form for short mathematical answers, compared as text.

It removes what a typesetter adds and readers ignore: delimiters, spacing commands, text
wrappers, percent and degree signs, units at the end, thousands separators, a leading "x =",
and writes fractions and roots in one way. It computes nothing: 1/2 and 2/4 stay different.
The aim is that of the string stage of mathruler (after the MATH data set's own check), the
fallback in OneThinker's chain; the rules here are our own.
"""

from __future__ import annotations

import re

__all__ = ["normal_form"]

_DELIMITERS = re.compile(r"^(?:\$\$(.*)\$\$|\$(.*)\$|\\\((.*)\\\)|\\\[(.*)\\\])$", re.DOTALL)
_BOXED = re.compile(r"^\\boxed\s*\{(.*)\}$", re.DOTALL)
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}"
)
_SPACING = re.compile(r"\\[,;:!> ]|\\(?:quad|qquad|left|right|displaystyle)(?![A-Za-z])|~")
_DEGREES = re.compile(r"\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![A-Za-z])|\\degree(?![A-Za-z])|°")
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_ASSIGNED = re.compile(r"^[A-Za-z]\s*=(?!=)")
_FRACTION_OF_DIGITS = re.compile(r"\\frac\s*([0-9])\s*([0-9])(?![0-9])")
_FRACTION = re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}")
_ROOT_OF_DIGIT = re.compile(r"\\sqrt\s*([0-9A-Za-z])")
_PLAIN_ROOT = re.compile(r"\\sqrt\{([^{}]*)\}")
_SIMPLE = re.compile(r"-?[0-9A-Za-z.]+")
_UNITS = re.compile(
    r"(?<=[0-9])\s*(?:degrees?|centimet(?:er|re)s?|met(?:er|re)s?|inch(?:es)?|foot|feet|yards?|"
    r"miles?|seconds?|minutes?|hours?|days?|weeks?|months?|years?|cm|mm|km|kg|units?)"
    r"(?:\s*\^\s*\{?[0-9]\}?)?\.?$",
    re.IGNORECASE,
)
_TRAILING_ZEROS = re.compile(r"(?<![0-9.])([0-9]+)\.0+(?![0-9])")
_LEADING_POINT = re.compile(r"(?<![0-9])\.(?=[0-9])")
_MAX_LAYERS = 8


def normal_form(text: str) -> str:
    r"""Return the normal form of an answer; two answers with the same form are the same.

    >>> normal_form(r"$x = \dfrac{1}{2}$"), normal_form("1/2")
    ('1/2', '1/2')
    >>> normal_form(r"\text{Red}"), normal_form("1,200.0 cm"), normal_form(r"\sqrt3")
    ('red', '1200', 'sqrt(3)')
    """
    text = _unwrapped(text.strip())
    text = text.replace("\\\\", "\\").replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac")
    text = _SPACING.sub(" ", text)
    text = _DEGREES.sub("", text)
    text = _TEXT.sub(r" \1 ", text)
    text = text.replace("\\%", "").replace("%", "").replace("\\$", "").replace("$", "")
    text = _THOUSANDS.sub("", text.strip())
    text = _ASSIGNED.sub("", text)
    text = _UNITS.sub("", text.strip().rstrip("."))
    text = _fractions_and_roots(text)
    text = _LEADING_POINT.sub("0.", text)
    text = _TRAILING_ZEROS.sub(r"\1", text)
    return "".join(text.split()).lower()


def _unwrapped(text: str) -> str:
    """Take off dollar signs, brackets and boxes around the whole of `text`."""
    for _ in range(_MAX_LAYERS):
        found = _DELIMITERS.match(text) or _BOXED.match(text)
        if not found:
            break
        text = next(group for group in found.groups() if group is not None).strip()
    return text


def _fractions_and_roots(text: str) -> str:
    r"""Write `\frac{a}{b}` as a/b and `\sqrt{a}` as sqrt(a), from the inside out."""
    text = _FRACTION_OF_DIGITS.sub(r"\\frac{\1}{\2}", text)
    text = _ROOT_OF_DIGIT.sub(r"\\sqrt{\1}", text)
    for _ in range(_MAX_LAYERS):
        before = text
        text = _PLAIN_ROOT.sub(lambda root: f"sqrt({root[1].strip()})", text)
        text = _FRACTION.sub(
            lambda part: f"{_grouped(part[1].strip())}/{_grouped(part[2].strip())}", text
        )
        if text == before:
            break
    return text


def _grouped(part: str) -> str:
    """Put brackets around all but a single number or name."""
    return part if _SIMPLE.fullmatch(part) else f"({part})"
