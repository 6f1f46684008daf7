"""The whole command with a judge: replies, judgements, numbers; and once more without a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judge_server import JudgeServer, always, answered

from onethinker_eval import readers
from onethinker_eval.benchmarks import resolve
from onethinker_eval.rescoring import read_metrics

if TYPE_CHECKING:
    from run_server import RunServer

VAGUE = "as far as I can tell from what is shown, number {} is the most likely one of them all"


def test_a_run_asks_its_judge_once(
    run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    task = resolve("mmstar")[0]
    lines = []
    for number, item in enumerate(readers.iterate(task, small_suite)):
        vague = number % 2 == 1
        text = VAGUE.format(number) if vague else str(item.truth)
        lines.append({"id": item.id, "status": "ok", "reply": answered(text)})
    stored = tmp_path / "stored"
    stored.mkdir()
    content = "".join(json.dumps(line) + "\n" for line in lines)
    (stored / f"{task.id}.jsonl").write_text(content)
    truths = [str(item.truth) for item in readers.iterate(task, small_suite)]
    settings: dict[str, Any] = {
        "model": "replay",
        "tasks": ["mmstar"],
        "data": str(small_suite),
        "output": str(tmp_path),
        "run": "r",
        "model_args": f"file={stored}",
    }
    with JudgeServer(always("A")) as server:
        settings["judge"] = f"base_url={server.url},model=judge-1"
        first = run_server.run(**settings)
        assert (first["exit_code"], first["failures"]) == (0, [])
        assert len(server.requests) == len(lines) // 2
        again = run_server.run(**settings)
        assert (again["exit_code"], again["reused"]) == (0, len(lines))
        assert len(server.requests) == len(lines) // 2
    rows = {
        row.metric: row
        for row in read_metrics(tmp_path / "r" / "metrics.csv")
        if row.protocol == "paper"
    }
    clear, hits = (len(lines) + 1) // 2, truths[1::2].count("A")
    assert round(rows["accuracy"].value, 4) == round(100 * clear / len(lines), 4)
    judged = rows["accuracy (judged)"]
    assert round(judged.value, 4) == round(100 * (clear + hits) / len(lines), 4)
    assert rows["judged share"].value == 100 * (len(lines) // 2) / len(lines)
    manifest = json.loads((tmp_path / "r" / "run.json").read_bytes())
    assert manifest["settings"]["judge"].endswith("model=judge-1")


def test_a_judge_that_fails_makes_the_run_incomplete(
    run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    task = resolve("mmstar")[0]
    item = next(iter(readers.iterate(task, small_suite)))
    line = {"id": item.id, "status": "ok", "reply": answered(VAGUE)}
    (tmp_path / f"{task.id}.jsonl").write_text(json.dumps(line) + "\n")
    with JudgeServer(always("B")) as server:
        url = server.url  # nobody listens there any more
    outcome = run_server.run(
        model="replay",
        tasks=["mmstar"],
        data=str(small_suite),
        output=str(tmp_path),
        run="r",
        limit=1,
        model_args=f"file={tmp_path}",
        judge=f"base_url={url},model=judge-1,retries=0",
    )
    assert (outcome["exit_code"], outcome["failures"]) == (1, [])
    rows = {row.metric: row for row in read_metrics(tmp_path / "r" / "metrics.csv")}
    assert rows["accuracy"].value == 0.0
    assert "accuracy (judged)" not in rows
