"""Truths of the demo suite against its decoded media: boxes, masks, tracks, spans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_files import (
    RELEASED,
    answer,
    decoded,
    drawn,
    fits,
    released,
    shown_box,
)

from onethinker_eval import demo

pytest.importorskip("av")


@pytest.fixture(scope="module")
def suite() -> Path:
    """Return the suite in the cache: its folder is named by a hash of the generator's source."""
    return demo.ensure()


def test_segmentation_truths_agree_with_their_box_and_size(suite: Path) -> None:
    masks = pytest.importorskip("pycocotools.mask")

    def bounds(rle: dict[str, Any], size: dict[str, int]) -> list[float]:
        assert rle["size"] == [size["height"], size["width"]]
        x, y, w, h = masks.toBbox({**rle, "counts": rle["counts"].encode()})
        sides = (size["width"], size["height"]) * 2
        return [v * 1000 / side for v, side in zip((x, y, x + w, y + h), sides, strict=False)]

    absent = 0
    for name in [n for n in RELEASED if n.startswith("seg_")]:
        for record in released(suite, name):
            output, truth = record["segmentation_output"], answer(record)
            rle = output["segmentation_rle"]
            if record["data_type"] == "video":
                frames = output["frames"]
                assert frames == [f"{k:05d}" for k in range(round(record["duration"] * 4))]
                absent += sum(rle.get(frame) is None for frame in frames)
                assert set(rle) <= set(frames)
                rle = rle[frames[round(truth["time"] * 4)]]
            assert bounds(rle, record["resolution"]) == pytest.approx(truth["boxes"], abs=0.51)
    assert absent > 20


@pytest.mark.parametrize(("label", "name"), [("got10k/val", "got10k"), ("stvg/test", "stvg")])
def test_tracks_match_the_decoded_pixels_within_a_pixel(suite: Path, label: str, name: str) -> None:
    records = iter(released(suite, name))
    errors_px = []
    for _, group in zip(range(6), drawn(label), strict=False):
        scene = group.picture
        for ask in group.asks:
            record = next(records)
            assert answer(record) == json.loads(ask.answer)
            frames = decoded(str(suite / record["path"]))
            first = 1 if name == "got10k" else 0
            for key, box in answer(record)["boxes"].items():
                number = (int(key) - first) * 4
                found = shown_box(frames[number].astype(int), scene, ask.facts["body"], number)
                sides = (scene.width, scene.height) * 2
                wanted = [v * side / 1000 for v, side in zip(box, sides, strict=False)]
                errors_px.append(np.abs(np.array(found) - wanted).max())
    assert len(errors_px) > 60
    # A tip of one or two pixels can blur away over another body of its brightness.
    assert max(errors_px) < 2.1
    assert sum(error > 1 for error in errors_px) <= 0.02 * len(errors_px)


def test_spans_are_the_times_in_which_the_event_is_seen() -> None:
    for _, group in zip(range(12), drawn("charades/test"), strict=False):
        scene = group.picture
        for ask in group.asks:
            start, end = json.loads(ask.answer)["time"]
            index, kind = ask.facts["body"], ask.facts["kind"]
            masks = [scene.mask(index, frame) for frame in range(scene.frame_count)]
            if kind == "visible":
                seen = [scene.time_of(at) for at, mask in enumerate(masks) if mask.any()]
                assert (seen[0], seen[-1]) == (start, end)
                continue
            inside = masks[scene.frame_at(start)], masks[scene.frame_at(end)]
            assert (inside[0] != inside[1]).any()
            box = [scene.box(index, scene.frame_at(t)) for t in (start, end)]
            (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = box
            dx, dy = (bx1 + bx2 - ax1 - ax2) / 2, (by1 + by2 - ay1 - ay2) / 2
            grown = (bx2 - bx1) / (ax2 - ax1)
            happened = {
                "right": dx > 20,
                "left": dx < -20,
                "down": dy > 20,
                "up": dy < -20,
                "grow": grown > 1.5,
                "shrink": grown < 0.67,
            }
            assert [name for name, true in happened.items() if true] == [kind]


def test_boxes_spans_and_tracks_are_in_range(suite: Path) -> None:
    for name in RELEASED:
        for record in released(suite, name):
            truth = answer(record)
            kind = record["problem_type"]
            if kind == "spatial grounding":
                assert list(truth) == ["boxes"]
                assert fits(truth["boxes"])
            elif kind == "temporal grounding":
                start, end = truth["time"]
                assert 0 <= start < end <= record["duration"]
            elif kind == "tracking":
                assert list(truth["boxes"]) == [str(k) for k in range(1, 33)]
                assert all(fits(box) for box in truth["boxes"].values())
                assert str(truth["boxes"]["1"]) in record["problem"]
            elif kind == "spatial-temporal grounding":
                start, end = truth["time"]
                assert isinstance(start, int)
                assert isinstance(end, int)
                assert 0 <= start < end <= record["duration"]
                assert list(truth["boxes"]) == [str(k) for k in range(start, end + 1)]
                assert all(fits(box) for box in truth["boxes"].values())
            elif kind == "segmentation":
                assert fits(truth["boxes"])
                for points in (truth["positive_points"], truth["negative_points"]):
                    assert len(points) == 3
                    assert all(0 <= v <= 1000 for point in points for v in point)
