"""A local HTTP server that speaks the judges' API, with faults on demand, and run folders for it.

It listens on 127.0.0.1 in a thread. `answer` maps a request (path, JSON body) to a reply: a text
is wrapped as a chat completion, anything else is sent as JSON. `faults` are taken one a request
before any answer; every request is noted.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

Answer = Callable[[str, dict[str, Any]], Any]


@dataclass
class Fault:
    """What goes wrong with one request."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"error": {"message": "a fault"}}'
    delay_s: float = 0.0
    close: bool = False
    drip_s: float = 0.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class JudgeServer:
    """Use as a context manager; `url` is what `base_url` takes."""

    def __init__(self, answer: Answer, faults: Iterable[Fault] = (), delay_s: float = 0.0) -> None:
        self.answer, self.faults, self.delay_s = answer, list(faults), delay_s
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.times: list[float] = []
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> JudgeServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def texts(self) -> list[str]:
        """The user messages that were sent, in order."""
        return [body["messages"][-1]["content"] for _, _, body in self.requests]

    def take(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Fault | None:
        with self._lock:
            self.requests.append((path, headers, body))
            self.times.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            return self.faults.pop(0) if self.faults else None

    def done(self) -> None:
        with self._lock:
            self._at_once -= 1

    def _handler(server: JudgeServer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each reply waits 40 ms for an acknowledgement

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(size))
                fault = server.take(self.path, dict(self.headers), body)
                try:
                    self._reply(fault, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    server.done()

            def _reply(self, fault: Fault | None, body: dict[str, Any]) -> None:
                time.sleep(server.delay_s + (fault.delay_s if fault else 0.0))
                if fault is not None and fault.close:
                    self.close_connection = True
                    self.connection.close()
                    return
                if fault is not None and fault.drip_s:
                    self._drip(fault.drip_s)
                    return
                if fault is not None and fault.status:
                    self._send(fault.status, fault.body, fault.headers)
                    return
                value = server.answer(self.path, body)
                if isinstance(value, bytes):
                    self._send(200, value, {})
                    return
                if isinstance(value, str):
                    usage = {"prompt_tokens": 7, "completion_tokens": 1}
                    message = {"role": "assistant", "content": value}
                    value = {"choices": [{"message": message}], "usage": usage}
                self._send(200, json.dumps(value).encode(), {})

            def _drip(self, seconds: float) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                for _ in range(200):
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(seconds)

            def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        return Handler


def always(text: Any) -> Answer:
    """Answer every request alike."""
    return lambda path, body: text


def record(sample: str, problem_type: str, truth: Any, **fields: Any) -> dict[str, Any]:
    """Return the JSON of a record with plausible defaults."""
    return {
        "id": sample,
        "problem_type": problem_type,
        "data_type": "image",
        "question": "Which colour has the ball?",
        "media": [["image", f"/data/{sample}.png"]],
        "truth": truth,
        "options": [],
        "cluster": f"{sample}.png",
        "meta": {},
        "origin": "",
        **fields,
    }


def answered(text: str) -> str:
    """Return a reply in the form the prompts ask for."""
    return f"<think>hm</think><answer>{text}</answer>"


def make_run(
    folder: Path, tasks: Mapping[str, Sequence[tuple[dict[str, Any], str | None]]]
) -> Path:
    """Write a run folder of (record, reply) pairs by task id; no reply is a failed sample."""
    identity: dict[str, Any] = {}
    for task, pairs in tasks.items():
        lines = []
        for item, reply in pairs:
            error = None if reply is not None else {"kind": "model", "message": "no reply"}
            lines.append(
                {
                    "key": "0",
                    "id": item["id"],
                    "status": "ok" if reply is not None else "failed",
                    "reply": reply,
                    "error": error,
                    "record": item,
                    "seconds": 0.0,
                    "tokens": {"in": None, "out": None},
                }
            )
        (folder / "replies").mkdir(parents=True, exist_ok=True)
        path = folder / "replies" / f"{task}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        identity[task] = {"limit": 1 << 53, "info": {"records": len(lines)}}
        identity[task]["info"] |= _place(task)
    manifest = {
        "schema": 1,
        "name": folder.name,
        "demo": False,
        "identity": {
            "model": {"name": "replay", "arguments": {}, "weights": ""},
            "seed": 0,
            "tasks": identity,
        },
        "settings": {"protocols": [], "include_path": []},
        "sessions": [],
    }
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


def _place(task: str) -> dict[str, str]:
    from onethinker_eval.benchmarks import catalogue

    known = catalogue().tasks[task]
    return {"benchmark": known.benchmark, "split": known.split}
