"""All requests of a run, task after task, each with the journal it belongs to.

A task's journal is open from when its requests are built until its last reply is written. A task
whose requests cannot be built is left out, and named when the others are done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType

from onethinker_eval.harness.environment import world_size
from onethinker_eval.harness.gathering import Gatherer, Part, legs, not_asked, parts_of
from onethinker_eval.harness.in_hand import Stretch, TaskRun
from onethinker_eval.harness.progress import Ticker
from onethinker_eval.harness.run_folder import RunFolder
from onethinker_eval.harness.sample_key import SampleKeys
from onethinker_eval.harness.settings import Settings
from onethinker_eval.harness.task_manager import RunTaskManager
from onethinker_eval.harness.workload import Work

__all__ = ["TaskStream"]


class TaskStream:
    """Iterate once over it, inside its block; journals still open are closed at its end."""

    def __init__(
        self,
        settings: Settings,
        folder: RunFolder,
        works: Sequence[Work],
        keys: Mapping[str, SampleKeys],
        ticker: Ticker,
        gatherer: Gatherer,
        files: Mapping[str, Path],
        done: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare; `files` are the tasks' data for lmms-eval.

        `done` is called, from any thread, with each task that has nothing left to write.
        """
        self._settings, self._folder, self._keys, self._ticker = settings, folder, keys, ticker
        self._works = {work.task.id: work for work in works}
        self._gatherer, self._done = gatherer, done
        self._manager = RunTaskManager([work.task for work in works], files)
        self._open: dict[str, TaskRun] = {}
        self._problems: list[tuple[str, Exception]] = []

    def __enter__(self) -> TaskStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.ExitStack() as left:
            for run in self._open.values():
                left.push(run.journal)

    def __iter__(self) -> Iterator[Stretch]:
        """Yield the stretches of all tasks, building requests as they are needed."""
        world = world_size()
        batch = self._settings.batch_size * world
        parts = [
            part
            for name, work in self._works.items()
            for part in parts_of(name, len(work.records), batch)
        ]
        for leg in legs(parts, world):
            yield from self._of(leg)

    def _of(self, leg: Sequence[Part]) -> Iterator[Stretch]:
        for part, requests in self._gatherer.gather(leg, self._settings, self._manager):
            if isinstance(requests, Exception):
                self._problems.append((part[0], requests))
                requests = []
            ready = [Stretch(self._run(part[0]), requests, last=part[3])]
            del requests  # whoever takes them lets them go, long before the next ones are built
            yield ready.pop()

    def _run(self, task: str) -> TaskRun:
        if task not in self._open:
            settings = self._settings
            journal = self._folder.journal(task, later=True)
            self._open[task] = TaskRun(
                records=self._works[task].records,
                journal=journal.__enter__(),
                keys=self._keys[task],
                ticker=self._ticker,
                batch_size=settings.batch_size,
                chunk=settings.chunk,
                seed=settings.seed,
                done=partial(self._close, task),
            )
        return self._open[task]

    def _close(self, task: str) -> None:
        self._open.pop(task).journal.__exit__(None, None, None)
        faulty = any(name == task for name, _ in self._problems)
        if self._done is not None and not faulty:
            self._done(task)

    def check(self) -> None:
        """Raise `RunError` if there is a task whose requests could not be built."""
        if self._problems:
            raise not_asked(self._problems) from self._problems[0][1]
