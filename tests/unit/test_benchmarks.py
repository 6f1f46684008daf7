"""The catalogue of tasks: names people type, includes, refused mistakes, speed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from demo_files import NAMES as PAPER

from onethinker_eval import benchmarks, task_files
from onethinker_eval.errors import DataError, UsageError


def names(*words: str) -> list[str]:
    return [task.name for task in benchmarks.resolve(words)]


def test_the_31_benchmarks_stand_in_the_order_of_the_paper() -> None:
    catalogue = benchmarks.catalogue()
    assert list(catalogue.benchmarks) == PAPER
    assert list(catalogue.families()) == list(benchmarks.FAMILIES)
    assert len(benchmarks.FAMILIES) == 10


def test_all_runs_every_benchmark_and_no_partial_view() -> None:
    tasks = benchmarks.resolve("all")
    assert {task.benchmark for task in tasks} == set(PAPER)
    assert not [task.id for task in tasks if task.part_of]
    assert "mathverse_vision_only" not in names("mathverse")
    assert names("mathverse_vision_only") == ["mathverse_vision_only"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("refcoco", ["refcoco_val", "refcoco_testA", "refcoco_testB"]),
        ("RefCOCO+", ["refcocop_val", "refcocop_testA", "refcocop_testB"]),
        ("refcocop", ["refcocop_val", "refcocop_testA", "refcocop_testB"]),
        ("refcoco-plus", ["refcocop_val", "refcocop_testA", "refcocop_testB"]),
        ("refcoco+_seg", ["refcocop_seg"]),
        ("seg_refcocop", ["refcocop_seg"]),
        ("gotk10k", ["got10k"]),
        ("GOT-10k", ["got10k"]),
        ("Charades-STA", ["charades"]),
        ("onethinker_refcoco_testA", ["refcoco_testA"]),
        ("refcoco_testa", ["refcoco_testA"]),
        ("video_segmentation", ["mevis", "reasonvos"]),
        ("onethinker_tracking", ["got10k"]),
        ("refcoco_test?", ["refcoco_testA", "refcoco_testB"]),
        (" mevis , mevis,got10k", ["mevis", "got10k"]),
    ],
)
def test_the_spellings_people_use(word: str, expected: list[str]) -> None:
    assert names(word) == expected


def test_a_typo_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown task 'charade'.*charades") as caught:
        benchmarks.resolve(["refcoco", "charade"])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("words", ["", " , ", []])
def test_no_name_is_a_mistake(words: str | list[str]) -> None:
    with pytest.raises(UsageError, match="no task named"):
        benchmarks.resolve(words)


def test_every_alias_resolves() -> None:
    for alias, name in benchmarks.ALIASES.items():
        assert names(alias) == names(name)


def test_functions_stay_text_and_includes_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("a: 1\nb: !function os.system\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.yaml").write_text("include: ../base.yaml\na: 2\n")
    content = benchmarks.load_yaml(tmp_path / "sub" / "x.yaml")
    assert content == {"a": 2, "b": "os.system"}
    assert isinstance(content["b"], benchmarks.FunctionName)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("include: x.yaml\n", "includes itself"),
        ("include: nowhere.yaml\n", "does not exist"),
        ("a: [1\n", "cannot be read as YAML"),
        ("- 1\n", "expected a mapping"),
        ("a: !!python/object/apply:os.system [true]\n", "cannot be read as YAML"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        benchmarks.load_yaml(tmp_path / "x.yaml")
    assert "x.yaml" in str(caught.value)


def test_folders_of_the_user_add_tasks(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("task: my_task\ndataset_path: json\n")
    found = benchmarks.resolve(["my-task", "mevis"], include_path=[tmp_path])
    assert [task.id for task in found] == ["my_task", "onethinker_mevis"]
    assert found[0].family == "other"
    assert "my_task" not in benchmarks.catalogue().tasks


def test_a_task_id_used_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "again.yaml").write_text("task: onethinker_mevis\n")
    with pytest.raises(DataError, match=r"already used by .*mevis\.yaml"):
        benchmarks.catalogue([tmp_path])


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        benchmarks.catalogue([tmp_path / "nowhere"])


def test_all_files_are_read_in_a_moment() -> None:
    best = float("inf")
    for _ in range(3):
        benchmarks._catalogue.cache_clear()
        task_files._parse.cache_clear()
        start = time.process_time()
        benchmarks.catalogue()
        best = min(best, time.process_time() - start)
    assert best < 0.150
