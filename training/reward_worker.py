"""A process that scores rollouts, so that the training process need not.

Run as `python -m onethinker_eval.training.reward_worker`. It writes `{"ready": process id}`, then
answers each line `{"reply", "truth", "problem_type", "data_type", "options", "profile"}` with
`{"total", "parts", "accuracy", "outcome"}` or `{"error", "message"}`, and ends at the end of input.
It calls `rewards.reward`, the function the training process would call.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import orjson

from onethinker_eval.errors import one_line
from onethinker_eval.training.rewards import reward

__all__ = ["answer", "main"]


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to one request.

    >>> made = answer({"reply": "B", "truth": "B", "problem_type": "multiple choice",
    ...                "data_type": "image", "options": [], "profile": "paper"})
    >>> made["total"], made["accuracy"]
    (1.0, 1.0)
    """
    try:
        made = reward(
            request["reply"],
            request["truth"],
            request["problem_type"],
            data_type=request["data_type"],
            profile=request["profile"],
            options=request["options"] or None,
        )
    except Exception as error:  # the training process counts it by its name
        return {"error": type(error).__name__, "message": one_line(str(error))}
    return {
        "total": made.total,
        "parts": dict(made.parts),
        "accuracy": made.accuracy,
        "outcome": made.outcome,
    }


def main() -> None:
    """Answer lines until there are none."""
    # What a library prints must not end up among the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    replies.write(orjson.dumps({"ready": os.getpid()}) + b"\n")
    for line in sys.stdin.buffer:
        replies.write(orjson.dumps(answer(orjson.loads(line))) + b"\n")


if __name__ == "__main__":
    main()
