"""The shipped task files: complete, consistent with the paper, and valid for lmms-eval."""

from __future__ import annotations

from pathlib import Path

import pytest

from onethinker_eval import benchmarks, readers, task_files
from onethinker_eval.benchmarks import Task
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.paths import tasks_dir
from onethinker_eval.prompts import PROFILES, load_profile
from onethinker_eval.scoring import CHOICE_RULES
from onethinker_eval.scoring.definitions import definitions

TASKS = list(benchmarks.catalogue().tasks.values())
WHOLE = [task for task in TASKS if not task.part_of]
FILES = sorted(path for path in tasks_dir().rglob("*.yaml") if "_prompts" not in path.parts)

PUBLISHED = {  # OneThinker-8B, Qwen3-VL-8B; the paper's tables 1 to 8
    "mmmu": (70.6, 60.2),
    "mathvista": (77.6, 74.2),
    "mathverse": (64.3, 58.1),
    "mmbench": (86.6, 85.1),
    "mmstar": (70.6, 68.5),
    "scienceqa": (96.5, 92.0),
    "ai2d": (85.2, 82.3),
    "mmt_bench": (67.8, 64.1),
    "videommmu": (66.2, 63.3),
    "mmvu": (70.5, 65.6),
    "videomme": (66.5, 64.0),
    "videoholmes": (48.7, 40.9),
    "longvideobench": (61.7, 61.5),
    "longvideo_reason": (79.2, 71.5),
    "videomathqa": (35.0, 24.3),
    "mmsci_caption": (25.7, 15.1),
    "mmt_caption": (57.9, 47.3),
    "videommlu_caption": (28.0, 20.0),
    "charades": (59.9, 36.7),
    "activitynet": (45.9, 29.1),
    "anet_rtl": (43.2, 26.6),
    "refcoco_testA": (93.7, 92.2),
    "refcoco_testB": (88.9, 85.3),
    "refcoco_val": (92.0, 89.9),
    "refcocop_testA": (91.4, 89.6),
    "refcocop_testB": (82.7, 77.8),
    "refcocop_val": (87.0, 84.5),
    "refcocog_test": (88.8, 86.7),
    "refcocog_val": (89.2, 86.8),
    "stvg": (36.7, 13.6),
    "got10k": (73.0, 33.7),
    "refcoco_seg": (75.8, 73.2),
    "refcocop_seg": (67.1, 66.2),
    "refcocog_seg": (70.8, 68.3),
    "mevis": (52.7, 22.9),
    "reasonvos": (54.9, 19.6),
}


def ids(task: Task) -> str:
    return task.name


def test_published_values_are_the_papers() -> None:
    models = ("OneThinker-8B", "Qwen3-VL-8B")
    found = {task.name: tuple(task.published.get(model) for model in models) for task in WHOLE}
    assert found == PUBLISHED


def test_means_of_the_papers_ablation_are_reproduced() -> None:
    def mean(family: str, model: str = "OneThinker-8B") -> float:
        values = [task.published[model] for task in WHOLE if task.family == family]
        return sum(values) / len(values)

    assert mean("image_qa") == pytest.approx(77.4, abs=0.06)
    assert mean("video_qa") == pytest.approx(61.1, abs=0.06)
    assert mean("spatial_grounding") == pytest.approx(89.2, abs=0.06)
    assert mean("temporal_grounding") == pytest.approx(49.7, abs=0.06)
    segmented = (3 * mean("image_segmentation") + 2 * mean("video_segmentation")) / 5
    assert segmented == pytest.approx(64.2, abs=0.07)


@pytest.mark.parametrize("task", TASKS, ids=ids)
def test_a_task_file_says_everything(task: Task) -> None:
    assert task.id == f"{benchmarks.PREFIX}{task.name}"
    assert Path(task.file).parent.name == task.family
    assert Path(task.file).stem == task.name
    assert task.family in benchmarks.FAMILIES
    assert task.licence
    assert task.homepage.startswith("http")
    assert task.sources
    assert all(source["reader"] in readers.READERS for source in task.sources)
    assert all("path" in source or "id" in source for source in task.sources)
    assert task.generation["max_new_tokens"] == 8192
    assert task.generation["temperature"] == 0
    assert task.generation["until"] == []
    assert not task.choice_rule or task.choice_rule in CHOICE_RULES
    assert (task.expected is None) == (
        task.name in ("activitynet", "mmsci_caption", "mmt_caption", "videommlu_caption")
    )
    if task.expected is None:
        assert any("not documented" in text or "not stated" in text for text in task.caveats) or (
            task.name in ("mmsci_caption", "videommlu_caption")
        )


@pytest.mark.parametrize("task", TASKS, ids=ids)
def test_frames_follow_the_route(task: Task) -> None:
    rule = FrameRule.of(task.frames)
    uniform = task.name in ("videoholmes", "longvideobench", "videommlu_caption")
    assert rule == (FrameRule(rule="uniform") if uniform else FrameRule())


@pytest.mark.parametrize("task", WHOLE, ids=ids)
def test_the_headline_is_a_metric_there_is(task: Task) -> None:
    assert set(task.headline) == {"paper", "official"}
    for protocol, name in task.headline.items():
        known = [
            metric.name
            for metric in definitions(
                task.problem_type, protocol, data_type=task.data_type, span_rule=task.span_rule
            )
        ]
        assert name in (*known, "macro accuracy", "question accuracy"), (protocol, known)


@pytest.mark.parametrize("task", TASKS, ids=ids)
def test_a_task_has_words_to_ask_by(task: Task) -> None:
    for name in PROFILES:
        answers = load_profile(name).answers
        kind = task.prompt or task.problem_type
        assert any(key.startswith(kind) for key in answers), kind


def test_parts_repeat_their_whole() -> None:
    by_id = {task.id: task for task in TASKS}
    parts = [task for task in TASKS if task.part_of]
    assert len(parts) == 8
    for task in parts:
        whole = by_id[task.part_of]
        assert [source.get("path") for source in task.sources] == [
            source.get("path") for source in whole.sources
        ]
        assert task.where
        assert not task.published
    for name in ("mathverse", "videommmu"):
        whole = by_id[f"onethinker_{name}"]
        assert whole.expected == sum(
            task.expected or 0 for task in parts if task.part_of == whole.id
        )


def test_sizes_stated_by_the_sources() -> None:
    sizes = {task.name: task.expected for task in WHOLE}
    assert sizes["refcoco_val"] == 10834
    assert sizes["got10k"] == 180
    assert sum(count or 0 for name, count in sizes.items() if name.startswith("refcoco")) == (
        10834 + 5657 + 5095 + 10758 + 5726 + 4889 + 4896 + 9602 + 3811 + 3805 + 2537
    )


def test_every_family_has_a_group_and_all_has_every_family() -> None:
    groups = {}
    for path in FILES:
        content = task_files.load_yaml(path)
        if "group" in content:
            groups[content["group"]] = content["task"]
    assert groups.pop("onethinker_all") == [f"onethinker_{name}" for name in benchmarks.FAMILIES]
    assert set(groups) == {f"onethinker_{name}" for name in benchmarks.FAMILIES}
    for name, members in groups.items():
        wanted = [task.id for task in WHOLE if f"onethinker_{task.family}" == name]
        assert sorted(members) == sorted(wanted)


def test_no_file_runs_code_of_its_own() -> None:
    allowed = "onethinker_eval.harness.tasks."
    for path in FILES:
        for line in path.read_text().splitlines():
            if "!function" in line:
                assert line.split("!function ")[1].startswith(allowed), path


def test_data_names_match_the_task() -> None:
    for task in TASKS:
        content = task_files.load_yaml(task.file)
        name = content["dataset_kwargs"]["data_files"]["test"]
        assert name == f"onethinker_eval.harness.tasks.data__{task.id}"


@pytest.mark.slow
def test_lmms_eval_indexes_every_task_and_group() -> None:
    from lmms_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(tasks_dir()), include_defaults=False)
    assert set(manager.all_subtasks) >= {task.id for task in TASKS}
    groups = {f"onethinker_{name}" for name in (*benchmarks.FAMILIES, "all")}
    assert set(manager.all_groups) >= groups
