"""J and F that come out of the whole mask stage equal the official ones, pair by pair.

500 random pairs of masks go through run lengths, journal, scoring and the score file; what
davis2017-evaluation and OneThinker's evaluator gave for them lies in `data/masks.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import geometry_cases
import numpy as np
import pytest
from segmentation_runs import VIDEO_TASK, task, video_record, write_replies

from onethinker_eval.metrics import rle
from onethinker_eval.rescoring import read_scores, rescore
from onethinker_eval.segmentation.stage import make_masks

GOLDEN = json.loads((Path(__file__).parent / "data" / "masks.json").read_text())["groups"]
PAIRS = 500


class Given:
    """A segmenter that answers with the masks it was given, one sample after the other."""

    label = identity = "given"
    promptings = ("paper",)

    def __init__(self, masks: list[np.ndarray]) -> None:
        self._masks = iter(masks)

    def open(self, frames: np.ndarray, *, video: bool) -> Any:
        return self

    def masks(self, prompt: Any, prompting: str) -> Iterator[tuple[int, np.ndarray]]:
        yield 0, next(self._masks)


def pairs() -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return the first pairs without void pixels that the references have measured."""
    first = GOLDEN["small"]["first_seed"]
    found = []
    for place in range(len(GOLDEN["small"]["davis_j"])):
        pred, truth, void = geometry_cases.mask_pair(first + place)
        if void is None:
            found.append((place, pred, truth))
        if len(found) == PAIRS:
            break
    return found


@pytest.mark.parametrize(("protocol", "source"), [("official", "davis"), ("paper", "onethinker")])
def test_the_whole_stage_gives_the_numbers_of_the_references(
    tmp_path: Path, protocol: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = pairs()
    assert len(chosen) == PAIRS
    record, reply = video_record(tmp_path, "v", frames=2, time_s=0.0)
    sizes = iter([(1, *pred.shape, 3) for _, pred, _ in chosen])
    # The pictures do not matter here, only their sizes; decoding 500 clips would.
    monkeypatch.setattr(
        "onethinker_eval.segmentation.frames.load", lambda place: np.zeros(next(sizes), np.uint8)
    )
    samples = []
    for place, _, truth in chosen:
        meta = {"fps": 4.0, "segmentation": {"frames": ["f"], "rle": {"f": rle.encode(truth)}}}
        meta |= {"width": truth.shape[1], "height": truth.shape[0], "number": place}
        clip = replace(record, id=f"{place:05d}", meta=meta, cluster=str(place))
        samples.append((clip, reply))
    run = write_replies(tmp_path / "r", VIDEO_TASK, samples)
    # Each sample is a scene of its own: their sizes differ.
    monkeypatch.setattr(
        "onethinker_eval.segmentation.frames.Place.scene", property(lambda self: id(self))
    )
    outcome = make_masks(run, [task(VIDEO_TASK)], Given([pred for _, pred, _ in chosen]))
    assert (outcome.made, outcome.failed) == (PAIRS, 0), outcome.failures[:3]
    rescore(run, processes=1, replicates=10)
    scores = {
        sample: score.components
        for sample, _, score in read_scores(run / "scores" / f"{VIDEO_TASK}.jsonl", protocol)
    }
    for place, _, _ in chosen:
        found = scores[f"{place:05d}"]
        assert found["J"] == GOLDEN["small"][f"{source}_j"][place]
        assert found["F"] == GOLDEN["small"][f"{source}_f"][place]
        assert found["J&F"] == (found["J"] + found["F"]) / 2
