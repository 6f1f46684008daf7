"""Memory and time of a large job over its course, with a model that answers at once.

    python tests/benchmarks/bench_scale.py [--samples 10000 100000] [--reply-chars 4000]

Each size runs in a process of its own: one grounding task over a few shared images, replies of
`--reply-chars` characters of thinking. A run is made, then given again with its last tenth
missing (*resumed*), then once more with nothing left to do (*finished*). Printed is the resident
memory of the process when each tenth of the samples is done and at its peak, and how many times
the journal was read. The slope between two sizes is what one more sample costs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

TASK = "refcoco_val"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1 << 20


def main() -> None:
    """Measure each size in its own process, and print the curves and their slope."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--reply-chars", type=int, default=4000)
    parser.add_argument("--scratch", help="folder for data and runs (default: a temporary one)")
    parser.add_argument("--json", help="write all figures there")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        figures = _measure(Path(options.scratch), options.one)
        print(json.dumps(figures), file=sys.stderr)
        return
    found = {}
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        for samples in options.samples:
            found[samples] = _in_process(Path(name), samples, options.reply_chars)
            _print_curve(samples, found[samples])
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))
    if len(found) > 1:
        _print_slope(found)


def _in_process(scratch: Path, samples: int, chars: int) -> dict[str, Any]:
    from bench_overhead import make_data

    folder = scratch / str(samples)
    make_data(folder / "data", samples)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "ONETHINKER_CACHE": str(folder / "cache"),
        "BENCH_REPLY_CHARS": str(chars),
    }
    command = [sys.executable, __file__, "--one", str(samples), "--scratch", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return figures


def wordy() -> Any:
    """Return the class of a model that answers at once and at length; called by lmms-eval."""
    from onethinker_eval.harness.models.baseline import Baseline
    from onethinker_eval.records import Record

    class Wordy(Baseline):
        """The baseline's answer after many characters of thinking, different for each sample."""

        _chars = int(os.environ.get("BENCH_REPLY_CHARS", "4000"))

        def answer(self, record: Record, task: str) -> str:
            words = f"Part {record.id} of the picture is looked at again. "
            thinking = (words * (self._chars // len(words) + 1))[: self._chars]
            reply = super().answer(record, task)
            return f"<think>{thinking}</think>{reply[reply.rindex('<answer>') :]}"

    return Wordy


def __getattr__(name: str) -> Any:
    if name == "Wordy":
        return wordy()
    raise AttributeError(name)


def _measure(scratch: Path, samples: int) -> dict[str, Any]:
    from lmms_eval.models import MODEL_REGISTRY_V2
    from lmms_eval.models.registry_v2 import ModelManifest

    from onethinker_eval.harness import environment

    environment.prepare()
    MODEL_REGISTRY_V2.register_manifest(
        ModelManifest(model_id="wordy", chat_class_path="bench_scale.Wordy"), overwrite=True
    )
    import lmms_eval.evaluator  # noqa: F401  # its memory is no part of what is measured

    figures: dict[str, Any] = {"imported": _resident()}
    figures["whole"] = _run(scratch, samples)
    journal = next((scratch / "out").glob("*/replies/*.jsonl"))
    figures["journal"] = journal.stat().st_size / _MIB
    _drop_last_tenth(journal, samples)
    figures["resumed"] = _run(scratch, samples)
    figures["finished"] = _run(scratch, samples)
    return figures


def _drop_last_tenth(journal: Path, samples: int) -> None:
    with journal.open("rb+") as stream:
        for _ in range(samples - samples // 10):
            stream.readline()
        stream.truncate(stream.tell())


def _run(scratch: Path, samples: int) -> dict[str, Any]:
    from onethinker_eval.harness.evaluate import evaluate
    from onethinker_eval.harness.settings import Settings

    curve: dict[str, float] = {}
    stages: dict[str, float] = {}
    began = time.perf_counter()
    processor = time.process_time()

    def watch(moment: Any) -> None:
        tenth = moment.done * 10 // samples
        if moment.stage == "generate":
            curve.setdefault(f"{10 * tenth} %", _resident())
        stages.setdefault(moment.stage, round(time.perf_counter() - began, 2))

    peak = _Peak()
    settings = Settings(
        "wordy",
        (TASK,),
        data=str(scratch / "data"),
        output=str(scratch / "out"),
        run="r",
        report=False,
    )
    with peak, _Reads() as reads:
        result = evaluate(settings, progress=watch)
    if result.failures or result.generated + result.reused != samples:
        raise RuntimeError(f"the run did not answer everything: {result.generated}")
    return {
        "curve": curve,
        "stages": stages,
        "peak": peak.value,
        "wall": time.perf_counter() - began,
        "cpu": time.process_time() - processor,
        "generated": result.generated,
        "reads": reads.times(next((scratch / "out").glob("*/replies/*.jsonl"))),
    }


def _resident() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * _PAGE / _MIB, 1)


class _Peak:
    """The most resident memory seen while the block runs, looked at every 50 ms."""

    def __init__(self) -> None:
        self.value = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.value = max(self.value, _resident())


class _Reads:
    """How many bytes this process read from files while the block ran (rescoring's aside)."""

    def __enter__(self) -> _Reads:
        self._bytes = 0
        self._before = self._count()
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes = self._count() - self._before

    @staticmethod
    def _count() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("rchar")))

    def times(self, journal: Path) -> float:
        """Return the bytes read in lengths of the `journal`."""
        return round(self._bytes / journal.stat().st_size, 2)


def _print_curve(samples: int, figures: dict[str, Any]) -> None:
    size = figures["journal"]
    print(f"\n{samples} samples, journal {size:.0f} MiB; {figures['imported']:.0f} MiB at start")
    for name in ("whole", "resumed", "finished"):
        run = figures[name]
        curve = "  ".join(f"{done}: {value:.0f}" for done, value in run["curve"].items())
        print(
            f"  {name:9} {run['generated']:>7} made  {run['wall']:.1f} s ({run['cpu']:.1f} s CPU)"
            f"  peak {run['peak']:.0f} MiB  bytes read {run['reads']:.2f} journals\n    {curve}"
            f"\n    stages at {run['stages']}"
        )


def _print_slope(found: dict[int, dict[str, Any]]) -> None:
    small, large = min(found), max(found)
    print(f"\none more sample, from {small} to {large}:")
    for name in ("whole", "resumed", "finished"):
        grown = found[large][name]["peak"] - found[small][name]["peak"]
        print(f"  {name:9} {1024 * grown / (large - small):.2f} KiB at the peak")


if __name__ == "__main__":
    main()
