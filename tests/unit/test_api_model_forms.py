"""What is sent to a server: settings, media in each form, fields; and what is read back."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.harness.models import CLASSES, HERE, decisive
from onethinker_eval.harness.models.api_media import request_media
from onethinker_eval.harness.models.api_settings import ApiSettings
from onethinker_eval.media.shown import Shown
from onethinker_eval.media.video import VideoFrames

PLACE = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
DRAW = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return DRAW.integers(0, 256, shape, dtype=np.uint8)


def clip(count: int = 4, fps: float = 25.0) -> VideoFrames:
    indices = tuple(range(0, 10 * count, 10))
    return VideoFrames(pixels(count, 32, 64, 3), indices, fps, 10 * count, 64, 32, "decord")


def asked(*kinds: str, url: str = "/nowhere") -> list[dict[str, Any]]:
    parts = [{"type": kind, "url": url} for kind in kinds]
    words = {"type": "text", "text": "What is it?"}
    system = {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
    return [system, {"role": "user", "content": [*parts, words]}]


def decoded(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2]))))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"media": "frame"}, "did you mean frames"),
        ({"basurl": "http://h"}, "base_url"),
        ({"retries": -1}, "retries in --model_args must be 0 to 20"),
        ({"retries": True}, "retries"),
        ({"timeout": "long"}, "timeout"),
        ({"price_in": float("nan")}, "price_in"),
        ({"base_url": "ftp://h"}, "http or https"),
        ({"base_url": "http://me:secret@h/v1"}, "neither a user"),
        ({"model": ""}, "needs model"),
        ({"api_key": "sk-123"}, "api_key_env=NAME"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ApiSettings.of({**PLACE, **values}, ())
    assert text in str(caught.value)
    assert not any(word in str(caught.value) for word in ("me:secret", "sk-123"))


def test_the_key_is_not_sent_in_the_clear_to_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert ApiSettings.of(PLACE, ()).api_key == "sk-1"
    assert ApiSettings.of({**PLACE, "base_url": "http://example.org/v1"}, ()).api_key is None
    assert ApiSettings.of({**PLACE, "base_url": "https://example.org/v1"}, ()).api_key == "sk-1"


def test_frames_carry_their_times() -> None:
    one, two = clip(4, 25.0), pixels(32, 32, 3)
    messages, extra = request_media(asked("video", "image"), Shown((two,), (one,)), "frames", "png")
    assert extra == {}
    assert messages[0] == {"role": "system", "content": "Be brief."}
    content = messages[1]["content"]
    texts = [part["text"] for part in content if part["type"] == "text"]
    assert texts == [*(f"<{time:.1f} seconds>" for time in (0.0, 0.4, 0.8, 1.2)), "What is it?"]
    assert [part["type"] for part in content[:4]] == ["text", "image_url"] * 2
    images = [decoded(part["image_url"]["url"]) for part in content if part["type"] != "text"]
    assert len(images) == 5
    assert all(np.array_equal(a, b) for a, b in zip(images, [*one.frames, two], strict=True))


def test_jpeg_is_near_and_smaller() -> None:
    picture = np.full((64, 64, 3), 90, dtype=np.uint8)
    for name, most in (("jpeg", 2), ("png", 0)):
        messages, _ = request_media(asked("image"), Shown((picture,), ()), "frames", name)
        url = messages[1]["content"][0]["image_url"]["url"]
        assert url.startswith(f"data:image/{name};base64,")
        assert np.abs(decoded(url).astype(int) - picture).max() <= most


def test_vllm_gets_our_frames_as_one_video_with_their_places() -> None:
    one = clip(4, 23.976)
    messages, extra = request_media(asked("video"), Shown((), (one,)), "vllm", "png")
    url = messages[1]["content"][0]["video_url"]["url"]
    head, _, body = url.partition("base64,")
    assert head == "data:video/jpeg;"
    frames = [decoded("base64," + part) for part in body.split(",")]
    assert all(np.array_equal(a, b) for a, b in zip(frames, one.frames, strict=True))
    assert extra["mm_processor_kwargs"] == {"do_resize": False, "do_sample_frames": False}
    assert extra["media_io_kwargs"]["video"] == {
        "num_frames": -1,
        "fps": 23.976,
        "frames_indices": [0, 10, 20, 30],
        "total_num_frames": 40,
        "duration": 40 / 23.976,
        "do_sample_frames": False,
    }
    with pytest.raises(DataError, match="one video a question"):
        request_media(asked("video", "video"), Shown((), (one, one)), "vllm", "png")


def test_files_go_as_links_or_whole(tmp_path: Path) -> None:
    file = tmp_path / "a clip.mp4"
    file.write_bytes(b"\x00\x01")
    nothing = Shown((), ())
    messages, _ = request_media(asked("video", url=str(file)), nothing, "file_url", "png")
    url = messages[1]["content"][0]["video_url"]["url"]
    assert url == file.as_uri()
    assert " " not in url
    messages, _ = request_media(asked("video", url=str(file)), nothing, "base64", "png")
    assert messages[1]["content"][0]["video_url"]["url"] == "data:video/mp4;base64,AAE="
    for mode in ("file_url", "base64"):
        with pytest.raises(DataError, match="missing"):
            request_media(asked("image", url=str(tmp_path / "no.png")), nothing, mode, "png")


def test_how_fast_is_no_part_of_what_is_asked() -> None:
    given = {"base_url": "u", "model": "m", "fps": "1", "timeout": "9", "num_concurrent": "3"}
    assert decisive("openai", given) == {"base_url": "u", "model": "m", "fps": "1"}
    assert decisive("qwen3_vl", given) == given
    assert set(HERE.values()) <= set(CLASSES.values()) | {HERE["vllm"]}
