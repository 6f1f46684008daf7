"""Replies depend neither on who prepares samples nor on how much waits; workers end with a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from run_server import RunServer

TASKS = ["refcoco_val", "charades"]


@pytest.fixture(scope="module")
def suite(small_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite with one clip cut off."""
    folder = Path(shutil.copytree(small_suite, tmp_path_factory.mktemp("pipeline") / "suite"))
    records = json.loads((folder / "eval_charades.json").read_text())
    clip = (folder / records[1]["path"]).resolve()
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    return folder


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return what the journals of a run hold, in the order of the sample ids, without times."""
    found = [
        {**json.loads(line), "task": path.name}
        for path in sorted((folder / "replies").iterdir())
        for line in path.read_text().splitlines()
    ]
    for line in found:
        del line["seconds"]
    return sorted(found, key=lambda line: (line["task"], line["id"]))


def test_processes_and_threads_give_the_same_journal(
    run_server: RunServer, suite: Path, tmp_path: Path
) -> None:
    outcomes = {}
    for run, how in (
        ("threads", "decode_workers=0"),
        ("workers", "decode_workers=2,decode_gib=0.01"),
    ):
        outcomes[run] = run_server.run(
            model="onethinker-tiny",
            tasks=TASKS,
            data=str(suite),
            output=str(tmp_path),
            run=run,
            limit=6,
            batch_size=2,
            model_args=f"max_new_tokens=6,{how}",
        )
    bad = outcomes["threads"]["failures"]
    assert bad
    assert outcomes["workers"]["failures"] == bad
    assert outcomes["workers"]["generated"] == 12 - len(bad)
    assert lines(tmp_path / "workers") == lines(tmp_path / "threads")
    assert len(lines(tmp_path / "workers")) == 12
    first, second = ((tmp_path / run / "metrics.csv").read_bytes() for run in outcomes)
    assert first == second
    for run in outcomes:
        costs = json.loads((tmp_path / run / "run.json").read_text())["costs"]
        for task in ("onethinker_refcoco_val", "onethinker_charades"):
            assert costs[task]["decode_s"] > 0
            assert costs[task]["engine_s"] > 0
            assert 0 <= costs[task]["idle_share"] < 1
