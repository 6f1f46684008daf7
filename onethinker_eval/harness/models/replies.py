"""Writing a value as a model writes its reply."""

from __future__ import annotations

import json
from typing import Any

from onethinker_eval.answers import wrap

__all__ = ["reply_with"]


def reply_with(value: Any) -> str:
    r"""Return a reply with empty thinking and `value` as its answer.

    A text is taken as it is, without `<answer>` tags of its own; other values become JSON.

    >>> reply_with({"time": [1.0, 2.5]})
    '<think></think>\n<answer>{"time": [1.0, 2.5]}</answer>'
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.strip()
    if text.startswith("<answer>") and text.endswith("</answer>"):
        text = text.removeprefix("<answer>").removesuffix("</answer>").strip()
    return wrap("", text)
