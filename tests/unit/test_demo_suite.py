"""The files of the demo suite: names, counts, sizes, and the schema of each benchmark."""

from __future__ import annotations

import ast
import base64
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from demo_files import (
    NAMES,
    RELEASED,
    TABLES,
    answer,
    decoded,
    drawn,
    released,
    rows,
)
from PIL import Image

from onethinker_eval import demo
from onethinker_eval.demo.twins import TWINS

pytest.importorskip("av")


@pytest.fixture(scope="module")
def suite() -> Path:
    """Return the suite in the cache: its folder is named by a hash of the generator's source."""
    return demo.ensure()


def test_all_benchmarks_are_there() -> None:
    assert len(NAMES) == 31
    assert sorted(demo.benchmarks()) == sorted(NAMES)


def test_files_and_sizes(suite: Path) -> None:
    about = json.loads((suite / "manifest.json").read_text())
    assert about["demo"] is True
    expected = {f"eval_{name}.json" for name in RELEASED} | {f"LMUData/{n}.tsv" for n in TABLES}
    expected |= {"Video-Holmes/test_Video-Holmes.json", "LongVideoBench/lvb_val.json"}
    assert set(about["records"]) == expected
    assert all(12 <= count <= 44 for count in about["records"].values()), about["records"]
    assert sum(item["bytes"] for item in about["files"].values()) < 9_000_000
    assert demo.verified(suite)


@pytest.mark.parametrize("name", RELEASED)
def test_released_records_have_the_schema_and_their_media(suite: Path, name: str) -> None:
    records = released(suite, name)
    assert [record["problem_id"] for record in records] == list(range(1, len(records) + 1))
    for record in records:
        kind = record["data_type"]
        assert kind in ("image", "video", "video-image")
        assert record["problem"].startswith("<image>" if kind == "image" else "<video>")
        assert record["path"].startswith("./Evaluation/")
        media = suite / record["path"]
        size = record["resolution"]
        if kind == "image":
            assert Image.open(media).size == (size["width"], size["height"])
        else:
            frames = decoded(str(media))
            assert frames[0].shape == (size["height"], size["width"], 3)
            assert record["fps"] == 4.0
            assert len(frames) == record["duration"] * 4
        if kind == "video-image":
            assert Image.open(suite / record["additional_path"]).size == (
                size["width"],
                size["height"],
            )
        truth = answer(record)
        if record["problem_type"] == "multiple choice":
            letters = [option[0] for option in record["options"]]
            texts = [option[3:] for option in record["options"]]
            assert letters == list("ABCDEFGHIJ")[: len(letters)]
            assert len(set(texts)) == len(texts) >= 4
            assert truth in letters
        else:
            assert record["options"] is None


def test_several_questions_share_a_picture_or_clip(suite: Path) -> None:
    for name in ("refcoco_val", "charades", "seg_mevis", "mmvu", "stvg"):
        records = released(suite, name)
        assert len({record["path"] for record in records}) < len(records)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_have_their_columns(suite: Path, name: str) -> None:
    table = rows(suite, name)
    assert set(TABLES[name].split()) <= set(table[0])
    assert len({row["index"] for row in table}) == len(table)
    for row in table:
        if "image" in row:
            coded = row["image"]
            several = ast.literal_eval(coded) if coded.startswith("[") else [coded]
            for item in several:
                Image.open(io.BytesIO(base64.b64decode(item))).load()
        letters = [letter for letter in "ABCDEFGHI" if row.get(letter)]
        if letters:
            assert row["answer"] in letters
            assert len({row[letter] for letter in letters}) == len(letters) >= 2


def test_mmmu_has_two_splits_open_questions_and_two_pictures(suite: Path) -> None:
    table = rows(suite, "MMMU_DEV_VAL")
    assert Counter(row["split"] for row in table) == {"dev": 4, "validation": 24}
    assert all("<image 1>" in row["question"] for row in table)
    opened = [row for row in table if not row["A"]]
    assert len(opened) >= 5
    assert all(float(row["answer"]) >= 0 for row in opened)
    pairs = [row for row in table if row["image"].startswith("[")]
    assert len(pairs) >= 5
    assert all("<image 2>" in row["question"] for row in pairs)


def test_mmbench_rows_are_full_rotations(suite: Path) -> None:
    groups: dict[int, list[dict[str, str]]] = {}
    for row in rows(suite, "MMBench_DEV_EN"):
        groups.setdefault(int(row["index"]) % 1_000_000, []).append(row)
    for turned in groups.values():
        options = [row[letter] for row in turned[:1] for letter in "ABCD" if row[letter]]
        assert len(turned) == len(options)
        assert len({row[row["answer"]] for row in turned}) == 1
        assert len({row["answer"] for row in turned}) == len(turned)


def test_mathvista_and_mathverse_mix_numbers_and_choices(suite: Path) -> None:
    table = rows(suite, "MathVista_MINI")
    kinds = Counter((row["question_type"], row["answer_type"]) for row in table)
    assert {"multi_choice", "free_form"} == {kind for kind, _ in kinds}
    assert {"integer", "float"} <= {kind for _, kind in kinds}
    for row in table:
        if row["question_type"] == "multi_choice":
            choices = ast.literal_eval(row["choices"])
            assert choices["ABCD".index(row["answer_option"])] == row["answer"]
    versions = Counter(row["problem_version"] for row in rows(suite, "MathVerse_MINIV"))
    assert len(versions) == 5
    assert set(versions.values()) == {8}


def test_mmt_bench_has_captioning_and_the_figure_five_subtasks(suite: Path) -> None:
    table = rows(suite, "MMT-Bench_VAL")
    captions = {r["category"] for r in table if r["l2-category"] == "visual_captioning"}
    assert len(captions) == 3
    assert {
        "point_tracking",
        "image_quality_assessment",
        "gui_general",
        "rotated_object_detection",
    } <= {row["category"] for row in table}


def test_video_sets_have_their_own_forms_and_videos(suite: Path) -> None:
    holmes = json.loads((suite / "Video-Holmes/test_Video-Holmes.json").read_text())
    for record in holmes:
        assert list(record["Options"]) == list("ABCDEF")
        assert record["Answer"] in record["Options"]
        assert (suite / f"Video-Holmes/videos/{record['video ID']}.mp4").is_file()
    assert len({record["Question ID"] for record in holmes}) == len(holmes)
    for record in json.loads((suite / "LongVideoBench/lvb_val.json").read_text()):
        assert len(record["candidates"]) == 5
        assert 0 <= record["correct_choice"] < 5
        assert record["duration_group"] in (15, 60)
        frames = decoded(str(suite / "LongVideoBench/videos" / record["video_path"]))
        assert len(frames) == record["duration"] * 4
    for row in rows(suite, "Video_MMLU_CAP"):
        pairs = ast.literal_eval(row["question"])
        assert len(pairs) == 3
        assert all(set(pair) == {"question", "answer"} for pair in pairs)
        assert (suite / "LMUData/youtube_videos" / row["video"]).is_file()
    tracks = Counter(record["track"] for record in released(suite, "videommmu"))
    assert tracks == {"Perception": 10, "Comprehension": 10, "Adaptation": 10}


def test_right_letters_are_spread(suite: Path) -> None:
    letters = Counter(
        answer(record)
        for name in RELEASED
        for record in released(suite, name)
        if record["problem_type"] == "multiple choice" and len(record["options"]) == 4
    )
    total = sum(letters.values())
    assert set(letters) == set("ABCD")
    assert max(letters.values()) < 0.45 * total


_READ = {
    "mathvista": "mathvista/testmini",
    "mathverse": "mathverse/testmini",
    "mmstar": "mmstar/val",
    "scienceqa": "scienceqa/test_img",
    "ai2d": "ai2d/test",
    "mmt_bench": "mmt_bench/val",
    "mmsci_caption": "mmsci_caption/dev",
    "videommmu": "videommmu/test",
    "mmvu": "mmvu/val",
    "videoholmes": "videoholmes/test",
    "longvideobench": "longvideobench/val",
    "videommlu_caption": "videommlu_caption/cap",
    "got10k": "got10k/val",
    "refcocop_testB": "refcoco+/testB",
    "mevis": "mevis/val",
}


@pytest.mark.parametrize("task", sorted(_READ))
def test_readers_ask_what_training_records_ask(suite: Path, task: str) -> None:
    from onethinker_eval.benchmarks import catalogue
    from onethinker_eval.readers import load

    twin = next(twin for twin in TWINS if twin.label == _READ[task])
    asks = [twin.form(ask) for group in drawn(twin.label) for ask in group.asks]
    (found,) = [item for item in catalogue().tasks.values() if item.name == task]
    records = load(found, suite)
    assert [(r.question, r.problem_type, list(r.options)) for r in records] == [
        (ask.question, ask.problem_type, list(ask.options)) for ask in asks
    ]
