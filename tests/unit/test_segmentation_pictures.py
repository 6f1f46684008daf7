"""Pictures and clips of segmented samples: what is on them, where they go, what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from segmentation_runs import (
    IMAGE_TASK,
    VIDEO_TASK,
    image_record,
    scene,
    task,
    video_record,
    write_replies,
)

from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.rescoring import rescore
from onethinker_eval.segmentation import drawing
from onethinker_eval.segmentation.grabcut import GrabCut
from onethinker_eval.segmentation.pictures import render, worst
from onethinker_eval.segmentation.prompts import PixelPrompt
from onethinker_eval.segmentation.stage import make_masks

FILLED = tuple(
    round(0.55 * a + 0.45 * b) for a, b in zip((200, 30, 30), drawing.PREDICTED, strict=True)
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A segmented run with three images, one of them badly prompted, and a clip."""
    good, reply = image_record(tmp_path, "a")
    odd = image_record(tmp_path, "b")[0], image_record(tmp_path, "c", left=50)[1]
    folder = write_replies(
        tmp_path / "r",
        IMAGE_TASK,
        [(good, reply), odd, (replace(good, id="../../x y"), reply), (replace(good, id="d"), "?")],
    )
    write_replies(folder, VIDEO_TASK, [video_record(tmp_path, "v")])
    make_masks(folder, [task(IMAGE_TASK), task(VIDEO_TASK)], GrabCut())
    rescore(folder, processes=1, replicates=10)
    return folder


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(picture.astype(int) - colour).max(axis=2) < 12).nonzero()


def test_masks_box_and_points_are_where_they_belong() -> None:
    pixels, mask = scene()
    blank = np.zeros_like(mask)
    prompt = PixelPrompt((10, 5, 54, 49), ((32, 27),), ((70, 50),))
    picture = drawing.draw_frame(pixels, predicted=blank, truth=mask, prompt=prompt, text="t")
    scale = 6  # 80 pixels become 480
    assert picture.shape == (60 * scale + 46, 480, 3)
    ys, xs = near(picture[: 60 * scale], drawing.TRUTH)
    assert abs(xs.min() - 20 * scale) <= 3
    assert abs(ys.max() - 39 * scale) <= 3
    ys, xs = near(picture[: 60 * scale], drawing.OUTSIDE)
    assert (ys.mean(), xs.mean()) == pytest.approx((50.5 * scale, 70.5 * scale), abs=3)
    assert not len(near(picture[: 60 * scale], drawing.PREDICTED)[0])
    filled = drawing.draw_frame(pixels, predicted=mask)
    assert len(near(filled[: 60 * scale], drawing.PREDICTED)[0])
    assert np.abs(filled[27 * scale, 32 * scale].astype(int) - FILLED).max() <= 2


def test_points_and_boxes_at_the_edge_do_not_matter() -> None:
    pixels, mask = scene()
    prompt = PixelPrompt((0, 0, 80, 60), ((80, 60),), ((0, 0),))
    assert drawing.draw_frame(pixels, predicted=mask, prompt=prompt).shape[1] == 480


def test_an_image_gets_a_png_and_a_clip_a_video(run: Path, tmp_path: Path) -> None:
    [png] = render(run, IMAGE_TASK, "a", tmp_path / "out")
    assert png.name == "refcoco_seg-a.png"
    picture = np.asarray(Image.open(png))
    assert len(near(picture[:360], FILLED)[0]) > 50 * 36
    still, clip = render(run, VIDEO_TASK, "v", tmp_path / "out")
    assert Image.open(still).size == ((480 + 8) * 3, (360 + 46 + 8) * 2)  # key frame and four more
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert float(stream.average_rate) == 4.0
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 6
    assert not list((tmp_path / "out").glob("*.part*"))


def test_ids_cannot_leave_the_folder(run: Path, tmp_path: Path) -> None:
    [png] = render(run, IMAGE_TASK, "../../x y", tmp_path / "out")
    assert png.parent == tmp_path / "out"
    assert png.name.startswith("refcoco_seg-.._.._x_y-")


def test_the_worst_come_first_and_unparsable_ones_not_at_all(run: Path) -> None:
    assert worst(run, IMAGE_TASK, 10) == ["b", "../../x y", "a"]
    assert worst(run, IMAGE_TASK, 1, "official") == ["b"]


def test_what_cannot_be_drawn_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown sample of onethinker_refcoco_seg 'aa' .*did"):
        render(run, IMAGE_TASK, "aa", tmp_path)
    (run / "masks" / f"{IMAGE_TASK}.jsonl").unlink()
    with pytest.raises(RunError, match=r"a has no masks .*onethinker-eval segment"):
        render(run, IMAGE_TASK, "a", tmp_path)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(RunError, match="cannot write into"):
        render(run, VIDEO_TASK, "v", file)


def test_an_unparsable_reply_is_drawn_without_mask(run: Path, tmp_path: Path) -> None:
    assert render(run, IMAGE_TASK, "d", tmp_path)[0].exists()


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "onethinker_eval", "render", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_prints_the_paths(run: Path) -> None:
    done = command(str(run), "--task", "refcoco_seg", "--worst", "2", "--sample", "a")
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.split("\n")[:2]] == [
        "refcoco_seg-a.png",
        "refcoco_seg-b.png",
    ]
    assert all(Path(line).is_file() for line in done.stdout.split("\n") if line)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "mevis"), "--sample or --worst"),
        (("--task", "mevis", "--worst", "0"), "--worst must be"),
        (("--task", "refcoco", "--worst", "1"), "scored on masks"),
        (("--task", "mevis", "--worst", "1", "--protocol", "x"), "unknown protocol"),
    ],
)
def test_wrong_use_is_one_line(run: Path, words: tuple[str, ...], message: str) -> None:
    done = command(str(run), *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
