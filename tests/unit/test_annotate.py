"""Annotation against a local server: what is kept, what is asked again, what it costs."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judge_server import Fault, JudgeServer
from PIL import Image

from onethinker_eval.errors import UsageError
from onethinker_eval.files import read_journal
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.training.annotation_filters import Verdict, agreeing, weigh
from onethinker_eval.training.annotation_settings import load_annotation, parse_teacher
from onethinker_eval.training.cli import main
from onethinker_eval.training.json_samples import json_samples
from onethinker_eval.training.lessons import Lesson, read_lessons
from onethinker_eval.training.recipe import SourceSettings

THOUGHT = "I look at the picture and see one thing of one colour, which is not hard to name."


def record(number: int, kind: str, truth: Any, **changes: Any) -> dict[str, Any]:
    return {
        "problem_id": number,
        "problem": f"Question {number}?",
        "problem_type": kind,
        "data_type": "image",
        "solution": truth,
        "path": f"{number % 3}.png",
    } | changes


RECORDS = [
    record(0, "multiple choice", "<answer>B</answer>", options=["A. red", "B. blue"]),
    record(1, "multiple choice", "<answer>A</answer>", options=["A. red", "B. blue"]),
    record(2, "spatial grounding", '<answer>{"boxes": [100, 100, 300, 300]}</answer>'),
    record(3, "numerical", "<answer>7</answer>"),
    record(4, "open-ended", "<answer>a red ball</answer>"),
    record(5, "numerical", "<answer>8</answer>"),
    record(6, "tracking", "no truth at all", data_type="image"),
    record(7, "math", "<answer>x</answer>", path="missing.png"),
    record(8, "caption", "<answer>text</answer>", data_type="text", path=None),
]
ANSWERS = {
    0: f"<think>{THOUGHT}</think><answer>B</answer>",
    1: f"<think>{THOUGHT}</think><answer>B</answer>",  # wrong
    2: f'<think>{THOUGHT}</think><answer>{{"boxes": [100, 100, 300, 280]}}</answer>',
    3: "<think>Seven.</think><answer>7</answer>",  # too short
    4: "The answer is a red ball.",  # no tags
    5: f"<think>{THOUGHT} So the answer is 9.</think><answer>8</answer>",  # contradicts itself
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        pixels = np.full((64, 96, 3), 80 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "in.json").write_text(json.dumps(RECORDS))
    return tmp_path


def asked(body: dict[str, Any]) -> int:
    """The number of the record a request is about."""
    text = body["messages"][-1]["content"][-1]["text"]
    return int(text.split("Question ", 1)[1].split("?")[0])


def by_record(answers: dict[int, str]) -> Callable[[str, dict[str, Any]], str]:
    return lambda path, body: answers[asked(body)]


def run(server: JudgeServer, folder: Path, *more: str, extra: str = "", retries: int = 2) -> int:
    teacher = f"base_url={server.url},model=teacher,retries={retries},concurrency=2{extra}"
    command = ["annotate", str(folder / "in.json"), "--teacher", teacher, "--root", str(folder)]
    return main([*command, "-o", str(folder / "out.json"), *more])


def test_what_passes_is_written_and_read_back(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer(by_record(ANSWERS)) as server:
        prices = ("--set", "price_in=1000", "--set", "price_out=2000")
        assert run(server, folder, "--set", "attempts=1", *prices) == 0
        shown = capsys.readouterr().out
        assert len(server.requests) == 6
        body = server.requests[0][2]
        picture, words = body["messages"][-1]["content"]
        kind, data = picture["image_url"]["url"].split(",")
        assert kind == "data:image/jpeg;base64"
        assert base64.b64decode(data)[:2] == b"\xff\xd8"
        assert "<think>" in words["text"]
        assert (body["model"], body["temperature"], body["seed"]) == ("teacher", 0.7, 0)
    kept = json.loads((folder / "out.json").read_text())
    assert [made["problem_id"] for made in kept] == [0, 2]
    assert kept[1]["process"] == f"<think>{THOUGHT}</think>"
    assert kept[1]["solution"] == RECORDS[2]["solution"]  # the truth, not the teacher's box
    assert kept[1]["annotation"] == {
        "teacher": "teacher",
        "accuracy": pytest.approx(0.9),
        "answer": '{"boxes": [100, 100, 300, 280]}',
        "attempts": 1,
    }
    settings = SourceSettings(kind="json", path=str(folder / "out.json"))
    sources = json_samples(settings, folder, FrameRule(), thinking=True)
    assert [source.samples(0)[0].thinking for source in sources] == [THOUGHT, THOUGHT]
    report = json.loads((folder / "out.report.json").read_text())
    assert report["numerical"]["not_kept"] == {"thinking too short": 1, "contradicts itself": 1}
    assert report["multiple choice"]["not_kept"] == {"below threshold": 1}
    assert report["open-ended"]["not_kept"] == {"format": 1}
    assert report["tracking"]["not_kept"] == {"truth cannot be scored": 1}
    assert report["math"]["not_kept"] == {"medium cannot be read": 1}
    # two requests of 7 and 1 tokens
    assert report["multiple choice"]["cost"] == pytest.approx(2 * (7 * 1000 + 1 * 2000) / 1e6)
    assert "left out 1: no image or video" in shown
    assert "asked 6 times now" in shown


def test_other_thresholds_cost_no_request(folder: Path) -> None:
    with JudgeServer(by_record(ANSWERS)) as server:
        assert run(server, folder, "--set", "attempts=1") == 0
        before = len(server.requests)
        looser = ("--set", "min_thinking=0", "--set", "consistent=false")
        assert run(server, folder, "--set", "attempts=1", *looser) == 0
        assert len(server.requests) == before
        kept = json.loads((folder / "out.json").read_text())
        assert [made["problem_id"] for made in kept] == [0, 2, 3, 5]
        assert run(server, folder, "--set", "attempts=1", "--set", "learn=teacher") == 0
        kept = json.loads((folder / "out.json").read_text())
        assert kept[1]["solution"] == '<answer>{"boxes": [100, 100, 300, 280]}</answer>'
        assert len(server.requests) == before
        assert run(server, folder, "--set", "attempts=2") == 0
        again = [asked(body) for _, _, body in server.requests[before:]]
        assert sorted(again) == [1, 3, 4, 5]  # what was accepted is not asked again


def test_errors_rate_limits_and_rubbish_are_survived(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = [
        Fault(status=500),
        Fault(status=429, headers={"Retry-After": "0.1"}),
        Fault(close=True),
        Fault(status=400),  # this one passes for good
    ]
    with JudgeServer(by_record(ANSWERS), faults) as server:
        assert run(server, folder, "--set", "attempts=1", extra=",timeout_s=5") == 0
        lines = [line for _, line in read_journal(folder / "out.replies.jsonl")]
        failed = [line["error"]["kind"] for line in lines if line["status"] == "failed"]
        assert failed == ["rejected"]
        report = json.loads((folder / "out.report.json").read_text())
        reasons: dict[str, int] = {}
        for made in report.values():
            for reason, count in made["not_kept"].items():
                reasons[reason] = reasons.get(reason, 0) + count
        assert reasons["no reply"] == 1
        before = len(server.requests)
        assert run(server, folder, "--set", "attempts=1") == 0  # the failure is asked again
        assert len(server.requests) == before + 1
        kept = json.loads((folder / "out.json").read_text())
        assert [made["problem_id"] for made in kept] == [0, 2]
    assert "error" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "rubbish", [b"not json", {"choices": []}, {"choices": [{"message": {"content": None}}]}]
)
def test_a_teacher_that_only_fails_is_given_up(
    folder: Path, capsys: pytest.CaptureFixture[str], rubbish: Any
) -> None:
    records = [record(number, "numerical", "7") for number in range(40)]
    (folder / "in.json").write_text(json.dumps(records))
    with JudgeServer(lambda path, body: rubbish) as server:
        assert run(server, folder, "--set", "attempts=1", retries=0) == 1
        assert 16 <= len(server.requests) <= 18
    assert "failed 16 times in a row" in capsys.readouterr().err
    assert json.loads((folder / "out.json").read_text()) == []


def test_a_wrong_key_ends_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with JudgeServer(by_record(ANSWERS), [Fault(status=401)] * 9) as server:
        assert run(server, folder) == 1
        assert len(server.requests) <= 2
    assert "the teacher refused" in capsys.readouterr().err


def test_spending_has_an_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [record(number, "numerical", "7") for number in range(30)]
    (folder / "in.json").write_text(json.dumps(records))
    answers = dict.fromkeys(range(30), f"<think>{THOUGHT}</think><answer>7</answer>")
    with JudgeServer(by_record(answers)) as server:
        prices = ("--set", "price_out=1000000", "--set", "most_cost=5")
        assert run(server, folder, *prices) == 1
        assert 5 <= len(server.requests) <= 7
        assert "most_cost 5 is spent" in capsys.readouterr().err
        made = len(json.loads((folder / "out.json").read_text()))
        assert made == len(server.requests)
        assert run(server, folder) == 0
        assert len(server.requests) == 30


def test_requests_keep_to_the_rate(folder: Path) -> None:
    with JudgeServer(by_record(ANSWERS)) as server:
        rate = ("--set", "requests_per_minute=600", "--set", "attempts=1")
        assert run(server, folder, *rate) == 0
        gaps = np.diff(sorted(server.times))
        assert len(gaps) == 5
        assert server.times[-1] - server.times[0] >= 0.45
        assert server.most_at_once <= 2


def test_a_killed_run_goes_on_where_it_was(folder: Path) -> None:
    count = 24
    records = [record(number, "numerical", "7") for number in range(count)]
    (folder / "in.json").write_text(json.dumps(records))
    answers = dict.fromkeys(range(count), f"<think>{THOUGHT}</think><answer>7</answer>")
    with JudgeServer(by_record(answers), delay_s=0.1) as server:
        teacher = f"base_url={server.url},model=teacher,concurrency=2"
        command = [sys.executable, "-m", "onethinker_eval.training", "annotate"]
        command += [str(folder / "in.json"), "--teacher", teacher, "--root", str(folder)]
        command += ["-o", str(folder / "out.json")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
        deadline = time.monotonic() + 120
        while len(server.requests) < 8 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        stored = len(list(read_journal(folder / "out.replies.jsonl")))
        assert 4 <= stored < count
        assert not (folder / "out.json").exists()
        with (folder / "out.replies.jsonl").open("ab") as stream:
            stream.write(b'{"key": "torn')
        before = len(server.requests)
        with pytest.warns(UserWarning, match="cut off"):
            assert run(server, folder) == 0
        assert len(server.requests) - before == count - stored
        assert len(json.loads((folder / "out.json").read_text())) == count


def test_thinking_beside_the_reply_and_a_key_of_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHERS_KEY", "not-shown")
    message = {"role": "assistant", "reasoning_content": THOUGHT, "content": "<answer>B</answer>"}
    with JudgeServer(lambda path, body: {"choices": [{"message": message}]}) as server:
        more = ("--limit", "1", "--set", "attempts=1")
        assert run(server, folder, *more, extra=",api_key_env=TEACHERS_KEY") == 0
        assert server.requests[0][1]["Authorization"] == "Bearer not-shown"
    (kept,) = json.loads((folder / "out.json").read_text())
    assert kept["process"] == f"<think>{THOUGHT}</think>"
    assert "not-shown" not in (folder / "out.replies.jsonl").read_text()


def test_videos_are_sent_as_images_with_times(folder: Path) -> None:
    from onethinker_eval.demo.media import write_mp4

    frames = [np.full((64, 64, 3), 5 * number, np.uint8) for number in range(24)]
    write_mp4(folder / "clip.mp4", frames, 4.0)
    item = record(0, "temporal grounding", '<answer>{"time": [1, 3]}</answer>')
    item |= {"data_type": "video", "path": "clip.mp4"}
    (folder / "in.json").write_text(json.dumps([item]))
    answer = f'<think>{THOUGHT}</think><answer>{{"time": [1, 3]}}</answer>'
    with JudgeServer(lambda path, body: answer) as server:
        assert run(server, folder, "--set", "max_frames=4") == 0
        parts = server.requests[0][2]["messages"][-1]["content"]
    kinds = [part["type"] for part in parts]
    assert kinds == [*["text", "image_url"] * 4, "text"]
    assert [part["text"] for part in parts[0:8:2]] == [
        *("<0.0 seconds>", "<2.0 seconds>", "<3.8 seconds>", "<5.8 seconds>")
    ]
    assert len(json.loads((folder / "out.json").read_text())) == 1


def lesson(folder: Path, number: int) -> Lesson:
    (folder / "one.json").write_text(json.dumps([RECORDS[number]]))
    (made,) = read_lessons(folder / "one.json", folder, thinking=False)
    assert isinstance(made, Lesson)
    return made


@pytest.mark.parametrize(
    ("number", "thinking", "answer", "reason"),
    [
        (0, "The right option is (B).", "B", ""),
        (0, "The answer is A. No, wait: the correct answer is B", "B", ""),
        (0, "Therefore the answer is A.", "B", "contradicts itself"),
        (0, "The answer is blue.", "B", ""),
        (3, "I count them; the answer is 7.0", "7", ""),
        (3, "The answer is 1,007.", "7", "contradicts itself"),
        (2, "The answer is 5.", '{"boxes": [100, 100, 300, 300]}', ""),
        (2, "It is there.", "somewhere", "unreadable answer"),
    ],
)
def test_consistency(folder: Path, number: int, thinking: str, answer: str, reason: str) -> None:
    reply = f"<think>{THOUGHT} {thinking}</think>\n<answer>{answer}</answer>"
    assert weigh(reply, lesson(folder, number), load_annotation(None)).reason == reason


def test_accepted_replies_must_agree_where_asked(folder: Path) -> None:
    item = lesson(folder, 2)
    settings = load_annotation(None, {"attempts": "3", "agree": "2"})
    low, high, side = ("[100, 100, 300, 205]", "[100, 195, 300, 300]", "[100, 100, 300, 230]")
    made = [Verdict("", 0.5, "t", f'{{"boxes": {box}}}') for box in (low, high)]
    assert agreeing(made, item, settings).reason == "no agreement"  # halves of the truth
    made.append(Verdict("", 0.65, "t", f'{{"boxes": {side}}}'))
    assert agreeing(made, item, settings) == made[2]
    assert agreeing([Verdict("format"), Verdict("below threshold", 0.3)], item, settings) == (
        Verdict("below threshold", 0.3)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agree": "3"}, "agree 1 to attempts"),
        ({"thresholds.math": "2"}, "must be 0 to 1"),
        ({"thresholds.maths": "1"}, "did you mean math"),
        ({"thresholds": "{math: 1}"}, "thresholds misses"),
        ({"most_cost": "3"}, "needs price"),
        ({"attempt": "3"}, "did you mean attempts"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_annotation(None, changes)


def test_wrong_teachers_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--teacher needs model too"):
        parse_teacher("base_url=http://localhost:1/v1")
    with pytest.raises(UsageError, match="no reward model"):
        parse_teacher(
            "base_url=http://localhost:1/v1,model=m,reward_url=http://localhost:2,reward_model=r"
        )
    command = ["annotate", str(folder / "in.json"), "--root", str(folder)]
    command += ["--teacher", "base_url=http://localhost:1/v1,model=m"]
    assert main([*command, "-o", str(folder / "in.json")]) == 2
    assert "one of the files" in capsys.readouterr().err
