"""The task files without our command line: lmms-eval alone runs them and prints the same number."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

from run_server import RunServer

from onethinker_eval.paths import tasks_dir

TASKS = ("onethinker_refcoco_val", "onethinker_got10k", "onethinker_charades")


def test_plain_lmms_eval_gives_the_same_headline(
    run_server: RunServer, small_suite: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "ours"
    run_server.run(
        model="baseline", tasks=list(TASKS), data=str(small_suite), output=str(ours), run="r"
    )
    with (ours / "r" / "metrics.csv").open(newline="") as stream:
        rows = {
            (row["benchmark"], row["metric"]): float(row["value"])
            for row in csv.DictReader(stream)
            if row["protocol"] == "paper"
        }
    plain = lmms_eval(small_suite, tmp_path, "baseline")
    assert plain == {
        "onethinker_refcoco_val": rows["refcoco", "R@0.5"],
        "onethinker_got10k": rows["got10k", "AO"],
        "onethinker_charades": rows["charades", "mIoU"],
    }
    assert 0 < plain["onethinker_got10k"] < 100


def lmms_eval(suite: Path, scratch: Path, model: str) -> dict[str, float]:
    """Run lmms-eval's own command over the task files; return its `score` of each task."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "ONETHINKER_DATA": str(suite),
        "ONETHINKER_CACHE": str(scratch / "cache"),
        "HF_HOME": str(scratch / "home"),
    }
    command = [sys.executable, "-m", "lmms_eval", "--model", model, "--tasks", ",".join(TASKS)]
    command += ["--include_path", str(tasks_dir()), "--batch_size", "1", "--device", "cpu"]
    command += ["--output_path", str(scratch / "plain"), "--log_samples"]
    done = subprocess.run(
        command, env=environment, cwd=scratch, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    [path] = (scratch / "plain").rglob("*_results.json")
    results = json.loads(path.read_text())["results"]
    return {name: results[name]["score,none"] for name in TASKS}
