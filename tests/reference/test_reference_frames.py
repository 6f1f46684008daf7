"""Frames and sizes against qwen_vl_utils, which the authors' scripts read media with.

Its index formula is computed in 32-bit floats; ours in whole numbers. They agree up to 50,000
frames; beyond, some of its indices are one off, on processors that round differently not the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import write_clip

from onethinker_eval.media import images, video
from onethinker_eval.media.frames import FrameRule, fit, sample_indices, video_size

os.environ.setdefault("FORCE_QWENVL_VIDEO_READER", "decord")
reference: Any = pytest.importorskip("qwen_vl_utils.vision_process")
torch = pytest.importorskip("torch")

PATCH = 16


def element(rule: FrameRule, n_frames: int) -> dict[str, Any]:
    """Return the request the authors' code makes for a video."""
    if rule.rule == "fps":
        return {"fps": rule.fps, "max_frames": rule.max_frames, "max_pixels": rule.frame_pixels}
    count = rule.max_frames if n_frames >= rule.max_frames else n_frames // 2 * 2
    return {"nframes": count, "max_pixels": rule.frame_pixels}


RULES = (
    FrameRule(),
    FrameRule(rule="uniform"),
    FrameRule(fps=1.0, max_frames=33),
    FrameRule(rule="uniform", max_frames=32),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.rule}-{rule.max_frames}")
def test_the_same_indices(rule: FrameRule) -> None:
    rng = np.random.default_rng(0)
    lengths = [*range(2, 300), *rng.integers(300, 50_000, 400).tolist()]
    for n_frames in lengths:
        fps = float(rng.choice([1.0, 6.0, 23.976, 25.0, 29.97, 60.0]))
        count = reference.smart_nframes(element(rule, n_frames), n_frames, fps)
        theirs = torch.linspace(0, n_frames - 1, count).round().long().tolist()
        assert sample_indices(n_frames, fps, rule) == theirs, (n_frames, fps)


def test_beyond_their_precision_the_indices_differ_by_one_at_most() -> None:
    for n_frames in (108_000, 216_000, 999_983):
        theirs = torch.linspace(0, n_frames - 1, 128).round().long().numpy()
        ours = np.array(sample_indices(n_frames, 30.0, FrameRule()))
        assert np.abs(ours - theirs).max() <= 1
        exact = np.arange(128) * (n_frames - 1) / 127
        assert np.abs(ours - exact).max() <= 0.5


def test_the_same_sizes() -> None:
    rng = np.random.default_rng(1)
    for height, width in rng.integers(8, 3000, (3000, 2)).tolist():
        if max(height, width) > 200 * min(height, width):
            continue
        for least, most in ((4 * 1024, 1024 * 1024), (128 * 1024, 256 * 1024)):
            theirs = reference.smart_resize(height, width, 32, least, most)
            ours = fit(height, width, factor=32, least=least, most=most)
            # an extreme shape can round a side down to nothing there; one row is kept here
            assert ours == tuple(max(32, side) for side in theirs), (height, width)


@pytest.mark.parametrize("rule", RULES[:2], ids=lambda rule: rule.rule)
@pytest.mark.parametrize("size", [(64, 96), (480, 270), (63, 95)])
def test_a_video_is_read_bit_for_bit(
    tmp_path: Path, rule: FrameRule, size: tuple[int, int]
) -> None:
    path = str(write_clip(tmp_path / "clip.mp4", 45, size=size, fps=25))
    wanted = {"video": path, **element(rule, 45)}
    (theirs, about), rate = reference.fetch_video(
        wanted, image_patch_size=PATCH, return_video_sample_fps=True, return_video_metadata=True
    )
    ours = video.read(path, rule, "decord")
    assert list(ours.indices) == list(about["frames_indices"])
    assert (ours.fps, ours.n_frames) == (about["fps"], about["total_num_frames"])
    assert ours.sample_fps == pytest.approx(rate, abs=0)
    assert ours.frames.shape[1:3] == video_size(*size, len(ours.indices), rule)
    np.testing.assert_array_equal(ours.frames, theirs.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("size", [(40, 50), (1500, 900), (31, 700)])
def test_an_image_is_read_bit_for_bit(tmp_path: Path, size: tuple[int, int]) -> None:
    from PIL import Image

    pixels = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    path = str(tmp_path / "x.png")
    Image.fromarray(pixels).save(path)
    rule = FrameRule()
    theirs = reference.fetch_image(
        {"image": path, "max_pixels": rule.image_pixels}, image_patch_size=PATCH
    )
    np.testing.assert_array_equal(images.read(path, rule).pixels, np.asarray(theirs))
