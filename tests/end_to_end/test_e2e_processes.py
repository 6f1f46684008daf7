"""Runs by the whole command line, and runs shared by several processes. Slow: real start-ups."""

from __future__ import annotations

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
        "ACCELERATE_USE_CPU": "true",
        "ONETHINKER_CACHE": str(scratch / "cache"),
    }


def command(suite: Path, output: Path, *more: str) -> list[str]:
    # Without --run: torchrun takes that for an abbreviation of an option of its own.
    tasks = ["--tasks", "refcoco_val,charades", "--data", str(suite)]
    return ["onethinker_eval", *tasks, "--output", str(output), "--quiet", *more]


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


def test_two_processes_share_a_run(small_suite: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alone = [sys.executable, "-m", *command(small_suite, tmp_path / "alone", "--model", "baseline")]
    subprocess.run(alone, env=environment(tmp_path), check=True, capture_output=True)
    shared = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    shared += ["--master-port", str(port), "-m"]
    shared += command(small_suite, tmp_path / "shared", "--model", "baseline")
    done = subprocess.run(shared, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    parts = sorted(path.name for path in (folder(tmp_path / "shared") / "replies").iterdir())
    assert parts == [
        f"onethinker_{task}.rank{rank}.jsonl"
        for task in ("charades", "refcoco_val")
        for rank in (0, 1)
    ]
    assert finished(tmp_path / "shared") == RECORDS
    for name in ("metrics.csv", "scores/onethinker_charades.jsonl"):
        assert (folder(tmp_path / "shared") / name).read_bytes() == (
            folder(tmp_path / "alone") / name
        ).read_bytes()
