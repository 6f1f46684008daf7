"""The teacher: a multimodal chat model behind an OpenAI-compatible server.

A video is sent as images with their times before them, which every such server understands.
Questions are the evaluation's, and so is how they are sent: requests with time limits, pauses and
sizes, replies with the thinking that a server split off put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onethinker_eval.harness.models.api_media import request_media
from onethinker_eval.judging.completion import read_completion
from onethinker_eval.judging.http import CallError, Endpoint
from onethinker_eval.judging.settings import JudgeSettings
from onethinker_eval.media.shown import shown
from onethinker_eval.prompts import Profile, render
from onethinker_eval.records import Record
from onethinker_eval.training.annotation_settings import AnnotationSettings

__all__ = ["MAX_REPLY_CHARS", "Said", "Teacher", "messages"]

MAX_REPLY_CHARS = 100_000
"""A longer reply is no annotation."""


@dataclass(frozen=True, slots=True)
class Said:
    """A teacher's reply with its thinking in tags, and its tokens where the server tells."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0


class Teacher:
    """Asks for replies, at most so many a minute; safe to use from several threads."""

    def __init__(self, server: JudgeSettings, settings: AnnotationSettings) -> None:
        """Prepare requests; raises `UsageError` for a key that is named and not set."""
        self.model = server.model
        self._settings = settings
        self._endpoint = Endpoint(
            server.base_url,
            api_key=server.api_key(server.base_url),
            timeout_s=server.timeout_s,
            retries=server.retries,
            concurrency=server.concurrency,
            requests_per_minute=settings.requests_per_minute,
        )

    def close(self) -> None:
        """End waiting requests."""
        self._endpoint.close()

    def ask(self, asked: Sequence[dict[str, Any]], attempt: int) -> Said:
        """Return the reply to chat messages; raises `CallError`."""
        body = {
            "model": self.model,
            "messages": list(asked),
            "temperature": self._settings.temperature,
            "max_tokens": self._settings.max_tokens,
            "seed": self._settings.seed + attempt,
        }
        return _said(self._endpoint.post("chat/completions", body))


def _said(value: Any) -> Said:
    made = read_completion(value)
    if not made.text.strip():
        raise CallError("rubbish", "an empty reply")
    text = made.whole.strip()
    if len(text) > MAX_REPLY_CHARS:
        raise CallError("too_large", f"a reply of {len(text)} characters")
    return Said(text, made.tokens_in or 0, made.tokens_out or 0)


def messages(
    record: Record, profile: Profile, settings: AnnotationSettings
) -> list[dict[str, Any]]:
    """Return the chat messages of a record, media as data URLs; `DataError` for a broken medium."""
    asked = render(record, profile=profile)
    media = shown([part for message in asked for part in message["content"]], settings.rule)
    return request_media(asked, media, "frames", "jpeg")[0]
