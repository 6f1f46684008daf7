"""Runs by the whole command line, and runs shared by several processes. Slow: real start-ups."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RECORDS = 48


def environment(scratch: Path) -> dict[str, str]:
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "ONETHINKER_CACHE": str(scratch / "cache"),
    }


def command(suite: Path, output: Path, *more: str) -> list[str]:
    # torchrun takes --run for an abbreviation of an option of its own, unless it stands after --.
    tasks = ["--tasks", "refcoco_val,charades", "--data", str(suite), "--run", "r"]
    return ["onethinker_eval", "--", *tasks, "--output", str(output), "--quiet", *more]


def folder(output: Path) -> Path:
    """Return the one run folder under `output`."""
    [found] = (path.parent for path in output.glob("*/run.json"))
    return found


def finished(output: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in output.glob("*/replies/*.jsonl"))


def test_the_real_model_killed_under_the_whole_command_line(
    small_suite: Path, tmp_path: Path
) -> None:
    tiny = ["--model", "onethinker-tiny", "--model_args", "max_new_tokens=8"]
    results = {}
    for name in ("whole", "killed"):
        output = tmp_path / name
        run = [sys.executable, "-m", *command(small_suite, output, *tiny)]
        if name == "killed":
            process = subprocess.Popen(run, env=environment(tmp_path))
            wanted = random.Random(0).randrange(5, RECORDS - 5)
            while finished(output) < wanted and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            kept = finished(output)
            assert wanted <= kept < RECORDS
        done = subprocess.run(run, env=environment(tmp_path), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        results[name] = (folder(output) / "metrics.csv").read_bytes()
    sessions = json.loads((folder(tmp_path / "killed") / "run.json").read_text())["sessions"]
    assert sessions[-1]["outcome"] == {"failed": 0, "generated": RECORDS - kept, "reused": kept}
    assert results["killed"] == results["whole"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shared(suite: Path, output: Path, world: int, *more: str) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(world)]
    launcher += ["--master-port", str(free_port()), "-m"]
    return [*launcher, *command(suite, output, "--model", "baseline", *more)]


def children(parent: int) -> list[int]:
    """Return the processes that `parent` started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


DERIVED = (
    *("metrics.csv", "leaderboard.csv", "leaderboard.md"),
    *("scores/onethinker_charades.jsonl", "scores/onethinker_refcoco_val.jsonl"),
)


def same_results(one: Path, other: Path) -> None:
    for name in DERIVED:
        assert (folder(one) / name).read_bytes() == (folder(other) / name).read_bytes(), name


@pytest.fixture(scope="module")
def alone(small_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one process."""
    output = tmp_path_factory.mktemp("alone")
    run = [sys.executable, "-m", *command(small_suite, output, "--model", "baseline")]
    subprocess.run(run, env=environment(output), check=True, capture_output=True)
    return output


def test_two_processes_share_a_run(small_suite: Path, tmp_path: Path, alone: Path) -> None:
    run = shared(small_suite, tmp_path / "shared", 2)
    done = subprocess.run(run, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    parts = sorted(path.name for path in (folder(tmp_path / "shared") / "replies").iterdir())
    assert parts == [
        f"onethinker_{task}.rank{rank}.jsonl"
        for task in ("charades", "refcoco_val")
        for rank in (0, 1)
    ]
    assert finished(tmp_path / "shared") == RECORDS
    same_results(tmp_path / "shared", alone)


def test_accelerate_starts_two_processes_without_a_gpu(
    small_suite: Path, tmp_path: Path, alone: Path
) -> None:
    for name, flags in (("two", ["--multi_gpu"]), ("lone", ["--cpu"])):
        output = tmp_path / name
        launcher = [sys.executable, "-m", "accelerate.commands.launch", *flags]
        launcher += ["--num_processes", "2", "--main_process_port", str(free_port()), "-m"]
        run = [*launcher, *command(small_suite, output, "--model", "baseline")]
        run = [word for word in run if word not in {"--", "--quiet"}]
        done = subprocess.run(run, env=environment(tmp_path), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        parts = list(folder(output).glob("replies/*.rank*.jsonl"))
        assert len(parts) == (4 if name == "two" else 0)
        assert ("accelerate has started one process alone" in done.stderr) == (name == "lone")
        same_results(output, alone)


@pytest.mark.parametrize("world", [1, 3])
def test_the_world_may_change_between_a_kill_and_its_resume(
    small_suite: Path, tmp_path: Path, alone: Path, world: int
) -> None:
    output = tmp_path / "killed"
    slow = ("--model_args", "delay_s=0.3")
    run = shared(small_suite, output, 2, *slow)
    process = subprocess.Popen(run, env=environment(tmp_path))
    while finished(output) < 17 and process.poll() is None:
        time.sleep(0.01)
    # torchrun gives each rank a session of its own, so a kill of its group would leave them.
    ranks = children(process.pid)
    assert len(ranks) == 2
    for one in (process.pid, *ranks):
        os.kill(one, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(1)
    kept = finished(output)
    assert 17 <= kept < RECORDS
    assert any(path.stat().st_size for path in folder(output).glob("replies/*.rank1.jsonl"))
    again = (
        shared(small_suite, output, world, *slow)
        if world > 1
        else [sys.executable, "-m", *command(small_suite, output, "--model", "baseline", *slow)]
    )
    done = subprocess.run(again, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert finished(output) == RECORDS
    for name in DERIVED[:1] + DERIVED[3:]:
        assert (folder(output) / name).read_bytes() == (folder(alone) / name).read_bytes(), name
    costs = json.loads((folder(output) / "run.json").read_text())["costs"]
    assert costs["all"]["samples"] >= RECORDS - kept
