"""For any seed: expressions name one body, answers follow from the scene, training data holds."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker_eval import demo
from onethinker_eval.demo.asking import Setting, choice
from onethinker_eval.demo.charts import chart, chart_queries
from onethinker_eval.demo.dice import Dice
from onethinker_eval.demo.geometry import VERSIONS, problem
from onethinker_eval.demo.rle import encode
from onethinker_eval.demo.scene import Scene, box_of, to_1000
from onethinker_eval.demo.spatial import grounding, segmentation
from onethinker_eval.demo.temporal import temporal
from onethinker_eval.demo.tracking import tracking
from onethinker_eval.demo.tubes import tubes
from onethinker_eval.demo.twins import TWINS, draw
from onethinker_eval.demo.video_masks import video_segmentation
from onethinker_eval.errors import UsageError

seeds = st.integers(min_value=0, max_value=2**40)
sizes = st.sampled_from([(160, 128), (128, 160), (128, 128), (192, 144)])
few = settings(max_examples=10)
some = settings(max_examples=30)


def centre(scene: Scene, index: int) -> tuple[float, float]:
    box = scene.box(index)
    assert box is not None
    return (box[0] + box[2]) / 2 / scene.width, (box[1] + box[3]) / 2 / scene.height


def looks_fit(scene: Scene, index: int, words: list[str]) -> bool:
    body = scene.bodies[index]
    return all(word in (body.shape, body.colour, body.fill, body.grade, "shape") for word in words)


_SIDES = {
    "on the left": lambda x, y: x < 0.5,
    "on the right": lambda x, y: x > 0.5,
    "at the top": lambda x, y: y < 0.5,
    "at the bottom": lambda x, y: y > 0.5,
    "left": lambda x, y: x < 0.5,
    "right": lambda x, y: x > 0.5,
    "top": lambda x, y: y < 0.5,
    "bottom": lambda x, y: y > 0.5,
}
_MOST = {"leftmost": (0, 1), "rightmost": (0, -1), "topmost": (1, 1), "lowest": (1, -1)}
_BESIDE = {
    "to the left of": (0, -1),
    "to the right of": (0, 1),
    "above": (1, -1),
    "below": (1, 1),
}


def meant(scene: Scene, phrase: str) -> list[int]:
    """Read a phrase plainly, without the generator's margins: the bodies that it fits."""
    every = range(len(scene.bodies))
    for words, (axis, sign) in _BESIDE.items():
        if f" {words} the " in phrase:
            head, anchor = phrase.split(f" {words} the ")
            (other,) = [i for i in every if looks_fit(scene, i, anchor.split())]
            return [
                i
                for i in every
                if i != other
                and looks_fit(scene, i, head.split())
                and (centre(scene, i)[axis] - centre(scene, other)[axis]) * sign > 0
            ]
    first, _, rest = phrase.partition(" ")
    if first in _MOST:
        axis, sign = _MOST[first]
        alike = [i for i in every if looks_fit(scene, i, rest.split())]
        return [min(alike, key=lambda i: centre(scene, i)[axis] * sign)]
    for words, test in _SIDES.items():
        if phrase.endswith(f" {words}") or (first == words and rest):
            head = phrase.removesuffix(f" {words}") if phrase.endswith(words) else rest
            return [
                i for i in every if looks_fit(scene, i, head.split()) and test(*centre(scene, i))
            ]
    return [i for i in every if looks_fit(scene, i, phrase.split())]


@some
@given(seeds, sizes, st.sampled_from([*grounding, *segmentation]), st.integers(2, 5))
def test_each_expression_means_exactly_its_target(
    seed: int, size: tuple[int, int], name: str, crowd: int
) -> None:
    family = {**grounding, **segmentation}[name]
    group = family(Dice(seed), Setting(size=size, objects=(crowd, crowd + 3), asks=4))
    scene = group.picture
    assert isinstance(scene, Scene)
    for ask in group.asks:
        assert meant(scene, ask.facts["phrase"]) == [ask.facts["body"]], ask.facts["phrase"]
        mask = scene.mask(ask.facts["body"])
        box = box_of(mask)
        assert box is not None
        assert json.loads(ask.answer)["boxes"] == to_1000(box, *size)
        assert str(json.loads(ask.answer)["boxes"][2]) in ask.thinking
        if name in segmentation:
            assert ask.facts["segmentation_output"]["segmentation_rle"] == encode(mask)


@few
@given(seeds)
def test_people_only_in_test_a(seed: int) -> None:
    for name, family in grounding.items():
        shapes = {body.shape for body in family(Dice(seed), Setting()).picture.bodies}
        if name.endswith("testA"):
            assert shapes == {"person"}
        elif name.endswith("testB"):
            assert "person" not in shapes


@few
@given(seeds, st.sampled_from(sorted(temporal)))
def test_spans_lie_in_the_clip_and_are_told_in_the_thought(seed: int, name: str) -> None:
    group = temporal[name](Dice(seed), Setting(objects=(2, 4)))
    for ask in group.asks:
        start, end = json.loads(ask.answer)["time"]
        assert 0 <= start < end <= group.picture.duration_s
        assert (start * 2, end * 2) == (int(start * 2), int(end * 2))
        assert f"{start:.1f} s" in ask.thinking
        assert f"{end:.1f} s" in ask.thinking
        scene, index = group.picture, ask.facts["body"]
        before = scene.image(scene.frame_at(start)).astype(int)
        after = scene.image(scene.frame_at(end)).astype(int)
        if ask.facts["kind"] != "visible":
            assert np.abs(before - after).max() > 0
        assert 0 <= index < len(scene.bodies)


@few
@given(seeds)
def test_tubes_cover_each_second_in_which_the_body_is_seen(seed: int) -> None:
    group = tubes(Dice(seed), Setting(objects=(2, 4)))
    scene = group.picture
    for ask in group.asks:
        truth, index = json.loads(ask.answer), ask.facts["body"]
        start, end = truth["time"]
        for second in range(round(scene.duration_s)):
            box = scene.box(index, scene.frame_at(second))
            key = str(second)
            if box is None:
                assert key not in truth["boxes"]
            else:
                assert start <= second <= end
                assert truth["boxes"][key] == to_1000(box, scene.width, scene.height)


@settings(max_examples=6)
@given(seeds)
def test_tracks_start_with_the_box_of_the_question(seed: int) -> None:
    group = tracking(Dice(seed), Setting(objects=(2, 4), asks=2))
    for ask in group.asks:
        boxes = json.loads(ask.answer)["boxes"]
        assert list(boxes) == [str(k) for k in range(1, 33)]
        assert re.search(r"\[.*?\]", ask.question)[0] == str(boxes["1"])
        for key in ("1", "17", "32"):
            box = group.picture.box(ask.facts["body"], group.picture.frame_at(int(key) - 1))
            assert boxes[key] == to_1000(box, group.picture.width, group.picture.height)


@few
@given(seeds, st.sampled_from(sorted(video_segmentation)))
def test_video_masks_are_those_drawn_and_absent_when_nothing_shows(seed: int, name: str) -> None:
    group = video_segmentation[name](Dice(seed), Setting(objects=(2, 4)))
    scene = group.picture
    for ask in group.asks:
        output = ask.facts["segmentation_output"]
        for number, frame in enumerate(output["frames"]):
            mask = scene.mask(ask.facts["body"], number)
            if mask.any():
                assert output["segmentation_rle"][frame] == encode(mask)
            else:
                assert output["segmentation_rle"].get(frame) is None
        truth = json.loads(ask.answer)
        box = scene.box(ask.facts["body"], scene.frame_at(truth["time"]))
        assert truth["boxes"] == to_1000(box, scene.width, scene.height)


@some
@given(seeds)
def test_charts_are_drawn_as_high_as_they_say(seed: int) -> None:
    it = chart(Dice(seed), (160, 128))
    assert len(set(it.values)) == len(it.values)
    if it.kind == "bar":
        floor, top = 128 - 14, 8
        for at, value in enumerate(it.values):
            x = round(18 + (160 - 4 - 18) / len(it.values) * (at + 0.5))
            column = it.figure.pixels[:, x].astype(int)
            filled = np.flatnonzero(column.max(axis=1) - column.min(axis=1) > 60)
            assert abs(filled[0] - (floor - value * (floor - top) / 10)) <= 1
    for query in chart_queries(Dice(seed), it):
        assert query.right not in query.wrong
        assert len(set(query.wrong)) == len(query.wrong) >= 3


@some
@given(seeds)
def test_geometry_answers_follow_from_what_the_text_gives(seed: int) -> None:
    it = problem(Dice(seed), (160, 128))
    numbers = [int(n) for n in re.findall(r"\d+", it.given.replace("is x ", "is 1x "))]
    text, _ = it.version("Text Dominant")
    if "rectangle" in text:
        a, b = numbers
        expected = a * b if "area" in text else 2 * (a + b)
    elif "right triangle" in text:
        expected = numbers[0] * numbers[1] // 2
    elif "circle" in text:
        radius = numbers[0]
        expected = radius**2 if "area" in text else 2 * radius
    elif "angles" in text:
        expected = 180 - sum(numbers)
    else:
        numbers = [int(n) for n in re.findall(r"\d+", it.given.replace("= x", "= 1x"))]
        expected = numbers[0] * numbers[2] + numbers[1]
    assert it.answer == (f"{expected}\\pi" if "circle" in text else str(expected))
    assert it.answer not in it.wrong
    assert len({it.version(name)[0] for name in VERSIONS}) == 5
    with pytest.raises(ValueError, match="unknown version"):
        it.version("Text")


@some
@given(seeds, st.integers(2, 10))
def test_choices_hold_the_right_text_at_the_right_letter(seed: int, count: int) -> None:
    wrong = [f"w{n}" for n in range(9)]
    options, letter = choice(Dice(seed), "right", wrong, count)
    assert len(options) == count
    assert options["ABCDEFGHIJ".index(letter)] == f"{letter}. right"
    with pytest.raises(ValueError, match="repeated"):
        choice(Dice(seed), "right", ["a", "a", "b"], 3)


@settings(max_examples=40)
@given(seeds, st.sampled_from(TWINS), st.integers(0, 20))
def test_every_twin_draws_whole_questions_from_any_seed(seed: int, twin, index: int) -> None:
    group = draw(twin, Dice(seed), index, None)
    assert group.asks
    for ask in group.asks:
        assert ask.family == twin.family or twin.label == "mmt_bench/val"
        assert ask.thinking.strip().endswith((".", "!"))
        assert 2 <= len(ask.thinking.split()) <= 480  # all courses, and two limits
        assert "<" not in ask.thinking
        assert "<" not in ask.answer
        for picture in group.shown(ask):
            assert picture.image().shape == (picture.height, picture.width, 3)
        if ask.options:
            texts = ask.option_texts()
            assert len(set(texts)) == len(texts)
            assert ask.answer in "ABCDEFGHIJ"[: len(texts)]
            right = dict(zip("ABCDEFGHIJ", texts, strict=False))[ask.answer]
            assert ask.thinking.endswith(f"{ask.answer}. {right}.")


@few
@given(seeds, st.sampled_from(demo.FAMILIES), st.integers(2, 9), st.integers(0, 3))
def test_training_records_hold_pixels_truth_and_thought(
    seed: int, family: str, low: int, more: int
) -> None:
    objects = (low, min(9, low + more))
    stream = list(demo.training_records(seed, 4, [family], objects=objects, asks=2))
    assert len(stream) == 4
    for record, thinking, answer in stream:
        assert record["truth"] == f"<answer>{answer}</answer>"
        assert thinking
        assert record["meta"]["family"] == family
        for medium in record["media"]:
            if medium["kind"] == "image":
                assert medium["pixels"].dtype == np.uint8
                assert medium["pixels"].ndim == 3
            else:
                seconds = len(medium["frames"]) / medium["fps"]
                assert math.isclose(seconds, record["meta"]["duration_s"])
    again = list(demo.training_records(seed, 4, [family], objects=objects, asks=2))
    for (one, *rest), (other, *same) in zip(stream, again, strict=True):
        assert rest == same
        assert [sorted(m) for m in one.pop("media")] == [sorted(m) for m in other.pop("media")]
        assert one == other


def test_training_records_share_media_take_turns_and_refuse_bad_arguments() -> None:
    stream = list(demo.training_records(1, 24, asks=2))
    families = [record["meta"]["family"] for record, _, _ in stream]
    assert set(families) == set(demo.FAMILIES)
    by_scene: dict[str, list] = {}
    for record, _, _ in stream:
        by_scene.setdefault(record["cluster"], []).append(record["media"][0])
    assert any(len(media) > 1 for media in by_scene.values())
    assert all(medium is media[0] for media in by_scene.values() for medium in media)
    ((record, _, _),) = demo.training_records(1, 1, ["tracking"], fps=2)
    assert (record["media"][0]["fps"], len(record["media"][0]["frames"])) == (2.0, 64)
    assert list(demo.training_records(1, 0)) == []
    for arguments, words in (
        ({"families": ["trackin"]}, "nearest: tracking"),
        ({"objects": (1, 3)}, "2..9"),
        ({"objects": (5, 4)}, "2..9"),
        ({"asks": 0}, "asks of 1"),
        ({"families": ["tracking"], "fps": 3}, "divide"),
    ):
        with pytest.raises(UsageError, match=words):
            list(demo.training_records(1, 2, **arguments))
