"""Watching a run under way: counts, running means, torn lines, and when it is over."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from report_runs import make_media, make_run, right, wrong

from onethinker_eval.cli import main
from onethinker_eval.reporting import watch as watching
from onethinker_eval.reporting.watch import Watch
from onethinker_eval.rescoring.rows import read_metrics

TASKS = {"onethinker_mmstar": 10, "onethinker_refcoco_val": 6}


def mixed(task: str, number: int, record: Mapping[str, Any]) -> str | None:
    return None if number == 1 else (right if number % 2 else wrong)(task, number, record)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", make_media(tmp_path / "media"), mixed, tasks=TASKS)


def journal(run: Path) -> Path:
    return run / "replies" / "onethinker_mmstar.jsonl"


def test_a_finished_run_shows_the_values_of_its_metrics(run: Path) -> None:
    look = Watch(run).look()
    assert (look.done, look.total, look.running, look.behind) == (16, 16, False, False)
    stored = {
        (row.benchmark, row.metric): (row.value, row.failed, row.unparsable)
        for row in read_metrics(run / "metrics.csv")
        if row.protocol == "paper"
    }
    for task in look.tasks:
        found = stored[task.benchmark, task.metric]
        assert task.value == pytest.approx(found[0], abs=1e-6)
        assert (task.failed, task.unparsable) == found[1:]


def test_a_growing_journal_is_followed_line_by_line(run: Path) -> None:
    lines = journal(run).read_text().splitlines(keepends=True)
    journal(run).write_text("")
    watched = Watch(run)
    assert [(t.done, t.value) for t in watched.look().tasks if t.total == 10] == [(0, None)]
    journal(run).write_text("".join(lines[:3]) + lines[3][:20])
    (task,) = (t for t in watched.look().tasks if t.total == 10)
    assert (task.done, task.failed, task.value) == (3, 1, 0.0)
    journal(run).write_text("".join(lines[:4]))
    look = watched.look()
    (task,) = (t for t in look.tasks if t.total == 10)
    assert (task.done, task.value) == (4, pytest.approx(100 / 3))
    assert look.rate is not None
    assert look.rate > 0
    assert look.seconds_left is not None


def test_a_sample_tried_again_counts_once(run: Path) -> None:
    lines = [json.loads(line) for line in journal(run).read_text().splitlines()]
    again = {**lines[1], "status": "ok", "reply": "<answer>B</answer>", "error": None}
    with journal(run).open("a") as stream:
        stream.write(json.dumps(again) + "\n" + json.dumps(lines[0]) + "\n")
    (task,) = (t for t in Watch(run).look().tasks if t.total == 10)
    assert (task.done, task.failed, task.value) == (10, 0, 50.0)


def test_a_long_journal_is_read_in_several_looks(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LOOK_BYTES", 700)
    watched = Watch(run)
    looks = [watched.look()]
    while looks[-1].behind:
        looks.append(watched.look())
    assert len(looks) > 3
    assert [look.done for look in looks] == sorted({look.done for look in looks})
    assert looks[-1].done == 16


def test_it_sees_whether_a_process_holds_the_run(run: Path) -> None:
    with (run / ".lock").open("w") as stream:
        assert Watch(run).look().running is False
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert Watch(run).look().running is True
    assert Watch(run).look().running is False


def test_the_command_looks_once_and_writes_nothing(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main(["watch", str(run), "--once"]) == 0
    shown = capsys.readouterr().out
    assert "16 of 16 samples, finished" in shown
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    lines = journal(run).read_text().splitlines(keepends=True)
    journal(run).write_text("".join(lines[:5]))
    assert main(["watch", str(run)]) == 0
    assert "11 of 16 samples, stopped" in capsys.readouterr().out
    assert main(["watch", str(run), "--every", "0"]) == 2
