"""One question about one file: the record it becomes, and the answer drawn where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import write_clip
from numpy.typing import NDArray

from onethinker_eval.answers.values import Answer, SegmentationPrompt, Tube
from onethinker_eval.cli import main
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.harness.example import example
from onethinker_eval.records import Medium
from onethinker_eval.reporting.answer_picture import SPAN, draw_answer, is_drawn
from onethinker_eval.segmentation.drawing import BOX, INSIDE, PREDICTED


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A grey picture of 480 × 240 with a white square from (120, 60) to (240, 180)."""
    from PIL import Image

    pixels = np.full((240, 480, 3), 90, np.uint8)
    pixels[60:180, 120:240] = 250
    Image.fromarray(pixels).save(tmp_path / "square.png")
    return tmp_path / "square.png"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip of 4 s."""
    write_clip(tmp_path / "clip.mp4", 40, size=(64, 96))
    return tmp_path / "clip.mp4"


def answer(value: Any) -> Answer:
    return Answer(value, "strict", (), None, "")


def pixels_of(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def where(pixels: NDArray[np.uint8], colour: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the pixels of a colour."""
    rows, columns = np.nonzero((pixels == np.array(colour)).all(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_a_box_is_drawn_where_it_is(picture: Path, tmp_path: Path) -> None:
    target = draw_answer(
        Medium("image", str(picture)),
        answer((250.0, 250.0, 500.0, 750.0)),
        "spatial grounding",
        tmp_path / "drawn.png",
        text="the white square",
    )
    found = where(pixels_of(target), BOX)
    assert found == pytest.approx((120, 60, 240, 180), abs=2)


def test_masks_and_points_of_a_prompt_are_drawn(picture: Path, tmp_path: Path) -> None:
    from onethinker_eval.segmentation.grabcut import GrabCut

    prompt = SegmentationPrompt((240, 230, 510, 770), ((370, 500),), ((50, 50),), None)
    target = draw_answer(
        Medium("image", str(picture)),
        answer(prompt),
        "segmentation",
        tmp_path / "drawn.png",
        segmenter=GrabCut(),
    )
    pixels = pixels_of(target)
    assert where(pixels, INSIDE)[0] == pytest.approx(177, abs=12)
    filled = np.array([250, 250, 250]) * 0.55 + np.array(PREDICTED) * 0.45
    assert pixels[80, 140] == pytest.approx(filled, abs=2)
    assert pixels[20, 300] == pytest.approx([90] * 3)


def test_a_span_and_boxes_stand_in_their_time(clip: Path, tmp_path: Path) -> None:
    import av

    tube = Tube((1.0, 2.0), {1: (0, 0, 500, 500), 2: (500, 500, 1000, 1000)})
    kind = "spatial-temporal grounding"
    medium = Medium("video", str(clip))
    still = draw_answer(medium, answer(tube), kind, tmp_path / "drawn.png", text="the bars")
    assert where(pixels_of(still), SPAN)
    moving = draw_answer(medium, answer(tube), kind, tmp_path / "drawn.mp4")
    with av.open(str(moving)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 40
    yellow = [
        int((np.abs(frame.astype(int) - np.array(BOX)).sum(axis=2) < 60).sum()) for frame in frames
    ]
    shown = [index for index, count in enumerate(yellow) if count > 200]
    assert shown
    assert min(shown) >= 10
    assert max(shown) <= 20


def test_what_cannot_be_drawn_is_refused(picture: Path, clip: Path, tmp_path: Path) -> None:
    box = answer((0.0, 0.0, 1.0, 1.0))
    for medium, name in ((Medium("image", str(picture)), "a.mp4"), (Medium("video", "x"), "a.gif")):
        with pytest.raises(UsageError, match="is a"):
            draw_answer(medium, box, "spatial grounding", tmp_path / name)
    assert is_drawn("tracking")
    assert not is_drawn("multiple choice")


def test_a_question_becomes_a_sample_like_a_benchmarks(picture: Path, clip: Path) -> None:
    one = example(str(picture), " Which? ", "multiple choice", ["red", "blue"])
    assert one.record.options == ("A. red", "B. blue")
    assert (one.record.question, one.record.data_type) == ("Which?", "image")
    assert (one.task.problem_type, one.task.data_type) == ("multiple choice", "image")
    tracked = example(str(clip), "Where?", "Tracking")
    assert (tracked.task.problem_type, tracked.record.media[0].kind) == ("tracking", "video")
    assert example(str(clip), "How many?", "numerical").task.data_type == "video"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["ask", "{p}", "What?", "--type", "boxes"], "unknown problem type 'boxes'"),
        (["ask", "{p}", "What?", "--type", "multiple choice"], "needs its options"),
        (["ask", "{p}", "What?", "--option", "a"], "only that has any"),
        (["ask", "{p}", " "], "the question is empty"),
        (["ask", "nowhere.png", "What?"], "not found"),
        (["ask", "{p}", "What?", "--output", "a.mp4"], "ends in .png"),
        (["ask", "{p}", "What?", "--output", "{p}"], "is the file that is asked about"),
        (["ask", "{p}", "What?", "--model", "nomodel"], "unknown model 'nomodel'"),
        (["--model", "baseline", "--tasks", "refcoco", "--data", "demo", "--shard", "9/8"],
         "goes from 1 to 8"),
        (["--model", "baseline", "--tasks", "refcoco", "--data", "demo", "--price", "x"],
         "--price"),
        (["--model", "baseline", "--tasks", "refcoco", "--data", "demo", "--plan", "--gpus", "0"],
         "--gpus must be a whole number"),
        (["merge", "nowhere"], "--output not given"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(
    picture: Path, words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([word.replace("{p}", str(picture)) for word in words])
    error = capsys.readouterr().err
    assert code in (1, 2)
    assert problem in error
    assert len(error.splitlines()) == 1


def test_dashes_before_the_options_are_for_the_launcher(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--", "tasks", "--json"]) == 0
    assert capsys.readouterr().out.startswith("[")


def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.mp4"):
        example(str(tmp_path / "gone.mp4"), "What?", "caption")
