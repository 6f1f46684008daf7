"""Run-length masks equal pycocotools' both ways; malformed ones are refused, never trusted."""

from __future__ import annotations

import random

import geometry_cases
import numpy as np
import plain_geometry
import pytest
from pycocotools import mask as coco

from onethinker_eval.metrics import masks, rle

SEEDS = [*range(0, 2600, 2), *geometry_cases.FRAME_MASKS, *geometry_cases.HUGE_MASKS]


def test_writing_and_reading_equal_pycocotools() -> None:
    for seed in SEEDS:
        mask, _, _ = geometry_cases.mask_pair(seed)
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        ours = rle.encode(mask)
        assert ours == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
        for form in (ours, theirs):
            assert np.array_equal(rle.decode(form), mask)
        assert rle.read(theirs).area == coco.area(theirs) == mask.sum()


def test_overlap_equals_pycocotools() -> None:
    for seed in SEEDS:
        pred, truth, _ = geometry_cases.mask_pair(seed)
        forms = [coco.encode(np.asfortranarray(m.astype(np.uint8))) for m in (pred, truth)]
        ours = masks.intersection_union_rle(*forms)
        assert ours == masks.intersection_union(pred, truth)
        assert ours == (int(coco.area(coco.merge(forms, intersect=True))), (pred | truth).sum())
        assert ours.iou() == coco.iou(forms[:1], forms[1:], [0])[0, 0]
        assert masks.iou(pred, truth) == ours.iou()


def test_lists_of_run_lengths() -> None:
    for seed in range(0, 1200, 3):
        mask, _, _ = geometry_cases.mask_pair(seed)
        counts = plain_geometry.run_lengths(mask)
        runs = rle.read({"size": list(mask.shape), "counts": counts})
        assert np.array_equal(runs.to_mask(), mask)
        assert np.array_equal(runs.flips, rle.from_mask(mask).flips)


def test_polygons_equal_pycocotools() -> None:
    rng = random.Random(3)
    for _ in range(400):
        height, width = rng.randrange(12, 90), rng.randrange(12, 90)
        polygons = [
            [rng.uniform(-20, 110) for _ in range(2 * rng.randrange(3, 9))]
            for _ in range(rng.randrange(1, 4))
        ]
        theirs = coco.decode(coco.merge(coco.frPyObjects(polygons, height, width)))
        assert np.array_equal(rle.from_polygons(polygons, height, width).to_mask(), theirs)


def test_mutated_strings_are_refused_or_mean_what_pycocotools_reads() -> None:
    rng = random.Random(4)
    accepted = 0
    for case in range(6000):
        mask, _, _ = geometry_cases.mask_pair(rng.randrange(2600))
        form = rle.encode(mask)
        text = list(form["counts"])
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(text) + 1)
            way = rng.randrange(4)
            if way == 0:
                text.insert(at, chr(rng.randrange(40, 120)))
            elif way == 1 and text:
                text.pop(min(at, len(text) - 1))
            elif way == 2 and len(text) > 1:
                i, j = rng.randrange(len(text)), rng.randrange(len(text))
                text[i], text[j] = text[j], text[i]
            else:
                form["size"] = [form["size"][0] + rng.randrange(-1, 2), form["size"][1]]
        form["counts"] = "".join(text)
        if case % 2:
            form["counts"] = form["counts"].encode()
        try:
            ours = rle.decode(form)
        except rle.RleError:
            continue
        accepted += 1
        counts = form["counts"]
        safe = {
            "size": form["size"],
            "counts": counts if isinstance(counts, bytes) else counts.encode(),
        }
        assert np.array_equal(ours, coco.decode(safe))
    assert 0 < accepted < 5000  # both outcomes were met


@pytest.mark.parametrize("seed", range(40))
def test_random_bytes_never_crash(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        form = {
            "size": [rng.randrange(-2, 50), rng.randrange(-2, 50)],
            "counts": rng.randbytes(rng.randrange(60)),
        }
        try:
            mask = rle.decode(form)
        except rle.RleError:
            continue
        assert list(mask.shape) == form["size"]
