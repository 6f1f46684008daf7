"""Tasks in one stream of a real run: settings of their own, and one that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

TASKS = ["refcoco_val", "charades"]
RUN: dict[str, Any] = {"model": "baseline", "run": "r", "report": False}


def derived(run: Path) -> dict[str, bytes]:
    names = ["metrics.csv", *(f"scores/{path.name}" for path in run.glob("scores/*.jsonl"))]
    return {name: (run / name).read_bytes() for name in names}


def test_a_task_that_cannot_be_read_loses_no_other(
    run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    common = {**RUN, "data": str(small_suite), "environment": {"ONETHINKER_CACHE": str(tmp_path)}}
    run_server.run(**common, tasks=TASKS, output=str(tmp_path / "whole"))
    [prepared] = (tmp_path / "lmms_eval").glob("onethinker_refcoco_val-*.jsonl")
    prepared.write_bytes(b"x" * prepared.stat().st_size)
    run = {**common, "tasks": TASKS, "output": str(tmp_path / "hurt")}
    outcome = run_server.run(**run)
    assert outcome["error"] == "RunError"
    assert "not asked: onethinker_refcoco_val: " in outcome["text"]
    replies = tmp_path / "hurt" / "r" / "replies"
    assert (replies / "onethinker_charades.jsonl").read_text().count("\n") == 24
    prepared.unlink()
    again = run_server.run(**run)
    assert (again["generated"], again["reused"]) == (24, 24)
    assert derived(tmp_path / "hurt" / "r") == derived(tmp_path / "whole" / "r")


def test_each_task_is_asked_with_its_own_settings(
    run_server: RunServer, small_suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`max_new_tokens` decides the key of a sample, and what a model is given."""
    pytest.importorskip("lmms_eval")
    from onethinker_eval.benchmarks import resolve
    from onethinker_eval.harness import environment
    from onethinker_eval.harness.gathering import Gatherer, parts_of
    from onethinker_eval.harness.models.questions import generation_of
    from onethinker_eval.harness.settings import Settings
    from onethinker_eval.harness.task_data import prepared, write_data_file
    from onethinker_eval.harness.task_manager import RunTaskManager
    from onethinker_eval.readers import load

    monkeypatch.setenv("ONETHINKER_CACHE", str(tmp_path))
    environment.prepare()
    own = tmp_path / "tasks"
    own.mkdir()
    base = resolve("charades")[0]
    text = Path(base.file).read_text().replace(base.id, "onethinker_short_charades")
    shared = Path(base.file).parents[1] / "_base.yaml"
    text = text.replace("include: ../_base.yaml", f"include: {shared}")
    text = text.replace("benchmark: charades", "benchmark: short_charades")
    text += "generation_kwargs: {max_new_tokens: 77, temperature: 0, until: []}\n"
    (own / "short.yaml").write_text(text)
    include = (str(own),)
    tasks = resolve("charades,short_charades", include)
    records = load(base, str(small_suite))[:3]
    files = {task.id: write_data_file(task, records) for task in tasks}
    settings = Settings("baseline", tuple(files))
    gatherer = Gatherer(is_simple=False)
    with prepared(files, include):
        manager = RunTaskManager(tasks, files)
        leg = [part for task in tasks for part in parts_of(task.id, 3, 1)]
        found = {part[0]: requests for part, requests in gatherer.gather(leg, settings, manager)}
    wanted = {task.id: task.generation["max_new_tokens"] for task in tasks}
    assert wanted["onethinker_short_charades"] == 77
    for name, requests in found.items():
        assert [one.doc_id for one in requests] == [0, 1, 2]
        assert {generation_of(one)["max_new_tokens"] for one in requests} == {wanted[name]}
    assert json.loads(json.dumps(sorted(found))) == sorted(wanted)
