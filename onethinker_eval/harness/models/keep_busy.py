"""A model whose engine works on many requests at once, and is never let wait for a batch.

Media are decoded ahead of their turn, each request goes to the engine as soon as its media are
there and the engine has room, and replies are handed out as they finish. What the engine is asked
does not depend on the order.
"""

from __future__ import annotations

import abc
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms

from onethinker_eval.errors import DataError, MissingPart, RunError, UsageError
from onethinker_eval.harness import costs
from onethinker_eval.harness.models.media_ahead import MediaAhead, Shown
from onethinker_eval.harness.models.questions import Questions, failed, key_of
from onethinker_eval.harness.upcoming import upcoming

__all__ = ["BUSY_ARGUMENTS", "BusyModel", "is_fatal"]

BUSY_ARGUMENTS = (
    "in_flight_gib",
    *("decode_workers", "decode_threads", "decode_gib", "decode_limit_s"),
)
"""What `--model_args` may set of any such model, beside `num_concurrent` and `system_prompt`."""

_NOTHING = Shown((), ())


class BusyModel(lmms, abc.ABC):  # type: ignore[misc]  # lmms-eval carries no types
    """A chat model of lmms-eval around an engine that takes requests at any time.

    `num_concurrent` requests are at the engine at most, fewer if their pixels would exceed
    `in_flight_gib`; a single request always may. Media are decoded by `decode_workers` processes,
    or `decode_threads` threads if there are none; as many as the engine holds are decoded ahead,
    at most `decode_gib` of them wait, and a file that takes a process longer than
    `decode_limit_s` fails alone.
    """

    is_simple = False
    wants_order = True
    needs_pixels = True

    def __init__(
        self,
        rule: Mapping[str, Any],
        *,
        system_prompt: str = "",
        num_concurrent: int = 8,
        in_flight_gib: float = 8.0,
        decode_workers: int = 0,
        decode_threads: int = 2,
        decode_gib: float | None = None,
        decode_limit_s: float = 300.0,
    ) -> None:
        """Prepare; `rule` are frame-rule settings that replace the task's."""
        super().__init__()
        if num_concurrent < 1 or in_flight_gib <= 0:
            raise UsageError("num_concurrent must be 1 or more and in_flight_gib above 0")
        self.device = "cpu"  # lmms-eval counts requests over several processes on it
        self.num_concurrent = num_concurrent
        self._most_bytes = in_flight_gib * (1 << 30)
        self._questions = Questions(self.task_dict, rule, system_prompt)
        self._ahead = max(num_concurrent, 2 * decode_threads + 2 * decode_workers + 2)
        self._media = MediaAhead(
            decode_threads,
            ahead=self._ahead,
            workers=decode_workers,
            most_bytes=None if decode_gib is None else int(decode_gib * (1 << 30)),
            limit_s=decode_limit_s,
        )
        self._following: list[Instance] = []

    @abc.abstractmethod
    def begin(self, request: Instance, media: Shown) -> Future[GenerationResult]:
        """Hand `request` with its decoded `media` to the engine, without waiting."""

    def begin_early(self) -> None:
        """Begin to decode what will be asked for first; to be called before weights are loaded."""
        first = upcoming()
        if first is not None and self.needs_pixels:
            self.task_dict.update(first.documents)
            self._announce(first.requests[: self._ahead])

    def _announce(self, requests: Sequence[Instance]) -> None:
        fresh = [one for one in requests if not self._media.has(key_of(one))]
        self._media.announce((key_of(one), self._questions.wanted(one)) for one in fresh)

    def prefetch(self, requests: Sequence[Instance]) -> None:
        """Note what will be asked for next; it is decoded once these requests' own media are."""
        self._following = list(requests)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answer the requests, in order; one that fails says so in its own place."""
        found = dict(self.answers(requests))
        return [found[place] for place in range(len(requests))]

    def answers(self, requests: Iterable[Instance]) -> Iterator[tuple[int, GenerationResult]]:
        """Yield (place, result) as replies finish, in any order.

        Of `requests` no more are read than are decoded ahead. Raises what `is_fatal`; any other
        failure is a result that says so.
        """
        flying: dict[Future[GenerationResult], tuple[int, int]] = {}
        clock = _Clock()
        following, self._following = self._following, []
        source = enumerate(requests)
        window: deque[tuple[int, Instance]] = deque()
        try:
            while True:
                window.extend(itertools.islice(source, self._ahead - len(window)))
                if not window:
                    break
                while flying and not self._room(flying):
                    yield from _landed(flying)
                soon = [*(one for _, one in window), *following]
                place, request = window.popleft()
                media = self._take(request, soon)
                if isinstance(media, Exception):
                    yield place, failed(media)
                    continue
                task = str(request.args[-2])
                clock.begin(task)
                future = self._begin(request, media)
                flying[future] = (place, media.nbytes)
                future.add_done_callback(partial(clock.end, task))
                del media
                yield from _landed(flying, patient=False)
            while flying:
                yield from _landed(flying)
        finally:
            for future in flying:
                future.cancel()

    def _room(self, flying: Mapping[Any, tuple[int, int]]) -> bool:
        if len(flying) >= self.num_concurrent:
            return False
        return sum(weight for _, weight in flying.values()) < self._most_bytes

    def _begin(self, request: Instance, media: Shown) -> Future[GenerationResult]:
        try:
            return self.begin(request, media)
        except Exception as error:  # it concerns this request; `_landed` tells whether others too
            broken: Future[GenerationResult] = Future()
            broken.set_exception(error)
            return broken

    def _take(self, request: Instance, soon: Sequence[Instance]) -> Shown | Exception:
        if not self.needs_pixels:
            return _NOTHING
        self._announce(soon[: self._ahead])
        try:
            wanted = self._questions.wanted(request)
            found: Shown | DataError = self._media.take(key_of(request), wanted)
        except RunError:  # decoding is impossible altogether
            raise
        except Exception as error:  # whatever a decoder raises stays with its sample
            return error
        return found

    def loglikelihood(self, requests: list[Instance]) -> Any:
        """Refuse: no task of ours asks for likelihoods."""
        raise UsageError(f"{type(self).__name__} gives replies only, no likelihoods")

    def generate_until_multi_round(self, requests: list[Instance]) -> Any:
        """Refuse: no task of ours has several rounds."""
        raise UsageError(f"{type(self).__name__} answers in one round only")


def is_fatal(error: BaseException) -> bool:
    """Tell whether no further request can succeed after `error`."""
    if isinstance(error, (UsageError, MissingPart)) or getattr(error, "fatal", False):
        return True
    return type(error).__name__ == "EngineDeadError"  # vLLM's


def _landed(
    flying: dict[Future[GenerationResult], tuple[int, int]], *, patient: bool = True
) -> Iterator[tuple[int, GenerationResult]]:
    """Yield what has finished, waiting for the first if `patient`, and forget it."""
    done, _ = wait(flying, None if patient else 0, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=lambda one: flying[one][0]):
        error = future.exception()
        if error is not None and is_fatal(error):
            error.fatal = True  # type: ignore[attr-defined]  # for the journal's proxy
            raise error
        place, _ = flying.pop(future)
        if error is None:
            yield place, future.result()
        elif isinstance(error, Exception):
            yield place, failed(error)
        else:
            raise error


class _Clock:
    """Tells the meter how long the engine had requests, and how long it waited for one.

    Tasks share the time in which requests of theirs are at the engine together; what the engine
    waited is counted for the task whose request ended it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[str, int] = {}
        self._since = time.monotonic()

    def begin(self, task: str) -> None:
        with self._lock:
            self._count(task)
            self._flying[task] = self._flying.get(task, 0) + 1

    def end(self, task: str, _: Any) -> None:
        with self._lock:
            self._count(task)
            self._flying[task] -= 1
            if not self._flying[task]:
                del self._flying[task]

    def _count(self, task: str) -> None:
        """Count the time since the last call."""
        now = time.monotonic()
        spent, self._since = now - self._since, now
        several = sum(self._flying.values())
        for name, count in self._flying.items():
            costs.add_engine(spent * count / several, task=name)
        if not several:
            costs.add_idle(spent, task=task)
