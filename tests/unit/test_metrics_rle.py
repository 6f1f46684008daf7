"""Run-length masks: forms, edges, and everything that must be refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from onethinker_eval.metrics import rle

MASK = np.array([[0, 1, 0], [1, 1, 0]], bool)
COUNTS = [1, 3, 2]


def test_forms_of_the_same_mask() -> None:
    text = rle.encode(MASK)["counts"]
    for counts in (
        COUNTS,
        tuple(COUNTS),
        text,
        text.encode(),
        [1, 0, 0, 1, 0, 2, 2, 0],
        [1, 3, 2, 0],
    ):
        runs = rle.read({"size": [2, 3], "counts": counts})
        assert runs.flips.tolist() == [1, 4]
        assert runs.area == 3
        assert np.array_equal(runs.to_mask(), MASK)
    assert rle.read(runs) is runs
    assert np.array_equal(rle.decode(runs), MASK)
    assert rle.read({"size": (2, 3), "counts": COUNTS}).height == 2


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((3, 4)),
        np.ones((3, 4)),
        np.eye(4)[:3],
        np.ones((1, 1)),
        np.ones((1, 7)),
        np.ones((7, 1)),
        np.pad(np.ones((2, 2)), 1),
        np.pad(np.ones((2, 2)), ((2, 0), (1, 1))),
        np.pad(np.ones((2, 2)), ((0, 2), (1, 1))),
        np.pad(np.ones((2, 2)), ((0, 0), (1, 1))),
    ],
)
def test_there_and_back(mask: np.ndarray) -> None:
    form = rle.encode(mask)
    assert form["size"] == list(mask.shape)
    back = rle.decode(form)
    assert back.dtype == np.bool_
    assert back.flags.c_contiguous
    assert np.array_equal(back, mask != 0)
    runs = rle.from_mask(mask)
    assert len(runs.flips) % 2 == 0
    assert np.array_equal(runs.columns(0, mask.shape[1]), mask.T != 0)


def test_long_runs_need_several_digits() -> None:
    mask = np.zeros((3000, 2000), bool)
    mask[1, 1] = mask[2999, 1999] = True
    form = rle.encode(mask)
    assert np.array_equal(rle.decode(form), mask)
    assert form["counts"] == "im21U^Pg50"


def test_columns_of_a_window() -> None:
    mask = np.arange(35).reshape(5, 7) % 3 == 0
    runs = rle.from_mask(mask)
    for left in range(7):
        for right in range(left + 1, 8):
            assert np.array_equal(runs.columns(left, right), mask[:, left:right].T)


def test_runs_of_length_zero() -> None:
    for counts, flips in (
        ([2, 0, 4], []),
        ([6, 0], []),
        ([6, 0, 0], []),
        ([0, 6], [0, 6]),
        ([0, 0, 0, 6], [0, 6]),
        ([0, 2, 0, 4], [0, 6]),
        ([0, 2, 0, 1, 3], [0, 3]),
    ):
        assert rle.read({"size": [2, 3], "counts": counts}).flips.tolist() == flips


def test_any_nonzero_value_is_foreground() -> None:
    labels = np.array([[0, 3, 1], [2, 1, 0]])
    assert rle.from_mask(labels).flips.tolist() == [1, 5]
    assert rle.from_mask(MASK.astype(np.float32) * -2).area == 3
    assert rle.from_mask(MASK.astype(np.uint8) * 255).area == 3
    assert rle.from_mask(MASK.tolist()).area == 3


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (None, r"expected a mask \{'size', 'counts'\}, got NoneType"),
        ([2, 3], "got list"),
        ({}, r"size: expected \[height, width\], got None"),
        ({"size": [2, 3]}, "counts: expected a string or a list, got NoneType"),
        ({"size": [2, 3], "counts": 6}, "counts: expected a string or a list, got int"),
        ({"size": 6, "counts": [6]}, r"size: expected \[height, width\], got 6"),
        ({"size": "23", "counts": [6]}, r"size: expected \[height, width\]"),
        ({"size": [2, 3, 1], "counts": [6]}, r"size: expected \[height, width\]"),
        ({"size": [2], "counts": [6]}, r"size: expected \[height, width\]"),
        ({"size": [2.0, 3], "counts": [6]}, "size: expected two whole numbers above 0"),
        ({"size": [2, 3.0], "counts": [6]}, "size: expected two whole numbers above 0"),
        ({"size": [True, 6], "counts": [6]}, "size: expected two whole numbers above 0"),
        ({"size": [0, 3], "counts": []}, "size: expected two whole numbers above 0"),
        (
            {"size": [3, 0], "counts": []},
            r"^size: expected two whole numbers above 0, got \[3, 0\]$",
        ),
        ({"size": [-2, -3], "counts": [6]}, "size: expected two whole numbers above 0"),
        (
            {"size": [1 << 15, 1 << 14], "counts": [6]},
            r"at most 268435456 pixels, got \[32768, 16384\]",
        ),
        ({"size": [10**30, 1], "counts": [6]}, "at most 268435456 pixels"),
        ({"size": [2, 3], "counts": []}, "runs of 6 pixels in all, got 0"),
        ({"size": [2, 3], "counts": ""}, "runs of 6 pixels in all, got 0"),
        ({"size": [2, 3], "counts": [1, 3]}, "runs of 6 pixels in all, got 4"),
        ({"size": [2, 3], "counts": [1, 3, 3]}, "runs of 6 pixels in all, got 7"),
        ({"size": [2, 3], "counts": [7]}, "whole numbers from 0 to 6"),
        ({"size": [2, 3], "counts": [7, -1]}, "whole numbers from 0 to 6"),
        ({"size": [2, 3], "counts": [-1, 6]}, "whole numbers from 0 to 6"),
        ({"size": [2, 3], "counts": [1.0, 5]}, "whole numbers from 0 to 6"),
        ({"size": [2, 3], "counts": [True, 5]}, "whole numbers from 0 to 6"),
        ({"size": [2, 3], "counts": ["6"]}, "whole numbers from 0 to 6"),
        ({"size": [2, 3], "counts": [math.nan]}, "whole numbers from 0 to 6"),
        (
            {"size": [2, 3], "counts": "1é"},
            "^counts: expected characters '0' to 'o', got non-ASCII text$",
        ),
        ({"size": [2, 3], "counts": "1/2"}, "^counts: expected characters '0' to 'o'$"),
        ({"size": [2, 3], "counts": "1p2"}, "^counts: expected characters '0' to 'o'$"),
        ({"size": [2, 3], "counts": b"1\xff"}, "^counts: expected characters '0' to 'o'$"),
        ({"size": [2, 3], "counts": "13P"}, "^counts: the string ends inside a number$"),
        ({"size": [2, 3], "counts": "PPPPPP1"}, "^counts: a number is too long$"),
        ({"size": [2, 3], "counts": "7"}, "a run is longer than the 6 pixels"),
        ({"size": [2, 3], "counts": "1O"}, "a run is negative or longer"),
        ({"size": [2, 3], "counts": "1136"}, "a run is negative or longer"),
        ({"size": [2, 3], "counts": "113O"}, "in all, got 5"),
        ({"size": [2, 3], "counts": "112"}, "runs of 6 pixels in all, got 4"),
    ],
)
def test_malformed_masks_are_refused(form: object, message: str) -> None:
    with pytest.raises(rle.RleError, match=message):
        rle.read(form)  # type: ignore[arg-type]


def test_the_largest_size_is_accepted() -> None:
    side = 1 << 14
    assert side * side == rle.MAX_PIXELS
    assert rle.read({"size": [side, side], "counts": [side * side]}).area == 0


def test_six_digits_are_accepted() -> None:
    assert rle.read({"size": [2, 3], "counts": "VPPPP0"}).flips.tolist() == []


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 3, 1)])
def test_arrays_that_are_no_masks_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(rle.RleError, match=r"shape \(height, width\), got shape \("):
        rle.encode(np.zeros(shape))


def test_arrays_that_are_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rle, "MAX_PIXELS", 6)
    assert rle.from_mask(MASK).area == 3
    with pytest.raises(rle.RleError, match="at most 6 pixels, got 2 × 4"):
        rle.from_mask(np.ones((2, 4)))


def test_polygons_are_joined() -> None:
    left, right = [0, 0, 2, 0, 2, 2, 0, 2], [4, 0, 6, 0, 6, 2, 4, 2]
    runs = rle.from_polygons([left, right], 4, 8)
    assert (runs.height, runs.width, runs.area) == (4, 8, 8)
    assert rle.from_polygons([left, left], 4, 8).area == 4
    assert rle.from_polygons([[-80, -80, 80, -80, 80, 80, -80, 80]], 4, 8).area == 32


@pytest.mark.parametrize(
    ("polygons", "message"),
    [
        ([], "^expected a list of at least one polygon$"),
        (None, "at least one polygon"),
        (["0000"], "three corners or more"),
        ([[0, 0, 1, 1]], r"three corners or more, got shape \(4,\)"),
        ([[0, 0, 1, 1, 2, 2, 3]], r"three corners or more, got shape \(7,\)"),
        ([[[0, 0], [1, 1], [2, 2]]], r"three corners or more, got shape \(3, 2\)"),
        ([[0, 0, 1, 1, 2, "x"]], "^polygon: expected a flat list of numbers$"),
        ([[0, 0, 1, 1, 2, [3]]], "flat list of numbers"),
        ([[0, 0, 1, 1, 2, 10**400]], "flat list of numbers"),
        ([[0, 0, 1, 1, 2, None]], "finite coordinates"),
        ([[-80, 0, 80, 0] * 7000], "at most 1000000 pixels of outline, got 2240000"),
        ([[0, -80, 0, 80] * 2000] * 4, "at most 1000000 pixels of outline, got 2560000"),
        ([[0, 0, 1, 1, 2, math.nan]], "finite coordinates within ±80"),
        ([[0, 0, 1, 1, 2, math.inf]], "finite coordinates within ±80"),
        ([[0, 0, 1, 1, 2, 80.5]], "finite coordinates within ±80"),
        ([[0, 0, 1, 1, 2, -80.5]], "finite coordinates within ±80"),
    ],
)
def test_polygons_that_are_refused(polygons: object, message: str) -> None:
    with pytest.raises(rle.RleError, match=message):
        rle.from_polygons(polygons, 4, 8)  # type: ignore[arg-type]


def test_the_longest_outline_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    square = [0, 0, 2, 0, 2, 2, 0, 2]
    monkeypatch.setattr(rle, "_MAX_PERIMETER", 8)
    assert rle.from_polygons([square], 4, 4).area == 4
    with pytest.raises(rle.RleError, match="at most 8 pixels of outline, got 16"):
        rle.from_polygons([square, square], 4, 4)


def test_polygons_need_a_size() -> None:
    with pytest.raises(rle.RleError, match="size: expected two whole numbers above 0"):
        rle.from_polygons([[0, 0, 1, 0, 1, 1]], 0, 8)
