"""What our path adds to lmms-eval's: time and memory a sample, with a model that returns at once.

    python tests/benchmarks/bench_overhead.py [--samples 2000] [--repeats 5]

Both paths run the same task file over the same records with the same instant model, and score
every reply by the same code. *plain* is `simple_evaluate` with the task's own `process_results`
and without its sample log (nothing of it survives an interruption). *ours* is `evaluate`: lock,
manifest, sample keys with hashed media, journal forced to disk, score files, metrics with
bootstrap intervals, leaderboard. Time is the least of several repeats after a warm-up, memory the
peak of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TASK = "refcoco_val"


def main() -> None:
    """Measure both paths, each in its own process, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--path", choices=["plain", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--scratch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.path:
        scratch = Path(options.scratch)
        print(json.dumps(_measure(options.path, scratch, options.repeats)), file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        make_data(scratch / "data", options.samples)
        found = {path: _in_process(path, scratch, options.repeats) for path in ("plain", "ours")}
    _table(found, options.samples)


def make_data(folder: Path, samples: int) -> None:
    """Write `samples` grounding records over the demo suite's images."""
    from onethinker_eval import demo

    demo.make(folder, benchmarks=["refcoco"])
    source = folder / "eval_refcoco_val.json"
    records = json.loads(source.read_text())
    many = [
        {**records[number % len(records)], "problem_id": number, "problem": f"Find part {number}."}
        for number in range(samples)
    ]
    source.write_text(json.dumps(many))


def _in_process(path: str, scratch: Path, repeats: int) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ONETHINKER_CACHE": str(scratch / "cache")}
    command = [sys.executable, __file__, "--path", path, "--scratch", str(scratch)]
    command += ["--repeats", str(repeats)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    return found


def _measure(path: str, scratch: Path, repeats: int) -> dict[str, float]:
    from onethinker_eval.harness import environment

    environment.prepare()
    run = {"plain": _plain, "ours": _ours}[path](scratch)
    run(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = [], []
    for repeat in range(1, repeats + 1):
        started = time.perf_counter(), time.process_time()
        run(repeat)
        wall.append(time.perf_counter() - started[0])
        cpu.append(time.process_time() - started[1])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak, grown = after / 1024, (after - before) / 1024
    return {"wall": min(wall), "cpu": min(cpu), "peak": peak, "grown": grown}


def _plain(scratch: Path) -> Any:
    """Return lmms-eval's own path: its task manager, its evaluation, its scoring, nothing kept."""
    os.environ["ONETHINKER_DATA"] = str(scratch / "data")
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    from onethinker_eval.benchmarks import resolve
    from onethinker_eval.harness.models.baseline import Baseline

    folder = Path(resolve(TASK)[0].file).parent

    def run(_: int) -> None:
        from argparse import Namespace

        manager = TaskManager(include_path=str(folder), include_defaults=False)
        simple_evaluate(
            model=Baseline(),
            tasks=[f"onethinker_{TASK}"],
            task_manager=manager,
            log_samples=False,
            bootstrap_iters=0,
            process_docs_parallel=1,
            cli_args=Namespace(
                process_with_media=False, reasoning_tags=None, agentic_trace_mode="basic"
            ),
        )

    return run


def _ours(scratch: Path) -> Any:
    from onethinker_eval.harness.evaluate import evaluate
    from onethinker_eval.harness.settings import Settings

    def run(repeat: int) -> None:
        output = scratch / f"run-{repeat}"
        settings = Settings(
            "baseline", (TASK,), data=str(scratch / "data"), output=str(output), report=False
        )
        result = evaluate(settings)
        if result.failures or not result.generated:
            raise RuntimeError(f"the run did not answer everything: {result}")
        shutil.rmtree(output)

    return run


def _table(found: dict[str, dict[str, float]], samples: int) -> None:
    plain, ours = found["plain"], found["ours"]
    print(f"{samples} samples, an instant model")
    print(f"{'':24}{'plain lmms-eval':>16}{'ours':>10}{'ratio':>8}")
    for label, key, factor, unit in (
        ("time a sample", "wall", 1e3 / samples, "ms"),
        ("CPU a sample", "cpu", 1e3 / samples, "ms"),
        ("peak memory", "peak", 1.0, "MiB"),
    ):
        a, b = plain[key] * factor, ours[key] * factor
        print(f"{label:24}{a:>12.3f} {unit:<3}{b:>6.3f} {unit:<3}{b / a:>6.2f}×")
    met = ours["wall"] <= 1.1 * plain["wall"]
    print(f"goal: time within 1.10×, journal on: {'met' if met else 'missed'}")


if __name__ == "__main__":
    main()
