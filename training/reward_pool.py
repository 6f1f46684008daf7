"""Worker processes that score rollouts beside the training process, each under a time limit.

A thread feeds each process one rollout at a time, so nothing waits behind a slow one but itself. A
worker that takes too long, or dies, is replaced; the rollout it had has no reward (`RewardFailed`).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import orjson

import onethinker_eval
from onethinker_eval.errors import RunError
from onethinker_eval.training.rewards import Reward

__all__ = ["RewardFailed", "ScoringPool"]

_START_LIMIT_S = 120.0
_PORTION = 1 << 16
_Job = tuple[Mapping[str, Any], "Future[Reward]"]


class RewardFailed(Exception):
    """A reward that could not be had: the name of the error, and its message."""

    def __init__(self, kind: str, message: str) -> None:
        """Keep the `kind`, such as "TimeLimit" or the name of an exception."""
        super().__init__(message)
        self.kind = kind


class ScoringPool:
    """`workers` processes that call `rewards.reward`; started when first used."""

    def __init__(self, workers: int, time_limit_s: float = 20.0) -> None:
        """Start nothing yet; each rollout may take `time_limit_s` seconds."""
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._count, self._limit_s = workers, time_limit_s
        self._closed = threading.Event()
        self._workers = [_Worker() for _ in range(workers)]
        atexit.register(self.close)

    def submit(self, request: Mapping[str, Any]) -> Future[Reward]:
        """Score one rollout, as `reward_worker` takes it; the future may raise `RewardFailed`."""
        if self._closed.is_set():
            raise RuntimeError("the pool is closed")
        if not self._threads:
            for number, worker in enumerate(self._workers):
                thread = threading.Thread(
                    target=self._serve, args=(worker,), name=f"reward-{number}", daemon=True
                )
                thread.start()
                self._threads.append(thread)
        made: Future[Reward] = Future()
        self._jobs.put((request, made))
        return made

    def close(self) -> None:
        """End the processes; rollouts that wait have no reward."""
        atexit.unregister(self.close)
        self._closed.set()
        for _ in self._threads:
            self._jobs.put(None)
        for worker in self._workers:
            worker.stop()
        for thread in self._threads:
            thread.join(timeout=5)
        with contextlib.suppress(queue.Empty):
            while job := self._jobs.get_nowait():
                job[1].set_exception(RewardFailed("Stopped", "the pool was closed"))

    def _serve(self, worker: _Worker) -> None:
        while (job := self._jobs.get()) is not None:
            request, made = job
            try:
                if self._closed.is_set():
                    raise RewardFailed("Stopped", "the pool was closed")
                reply = worker.ask(request, self._limit_s)
                if "error" in reply:
                    raise RewardFailed(str(reply["error"]), str(reply["message"]))
                value = Reward(reply["total"], reply["parts"], reply["accuracy"], reply["outcome"])
            except BaseException as error:  # told to who waits
                made.set_exception(error)
            else:
                made.set_result(value)


class _Worker:
    """One process, used by one thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def ask(self, request: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        """Return the process's reply; kill it where none comes in time."""
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(orjson.dumps(request) + b"\n")
            process.stdin.flush()
            return self._reply(process, limit_s)
        except TimeoutError as error:
            self.stop()
            raise RewardFailed("TimeLimit", f"no reward within {limit_s:g} s") from error
        except (OSError, EOFError, ValueError) as error:
            self.stop()
            raise RewardFailed("WorkerDied", "the scoring process ended") from error

    def stop(self) -> None:
        """End the process; the next question starts another."""
        process, self._process, self._read = self._process, None, b""
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "onethinker_eval.training.reward_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # The first entry of the module path is the working directory: the package's own home.
            cwd=Path(onethinker_eval.__file__).resolve().parents[1],
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )
        self._process = process
        try:
            self._reply(process, _START_LIMIT_S)
        except (TimeoutError, EOFError, OSError, ValueError) as error:
            self.stop()
            raise RunError("a process that scores rollouts did not start") from error
        return process

    def _reply(self, process: subprocess.Popen[bytes], limit_s: float) -> dict[str, Any]:
        """Return the next line; raises `TimeoutError`, or `EOFError` where the process ended."""
        assert process.stdout is not None
        deadline = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._read:
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError
                portion = os.read(process.stdout.fileno(), _PORTION)
                if not portion:
                    raise EOFError
                self._read += portion
        line, _, self._read = self._read.partition(b"\n")
        reply: dict[str, Any] = orjson.loads(line)
        return reply
