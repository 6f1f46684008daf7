"""Jobs done ahead of their turn by a fixed number of lanes, within bounds of count and memory.

A lane is a thread that does jobs itself or has a worker process do them. Jobs start in the order
they were announced, with two exceptions: one that is being waited for comes first, and one whose
media another lane decodes at this moment waits for that lane, which still holds the pixels. No
job starts unless the results that wait for their turn, and the most that those under way may
become, leave room for the most it may become itself. What the taker holds is the taker's. The job
waited for starts in any case, so a budget below one result, or an unforeseen order of taking,
makes things slow but never stops them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Ahead", "Job", "Lane"]

Lane = Callable[[Any], tuple[Any, float]]
"""Does a job's work; returns the result and the seconds it took, or raises."""

_MOST_DESCRIBED = 256


@dataclass(slots=True)
class Job:
    """A piece of work: `key` names it, `most_bytes` bounds its result, `media` what it decodes."""

    key: Hashable
    work: Any
    most_bytes: int = 0
    media: Hashable = None
    result: Any = field(default=None, repr=False)
    error: BaseException | None = field(default=None, repr=False)
    weight: int = 0
    begun: bool = False
    done: bool = False
    urgent: bool = False


class Ahead:
    """The jobs and the lanes that do them; see the module."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        *,
        most: int,
        most_bytes: int,
        weigh: Callable[[Any], int] = lambda _result: 0,
        spent: Callable[[Job, float], None] = lambda _job, _seconds: None,
    ) -> None:
        """Hold at most `most` results and `most_bytes` bytes; tell `spent` what each job took."""
        self._most, self._most_bytes = max(1, most), most_bytes
        self._weigh, self._spent = weigh, spent
        self._change = threading.Condition()
        self._jobs: dict[Hashable, Job] = {}
        self._busy: dict[int, Hashable] = {}
        self._closed = False
        self.peak_bytes = 0
        """The most bytes that results under way and waiting were counted as at any time."""
        self._threads = [
            threading.Thread(target=self._run, args=(n, lane), name=f"ahead-{n}", daemon=True)
            for n, lane in enumerate(lanes)
        ]
        for thread in self._threads:
            thread.start()

    def announce(self, jobs: Iterable[Job]) -> None:
        """Have `jobs` done when there is room; those known already stay where they are."""
        with self._change:
            for job in jobs:
                if len(self._jobs) >= _MOST_DESCRIBED:
                    break
                self._jobs.setdefault(job.key, job)
            self._change.notify_all()

    def has(self, key: Hashable) -> bool:
        """Tell whether a job of this key was announced and not taken."""
        return key in self._jobs

    def take(self, job: Job) -> Any:
        """Return the result of `job`, done ahead or at once; raises what its work raised."""
        with self._change:
            known = self._jobs.setdefault(job.key, job)
            known.urgent = True
            self._change.notify_all()
            while not known.done:
                # A lane never ends before `close`; the look is for what nobody foresaw.
                if self._closed or not self._change.wait(5.0):
                    self._check_lanes()
            del self._jobs[job.key]
            self._change.notify_all()
        if known.error is not None:
            raise known.error
        return known.result

    def finished(self, timeout_s: float = 0.0) -> list[Job]:
        """Take all jobs that are done, in the order announced; wait so long for a first one."""
        until = time.monotonic() + timeout_s
        with self._change:
            while True:
                done = [job for job in self._jobs.values() if job.done]
                left = until - time.monotonic()
                if done or left <= 0 or not self._jobs:
                    break
                self._change.wait(left)
            for job in done:
                del self._jobs[job.key]
            self._change.notify_all()
        return done

    def close(self) -> None:
        """Start nothing more; those who wait for a result get a `RuntimeError`."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def ended(self, timeout_s: float) -> bool:
        """After `close`, wait so long for the lanes to end; tell whether all have."""
        until = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, number: int, lane: Lane) -> None:
        last: Hashable = None
        while (job := self._next(number, last)) is not None:
            last = job.media
            try:
                result, seconds = lane(job.work)
                weight = self._weigh(result)
                self._spent(job, seconds)
                error: BaseException | None = None
            except Exception as problem:  # it belongs to the job and is raised where that is taken
                result, weight, error = None, 0, problem
            with self._change:
                job.result, job.error, job.weight, job.done = result, error, weight, True
                self._busy.pop(number, None)
                self._note_peak()
                self._change.notify_all()
            del job, result, error

    def _next(self, number: int, last: Hashable) -> Job | None:
        """Wait for a job that may begin, and begin it; `None` when there will be no more."""
        with self._change:
            while not self._closed:
                job = self._choose(last)
                if job is not None:
                    job.begun = True
                    self._busy[number] = job.media
                    self._note_peak()
                    return job
                self._change.wait()
        return None

    def _choose(self, last: Hashable) -> Job | None:
        waiting = [job for job in self._jobs.values() if not job.begun]
        if not waiting:
            return None
        urgent = next((job for job in waiting if job.urgent), None)
        if urgent is not None:
            return urgent
        count, size = self._held()
        if count >= self._most:
            return None
        elsewhere = {media for media in self._busy.values() if media is not None and media != last}
        job = next((job for job in waiting if job.media not in elsewhere), None)
        if job is None or (count and size + job.most_bytes > self._most_bytes):
            return None
        return job

    def _held(self) -> tuple[int, int]:
        """Return how many results are under way or waiting, and the bytes they count as."""
        begun = [job for job in self._jobs.values() if job.begun]
        return len(begun), sum(job.weight if job.done else job.most_bytes for job in begun)

    def _note_peak(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self._held()[1])

    def _check_lanes(self) -> None:
        if self._closed or not any(thread.is_alive() for thread in self._threads):
            raise RuntimeError("media are no longer being prepared")
