"""From a request of lmms-eval to what is asked: messages, media under the task's frame rule.

Every model of ours that sees pixels asks through here, whatever runs its weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance

from onethinker_eval.harness.asking import messages_of
from onethinker_eval.harness.models.media_ahead import Wanted, rule_with
from onethinker_eval.harness.task_data import record_of, task_of
from onethinker_eval.media.frames import FrameRule

__all__ = [
    "RULE_KEYS",
    "Questions",
    "cut",
    "failed",
    "generation_of",
    "key_of",
]

RULE_KEYS = (
    *("rule", "fps", "max_frames", "min_frames", "frame_pixels", "image_pixels"),
    *("min_frame_pixels", "min_image_pixels"),
)
"""What `--model_args` may change of a task's frame rule."""

Messages = list[dict[str, Any]]


class Questions:
    """Makes messages and pixels of requests, by the tasks' rules and the user's changes to them."""

    def __init__(
        self, documents: Mapping[str, Any], rule: Mapping[str, Any], system_prompt: str = ""
    ) -> None:
        """Use `documents` (a model's `task_dict`, filled later), and changes to each frame rule."""
        self._documents, self._changes, self._system_prompt = documents, dict(rule), system_prompt

    def messages(self, request: Instance) -> Messages:
        """Return the chat messages of `request`; media stand in them as paths, under `url`."""
        *_, number, task, split = request.args
        record = record_of(self._documents[task][split][number])
        messages = messages_of(task_of(task), record)
        if self._system_prompt and messages[0]["role"] != "system":
            words = [{"type": "text", "text": self._system_prompt}]
            messages.insert(0, {"role": "system", "content": words})
        return messages

    def rule(self, request: Instance) -> FrameRule:
        """Return the frame rule that `request` is shown under."""
        return rule_with(task_of(request.args[-2]).frames, self._changes)

    def wanted(self, request: Instance) -> Wanted:
        """Return which media `request` shows, and at what rule."""
        parts = [
            part
            for message in self.messages(request)
            for part in message["content"]
            if "url" in part
        ]
        return Wanted(tuple(parts), self.rule(request), task=request.args[-2])


def key_of(request: Instance) -> tuple[Any, ...]:
    """Return what tells requests apart: place, task and split of the document."""
    return tuple(request.args[-3:])


def generation_of(request: Instance) -> Mapping[str, Any]:
    """Return the generation settings of a request, in lmms-eval's names."""
    return next(part for part in request.args if isinstance(part, Mapping))


def failed(error: Exception) -> GenerationResult:
    """Return the result that says, in lmms-eval's way, that there is no reply."""
    reason = str(error) or str(error.__cause__ or "") or type(error).__name__
    return GenerationResult(text=f"[LMMS_EVAL_REQUEST_FAILED: {reason}]")


def cut(text: str, stops: Sequence[str]) -> str:
    """Return `text` up to the first of `stops`.

    >>> cut("one. two; three", [";", "."])
    'one'
    """
    ends = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text
