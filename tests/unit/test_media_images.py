"""Reading images: modes, sizes, broken and missing files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from onethinker_eval.errors import DataError
from onethinker_eval.media import images
from onethinker_eval.media.frames import FrameRule


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (50, 40)) -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(path)
    return str(path)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "LA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    found = images.read(save(tmp_path / "x.png", mode))
    assert found.pixels.shape == (40, 50, 3)
    assert (found.width, found.height) == (50, 40)


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (images.read(str(tmp_path / "clear.png")).pixels == 255).all()


def test_a_rule_resizes(tmp_path: Path) -> None:
    found = images.read(save(tmp_path / "x.png", size=(4000, 3000)), FrameRule())
    assert found.pixels.shape == (864, 1152, 3)
    assert (found.width, found.height) == (4000, 3000)
    assert images.size(str(tmp_path / "x.png")) == (4000, 3000)


@pytest.mark.parametrize("how", ["cut", "text", "empty"])
@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "after-lmms-eval"])
def test_a_broken_image_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lenient: bool, how: str
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    path = tmp_path / f"{how}.png"
    whole = Path(save(tmp_path / "whole.png")).read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[how])
    with pytest.raises(DataError, match="cannot be decoded") as caught:
        images.read(str(path))
    assert caught.value.file == str(path)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the image is missing"):
        images.read(str(tmp_path / "nowhere.png"))
    with pytest.raises(DataError, match="cannot be decoded"):
        images.read(str(tmp_path))


def test_a_narrow_image_is_refused_under_a_rule(tmp_path: Path) -> None:
    path = save(tmp_path / "narrow.png", size=(2010, 10))
    assert images.read(path).pixels.shape == (10, 2010, 3)
    with pytest.raises(DataError, match=r"narrow\.png: a picture of 2010x10 pixels"):
        images.read(path, FrameRule())


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_MAX_PIXELS", 1000)
    with pytest.raises(DataError, match="too many"):
        images.read(save(tmp_path / "x.png"))
