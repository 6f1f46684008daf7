"""How full an engine that batches continuously is kept, against decoding a batch at a time.

    python tests/benchmarks/bench_pipeline_stream.py [--slots 4] [--share 0.4] [--workers 1]

The engine is simulated: each of its slots holds a request for a fixed time, asleep, like a GPU
that needs no core. *engine* is asked without media, *ours* is a `BusyModel` behind the reply
journal; *batches* decodes as many clips as there are slots by qwen_vl_utils, fills the slots,
waits until all are done and decodes the next, as loops around `LLM.generate` do. `--share` is the
part of the engine's time that one core needs for decoding.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("FORCE_QWENVL_VIDEO_READER", "decord")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from bench_pipeline import TASK, Bench
from lmms_eval.api.instance import GenerationResult

from onethinker_eval.harness.models.keep_busy import BusyModel
from onethinker_eval.harness.models.media_ahead import rule_with, shown
from onethinker_eval.harness.task_data import task_of


class Slots(BusyModel):
    """A model whose requests take `seconds` each, `num_concurrent` at a time."""

    seconds = 1.0

    def begin(self, request: Any, media: Any) -> Future[GenerationResult]:
        """Finish in a while."""
        del media
        done: Future[GenerationResult] = Future()
        threading.Timer(self.seconds, done.set_result, [GenerationResult(text="done")]).start()
        return done


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--share", type=float, default=0.4)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    options.engine, options.height, options.batch, options.tokens = "stream", 480, 1, 64
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("ONETHINKER_CACHE", str(Path(scratch) / "cache"))
        bench = Bench(options, Path(scratch))
        measure(bench, options)


def measure(bench: Bench, options: argparse.Namespace) -> None:
    """Time every path `repeats` times."""
    rule = rule_with(task_of(TASK).frames, bench.rule)
    part = ({"type": "video", "url": bench.paths[0]},)
    shown(part, rule)
    cpu = time.process_time()
    for _ in range(3):
        shown(part, rule)
    cpu = (time.process_time() - cpu) / 3
    Slots.seconds = cpu * options.slots / options.share
    print(f"decoding one: {cpu:.3f} s of CPU; a request takes {Slots.seconds:.2f} s")
    common = {"num_concurrent": options.slots}
    idle = Slots(bench.rule, **common)
    idle.needs_pixels = False
    threads = Slots(bench.rule, decode_threads=2, **common)
    workers = Slots(bench.rule, decode_workers=options.workers, **common)
    for model in (idle, threads, workers):
        model.task_dict[TASK] = {"test": bench.documents}
    warm = bench._requests()[0]
    workers._media.take("warm", workers._questions.wanted(warm))
    ways: dict[str, Callable[[], None]] = {
        "engine": lambda: bench._ours(idle),
        "ours, 2 threads": lambda: bench._ours(threads),
        f"ours, {options.workers} workers": lambda: bench._ours(workers),
        "batches": lambda: batches(bench, rule, options.slots),
    }
    times: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        for name, way in ways.items():
            began = time.monotonic()
            way()
            times.setdefault(name, []).append(time.monotonic() - began)
    for name, found in times.items():
        ratio = min(times["engine"]) / min(found)
        print(f"{name:20}{min(found):9.2f} s{100 * ratio:8.1f}%")
    workers._media.close()


def batches(bench: Bench, rule: Any, slots: int) -> None:
    """Decode a batch, have it answered, decode the next."""
    from qwen_vl_utils import fetch_video

    for start in range(0, len(bench.paths), slots):
        for path in bench.paths[start : start + slots]:
            wanted = {
                "video": path,
                "fps": rule.fps,
                "max_frames": rule.max_frames,
                "min_pixels": rule.min_frame_pixels,
                "max_pixels": rule.frame_pixels,
            }
            fetch_video(wanted, image_patch_size=16)
        time.sleep(Slots.seconds)


if __name__ == "__main__":
    main()
