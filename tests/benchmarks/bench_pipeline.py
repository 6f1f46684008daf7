"""How busy the engine is kept: ours, lmms-eval's wrapper and upstream's loop, in one run.

    python tests/benchmarks/bench_pipeline.py [--engine simulated|tiny] [--share 0.5] [--workers 1]

*engine* works on batches that lie prepared in memory: what every path is measured against. *ours*
is the `onethinker` model behind the reply journal, media hashed and replies forced to disk.
*lmms-eval* is its own chat wrapper of Qwen3-VL, which decodes inside its generation loop.
*upstream* decodes a batch, generates, writes everything it has so far, and decodes the next.
All read the same H.264 clips by the same frame rule and drive the same engine: `simulated` sleeps
so long for a batch, like a GPU that needs no core, `--share` being the part of that time which one
core needs to prepare a batch; `tiny` is the embedded model on the CPU. Each time is the least of
several repeats; *steady* leaves out what comes before the first batch, *idle* is the part of that
in which the engine had nothing to do. Workers run before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("FORCE_QWENVL_VIDEO_READER", "decord")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

TASK = "onethinker_charades"
WARM = -1


def main() -> None:
    """Measure all paths and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=["simulated", "tiny"], default="simulated")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--height", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help="paths to measure, by commas")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("ONETHINKER_CACHE", str(Path(scratch) / "cache"))
        Bench(options, Path(scratch)).run()


class Clock:
    """An engine that notes when it works. Simulated, a batch takes `seconds` asleep."""

    def __init__(self, model: Any, seconds: float | None, tokens: int) -> None:
        self._model, self._seconds, self._tokens = model, seconds, tokens
        self.config = model.config
        self.device, self.dtype = model.device, model.dtype
        self.spans: list[tuple[float, float]] = []
        self.rows = 0

    def eval(self) -> Clock:
        return self

    def generate(self, **inputs: Any) -> Any:
        """Return some token ids for each prompt."""
        import torch

        began = time.monotonic()
        ids = inputs["input_ids"]
        self.rows += int(inputs["pixel_values_videos"].shape[0])
        if self._seconds is not None:
            time.sleep(self._seconds)
            output = torch.cat([ids, ids[:, -1:]], dim=1)
        else:
            wanted = {"min_new_tokens": self._tokens, "max_new_tokens": self._tokens}
            media = {name: value for name, value in inputs.items() if hasattr(value, "shape")}
            for name in ("pixel_values", "pixel_values_videos"):
                if name in media:
                    media[name] = media[name].to(self.dtype)
            with torch.inference_mode():
                output = self._model.generate(**media, do_sample=False, **wanted)
        self.spans.append((began, time.monotonic()))
        return output


class Bench:
    """The clips, the paths over them, and their times."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.clock: Any = None
        self.tiny = options.engine == "tiny"
        height = options.height or (240 if self.tiny else 480)
        self.rule: dict[str, Any] = {"max_frames": 16} if self.tiny else {
            "max_frames": 128, "frame_pixels": 262144, "min_frame_pixels": 131072, "fps": 2.0,
        }  # fmt: skip
        clips = [make_clip(scratch / f"{n}.mp4", height, options.seconds, n) for n in range(4)]
        self.paths = []
        for number in range(options.samples):
            copy = scratch / f"copy-{number}.mp4"
            copy.write_bytes(clips[number % 4].read_bytes())
            self.paths.append(str(copy))
        self.documents = self._documents()
        size = clips[0].stat().st_size / 1e6
        print(f"{options.samples} clips of {options.seconds} s, {height} lines, {size:.1f} MB each")

    def run(self) -> None:
        from onethinker_eval.harness import environment

        environment.prepare()
        ways: dict[str, Callable[[], float]] = {}
        model = self._model(workers=0)
        samples, prepare_s, cpu_s = self._prepared(model)
        latency = None
        if not self.tiny:
            latency = cpu_s * self.options.batch / self.options.share
        self.clock = Clock(model.model, latency, self.options.tokens)
        self._start_print(samples[0], prepare_s, cpu_s, latency)
        ways["engine"] = lambda: self._engine(model, samples)
        ways[f"ours, {self.options.threads} threads"] = lambda: self._ours(model)
        busy = self._model(workers=self.options.workers)
        self._warm(busy)
        ways[f"ours, {self.options.workers} workers"] = lambda: self._ours(busy)
        wrapper = self._wrapper(model)
        ways["lmms-eval"] = lambda: self._lmms(wrapper)
        ways["upstream"] = lambda: self._upstream(model)
        wanted = [one for one in self.options.only.split(",") if one]
        times: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(self.options.repeats):
            for name, way in ways.items():
                if wanted and not any(name.startswith(one) for one in wanted):
                    continue
                times.setdefault(name, []).append(self._timed(way))
                whole, steady, idle = times[name][-1]
                print(f"  {name}: {whole:.2f} s, steady {steady:.2f} s, {idle:.1%}", flush=True)
        table(times)
        busy._media.close()

    def _timed(self, way: Callable[[], float]) -> tuple[float, float, float]:
        """Return the seconds of all, of all from the first batch on, and the idle part of these."""
        self.clock.spans.clear()
        self.clock.rows = 0
        began = time.monotonic()
        way()
        ended = time.monotonic()
        if len(self.clock.spans) * self.options.batch != self.options.samples:
            raise RuntimeError(f"{len(self.clock.spans)} batches")
        steady = ended - self.clock.spans[0][0]
        return ended - began, steady, 1 - sum(b - a for a, b in self.clock.spans) / steady

    def _model(self, workers: int) -> Any:
        from onethinker_eval.harness.models.onethinker import OneThinkerTiny

        return OneThinkerTiny(
            batch_size=self.options.batch,
            decode_workers=workers,
            decode_threads=self.options.threads,
            device="cpu",
            **self.rule,
        )

    def _documents(self) -> list[dict[str, str]]:
        from onethinker_eval.records import Medium, Record

        self.records = [
            Record(str(n), "temporal grounding", "video", "When does it end?",
                   (Medium("video", path),), [0.0, 1.0], origin=f"clips: {n}")
            for n, path in enumerate(self.paths)
        ]  # fmt: skip
        return [
            {"id": one.id, "task": TASK, "record": json.dumps(one.to_json())}
            for one in self.records
        ]

    def _requests(self) -> list[Any]:
        from lmms_eval.api.instance import Instance

        from onethinker_eval.harness.tasks import doc_to_messages

        settings = {"max_new_tokens": self.options.tokens, "temperature": 0, "until": []}
        return [
            Instance(
                "generate_until", ("", doc_to_messages, settings, n, TASK, "test"), 0,
                {"task": TASK, "doc_id": n, "repeats": 1},
            )
            for n in range(len(self.paths))
        ]  # fmt: skip

    def _prepared(self, model: Any) -> tuple[list[Any], float, float]:
        """Return all samples as tensors, and the least wall and CPU seconds one took."""
        model.task_dict[TASK] = {"test": self.documents}
        samples, walls, cpus, decoding = [], [], [], []
        craft = model._media._craft
        for request in self._requests():
            wanted = model._wanted(request)
            began, cpu = time.monotonic(), time.process_time()
            craft._decode(wanted)
            decoding.append(time.process_time() - cpu)
            samples.append(craft.do(wanted))
            walls.append(time.monotonic() - began)
            cpus.append(time.process_time() - cpu)
        print(f"decoding and resizing one: {np.median(decoding):.3f} s of CPU")
        return samples, min(walls), float(np.median(cpus))

    def _warm(self, model: Any) -> None:
        model.task_dict[TASK] = {"test": self.documents}
        jobs = [((WARM, n), model._wanted(one)) for n, one in enumerate(self._requests()[:4])]
        began = time.monotonic()
        model._media.announce(jobs)
        for key, work in jobs:
            model._media.take(key, work)
        print(f"workers ready after {time.monotonic() - began:.1f} s (wall)")

    def _engine(self, model: Any, samples: Sequence[Any]) -> None:
        from onethinker_eval.harness.models.qwen_inputs import collate

        size, pad = self.options.batch, model.processor.tokenizer.pad_token_id
        for start in range(0, len(samples), size):
            self.clock.generate(**collate(samples[start : start + size], pad))

    def _ours(self, model: Any) -> None:
        from onethinker_eval.benchmarks import resolve
        from onethinker_eval.harness.fingerprints import MediaDigests
        from onethinker_eval.harness.in_hand import Stretch, TaskRun
        from onethinker_eval.harness.progress import Ticker
        from onethinker_eval.harness.proxy import JournalledModel
        from onethinker_eval.harness.replies import TaskJournal
        from onethinker_eval.harness.sample_key import SampleKeys

        task = next(one for one in resolve("charades") if one.id == TASK)
        model.task_dict[TASK] = {"test": self.documents}
        model.model = self.clock
        keys = SampleKeys(task, "identity", {}, MediaDigests(None))
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        with TaskJournal(folder, TASK) as journal:
            ticker = Ticker(None, {TASK: len(self.records)})
            run = TaskRun(self.records, journal, keys, ticker, self.options.batch)
            JournalledModel([Stretch(run, self._requests())], model).answer(model)
        if ticker.generated != len(self.records):
            raise RuntimeError(f"{ticker.failed} samples failed")

    def _wrapper(self, model: Any) -> Any:
        from lmms_eval.models.chat.qwen3_vl import Qwen3_VL

        from onethinker_eval.demo.tiny_model import tiny_folder
        from onethinker_eval.harness.models.media_ahead import rule_with
        from onethinker_eval.harness.task_data import task_of

        rule = rule_with(task_of(TASK).frames, model._questions._changes)
        wrapper = Qwen3_VL(
            pretrained=str(tiny_folder()),
            device="cpu",
            device_map="cpu",
            batch_size=self.options.batch,
            min_pixels=rule.min_frame_pixels,
            max_pixels=rule.frame_pixels,
            max_num_frames=rule.max_frames,
            fps=rule.fps,
        )
        del wrapper.accelerator  # it would look into the engine for compiled parts
        return wrapper

    def _lmms(self, wrapper: Any) -> None:
        wrapper.task_dict[TASK] = {"test": self.documents}
        wrapper._model = self.clock
        wrapper.generate_until(self._requests())

    def _upstream(self, model: Any) -> None:
        from qwen_vl_utils import process_vision_info

        from onethinker_eval.harness.models.media_ahead import rule_with
        from onethinker_eval.harness.task_data import task_of

        rule = rule_with(task_of(TASK).frames, model._questions._changes)
        size, written = self.options.batch, []
        for start in range(0, len(self.paths), size):
            messages = [
                [{"role": "user", "content": [
                    {"type": "video", "video": path, "fps": rule.fps,
                     "max_frames": rule.max_frames, "min_pixels": rule.min_frame_pixels,
                     "max_pixels": rule.frame_pixels},
                    {"type": "text", "text": "When does it end?"},
                ]}]
                for path in self.paths[start : start + size]
            ]  # fmt: skip
            texts = model.processor.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
            _, videos, extra = process_vision_info(
                messages, return_video_kwargs=True, image_patch_size=16, return_video_metadata=True
            )
            clips, metadata = zip(*videos, strict=True)
            inputs = model.processor(
                text=texts, videos=list(clips), video_metadata=list(metadata), do_resize=False,
                padding=True, return_tensors="pt", **extra,
            )  # fmt: skip
            output = self.clock.generate(**inputs)
            written += model.processor.batch_decode(output, skip_special_tokens=True)
            (self.scratch / "upstream.json").write_text(json.dumps(written))

    def _start_print(
        self, sample: Any, prepare_s: float, cpu_s: float, latency: float | None
    ) -> None:
        shape = tuple(sample["pixel_values_videos"].shape)
        size = sum(value.nbytes for value in sample.values()) / 1e6
        tokens = sample["input_ids"].shape[1]
        print(f"preparing one: {cpu_s:.3f} s of CPU ({prepare_s:.3f} s wall at best)")
        print(f"one prepared: {size:.0f} MB, {shape[0]} patches, {tokens} tokens")
        if latency is not None:
            print(f"a batch of {self.options.batch} takes the engine {latency:.2f} s")


def make_clip(path: Path, height: int, seconds: int, seed: int) -> Path:
    """Write an H.264 clip of a texture that drifts under changing light, at 25 frames a second."""
    import av

    width = height * 16 // 9 // 2 * 2
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 4 + 64, width // 4 + 64, 3), dtype=np.uint8)
    texture = coarse.repeat(4, 0).repeat(4, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "26", "preset": "fast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * 25):
            y, x = number * 2 % 128, number * 3 % 128
            view = texture[y : y + height, x : x + width]
            light = 0.7 + 0.3 * np.sin(number / 20)
            frame = av.VideoFrame.from_ndarray(np.uint8(view * light), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def table(times: dict[str, list[tuple[float, float, float]]]) -> None:
    """Print each path's least times, their ratio to the engine's own, and its least idle part."""
    engine, alone, _ = (min(column) for column in zip(*times["engine"], strict=True))
    print(f"{'':20}{'seconds':>9}{'of engine':>11}{'steady s':>10}{'of engine':>11}{'idle':>8}")
    for name, found in times.items():
        whole, steady, idle = (min(column) for column in zip(*found, strict=True))
        print(
            f"{name:20}{whole:9.2f}{100 * engine / whole:10.1f}%{steady:10.2f}"
            f"{100 * alone / steady:10.1f}%{100 * idle:7.1f}%"
        )


if __name__ == "__main__":
    main()
