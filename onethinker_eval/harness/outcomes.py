"""From what a model returned or raised to the reply or failure of a sample."""

from __future__ import annotations

from typing import Any

from lmms_eval.api.instance import unwrap_generation_output

from onethinker_eval.errors import RunError, described, one_line
from onethinker_eval.harness.headline import FAILED_REPLY
from onethinker_eval.harness.replies import Reply
from onethinker_eval.records import Record

__all__ = ["failure_of", "reply_of", "stop_if_hopeless"]

_HOPELESS = {"EngineDeadError", "CannotStart"}


def reply_of(output: Any, record: Record, seconds: float) -> Reply:
    """Return the reply in a model's `output`, or the failure that stands in its place."""
    text, tokens = unwrap_generation_output(output)
    if not isinstance(text, str) or output is None:
        return Reply(None, ("no_reply", f"{_origin(record)}: the model gave no text"), seconds)
    if text.startswith(FAILED_REPLY):
        reason = text.removeprefix(FAILED_REPLY).strip(" :]") or "the request failed"
        return Reply(None, ("request", one_line(f"{_origin(record)}: {reason}")), seconds)
    return Reply(
        text,
        seconds=seconds,
        tokens_in=None if tokens is None else tokens.input_tokens,
        tokens_out=None if tokens is None else tokens.output_tokens,
    )


def failure_of(record: Record, error: Exception) -> Reply:
    """Return the failure of `record` that `error` tells of, in one line."""
    message = described(error)
    files = [medium.path for medium in record.media if medium.path not in message]
    where = ", ".join([_origin(record), *files])
    return Reply(None, (type(error).__name__, one_line(f"{where}: {message}")))


def _origin(record: Record) -> str:
    return record.origin or f"sample {record.id}"


def stop_if_hopeless(error: Exception) -> None:
    """End the run where no further sample can succeed; free memory where one may."""
    name, message = type(error).__name__, str(error)
    if "CUDA error" in message or name in _HOPELESS or getattr(error, "fatal", False):
        raise RunError(
            f"the model cannot go on: {one_line(message)}",
            hint="finished samples are kept; run the same command again",
        ) from error
    if name == "OutOfMemoryError":
        import torch

        torch.cuda.empty_cache()
