"""What a worker process runs: it is told its craft, then does one job after another.

It ends with the process that started it: when the channel closes, by the kernel's signal at the
parent's death (Linux), or within a second of it (elsewhere). Interrupts from a terminal do not
reach it. When memory runs out, the system is asked to end a worker before the engine.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError
from onethinker_eval.media.transport import receive, send

__all__ = ["end_with", "main"]

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the channel whose descriptor is the first argument; the second is the parent's id."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(int(sys.argv[2]))
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        order, _ = receive(channel)
        craft = _craft(order["craft"], order["settings"])
        send(channel, {"ready": True})
        while True:
            request, _ = receive(channel)
            _serve(channel, craft, request)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _craft(name: str, settings: Mapping[str, Any]) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)(**settings)


def _serve(channel: socket.socket, craft: Any, request: Mapping[str, Any]) -> None:
    began, cpu = time.monotonic(), time.process_time()
    error: dict[str, Any] = {}
    info: Mapping[str, Any] = {}
    arrays: Mapping[str, Any] = {}
    try:
        info, arrays = craft.pack(craft.do(craft.wanted(request)))
    except DataError as problem:
        error = {"problem": problem.problem, "file": str(problem.file), "fix": problem.fix}
    except Exception as problem:  # whatever a decoder or a processor raises belongs to its job
        error = {"kind": type(problem).__name__, "message": str(problem)[:2000]}
    spent = {"seconds": time.monotonic() - began, "cpu_s": time.process_time() - cpu}
    send(channel, {"error": error, "info": info, **spent}, arrays)


def end_with(parent: int) -> None:
    """Have this process ended with the process `parent`, whose thread started it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
