"""Bad media, bad records, bad luck and bad arguments in the mask stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from segmentation_runs import (
    IMAGE_TASK,
    VIDEO_TASK,
    answer,
    image_record,
    scene,
    task,
    video_record,
    write_replies,
)

from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.files import read_journal
from onethinker_eval.records import Medium, Record
from onethinker_eval.rescoring import read_scores, rescore
from onethinker_eval.segmentation.choice import check_segmenter, make_segmenter
from onethinker_eval.segmentation.grabcut import GrabCut
from onethinker_eval.segmentation.stage import Outcome, make_masks


def segment(run: Path, name: str, segmenter: Any = None) -> Outcome:
    return make_masks(run, [task(name)], segmenter or GrabCut())


def failures(run: Path, name: str) -> dict[str, str]:
    path = run / "masks" / f"{name}.jsonl"
    return {
        line["id"]: line["error"]["message"]
        for _, line in read_journal(path)
        if line["status"] == "failed"
    }


def missing(record: Record, tmp: Path) -> Record:
    return replace(record, media=(Medium("image", str(tmp / "gone.png")),))


def broken(record: Record, tmp: Path) -> Record:
    (tmp / "broken.png").write_bytes(b"\x89PNG nothing more")
    return replace(record, media=(Medium("image", str(tmp / "broken.png")),))


def no_medium(record: Record, tmp: Path) -> Record:
    return replace(record, media=())


def huge(record: Record, tmp: Path) -> Record:
    return replace(record, meta={**record.meta, "width": 10**6, "height": 10**6})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, "gone.png"),
        (broken, "broken.png"),
        (no_medium, "the record has no image"),
        (huge, "too many"),
    ],
)
def test_a_bad_image_fails_its_sample_alone_and_is_tried_again(
    tmp_path: Path, spoil: Any, message: str
) -> None:
    good, reply = image_record(tmp_path, "good")
    bad = replace(spoil(good, tmp_path), id="bad")
    run = write_replies(tmp_path / "r", IMAGE_TASK, [(bad, reply), (good, reply)])
    outcome = segment(run, IMAGE_TASK)
    assert (outcome.made, outcome.failed) == (1, 1)
    assert message in failures(run, IMAGE_TASK)["bad"]
    assert message in outcome.failures[0]
    result = rescore(run, processes=1, replicates=10)
    assert result.failed == 1
    found = {s: score for s, _, score in read_scores(_scores(run, IMAGE_TASK), "official")}
    assert (found["bad"].outcome, found["good"].outcome) == ("failed", "scored")
    assert found["bad"].reason.startswith("masks: ")
    outcome = segment(run, IMAGE_TASK)
    assert (outcome.kept, outcome.failed) == (1, 1)


def _scores(run: Path, name: str) -> Path:
    return run / "scores" / f"{name}.jsonl"


def test_a_sample_without_prompt_does_not_wait_for_its_medium(tmp_path: Path) -> None:
    record, _ = image_record(tmp_path, "a")
    run = write_replies(tmp_path / "r", IMAGE_TASK, [(missing(record, tmp_path), "no idea")])
    assert segment(run, IMAGE_TASK).made == 1


def test_failed_replies_have_no_masks(tmp_path: Path) -> None:
    record, _ = image_record(tmp_path, "a")
    run = write_replies(tmp_path / "r", IMAGE_TASK, [(record, None)])
    outcome = segment(run, IMAGE_TASK)
    assert (outcome.made, outcome.failed) == (0, 0)
    assert rescore(run, processes=1, replicates=10).failed == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"fps": 0.0},
        {"segmentation": {"frames": [], "rle": {}}},
        {"segmentation": {"frames": [f"{n:05d}" for n in range(60)], "rle": {}}},
    ],
)
def test_videos_that_do_not_fit_their_record_fail(tmp_path: Path, changed: dict[str, Any]) -> None:
    record, reply = video_record(tmp_path, "v")
    bad = replace(record, meta={**record.meta, **changed})
    run = write_replies(tmp_path / "r", VIDEO_TASK, [(bad, reply)])
    assert segment(run, VIDEO_TASK).failed == 1


def test_a_video_of_another_size_is_brought_to_the_stated_one(tmp_path: Path) -> None:
    record, reply = video_record(tmp_path, "v")
    meta = json.loads(json.dumps(dict(record.meta)))
    smaller = {"width": 40, "height": 30}
    run = write_replies(
        tmp_path / "r", VIDEO_TASK, [(replace(record, meta={**meta, **smaller}), reply)]
    )
    assert segment(run, VIDEO_TASK).made == 1
    rescore(run, processes=1, replicates=10)
    score = next(read_scores(_scores(run, VIDEO_TASK), "official"))[2]
    assert score.components["J"] > 0.8


def test_keyframes_after_the_end_and_prompts_beyond_the_frame_are_clipped(tmp_path: Path) -> None:
    record, _ = video_record(tmp_path, "v")
    wild = {
        "boxes": [-400, 5000, 9000, 9000],
        "positive_points": [[5000, -3]],
        "negative_points": [],
        "time": 1e9,
    }
    reply = f"<think>x</think><answer>{json.dumps(wild)}</answer>"
    run = write_replies(tmp_path / "r", VIDEO_TASK, [(record, reply)])
    assert segment(run, VIDEO_TASK).made == 1
    line = next(read_journal(run / "masks" / f"{VIDEO_TASK}.jsonl"))[1]
    assert len(line["masks"]) == 6  # the paper's rule reads it
    assert line["by_protocol"]["official"] is None


def test_zero_size_boxes_are_segmented(tmp_path: Path) -> None:
    record, _ = image_record(tmp_path, "a")
    reply = answer(scene()[1])
    value = json.loads(reply.partition("<answer>")[2].removesuffix("</answer>"))
    value["boxes"] = [400, 400, 400, 400]
    run = write_replies(
        tmp_path / "r",
        IMAGE_TASK,
        [(record, f"<think></think><answer>{json.dumps(value)}</answer>")],
    )
    assert segment(run, IMAGE_TASK).made == 1


class Raising:
    """A segmenter whose library fails in a given way on the second sample."""

    label = "raising"
    identity = "raising"
    promptings = ("paper",)

    def __init__(self, error: Exception) -> None:
        self.error, self.asked = error, 0

    def open(self, frames: np.ndarray, *, video: bool) -> Any:
        self._shape = frames.shape[1:3]
        return self

    def masks(self, prompt: Any, prompting: str) -> Iterator[tuple[int, np.ndarray]]:
        self.asked += 1
        if self.asked == 2:
            raise self.error
        yield 0, np.ones(self._shape, dtype=bool)


def test_an_error_inside_the_segmenter_stays_with_its_sample(tmp_path: Path) -> None:
    samples = [image_record(tmp_path, name) for name in "abc"]
    run = write_replies(tmp_path / "r", IMAGE_TASK, samples)
    outcome = segment(run, IMAGE_TASK, Raising(ValueError("no   such\nlayer")))
    assert (outcome.made, outcome.failed) == (2, 1)
    assert failures(run, IMAGE_TASK) == {"b": "ValueError: no such layer"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("CUDA error: device-side assert"), RunError),
        (RunError("disk full"), RunError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_no_further_sample_survives_ends_the_stage(
    tmp_path: Path, error: Any, expected: type[BaseException]
) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, n) for n in "abc"])
    with pytest.raises(expected):
        segment(run, IMAGE_TASK, Raising(error))
    kept = Raising(ValueError())
    kept.asked = 5
    outcome = segment(run, IMAGE_TASK, kept)
    assert (outcome.kept, outcome.made) == (1, 2)


def test_a_mask_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    odd = Raising(ValueError())
    odd.open = lambda frames, *, video: setattr(odd, "_shape", (3, 3)) or odd  # type: ignore[method-assign]
    with pytest.raises(RunError, match="a mask of"):
        segment(run, IMAGE_TASK, odd)


def test_a_damaged_mask_fails_its_sample_when_scored(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    segment(run, IMAGE_TASK)
    path = run / "masks" / f"{IMAGE_TASK}.jsonl"
    line = json.loads(path.read_text())
    line["masks"]["counts"] = "garbage!"
    path.write_text(json.dumps(line) + "\n")
    assert rescore(run, processes=1, replicates=10).failed == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sam3", "unknown segmenter 'sam3' (did you mean sam2"),
        ("grabcut:file.pt", "takes no checkpoint"),
        ("sam2:a.pt,config", "key=value"),
        ("", "unknown segmenter"),
    ],
)
def test_segmenters_are_checked_by_name(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_segmenter(text)
    assert words in str(caught.value)


def test_none_makes_no_segmenter() -> None:
    with pytest.raises(UsageError):
        make_segmenter("none")


_CHILD = """
import sys, time
from onethinker_eval.segmentation import grabcut, stage
from onethinker_eval.benchmarks import catalogue
cut = grabcut.segment
def slow(frame, prompt):
    time.sleep(0.05)
    return cut(frame, prompt)
grabcut.segment = slow
stage.make_masks(sys.argv[1], [catalogue().tasks[sys.argv[2]]], grabcut.GrabCut())
"""


def test_a_kill_at_any_time_loses_nothing_finished(tmp_path: Path) -> None:
    samples = [image_record(tmp_path, f"s{n}", left=5 + 3 * n) for n in range(12)]
    whole = write_replies(tmp_path / "whole", IMAGE_TASK, samples)
    segment(whole, IMAGE_TASK)
    run = write_replies(tmp_path / "killed", IMAGE_TASK, samples)
    path = run / "masks" / f"{IMAGE_TASK}.jsonl"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(run), IMAGE_TASK], env=environment)
    until = time.monotonic() + 60
    while time.monotonic() < until and (not path.exists() or path.read_bytes().count(b"\n") < 3):
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    finished = path.read_bytes().count(b"\n")
    assert 3 <= finished < 12
    with path.open("ab") as stream:
        stream.write(b'{"id":"s11","status":"ok","mas')  # what a kill inside a write leaves
    with pytest.warns(UserWarning, match="cut off"):
        outcome = segment(run, IMAGE_TASK)
    assert (outcome.kept, outcome.made) == (finished, 12 - finished)
    assert _masks(run) == _masks(whole)


def _masks(run: Path) -> dict[str, Any]:
    path = run / "masks" / f"{IMAGE_TASK}.jsonl"
    return {line["id"]: (line["key"], line["masks"]) for _, line in read_journal(path)}
