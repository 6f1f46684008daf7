"""How far a run is: what `evaluate` tells its caller while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Progress", "ProgressCallback", "Ticker"]

Stage = Literal["data", "model", "generate", "segment", "score", "done"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a run.

    `done`, `total`, `reused` and `failed` count samples of the whole run; `task_done` and
    `task_total` those of `task`. `rate` is new samples a second over this session (0 before the
    first), `seconds_left` an estimate (`None` before the first). `message` is one line to show.
    """

    stage: Stage
    task: str = ""
    done: int = 0
    total: int = 0
    task_done: int = 0
    task_total: int = 0
    reused: int = 0
    failed: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    message: str = ""


ProgressCallback = Callable[[Progress], None]


class Ticker:
    """Counts finished samples and reports them, with rate and time left; safe in threads."""

    def __init__(
        self,
        callback: ProgressCallback | None,
        totals: dict[str, int],
        *,
        stage: Stage = "generate",
    ) -> None:
        """Report to `callback` on `totals` samples per task; `stage` is what is counted."""
        self._stage: Stage = stage
        self._callback = callback
        self._totals = totals
        self._started: float | None = None
        self._task = ""
        self._done: dict[str, int] = {}
        self._lock = threading.RLock()  # reports come one at a time, from whichever thread
        self.generated = self.reused = self.failed = 0

    def say(self, stage: Stage, message: str, task: str = "") -> None:
        """Report a change of stage."""
        if self._callback is not None:
            with self._lock:
                self._callback(self._moment(stage, task or self._task, message))

    def start(self, task: str) -> None:
        """Count the samples of `task` from now on, those that name no task."""
        with self._lock:
            self._task = task
            if self._started is None:
                self._started = time.monotonic()
            self.say(self._stage, "", task)

    def add(self, *, task: str = "", generated: int = 0, reused: int = 0, failed: int = 0) -> None:
        """Count samples that are finished (`failed` ones are part of neither other number).

        They are those of `task`, which is the one told of from now on, or of the one started.
        """
        with self._lock:
            self._task = task or self._task
            self.generated += generated
            self.reused += reused
            self.failed += failed
            known = self._done.get(self._task, 0)
            self._done[self._task] = known + generated + reused + failed
            self.say(self._stage, "")

    def _moment(self, stage: Stage, task: str, message: str) -> Progress:
        total = sum(self._totals.values())
        fresh = self.generated + self.failed
        done = fresh + self.reused
        spent = time.monotonic() - self._started if self._started is not None else 0.0
        rate = fresh / spent if fresh and spent > 0 else 0.0
        left = (total - done) / rate if rate else None
        return Progress(
            stage=stage,
            task=task,
            done=done,
            total=total,
            task_done=self._done.get(task, 0),
            task_total=self._totals.get(task, 0),
            reused=self.reused,
            failed=self.failed,
            rate=rate,
            seconds_left=left,
            message=message,
        )
