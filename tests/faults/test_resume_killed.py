"""A run killed at any instant ends, after the same command again, as if nothing had happened."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

TASKS = ["refcoco_val", "charades"]
RECORDS = 48
RUN = {"model": "baseline", "tasks": TASKS, "model_args": "delay_s=0.01", "run": "r"}


def finished(folder: Path) -> int:
    """Count whole lines of the journals."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("replies/*.jsonl"))


def results(folder: Path) -> dict[str, bytes]:
    """Return the bytes of everything that is derived from the replies."""
    names = ["metrics.csv", "leaderboard.csv", "leaderboard.md"]
    names += [f"scores/{path.name}" for path in folder.glob("scores/*.jsonl")]
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(
    run_server: RunServer, small_suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """An uninterrupted run: its time and its results."""
    output = tmp_path_factory.mktemp("whole")
    outcome = run_server.run(**RUN, data=str(small_suite), output=str(output))
    assert (outcome["generated"], outcome["reused"], outcome["exit_code"]) == (RECORDS, 0, 0)
    return {"seconds": outcome["seconds"], "results": results(output / "r")}


@pytest.mark.parametrize("trial", range(10))
def test_killed_at_a_random_moment(
    trial: int, run_server: RunServer, small_suite: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    moment = random.Random(trial).uniform(0, whole["seconds"])
    run = {**RUN, "data": str(small_suite), "output": str(tmp_path)}
    run_server.run(**run, kill_after=moment)
    kept = finished(tmp_path / "r")
    again = run_server.run(**run)
    assert (again["generated"], again["reused"]) == (RECORDS - kept, kept)
    assert results(tmp_path / "r") == whole["results"]


def test_killed_again_and_again_until_it_ends(
    run_server: RunServer, small_suite: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    run = {**RUN, "data": str(small_suite), "output": str(tmp_path)}
    kills, kept = 0, 0
    while True:
        due = min(kept + 9, RECORDS)
        outcome = run_server.run(**run, kill_when=lambda due=due: finished(tmp_path / "r") >= due)
        if not outcome.get("killed"):
            break
        kills += 1
        assert finished(tmp_path / "r") >= due
        kept = finished(tmp_path / "r")
        if kept == RECORDS:
            run_server.run(**run)
            break
    assert kills >= 2
    assert results(tmp_path / "r") == whole["results"]
    lines = [
        json.loads(line)["id"]
        for path in (tmp_path / "r" / "replies").iterdir()
        for line in path.read_text().splitlines()
    ]
    assert len(lines) == RECORDS


def test_a_finished_run_does_nothing_more(
    run_server: RunServer, small_suite: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    run = {**RUN, "data": str(small_suite), "output": str(tmp_path)}
    run_server.run(**run)
    journal = tmp_path / "r" / "replies" / "onethinker_charades.jsonl"
    before = journal.read_bytes()
    again = run_server.run(**run)
    assert (again["generated"], again["reused"]) == (0, RECORDS)
    assert journal.read_bytes() == before
    assert results(tmp_path / "r") == whole["results"]
