"""Writing a value as a model writes its reply."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["reply_with"]


def reply_with(value: Any) -> str:
    """Return a reply with empty thinking and `value` as its answer.

    A text that carries `<answer>` tags of its own keeps them; other values are written as JSON.

    >>> reply_with({"time": [1.0, 2.5]})
    '<think></think><answer>{"time": [1.0, 2.5]}</answer>'
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if "<answer>" not in text:
        text = f"<answer>{text}</answer>"
    return f"<think></think>{text}"
