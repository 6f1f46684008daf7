"""Read JSON strictly and fast, or tolerantly as models write it; nothing is ever evaluated.

`strict_json` accepts what `json.loads` accepts. `candidates` also reads single quotes, bare keys,
trailing or missing commas, comments, tuples, Python constants, `=`, ellipses and brackets that are
never closed. Nesting is limited to `MAX_DEPTH`; time is linear in the text.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

from onethinker_eval.answers.cleaning import boxed, normalise, unfence
from onethinker_eval.answers.values import MAX_STRUCTURED_CHARS, UnreadableError

__all__ = ["MAX_DEPTH", "Candidate", "candidates", "strict_json"]

MAX_DEPTH = 32
_MAX_CANDIDATES = 16
_BLANK = " \t\r\n\u00a0\ufeff"
_UNQUOTED = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_OPEN = {"{": "}", "[": "]", "(": ")"}
_CONSTANTS: Final[dict[str, Any]] = {"true": True, "false": False, "none": None, "null": None}
_CUT: Final = object()
"""Stands for a value that the end of a cut-off reply may have shortened."""

Candidate = tuple[Any, tuple[str, ...]]


def strict_json(text: str) -> Any:
    """Return the value of JSON text, exactly where `json.loads` would.

    Raises:
        UnreadableError: not JSON, too deep, or with an integer beyond Python's digit limit.

    Examples:
        >>> strict_json('{"time": [1, 2.5]}')
        {'time': [1, 2.5]}
    """
    if len(text) > MAX_STRUCTURED_CHARS:
        raise UnreadableError("too_long")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # orjson refuses some texts that json.loads takes: NaN, lone surrogates, 1e400.
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableError("wrong_schema") from None


def candidates(text: str, *, cut: bool = False) -> list[Candidate]:
    """Return the JSON values found in a text with the repairs each one took.

    Args:
        text: an answer or a whole reply, at most `MAX_STRUCTURED_CHARS` long.
        cut: the text ends where generation stopped, so its last value may be incomplete.

    Raises:
        UnreadableError: the text is too long.

    Examples:
        >>> candidates("It is {'time': [1, 2,]}.")
        [({'time': [1, 2]}, ('json_syntax', 'leading_text', 'trailing_text'))]
        >>> candidates('{"boxes": {"1": [1, 2, 3, 4], "2": [5, 6', cut=True)
        [({'boxes': {'1': [1, 2, 3, 4]}}, ('dropped_tail', 'closed_brackets'))]
    """
    try:
        return _unwrap_string(_shallow(strict_json(text)), ())
    except UnreadableError as refusal:
        if refusal.code == "too_long":
            raise
    notes: list[str] = []
    plain = normalise(text, notes)
    if "\\boxed" in plain:
        inner = boxed(plain)
        if inner is not None and ("{" in inner or "[" in inner):
            plain = inner
            notes.append("boxed")
    if "\\{" in plain:
        plain = plain.replace("\\{", "{").replace("\\}", "}")
        notes.append("latex")
    plain = unfence(plain, notes)
    try:
        return _unwrap_string(_shallow(strict_json(plain)), tuple(notes))
    except UnreadableError:
        return _search(plain, tuple(notes), cut)


def _shallow(value: Any) -> Any:
    """Refuse nesting that the recursive readers should not follow."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return value
    raise UnreadableError("wrong_schema")


def _unwrap_string(value: Any, notes: tuple[str, ...]) -> list[Candidate]:
    if isinstance(value, str) and ("{" in value or "[" in value):
        return _search(value, (*notes, "double_encoded"), cut=False)
    return [(value, notes)]


def _search(text: str, notes: tuple[str, ...], cut: bool) -> list[Candidate]:
    """Read every top-level object or list of a text."""
    found: list[Candidate] = []
    position = 0
    while len(found) < _MAX_CANDIDATES:
        start = min(
            (at for at in (text.find("{", position), text.find("[", position)) if at >= 0),
            default=-1,
        )
        if start < 0:
            break
        reader = _Reader(text, start, cut)
        value = reader.value(0)
        if value is not _CUT:
            more = list(notes) + reader.notes
            if text[:start].strip(_BLANK):
                more.append("leading_text")
            if text[reader.at :].strip(_BLANK):
                more.append("trailing_text")
            found.append((value, tuple(dict.fromkeys(more)) or ("json_syntax",)))
        position = max(reader.at, start + 1)
    return found


class _Reader:
    """A recursive reader with a depth limit; every step moves `at` forward."""

    def __init__(self, text: str, at: int, cut: bool) -> None:
        self.text = text
        self.at = at
        self.cut = cut
        self.notes: list[str] = []

    def note(self, name: str) -> None:
        if name not in self.notes:
            self.notes.append(name)

    def peek(self) -> str:
        """Skip blanks and comments; return the next character, "" at the end."""
        text, end = self.text, len(self.text)
        while self.at < end:
            char = text[self.at]
            if char in _BLANK:
                self.at += 1
            elif text.startswith("//", self.at):
                self.note("json_syntax")
                stop = text.find("\n", self.at)
                self.at = end if stop < 0 else stop
            elif text.startswith("/*", self.at):
                self.note("json_syntax")
                stop = text.find("*/", self.at)
                self.at = end if stop < 0 else stop + 2
            else:
                return char
        return ""

    def value(self, depth: int) -> Any:
        char = self.peek()
        if char in _OPEN and depth >= MAX_DEPTH:
            raise UnreadableError("wrong_schema")
        if char == "{":
            return self.mapping(depth)
        if char in ("[", "("):
            return self.sequence(depth)
        if char in ('"', "'"):
            return self.string(char)
        return self.bare(",;]})\n")

    def mapping(self, depth: int) -> Any:
        self.at += 1
        out: dict[str, Any] = {}
        separated = True
        while True:
            char = self.peek()
            if char == "":
                self.note("closed_brackets")
                return out
            if char == "}":
                self.at += 1
                if separated and out:
                    self.note("json_syntax")
                return out
            if char in ",;)]":
                separated = True
                self.at += 1
                if char != ",":
                    self.note("json_syntax")
                continue
            if not separated:
                self.note("json_syntax")
            self.entry(out, depth)
            separated = False

    def entry(self, out: dict[str, Any], depth: int) -> None:
        """Read one `key: value` into `out`."""
        char = self.text[self.at]
        if char in ('"', "'"):
            key = self.string(char)
        else:
            self.note("json_syntax")
            before = self.at
            key = self.bare(":=,}\n")
            if self.at == before:
                self.at += 1
                return
        mark = self.peek()
        if mark == "=":
            self.note("json_syntax")
            self.at += 1
            if self.peek() == ">":
                self.at += 1
        elif mark == ":":
            self.at += 1
        else:
            if mark == "" and self.cut:
                self.note("dropped_tail")
            else:
                self.note("json_syntax")
            return
        value = self.value(depth + 1)
        if value is _CUT or key is _CUT:
            self.note("dropped_tail")
        else:
            out[str(key)] = value

    def sequence(self, depth: int) -> Any:
        close = _OPEN[self.text[self.at]]
        if close == ")":
            self.note("json_syntax")
        self.at += 1
        out: list[Any] = []
        separated = True
        while True:
            char = self.peek()
            if char == "":
                self.note("closed_brackets")
                return _CUT if self.cut else out
            if char in "]})":
                # A brace that closes the object around stays for it: this list was left open.
                if char == "}" and close != "}":
                    self.note("closed_brackets")
                else:
                    self.at += 1
                if char != close or (separated and out):
                    self.note("json_syntax")
                return out
            if char in ",;":
                separated = True
                self.at += 1
                continue
            if not separated:
                self.note("json_syntax")
            before = self.at
            item = self.value(depth + 1)
            if item is _CUT:
                return _CUT
            separated = False
            if self.at == before:
                self.at += 1
            elif item is not Ellipsis:
                out.append(item)

    def string(self, quote: str) -> Any:
        """Read a quoted string; backslash escapes keep the next character."""
        if quote != '"':
            self.note("json_syntax")
        text, position = self.text, self.at + 1
        plain = _UNQUOTED[quote]
        parts: list[str] = []
        while True:
            piece = plain.match(text, position)
            stop = piece.end() if piece else position
            parts.append(text[position:stop])
            if stop >= len(text):
                self.note("closed_brackets")
                self.at = len(text)
                return _CUT if self.cut else "".join(parts)
            if text[stop] == quote:
                self.at = stop + 1
                return "".join(parts)
            parts.append(text[stop + 1 : stop + 2])
            position = stop + 2

    def bare(self, ends: str) -> Any:
        """Read an unquoted token up to one of `ends`: a number, a constant or a bare word."""
        text, start = self.text, self.at
        stop = start
        while stop < len(text) and text[stop] not in ends:
            if text[stop] == "/" and text[stop + 1 : stop + 2] in ("/", "*"):
                break
            stop += 1
            if stop - start > 200:
                break
        self.at = stop
        token = text[start:stop].strip(_BLANK)
        if stop >= len(text) and self.cut:
            return _CUT
        if token in ("...", "…"):
            self.note("json_syntax")
            return Ellipsis
        if token.lower() in _CONSTANTS:
            if token not in ("true", "false", "null"):
                self.note("json_syntax")
            return _CONSTANTS[token.lower()]
        try:
            return json.loads(token)
        except ValueError:
            self.note("json_syntax")
            return token
