"""J and F of masks equal the numbers of the official evaluators, bit for bit.

`data/masks.json` holds what davis2017-evaluation and OneThinker's evaluator gave for the masks
of `geometry_cases.mask_pair`: 2,600 small pairs (empty, full, one pixel, border, stripes, noise;
a quarter with void pixels), 60 frames of 360p to 720p and six of 4K.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geometry_cases
import numpy as np
import plain_geometry
import pytest

from onethinker_eval.metrics import masks, rle

GOLDEN = json.loads((Path(__file__).parent / "data" / "masks.json").read_text())["groups"]


def cases(name: str) -> list[tuple[Any, Any, Any]]:
    first = GOLDEN[name]["first_seed"]
    return [geometry_cases.mask_pair(first + i) for i in range(len(GOLDEN[name]["davis_j"]))]


@pytest.mark.parametrize("name", list(GOLDEN))
def test_masks_are_those_the_references_saw(name: str) -> None:
    arrays = [mask for case in cases(name) for mask in case if mask is not None]
    assert geometry_cases.digest(arrays) == GOLDEN[name]["sha256"]


@pytest.mark.parametrize("name", list(GOLDEN))
def test_davis_numbers_are_equal_to_the_last_bit(name: str) -> None:
    ours = [masks.davis_jf(pred, truth, void=void) for pred, truth, void in cases(name)]
    assert [jf.j for jf in ours] == GOLDEN[name]["davis_j"]
    assert [jf.f for jf in ours] == GOLDEN[name]["davis_f"]


@pytest.mark.parametrize("name", ["small", "frames"])
def test_single_functions_give_what_the_joint_one_gives(name: str) -> None:
    for pred, truth, void in cases(name):
        joint = masks.davis_jf(pred, truth, void=void)
        assert masks.davis_j(pred, truth, void=void) == joint.j
        assert masks.davis_f(pred, truth, void=void) == joint.f
        other = masks.onethinker_jf(pred, truth)
        assert (masks.onethinker_j(pred, truth), masks.onethinker_f(pred, truth)) == other


@pytest.mark.parametrize("name", list(GOLDEN))
def test_onethinker_numbers_are_equal_to_the_last_bit(name: str) -> None:
    ours = [masks.onethinker_jf(pred, truth) for pred, truth, _ in cases(name)]
    assert [jf.j for jf in ours] == GOLDEN[name]["onethinker_j"]
    assert [jf.f for jf in ours] == GOLDEN[name]["onethinker_f"]


@pytest.mark.parametrize("name", list(GOLDEN))
def test_run_lengths_give_the_same_numbers(name: str) -> None:
    for index, (pred, truth, void) in enumerate(cases(name)):
        first, second = rle.encode(pred), rle.encode(truth)
        if void is None:
            expected = (GOLDEN[name]["davis_j"][index], GOLDEN[name]["davis_f"][index])
            assert masks.davis_jf_rle(first, second) == expected
        ours = masks.onethinker_jf_rle(first, second)
        assert ours.j == GOLDEN[name]["onethinker_j"][index]
        assert ours.f == GOLDEN[name]["onethinker_f"][index]


def test_memory_layout_and_type_do_not_matter() -> None:
    for seed in range(0, 400, 3):
        pred, truth, _ = geometry_cases.mask_pair(seed)
        expected = masks.davis_jf(pred, truth)
        columns = (np.asfortranarray(pred), np.asfortranarray(truth))
        assert masks.davis_jf(*columns) == expected
        assert masks.davis_jf(columns[0], truth) == expected
        assert masks.davis_jf(pred.astype(np.uint8) * 255, truth.astype(np.float32)) == expected
        assert masks.davis_j(pred[::-1, ::-1], truth[::-1, ::-1]) == expected.j
        assert masks.davis_jf(pred.tolist(), truth.tolist()) == expected


def test_definitions_worked_out_pixel_by_pixel_agree() -> None:
    for seed in range(0, 2600, 7):
        pred, truth, _ = geometry_cases.mask_pair(seed)
        assert masks.davis_j(pred, truth) == plain_geometry.jaccard(pred, truth, empty=1.0)
        assert masks.onethinker_j(pred, truth) == plain_geometry.jaccard(pred, truth, empty=0.0)
        assert masks.davis_f(pred, truth) == plain_geometry.davis_f(pred, truth)
        assert masks.onethinker_f(pred, truth) == plain_geometry.onethinker_f(pred, truth)
