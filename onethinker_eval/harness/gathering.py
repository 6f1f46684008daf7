"""The requests of a run's tasks, built and dealt out to processes by lmms-eval.

lmms-eval evaluates a model that takes every request and says nothing: texts are journalled, and
scores are made from the journal. So it never waits for the engine, and the requests of one task
can follow those of another. Requests are built in legs, when the model has taken those before, so
that few are held at once; while a leg is built the engine works on what it has.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance
from lmms_eval.api.model import lmms

from onethinker_eval.errors import RunError, described, one_line
from onethinker_eval.harness.environment import distributed_rank, world_size
from onethinker_eval.harness.settings import Settings

__all__ = ["SLICE", "Gatherer", "Part", "legs", "not_asked", "parts_of"]

SLICE = 32_768
"""How many samples of a task lmms-eval is given at once: it holds some 4 KB for each."""

_FIRST_LEG = 2_048
_MOST_TASKS = 128

Part = tuple[str, int, int, bool]
"""A stretch of a task: its id, the first record, how many records, whether it is the last."""


def parts_of(task: str, total: int, batch: int) -> list[Part]:
    """Return the stretches a task of `total` records is cut into, of whole batches.

    >>> parts_of("t", 40_000, 3)
    [('t', 0, 32766, False), ('t', 32766, 7234, True)]
    """
    step = max(1, SLICE // batch) * batch
    return [
        (task, start, min(step, total - start), start + step >= total)
        for start in range(0, total, step)
    ]


def legs(parts: Sequence[Part], world: int = 1) -> Iterator[list[Part]]:
    """Group stretches, in their order, into what is built at once: at most `SLICE` a process.

    The first leg of one process is smaller, so that the engine can begin; several would have to
    wait for each other at its end.

    >>> [[task for task, *_ in leg] for leg in legs([(t, 0, 1500, True) for t in "abc"])]
    [['a'], ['b', 'c']]
    """
    most, held = _FIRST_LEG if world == 1 else SLICE * world, 0
    leg: list[Part] = []
    for part in parts:
        if leg and (held + part[2] > most or len(leg) >= _MOST_TASKS):
            yield leg
            most, held, leg = SLICE * world, 0, []
        leg.append(part)
        held += part[2]
    if leg:
        yield leg


class Gatherer(lmms):  # type: ignore[misc]  # lmms-eval carries no types
    """What lmms-eval takes for the model of a run: it keeps the requests."""

    def __init__(self, *, is_simple: bool) -> None:
        """Stand in for a model that is asked in the simple form or the chat form."""
        super().__init__()
        self.is_simple = is_simple
        self.task_dict: dict[str, Any] = {}
        self._inner: Any = None
        self._requests: dict[str, list[Instance]] = {}
        if world_size() == 1:
            # lmms-eval would make one, which starts a GPU in this process, and never use it.
            self.accelerator = None

    def attach(self, inner: Any) -> None:
        """Stand in for `inner`: it sees the documents, and lends device and accelerator."""
        inner.task_dict.update(self.task_dict)
        self.task_dict, self._inner = inner.task_dict, inner
        if world_size() > 1:
            inner._rank, inner._world_size = distributed_rank(), world_size()

    def __getattr__(self, name: str) -> Any:
        inner = self.__dict__.get("_inner")
        if inner is None:
            raise AttributeError(name)
        return getattr(inner, name)

    def clean(self) -> None:
        """Keep the model: lmms-eval deletes it after an evaluation, and the next one needs it."""

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Keep `requests`, and return as many empty replies."""
        for request in requests:
            self._requests.setdefault(request.task_name, []).append(request)
        return [GenerationResult(text="")] * len(requests)

    def loglikelihood(self, requests: list[Instance]) -> Any:
        """Hand on unchanged; no task of ours asks for likelihoods."""
        return self._inner.loglikelihood(requests)

    def generate_until_multi_round(self, requests: list[Instance]) -> Any:
        """Hand on unchanged; no task of ours has several rounds."""
        return self._inner.generate_until_multi_round(requests)

    def gather(
        self, leg: Sequence[Part], settings: Settings, manager: Any
    ) -> Iterator[tuple[Part, list[Instance] | Exception]]:
        """Yield each stretch of `leg` with its requests, or with why there are none.

        Tasks that are whole are built in one evaluation. With one process a task that cannot be
        built is set apart; several would no longer do the same things, so they raise.
        """
        whole = [part for part in leg if part[1] == 0 and part[3]]
        problems: dict[Part, Exception] = {}
        groups = [whole, *([part] for part in leg if part not in whole)]
        for group in filter(None, groups):
            try:
                self._evaluate(group, settings, manager)
            except Exception as error:  # whatever reading a task's data raises
                if world_size() > 1:
                    raise
                problems |= (
                    {group[0]: error} if len(group) == 1 else self._alone(group, settings, manager)
                )
            for part in group:
                yield part, problems.get(part) or self._take(part[0])

    def _take(self, task: str) -> list[Instance]:
        """Return the requests of `task` without what lmms-eval noted of our empty replies."""
        requests = self._requests.pop(task, [])
        for request in requests:
            request.resps, request.token_counts = [], []
            request.filtered_resps, request.raw_filtered_resps = {}, {}
        for value in requests[0].args if requests else ():
            # A request names a method of lmms-eval's task, which would keep all its requests.
            task_object: Any = getattr(value, "__self__", None)
            if task_object is not None and hasattr(task_object, "_instances"):
                task_object._instances = []
        return requests

    def _alone(
        self, group: Sequence[Part], settings: Settings, manager: Any
    ) -> dict[Part, Exception]:
        """Build each of `group` by itself; return what the faulty ones raised."""
        self._requests.clear()
        problems = {}
        for part in group:
            try:
                self._evaluate([part], settings, manager)
            except Exception as error:  # as above
                problems[part] = error
        return problems

    def _evaluate(self, group: Sequence[Part], settings: Settings, manager: Any) -> None:
        from lmms_eval.evaluator import simple_evaluate

        start, count = (0, None) if len(group) > 1 else group[0][1:3]
        # A namespace is given because without one lmms-eval reads every document, media and all, a
        # second time; `reasoning_tags=None` leaves the thinking in the replies.
        simple_evaluate(
            model=self,
            model_args="",
            tasks=[part[0] for part in group],
            task_manager=manager,
            offset=start,
            limit=count,
            batch_size=settings.batch_size,
            gen_kwargs=settings.gen_kwargs or None,
            log_samples=False,
            bootstrap_iters=0,
            process_docs_parallel=1,
            random_seed=None,
            numpy_random_seed=None,
            torch_random_seed=None,
            verbosity="DEBUG" if settings.verbose else "ERROR",
            cli_args=Namespace(
                process_with_media=False, reasoning_tags=None, agentic_trace_mode="basic"
            ),
        )


def not_asked(problems: Sequence[tuple[str, Exception]]) -> RunError:
    """Return the error that names the tasks whose requests could not be built."""
    lines = [f"{task}: {one_line(described(error), 300)}" for task, error in problems]
    return RunError(
        "not asked: " + "; ".join(lines),
        hint="the replies to the other tasks are kept; run the same command again",
    )
