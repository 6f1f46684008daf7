"""What a server's chat completion says: text, thinking beside it, tokens.

One reading for judges, for models that are evaluated and for teachers that annotate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onethinker_eval.judging.http import CallError

__all__ = ["Completion", "read_completion"]

_THINKING = ("reasoning_content", "reasoning")


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply, the thinking that the server split off, and tokens where the server tells."""

    text: str
    thinking: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def whole(self) -> str:
        """The reply as the model wrote it: thinking that was split off is back in front.

        >>> Completion("<answer>4</answer>", "2 and 2").whole
        '<think>2 and 2</think><answer>4</answer>'
        """
        if not self.thinking or "</think>" in self.text:
            return self.text
        return f"<think>{self.thinking}</think>{self.text}"


def read_completion(value: Any) -> Completion:
    """Return what the JSON `value` of a chat completion says.

    An empty text is a reply, and so is thinking without a text. Raises `CallError` (`rubbish`)
    for a value with neither.

    >>> read_completion({"choices": [{"message": {"content": "B"}}]}).text
    'B'
    """
    try:
        choice = value["choices"][0]
        message = choice["message"]
        text = message["content"]
        thinking = next((message[key] for key in _THINKING if message.get(key)), "")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise CallError("rubbish", "a reply without choices[0].message.content") from error
    if text is None and thinking:
        text = ""
    if not isinstance(text, str) or not isinstance(thinking, str):
        reason = choice.get("finish_reason") if isinstance(choice, Mapping) else None
        raise CallError("rubbish", f"a reply without text (finish_reason {str(reason)[:40]!r})")
    usage = value.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    counts = (_count(usage.get(f"{side}_tokens")) for side in ("prompt", "completion"))
    return Completion(text, thinking, *counts)


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
