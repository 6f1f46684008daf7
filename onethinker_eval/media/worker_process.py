"""A worker process as its parent sees it: started when needed, asked, timed, killed, replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from onethinker_eval.media.transport import receive, send

__all__ = ["WorkerDied", "WorkerHung", "WorkerProcess", "worker_environment"]

_PROGRAM = "from onethinker_eval.media.worker_main import main; main()"
_START_LIMIT_S = 600.0
_MOST_MESSAGES = 1 << 20


class WorkerDied(Exception):
    """The worker process ended in the middle of a job, or, not `started`, before its first.

    The message says how.
    """

    def __init__(self, how: str, *, started: bool) -> None:
        super().__init__(how)
        self.started = started


class WorkerHung(Exception):
    """The job took longer than its time limit; the worker was killed."""


class WorkerProcess:
    """One worker process of a craft. Only `close` and `release` may come from other threads.

    The system ends it when the *thread* that started it ends: call `ask` from one that stays.
    """

    def __init__(self, craft: str, settings: Mapping[str, Any]) -> None:
        """Prepare to start `craft` ("module:Class") with its `settings` (JSON values)."""
        self._order = {"craft": craft, "settings": dict(settings)}
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._closed = False
        # What a worker says about itself would tear a progress bar; its last line explains a death.
        self._messages = tempfile.TemporaryFile("a+b")  # noqa: SIM115  # as long as this object

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    def ask(self, request: Mapping[str, Any], limit_s: float) -> tuple[dict[str, Any], Any]:
        """Return the worker's message and arrays for `request`.

        Raises `WorkerDied` or `WorkerHung`; the next call starts a new process.
        """
        channel = self._channel or self._start()
        try:
            channel.settimeout(limit_s)
            send(channel, request)
            return receive(channel)
        except TimeoutError as error:
            self._end()
            raise WorkerHung(f"no result after {limit_s:g} s") from error
        except (EOFError, OSError, ValueError) as error:
            raise WorkerDied(self._end(), started=True) from error

    def close(self) -> None:
        """Kill the process and start no other."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def release(self) -> None:
        """After `close`, when no thread uses this any more: let go of what the process left."""
        self._end()
        self._messages.close()

    def _start(self) -> socket.socket:
        if self._closed:
            raise WorkerDied("closed", started=False)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = self._launch(theirs.fileno())
            self._channel = ours
            if self._is_closed():  # while the process was being started
                self._process.kill()
            ours.settimeout(_START_LIMIT_S)
            send(ours, self._order)
            receive(ours)
        except (EOFError, OSError, ValueError) as error:
            ours.close()
            raise WorkerDied(self._end(), started=False) from error
        return ours

    def _is_closed(self) -> bool:
        return self._closed

    def _launch(self, descriptor: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(descriptor), str(os.getpid())],
            pass_fds=[descriptor],
            env=worker_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._messages,
            start_new_session=True,
        )

    def _end(self) -> str:
        """Kill what is left of the process; return how it ended."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is None:
            return "it could not be started"
        process, self._process = self._process, None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # it may be ending by itself, with a code that tells more than ours
        process.kill()
        try:
            code = process.wait(5.0)
        except subprocess.TimeoutExpired:  # stuck in the kernel, on a dead file server perhaps
            return "it cannot be killed"
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        last = self._last_message()
        return f"{how}: {last}" if last else how

    def _last_message(self) -> str:
        size = self._messages.seek(0, os.SEEK_END)
        self._messages.seek(max(0, size - 2000))
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        if size > _MOST_MESSAGES:
            self._messages.truncate(0)
        return lines[-1].strip()[:300] if lines else ""


def worker_environment() -> dict[str, str]:
    """Return the environment of a worker: the same modules, one thread, no GPU."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "",
        "ONETHINKER_DECODER_THREADS": os.environ.get("ONETHINKER_DECODER_THREADS", "1"),
    }
