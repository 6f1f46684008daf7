"""GrabCut on plain scenes: what it finds, what odd prompts do, and that it repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from segmentation_runs import scene

from onethinker_eval.metrics.masks import iou
from onethinker_eval.segmentation.grabcut import GrabCut
from onethinker_eval.segmentation.prompts import PixelPrompt


def masks(frames: np.ndarray, prompt: PixelPrompt) -> dict[int, np.ndarray]:
    return dict(GrabCut().open(frames, video=len(frames) > 1).masks(prompt, "paper"))


def test_a_plain_square_is_found_exactly() -> None:
    pixels, truth = scene()
    found = masks(pixels[None], PixelPrompt((20, 15, 44, 39), ((32, 27),), ((2, 2),)))
    assert iou(found[0], truth) > 0.98


def test_a_loose_box_is_cut_to_the_object() -> None:
    pixels, truth = scene()
    found = masks(pixels[None], PixelPrompt((10, 5, 60, 55), ((32, 27),), ((12, 7),)))
    assert iou(found[0], truth) > 0.9


def test_a_box_that_is_too_small_is_filled_up_to_the_edge_of_the_object() -> None:
    pixels, truth = scene()
    for box in ((22, 17, 42, 37), (18, 15, 42, 39)):
        found = masks(pixels[None], PixelPrompt(box, ((32, 27),), ((2, 2),)))
        assert iou(found[0], truth) > 0.95


@pytest.mark.parametrize(
    "prompt",
    [
        PixelPrompt((30, 30, 30, 30), (), ()),  # no area
        PixelPrompt((80, 60, 80, 60), (), ()),  # beyond the last pixel
        PixelPrompt((0, 0, 80, 60), (), ()),  # the whole picture: nothing to tell it from
        PixelPrompt(None, ((80, 60),), ((0, 0),)),  # points alone, one outside
        PixelPrompt(None, (), ((40, 30),)),  # only points that are not the object
        PixelPrompt((20, 15, 44, 39), ((2, 2),), ((32, 27),)),  # points that contradict the box
        PixelPrompt((79, 0, 80, 60), ((79, 3),), ()),  # one column
    ],
)
def test_odd_prompts_give_a_mask_of_the_right_shape(prompt: PixelPrompt) -> None:
    pixels, _ = scene()
    found = masks(pixels[None], prompt)
    assert list(found) == [0]
    assert found[0].shape == (60, 80)
    assert found[0].dtype == np.bool_


def test_a_picture_of_one_pixel() -> None:
    frames = np.zeros((1, 1, 1, 3), np.uint8)
    assert masks(frames, PixelPrompt((0, 0, 1, 1), ((1, 1),), ()))[0].shape == (1, 1)


def moving(steps: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    pairs = [scene(left=left) for left in steps]
    return np.stack([pixels for pixels, _ in pairs]), [mask for _, mask in pairs]


def test_the_mask_follows_the_object_both_ways() -> None:
    frames, truth = moving([10, 14, 18, 22, 26, 30])
    prompt = PixelPrompt((18, 15, 42, 39), ((30, 27),), ((2, 2),), frame=2)
    found = masks(frames, prompt)
    assert sorted(found) == list(range(6))
    assert list(found)[:4] == [2, 3, 4, 5]  # forward first, then back
    assert all(iou(found[n], truth[n]) > 0.85 for n in range(6))


def test_an_object_that_leaves_is_gone_at_the_end() -> None:
    frames, truth = moving([40, 50, 60, 70, 78, 90, 100])
    found = masks(frames, PixelPrompt((40, 15, 64, 39), ((52, 27),), (), frame=0))
    assert found[0].any()
    assert not truth[-1].any()
    assert not found[6].any()


def test_the_same_input_gives_the_same_masks() -> None:
    frames, _ = moving([10, 16, 22])
    prompt = PixelPrompt((8, 10, 40, 45), ((20, 27),), ((70, 50),), frame=0)
    first, second = masks(frames, prompt), masks(frames, prompt)
    assert all(np.array_equal(first[n], second[n]) for n in first)
