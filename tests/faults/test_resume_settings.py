"""What resuming accepts, and what it refuses: torn lines, lost files, changed questions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

from onethinker_eval.files import FolderLock

Start = Callable[..., dict[str, Any]]
TASK = "onethinker_refcoco_val"


@pytest.fixture
def start(run_server: RunServer, small_suite: Path, tmp_path: Path) -> Start:
    """Run the baseline over a copy of the suite; the run folder is `tmp_path`/out/r."""
    suite = tmp_path / "suite"
    shutil.copytree(small_suite, suite)

    def run(**changes: Any) -> dict[str, Any]:
        settings = {"model": "baseline", "tasks": ["refcoco_val"], "run": "r", **changes}
        return run_server.run(data=str(suite), output=str(tmp_path / "out"), **settings)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The run folder."""
    return tmp_path / "out" / "r"


def journal(folder: Path, task: str = TASK) -> Path:
    return folder / "replies" / f"{task}.jsonl"


def test_a_torn_last_line_is_done_again(start: Start, folder: Path) -> None:
    start()
    metrics = (folder / "metrics.csv").read_bytes()
    whole = journal(folder).read_bytes()
    journal(folder).write_bytes(whole[:-40])
    again = start()
    assert (again["generated"], again["reused"]) == (1, 23)
    assert (folder / "metrics.csv").read_bytes() == metrics
    assert len(journal(folder).read_bytes().splitlines()) == 24


def test_damage_in_the_middle_is_an_error_that_names_the_line(start: Start, folder: Path) -> None:
    start()
    lines = journal(folder).read_bytes().splitlines(keepends=True)
    lines[4] = lines[4][:-30] + b"\n"
    journal(folder).write_bytes(b"".join(lines))
    outcome = start()
    assert outcome["error"] == "DataError"
    assert f"{journal(folder)}, record line 5: broken JSON" in outcome["text"]


def test_deleted_results_are_made_again(start: Start, folder: Path) -> None:
    start()
    names = ["metrics.csv", "leaderboard.csv", f"scores/{TASK}.jsonl"]
    before = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    assert start()["generated"] == 0
    assert {name: (folder / name).read_bytes() for name in names} == before


def test_a_changed_prompt_is_refused(start: Start, folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("layout: '{question} {answer}'\nanswers: {spatial grounding: a box please}\n")
    start(prompt=str(own))
    own.write_text("layout: '{question} {answer}'\nanswers: {spatial grounding: the box}\n")
    before = journal(folder).read_bytes()
    outcome = start(prompt=str(own))
    assert outcome["error"] == "RunError"
    assert f"was made with other settings: prompts of {TASK}: " in outcome["text"]
    assert "--run" in outcome["text"]
    assert journal(folder).read_bytes() == before
    assert start(prompt=str(own), run="other")["generated"] == 24


@pytest.mark.parametrize(
    ("first", "then", "difference"),
    [
        ({}, {"model": "oracle"}, "name of model: baseline then, oracle now"),
        (
            {"model_args": "delay_s=0"},
            {"model_args": "delay_s=0.0"},
            "delay_s of arguments of model: 0 then, 0.0 now",
        ),
        ({}, {"gen_kwargs": "max_new_tokens=5"}, "max_new_tokens of generation of "),
        ({"seed": 1}, {"seed": 2}, "seed: 1 then, 2 now"),
        ({"limit": 5}, {"limit": 4}, f"limit of {TASK}: 5 then, 4 now (may grow)"),
    ],
)
def test_other_settings_are_refused_with_the_difference(
    start: Start, first: dict[str, Any], then: dict[str, Any], difference: str
) -> None:
    assert "error" not in start(**first)
    outcome = start(**{**first, **then})
    assert outcome["error"] == "RunError"
    assert difference in outcome["text"]


def test_tasks_may_be_added_and_a_limit_may_grow(start: Start, folder: Path) -> None:
    start(limit=5)
    assert start(limit=9) | {"seconds": 0} == {
        "folder": str(folder),
        "generated": 4,
        "reused": 5,
        "failures": [],
        "exit_code": 0,
        "seconds": 0,
    }
    more = start(tasks=["charades"])
    assert (more["generated"], more["reused"]) == (24, 0)
    assert b"refcoco,val" in (folder / "metrics.csv").read_bytes()
    assert start(tasks=["refcoco_val", "charades"])["reused"] == 9 + 24


def test_a_changed_truth_is_refused(start: Start, folder: Path, tmp_path: Path) -> None:
    start()
    source = tmp_path / "suite" / "eval_refcoco_val.json"
    source.write_text(_moved(source))
    outcome = start()
    assert outcome["error"] == "RunError"
    assert "eval_refcoco_val.json: record 1: changed since its reply was stored" in outcome["text"]
    assert "field truth" in outcome["text"]


def _moved(source: Path) -> str:
    records = json.loads(source.read_text())
    records[0]["solution"] = '<answer>{"boxes": [1, 2, 3, 4]}</answer>'
    return json.dumps(records)


def test_changed_pixels_are_refused(start: Start, tmp_path: Path) -> None:
    from PIL import Image

    start()
    picture = sorted((tmp_path / "suite").rglob("refcoco_val_*.png"))[0]
    image = Image.open(picture)
    image.putpixel((0, 0), (1, 2, 3))
    image.save(picture)
    outcome = start()
    assert outcome["error"] == "RunError"
    assert "was made from another question, medium or generation setting" in outcome["text"]


def test_data_may_move(start: Start, run_server: RunServer, folder: Path, tmp_path: Path) -> None:
    start()
    moved = tmp_path / "elsewhere"
    (tmp_path / "suite").rename(moved)
    again = run_server.run(
        model="baseline",
        tasks=["refcoco_val"],
        run="r",
        data=str(moved),
        output=str(tmp_path / "out"),
    )
    assert (again["generated"], again["reused"]) == (0, 24)


def test_a_second_process_is_told_who_holds_the_run(start: Start, folder: Path) -> None:
    start(limit=2)
    with FolderLock(folder):
        outcome = start(limit=3)
    assert outcome["error"] == "RunError"
    assert f"{folder} is in use by process " in outcome["text"]
    assert start(limit=3)["generated"] == 1


def test_a_folder_of_something_else_is_left_alone(start: Start, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"mine": true}')
    outcome = start()
    assert outcome["error"] == "RunError"
    assert "is not a manifest" in outcome["text"]
    assert (folder / "run.json").read_text() == '{"mine": true}'
