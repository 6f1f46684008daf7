"""Frame rules: how many frames, which, and at what size."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker_eval import benchmarks
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.media.frames import FrameRule, fit, image_size, sample_indices, video_size

UNIFORM = FrameRule(rule="uniform")


@pytest.mark.parametrize(
    ("frames", "fps", "rule", "count"),
    [
        (300, 30.0, FrameRule(), 20),
        (301, 30.0, FrameRule(), 20),
        (1, 30.0, UNIFORM, None),
        (2, 30.0, FrameRule(), 2),
        (3, 30.0, FrameRule(), 2),
        (5, 30.0, FrameRule(), 4),
        (1920, 30.0, FrameRule(), 128),
        (90_000, 25.0, FrameRule(), 128),
        (10, 1.0, FrameRule(), 10),
        (127, 30.0, UNIFORM, 126),
        (128, 30.0, UNIFORM, 128),
        (129, 30.0, UNIFORM, 128),
        (300, 30.0, FrameRule(fps=1.0, max_frames=9), 8),
        (300, 30.0, FrameRule(fps=1.0, max_frames=33, min_frames=9), 10),
    ],
)
def test_how_many_frames(frames: int, fps: float, rule: FrameRule, count: int | None) -> None:
    if count is None:
        with pytest.raises(DataError, match="1 frame"):
            sample_indices(frames, fps, rule)
        return
    indices = sample_indices(frames, fps, rule)
    assert len(indices) == count
    assert (indices[0], indices[-1]) == (0, frames - 1)


@given(
    st.integers(2, 2_000_000),
    st.floats(0.1, 240),
    st.sampled_from([FrameRule(), UNIFORM, FrameRule(fps=1.0, max_frames=32)]),
)
def test_indices_ascend_within_the_video(frames: int, fps: float, rule: FrameRule) -> None:
    indices = sample_indices(frames, fps, rule)
    assert len(indices) % 2 == 0
    assert 2 <= len(indices) <= rule.max_frames
    assert all(a < b for a, b in itertools.pairwise(indices))
    assert 0 <= indices[0] <= indices[-1] < frames
    gaps = [b - a for a, b in itertools.pairwise(indices)]
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_senseless_rate_is_refused(fps: float) -> None:
    with pytest.raises(DataError, match="frame rate"):
        sample_indices(10, fps, FrameRule())


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_sizes_are_divisible_and_within_the_areas(height: int, width: int) -> None:
    if max(height, width) > 200 * min(height, width):
        with pytest.raises(DataError, match="too narrow"):
            image_size(height, width, FrameRule())
        return
    for tall, wide in (
        image_size(height, width, FrameRule()),
        video_size(height, width, 128, FrameRule()),
    ):
        assert tall % 32 == wide % 32 == 0
        assert tall >= 32
        assert wide >= 32
    tall, wide = image_size(height, width, FrameRule())
    if max(height, width) < 20 * min(height, width):
        assert 4 * 1024 <= tall * wide <= 1024 * 1024


def test_a_small_frame_is_enlarged_and_a_large_one_reduced() -> None:
    assert video_size(100, 100, 128, FrameRule()) == (384, 384)
    assert video_size(1080, 1920, 128, FrameRule()) == (384, 672)
    assert image_size(100, 100, FrameRule()) == (96, 96)
    assert image_size(3000, 4000, FrameRule()) == (864, 1152)
    assert fit(30, 30, factor=32, least=1024, most=1024) == (32, 32)


def test_many_frames_share_the_reference_budget() -> None:
    rule = FrameRule(frame_pixels=768 * 1024, max_frames=768)
    assert video_size(1080, 1920, 768, rule) < video_size(1080, 1920, 128, rule)


def test_a_rule_from_a_task_file() -> None:
    (task,) = benchmarks.resolve("mevis")
    assert FrameRule.of(task.frames) == FrameRule()
    (task,) = benchmarks.resolve("videoholmes")
    assert FrameRule.of(task.frames) == UNIFORM
    assert FrameRule.of(FrameRule(fps=1.5).to_json()) == FrameRule(fps=1.5)
    small = FrameRule.of({"frame_pixels": 4096, "image_pixels": 1024})
    assert (small.min_frame_pixels, small.min_image_pixels) == (4096, 1024)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fsp": 2}, "did you mean fps"),
        ({"rule": "random"}, "unknown frame rule"),
        ({"fps": 0}, "fps must be above 0"),
        ({"fps": "2"}, "fps must be above 0"),
        ({"max_frames": 1}, "2 or more"),
    ],
)
def test_a_wrong_rule_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FrameRule.of(values)
