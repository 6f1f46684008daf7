"""What a reader of one problem type consists of: four functions and what they may know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from onethinker_eval.answers.cleaning import unfence
from onethinker_eval.answers.json_repair import candidates
from onethinker_eval.answers.values import UnreadableError

__all__ = ["NO_CONTEXT", "Context", "Reader", "Schema", "decide"]


class Context(NamedTuple):
    """What a reader may know beside the answer's text; never the truth."""

    options: tuple[str, ...] | None = None
    """Answer options as shown to the model, "A. red" or "red"."""
    cut: bool = False
    """The answer ends where generation stopped."""
    tagged: bool = True
    """The answer stood between tags."""

    def unfinished(self, text: str) -> bool:
        """Whether the text was cut off where its last word or number may go on."""
        return self.cut and (text[-1:].isalnum() or text[-1:] in _UNFINISHED)


NO_CONTEXT = Context()

T = TypeVar("T")
_UNFINISHED = ("", *".,:;-+/'\"([")
Reader = Callable[[str, Context, list[str]], Any]


class Schema(NamedTuple):
    """The readers of one problem type.

    Each takes the answer's text (never empty), the context and a list for the names of repairs,
    returns the value and raises `UnreadableError` with a failure code. `strict` makes no repair.
    """

    strict: Callable[[str, Context], Any]
    official: Reader
    paper: Reader
    repaired: Reader
    limit: int
    """Longest answer in characters."""


def decide(
    text: str,
    context: Context,
    notes: list[str],
    read: Callable[[Any, list[str]], T],
    fallback: Callable[[str, Context, list[str]], T],
) -> T:
    """Read the one value that the JSON of a text gives; without a JSON object, read the prose.

    Several JSON values that read alike count as one.

    Raises:
        UnreadableError: `ambiguous` when values differ; the reader's own code when all are refused.
    """
    accepted: list[tuple[T, list[str]]] = []
    refusal: UnreadableError | None = None
    found = candidates(text, cut=context.cut)
    objects = any(isinstance(obj, dict) and obj for obj, _ in found)
    for obj, repairs in found:
        taken = list(repairs)
        try:
            value = read(obj, taken)
        except UnreadableError as error:
            if refusal is None or refusal.code == "wrong_schema":
                refusal = error
            continue
        if all(value != other for other, _ in accepted):
            accepted.append((value, taken))
    if len(accepted) > 1:
        raise UnreadableError("ambiguous")
    if accepted:
        notes += accepted[0][1]
        return accepted[0][0]
    if context.unfinished(text) or (context.cut and "{" in text):
        raise UnreadableError("truncated")
    if refusal is not None and (refusal.code != "wrong_schema" or objects):
        raise refusal
    return fallback(unfence(text, notes), context, notes)
