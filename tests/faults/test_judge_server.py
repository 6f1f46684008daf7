"""Judges over a real local server: errors, pauses, time limits, rubbish, kills; all bounded."""

from __future__ import annotations

import email.utils
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from judge_server import Fault, JudgeServer, always, answered, make_run, record

from onethinker_eval.benchmarks import resolve
from onethinker_eval.judging import JudgeSettings, judge_run, parse_judge
from onethinker_eval.judging.clients import ChatClient
from onethinker_eval.judging.http import MAX_REPLY_BYTES, CallError, Endpoint
from onethinker_eval.judging.journal import journal_path, stored_replies
from onethinker_eval.judging.prompts import judge_prompt
from onethinker_eval.rescoring import rescore

TASK = "onethinker_mmstar"
OPTIONS = ["A. red", "B. blue"]
ASKED = {"question": "q", "options": "A. red", "answer": "x"}


def ask(server: JudgeServer, *, timeout_s: float = 5.0, retries: int = 3, key: str = "") -> str:
    endpoint = Endpoint(
        server.url, api_key=key or None, timeout_s=timeout_s, retries=retries, first_pause_s=0.01
    )
    try:
        return ChatClient(endpoint, "m").complete(judge_prompt("match_option"), ASKED).text
    finally:
        endpoint.close()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503, body=b""),
        Fault(status=408),
        Fault(status=429),
        Fault(close=True),
        Fault(status=200, body=b"<html>busy</html>"),
        Fault(status=200, body=b"[" * 100_000),
        Fault(status=200, body=b"\xff\xfe\x00"),
    ],
    ids=lambda fault: f"{fault.status} {fault.body[:12]!r}{' close' if fault.close else ''}",
)
def test_a_fault_that_passes_is_tried_again(fault: Fault) -> None:
    with JudgeServer(always("B"), [fault]) as server:
        assert ask(server) == "B"
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [500, 429])
def test_tries_are_bounded(status: int) -> None:
    with JudgeServer(always("B"), [Fault(status=status)] * 50) as server:
        with pytest.raises(CallError) as caught:
            ask(server, retries=3)
        assert len(server.requests) == 4
    assert caught.value.kind == ("rate_limit" if status == 429 else "server")
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 400, 413, 422])
def test_what_cannot_pass_is_not_tried_again(status: int) -> None:
    fault = Fault(status=status, headers={"Location": "http://192.0.2.1/"})
    with JudgeServer(always("B"), [fault] * 9) as server:
        with pytest.raises(CallError) as caught:
            ask(server)
        assert len(server.requests) == 1
    assert (caught.value.kind, caught.value.fatal) == ("rejected", False)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(form: str) -> None:
    pause = "0.5"
    if form == "date":  # whole seconds: two from now are at least one
        pause = email.utils.formatdate(time.time() + 2, usegmt=True)
    with JudgeServer(always("B"), [Fault(status=429, headers={"Retry-After": pause})]) as server:
        assert ask(server) == "B"
        assert server.times[1] - server.times[0] >= 0.5


def test_a_pause_asked_of_one_thread_holds_for_all() -> None:
    fault = Fault(status=429, headers={"Retry-After": "1"})
    with JudgeServer(always("B"), [fault]) as server:
        endpoint = Endpoint(server.url, concurrency=3, first_pause_s=0.01)
        client = ChatClient(endpoint, "m")
        prompt = judge_prompt("match_option")
        first = threading.Thread(target=client.complete, args=(prompt, ASKED))
        first.start()
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.3)
        assert client.complete(prompt, ASKED).text == "B"
        first.join(timeout=10)
        endpoint.close()
        assert min(server.times[1:]) - server.times[0] >= 0.9


@pytest.mark.parametrize(
    ("pause", "waits"),
    [("3600", False), ("99999999999999999999", False), ("1e400", True), ("-5", True), ("x", True)],
)
def test_an_absurd_pause_does_not_hang(pause: str, waits: bool) -> None:
    fault = Fault(status=429, headers={"Retry-After": pause})
    began = time.monotonic()
    with JudgeServer(always("B"), [fault]) as server:
        if waits:
            assert ask(server) == "B"
        else:
            with pytest.raises(CallError, match="429"):
                ask(server)
    assert time.monotonic() - began < 5


def test_a_silent_server_meets_the_time_limit() -> None:
    with JudgeServer(always("B"), [Fault(delay_s=3)]) as server:
        began = time.monotonic()
        assert ask(server, timeout_s=0.3) == "B"
        assert time.monotonic() - began < 2.5


def test_a_dripping_server_meets_the_time_limit() -> None:
    with JudgeServer(always("B"), [Fault(drip_s=0.05)]) as server:
        began = time.monotonic()
        assert ask(server, timeout_s=0.4) == "B"
        assert time.monotonic() - began < 4


def test_a_huge_reply_is_refused() -> None:
    text = b'{"choices": [{"message": {"content": "' + b"B" * MAX_REPLY_BYTES + b'"}}]}'
    with JudgeServer(always("B"), [Fault(status=200, body=text)]) as server:
        with pytest.raises(CallError) as caught:
            ask(server)
        assert (caught.value.kind, len(server.requests)) == ("too_large", 1)


def test_nobody_listens() -> None:
    with JudgeServer(always("B")) as server:
        url = server.url
    endpoint = Endpoint(url, retries=2, first_pause_s=0.01)
    with pytest.raises(CallError) as caught:
        endpoint.post("chat/completions", {})
    assert caught.value.kind == "connection"


def test_the_key_is_sent_and_kept_out_of_messages() -> None:
    body = b'{"error": "Incorrect API key provided: sk-secret-1"}'
    with JudgeServer(always("B"), [Fault(status=401, body=body)]) as server:
        with pytest.raises(CallError) as caught:
            ask(server, key="sk-secret-1")
        assert server.requests[0][1]["Authorization"] == "Bearer sk-secret-1"
    assert caught.value.fatal
    assert "sk-secret-1" not in str(caught.value)
    assert "***" in str(caught.value)


def test_closing_ends_a_long_pause() -> None:
    fault = Fault(status=429, headers={"Retry-After": "60"})
    with JudgeServer(always("B"), [fault]) as server:
        endpoint = Endpoint(server.url)
        threading.Timer(0.3, endpoint.close).start()
        began = time.monotonic()
        with pytest.raises(CallError) as caught:
            endpoint.post("chat/completions", {})
        assert caught.value.kind == "stopped"
        assert time.monotonic() - began < 5


# --- whole sessions -------------------------------------------------------------------------


def unclear(count: int) -> list[tuple[dict[str, Any], str | None]]:
    """Answers that need a judge, each with a text of its own."""
    text = "I cannot decide between the two colours here, number {} looks a bit like both"
    return [
        (record(f"s{n}", "multiple choice", "B", options=OPTIONS), answered(text.format(n)))
        for n in range(count)
    ]


def settings(server: JudgeServer, **more: Any) -> JudgeSettings:
    words = "".join(f",{key}={value}" for key, value in more.items())
    return parse_judge(f"base_url={server.url},model=judge-1{words}")


def rows(run: Path, metric: str = "accuracy (judged)") -> tuple[float, int, int]:
    found = [
        row
        for row in rescore(run, processes=1, replicates=10).rows
        if (row.protocol, row.metric) == ("paper", metric)
    ]
    assert len(found) == 1
    return found[0].value, found[0].n, found[0].failed


def test_requests_run_side_by_side_within_the_bound(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(24)})
    with JudgeServer(always("B"), delay_s=0.05) as server:
        (report,) = judge_run(run, resolve("mmstar"), settings(server, concurrency=4))
        assert (report.made, report.failed, report.stopped) == (24, 0, "")
        assert 2 <= server.most_at_once <= 4
    assert rows(run) == (100.0, 24, 0)


def test_a_wrong_key_ends_the_session_at_once(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(40)})
    with JudgeServer(always("B"), [Fault(status=401)] * 100) as server:
        (report,) = judge_run(run, resolve("mmstar"), settings(server, concurrency=2))
        assert len(server.requests) <= 4
    assert "refused" in report.stopped
    before = rows(run, "accuracy")
    assert (before[0], before[1]) == (0.0, 40)
    found = rescore(run, processes=1, replicates=10)
    assert found.unjudged == {TASK: 40}
    assert not [row for row in found.rows if row.metric == "accuracy (judged)"]


def test_a_dead_server_ends_the_session_after_some_failures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(200)})
    with JudgeServer(always("B")) as server:
        dead = settings(server, concurrency=2, retries=0)
    began = time.monotonic()
    (report,) = judge_run(run, resolve("mmstar"), dead)
    assert time.monotonic() - began < 20
    assert "times in a row" in report.stopped
    assert 16 <= report.failed < 30


def test_failures_are_no_zeros_and_are_tried_again(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(6)})
    faults = [Fault(status=400)] * 2
    with JudgeServer(always("B"), faults) as server:
        (report,) = judge_run(run, resolve("mmstar"), settings(server, concurrency=1))
        assert (report.made, report.failed) == (4, 2)
        assert rows(run) == (100.0, 4, 2)
        (report,) = judge_run(run, resolve("mmstar"), settings(server, concurrency=1))
        assert (report.made, report.reused, report.failed) == (2, 4, 0)
    assert rows(run) == (100.0, 6, 0)


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": " "}}]}',
        b"[]",
        b"null",
        b'{"choices": [{"message": {"content": "' + b"B" * 30_000 + b'"}}]}',
    ],
    ids=range(6),
)
def test_json_that_is_no_completion_is_asked_again(tmp_path: Path, body: bytes) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(1)})
    with JudgeServer(always("B"), [Fault(status=200, body=body)] * 2) as server:
        (report,) = judge_run(run, resolve("mmstar"), settings(server))
        assert (len(server.requests), report.made, report.failed) == (3, 1, 0)
        server.faults = [Fault(status=200, body=body)] * 9
        journal_path(run, TASK).unlink()
        (report,) = judge_run(run, resolve("mmstar"), settings(server))
        assert (len(server.requests), report.failed) == (6, 1)


def test_rubbish_is_asked_again_and_then_fails(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(1)})
    with JudgeServer(always("It depends on how you look at it, really.")) as server:
        (report,) = judge_run(run, resolve("mmstar"), settings(server))
        assert (len(server.requests), report.failed) == (3, 1)
    (stored,) = stored_replies(journal_path(run, TASK)).values()
    assert stored.kind == "unreadable"
    assert rescore(run, processes=1, replicates=10).unjudged == {TASK: 1}


def test_a_torn_line_is_asked_again(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(5)})
    with JudgeServer(always("B")) as server:
        judge_run(run, resolve("mmstar"), settings(server, concurrency=1))
        journal = journal_path(run, TASK)
        journal.write_bytes(journal.read_bytes()[:-20])
        with pytest.warns(UserWarning, match="cut off"):
            (report,) = judge_run(run, resolve("mmstar"), settings(server))
        assert (report.made, report.reused) == (1, 4)
    assert rows(run) == (100.0, 5, 0)


_SESSION = """
import sys
from pathlib import Path
from onethinker_eval.benchmarks import resolve
from onethinker_eval.judging import judge_run, parse_judge
judge_run(Path(sys.argv[1]), resolve("mmstar"), parse_judge(sys.argv[2]))
"""


def test_a_killed_session_goes_on_where_it_was(tmp_path: Path) -> None:
    count = 30
    run = make_run(tmp_path / "killed", {TASK: unclear(count)})
    whole = make_run(tmp_path / "whole", {TASK: unclear(count)})
    with JudgeServer(always("B"), delay_s=0.05) as server:
        option = f"base_url={server.url},model=judge-1,concurrency=2"
        journal = journal_path(run, TASK)
        for goal in (8, 16):
            child = subprocess.Popen([sys.executable, "-c", _SESSION, str(run), option])
            due = time.monotonic() + 60
            while time.monotonic() < due and child.poll() is None:
                if journal.exists() and journal.read_bytes().count(b"\n") >= goal:
                    break
                time.sleep(0.01)
            os.kill(child.pid, signal.SIGKILL)
            child.wait(timeout=10)
            kept = journal.read_bytes().count(b"\n")
            assert goal <= kept < count
        judge_run(run, resolve("mmstar"), parse_judge(option))
        # each kill loses at most the requests that were on their way
        assert count <= len(server.requests) <= count + 2 * 2
        judge_run(whole, resolve("mmstar"), parse_judge(option))
    for folder in (run, whole):
        rescore(folder, processes=1, replicates=10)
    for name in ("metrics.csv", f"scores/{TASK}.jsonl"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def _heed_interruptions() -> None:
    # A shell's background jobs start with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interruption_does_not_wait_for_a_slow_judge(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", {TASK: unclear(30)})
    with JudgeServer(always("B"), delay_s=30) as server:
        option = f"base_url={server.url},model=judge-1,concurrency=4"
        words = [sys.executable, "-m", "onethinker_eval", "score", str(run), "--judge", option]
        child = subprocess.Popen(
            words, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_interruptions
        )
        due = time.monotonic() + 60
        while len(server.requests) < 4 and time.monotonic() < due:
            time.sleep(0.01)
        assert len(server.requests) == 4
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, told = child.communicate(timeout=60)
        assert time.monotonic() - began < 15
    assert child.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told


def test_no_key_reaches_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", "sk-secret-2")
    run = make_run(tmp_path / "r", {TASK: unclear(3)})
    echo = b'{"error": "bad key sk-secret-2"}'
    with JudgeServer(always("B"), [Fault(status=400, body=echo)]) as server:
        judge_run(run, resolve("mmstar"), settings(server, api_key_env="MY_JUDGE_KEY"))
        assert server.requests[0][1]["Authorization"] == "Bearer sk-secret-2"
    rescore(run, processes=1, replicates=10)
    files = [path for path in run.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if b"sk-secret-2" in path.read_bytes()]
    assert "***" in journal_path(run, TASK).read_text()


def test_a_foreign_line_in_the_journal_is_named(tmp_path: Path) -> None:
    from onethinker_eval.errors import DataError

    run = make_run(tmp_path / "r", {TASK: unclear(1)})
    with JudgeServer(always("B")) as server:
        judge_run(run, resolve("mmstar"), settings(server))
    with journal_path(run, TASK).open("a") as stream:
        stream.write(json.dumps({"key": 5}) + "\n")
    with pytest.raises(DataError, match=r"judge.*mmstar\.jsonl"):
        rescore(run, processes=1, replicates=10)
