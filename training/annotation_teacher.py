"""The teacher: a multimodal chat model behind an OpenAI-compatible server.

A video is sent as images with their times before them, which every such server understands.
Requests are the judging package's, with its time limits, pauses and sizes.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onethinker_eval.judging.http import CallError, Endpoint
from onethinker_eval.judging.settings import JudgeSettings
from onethinker_eval.media import images, video
from onethinker_eval.prompts import Profile, text_of
from onethinker_eval.records import Record
from onethinker_eval.training.annotation_settings import AnnotationSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_REPLY_CHARS", "Said", "Teacher", "messages"]

MAX_REPLY_CHARS = 100_000
"""A longer reply is no annotation."""

_QUALITY = 90


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
    try:
        message = value["choices"][0]["message"]
        text, thinking = message.get("content"), message.get("reasoning_content")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise CallError("rubbish", "a reply without choices[0].message") from error
    thinking = thinking or message.get("reasoning")
    if not isinstance(text, str) or not text.strip():
        raise CallError("rubbish", "an empty reply")
    if isinstance(thinking, str) and thinking.strip() and "<think>" not in text:
        # Servers that take the thinking out of a reply hand it over beside it.
        text = f"<think>{thinking.strip()}</think>\n{text}"
    if len(text) > MAX_REPLY_CHARS:
        raise CallError("too_large", f"a reply of {len(text)} characters")
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Said(text.strip(), *(_count(usage.get(f"{name}_tokens")) for name in _USAGE))


_USAGE = ("prompt", "completion")


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def messages(
    record: Record, profile: Profile, settings: AnnotationSettings
) -> list[dict[str, Any]]:
    """Return the chat messages of a record, media as data URLs; `DataError` for a broken medium."""
    parts: list[dict[str, Any]] = []
    for medium in record.media:
        if medium.kind == "image":
            parts.append(_picture(images.read(medium.path, settings.rule).pixels))
            continue
        shown = video.read(medium.path, settings.rule)
        for seconds, frame in zip(shown.times_s, shown.frames, strict=True):
            parts += [{"type": "text", "text": f"<{seconds:.1f} seconds>"}, _picture(frame)]
    parts.append({"type": "text", "text": text_of(record, profile=profile)})
    system = [{"role": "system", "content": profile.system}] if profile.system else []
    return [*system, {"role": "user", "content": parts}]


def _picture(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=_QUALITY)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}
