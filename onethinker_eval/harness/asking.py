"""What is put to a model: the messages of a record under the prompt profile in force.

The profile is the one of the run, else the one that `ONETHINKER_PROMPT` names, else the default.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from onethinker_eval import prompts
from onethinker_eval.benchmarks import Task
from onethinker_eval.prompts import Profile
from onethinker_eval.records import Record

__all__ = ["messages_of", "profile", "text_of", "using_profile"]

_PROFILE: ContextVar[Profile | None] = ContextVar("prompt_profile", default=None)


@contextlib.contextmanager
def using_profile(name: str, system: str | None = None) -> Iterator[Profile]:
    """Ask by the profile `name` (shipped, or a file) while the block runs.

    `system` replaces the profile's system message; "" removes it, None leaves it.
    """
    chosen = (prompts.load_profile(name) if name else _by_environment()).with_system(system)
    token = _PROFILE.set(chosen)
    try:
        yield chosen
    finally:
        _PROFILE.reset(token)


def profile() -> Profile:
    """Return the profile in force."""
    return _PROFILE.get() or _by_environment()


def _by_environment() -> Profile:
    return prompts.load_profile(os.environ.get("ONETHINKER_PROMPT") or prompts.PROFILES[0])


def text_of(task: Task, record: Record) -> str:
    """Return the question of `record` with the instructions of the profile, media apart."""
    return prompts.text_of(record, task, profile())


def messages_of(task: Task, record: Record) -> list[dict[str, Any]]:
    """Return the chat messages of `record`; media stand in them as paths, under `url`."""
    return prompts.render(record, task, profile())
