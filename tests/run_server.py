"""Runs in processes of their own that can be killed, without paying for imports each time.

Importing lmms-eval takes ten seconds. The server imports it once, then forks a child for each run
asked for; a test may kill the child at any instant. One JSON line a request on standard input
(`{"settings": {…}, "outcome": FILE, "file_limit": BYTES?}`), two in answer: `{"pid"}` when the
run has begun and `{"status"}` when it has ended.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class RunServer:
    """The test's side: starts the server, asks for runs, kills them."""

    def __init__(self, scratch: Path) -> None:
        """Start the server; `scratch` is for outcome files, cache and messages."""
        self._scratch = scratch
        self._count = 0
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "ONETHINKER_CACHE": str(scratch / "cache"),
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        self._answer()

    def run(
        self,
        *,
        kill_after: float | None = None,
        kill_when: Callable[[], bool] | None = None,
        file_limit: int | None = None,
        environment: Mapping[str, str] | None = None,
        constants: Mapping[str, float] | None = None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Run `settings` and return the outcome; `{"killed": True}` if killed before its end.

        It is killed after `kill_after` seconds, or as soon as `kill_when()` holds. `constants`
        ("module:NAME") have these values in it. An outcome
        has `seconds` and either `error` (class, text) or the result's fields.
        """
        self._count += 1
        outcome = self._scratch / f"outcome-{self._count}.json"
        request = {"settings": settings, "outcome": str(outcome), "file_limit": file_limit}
        request["environment"] = dict(environment or {})
        request["constants"] = dict(constants or {})
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        child = self._answer()["pid"]
        ended = threading.Event()
        if kill_after is not None:
            due = time.monotonic() + kill_after
            _watch(child, ended, lambda: time.monotonic() >= due)
        if kill_when is not None:
            _watch(child, ended, kill_when)
        self._answer()
        ended.set()
        found: dict[str, Any] = {"killed": True}
        if outcome.exists():
            found = json.loads(outcome.read_text())
        return found

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the run server ended; see its messages on standard error")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=300)


def _watch(child: int, ended: threading.Event, due: Callable[[], bool]) -> None:
    """Kill `child`, unless it has `ended`, at the moment `due` holds."""

    def watch() -> None:
        while not ended.wait(0.002):
            if due():
                os.kill(child, signal.SIGKILL)
                return

    threading.Thread(target=watch, daemon=True).start()


def _serve() -> None:
    from onethinker_eval.harness import environment

    environment.prepare()
    import transformers.models.qwen3_vl.modeling_qwen3_vl  # noqa: F401

    import onethinker_eval.harness.evaluate
    import onethinker_eval.harness.models.baseline
    import onethinker_eval.harness.models.onethinker
    import onethinker_eval.harness.models.oracle
    import onethinker_eval.harness.models.replay
    import onethinker_eval.harness.proxy
    import onethinker_eval.harness.task_manager
    import onethinker_eval.reporting
    import onethinker_eval.rescoring  # noqa: F401

    _say({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _child(request)
        _say({"pid": child})
        _, status = os.waitpid(child, 0)
        _say({"status": status})


def _say(value: Mapping[str, Any]) -> None:
    print(json.dumps(value), flush=True)


def _child(request: Mapping[str, Any]) -> None:
    from onethinker_eval.errors import OneThinkerError
    from onethinker_eval.harness.evaluate import evaluate
    from onethinker_eval.harness.settings import Settings

    os.dup2(2, 1)  # whatever is printed must not mix with the server's answers
    os.environ.update(request["environment"])
    for name, value in request["constants"].items():
        module, _, attribute = name.partition(":")
        setattr(sys.modules[module], attribute, value)
    outcome = Path(request["outcome"])
    if request["file_limit"]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"], hard))
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in request["settings"].items()}
    began = time.monotonic()
    found: dict[str, Any]
    try:
        result = evaluate(Settings(**values))
        found = {
            "folder": str(result.folder),
            "generated": result.generated,
            "reused": result.reused,
            "failures": [[f.task, f.id, f.kind, f.message] for f in result.failures],
            "exit_code": result.exit_code,
        }
    except OneThinkerError as error:
        found = {"error": type(error).__name__, "text": str(error)}
    found["seconds"] = time.monotonic() - began
    temporary = outcome.with_suffix(".part")
    temporary.write_text(json.dumps(found))
    temporary.replace(outcome)
    os._exit(0)


if __name__ == "__main__":
    _serve()
