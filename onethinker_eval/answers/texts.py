"""Readers of answers that are text: OCR, open-ended, captions, and mathematical expressions.

The text inside well-formed tags is never altered: marks and markup may belong to it.
"""

from __future__ import annotations

from onethinker_eval.answers.cleaning import after_cue, boxed
from onethinker_eval.answers.schema import NO_CONTEXT, Context, Schema
from onethinker_eval.answers.values import MAX_LINE_CHARS, MAX_TEXT_CHARS, UnreadableError

__all__ = ["MATH", "TEXT"]


def _as_is(text: str, context: Context = NO_CONTEXT, notes: list[str] | None = None) -> str:
    return text


def _repaired(text: str, context: Context, notes: list[str]) -> str:
    """Take an untagged reply without the words that announce the answer."""
    if context.cut:
        raise UnreadableError("truncated")
    return after_cue(text, notes)


def _repaired_math(text: str, context: Context, notes: list[str]) -> str:
    """Take the last box of an untagged or cut reply, else what follows the announcing words."""
    inner = boxed(text)
    if inner:
        notes.append("boxed")
        return inner
    return _repaired(text, context, notes)


TEXT = Schema(_as_is, _as_is, _as_is, _repaired, MAX_TEXT_CHARS)
MATH = Schema(_as_is, _as_is, _as_is, _repaired_math, MAX_LINE_CHARS)
