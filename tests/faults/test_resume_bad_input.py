"""One bad sample costs one sample; a place that cannot be written costs nothing that was there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

Start = Callable[..., dict[str, Any]]


@pytest.fixture
def suite(small_suite: Path, tmp_path: Path) -> Path:
    """A copy of the suite that a test may damage."""
    return Path(shutil.copytree(small_suite, tmp_path / "suite"))


@pytest.fixture
def start(run_server: RunServer, suite: Path, tmp_path: Path) -> Start:
    """Run over that copy; the run folder is `tmp_path`/out/r."""

    def run(**changes: Any) -> dict[str, Any]:
        settings = {"model": "baseline", "tasks": ["charades"], "run": "r", **changes}
        return run_server.run(data=str(suite), output=str(tmp_path / "out"), **settings)

    return run


def first_clip(suite: Path) -> Path:
    records = json.loads((suite / "eval_charades.json").read_text())
    return (suite / records[0]["path"]).resolve()


def users_of(suite: Path, clip: Path) -> int:
    records = json.loads((suite / "eval_charades.json").read_text())
    return sum((suite / record["path"]).resolve() == clip for record in records)


def rows(folder: Path) -> list[str]:
    return (folder / "metrics.csv").read_text().splitlines()


def test_a_truncated_video_fails_alone_and_is_tried_again(
    start: Start, suite: Path, tmp_path: Path
) -> None:
    clip = first_clip(suite)
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) // 3])
    outcome = start()
    bad = users_of(suite, clip)
    assert outcome["exit_code"] == 1
    assert (outcome["generated"], len(outcome["failures"])) == (24 - bad, bad)
    task, sample, kind, message = outcome["failures"][0]
    assert (task, kind) == ("onethinker_charades", "DataError")
    assert "\n" not in message
    assert str(clip) in message
    assert f"eval_charades.json: record {sample}" in message
    assert all(row.endswith(f",{bad}") for row in rows(tmp_path / "out" / "r")[1:])
    clip.write_bytes(whole)
    again = start()
    assert (again["generated"], again["reused"], again["failures"]) == (bad, 24 - bad, [])
    assert all(row.endswith(",0") for row in rows(tmp_path / "out" / "r")[1:])


def test_a_missing_video_fails_alone(start: Start, suite: Path) -> None:
    clip = first_clip(suite)
    clip.unlink()
    outcome = start()
    assert {failure[2] for failure in outcome["failures"]} == {"DataError"}
    assert all(clip.name in failure[3] for failure in outcome["failures"])
    assert outcome["generated"] == 24 - len(outcome["failures"]) > 0


def test_a_record_of_the_wrong_schema_is_listed_and_counted_until_mended(
    start: Start, suite: Path, tmp_path: Path
) -> None:
    source = suite / "eval_charades.json"
    records = json.loads(source.read_text())
    path = records[3].pop("path")
    source.write_text(json.dumps(records))
    outcome = start()
    assert (outcome["generated"], outcome["exit_code"]) == (23, 1)
    assert "field 'path'" in outcome["failures"][0][3]
    assert start()["generated"] == 0
    folder = tmp_path / "out" / "r"
    assert all(row.endswith(",1") for row in rows(folder)[1:])
    records[3]["path"] = path
    source.write_text(json.dumps(records))
    again = start()
    assert (again["generated"], again["reused"], again["failures"]) == (1, 23, [])
    assert all(row.endswith(",0") for row in rows(folder)[1:])


def test_broken_json_is_one_line_and_touches_nothing(
    start: Start, suite: Path, tmp_path: Path
) -> None:
    (suite / "eval_charades.json").write_text('[{"problem_id": 1,')
    outcome = start()
    assert outcome["error"] == "DataError"
    assert "eval_charades.json" in outcome["text"]
    assert "\n" not in outcome["text"]
    assert not (tmp_path / "out").exists()


def test_missing_replies_fail_and_the_rest_is_scored(start: Start, tmp_path: Path) -> None:
    replies = tmp_path / "replies.jsonl"
    answer = '<answer>{"time": [0, 5]}</answer>'
    replies.write_text("".join(json.dumps({"id": n, "reply": answer}) + "\n" for n in range(1, 11)))
    outcome = start(model="replay", model_args=f"file={replies}")
    assert (outcome["generated"], len(outcome["failures"])) == (10, 14)
    assert "there is no reply to sample 11" in outcome["failures"][0][3]


def test_a_full_disk_loses_no_finished_sample(start: Start, tmp_path: Path) -> None:
    first = start(run="first")
    size = (Path(first["folder"]) / "replies" / "onethinker_charades.jsonl").stat().st_size
    outcome = start(file_limit=size * 2 // 3)
    assert outcome["error"] == "RunError"
    assert "cannot write" in outcome["text"]
    assert "--output" in outcome["text"]
    journal = tmp_path / "out" / "r" / "replies" / "onethinker_charades.jsonl"
    kept = journal.read_bytes()
    assert kept.endswith(b"\n")
    assert not (tmp_path / "out" / "r" / "metrics.csv").exists()
    again = start()
    assert again["reused"] == kept.count(b"\n") > 0
    assert again["generated"] == 24 - again["reused"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused_before_any_work(start: Start, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    outcome = start()
    assert outcome["error"] == "RunError"
    assert "cannot write" in outcome["text"]


def test_a_file_in_place_of_the_output_folder_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    outcome = start()
    assert outcome["error"] == "RunError"
    assert "cannot write" in outcome["text"]


def test_unknown_names_list_the_nearest(start: Start) -> None:
    assert "did you mean" in start(model="orcale")["text"]
    assert "oracle" in start(model="orcale")["text"]
    assert "charades" in start(tasks=["charade"])["text"]


def test_unknown_model_arguments_are_refused(start: Start) -> None:
    outcome = start(model_args="delay=3")
    assert outcome["error"] == "UsageError"
    assert "delay_s" in outcome["text"]
