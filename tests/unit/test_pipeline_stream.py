"""Models that answer as they go, through the journal; and samples made into tensors ahead."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clips import picture, write_clip

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import RunError
from onethinker_eval.harness.fingerprints import MediaDigests
from onethinker_eval.harness.progress import Ticker
from onethinker_eval.harness.replies import TaskJournal, merged_lines
from onethinker_eval.harness.sample_key import SampleKeys
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.records import Medium, Record

pytest.importorskip("lmms_eval")

TASK = resolve("refcoco_val")[0]
COUNT = 30
Behaviour = Callable[[list[int]], Iterator[tuple[int, str]]]


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., list[list[int]]]:
    """Put all records to a model that answers so into the journal; return what it was asked."""
    from lmms_eval.api.instance import Instance
    from lmms_eval.api.model import lmms

    from onethinker_eval.harness.in_hand import Stretch, TaskRun
    from onethinker_eval.harness.proxy import JournalledModel

    picture_file = tmp_path / "shared.png"
    picture_file.write_bytes(b"not read by this model, but hashed")
    media = (Medium("image", str(picture_file)),)
    records = [
        Record(str(i), "math", "text", f"{i}?", media if i % 3 == 0 else (), str(i), origin=f"r{i}")
        for i in range(COUNT)
    ]

    class Model(lmms):  # type: ignore[misc]
        is_simple = False

        def __init__(self, behaviour: Behaviour) -> None:
            super().__init__()
            self.behaviour, self.calls = behaviour, list[list[int]]()

        def answers(self, feed: Iterator[Instance]) -> Iterator[tuple[int, str]]:
            requests = list(feed)
            self.calls.append([request.doc_id for request in requests])
            for place in self.behaviour(self.calls[-1]):
                yield place, f"reply {requests[place].doc_id}"

        def generate_until(self, requests: list[Instance]) -> list[str]:
            self.calls.append([request.doc_id for request in requests])
            return [f"reply {request.doc_id}" for request in requests]

        def loglikelihood(self, requests: Any) -> Any: ...

        def generate_until_multi_round(self, requests: Any) -> Any: ...

    def run(behaviour: Any, folder: str = "run") -> list[list[int]]:
        model = Model(behaviour)
        keys = SampleKeys(TASK, "identity", {}, MediaDigests(None))
        requests = [
            Instance("generate_until", ("", None, {}, i, TASK.id, "test"), 0,
                     {"task": TASK.id, "doc_id": i, "repeats": 1})
            for i in range(COUNT)
        ]  # fmt: skip
        with TaskJournal(tmp_path / folder, TASK.id) as journal:
            task = TaskRun(records, journal, keys, Ticker(None, {TASK.id: COUNT}))
            JournalledModel([Stretch(task, requests)], model).answer(model)
        return model.calls

    return run


def stored(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the journal's content by sample, without times."""
    lines = {line["id"]: line for line in merged_lines(folder, TASK.id)}
    for line in lines.values():
        del line["seconds"]
    return lines


def in_order(indices: list[int]) -> Iterator[int]:
    return iter(range(len(indices)))


def shuffled(seed: int) -> Any:
    def behave(indices: list[int]) -> Iterator[int]:
        places = list(range(len(indices)))
        random.Random(seed).shuffle(places)
        return iter(places)

    return behave


def test_the_journal_is_the_same_in_whatever_order_replies_come(ask: Any, tmp_path: Path) -> None:
    (asked,) = ask(in_order)
    assert sorted(asked) == list(range(COUNT))
    assert {index % 3 for index in asked[:10]} == {0}, "shared media are put first, together"
    ask(shuffled(1), "other")
    assert stored(tmp_path / "run") == stored(tmp_path / "other")
    assert len(stored(tmp_path / "run")) == COUNT


def test_replies_are_on_disk_while_the_engine_runs(ask: Any, tmp_path: Path) -> None:
    journal = tmp_path / "run" / "replies" / f"{TASK.id}.jsonl"
    seen = []

    def behave(indices: list[int]) -> Iterator[int]:
        for place in range(len(indices)):
            yield place
            if place == 9:
                for _ in range(500):
                    seen.append(journal.read_bytes().count(b"\n"))
                    if seen[-1] == 10:
                        break
                    threading.Event().wait(0.01)

    ask(behave)
    assert seen[-1] == 10


def test_a_stream_that_breaks_leaves_the_rest_to_chunks(ask: Any, tmp_path: Path) -> None:
    def behave(indices: list[int]) -> Iterator[int]:
        yield from range(12)
        raise ValueError("an engine's hiccup")

    calls = ask(behave)
    later = [index for call in calls[1:] for index in call]
    assert sorted(later) == sorted(calls[0][12:])
    assert {line["status"] for line in stored(tmp_path / "run").values()} == {"ok"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("CUDA error: gone")])
def test_what_came_before_the_end_is_kept(ask: Any, tmp_path: Path, error: BaseException) -> None:
    def behave(indices: list[int]) -> Iterator[int]:
        yield from range(12)
        raise error

    with pytest.raises((KeyboardInterrupt, RunError)):
        ask(behave)
    assert len(stored(tmp_path / "run")) == 12
    (asked,) = ask(in_order)
    assert len(asked) == COUNT - 12
    ask(shuffled(3), "whole")
    assert stored(tmp_path / "run") == stored(tmp_path / "whole")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_samples_made_alone_are_those_of_the_batch(tmp_path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    from PIL import Image

    from onethinker_eval.demo.tiny_model import tiny_folder
    from onethinker_eval.harness.models.media_ahead import MediaAhead, Wanted, shown
    from onethinker_eval.harness.models.qwen_inputs import QwenInputs, collate, load_processor
    from onethinker_eval.harness.models.qwen_prompt import QwenPrompt

    clip, image = str(write_clip(tmp_path / "a.mp4", 60)), str(tmp_path / "i.png")
    Image.fromarray(picture(5, 90, 140)).save(image)
    small = {"frame_pixels": 160 * 128, "image_pixels": 160 * 128, "max_frames": 16}
    rule = FrameRule.of({**small, "min_frame_pixels": 1024, "min_image_pixels": 1024})
    source = str(tiny_folder())
    processor = load_processor(source)
    prompt = QwenPrompt(processor, "flat")
    video, still = {"type": "video", "url": clip}, {"type": "image", "url": image}
    asked = [[video, "one"], [still, "two two two"], ["no media"], [still, video, still, "both"]]
    batch = [
        [{"role": "user", "content": [
            {"type": "text", "text": one} if isinstance(one, str) else one for one in parts
        ]}]
        for parts in asked
    ]  # fmt: skip
    ahead = MediaAhead(2, 4, craft=QwenInputs(source, dtype, processor))
    jobs = [
        (n, Wanted(tuple(p for p in one[0]["content"] if "url" in p), rule, prompt.text(one)))
        for n, one in enumerate(batch)
    ]
    made = collate([sample for _, sample in ahead.prepared(jobs)], processor.tokenizer.pad_token_id)
    whole = prompt.inputs([(one, shown(one[0]["content"], rule)) for one in batch])
    assert set(made) == set(whole)
    for name, value in whole.items():
        rounded = value.to(getattr(torch, dtype)) if value.is_floating_point() else value
        assert torch.equal(made[name], rounded), name
    craft = QwenInputs(source, dtype, processor)
    for (_, wanted), (_, sample) in zip(jobs, ahead.prepared(jobs), strict=True):
        assert craft.weigh(sample) <= craft.bound(wanted)
        again = craft.unpack(*craft.pack(sample))
        assert all(torch.equal(again[name], sample[name]) for name in sample)
    ahead.close()
