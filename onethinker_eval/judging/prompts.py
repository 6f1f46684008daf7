"""A judge's prompts: our wording, as data in `tasks/_judges/*.yaml`, hashed into every cache key.

A file holds `user` (and `system`), in which `{name}` stands for an input, `max_tokens`, and
`temperature` (0). Only the names in `inputs` are replaced; other braces are text.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onethinker_eval.errors import DataError, unknown_name
from onethinker_eval.paths import tasks_dir

__all__ = ["JudgePrompt", "judge_prompt", "prompt_names"]

_KEYS = frozenset({"system", "user", "inputs", "max_tokens", "temperature"})


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """One way of asking a judge; see the module's text for the fields."""

    name: str
    system: str
    user: str
    inputs: tuple[str, ...]
    max_tokens: int
    temperature: float

    @property
    def digest(self) -> str:
        """Return 12 hex digits that change with any word or setting."""
        words = [self.system, self.user, list(self.inputs), self.max_tokens, self.temperature]
        return hashlib.sha256(json.dumps(words, ensure_ascii=False).encode()).hexdigest()[:12]

    def messages(self, inputs: Mapping[str, str]) -> list[dict[str, str]]:
        """Return the chat messages for `inputs`; raises `KeyError` for one that is missing."""
        pattern = re.compile("|".join(re.escape(f"{{{name}}}") for name in self.inputs))
        text = pattern.sub(lambda match: inputs[match[0][1:-1]], self.user)
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": text}]


def prompt_names() -> tuple[str, ...]:
    """Return the names of the shipped prompts, sorted.

    >>> "match_option" in prompt_names()
    True
    """
    return tuple(sorted(path.stem for path in (tasks_dir() / "_judges").glob("*.yaml")))


@functools.lru_cache(maxsize=32)
def judge_prompt(name: str) -> JudgePrompt:
    """Return a shipped prompt; raises `UsageError` for an unknown one, `DataError` for a bad file.

    >>> judge_prompt("match_option").inputs
    ('question', 'options', 'answer')
    """
    import yaml

    if name not in prompt_names():
        raise unknown_name("judge prompt", name, prompt_names())
    path = tasks_dir() / "_judges" / f"{name}.yaml"
    value: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or not set(value) <= _KEYS or "user" not in value:
        raise DataError(f"expected the keys {', '.join(sorted(_KEYS))}", file=str(path))
    inputs = tuple(value.get("inputs") or ())
    for item in inputs:
        if f"{{{item}}}" not in value["user"]:
            raise DataError(f"the user text never names {{{item}}}", file=str(path), field="inputs")
    return JudgePrompt(
        name,
        str(value.get("system") or "").strip(),
        str(value["user"]).strip(),
        inputs,
        int(value.get("max_tokens", 16)),
        float(value.get("temperature", 0)),
    )
