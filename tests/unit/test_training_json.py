"""Training samples from JSON files: what is learnt, what is left out, what is never invented."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker_eval.errors import DataError
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.training.json_samples import JsonSamples, json_samples
from onethinker_eval.training.recipe import SourceSettings

RULE = FrameRule(fps=2.0, max_frames=4)


def record(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "problem_id": number,
        "problem": "<image>What colour is it?",
        "problem_type": "open-ended",
        "data_type": "image",
        "options": [],
        "process": "<think>It looks red.</think>",
        "solution": "<answer>red</answer>",
        "path": f"{number}.png",
    } | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from PIL import Image

    for number in range(4):
        pixels = np.full((64, 96, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def read(folder: Path, records: list[dict[str, Any]], thinking: bool = True) -> list[JsonSamples]:
    path = folder / "train.json"
    path.write_text(json.dumps(records), encoding="utf-8")
    settings = SourceSettings(kind="json", path=str(path), weight=2.0, weights={"math": 3.0})
    return json_samples(settings, folder, RULE, thinking=thinking)


def test_a_record_is_learnt_with_its_thinking_and_answer(folder: Path) -> None:
    (source,) = read(folder, [record(number) for number in range(3)])
    assert (source.source.size, source.source.modality) == (3, "image")
    (sample,) = source.samples(1)
    assert (sample.thinking, sample.answer) == ("It looks red.", "red")
    assert sample.record.question == "What colour is it?"
    assert sample.images[0].shape == (64, 96, 3)
    assert int(sample.images[0].mean()) == 40


def test_types_are_sources_of_their_own_weighed_by_size(folder: Path) -> None:
    records = [record(0), record(1), record(2), record(3, problem_type="math")]
    weights = {made.source.name: made.source.weight for made in read(folder, records)}
    assert weights == {"train:math:image": 2 * 3 / 4, "train:open-ended:image": 2 * 3 / 4}


def test_what_cannot_be_learnt_is_left_out_and_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = [record(0), record(1, process=""), record(2, problem=None)]
    records.append(record(3, data_type="text"))
    with caplog.at_level(logging.WARNING):
        (source,) = read(folder, records)
    assert source.source.size == 1
    told = [line.getMessage() for line in caplog.records]
    assert len(told) == 3
    assert any("left out 1 records: no thinking" in line for line in told)
    (source,) = read(folder, records[:2], thinking=False)
    assert source.source.size == 2
    with pytest.raises(DataError, match="no record can be trained on"):
        read(folder, records[1:])


def test_a_broken_medium_gives_way_to_the_next_and_is_counted(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"not a picture")
    (source,) = read(folder, [record(number) for number in range(3)])
    (sample,) = source.samples(1)
    assert sample.record.id == "2"
    assert source.skipped == {"1": 1}
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"not a picture")
    (source,) = read(folder, [record(number) for number in range(3)])
    with pytest.raises(DataError, match="in a row"):
        source.samples(0)
