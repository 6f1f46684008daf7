"""What is said to the servers: chat completions, and rewards of candidates against references."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from onethinker_eval.judging.completion import Completion, read_completion
from onethinker_eval.judging.http import CallError, Endpoint
from onethinker_eval.judging.prompts import JudgePrompt

__all__ = ["MAX_TEXT_CHARS", "ChatClient", "RewardClient", "reward_text"]

MAX_TEXT_CHARS = 20_000
"""A longer answer of a judge is no verdict."""

_SWITCH, _END = "<|reward|>", "[UNUSED_TOKEN_130]"


class ChatClient:
    """An OpenAI-compatible `/chat/completions`."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        """Ask `model` at `endpoint`."""
        self._endpoint, self._model = endpoint, model

    def complete(self, prompt: JudgePrompt, inputs: Mapping[str, str]) -> Completion:
        """Return the reply to a filled-in prompt; raises `CallError`."""
        body = {
            "model": self._model,
            "messages": prompt.messages(inputs),
            "temperature": prompt.temperature,
            "max_tokens": prompt.max_tokens,
        }
        value = self._endpoint.post("chat/completions", body)
        made = read_completion(value)
        if not made.text.strip():
            raise CallError("rubbish", "an empty reply")
        if len(made.text) > MAX_TEXT_CHARS:
            raise CallError("rubbish", f"a reply of {len(made.text)} characters")
        return replace(made, text=made.text.strip())


def reward_text(prompt: str, reference: str, candidate: str) -> str:
    r"""Return what a POLAR model reads: the reference's trajectory, a mark, the candidate's.

    The model's own marks are taken out of the texts, so that no answer can write its own end.
    The layout is that of POLAR's model card (arXiv 2507.05197).

    >>> reward_text("2+2?", "4", "four")
    '2+2?\n4<|reward|>2+2?\nfour[UNUSED_TOKEN_130]'
    """
    asked, known, given = (
        text.replace(_SWITCH, " ").replace(_END, " ") for text in (prompt, reference, candidate)
    )
    return f"{asked}\n{known}{_SWITCH}{asked}\n{given}{_END}"


class RewardClient:
    """A reward model behind SGLang, vLLM or LMDeploy."""

    def __init__(self, endpoint: Endpoint, server: str, model: str = "") -> None:
        """Ask the model at `endpoint`, a `server` of `REWARD_SERVERS`."""
        self._endpoint, self._server, self._model = endpoint, server, model

    def scores(self, texts: Sequence[str]) -> list[float]:
        """Return a finite number for each of `reward_text`'s texts; raises `CallError`."""
        path, body = self._request(list(texts))
        value = self._endpoint.post(path, body)
        try:
            found = [_READ[self._server](item) for item in _rows(value, self._server)]
        except (KeyError, IndexError, TypeError) as error:
            raise CallError("rubbish", f"not a reply of {self._server}") from error
        if len(found) != len(texts):
            raise CallError("rubbish", f"{len(found)} rewards for {len(texts)} texts")
        if not all(math.isfinite(number) for number in found):
            raise CallError("rubbish", "a reward that is not a finite number")
        return found

    def _request(self, texts: list[str]) -> tuple[str, dict[str, Any]]:
        named = {"model": self._model} if self._model else {}
        if self._server == "sglang":
            return "classify", {**named, "text": texts}
        return "pooling", {**named, "input": texts}


def _rows(value: Any, server: str) -> Any:
    return value if server == "sglang" else value["data"]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("not a number")
    return float(value)


_READ: dict[str, Callable[[Any], float]] = {
    "sglang": lambda item: _number(item["embedding"][0]),
    "vllm": lambda item: _number(item["data"][-1][0]),
    "lmdeploy": lambda item: _number(item["data"]),
}
