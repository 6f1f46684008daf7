"""The scene model: exact masks and boxes, the same pixels every time, media that decode."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from onethinker_eval.demo.asking import Setting
from onethinker_eval.demo.canvas import Canvas
from onethinker_eval.demo.dice import Dice, scene_seed
from onethinker_eval.demo.media import png_bytes, write_mp4
from onethinker_eval.demo.prompting import prompts
from onethinker_eval.demo.rle import encode
from onethinker_eval.demo.scene import Body, Key, Scene, box_of, still, to_1000
from onethinker_eval.demo.shapes import COLOURS, GROUNDS, PERSON, SHAPES, ground, shape_mask
from onethinker_eval.demo.stage import still_scene


@pytest.mark.parametrize("shape", [*SHAPES, PERSON])
@pytest.mark.parametrize("size", [4, 21, 22, 48, 97])
def test_a_shape_fills_its_box_and_is_one_piece(shape: str, size: int) -> None:
    from scipy.ndimage import label

    mask = shape_mask(shape, size)
    assert box_of(mask) == (0, 0, mask.shape[1], mask.shape[0])
    assert max(mask.shape) in (size, size - 1, size - 2)
    if size >= 21:
        assert label(mask, structure=np.ones((3, 3)))[1] == 1


def test_shapes_differ_from_each_other_clearly() -> None:
    masks = {shape: np.zeros((40, 40), bool) for shape in SHAPES}
    for shape, board in masks.items():
        mask = shape_mask(shape, 40)
        board[: mask.shape[0], : mask.shape[1]] = mask
    for one in SHAPES:
        for other in SHAPES:
            if one < other:
                union = (masks[one] | masks[other]).sum()
                assert (masks[one] & masks[other]).sum() / union < 0.9, (one, other)


def test_colours_are_far_from_each_other_and_from_every_ground() -> None:
    values = {name: np.array(value, float) for name, value in COLOURS.items()}
    for one, a in values.items():
        for other, b in values.items():
            assert one == other or np.abs(a - b).max() >= 60, (one, other)
    for kind in GROUNDS:
        for seed in range(20):
            pixels = ground(kind, 64, 48, seed).reshape(-1, 3).astype(float)
            for name, value in values.items():
                assert np.abs(pixels - value).max(axis=1).min() >= 40, (kind, seed, name)


def test_drawing_does_not_change_the_shared_ground() -> None:
    before = ground("tiled", 160, 128, 5).copy()
    scene = Scene(
        160, 128, 0, 1, "tiled", 5, (Body("star", "red", "plain", "large", still(80, 60, 40)),)
    )
    first, second = scene.image(), scene.image()
    first[:] = 0
    assert np.array_equal(ground("tiled", 160, 128, 5), before)
    assert np.array_equal(scene.image(), second)
    with pytest.raises(ValueError, match="read-only"):
        ground("tiled", 160, 128, 5)[0, 0] = 0


def test_bodies_in_front_hide_those_behind_and_boxes_follow_what_shows() -> None:
    back = Body("square", "red", "plain", "large", still(50, 50, 40))
    front = Body("square", "blue", "plain", "large", still(70, 50, 40))
    scene = Scene(160, 128, 0, 1, "plain", 1, (back, front))
    assert scene.box(0) == (30, 30, 50, 70)
    assert scene.box(1) == (50, 30, 90, 70)
    assert not (scene.mask(0) & scene.mask(1)).any()


def test_bodies_leave_the_frame_and_are_cut_at_its_edge() -> None:
    body = Body("square", "red", "plain", "large", (Key(0, 10, 64, 20), Key(4, -30, 64, 20)))
    scene = Scene(160, 128, 4, 17, "plain", 1, (body,))
    assert scene.box(0, 0) == (0, 54, 20, 74)
    assert scene.box(0, 4) == (0, 54, 10, 74)
    assert scene.box(0, 16) is None


def test_a_body_is_shown_from_the_first_to_the_last_moment_of_its_span() -> None:
    body = Body("circle", "red", "plain", "small", still(50, 50, 20), shown_s=((1.5, 3.0),))
    scene = Scene(160, 128, 4, 24, "plain", 1, (body,))
    seen = [scene.time_of(frame) for frame in range(24) if scene.mask(0, frame).any()]
    assert (seen[0], seen[-1], len(seen)) == (1.5, 3.0, 7)


def test_a_recoloured_body_changes_at_its_time() -> None:
    body = Body("circle", "red", "plain", "small", still(50, 50, 20), recolour=(2.0, "blue"))
    scene = Scene(160, 128, 4, 24, "plain", 1, (body,))
    assert tuple(scene.image(7)[50, 50]) == COLOURS["red"]
    assert tuple(scene.image(8)[50, 50]) == COLOURS["blue"]


@pytest.mark.parametrize("fill", ["plain", "striped"])
def test_a_still_scene_shows_each_body_in_its_colour(fill: str) -> None:
    body = Body("star", "green", fill, "large", still(80, 64, 48))
    scene = Scene(160, 128, 0, 1, "checked", 3, (body,))
    mask = scene.mask(0)
    changed = (scene.image() != ground("checked", 160, 128, 3)).any(axis=2)
    assert np.array_equal(changed, mask)


def test_png_files_hold_the_exact_pixels_with_and_without_a_palette() -> None:
    noisy = np.random.RandomState(0).randint(0, 256, (64, 96, 3)).astype(np.uint8)
    for pixels in (still_scene(Dice(3), Setting()).image(), noisy):
        image = Image.open(io.BytesIO(png_bytes(pixels))).convert("RGB")
        assert np.array_equal(np.asarray(image), pixels)


def test_clips_decode_alike_with_pyav_and_decord_and_bear_no_date(tmp_path) -> None:
    av = pytest.importorskip("av")
    body = Body("heart", "purple", "plain", "large", (Key(0, 30, 30, 40), Key(5, 120, 90, 40)))
    scene = Scene(160, 128, 4, 24, "wavy", 3, (body,))
    path = tmp_path / "clip.mp4"
    write_mp4(path, scene.frames(), 4)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 4.0)
        assert "creation_time" not in container.metadata | stream.metadata
        frames = list(container.decode(stream))
    assert [float(f.time) for f in frames] == [at / 4 for at in range(24)]
    for at, frame in enumerate(frames):
        error = np.abs(frame.to_ndarray(format="rgb24").astype(int) - scene.image(at))
        assert error.mean() < 4
    decord = pytest.importorskip("decord")
    reader = decord.VideoReader(str(path))
    assert (len(reader), reader.get_avg_fps()) == (24, 4.0)
    error = np.abs(reader[17].asnumpy().astype(int) - scene.image(17))
    assert error.mean() < 4


def test_an_empty_clip_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        write_mp4(tmp_path / "x.mp4", iter(()), 4)


@pytest.mark.parametrize("seed", range(30))
def test_run_lengths_are_those_of_pycocotools(seed: int) -> None:
    masks = pytest.importorskip("pycocotools.mask")
    source = np.random.RandomState(seed)
    shape = (source.randint(1, 60), source.randint(1, 60))
    mask = source.random_sample(shape) < source.random_sample()
    theirs = masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode(mask) == {"size": list(shape), "counts": theirs["counts"].decode()}


@pytest.mark.parametrize("value", [False, True])
def test_run_lengths_of_empty_and_full_masks(value: bool) -> None:
    masks = pytest.importorskip("pycocotools.mask")
    mask = np.full((7, 9), value)
    decoded = masks.decode({**encode(mask), "counts": encode(mask)["counts"].encode()})
    assert np.array_equal(decoded.astype(bool), mask)


@pytest.mark.parametrize("shape", [*SHAPES, PERSON])
@pytest.mark.parametrize("spot", [(24, 24), (80, 64), (140, 110)])
def test_prompt_points_lie_inside_and_outside_the_mask(shape: str, spot: tuple[int, int]) -> None:
    scene = Scene(
        160, 128, 0, 1, "plain", 1, (Body(shape, "red", "plain", "large", still(*spot, 36)),)
    )
    mask = scene.mask(0)
    answer = prompts(mask)
    for name, wanted in (("positive_points", True), ("negative_points", False)):
        assert len(answer[name]) == 3
        for x, y in answer[name]:
            column, row = round(x * 160 / 1000), round(y * 128 / 1000)
            assert bool(mask[min(row, 127), min(column, 159)]) is wanted, (name, x, y)
    with pytest.raises(ValueError, match="empty mask"):
        prompts(np.zeros((8, 8), bool))


def test_boxes_in_thousandths_return_to_the_same_pixels() -> None:
    for box in ((0, 0, 160, 128), (1, 2, 3, 4), (17, 5, 101, 127)):
        x1, y1, x2, y2 = to_1000(box, 160, 128)
        back = tuple(
            round(v * side / 1000)
            for v, side in zip((x1, y1, x2, y2), (160, 128) * 2, strict=False)
        )
        assert back == box


def test_dice_are_fair_enough_repeat_and_fork() -> None:
    dice = Dice(5)
    rolls = [dice.integer(1, 6) for _ in range(6000)]
    assert all(850 < rolls.count(face) < 1150 for face in range(1, 7))
    assert [Dice(5).integer(1, 6) for _ in range(3)] == rolls[:1] * 3
    assert Dice(5).fork("a").uniform(0, 1) != Dice(5).fork("b").uniform(0, 1)
    assert sorted(Dice(1).shuffled(range(20))) == list(range(20))
    with pytest.raises(ValueError, match="empty range"):
        dice.integer(3, 2)
    with pytest.raises(ValueError, match="cannot take 4 of 3"):
        dice.sample("abc", 4)
    with pytest.raises(ValueError, match="split"):
        scene_seed("test", 0)


def test_the_draws_are_the_ones_of_every_python() -> None:
    """Golden values (Python 3.10 to 3.13): a change here changes every scene; it must be meant."""
    assert scene_seed("eval", 0, "refcoco/val", 0) == 1480434777135499768
    dice = Dice(42)
    assert [dice.integer(0, 99) for _ in range(5)] == [63, 2, 27, 22, 73]


def test_letters_are_all_different_and_unknown_ones_are_refused() -> None:
    from onethinker_eval.demo.canvas import _GLYPHS

    assert len(set(_GLYPHS.values())) == len(_GLYPHS)
    canvas = Canvas((60, 20))
    with pytest.raises(ValueError, match="alphabet"):
        canvas.text(30, 10, "§")
    boards = []
    for text in ("AREA", "ARE4"):
        canvas = Canvas((60, 20))
        canvas.text(30, 10, text)
        boards.append(canvas.pixels)
    assert all((a != b).any() for a, b in pairwise(boards))
