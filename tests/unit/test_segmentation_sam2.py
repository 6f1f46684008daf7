"""SAM2 of the real architecture with random weights, at a small image size, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from segmentation_runs import (
    IMAGE_TASK,
    VIDEO_TASK,
    image_record,
    scene,
    task,
    video_record,
    write_replies,
)

pytest.importorskip("sam2")
pytest.importorskip("hydra")

from onethinker_eval.errors import MissingPart, RunError, UsageError
from onethinker_eval.files import read_journal
from onethinker_eval.segmentation.choice import make_segmenter
from onethinker_eval.segmentation.prompts import PixelPrompt
from onethinker_eval.segmentation.sam2_segmenter import Sam2
from onethinker_eval.segmentation.stage import make_masks

PROMPT = PixelPrompt((18, 15, 42, 39), ((30, 27), (25, 20)), ((2, 2),), frame=2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the official ones, with random weights of the smallest architecture."""
    import torch
    from sam2.build_sam import build_sam2

    torch.manual_seed(0)
    model = build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", None, device="cpu")
    path = tmp_path_factory.mktemp("sam2") / "sam2.1_hiera_tiny.pt"
    torch.save({"model": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def sam2(checkpoint: Path) -> Sam2:
    return Sam2.of(str(checkpoint), {"image_size": "128"}, device="cpu")


def frames(count: int) -> np.ndarray:
    return np.stack([scene(left=10 + 4 * number)[0] for number in range(count)])


def by_frame(pairs: Any) -> dict[int, np.ndarray]:
    return dict(pairs)


def same(one: dict[int, np.ndarray], two: dict[int, np.ndarray]) -> bool:
    return set(one) == set(two) and all(np.array_equal(one[n], two[n]) for n in one)


def test_a_video_gets_a_mask_on_every_frame(sam2: Sam2) -> None:
    session = sam2.open(frames(5), video=True)
    found = session.masks(PROMPT, "paper")
    assert [index for index, _ in found] == [2, 3, 4, 1, 0]
    assert all(mask.shape == (60, 80) and mask.dtype == np.bool_ for _, mask in found)


def test_expressions_share_the_encoding_of_a_video(sam2: Sam2) -> None:
    session = sam2.open(frames(4), video=True)
    first = by_frame(session.masks(PROMPT, "paper"))
    assert session.encodings.encoded == 4
    other = PixelPrompt((40, 10, 70, 50), ((50, 20),), (), frame=0)
    session.masks(other, "official")
    again = by_frame(session.masks(PROMPT, "paper"))
    assert session.encodings.encoded == 4
    assert same(first, again)


def test_masks_do_not_depend_on_what_is_kept_or_encoded_together(sam2: Sam2) -> None:
    session = sam2.open(frames(4), video=True)
    expected = by_frame(session.masks(PROMPT, "paper"))
    bare = sam2.open(frames(4), video=True)
    bare.encodings.budget = 0
    for _ in range(2):
        assert same(by_frame(bare.masks(PROMPT, "paper")), expected)
    assert bare.encodings.encoded == 8


def test_the_frames_are_those_of_the_package(sam2: Sam2, tmp_path: Path) -> None:
    """Arrays and a folder of the same pictures, as lossless as a folder can be, agree."""
    import torch
    from PIL import Image
    from sam2.utils.misc import load_video_frames

    for number, frame in enumerate(frames(3)):
        Image.fromarray(frame).save(tmp_path / f"{number:05d}.jpg", "PNG")
    theirs, height, width = load_video_frames(
        str(tmp_path), 128, offload_video_to_cpu=True, compute_device=torch.device("cpu")
    )
    session = sam2.open(frames(3), video=True)
    state = session._model.start(frames(3), session.encodings)
    assert (state["video_height"], state["video_width"]) == (height, width)
    ours = torch.stack([state["images"][number] for number in range(3)])
    assert torch.allclose(ours, theirs, atol=1e-6)
    original = session._model.init_state(str(tmp_path))  # everything it sets is set here too
    assert set(original) == set(state) - {"encodings"}


def test_the_whole_state_gives_the_masks_of_the_package(
    sam2: Sam2, checkpoint: Path, tmp_path: Path
) -> None:
    from PIL import Image
    from sam2.build_sam import build_sam2_video_predictor

    for number, frame in enumerate(frames(4)):
        Image.fromarray(frame).save(tmp_path / f"{number:05d}.jpg", "PNG")
    theirs = build_sam2_video_predictor(
        "configs/sam2.1/sam2.1_hiera_t.yaml",
        str(checkpoint),
        device="cpu",
        hydra_overrides_extra=["++model.image_size=128"],
    )
    state = theirs.init_state(str(tmp_path))
    box = np.array(PROMPT.box_px, dtype=np.float32)
    points = np.array([*PROMPT.positive_px, *PROMPT.negative_px], dtype=np.float32)
    theirs.add_new_points_or_box(state, 2, 1, box=box)
    labels = np.array([1, 1, 0], dtype=np.int32)
    theirs.add_new_points_or_box(state, 2, 1, points=points, labels=labels, box=box)
    expected = {}
    for reverse in (False, True):
        for index, _, logits in theirs.propagate_in_video(state, 2, reverse=reverse):
            expected[index] = (logits[0, 0] > 0).numpy()
    session = sam2.open(frames(4), video=True)
    found = by_frame(session.masks(PROMPT, "paper"))
    assert same(found, expected)
    assert any(0 < mask.mean() < 1 for mask in found.values())  # not trivially equal


def test_two_calls_are_not_one(sam2: Sam2) -> None:
    session = sam2.open(frames(1), video=False)
    seen: list[Any] = []
    original = session._model.add_new_points_or_box
    session._model.add_new_points_or_box = lambda *a, **k: seen.append(k) or original(*a, **k)
    try:
        session.masks(PixelPrompt(PROMPT.box_px, PROMPT.positive_px, ()), "paper")
        assert [sorted(call) for call in seen] == [["box"], ["box", "labels", "points"]]
        seen.clear()
        video = sam2.open(frames(3), video=True)
        video.masks(PROMPT, "official")
        assert [sorted(call) for call in seen] == [["box", "labels", "points"]]
        seen.clear()
        video.masks(PixelPrompt(None, PROMPT.positive_px, (), frame=1), "paper")
        assert [call["box"] for call in seen] == [None]
    finally:
        del session._model.add_new_points_or_box


@pytest.mark.slow  # the package compiles its transforms
def test_official_images_go_through_the_image_predictor(sam2: Sam2) -> None:
    session = sam2.open(frames(1), video=False)
    [(index, mask)] = session.masks(PixelPrompt(PROMPT.box_px, PROMPT.positive_px, ()), "official")
    assert (index, mask.shape, mask.dtype) == (0, (60, 80), np.bool_)
    assert session.encodings.encoded == 0
    first = session._image
    session.masks(PixelPrompt((0, 0, 80, 60), (), ()), "official")
    assert session._image is first


@pytest.mark.slow
@pytest.mark.parametrize("box", [(30, 30, 30, 30), (80, 60, 80, 60), (0, 0, 80, 60)])
def test_odd_boxes_give_masks(sam2: Sam2, box: tuple[int, int, int, int]) -> None:
    session = sam2.open(frames(1), video=False)
    for prompting in ("paper", "official"):
        [(_, mask)] = session.masks(PixelPrompt(box, ((80, 60),), ((0, 0),)), prompting)
        assert mask.shape == (60, 80)


def test_out_of_memory_halves_the_batch_and_goes_on(sam2: Sam2) -> None:
    import torch

    session = sam2.open(frames(4), video=True)
    expected = by_frame(session.masks(PROMPT, "paper"))
    session = sam2.open(frames(4), video=True)
    session.encodings.batch = 4
    original, sizes = session._model.forward_image, []

    def scarce(batch: Any) -> Any:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(batch)

    session._model.forward_image = scarce
    try:
        found = by_frame(session.masks(PROMPT, "paper"))
        assert sizes[:3] == [4, 2, 1]
        assert same(found, expected)
        session._model.forward_image = lambda batch: (_ for _ in ()).throw(
            torch.OutOfMemoryError("CUDA out of memory")
        )
        session = sam2.open(frames(2), video=True)
        with pytest.raises(torch.OutOfMemoryError):
            session.masks(PixelPrompt((1, 1, 9, 9), (), ()), "paper")
    finally:
        del session._model.forward_image


def test_holes_are_filled_as_the_kernel_does() -> None:
    import torch

    from onethinker_eval.segmentation.sam2_predictor import fill_holes

    scores = torch.full((1, 1, 20, 20), 2.0)
    scores[0, 0, 3:5, 3:7] = -1.0  # 8 pixels
    scores[0, 0, 10:13, 10:13] = -1.0  # 9 pixels
    found = fill_holes(scores, 8)
    assert (found[0, 0, 3:5, 3:7] == 0.1).all()
    assert (found[0, 0, 10:13, 10:13] == -1.0).all()
    assert (found == scores).sum() == 400 - 8


@pytest.mark.slow  # the package compiles its transforms
def test_a_run_is_segmented_and_resumed(sam2: Sam2, tmp_path: Path) -> None:
    images = write_replies(tmp_path / "r", IMAGE_TASK, [image_record(tmp_path, "a")])
    write_replies(images, VIDEO_TASK, [video_record(tmp_path, "v", frames=3)])
    tasks = [task(IMAGE_TASK), task(VIDEO_TASK)]
    assert make_masks(images, tasks, sam2).made == 2
    assert make_masks(images, tasks, sam2).kept == 2
    line = next(read_journal(images / "masks" / f"{IMAGE_TASK}.jsonl"))[1]
    assert line["label"] == "sam2 (sam2.1_hiera_tiny)"
    assert set(line["by_protocol"]) == {"official", "repaired"}
    with pytest.raises(RunError, match=r"were made by sam2 .* not grabcut"):
        make_masks(images, tasks, make_segmenter("grabcut"))


def test_missing_parts_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    with pytest.raises(MissingPart, match=r"nowhere\.pt is neither a file nor one of facebook/"):
        make_segmenter("sam2:nowhere.pt")
    other = tmp_path / "mine.pt"
    other.write_bytes(checkpoint.read_bytes())
    with pytest.raises(UsageError, match=r"no SAM2 configuration is known for mine\.pt"):
        make_segmenter(f"sam2:{other}")
    with pytest.raises(UsageError, match=r"did you mean sam2\.1_hiera_t"):
        make_segmenter(f"sam2:{other},config=sam2.1_hiera_tt")
    with pytest.raises(UsageError, match="image_size must be"):
        make_segmenter(f"sam2:{checkpoint},image_size=100")
    with pytest.raises(UsageError, match="unknown option"):
        make_segmenter(f"sam2:{checkpoint},colour=red")
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download",
        lambda **_: (_ for _ in ()).throw(OSError("no network")),
    )
    with pytest.raises(MissingPart, match=r"hf download facebook/sam2\.1-hiera-large"):
        make_segmenter("sam2")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPart, match=r"pip install .*\[sam2\]"):
        make_segmenter(f"sam2:{checkpoint}")


def test_a_checkpoint_of_another_architecture_is_refused(checkpoint: Path) -> None:
    wrong = Sam2(checkpoint, "sam2.1_hiera_s", device="cpu", image_size=128)
    with pytest.raises(RunError, match=r"could not be loaded as sam2\.1_hiera_s"):
        wrong.open(frames(1), video=False)


def test_a_torn_checkpoint_is_refused(tmp_path: Path) -> None:
    torn = tmp_path / "sam2.1_hiera_tiny.pt"
    torn.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(RunError, match="could not be loaded"):
        Sam2.of(str(torn), {}, device="cpu").open(frames(1), video=False)
