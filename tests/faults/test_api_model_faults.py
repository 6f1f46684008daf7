"""`--model openai` over a real local server: faults, limits, kills; nothing lost, nothing twice."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judge_server import Fault, JudgeServer, always
from run_server import RunServer

ANSWER = "<think>hm</think><answer>A</answer>"
SECRET = "sk-very-secret-value"

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(run_server: RunServer, small_suite: Path, tmp_path: Path) -> Run:
    """Ask a server about the first samples of a demo task."""

    def go(url: str, arguments: str = "", **settings: Any) -> dict[str, Any]:
        words = ["model=m", f"base_url={url}", *filter(None, [arguments])]
        given = {"tasks": ["mmstar"], "limit": 6, "run": "r", **settings}
        return run_server.run(
            model="openai",
            data=str(small_suite),
            output=str(tmp_path),
            model_args=",".join(words),
            **given,
        )

    return go


def journal(tmp_path: Path, task: str = "onethinker_mmstar") -> list[dict[str, Any]]:
    path = tmp_path / "r" / "replies" / f"{task}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_questions_frames_tokens_and_price(run: Run, tmp_path: Path) -> None:
    with JudgeServer(always(ANSWER)) as server:
        outcome = run(
            server.url,
            "max_frames=4,image_format=png,price_in=2,price_out=10",
            tasks=["charades"],
            environment={"OPENAI_API_KEY": SECRET},
        )
    assert (outcome["generated"], outcome["failures"]) == (6, [])
    for _, headers, body in server.requests:
        assert headers["Authorization"] == f"Bearer {SECRET}"
        assert (body["model"], body["temperature"]) == ("m", 0.0)
        content = body["messages"][-1]["content"]
        texts = [part["text"] for part in content if part["type"] == "text"]
        times = [re.fullmatch(r"<(\d+\.\d) seconds>", text) for text in texts[:-1]]
        assert [float(found[1]) for found in times if found] == sorted({float(t[1]) for t in times})
        assert sum(part["type"] == "image_url" for part in content) == len(times) == 4
    lines = journal(tmp_path, "onethinker_charades")
    assert [line["reply"] for line in lines] == [ANSWER] * 6
    assert all(line["tokens"] == {"in": 7, "out": 1} for line in lines)
    manifest = (tmp_path / "r" / "run.json").read_text()
    assert json.loads(manifest)["settings"]["model_args"].count("price_in=2") == 1
    assert "0.000144" in manifest  # 6 replies of 7 tokens in and 1 out
    for path in (tmp_path / "r").rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


def test_what_passes_is_survived(run: Run, tmp_path: Path) -> None:
    wait = {"Retry-After": "1"}
    whole = json.dumps({"choices": [{"message": {"content": ANSWER}}]}).encode()
    faults = [
        Fault(status=429, headers=wait),
        Fault(status=500),
        Fault(close=True),
        Fault(status=200, body=whole[:-9]),
        Fault(status=200, body=b'{"choices": [{"message": {"content": null}}]}'),
        Fault(delay_s=4.0),
        Fault(status=503, headers={"Retry-After": "0"}),
        Fault(drip_s=0.05),
    ]
    with JudgeServer(always(ANSWER), faults) as server:
        outcome = run(server.url, "num_concurrent=2,timeout=1.5")
    assert (outcome["generated"], outcome["failures"]) == (6, [])
    assert len(server.requests) == 6 + len(faults)
    assert {line["reply"] for line in journal(tmp_path)} == {ANSWER}
    refused = server.times[0]
    assert sum(1 for when in server.times if refused + 0.3 < when < refused + 0.95) == 0


def test_a_server_that_allows_few_requests_is_not_pressed(run: Run) -> None:
    lock, passed = threading.Lock(), [0.0]

    def refuse(path: str, body: dict[str, Any]) -> Any:
        raise AssertionError("replaced below")

    server = JudgeServer(refuse)
    take = server.take

    def limited(path: str, headers: dict[str, str], body: dict[str, Any]) -> Fault | None:
        take(path, headers, body)
        with lock:
            now = time.monotonic()
            if now - passed[0] < 0.2:
                return Fault(status=429, headers={"Retry-After": "0.3"})
            passed[0] = now
            return None

    server.take = limited  # type: ignore[method-assign]
    server.answer = always(ANSWER)
    with server:
        outcome = run(server.url, "num_concurrent=4", limit=8)
        pressed = len(server.requests)
        assert (outcome["generated"], outcome["failures"]) == (8, [])
        outcome = run(server.url, "num_concurrent=4,requests_per_minute=240", limit=8, run="calm")
    assert (outcome["generated"], outcome["failures"]) == (8, [])
    # The first connection takes a moment to open, so that the first two can arrive together.
    assert len(server.requests) - pressed <= 10


def test_many_at_once_and_no_more(run: Run) -> None:
    with JudgeServer(always(ANSWER), delay_s=0.3) as server:
        outcome = run(server.url, "num_concurrent=3", limit=9)
    assert outcome["generated"] == 9
    assert server.most_at_once == 3


def test_one_refused_question_fails_alone(run: Run, tmp_path: Path) -> None:
    faults = [Fault(status=400, body=b'{"error": "too long"}')]
    with JudgeServer(always(ANSWER), faults) as server:
        outcome = run(server.url, "num_concurrent=1")
    assert outcome["generated"] == 5
    ((_, _, kind, message),) = outcome["failures"]
    assert kind == "request"
    assert "HTTP 400" in message
    assert "too long" in message
    assert len(server.requests) == 6


def test_a_server_that_trusts_no_media_settings_says_what_to_do(run: Run) -> None:
    refusal = b'{"error": "kwargs are disabled. Start the server with --trust-request-mm-kwargs"}'
    with JudgeServer(always(ANSWER), [Fault(status=400, body=refusal)] * 99) as server:
        outcome = run(server.url, "media=vllm,num_concurrent=1", tasks=["charades"])
    assert outcome["error"] == "RunError"
    assert "start the server with --trust-request-mm-kwargs" in outcome["text"]
    assert "media=frames" in outcome["text"]
    assert len(server.requests) <= 2


def test_an_empty_reply_is_a_reply(run: Run, tmp_path: Path) -> None:
    with JudgeServer(always("")) as server:
        outcome = run(server.url, limit=2)
    assert (outcome["generated"], outcome["failures"]) == (2, [])
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_of_all_ends_the_run(run: Run, status: int) -> None:
    echo = f'{{"error": "no access with {SECRET}"}}'.encode()
    with JudgeServer(always(ANSWER), [Fault(status=status, body=echo)] * 99) as server:
        outcome = run(
            server.url, "num_concurrent=2", environment={"OPENAI_API_KEY": SECRET}, limit=20
        )
    assert outcome["error"] == "RunError"
    assert f"HTTP {status}" in outcome["text"]
    assert SECRET not in json.dumps(outcome)
    assert len(server.requests) <= 4


def test_a_server_that_is_gone_ends_the_run(run: Run, tmp_path: Path) -> None:
    outcome = run("http://127.0.0.1:9/v1", "retries=0,num_concurrent=4", limit=24)
    assert outcome["error"] == "RunError"
    assert "requests in a row failed" in outcome["text"]
    with JudgeServer(always(ANSWER)) as server:
        again = run(server.url, "retries=0", limit=24, run="other")
    assert (again["generated"], again["failures"]) == (24, [])


def test_a_killed_run_asks_only_what_was_not_answered(
    run: Run, run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r" / "replies" / "onethinker_mmstar.jsonl"

    def some_are_stored() -> bool:
        return path.exists() and path.read_bytes().count(b"\n") >= 5

    with JudgeServer(always(ANSWER), delay_s=0.1) as server:
        arguments = f"model=m,base_url={server.url},num_concurrent=2"
        common: dict[str, Any] = {
            "model": "openai",
            "tasks": ["mmstar"],
            "data": str(small_suite),
            "output": str(tmp_path),
            "run": "r",
            "limit": 20,
        }
        first = run_server.run(model_args=arguments, kill_when=some_are_stored, **common)
        assert first == {"killed": True}
        stored, sent = len(journal(tmp_path)), len(server.requests)
        assert 5 <= stored < 20
        # another concurrency and price: neither says what is asked
        again = run_server.run(
            model_args=f"{arguments.removesuffix('2')}4,price_in=1,price_out=1", **common
        )
        assert (again["reused"], again["generated"], again["failures"]) == (stored, 20 - stored, [])
        assert len(server.requests) - sent == 20 - stored
        refused = run_server.run(model_args=f"{arguments},fps=1", **common)
    assert refused["error"] == "RunError"
    assert "other settings" in refused["text"]


def test_a_key_in_the_command_is_refused(run: Run, tmp_path: Path) -> None:
    with JudgeServer(always(ANSWER)) as server:
        outcome = run(server.url, f"api_key={SECRET}")
    assert outcome["error"] == "UsageError"
    assert "api_key_env=NAME" in outcome["text"]
    assert server.requests == []
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()
