"""What a question shows, decoded and sized by the task's frame rule, ahead of its turn.

How a model uses it. Make one `MediaAhead`; describe a request's media by `Wanted(parts, rule)`
(message parts with `type` and `url`; the rule from `rule_with`); then either

- *batches*: `announce` what will be asked for, in the order it will be (the proxy calls the
  model's `prefetch(requests)` with the current chunk and many that follow: announce them there),
  and `take` each sample when its batch is made; or
- *in order*: iterate over `prepared(jobs)`; or
- *submit and complete*, for an engine that batches continuously: `announce` or `submit` what is
  next, and between two steps of the engine feed it what `ready()` returns, in whatever order that
  finished. `ready(timeout)` waits when the engine has nothing to do.

Results are `Shown`, or whatever the model's `craft` makes of a `Wanted` (`ShowMedia` tells what a
craft is). A broken, hung or crashing file comes back as the `DataError` of its sample.

`workers` processes do the work, or `threads` of this one when `workers` is 0: threads start at
once, processes leave the interpreter to the engine. A result made in a process lies in memory
shared with it, which is freed with the result. A process that dies is replaced and its job tried
once more; one that takes longer than `limit_s` for a job is killed. Threads cannot be killed: with
them a hung decoder hangs the run. Everything ends with the process that made it, however it ends.
"""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from onethinker_eval.errors import DataError, RunError
from onethinker_eval.harness import costs
from onethinker_eval.media.ahead import Ahead, Job, Lane
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.media.shown import ShowMedia, Shown, Wanted, shown
from onethinker_eval.media.worker_process import WorkerDied, WorkerHung, WorkerProcess

__all__ = [
    "CannotStart",
    "MediaAhead",
    "Shown",
    "Wanted",
    "default_workers",
    "rule_with",
    "shown",
]

_MOST_WORKERS = 16
_MOST_BYTES = 8 << 30
_TRIES = 2
_LANES_END_S = 5.0


class CannotStart(RunError):
    """No worker process can be started: nothing that follows can succeed."""


def rule_with(frames: Mapping[str, Any], changes: Mapping[str, Any]) -> FrameRule:
    """Return the frame rule of a task with the settings that the user gave instead."""
    given = {key: value for key, value in changes.items() if value is not None}
    return FrameRule.of({**frames, **given})


def default_workers(*, gpu: bool) -> int:
    """Return how many worker processes this process should have; 0 means threads.

    With a GPU all its share of the cores but one, at most 16. Without one the model itself needs
    the cores, and small models of a few seconds would wait for the workers to start.
    """
    if not gpu:
        return 0
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    share = cores // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return max(1, min(_MOST_WORKERS, share - 1))


class MediaAhead:
    """Prepares what will be asked for soon, within bounds; see the module for its use."""

    def __init__(
        self,
        threads: int = 2,
        ahead: int = 8,
        *,
        workers: int = 0,
        most_bytes: int | None = None,
        limit_s: float = 300.0,
        craft: Any = None,
    ) -> None:
        """Let at most `ahead` results and `most_bytes` (default: 8 GiB, or 1/8 of memory) wait."""
        self._craft = craft if craft is not None else ShowMedia()
        self._most = max(1, ahead, workers or threads)
        processes = [WorkerProcess(self._craft.name, self._craft.settings) for _ in range(workers)]
        lanes: list[Lane] = [partial(_in_process, one, self._craft, limit_s) for one in processes]
        if not processes:
            lanes = [partial(_in_thread, self._craft)] * max(1, threads)
        self._ahead = Ahead(
            lanes,
            most=self._most,
            most_bytes=most_bytes if most_bytes is not None else _share_of_memory(),
            weigh=partial(_weight, self._craft),
            spent=_pay,
        )
        self.waited_s = 0.0
        """Seconds that `take` and `ready` stood still because nothing was prepared yet."""
        self._processes = processes
        self.close = weakref.finalize(self, _close, self._ahead, processes)
        """Stop preparing and end the worker processes; done at exit as well."""

    @property
    def peak_bytes(self) -> int:
        """The most bytes that the results waiting and under way were counted as."""
        return self._ahead.peak_bytes

    @property
    def pids(self) -> list[int]:
        """The ids of the worker processes that run."""
        return [one.pid for one in self._processes if one.pid is not None]

    def announce(self, jobs: Iterable[tuple[Hashable, Any]]) -> None:
        """Begin with `jobs`, pairs of key and work, in their order, as there is room.

        Work is a `Wanted`; any other callable is called in a thread of this process. Jobs beyond
        the few hundred that are remembered are dropped: announce them again later.
        """
        self._ahead.announce([self._job(key, work) for key, work in jobs])

    def has(self, key: Hashable) -> bool:
        """Tell whether `key` is announced and not taken: it need not be described again."""
        return self._ahead.has(key)

    def submit(self, key: Hashable, work: Any) -> None:
        """Announce one job."""
        self.announce([(key, work)])

    def take(self, key: Hashable, work: Any) -> Any:
        """Return the result of `work`, done ahead or now, or the `DataError` of its file.

        Any other exception of the work is raised.
        """
        began = time.monotonic()
        try:
            return self._ahead.take(self._job(key, work))
        except DataError as error:
            return error
        finally:
            self.waited_s += time.monotonic() - began

    def prepared(self, jobs: Iterable[tuple[Hashable, Any]]) -> Iterator[tuple[Hashable, Any]]:
        """Yield (key, result or `DataError`) of `jobs` in their order, prepared ahead."""
        source = iter(jobs)
        window: deque[tuple[Hashable, Any]] = deque()
        while True:
            while len(window) <= self._most and (job := next(source, None)) is not None:
                window.append(job)
                self.submit(*job)
            if not window:
                return
            key, work = window.popleft()
            yield key, self.take(key, work)

    def ready(self, timeout_s: float = 0.0) -> list[tuple[Hashable, Any]]:
        """Return (key, result or exception) of what has been announced and is prepared.

        Waits up to `timeout_s` seconds for the first; empty when there is none by then, and at
        once when nothing is announced. An exception stands in its result's place.
        """
        began = time.monotonic()
        found = self._ahead.finished(timeout_s)
        self.waited_s += time.monotonic() - began
        return [(job.key, job.result if job.error is None else job.error) for job in found]

    def _job(self, key: Hashable, work: Any) -> Job:
        if isinstance(work, partial) and work.func is shown and not work.keywords:
            work = Wanted(tuple(work.args[0]), work.args[1])
        if not isinstance(work, Wanted):
            return Job(key, work)
        return Job(key, work, self._craft.bound(work), work.media or None)


def _in_thread(craft: Any, work: Any) -> tuple[Any, float]:
    began = time.monotonic()
    result = craft.do(work) if isinstance(work, Wanted) else work()
    return result, time.monotonic() - began


def _in_process(process: WorkerProcess, craft: Any, limit_s: float, work: Any) -> tuple[Any, float]:
    if not isinstance(work, Wanted):
        return _in_thread(craft, work)
    died = ""
    for _ in range(_TRIES):
        try:
            message, arrays = process.ask(work.to_json(), limit_s)
        except WorkerHung as error:
            raise _fault(
                work,
                f"decoding took more than {limit_s:g} s and was given up",
                "replace the file, or raise decode_limit_s in --model_args",
            ) from error
        except WorkerDied as error:
            if not error.started:
                raise CannotStart(
                    f"a process that decodes media cannot be started: {error}",
                    hint="decode_workers=0 in --model_args decodes in threads",
                ) from error
            died = str(error)
            continue
        _raise(message["error"])
        return craft.unpack(message["info"], arrays), message["seconds"]
    raise _fault(
        work, f"the process that decodes it died {_TRIES} times ({died})", "replace the file"
    )


def _fault(work: Wanted, problem: str, fix: str) -> DataError:
    files = [str(part["url"]) for part in work.parts if "url" in part]
    return DataError(problem, file=", ".join(files), fix=fix)


def _raise(error: Mapping[str, str]) -> None:
    if "problem" in error:
        raise DataError(error["problem"], file=error["file"], fix=error["fix"])
    if error:
        raise RuntimeError(f"{error['kind']}: {error['message']}")


def _weight(craft: Any, result: Any) -> int:
    try:
        return int(craft.weigh(result))
    except AttributeError:  # of a callable that is no `Wanted`: nobody knows
        return 0


def _pay(job: Job, seconds: float) -> None:
    costs.add_decode(seconds, task=getattr(job.work, "task", ""))


def _share_of_memory() -> int:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    ranks = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return min(_MOST_BYTES, pages * size // 8 // ranks)


def _close(ahead: Ahead, processes: list[WorkerProcess]) -> None:
    ahead.close()
    for process in processes:
        process.close()
    if processes and ahead.ended(_LANES_END_S):
        for process in processes:
            process.release()
