"""What a run has in hand: the requests of its tasks, and which of them are settled.

A task's requests come in one or more stretches. It is done when the last stretch has come and
each of its samples has a reply or a failure in the journal, whichever thread wrote the last one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from onethinker_eval.harness.chunks import ChunkSize
from onethinker_eval.harness.progress import Ticker
from onethinker_eval.harness.replies import TaskJournal
from onethinker_eval.harness.sample_key import SampleKeys
from onethinker_eval.records import Record

__all__ = ["Batch", "Sample", "Stretch", "TaskRun", "TaskState"]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, eq=False)
class TaskRun:
    """What answering a task needs to know of it.

    `records` stand in the order of lmms-eval's documents; `journal` is open, and `done` is called
    once, from any thread, when nothing of the task is left to write. `seed` is that of a model
    that draws from the process's random numbers; None leaves them alone.
    """

    records: Sequence[Record]
    journal: TaskJournal
    keys: SampleKeys
    ticker: Ticker
    batch_size: int = 1
    chunk: int | None = None
    seed: int | None = None
    done: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Stretch:
    """Requests of one task, in the order of its records; `last` if no more of it will come."""

    run: TaskRun
    requests: Sequence[Any]
    last: bool = True


class TaskState:
    """How much of a task is left."""

    def __init__(self, run: TaskRun) -> None:
        """Begin with nothing in hand."""
        self.run = run
        self.begun = False
        self.size = ChunkSize(run.batch_size, fixed=run.chunk)
        self._lock = threading.Lock()
        self._left = 0
        self._ended = False

    def add(self, count: int, *, last: bool) -> None:
        """Note `count` samples that have come and are to be settled."""
        self._change(count, ended=last)

    def settle(self, count: int) -> None:
        """Note that so many samples are in the journal."""
        self._change(-count)

    def _change(self, count: int, *, ended: bool = False) -> None:
        with self._lock:
            was_done = self._ended and not self._left
            self._left += count
            self._ended |= ended
            done = self._ended and not self._left
        if done and not was_done:
            self.run.done()


@dataclass(slots=True, eq=False)
class Sample:
    """One request: its record, its key once the media have been read, whether it is settled.

    `answered` means a reply in the journal, `settled` that or a failure of this session.
    """

    request: Any
    record: Record
    state: TaskState
    key: str = ""
    answered: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of one task that a model is to be given together."""

    state: TaskState
    samples: list[Sample]
