"""What is put to a model: the text of a record, and the chat content around it."""

from __future__ import annotations

from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.records import Record

__all__ = ["content", "text_of"]


def text_of(task: Task, record: Record) -> str:
    """Return the question of `record` with the instructions of the task's prompt profile."""
    return record.question


def profile_digest(task: Task) -> str:
    """Return the digest of the task's prompt profile: it changes when the wording does."""
    return "0"


def content(record: Record, text: str) -> list[dict[str, Any]]:
    """Return the parts of the user's message: media by path in order, then the text."""
    parts: list[dict[str, Any]] = [
        {"type": medium.kind, "url": medium.path} for medium in record.media
    ]
    return [*parts, {"type": "text", "text": text}]
