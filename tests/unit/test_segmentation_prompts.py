"""Pixels of prompts, key frames and frames of a video: the arithmetic of the authors' step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import number_of, write_clip
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval.answers.values import SegmentationPrompt
from onethinker_eval.errors import DataError
from onethinker_eval.segmentation.frames import Place, load, resized_mask
from onethinker_eval.segmentation.prompts import key_frame, to_pixels


def test_coordinates_round_half_to_even_and_are_clipped_to_the_size_itself() -> None:
    prompt = SegmentationPrompt(
        (-50.0, 500.0, 1000.0, 2000.0), ((5.0, 15.0), (25.0, 999.9)), ((1e300, -1e300),), None
    )
    found = to_pixels(prompt, 100, 100)
    assert found.box_px == (0, 50, 100, 100)
    assert found.positive_px == ((0, 2), (2, 100))  # 0.5 and 1.5 and 2.5: to the even neighbour
    assert found.negative_px == ((100, 0),)


def test_reversed_and_zero_size_boxes_stay_boxes() -> None:
    prompt = SegmentationPrompt((700.0, 600.0, 300.0, 600.0), (), (), None)
    assert to_pixels(prompt, 10, 10).box_px == (3, 6, 7, 6)
    point = SegmentationPrompt((500.0, 500.0, 500.0, 500.0), (), (), None)
    assert to_pixels(point, 10, 10).box_px == (5, 5, 5, 5)


@pytest.mark.parametrize(
    ("time_s", "fps", "frames", "expected"),
    [
        (0.0, 6.0, 9, 0),
        (0.25, 2.0, 9, 0),  # 0.5 rounds to 0
        (0.75, 2.0, 9, 2),  # 1.5 rounds to 2
        (1.0, 29.97, 99, 30),
        (50.0, 6.0, 9, 8),
        (-3.0, 6.0, 9, 0),
        (1e308, 6.0, 9, 8),
        (None, 6.0, 9, 0),
    ],
)
def test_the_key_frame_is_the_rounded_one_that_exists(
    time_s: float | None, fps: float, frames: int, expected: int
) -> None:
    assert key_frame(time_s, fps, frames) == expected


@given(
    st.lists(st.floats(-2000, 2000), min_size=4, max_size=4),
    st.integers(1, 4000),
    st.integers(1, 4000),
)
def test_no_box_leaves_the_picture(box: list[float], width: int, height: int) -> None:
    x1, y1, x2, y2 = to_pixels(SegmentationPrompt(tuple(box), (), (), None), width, height).box_px
    assert 0 <= x1 <= x2 <= width
    assert 0 <= y1 <= y2 <= height


def _place(path: Path, count: int, fps: float, size: tuple[int, int] | None = None) -> Place:
    return Place(str(path), True, tuple(str(n) for n in range(count)), fps, size, None)


def shown(frames: np.ndarray) -> list[int]:
    return [number_of(frame) for frame in frames]


def test_frame_i_is_the_first_at_or_after_its_time(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 20, fps=10)
    assert shown(load(_place(clip, 20, 10.0))) == list(range(20))
    assert shown(load(_place(clip, 10, 5.0))) == list(range(0, 20, 2))
    assert shown(load(_place(clip, 8, 4.0))) == [0, 3, 5, 8, 10, 13, 15, 18]
    assert shown(load(_place(clip, 40, 20.0))) == [0, *(-(-n // 2) for n in range(1, 39)), 19]


def test_a_video_that_ends_too_early_is_named(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "short.mp4", 10, fps=10)
    assert shown(load(_place(clip, 11, 10.0)))[-1] == 9  # one frame past the end is the last
    with pytest.raises(DataError, match=r"short\.mp4: the video has 10 frames .* too few for 12"):
        load(_place(clip, 12, 10.0))


def test_frames_take_the_stated_size(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "b.mp4", 4, size=(64, 96))
    assert load(_place(clip, 4, 10.0)).shape == (4, 64, 96, 3)
    assert load(_place(clip, 4, 10.0, (32, 48))).shape == (4, 32, 48, 3)


def test_masks_are_brought_to_the_size_of_the_truth() -> None:
    mask = np.zeros((4, 4), dtype=bool)
    mask[:2] = True
    assert resized_mask(mask, (8, 2)).tolist() == [[True, True]] * 4 + [[False, False]] * 4
    assert resized_mask(mask, None) is mask
