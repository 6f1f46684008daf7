"""Scores of finished tasks, made by a process beside the run while the engine works on the next.

One process scores one task at a time, at low priority, so the thread that feeds the engine is not
slowed. What it makes is what the end of the run would make, byte for byte; the end takes it if
nothing has changed since, and makes the rest. A kill loses nothing: scores come from journals.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from onethinker_eval.benchmarks import Task
from onethinker_eval.harness.settings import Settings
from onethinker_eval.media.worker_process import worker_environment
from onethinker_eval.rescoring.beside import Order, scores_of, stamp_of
from onethinker_eval.rescoring.rescore import TaskScores
from onethinker_eval.segmentation.stage import is_segmentation

__all__ = ["ScoringBeside"]

START_AFTER_S = 20.0
"""A run that ends before is scored at its end, in less time than a process takes to start."""

_PROGRAM = "from onethinker_eval.rescoring.beside import main; main()"


class ScoringBeside:
    """Scores tasks in the order they are submitted, inside its block."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        tasks: Mapping[str, Task],
        tell: Callable[[str], None] = lambda _message: None,
    ) -> None:
        """Prepare for the run `folder`; `tell` is given a line if a task could not be scored.

        Tasks that wait for masks, or for the judge of `settings`, are left to the end.
        """
        self._folder, self._settings, self._tell = folder, settings, tell
        self._tasks = {
            name: task
            for name, task in tasks.items()
            if not is_segmentation(task) and not (settings.judge and task.judge)
        }
        self._due: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._made: dict[str, dict[str, Any]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._ending = threading.Event()
        self._began = time.monotonic()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ScoringBeside:
        for left in (self._folder / "scores").glob(".scoring-*"):
            shutil.rmtree(left, ignore_errors=True)  # of a process that was killed over it
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._due.put(None)
        process = self._process
        if kind is not None and process is not None:
            process.kill()
        if self._thread is not None:
            self._thread.join()

    def submit(self, task: str) -> None:
        """Have `task` scored: the last of its replies is in the journal."""
        if task not in self._tasks or self._ending.is_set():
            return
        if self._thread is None:
            # It starts the process, which the system ends when its starter ends.
            self._thread = threading.Thread(target=self._serve, name="scoring", daemon=True)
            self._thread.start()
        self._due.put(task)

    def ready(self) -> dict[str, TaskScores]:
        """Return, after the block, the scores that still are those of the journals."""
        return {
            name: scores_of(self._order(name).plan(), answer)
            for name, answer in self._made.items()
            if stamp_of(self._folder, name) == answer["stamp"]
        }

    def _order(self, task: str) -> Order:
        settings = self._settings
        return Order(
            str(self._folder), task, settings.protocols, settings.seed, settings.include_path
        )

    def _serve(self) -> None:
        try:
            self._ending.wait(START_AFTER_S - (time.monotonic() - self._began))
            while (task := self._due.get()) is not None:
                # What has not begun when the run ends is done by its end, by all cores.
                if self._ending.is_set() or not self._score(task):
                    break
        finally:
            self._end()

    def _score(self, task: str) -> bool:
        """Have `task` scored now; return whether the process can do more."""
        try:
            process = self._process = self._process or self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asdict(self._order(task))) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            answer = json.loads(line) if line else {"error": "the scoring process ended"}
        except (OSError, ValueError) as error:
            answer, line = {"error": str(error)}, ""
        if "error" not in answer:
            self._made[task] = answer
        elif not self._ending.is_set():
            self._tell(
                f"{task}: not scored yet ({answer['error']}); "
                "its replies are kept, the end of the run tries again"
            )
        return bool(line)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            env=worker_environment(),
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what it was not sent any more
                    stream.close()
