"""Training killed with SIGKILL goes on as if nothing had happened; two processes agree with one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_training import micro_folder

pytest.importorskip("trl")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TESTS = Path(__file__).parents[1]
STEPS = 5
SAVED = 2
GROUP = 4

SHARED = {
    "data.sources": "[{kind: demo, families: [spatial_grounding, tracking], size: 8}]",
    "data.max_frames": "4",
    "data.video_share": "0.5",
    "data.video_from": "0",
    "optimiser.lr": "1e-3",
    "run.steps": str(STEPS),
    "run.batch": "4",
    "run.precision": "fp32",
    "run.save_every": str(SAVED),
    "run.keep": "9",
    "run.log_every": "1",
}
SFT = {
    "model.scratch": "null",
    "optimiser.name": "muon",
    "run.video_batch": "2",
    "run.micro_batch": "2",
    "run.number_smoothing": "0",
}
GRPO = {
    "rollouts.group_size": str(GROUP),
    "rollouts.max_tokens": "6",
    "rollouts.filter_tries": "1",
    "ema_decay": "0.9",
    "run.micro_batch": "8",
}


def recipe_of(stage: str, output: Path, **changes: str) -> Path:
    """Write the recipe of a run of `stage` into `output` and return its file."""
    from onethinker_eval.training import recipe

    values = SHARED | (SFT if stage == "sft" else GRPO) | changes
    values |= {"model.path": str(micro_folder()), "run.output": str(output / "run")}
    output.mkdir(parents=True)
    file = output / f"{stage}.yaml"
    file.write_text(recipe.load(f"demo-{stage}", values).to_yaml(), encoding="utf-8")
    return file


def work(folder: Path, jobs: list[dict[str, Any]]) -> list[list[int]]:
    """Run jobs and return the exit statuses of the processes of each."""
    file = folder / "jobs.json"
    file.write_text(json.dumps(jobs), encoding="utf-8")
    command = [sys.executable, str(TESTS / "training_worker.py"), str(file), "--fork"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    statuses: list[list[int]] = json.loads(file.with_suffix(".out").read_text())
    assert all(status in (0, -signal.SIGKILL) for made in statuses for status in made), done.stderr[
        -4000:
    ]
    return statuses


def kept(run: Path) -> dict[str, bytes]:
    """Return what must be the same to the last bit: weights, moments, optimiser, rollouts."""
    files = [run / "model" / "model.safetensors"]
    last = run / f"checkpoint-{STEPS}"
    files += [last / "optimizer.pt", last / "model.safetensors"]
    if (last / "ema_moments.json").exists():
        files.append(last / "ema_moments.json")
    found = {str(path.relative_to(run)): path.read_bytes() for path in files}
    for path in (run / "rollouts" / "replies").glob("*.jsonl"):
        found[path.name] = path.read_bytes()
    return found


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_a_run_killed_anywhere_ends_like_one_that_was_not(stage: str, tmp_path: Path) -> None:
    whole = recipe_of(stage, tmp_path / "whole")
    kills = [
        {"step": step, "where": where}
        for step, where in [(0, "update"), (3, "update"), (2, "checkpoint"), (4, "checkpoint")]
    ]
    jobs = [{"recipe": str(whole), "kill": None}]
    for kill in kills:
        file = str(recipe_of(stage, tmp_path / f"{kill['where']}-{kill['step']}"))
        jobs += [{"recipe": file, "kill": kill}, {"recipe": file, "kill": None}]
    statuses = work(tmp_path, jobs)
    assert statuses == [[0], *[[-signal.SIGKILL], [0]] * len(kills)]
    expected = kept(tmp_path / "whole" / "run")
    assert len(expected) >= (3 if stage == "sft" else 6)
    for kill in kills:
        found = kept(tmp_path / f"{kill['where']}-{kill['step']}" / "run")
        assert found.keys() == expected.keys()
        for name, content in expected.items():
            assert found[name] == content, (kill, name)


def test_two_processes_have_the_moments_and_advantages_of_one(tmp_path: Path) -> None:
    jobs = []
    for world in (1, 2):
        folder = tmp_path / str(world)
        file = recipe_of("grpo", folder, **{"rollouts.filter_tries": "0"})
        spy = {"spy": str(folder), "rewards": "dice", "kill": None}
        jobs.append({"recipe": str(file), "world": world, **spy})
    assert work(tmp_path, jobs) == [[0], [0, 0]]
    lines = {
        name: [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("1/0", "2/0", "2/1")
    }
    one, first, second = lines.values()
    assert len(one) == len(first) == len(second) == STEPS
    for alone, mine, theirs in zip(one, first, second, strict=True):
        assert alone["moments"] == mine["moments"] == theirs["moments"]
        together = advantages_by_name(mine) | advantages_by_name(theirs)
        assert together == advantages_by_name(alone)
        assert max(map(abs, alone["advantages"])) > 0.1
        assert len(mine["names"]) == len(theirs["names"]) == len(alone["names"]) // 2
    moments = [
        (tmp_path / world / "run" / f"checkpoint-{STEPS}" / "ema_moments.json").read_bytes()
        for world in "12"
    ]
    assert moments[0] == moments[1]


def advantages_by_name(line: dict[str, Any]) -> dict[tuple[str, int], list[float]]:
    """Return the advantages of each group; a record that comes twice in a batch is told apart."""
    groups: dict[tuple[str, int], list[float]] = {}
    for start in range(0, len(line["names"]), GROUP):
        name = line["names"][start]
        number = sum(known == name for known, _ in groups)
        groups[name, number] = line["advantages"][start : start + GROUP]
    return groups
