"""Reading videos: the right frames from both decoders, upright; broken files named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import number_of, picture, rotate, write_clip

from onethinker_eval.errors import DataError, MissingPart, UsageError
from onethinker_eval.media import decoders, video
from onethinker_eval.media.frames import FrameRule, sample_indices

DECODERS = video.available()
RULE = FrameRule(max_frames=8)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.choice([20, 40, 100, 200], 60))
    plain = write_clip(folder / "plain.mp4", 60)
    return {
        "plain": plain,
        "front": write_clip(folder / "front.mp4", 200, faststart=True),
        "odd": write_clip(folder / "odd.mp4", 40, size=(63, 95)),
        "vfr": write_clip(folder / "vfr.mp4", 60, times_ms=(times - times[0]).tolist()),
        "webm": write_clip(folder / "clip.webm", 40, codec="libvpx-vp9"),
        "avi": write_clip(folder / "clip.avi", 40, codec="mpeg4"),
        "mkv": write_clip(folder / "clip.mkv", 60),
        "two": write_clip(folder / "two.mp4", 2),
        "one": write_clip(folder / "one.mp4", 1),
        "upright": rotate(plain, folder / "upright.mp4", 90),
        "head": rotate(plain, folder / "head.mp4", 180),
        "down": rotate(plain, folder / "down.mp4", 270),
    }


def test_both_decoders_are_tested_here() -> None:
    assert DECODERS == ("decord", "pyav")


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", ["plain", "front", "odd", "vfr", "webm", "avi", "mkv", "two"])
def test_each_frame_is_the_one_asked_for(clips: dict[str, Path], name: str, decoder: str) -> None:
    path = str(clips[name])
    info = video.probe(path, decoder)
    everything = video.read_indices(path, range(info.n_frames), decoder)
    assert [number_of(frame) for frame in everything.frames] == list(range(info.n_frames))
    rng = np.random.default_rng(0)
    for _ in range(6):
        wanted = sorted(rng.choice(info.n_frames, min(7, info.n_frames), replace=False).tolist())
        found = video.read_indices(path, wanted, decoder)
        assert found.indices == tuple(wanted)
        np.testing.assert_array_equal(found.frames, everything.frames[wanted])


@pytest.mark.parametrize("decoder", DECODERS)
def test_indices_may_repeat_and_go_back(clips: dict[str, Path], decoder: str) -> None:
    found = video.read_indices(str(clips["plain"]), [40, 3, 3, 59, 0], decoder)
    assert [number_of(frame) for frame in found.frames] == [40, 3, 3, 59, 0]


@pytest.mark.parametrize("name", ["plain", "front", "odd", "vfr", "webm", "avi", "mkv", "upright"])
def test_a_rule_means_the_same_frames_to_both(clips: dict[str, Path], name: str) -> None:
    for rule in (RULE, FrameRule(rule="uniform", max_frames=20), FrameRule(fps=0.5)):
        first, second = (
            video.read(str(clips[name]), rule, decoder, resize=False) for decoder in DECODERS
        )
        assert first.indices == second.indices
        assert list(first.indices) == sample_indices(first.n_frames, first.fps, rule)
        assert (first.fps, first.n_frames) == (second.fps, second.n_frames)
        assert first.frames.shape == second.frames.shape
        difference = np.abs(first.frames.astype(int) - second.frames.astype(int))
        assert difference.max() <= 3
        assert (first.decoder, second.decoder) == DECODERS


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(("name", "turns"), [("upright", 3), ("head", 2), ("down", 1)])
def test_a_rotation_flag_is_applied(
    clips: dict[str, Path], name: str, turns: int, decoder: str
) -> None:
    found = video.read_indices(str(clips[name]), [37], decoder)
    flat = video.read_indices(str(clips["plain"]), [37], decoder)
    np.testing.assert_array_equal(found.frames[0], np.rot90(flat.frames[0], turns))
    assert (found.height, found.width) == found.frames.shape[1:3]


def test_times_and_rates(clips: dict[str, Path]) -> None:
    found = video.read(str(clips["plain"]), RULE, resize=False)
    assert (found.fps, found.duration_s, found.n_frames) == (10.0, 6.0, 60)
    assert found.sample_fps == pytest.approx(8 / 6)
    assert found.times_s[0] == 0.0
    assert found.times_s[-1] == 5.9
    info = video.probe(str(clips["plain"]))
    assert (info.duration_s, info.width, info.height) == (6.0, 96, 64)


def test_frames_are_resized_under_the_rule(clips: dict[str, Path]) -> None:
    rule = FrameRule.of({"max_frames": 4, "frame_pixels": 4096})
    found = video.read(str(clips["plain"]), rule)
    assert found.frames.shape == (4, 32, 64, 3)
    assert found.frames.dtype == np.uint8
    assert (found.height, found.width) == (64, 96)


@pytest.mark.parametrize("name", ["one"])
def test_a_single_frame_is_too_short(clips: dict[str, Path], name: str) -> None:
    with pytest.raises(DataError, match=r"one\.mp4: the video has 1 frame"):
        video.read(str(clips[name]), RULE)


def spoiled(clips: dict[str, Path], folder: Path, how: str) -> Path:
    target = folder / f"{how}.mp4"
    front, plain = clips["front"].read_bytes(), clips["plain"].read_bytes()
    start = front.index(b"mdat") + 4
    middle = start + (len(front) - start) // 2
    noise = np.random.default_rng(0).integers(0, 256, 2000, dtype=np.uint8).tobytes()
    contents = {
        "cut": front[: int(len(front) * 0.6)],
        "headless": plain[: len(plain) // 2],
        "noise": front[:middle] + noise + front[middle + len(noise) :],
        "empty": b"",
        "text": b"no video" * 100,
        "picture": picture(3, 64, 96).tobytes(),
    }
    target.write_bytes(contents[how])
    return target


@pytest.mark.parametrize("how", ["cut", "headless", "noise", "empty", "text", "picture"])
@pytest.mark.parametrize("decoder", [*DECODERS, None])
def test_a_broken_file_is_named(
    clips: dict[str, Path], tmp_path: Path, how: str, decoder: str | None
) -> None:
    path = spoiled(clips, tmp_path, how)
    with pytest.raises(DataError) as caught:
        video.read(str(path), FrameRule(rule="uniform"), decoder, resize=False)
    assert caught.value.file == str(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.mp4", tmp_path):
        with pytest.raises(DataError, match="the video is missing"):
            video.read(str(path), RULE)
        with pytest.raises(DataError, match="the video is missing"):
            video.probe(str(path))


def test_an_index_outside_is_refused(clips: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="frame 60 is not among the 60"):
        video.read_indices(str(clips["plain"]), [0, 60])
    with pytest.raises(DataError, match="none"):
        video.read_indices(str(clips["plain"]), [])


def test_the_other_decoder_steps_in(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = decoders.open_video

    def fails(path: str, name: str) -> decoders.Source:
        if name == "decord":
            raise DataError("decord cannot", file=path)
        return real(path, name)

    monkeypatch.setattr(decoders, "open_video", fails)
    assert video.read(str(clips["plain"]), RULE, resize=False).decoder == "pyav"
    assert video.probe(str(clips["plain"])).decoder == "pyav"
    with pytest.raises(DataError, match="decord cannot"):
        video.read(str(clips["plain"]), RULE, "decord")


def test_decoders_by_name(clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown decoder 'opencv'"):
        video.read(str(clips["plain"]), RULE, "opencv")
    monkeypatch.setattr(decoders, "available", lambda: ("pyav",))
    with pytest.raises(MissingPart, match="decord is not installed"):
        video.read(str(clips["plain"]), RULE, "decord")
    monkeypatch.setattr(decoders, "available", lambda: ())
    with pytest.raises(MissingPart, match="no video decoder"):
        video.read(str(clips["plain"]), RULE)


def test_the_environment_can_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    decoders.available.cache_clear()
    monkeypatch.setenv("ONETHINKER_VIDEO_DECODER", "pyav")
    try:
        assert video.available() == ("pyav",)
    finally:
        decoders.available.cache_clear()
