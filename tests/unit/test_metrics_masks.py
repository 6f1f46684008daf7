"""Mask overlap and boundaries: known values, edges, void pixels, errors."""

from __future__ import annotations

import math

import numpy as np
import plain_geometry
import pytest

from onethinker_eval.metrics import bitmaps, boundaries, masks, rle

EMPTY, FULL = np.zeros((40, 60), bool), np.ones((40, 60), bool)


def square(y: int, x: int, size: int = 10) -> np.ndarray:
    mask = EMPTY.copy()
    mask[y : y + size, x : x + size] = True
    return mask


def test_empty_masks_follow_each_convention() -> None:
    assert masks.iou(EMPTY, EMPTY) == 0.0
    assert masks.iou(EMPTY, EMPTY, empty=0.5) == 0.5
    assert masks.davis_jf(EMPTY, EMPTY) == (1.0, 1.0)
    assert masks.onethinker_jf(EMPTY, EMPTY) == (0.0, 1.0)
    blank = rle.encode(EMPTY)
    assert masks.davis_jf_rle(blank, blank) == (1.0, 1.0)
    assert masks.onethinker_jf_rle(blank, blank) == (0.0, 1.0)
    assert masks.intersection_union_rle(blank, blank) == (0, 0)


def test_one_empty_mask_scores_nothing() -> None:
    some = square(5, 5)
    for pair in ((EMPTY, some), (some, EMPTY)):
        forms = [rle.encode(mask) for mask in pair]
        assert masks.davis_jf(*pair) == masks.davis_jf_rle(*forms) == (0.0, 0.0)
        assert masks.onethinker_jf(*pair) == masks.onethinker_jf_rle(*forms) == (0.0, 0.0)


def test_a_full_mask_has_a_boundary_for_onethinker_only() -> None:
    half = FULL.copy()
    half[:, 30:] = False
    assert masks.davis_f(FULL, half) == 0.0
    assert masks.onethinker_f(FULL, half) > 0.5
    assert masks.davis_f(FULL, FULL) == masks.davis_f(FULL, EMPTY) == 1.0
    assert masks.davis_f(EMPTY, FULL) == 1.0
    assert masks.onethinker_f(FULL, EMPTY) == masks.onethinker_f(EMPTY, FULL) == 0.0


def test_overlap_counts_pixels() -> None:
    overlap = masks.intersection_union(square(0, 0), square(5, 0))
    assert overlap == (50, 150)
    assert masks.davis_j(square(0, 0), square(5, 0)) == 50 / 150
    assert masks.davis_j(square(0, 0), square(20, 20)) == 0.0
    assert masks.Overlap(0, 0).iou() == 0.0
    assert masks.Overlap(0, 0).iou(empty=1.0) == 1.0


@pytest.mark.parametrize("shift", range(6))
def test_a_shift_within_the_tolerance_is_forgiven(shift: int) -> None:
    assert boundaries.davis_radius(40, 60) == boundaries.onethinker_radius(40, 60) == 1
    first, second = square(10, 10), square(10, 10 + shift)
    for ours, plain in (
        (masks.davis_f, plain_geometry.davis_f),
        (masks.onethinker_f, plain_geometry.onethinker_f),
    ):
        assert ours(first, second) == plain(first, second)
        assert (ours(first, second) == 1.0) == (shift <= 1)


def test_tolerances_in_pixels() -> None:
    sizes = [(480, 854), (540, 960), (720, 1280), (1080, 1920), (2160, 3840), (1, 1)]
    assert [boundaries.davis_radius(*size) for size in sizes] == [8, 9, 12, 18, 36, 1]
    assert [boundaries.onethinker_radius(*size) for size in sizes] == [7, 8, 11, 17, 33, 1]


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 18, 36])
def test_growing_a_pixel_gives_the_disk_and_the_square(radius: int) -> None:
    side = 2 * radius + 1
    stride = (side + radius + 7) // 8 * 8
    pixel = 1 << (radius * stride + radius)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]

    def shape(bits: int) -> np.ndarray:
        line = (1 << side) - 1
        rows = [(bits >> (k * stride)) & line for k in range(side)]
        return np.array([[row >> j & 1 for j in range(side)] for row in rows], bool)

    assert np.array_equal(
        shape(boundaries.dilate_disk(pixel, radius, stride)), y * y + x * x <= radius * radius
    )
    assert shape(boundaries.dilate_square(pixel, radius, stride)).all()
    assert boundaries.dilate_square(pixel, radius, stride).bit_count() == side * side


def test_void_pixels_are_left_out() -> None:
    pred, truth = square(0, 0), square(0, 5)
    void = np.zeros_like(EMPTY)
    void[:, 5:10] = True
    assert masks.davis_j(pred, truth, void=void) == 0.0
    assert masks.davis_j(pred, truth, void=~(pred & truth)) == 1.0
    assert masks.davis_j(pred, truth, void=FULL) == masks.davis_f(pred, truth, void=FULL) == 1.0
    cut = (pred & ~void, truth & ~void)
    assert masks.davis_jf(pred, truth, void=void.astype(np.uint8)) == masks.davis_jf(*cut)
    assert (
        masks.davis_f(pred, truth, void=void) == masks.davis_f(*cut) != masks.davis_f(pred, truth)
    )


def test_inputs_stay_as_they_are() -> None:
    pred, truth, void = square(0, 0), square(3, 3), square(5, 5)
    copies = [mask.copy() for mask in (pred, truth, void)]
    masks.davis_jf(pred, truth, void=void)
    masks.onethinker_jf(pred, truth)
    masks.intersection_union(pred, truth)
    assert all(np.array_equal(a, b) for a, b in zip((pred, truth, void), copies, strict=True))


def test_cumulative_and_mean_iou() -> None:
    overlaps = [(1, 4), (6, 8), (0, 0)]
    assert masks.ciou(overlaps) == 7 / 12
    assert masks.giou(overlaps) == pytest.approx(2 / 3)
    assert masks.giou(iter(overlaps), empty=0.0) == pytest.approx(1 / 3)
    assert masks.ciou([(0, 0)]) == 0.0
    for metric in (masks.ciou, masks.giou):
        with pytest.raises(
            ValueError, match=r"^expected at least one \(intersection, union\), got none$"
        ):
            metric([])


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"pred of shape \(height, width\), got \(2, 3, 4\)"):
        masks.davis_j(np.zeros((2, 3, 4)), EMPTY)
    with pytest.raises(ValueError, match=r"truth of shape \(height, width\), got \(5,\)"):
        masks.davis_f(EMPTY, np.zeros(5))
    with pytest.raises(ValueError, match=r"got \(0, 5\)"):
        masks.onethinker_f(np.zeros((0, 5)), np.zeros((0, 5)))
    with pytest.raises(ValueError, match=r"one size, got \(40, 60\) and \(60, 40\)"):
        masks.davis_f(EMPTY, EMPTY.T)
    with pytest.raises(ValueError, match=r"void pixels of shape \(40, 60\), got \(1, 60\)"):
        masks.davis_f(EMPTY, EMPTY, void=EMPTY[:1])
    with pytest.raises(ValueError, match=r"void of shape \(height, width\), got \(60,\)"):
        masks.davis_f(EMPTY, EMPTY, void=EMPTY[0])
    with pytest.raises(rle.RleError, match="one size, got 40 × 60 and 40 × 59"):
        masks.davis_jf_rle(rle.encode(EMPTY), rle.encode(EMPTY[:, 1:]))
    with pytest.raises(rle.RleError, match="one size, got 40 × 60 and 39 × 60"):
        masks.intersection_union_rle(rle.encode(EMPTY), rle.encode(EMPTY[1:]))


def test_window_is_cropped_to_the_foreground() -> None:
    pair = bitmaps.from_arrays(square(10, 20), square(12, 30), reach=5)
    assert (pair.rows, pair.columns) == (13, 24)  # rows 9 to 21, columns 16 (a byte) to 39
    assert pair.stride % 8 == 0
    assert pair.stride >= pair.columns + 5
    assert not pair.at_end_row
    assert not pair.at_end_column
    assert pair.first.bit_count() == pair.second.bit_count() == 100
    assert pair.inside.bit_count() == pair.rows * pair.columns
    assert pair.first & pair.inside == pair.first
    end = bitmaps.from_arrays(square(30, 50), square(30, 50), reach=5)
    assert end.at_end_row
    assert end.at_end_column
    assert end.first == end.second


def test_speed_does_not_depend_on_the_empty_rest() -> None:
    mask = np.zeros((4000, 4000), bool)
    mask[2000:2010, 2000:2010] = True
    pair = bitmaps.from_arrays(mask, mask, reach=46)
    assert pair.first.bit_length() < 11 * 80
    assert masks.davis_jf(mask, mask) == (1.0, 1.0)
    assert math.isclose(masks.davis_f(mask, np.roll(mask, 45, 0)), 1.0)
