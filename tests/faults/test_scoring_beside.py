"""Scores made while a run goes on: the bytes of its end, whatever is killed or fails."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

from onethinker_eval.benchmarks import resolve
from onethinker_eval.harness import scoring_beside
from onethinker_eval.harness.replies import Reply, TaskJournal
from onethinker_eval.harness.scoring_beside import ScoringBeside
from onethinker_eval.harness.settings import Settings
from onethinker_eval.records import Record
from onethinker_eval.rescoring import rescore

TASKS = {task.id: task for task in resolve("mathvista,mmstar")}
NAMES = list(TASKS)
SETTINGS = Settings("baseline", ("mathvista", "mmstar"), protocols=("paper", "repaired"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_beside, "START_AFTER_S", 0.0)


def answer(folder: Path, task: str, start: int, end: int) -> None:
    """Journal replies, some of them formulas, some unreadable, one failed."""
    kind = TASKS[task].problem_type
    with TaskJournal(folder, task) as journal:
        for n in range(start, end):
            truth = r"\frac{1}{2}" if kind == "math" else "A"
            said = ["<answer>0.5</answer>", "<answer>A</answer>", "<answer>", "no"][n % 4]
            reply = Reply(said) if n % 7 else Reply(None, ("DataError", "gone"))
            options = () if kind == "math" else ("A. one", "B. two")
            record = Record(str(n), kind, "image", "?", (), truth, options)
            journal.append([reply.line("k", record)])


def derived(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in (folder / "metrics.csv", *(folder / "scores").glob("*.jsonl"))
    }


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def whole(folder: Path) -> dict[str, bytes]:
    for name in NAMES:
        answer(folder, name, 0, 20)
    rescore(folder, protocols=SETTINGS.protocols)
    return derived(folder)


def test_scores_made_beside_are_those_of_the_end(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with ScoringBeside(run, SETTINGS, TASKS) as scoring:
        for name in NAMES:
            answer(run, name, 0, 20)
            scoring.submit(name)
        until(lambda: all((run / "scores" / f"{name}.jsonl").exists() for name in NAMES))
        until(lambda: len(scoring._made) == 2)
    ready = scoring.ready()
    assert sorted(ready) == sorted(NAMES)
    made = rescore(run, protocols=SETTINGS.protocols, ready=ready)
    assert derived(run) == whole(tmp_path / "whole")
    again = rescore(run, protocols=SETTINGS.protocols)
    assert made.rows == again.rows
    assert made.failed == again.failed > 0
    assert [task.reasons for task in made.tasks] == [task.reasons for task in again.tasks]


def test_what_grew_since_is_scored_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with ScoringBeside(run, SETTINGS, TASKS) as scoring:
        for name in NAMES:
            answer(run, name, 0, 12)
            scoring.submit(name)
        until(lambda: len(scoring._made) == 2)
        answer(run, NAMES[0], 12, 20)
    assert list(scoring.ready()) == NAMES[1:]
    answer(run, NAMES[1], 12, 20)
    assert scoring.ready() == {}
    rescore(run, protocols=SETTINGS.protocols, ready=scoring.ready())
    assert derived(run) == whole(tmp_path / "whole")


def test_a_task_that_cannot_be_scored_is_named_and_the_next_one_is_scored(tmp_path: Path) -> None:
    run, told = tmp_path / "run", list[str]()
    with ScoringBeside(run, SETTINGS, TASKS, told.append) as scoring:
        for name in NAMES:
            answer(run, name, 0, 20)
        journal = run / "replies" / f"{NAMES[0]}.jsonl"
        good = journal.read_bytes()
        journal.write_bytes(good.replace(b'"status"', b'"sattus"', 1))
        for name in NAMES:
            scoring.submit(name)
        until(lambda: len(scoring._made) == 1 and bool(told))
    [message] = told
    assert message.startswith(f"{NAMES[0]}: not scored yet (DataError: ")
    assert "its replies are kept" in message
    journal.write_bytes(good)
    rescore(run, protocols=SETTINGS.protocols, ready=scoring.ready())
    assert derived(run) == whole(tmp_path / "whole")


def test_a_scoring_process_that_dies_is_told_and_done_without(tmp_path: Path) -> None:
    run, told = tmp_path / "run", list[str]()
    with ScoringBeside(run, SETTINGS, TASKS, told.append) as scoring:
        answer(run, NAMES[0], 0, 20)
        scoring.submit(NAMES[0])
        until(lambda: len(scoring._made) == 1)
        assert scoring._process is not None
        os.kill(scoring._process.pid, signal.SIGKILL)
        answer(run, NAMES[1], 0, 20)
        scoring.submit(NAMES[1])
        until(lambda: bool(told))
    assert told[0].startswith(f"{NAMES[1]}: not scored yet (")
    rescore(run, protocols=SETTINGS.protocols, ready=scoring.ready())
    assert derived(run) == whole(tmp_path / "whole")


def test_what_waits_for_masks_or_a_judge_is_left_to_the_end(tmp_path: Path) -> None:
    tasks = {task.id: task for task in resolve("refcoco_seg,mathvista,refcoco_val")}
    judged = Settings("baseline", ("mathvista",), judge="base_url=http://127.0.0.1:9/v1,model=m")
    assert set(ScoringBeside(tmp_path, judged, tasks)._tasks) == {"onethinker_refcoco_val"}


def test_an_unforeseen_error_names_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onethinker_eval.errors import RunError

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("oh")

    answer(tmp_path, NAMES[0], 0, 3)
    monkeypatch.setattr(sys.modules[rescore.__module__], "rescore_task", broken)
    with pytest.raises(RunError, match=f"{NAMES[0]} cannot be scored: ZeroDivisionError: oh"):
        rescore(tmp_path)


RUN: dict[str, Any] = {
    "model": "baseline",
    "tasks": ["refcoco_val", "charades"],
    "model_args": "delay_s=0.05",
    "run": "r",
    "report": False,
    "constants": {"onethinker_eval.harness.scoring_beside:START_AFTER_S": 0.0},
}


def test_a_run_killed_while_it_scores_ends_as_any_other(
    run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    run = {**RUN, "data": str(small_suite)}
    run_server.run(**{**run, "constants": {}}, output=str(tmp_path / "whole"))
    for trial in range(3):
        output = tmp_path / str(trial)
        scores = output / "r" / "scores"
        late = random.Random(trial).uniform(0, 0.6)
        seen: list[float] = []

        def due(scores: Path = scores, seen: list[float] = seen, late: float = late) -> bool:
            if not seen and scores.exists():
                seen.append(time.monotonic())
            return bool(seen) and time.monotonic() - seen[0] >= late

        killed = run_server.run(**run, output=str(output), kill_when=due)
        again = run_server.run(**run, output=str(output))
        assert again["exit_code"] == 0
        assert killed.get("killed") or again["generated"] == 0
        assert derived(output / "r") == derived(tmp_path / "whole" / "r")
        assert not list(scores.glob(".scoring-*")), "nothing of the killed process is left"
