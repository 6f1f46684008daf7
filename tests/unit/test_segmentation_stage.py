"""The mask stage on small run folders: what it writes, keeps, makes anew, and how it is scored."""

from __future__ import annotations

import json
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

from onethinker_eval.errors import RunError
from onethinker_eval.files import read_journal
from onethinker_eval.metrics import rle
from onethinker_eval.rescoring import read_scores, rescore
from onethinker_eval.segmentation.grabcut import GrabCut
from onethinker_eval.segmentation.journal import segmenters_of
from onethinker_eval.segmentation.prompts import PixelPrompt
from onethinker_eval.segmentation.stage import Outcome, make_masks


class Boxes:
    """A segmenter that fills the box, differently for each way of prompting, and counts."""

    label = "boxes"
    promptings = ("paper", "official")

    def __init__(self, identity: str = "boxes 1") -> None:
        self.identity = identity
        self.opened = 0
        self.asked: list[tuple[PixelPrompt, str]] = []

    def open(self, frames: np.ndarray, *, video: bool) -> Any:
        self.opened += 1
        self._frames = frames
        return self

    def masks(self, prompt: PixelPrompt, prompting: str) -> Iterator[tuple[int, np.ndarray]]:
        self.asked.append((prompt, prompting))
        shift = 0 if prompting == "paper" else 3
        x1, y1, x2, y2 = prompt.box_px or (0, 0, 1, 1)
        for number, frame in enumerate(self._frames):
            mask = np.zeros(frame.shape[:2], dtype=bool)
            mask[y1:y2, x1 + shift : x2 + shift] = True
            yield number, mask


def lines(run: Path, name: str) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for _, line in read_journal(run / "masks" / f"{name}.jsonl")}


def scores(run: Path, name: str, protocol: str) -> dict[str, Any]:
    rescore(run, processes=1, replicates=10)
    path = run / "scores" / f"{name}.jsonl"
    return {sample: score for sample, _, score in read_scores(path, protocol)}


def segment(run: Path, name: str, segmenter: Any, **options: Any) -> Outcome:
    return make_masks(run, [task(name)], segmenter, **options)


def test_a_perfect_image_answer_is_scored_on_its_mask(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    outcome = segment(run, IMAGE_TASK, GrabCut())
    assert (outcome.made, outcome.kept, outcome.failed) == (1, 0, 0)
    found = scores(run, IMAGE_TASK, "paper")["a"]
    assert found.components["IoU"] > 0.98
    assert found.components["box IoU"] == pytest.approx(1, abs=0.03)
    assert segmenters_of(run) == {IMAGE_TASK: "grabcut"}
    line = lines(run, IMAGE_TASK)["a"]
    assert line["segmenter"] == GrabCut.identity
    assert line["protocols"] == ["paper", "official", "repaired"]
    assert line["by_protocol"] == {}  # one prompt, one way of prompting: one set of masks


def test_a_perfect_video_answer_is_scored_on_every_frame(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", VIDEO_TASK, [video_record(tmp_path, "v")])
    segment(run, VIDEO_TASK, GrabCut())
    found = scores(run, VIDEO_TASK, "official")["v"]
    assert found.statistics["frames"] == 6
    assert found.components["J&F"] > 0.9


def test_each_protocol_is_scored_on_the_masks_of_its_own_prompting(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    segmenter = Boxes()
    segment(run, IMAGE_TASK, segmenter)
    assert [prompting for _, prompting in segmenter.asked] == ["paper", "official"]
    assert segmenter.opened == 1
    assert scores(run, IMAGE_TASK, "paper")["a"].components["IoU"] > 0.95
    shifted = scores(run, IMAGE_TASK, "official")["a"].components["IoU"]
    assert shifted == pytest.approx(21 / 27, abs=0.05)
    assert scores(run, IMAGE_TASK, "repaired")["a"].components["IoU"] == shifted


def test_a_reply_that_only_one_protocol_reads_counts_as_each_says(tmp_path: Path) -> None:
    record, good = image_record(tmp_path, "a")
    other, _ = image_record(tmp_path, "b")
    fenced = good.replace("<answer>", "<answer>```json\n").replace("</answer>", "\n```</answer>")
    run = write_replies(
        tmp_path / "r", IMAGE_TASK, [(record, fenced), (other, "I cannot see it."), (record, good)]
    )
    replies = run / "replies" / f"{IMAGE_TASK}.jsonl"
    first, second, _ = replies.read_bytes().splitlines(keepends=True)
    replies.write_bytes(first + second)
    segment(run, IMAGE_TASK, Boxes())
    line = lines(run, IMAGE_TASK)["a"]
    assert line["masks"] is None
    assert set(line["by_protocol"]) == {"repaired"}
    paper, official = (scores(run, IMAGE_TASK, name) for name in ("paper", "official"))
    assert scores(run, IMAGE_TASK, "repaired")["a"].outcome == "scored"
    assert {score.outcome for score in (*paper.values(), *official.values())} == {"unparsable"}
    assert paper["b"].statistics["dropped"] == 1
    assert "n" not in paper["b"].statistics
    area = 24 * 24
    assert official["b"].statistics["n"] == 1
    assert official["b"].statistics["union"] == area
    assert lines(run, IMAGE_TASK)["b"]["status"] == "ok"  # nothing to make, and that is final


def test_nothing_is_made_twice_and_new_replies_are_added(tmp_path: Path) -> None:
    first, second = image_record(tmp_path, "a"), image_record(tmp_path, "b", left=30)
    run = write_replies(tmp_path / "r", IMAGE_TASK, [first])
    segment(run, IMAGE_TASK, Boxes())
    before = lines(run, IMAGE_TASK)["a"]
    write_replies(run, IMAGE_TASK, [first, second])
    segmenter = Boxes()
    outcome = segment(run, IMAGE_TASK, segmenter)
    assert (outcome.made, outcome.kept) == (1, 1)
    assert segmenter.opened == 1
    assert lines(run, IMAGE_TASK)["a"] == before


def test_another_reply_or_picture_is_segmented_again(tmp_path: Path) -> None:
    record, reply = image_record(tmp_path, "a")
    run = write_replies(tmp_path / "r", IMAGE_TASK, [(record, reply)])
    segment(run, IMAGE_TASK, Boxes())
    old = lines(run, IMAGE_TASK)["a"]["key"]
    write_replies(run, IMAGE_TASK, [(record, answer(scene(left=40)[1]))])
    assert segment(run, IMAGE_TASK, Boxes()).made == 1
    new = lines(run, IMAGE_TASK)["a"]["key"]
    assert new != old
    image_record(tmp_path, "a", size=20)  # another picture in the same file
    assert segment(run, IMAGE_TASK, Boxes()).made == 1
    assert lines(run, IMAGE_TASK)["a"]["key"] != new
    assert len(list(read_journal(run / "masks" / f"{IMAGE_TASK}.jsonl"))) == 1


def test_masks_outlive_their_medium(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    segment(run, IMAGE_TASK, Boxes())
    (tmp_path / "a.png").unlink()
    assert segment(run, IMAGE_TASK, Boxes()).kept == 1


def test_two_segmenters_are_never_mixed(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    segment(run, IMAGE_TASK, GrabCut())
    with pytest.raises(RunError, match=r"were made by grabcut, not boxes .*--replace"):
        segment(run, IMAGE_TASK, Boxes())
    assert segmenters_of(run) == {IMAGE_TASK: "grabcut"}
    assert segment(run, IMAGE_TASK, Boxes(), replace=True).made == 1
    assert segmenters_of(run) == {IMAGE_TASK: "boxes"}


def test_expressions_about_one_video_share_its_frames(tmp_path: Path) -> None:
    record, reply = video_record(tmp_path, "v")
    again = replace(record, id="w")
    run = write_replies(tmp_path / "r", VIDEO_TASK, [(record, reply), (again, reply)])
    segmenter = Boxes()
    segment(run, VIDEO_TASK, segmenter)
    assert segmenter.opened == 1
    assert [prompt.frame for prompt, _ in segmenter.asked] == [2, 2, 2, 2]


def test_only_the_wanted_protocol_is_made_and_the_rest_later(tmp_path: Path) -> None:
    run = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    segment(run, IMAGE_TASK, Boxes(), protocols=("paper",))
    assert "IoU" in scores(run, IMAGE_TASK, "paper")["a"].components
    assert "IoU" not in scores(run, IMAGE_TASK, "official")["a"].components
    assert segment(run, IMAGE_TASK, Boxes()).made == 1
    assert segment(run, IMAGE_TASK, Boxes(), protocols=("paper",)).kept == 1
    assert "IoU" in scores(run, IMAGE_TASK, "official")["a"].components


def test_masks_alone_are_truth_enough(tmp_path: Path) -> None:
    record, reply = video_record(tmp_path, "v")
    bare = replace(record, truth=None)
    run = write_replies(
        tmp_path / "r", VIDEO_TASK, [(bare, reply), (replace(bare, id="w"), "no idea")]
    )
    segment(run, VIDEO_TASK, GrabCut())
    found = scores(run, VIDEO_TASK, "official")
    assert found["v"].components["J&F"] > 0.9
    assert "box IoU" not in found["v"].components
    assert (found["w"].outcome, found["w"].components["J&F"]) == ("unparsable", 0.0)


def test_frames_without_truth_count_as_each_protocol_says(tmp_path: Path) -> None:
    record, reply = video_record(tmp_path, "v")
    meta = json.loads(json.dumps(dict(record.meta)))
    meta["segmentation"]["rle"]["00005"] = None  # nothing drawn on the last frame
    run = write_replies(tmp_path / "r", VIDEO_TASK, [(replace(record, meta=meta), reply)])
    segment(run, VIDEO_TASK, GrabCut())
    assert scores(run, VIDEO_TASK, "paper")["v"].statistics["frames"] == 5
    official = scores(run, VIDEO_TASK, "official")["v"]
    assert official.statistics["frames"] == 6
    assert official.components["J"] < scores(run, VIDEO_TASK, "paper")["v"].components["J"] * 0.9


def test_masks_come_in_the_size_of_the_truth(tmp_path: Path) -> None:
    record, reply = image_record(tmp_path, "a")
    meta = json.loads(json.dumps(dict(record.meta)))
    meta["width"], meta["height"] = 40, 30  # stated at half the size of file and truth
    run = write_replies(tmp_path / "r", IMAGE_TASK, [(replace(record, meta=meta), reply)])
    segmenter = Boxes()
    segment(run, IMAGE_TASK, segmenter)
    assert segmenter.asked[0][0].box_px == (10, 8, 22, 20)
    assert rle.decode(lines(run, IMAGE_TASK)["a"]["masks"]).shape == (60, 80)


def test_ranks_take_every_other_medium_and_parts_are_read_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onethinker_eval.segmentation.stage.wait_for_all", lambda world: None)
    samples = [image_record(tmp_path, name, left=10 + 5 * n) for n, name in enumerate("abcde")]
    alone = write_replies(tmp_path / "one", IMAGE_TASK, samples)
    segment(alone, IMAGE_TASK, GrabCut())
    shared = write_replies(tmp_path / "two", IMAGE_TASK, samples)
    made = [segment(shared, IMAGE_TASK, GrabCut(), rank=n, world=2).made for n in range(2)]
    assert made == [3, 2]
    parts = {}
    for rank in range(2):
        path = shared / "masks" / f"{IMAGE_TASK}.rank{rank}.jsonl"
        parts |= {line["id"]: line["masks"] for _, line in read_journal(path)}
    assert parts == {name: line["masks"] for name, line in lines(alone, IMAGE_TASK).items()}
    rescore(alone, processes=1, replicates=10)
    rescore(shared, processes=1, replicates=10)
    assert (alone / "metrics.csv").read_bytes() == (shared / "metrics.csv").read_bytes()
    assert segment(shared, IMAGE_TASK, GrabCut()).kept == 5
