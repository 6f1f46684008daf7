"""Samples: the same for the same number, the evaluation's prompt, and replies that score full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker_eval import demo
from onethinker_eval.answers import wrap
from onethinker_eval.benchmarks import resolve
from onethinker_eval.demo.twins import TWINS, groups
from onethinker_eval.errors import UsageError
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.prompts import load_profile, render, text_of
from onethinker_eval.readers import load
from onethinker_eval.records import Medium, Record
from onethinker_eval.training import samples
from onethinker_eval.training.rewards import reward
from onethinker_eval.training.samples import Clip, DemoScenes, Sample, demo_scenes, row, words

RULE = FrameRule(fps=2.0, max_frames=8)
PROFILE = load_profile()


@pytest.fixture(scope="module")
def sources() -> list[DemoScenes]:
    return demo_scenes([], RULE, size=100)


def test_every_reply_to_learn_earns_the_full_reward(sources: list[DemoScenes]) -> None:
    pytest.importorskip("transformers")
    assert len(sources) == len(TWINS)
    for source in sources:
        for sample in source.samples(5):
            record = sample.record
            made = reward(
                wrap(sample.thinking, sample.answer),
                record.truth,
                record.problem_type,
                data_type=record.data_type,
                options=record.options,
            )
            assert made.accuracy > 0.95, record.id
            assert made.parts["format"] == 1.0, record.id


def _pattern(content: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the kinds of a message's parts (the slots of a clip are one video), and its end."""
    kinds: list[str] = []
    for part in content:
        if "<|vision_start|>" in part.get("text", ""):
            kinds.append("slots")
        elif "<|vision_end|>" in part.get("text", ""):
            kinds[kinds.index("slots") :] = ["video"]
        elif "slots" not in kinds:
            kinds.append(part["type"])
    return (*kinds, content[-1]["text"].split("\n\n")[-1])


@pytest.mark.parametrize(
    "benchmark", ["mmmu", "mmsci_caption", "videommlu_caption", "videommmu", "charades"]
)
def test_what_is_asked_in_training_has_the_form_of_what_is_asked_in_evaluation(
    benchmark: str, tmp_path: Path
) -> None:
    pytest.importorskip("transformers")
    (task, *_) = resolve(benchmark)
    records = load(task, demo.make(tmp_path, benchmarks=[benchmark]))
    asked = {_pattern(render(record, task, PROFILE)[-1]["content"]) for record in records}
    made = demo_scenes([], RULE, size=100, benchmarks=[benchmark])
    learnt = {
        _pattern(row(sample, PROFILE)["prompt"][-1]["content"])
        for source in made
        for item in range(12)
        for sample in source.samples(item)
    }
    assert asked <= learnt


def test_media_stand_in_the_order_of_the_record() -> None:
    pytest.importorskip("transformers")
    picture, frames = np.zeros((64, 64, 3), np.uint8), np.zeros((4, 64, 64, 3), np.uint8)
    media = (Medium("image", "a.png"), Medium("video", "b.mp4"))
    record = Record("1", "open-ended", "video-image", "What is new?", media, "it")
    sample = Sample(record, (picture,), Clip(frames, (0, 1, 2, 3), 2.0), "", "it")
    assert _pattern(row(sample, PROFILE)["prompt"][-1]["content"])[:3] == ("image", "video", "text")


def test_rows_put_the_evaluations_question_and_one_image_part_for_each_medium(
    sources: list[DemoScenes],
) -> None:
    pytest.importorskip("transformers")
    for source in sources:
        sample = source.samples(2)[0]
        made = row(sample, PROFILE)
        parts = made["prompt"][-1]["content"]
        assert words(sample, PROFILE).endswith(parts[-1]["text"])
        assert parts[-1]["text"]
        assert sum(part["type"] == "image" for part in parts) == len(made["images"]) > 0
        assert made["completion"][0]["content"][0]["text"] == wrap(sample.thinking, sample.answer)
        if sample.clip is not None:
            assert len(sample.clip.frames) == len(sample.clip.indices) <= RULE.max_frames
            assert made["images"][0].shape == (2, *sample.clip.frames.shape[1:])


@pytest.mark.parametrize(
    "benchmark",
    ["mathverse", "mathvista", "mmmu", "mmt_bench", "scienceqa", "videommlu_caption", "videommmu"],
)
def test_a_question_reads_in_training_as_its_benchmarks_file_reads(
    benchmark: str, sources: list[DemoScenes]
) -> None:
    """Hints, choices within the question and kinds of answers, for the very scenes of the suite."""
    twins = {twin.label: twin for twin in TWINS}
    asked = {
        words(replace(source._sample(0, 0, ask, [None] * 9), task=None), PROFILE)
        for source in sources
        if twins[source.source.name].benchmarks[0] == benchmark
        for group in groups(twins[source.source.name], 0, "eval", None)
        for ask in group.asks
    }
    (task, *_) = resolve(benchmark)
    read = {text_of(record, None, PROFILE) for record in load(task, "demo")}
    assert read
    assert read <= asked


def test_all_versions_of_a_problem_are_learnt() -> None:
    (source,) = demo_scenes([], RULE, size=100, benchmarks=["mathverse"])
    made = [source.samples(item) for item in range(30)]
    assert {len(samples) for samples in made} == {source.source.rows}
    asked = [sample.record.question for samples in made for sample in samples]
    only = sum(question.startswith("Solve the problem in the picture") for question in asked)
    assert 0.1 < only / len(asked) < 0.3  # one of five


def test_a_scene_is_a_function_of_its_number(sources: list[DemoScenes]) -> None:
    again = demo_scenes([], RULE, size=100)
    for mine, theirs in zip(sources[:4], again[:4], strict=True):
        for first, second in zip(mine.samples(7), theirs.samples(7), strict=True):
            assert first.record == second.record
            for left, right in zip(first.images, second.images, strict=True):
                assert np.array_equal(left, right)
        assert mine.samples(7)[0].record != mine.samples(8)[0].record


def test_weights_are_shared_by_the_twins_of_a_family() -> None:
    made = demo_scenes(["tracking", "image_qa"], RULE, size=10, weight=2.0, weights={"image_qa": 3})
    families = {twin.label: twin.family for twin in TWINS}
    for family, expected in (("tracking", 2.0), ("image_qa", 6.0)):
        total = sum(
            source.source.weight for source in made if families[source.source.name] == family
        )
        assert total == pytest.approx(expected)
    with pytest.raises(UsageError, match="did you mean tracking"):
        demo_scenes(["traking"], RULE, size=10)


def test_a_lesson_may_be_of_single_benchmarks() -> None:
    made = demo_scenes(["image_qa"], RULE, size=10, benchmarks=["ai2d", "scienceqa"])
    assert {source.source.name.split("/")[0] for source in made} == {"ai2d", "scienceqa"}
    assert sum(source.source.weight for source in made) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="did you mean ai2d"):
        demo_scenes(["image_qa"], RULE, size=10, benchmarks=["ai2"])
    with pytest.raises(UsageError, match="unknown benchmark 'charades'"):
        demo_scenes(["image_qa"], RULE, size=10, benchmarks=["charades"])


def test_questions_may_be_about_some_words_only() -> None:
    (rare,) = demo_scenes(
        ["temporal_grounding"], RULE, size=9, benchmarks=["anet_rtl"], asks=2, about=["unlike"]
    )
    asked = [sample.record.question for item in range(6) for sample in rare.samples(item)]
    assert len(asked) >= 6
    assert all("unlike" in question for question in asked)
    with pytest.raises(UsageError, match="none had a question about zebras"):
        demo_scenes(["temporal_grounding"], RULE, size=9, benchmarks=["charades"], about=["zebras"])


def test_a_share_of_the_replies_is_brief_and_all_else_stays() -> None:
    full, half = (
        demo_scenes(["spatial_grounding"], RULE, size=99, benchmarks=["refcoco"], brief=share)[0]
        for share in (0.0, 0.5)
    )
    pairs = [
        (long, short)
        for item in range(40)
        for long, short in zip(full.samples(item), half.samples(item), strict=True)
    ]
    brief = [short for long, short in pairs if short.thinking != long.thinking]
    assert 0.3 < len(brief) / len(pairs) < 0.7
    assert {short.thinking for short in brief} == {"I answer at once."}
    assert all(long.record == short.record and long.answer == short.answer for long, short in pairs)
    with pytest.raises(UsageError, match="brief is 2"):
        demo_scenes(["spatial_grounding"], RULE, size=9, brief=2.0)


def test_no_scene_shows_what_the_evaluation_shows() -> None:
    """Circles with a radius and cards with two numbers are few: by chance some would come again."""
    rule = FrameRule(fps=2.0, max_frames=4)
    families = ("image_qa", "video_qa")
    evaluated = {
        pixels_of(samples._pixels(picture, rule))
        for twin in TWINS
        if twin.family in families
        for group in groups(twin, 0, "eval", None)
        for picture in (group.picture, *group.more)
    }
    few = [made for made in demo_scenes(families, rule, size=400) if made.source.name in FEW]
    assert len(few) == len(FEW)
    for scenes in few:
        for item in range(80):
            for sample in scenes.samples(item):
                shown = [*sample.images, *([sample.clip] if sample.clip else [])]
                assert evaluated.isdisjoint(map(pixels_of, shown)), (scenes.source.name, item)


FEW = ("mathverse/testmini", "videommmu/test", "videomathqa/test")


def pixels_of(medium: object) -> bytes:
    pixels = medium.frames if isinstance(medium, samples.Clip) else medium
    return np.asarray(pixels).tobytes()
