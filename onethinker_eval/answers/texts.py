"""Readers of answers that are text: OCR, open-ended, captions, and mathematical expressions.

The text inside well-formed tags is never altered: marks and markup may belong to it.
"""

from __future__ import annotations

from onethinker_eval.answers.cleaning import after_cue, boxed
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema
from onethinker_eval.answers.values import MAX_LINE_CHARS, MAX_TEXT_CHARS, UnreadableError

__all__ = ["MATH", "TEXT"]


def _strict(text: str, context: Context = NO_CONTEXT) -> str:
    if not text:
        raise UnreadableError("empty")
    return text


def _as_is(text: str, context: Context, notes: list[str]) -> str:
    return _strict(text)


def _repaired(text: str, context: Context, notes: list[str]) -> str:
    """Take the text; only an untagged reply loses the words that announce the answer."""
    if context.cut:
        raise UnreadableError("truncated")
    return _strict(text if context.tagged else after_cue(text, notes))


def _repaired_math(text: str, context: Context, notes: list[str]) -> str:
    """Take the text; of an untagged reply the last box, or what follows the announcing words."""
    if context.cut and boxed(text) is None:
        raise UnreadableError("truncated")
    if context.tagged and not context.cut:
        return _strict(text)
    inner = boxed(text)
    if inner:
        notes.append("boxed")
        return inner
    return _strict(after_cue(text, notes))


TEXT = Schema(_strict, _as_is, _as_is, _repaired, MAX_TEXT_CHARS)
MATH = Schema(_strict, _as_is, _as_is, _repaired_math, MAX_LINE_CHARS)
