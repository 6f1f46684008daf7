"""Whether two answers to a mathematics problem are the same.

`compare(pred, truth)` says whether and by which test, `equivalent` only whether. Tests run
from cheap to dear:

1. identical text, 2. plain decimal numbers, 3. (rule `repaired`) equal normal forms,
4. symbolic equality by math-verify, in a process of its own that is killed at the time limit,
5. equal normal forms, when the symbolic test had to be given up.

The symbolic test is `verify(parse(truth), parse(pred))` of math-verify, the first in
OneThinker's chain (`eval_bench.py`). Under rule `paper` it reads texts as they stand: a bare
formula such as "x+1" has no math delimiters, so math-verify reads only the number in it.
Under `repaired` a bare formula is put between dollar signs first.

Nothing of an answer is executed here. math-verify itself hands text to SymPy only if it
consists of digits, operators and brackets; that, too, happens in the other process.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from onethinker_eval.errors import MissingPart, unknown_name
from onethinker_eval.metrics.math_normal_form import normal_form

__all__ = ["MAX_CHARACTERS", "Comparison", "compare", "equivalent", "stop_worker"]

Rule = Literal["paper", "repaired"]
How = Literal[
    "identical", "number", "symbolic", "normal form", "empty", "too long", "timeout", "error"
]

MAX_CHARACTERS = 10_000
"""Longer answers are not handed to the symbolic test: `how` is then "too long"."""

_RULES = ("paper", "repaired")
_LONGEST_LIMIT_S = 3_600.0
_START_LIMIT_S = 120.0
# Numbers for which math-verify's comparison is exact decimal equality: within the 15 digits
# of its floats and the 6 decimals to which it rounds.
_PLAIN = re.compile(r"-?(?:[1-9][0-9]{0,2}(?:,[0-9]{3}){1,2}|[0-9]{1,9})(?:\.[0-9]{1,6})?")


class Comparison(NamedTuple):
    """Whether two answers are `equal`, and `how` that was decided."""

    equal: bool
    how: How


def equivalent(pred: str, truth: str, *, time_limit_s: float = 5.0, rule: Rule = "paper") -> bool:
    """Tell whether `pred` and `truth` are the same mathematical answer.

    See `compare`, of which this is the first field.

    >>> equivalent("0.50", "0.5"), equivalent("7", "8")
    (True, False)
    """
    return compare(pred, truth, time_limit_s=time_limit_s, rule=rule).equal


def compare(
    pred: str, truth: str, *, time_limit_s: float = 5.0, rule: Rule = "paper"
) -> Comparison:
    """Compare two answers, given as text, LaTeX or not, and say how it was decided.

    The call returns within `time_limit_s` seconds of symbolic work (plus, once, the start
    of the other process, some seconds), from any thread and after a fork. Symbolic results
    are remembered, except those that were given up. An empty answer equals nothing.
    Raises `MissingPart` when the symbolic test is needed and math-verify is not installed.

    >>> compare("1,000", "1000"), compare("", "")
    (Comparison(equal=True, how='number'), Comparison(equal=False, how='empty'))
    """
    if rule not in _RULES:
        raise unknown_name("rule", rule, _RULES)
    if not 0 < time_limit_s <= _LONGEST_LIMIT_S:
        raise ValueError(
            f"time_limit_s must be above 0 and at most {_LONGEST_LIMIT_S:.0f}, got {time_limit_s}"
        )
    pred, truth = pred.strip(), truth.strip()
    if not pred or not truth:
        return Comparison(False, "empty")
    if pred == truth:
        return Comparison(True, "identical")
    if len(pred) > MAX_CHARACTERS or len(truth) > MAX_CHARACTERS:
        return Comparison(False, "too long")
    if _PLAIN.fullmatch(pred) and _PLAIN.fullmatch(truth):
        return Comparison(_number(pred) == _number(truth), "number")
    if rule == "repaired" and normal_form(pred) == normal_form(truth):
        return Comparison(True, "normal form")
    try:
        return Comparison(_symbolic(pred, truth, rule, time_limit_s), "symbolic")
    except _GivenUpError as reason:
        if normal_form(pred) == normal_form(truth):
            return Comparison(True, "normal form")
        return Comparison(False, reason.how)


def timeouts() -> int:
    """Return how many comparisons this process has given up because they took too long."""
    return _WORKER.timeouts


def _number(text: str) -> Decimal:
    """Return the value of a text that `_PLAIN` matches."""
    return Decimal(text.replace(",", ""))


class _GivenUpError(Exception):
    """The symbolic test ended without a verdict; never leaves this module."""

    def __init__(self, how: Literal["timeout", "error"]) -> None:
        super().__init__(how)
        self.how: How = how


@lru_cache(maxsize=8_192)
def _symbolic(pred: str, truth: str, rule: Rule, time_limit_s: float) -> bool:
    """Return the worker's verdict; raise `_GivenUpError` (which is not remembered) without one."""
    reply = _WORKER.ask([pred, truth, rule, time_limit_s], time_limit_s)
    if "error" in reply:
        raise _GivenUpError("error")
    return bool(reply["equal"])


class _Worker:
    """One lazily started `math_worker`, asked by one thread at a time."""

    def __init__(self) -> None:
        self.timeouts = 0
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()
        # The process that answers: a child of `_process`, or itself; 0 until it is ready.
        self._answering = 0

    def ask(self, request: list[Any], time_limit_s: float) -> dict[str, Any]:
        """Send one request and return its reply; kill who works on it if none comes in time."""
        with self._lock:
            process = self._running()
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
                reply = self._reply(time_limit_s)
            except queue.Empty:
                self.timeouts += 1
                self._interrupt(process)
                raise _GivenUpError("timeout") from None
            except OSError:
                reply = {}
            if "ready" in reply:
                # The child died over the request and its successor reports.
                self._answering = int(reply["ready"])
                raise _GivenUpError("error")
            if not reply:
                self._stop()
                raise _GivenUpError("error")
            return reply

    def stop(self) -> None:
        """End the process, if one runs; the next question starts another."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Drop a parent's process after a fork: its pipes and its lock are not ours."""
        self._reset()

    def _running(self) -> subprocess.Popen[str]:
        """Return the process once it is ready for a question; start it if there is none."""
        process = self._process
        if process is None or process.poll() is not None:
            self._stop()
            process, self._replies = _start()
            self._process = process
        while not self._answering:
            try:
                reply = self._reply(_START_LIMIT_S)
            except queue.Empty:
                reply = {}
            if not reply:
                self._stop()
                raise MissingPart(
                    "symbolic mathematics is not available: its process did not start",
                    hint="pip install 'math-verify>=0.8'",
                )
            # Anything else is an answer that came just too late.
            self._answering = int(reply.get("ready", 0))
        return process

    def _reply(self, time_limit_s: float) -> dict[str, Any]:
        """Return the next line, `{}` at the end of output; raise `queue.Empty` when none comes."""
        line = self._replies.get(timeout=time_limit_s)
        reply: dict[str, Any] = json.loads(line) if line else {}
        return reply

    def _interrupt(self, process: subprocess.Popen[str]) -> None:
        """Kill who works; a successor reports itself, or the next question starts one."""
        if self._answering == process.pid:
            self._stop()
        else:
            _kill(self._answering)
            self._answering = 0

    def _stop(self) -> None:
        process, self._process = self._process, None
        answering, self._answering = self._answering, 0
        if process is None:
            return
        process.kill()
        process.wait()
        if answering not in (0, process.pid):
            _kill(answering)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _kill(process_id: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)


def _start() -> tuple[subprocess.Popen[str], queue.SimpleQueue[str]]:
    """Start the process and a thread that queues its lines, ending with an empty one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "onethinker_eval.metrics.math_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="ascii",
        # The first entry of the module path is the working directory: the package's own
        # home, so that no file of the user's folder can stand in for a module.
        cwd=_package_home(),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    replies: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stdout is not None
    threading.Thread(
        target=_queue_lines, args=(process.stdout, replies), daemon=True, name="math-replies"
    ).start()
    return process, replies


def _package_home() -> Path:
    return Path(__file__).resolve().parents[2]


def _queue_lines(stream: IO[str], replies: queue.SimpleQueue[str]) -> None:
    # The stream may be closed under us when the process is stopped.
    with contextlib.suppress(ValueError, OSError):
        for line in stream:
            replies.put(line)
    replies.put("")


_WORKER = _Worker()
atexit.register(_WORKER.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_WORKER.forget)


def stop_worker() -> None:
    """End the process that does symbolic work, if it runs; a later call starts it again."""
    _WORKER.stop()
