"""`onethinker-api`, and what `--model openai` means here: any OpenAI-compatible server.

Questions and frames are those of our other models; requests go through the client that judges use
(retries with growing pauses, `Retry-After`, limits of time and size). Replies reach the journal
as they finish, with their token counts. A server that fails all requests ends the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts

from onethinker_eval.harness import costs
from onethinker_eval.harness.models.api_media import PIXEL_MODES, request_media
from onethinker_eval.harness.models.api_settings import ApiSettings
from onethinker_eval.harness.models.keep_busy import BUSY_ARGUMENTS, BusyModel
from onethinker_eval.harness.models.media_ahead import Shown
from onethinker_eval.harness.models.questions import RULE_KEYS, generation_of
from onethinker_eval.judging.completion import read_completion
from onethinker_eval.judging.http import CallError, Endpoint

__all__ = ["OneThinkerApi", "request_fields"]

_MOST_FAILURES = 16
"""So many failures in a row end the run: the server is gone, or was never there."""
_TRIES = 3
"""How often a reply that is none is asked for again."""
_OTHERS = ("num_concurrent", "system_prompt", *BUSY_ARGUMENTS, *RULE_KEYS)
_TRUST = "--trust-request-mm-kwargs"
"""What `vllm serve` must be told before it shows a request's frames as they are."""


class OneThinkerApi(BusyModel):
    """A chat model behind an OpenAI-compatible server.

    Arguments (`--model_args`): the fields of `ApiSettings` (`base_url`, `model`, `api_key_env`,
    `media`, `timeout`, `retries`, `price_in`, `price_out`, …), `num_concurrent`, `system_prompt`,
    the keys of a frame rule, and those of `BusyModel`.
    """

    def __init__(
        self,
        batch_size: int | str = 1,
        max_batch_size: int | None = None,
        device: str | None = None,
        num_concurrent: int = 8,
        system_prompt: str = "",
        model_version: str | None = None,
        **others: Any,
    ) -> None:
        """Check the arguments; nothing is sent yet."""
        rule = {key: others.pop(key) for key in RULE_KEYS if key in others}
        common = {key: others.pop(key) for key in BUSY_ARGUMENTS if key in others}
        if model_version is not None:  # the name lmms-eval's own model has for it
            others.setdefault("model", model_version)
        self.settings = ApiSettings.of(others, _OTHERS)
        super().__init__(
            rule, system_prompt=system_prompt, num_concurrent=int(num_concurrent), **common
        )
        self.needs_pixels = self.settings.media in PIXEL_MODES
        self._endpoint = Endpoint(
            self.settings.base_url,
            api_key=self.settings.api_key,
            timeout_s=self.settings.timeout,
            retries=self.settings.retries,
            concurrency=self.num_concurrent,
            requests_per_minute=self.settings.requests_per_minute,
        )
        self._callers = _Callers(self.num_concurrent)
        self._lock = threading.Lock()
        self._failures = 0

    def begin(self, request: Instance, media: Shown) -> Future[GenerationResult]:
        """Hand a request to one of the calling threads."""
        messages = self._questions.messages(request)
        fields = request_fields(generation_of(request), self.settings)
        task = str(request.args[-2])
        return self._callers.submit(lambda: self._ask(messages, media, fields, task))

    def _ask(
        self, messages: list[dict[str, Any]], media: Shown, fields: dict[str, Any], task: str
    ) -> GenerationResult:
        settings = self.settings
        asked, extra = request_media(messages, media, settings.media, settings.image_format)
        body = {"model": settings.model, "messages": asked, **fields, **extra}
        result = self._reply(body)
        counts = result.token_counts
        known = counts.input_tokens is not None and counts.output_tokens is not None
        if known and (settings.price_in or settings.price_out):
            costs.add_price(settings.price(counts.input_tokens, counts.output_tokens), task=task)
        return result

    def _reply(self, body: Mapping[str, Any]) -> GenerationResult:
        for attempt in range(_TRIES):
            try:
                made = read_completion(self._endpoint.post("chat/completions", body))
            except CallError as error:
                if error.kind == "rubbish" and attempt + 1 < _TRIES:
                    continue
                raise self._counted(error) from error
            self._failures = 0
            counts = TokenCounts(input_tokens=made.tokens_in, output_tokens=made.tokens_out)
            return GenerationResult(text=made.whole, token_counts=counts)
        raise AssertionError("the last try returns or raises")

    def _counted(self, error: CallError) -> CallError:
        """Return `error`, marked to end the run if every request would meet it.

        That is so if too many came in a row, or if the server takes no settings for our media.
        """
        if _TRUST in str(error):
            message = f"start the server with {_TRUST}, or ask with media=frames; it said: {error}"
            return CallError(error.kind, message, fatal=True)
        if not error.passing or error.kind == "rubbish":
            return error
        with self._lock:
            self._failures += 1
            if self._failures < _MOST_FAILURES:
                return error
        message = f"{error}; {_MOST_FAILURES} requests in a row failed"
        return CallError(error.kind, message, fatal=True)

    def clean(self) -> None:
        """Let waiting requests end, and close the connections."""
        self._endpoint.close()
        self._callers.close()


def request_fields(generation: Mapping[str, Any], settings: ApiSettings) -> dict[str, Any]:
    """Translate lmms-eval's generation settings into fields of a chat request.

    >>> settings = ApiSettings("http://h", "m", max_new_tokens=100)
    >>> request_fields({"max_new_tokens": 512, "temperature": 0}, settings)
    {'max_tokens': 100, 'temperature': 0.0}
    """
    wanted = int(generation.get("max_new_tokens", 8192))
    cap = settings.max_new_tokens
    limit = wanted if cap is None else min(wanted, cap)
    found: dict[str, Any] = {}
    if settings.reasoning:
        found["max_completion_tokens"] = limit
    else:
        temperature = float(generation.get("temperature") or 0)
        found |= {"max_tokens": limit, "temperature": temperature}
        if temperature > 0 and generation.get("top_p") is not None:
            found["top_p"] = float(generation["top_p"])
    stops = [stop for stop in generation.get("until") or [] if stop]
    if stops:
        found["stop"] = stops
    if settings.seed is not None:
        found["seed"] = settings.seed
    return found


class _Callers:
    """Threads that make calls; daemons, so that an interruption waits for no server."""

    def __init__(self, count: int) -> None:
        self._todo: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._count = count
        for number in range(count):
            threading.Thread(target=self._work, name=f"api-{number}", daemon=True).start()

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._todo.put((future, call))
        return future

    def close(self) -> None:
        for _ in range(self._count):
            self._todo.put(None)

    def _work(self) -> None:
        while (item := self._todo.get()) is not None:
            future, call = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # whoever waits for the result raises it
                future.set_exception(error)
