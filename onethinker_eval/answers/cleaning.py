"""Peel what models wrap around a value: fences, LaTeX, Markdown, quotes, cue words.

All functions are linear in the text; regular expressions hold no nested unbounded quantifiers.
"""

from __future__ import annotations

import re
import unicodedata

from onethinker_eval.answers.values import note

__all__ = ["CUE", "CUE_VERB", "after_cue", "boxed", "normalise", "peel", "unfence", "unlatex"]

_FENCE = re.compile(r"```[ \t]{0,4}[A-Za-z0-9_+-]{0,20}[ \t]{0,4}\r?\n?")
_SPECIAL = re.compile(r"<\|[A-Za-z_]{1,24}\|>|</s>")
_LATEX_COMMAND = re.compile(
    r"\\(?:boxed|fbox|text|textbf|mathrm|mathbf|mathit|operatorname)\s{0,4}\{"
)
_PAIRS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "*": "*",
    "_": "_",
    "`": "`",
    "~": "~",
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "「": "」",
    "«": "»",
    "【": "】",
    "『": "』",
}
_MARKS = {
    "−": "-",
    "٫": ".",
    "٬": ",",
    "、": ",",
    "。": ".",
    "．": ".",
    "【": "[",
    "】": "]",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "〜": "~",
    "～": "~",
}

CUE = (
    r"(?i:final\s{1,4}answer|correct\s{1,4}(?:answer|option|choice)|best\s{1,4}answer|answer|ans|"
    r"option|choice|antwort|l[öo]sung|r[ée]ponse|respuesta|opci[óo]n|resposta|opç[ãa]o|risposta|"
    r"antwoord|svaret|svar|odpowied[źz]|cevap|ответ|đáp\s?án|jawaban|उत्तर|정답|답|答案|答え|正解|回答|"
    r"选项|選項|选择|選擇|选|選|الإجابة|الجواب)"
)
"""Words that announce an answer, in the languages that replies come in."""

CUE_VERB = (
    r"(?:\s{0,4}(?:(?i:is|are|was|would\s{1,4}be|must\s{1,4}be|ist|lautet|est|es|é|è|to\s{1,4}be|"
    r"adalah|là)(?![A-Za-z])|是|为|為|应为|は|은|는|هي|है))"
)
"""A verb between the announcing words and the answer."""

_ANSWER_CUE = re.compile(
    r"[*_#\s]{0,6}(?i:(?:so|thus|therefore|hence)?,?\s{0,3}(?:(?:the|my)\s{1,3})?)"
    rf"{CUE}[*_]{{0,3}}(?:{CUE_VERB}?\s{{0,4}}[:：=]|{CUE_VERB}(?![A-Za-z]))[*_\s]{{0,8}}"
)


class _Table(dict[int, str]):
    """A `str.translate` table, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain(chr(code))
        return plain


def _plain(char: str) -> str:
    if char.isascii():
        return char
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    if char in _MARKS:
        return _MARKS[char]
    folded = unicodedata.normalize("NFKC", char)
    # Superscripts fold to digits and would turn 5² into 52.
    return folded if len(folded) == 1 and folded.isascii() and not folded.isdigit() else char


_TABLE = _Table()


def normalise(text: str, notes: list[str]) -> str:
    """Write decimal digits of any script, full-width letters and marks in ASCII.

    Examples:
        >>> normalise("３，５ ٤", notes := [])
        '3,5 4'
        >>> notes
        ['unicode_digits', 'unicode_marks']
    """
    if text.isascii():
        return text
    if len(_TABLE) > 20_000:
        _TABLE.clear()
    plain = text.translate(_TABLE)
    if plain == text:
        return text
    changed = [(old, new) for old, new in zip(text, plain, strict=True) if old != new]
    if any(new.isdigit() for _, new in changed):
        note(notes, "unicode_digits")
    if any(not new.isdigit() and not old.isspace() for old, new in changed):
        note(notes, "unicode_marks")
    return plain


def boxed(text: str) -> str | None:
    r"""Return the content of the last `\boxed{…}` with balanced braces, else None.

    Examples:
        >>> boxed("so $\\boxed{\\frac{1}{2}}$.")
        '\\frac{1}{2}'
    """
    mark = text.rfind("\\boxed")
    if mark < 0:
        return None
    start = text.find("{", mark, mark + 12)
    if start < 0:
        return None
    depth = 0
    for position in range(start, len(text)):
        char = text[position]
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : position].strip()
    return None


def unlatex(text: str, notes: list[str]) -> str:
    r"""Drop dollars, `\(`, `\[` and text commands around a short value.

    Examples:
        >>> unlatex("$\\text{B}$", [])
        '{B}'
    """
    if "$" not in text and "\\" not in text:
        return text
    plain = text
    if "\\" in plain:
        plain = _LATEX_COMMAND.sub("{", plain)
        for mark in ("\\(", "\\)", "\\[", "\\]", "\\,", "\\;", "\\!"):
            plain = plain.replace(mark, "")
        plain = plain.replace("\\%", "%").replace("\\$", "$").replace("\\ ", " ")
    if plain.count("$") > 1:
        plain = plain.strip("$ ") if plain.strip().endswith("$") else plain.replace("$", "")
    plain = plain.strip()
    if plain != text:
        note(notes, "latex")
    return plain


def unfence(text: str, notes: list[str]) -> str:
    r"""Take code fences and tokenizer marks out of a text.

    Examples:
        >>> unfence("```json\n[1, 2]\n```", [])
        '[1, 2]'
    """
    if "```" in text:
        bare = _FENCE.sub(" ", text).strip()
        if bare:
            text = bare
            note(notes, "code_fence")
    if text[:1] == text[-1:] == "`" and len(text) > 2:
        text = text.strip("`").strip()
        note(notes, "code_fence")
    if "<" in text:
        bare = _SPECIAL.sub("", text).strip()
        if bare != text:
            text = bare
            note(notes, "special_tokens")
    return text


def peel(text: str, notes: list[str]) -> str:
    """Strip fences, special tokens, matching brackets, quotes and a final full stop.

    Works from the outside in, at most twelve layers.

    Examples:
        >>> peel("**(B).**", notes := [])
        'B'
        >>> notes
        ['markdown']
    """
    text = unfence(text, notes)
    for _ in range(12):
        text = text.strip()
        if len(text) < 2:
            break
        if _PAIRS.get(text[0]) == text[-1] and _is_one_group(text):
            note(notes, "code_fence" if text[0] == "`" else "markdown")
            text = text[1:-1]
        elif text[-1] in ".,;:!。":
            text = text[:-1]
            note(notes, "markdown")
        elif text.endswith("**"):
            text = text[:-2]
            note(notes, "markdown")
        elif text[0] in "#*•" and text[1:2] in (" ", "#", "*"):
            text = text[1:]
            note(notes, "markdown")
        else:
            break
    return text.strip()


def _is_one_group(text: str) -> bool:
    """Whether the first mark closes only at the end: true for (a), false for (a) or (b)."""
    inner = text[1:-1]
    return text[:2] == "**" or (text[0] not in inner and text[-1] not in inner)


def after_cue(text: str, notes: list[str]) -> str:
    """Return what follows a cue such as "Answer:" at the start of the text.

    Examples:
        >>> after_cue("Final answer: 5 cm", [])
        '5 cm'
    """
    match = _ANSWER_CUE.match(text)
    rest = text[match.end() :].strip() if match else ""
    if not rest:
        return text
    note(notes, "answer_cue")
    return rest
