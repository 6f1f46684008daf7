"""How full an engine that batches continuously is kept, against decoding a batch at a time.

    python tests/benchmarks/bench_pipeline_stream.py [--slots 4] [--share 0.4] [--workers 1]
    python tests/benchmarks/bench_pipeline_stream.py --tasks 8 --samples 40 [--spread 3]

The engine is simulated: each of its slots holds a request for a fixed time, asleep, like a GPU
that needs no core. *engine* is asked without media, *ours* is a `BusyModel` behind the reply
journal; *batches* decodes as many clips as there are slots by qwen_vl_utils, fills the slots,
waits until all are done and decodes the next, as loops around `LLM.generate` do. `--share` is the
part of the engine's time that one core needs for decoding. *loaded* is ours again, told of the
first requests `--load` seconds before the engine takes any, as while weights are read; the clock
starts when it does.

With `--tasks` the clips are cut into so many tasks: *one stream* runs them as a run does, *task by
task* waits for each to end before the next begins, as runs did before. `--spread 3` lets every
fourth request take three times as long.
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
from lmms_eval.api.instance import GenerationResult, Instance

from onethinker_eval.benchmarks import catalogue
from onethinker_eval.harness.fingerprints import MediaDigests
from onethinker_eval.harness.in_hand import Stretch, TaskRun
from onethinker_eval.harness.models.keep_busy import BusyModel
from onethinker_eval.harness.models.media_ahead import rule_with, shown
from onethinker_eval.harness.progress import Ticker
from onethinker_eval.harness.proxy import JournalledModel
from onethinker_eval.harness.replies import TaskJournal
from onethinker_eval.harness.sample_key import SampleKeys
from onethinker_eval.harness.task_data import task_of
from onethinker_eval.harness.upcoming import coming_up

_EVERY = 4


class Slots(BusyModel):
    """A model whose requests take `seconds` each, `num_concurrent` at a time."""

    seconds = 1.0
    spread = 1.0

    def begin(self, request: Any, media: Any) -> Future[GenerationResult]:
        """Finish in a while."""
        del media
        done: Future[GenerationResult] = Future()
        long = request.args[-3] % _EVERY == _EVERY - 1
        seconds = self.seconds * (self.spread if long else 1.0)
        threading.Timer(seconds, done.set_result, [GenerationResult(text="done")]).start()
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
    parser.add_argument("--tasks", type=int, default=0)
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--load", type=float, default=5.0)
    options = parser.parse_args()
    options.engine, options.height, options.batch, options.tokens = "stream", 480, 1, 64
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("ONETHINKER_CACHE", str(Path(scratch) / "cache"))
        bench = Bench(options, Path(scratch))
        if options.tasks:
            measure_tasks(bench, options)
        else:
            measure(bench, options)


def measure(bench: Bench, options: argparse.Namespace) -> None:
    """Time every path `repeats` times."""
    rule = calibrate(bench, options)
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
    timed(ways, options.repeats, loaded=lambda: loaded(bench, options))
    workers._media.close()


def calibrate(bench: Bench, options: argparse.Namespace) -> Any:
    """Set the engine's latency by what decoding a clip takes; return the frame rule."""
    rule = rule_with(task_of(TASK).frames, bench.rule)
    part = ({"type": "video", "url": bench.paths[0]},)
    shown(part, rule)
    cpu = time.process_time()
    for _ in range(3):
        shown(part, rule)
    cpu = (time.process_time() - cpu) / 3
    Slots.seconds, Slots.spread = cpu * options.slots / options.share, options.spread
    print(f"decoding one: {cpu:.3f} s of CPU; a request takes {Slots.seconds:.2f} s")
    return rule


def timed(
    ways: dict[str, Callable[[], None]],
    repeats: int,
    loaded: Callable[[], float] | None = None,
) -> None:
    """Time every way and print the table; the first is the engine's own."""
    times: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.monotonic()
            way()
            times.setdefault(name, []).append(time.monotonic() - began)
        if loaded is not None:
            times.setdefault("ours, loaded", []).append(loaded())
    own = min(next(iter(times.values())))
    for name, found in times.items():
        print(f"{name:24}{min(found):9.2f} s{100 * own / min(found):8.1f}%")


def loaded(bench: Bench, options: argparse.Namespace) -> float:
    """Return the seconds from when the engine takes requests, decoding begun before."""
    with coming_up({TASK: {"test": bench.documents}}, bench._requests()):
        model = Slots(bench.rule, num_concurrent=options.slots, decode_threads=2)
        model.begin_early()
    time.sleep(options.load)
    began = time.monotonic()
    bench._ours(model)
    ended = time.monotonic()
    model._media.close()
    return ended - began


def measure_tasks(bench: Bench, options: argparse.Namespace) -> None:
    """Time the clips as many small tasks: in one stream, and a task at a time."""
    calibrate(bench, options)
    names = [name for name, task in catalogue().tasks.items() if task.data_type == "video"]
    names = names[: options.tasks]
    each = len(bench.documents) // len(names)
    slices = {name: slice(n * each, (n + 1) * each) for n, name in enumerate(names)}
    documents = {
        name: {"test": [{**doc, "task": name} for doc in bench.documents[part]]}
        for name, part in slices.items()
    }
    rule = {**bench.rule, "rule": "fps"}  # the tasks' own would differ
    idle = Slots(rule, num_concurrent=options.slots)
    idle.needs_pixels = False
    ours = Slots(rule, num_concurrent=options.slots, decode_threads=2)
    for model in (idle, ours):
        model.task_dict.update(documents)
    print(f"{len(names)} tasks of {each} clips, {options.slots} slots")

    def run(model: Any, groups: list[list[str]]) -> None:
        folder = Path(tempfile.mkdtemp(dir=bench.scratch))
        ticker = Ticker(None, dict.fromkeys(names, each))
        for group in groups:
            stretches = [stretch(bench, folder, ticker, name, slices[name]) for name in group]
            JournalledModel(stretches, model).answer(model)
            for one in stretches:
                one.run.journal.__exit__(None, None, None)
        if ticker.generated != each * len(names):
            raise RuntimeError(f"{ticker.failed} samples failed")

    ways: dict[str, Callable[[], None]] = {
        "engine, one stream": lambda: run(idle, [names]),
        "engine, task by task": lambda: run(idle, [[name] for name in names]),
        "ours, one stream": lambda: run(ours, [names]),
        "ours, task by task": lambda: run(ours, [[name] for name in names]),
    }
    timed(ways, options.repeats)


def stretch(bench: Bench, folder: Path, ticker: Ticker, name: str, part: slice) -> Stretch:
    """Return the requests of a small task, with an open journal."""
    keys = SampleKeys(task_of(name), "identity", {}, MediaDigests(None))
    records = bench.records[part]
    journal = TaskJournal(folder, name).__enter__()
    settings = {"max_new_tokens": 64, "temperature": 0, "until": []}
    return Stretch(
        TaskRun(records, journal, keys, ticker),
        [
            Instance(
                "generate_until", ("", None, settings, n, name, "test"), 0,
                {"task": name, "doc_id": n, "repeats": 1},
            )
            for n in range(len(records))
        ],
    )  # fmt: skip


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
