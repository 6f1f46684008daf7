"""Untrusted data: whatever a file holds, a reader gives records or named errors, nothing else."""

from __future__ import annotations

import copy
import csv
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onethinker_eval import benchmarks, readers
from onethinker_eval.errors import DataError
from onethinker_eval.prompts import load_profile, render, text_of
from onethinker_eval.readers.findings import record_findings, span_findings
from onethinker_eval.readers.masks import normalise, union
from onethinker_eval.records import Record

QUIET = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXTS = st.sampled_from(
    ["", " ", "A", "../../x", "/etc/passwd", "\0", "<answer>", "nan", "1e400", "{", "[[", "x" * 99]
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        TEXTS,
        st.text(max_size=6),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value."""
    found = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += places(item, (*path, index))
    return found


@st.composite
def spoiled(draw: st.DrawFn, sound: Any) -> Any:
    """Return `sound` with up to three of its values replaced or removed."""
    value = copy.deepcopy(sound)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(value)))
        if not path:
            return draw(VALUES)
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        if isinstance(holder, dict) and draw(st.booleans()):
            del holder[path[-1]]
        else:
            holder[path[-1]] = draw(VALUES)
    return value


RLE = {"size": [2, 3], "counts": "222"}
RELEASED = [
    {
        "problem_id": 1,
        "problem": "<video>Which?",
        "data_type": "video",
        "problem_type": "multiple choice",
        "options": ["A. a", "B. b"],
        "solution": "<answer>A</answer>",
        "path": "a/b.mp4",
        "fps": 2,
        "duration": 3.5,
        "resolution": {"width": 3, "height": 2},
    },
    {
        "problem_id": "s",
        "problem": "the dog",
        "data_type": "video",
        "problem_type": "segmentation",
        "solution": "<answer>{}</answer>",
        "path": "a.mp4",
        "fps": 6,
        "resolution": {"width": 3, "height": 2},
        "segmentation_output": {
            "frames": ["0", "1"],
            "segmentation_rle": {"0": RLE, "1": {"size": [2, 3], "counts": [1, 5]}},
            "segmentation_polygon": {"0": [[0, 0, 2, 0, 2, 2]]},
        },
    },
    {
        "problem_id": 3,
        "problem": "when?",
        "data_type": "image",
        "problem_type": "spatial grounding",
        "solution": '<answer>{"boxes": [1, 2, 30, 40]}</answer>',
        "path": "a.png",
    },
]


def check(task_name: str, root: Path) -> None:
    """Read a task and everything downstream of a record; only `DataError` may come."""
    (task,) = benchmarks.resolve(task_name)
    try:
        for item in readers.iterate(task, root):
            if isinstance(item, DataError):
                assert "\n" not in str(item)
                continue
            for medium in item.media:
                assert Path(medium.path).is_absolute()
                assert ".." not in Path(medium.path).parts
            assert Record.from_json(json.loads(json.dumps(item.to_json()))).id == item.id
            text_of(item, task, load_profile())
            render(item, task)
            list(record_findings(task, item))
            list(span_findings(task, item, None))
    except DataError:
        return


@QUIET
@given(spoiled(RELEASED))
def test_released_json(tmp_path: Path, value: Any) -> None:
    (tmp_path / "eval_seg_mevis.json").write_text(json.dumps(value))
    check("mevis", tmp_path)


@QUIET
@given(st.binary(max_size=200))
def test_any_bytes_as_json_and_tables(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "LMUData").mkdir(exist_ok=True)
    (tmp_path / "LMUData" / "MMStar.tsv").write_bytes(content)
    (tmp_path / "eval_mmvu.json").write_bytes(content)
    (tmp_path / "Charades-STA").mkdir(exist_ok=True)
    (tmp_path / "Charades-STA" / "charades_sta_test.txt").write_bytes(content)
    for name in ("mmstar", "mmvu", "charades"):
        check(name, tmp_path)


ROW = {
    "index": "1",
    "question": "Which?",
    "A": "a",
    "B": "b",
    "answer": "A",
    "hint": "",
    "category": "c",
    "l2-category": "l",
    "split": "validation",
    "image": "2",
    "image_path": "x.png",
    "question_type": "multi_choice",
    "answer_type": "text",
    "choices": "['a', 'b']",
    "answer_option": "A",
    "problem_version": "Text Lite",
    "caption": "c",
    "task": "t",
}


@QUIET
@given(st.sampled_from(["mmmu", "mathvista", "mathverse", "mmbench", "mmsci_caption"]), st.data())
def test_tables(tmp_path: Path, name: str, data: st.DataObject) -> None:
    row = data.draw(spoiled(ROW))
    if not isinstance(row, dict) or not row:
        row = {"index": str(row)}
    (task,) = benchmarks.resolve(name)
    path = task.sources[0]["path"]
    target = tmp_path / (path[0] if isinstance(path, list) else path)
    target.parent.mkdir(exist_ok=True)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*row, "extra"], delimiter="\t")
    writer.writeheader()
    writer.writerow({key: str(value).replace("\0", "") for key, value in row.items()})
    target.write_text(stream.getvalue(), encoding="utf-8", errors="replace")
    check(name, tmp_path)


def write(path: str) -> Callable[[Path, Any], None]:
    def put(root: Path, value: Any) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(value))

    return put


OFFICIAL: dict[str, tuple[str, str, Any]] = {
    "activitynet": (
        "activitynet",
        "ActivityNet/val_2.json",
        {"v_a": {"duration": 5, "timestamps": [[0, 1]], "sentences": ["x"]}},
    ),
    "anet_rtl": (
        "anet_rtl",
        "temporal_reasoning/annot_val_1_q229.json",
        [
            {
                "question_id": "q",
                "vid": "v_a",
                "duration": 9,
                "question": "?",
                "answer": "<1> <2> x",
            }
        ],
    ),
    "st_align": (
        "stvg",
        "stvg.json",
        [
            {
                "video_path": "a.mp4",
                "meta": {
                    "width": 100,
                    "height": 50,
                    "fps": 10,
                    "split": [0, 49],
                    "time_token": {"<s>": 12, "<e>": 40},
                    "spatial_token": {"<bboxes>": {"20": [1, 0, 20, 25], "30": [1, 0, 20, 25]}},
                },
                "conversations": [{"value": "where?"}],
            }
        ],
    ),
    "hcstvg": (
        "stvg",
        "HC-STVG/test.json",
        {
            "a.mp4": {
                "bbox": [[0, 0, 5, 5]] * 60,
                "st_time": 0.5,
                "ed_time": 1.9,
                "img_num": 600,
                "caption": "c",
                "width": 640,
                "height": 360,
                "st_frame": 20,
            }
        },
    ),
    "vidstg": (
        "stvg",
        "VidSTG/test_annotations.json",
        [
            {
                "vid": "77",
                "fps": 10,
                "width": 100,
                "height": 50,
                "used_segment": {"begin_fid": 0, "end_fid": 50},
                "temporal_gt": {"begin_fid": 12, "end_fid": 41},
                "questions": [{"description": "who?", "target_id": 3}],
                "captions": [{"description": "a dog", "target_id": 3}],
            }
        ],
    ),
    "mevis": (
        "mevis",
        "MeViS/valid_u/meta_expressions.json",
        {"videos": {"v": {"frames": ["0"], "expressions": {"0": {"exp": "x", "anno_id": [7]}}}}},
    ),
    "reasonvos": (
        "reasonvos",
        "ReasonVOS/meta_expressions.json",
        {
            "videos": {
                "v": {
                    "source": "MOSE",
                    "expressions": [
                        {"obj_id": "1", "exp_id": "0", "exp_text": "x", "is_sent": True}
                    ],
                }
            }
        },
    ),
    "holmes": (
        "videoholmes",
        "test_Video-Holmes.json",
        [
            {
                "video ID": "a",
                "Question ID": "1",
                "Question": "?",
                "Options": {"A": "x", "B": "y"},
                "Answer": "A",
            }
        ],
    ),
    "longvideobench": (
        "longvideobench",
        "lvb_val.json",
        [
            {
                "id": "a",
                "video_path": "a.mp4",
                "question": "?",
                "candidates": ["x", "y"],
                "correct_choice": 1,
                "duration": 3,
            }
        ],
    ),
    "longvideo_reason": (
        "longvideo_reason",
        "longvideo_reason.json",
        [{"problem_id": 1, "problem": "?\nA. x\nB. y", "answer": "A", "videos": "v/a.mp4"}],
    ),
}


VIDOR = {
    "video_path": "0/77.mp4",
    "trajectories": [
        [{"tid": 3, "bbox": {"xmin": 1, "ymin": 0, "xmax": 9, "ymax": 9}}] for _ in range(50)
    ],
}


@pytest.mark.parametrize("name", OFFICIAL)
@QUIET
@given(st.data())
def test_official_annotations(tmp_path: Path, name: str, data: st.DataObject) -> None:
    task, path, sound = OFFICIAL[name]
    write("vidor/annotation/validation/0/77.json")(tmp_path, VIDOR)
    write("MeViS/valid_u/mask_dict.json")(tmp_path, {"7": [RLE]})
    write(path)(tmp_path, data.draw(spoiled(sound)))
    check(task, tmp_path)


@QUIET
@given(spoiled(VIDOR), spoiled({"7": [RLE]}))
def test_annotations_that_others_lean_on(tmp_path: Path, vidor: Any, masks: Any) -> None:
    for name in ("vidstg", "mevis"):
        task, path, sound = OFFICIAL[name]
        root = tmp_path / name
        write("vidor/annotation/validation/0/77.json")(root, vidor)
        write("MeViS/valid_u/mask_dict.json")(root, masks)
        write(path)(root, sound)
        check(task, root)


REFS = [
    {
        "ref_id": 1,
        "ann_id": 9,
        "image_id": 5,
        "split": "val",
        "sentences": [{"sent": "dog", "raw": "dog", "sent_id": 1}],
    }
]
INSTANCES = {
    "images": [{"id": 5, "file_name": "a.jpg", "width": 20, "height": 10}],
    "annotations": [
        {"id": 9, "image_id": 5, "bbox": [1, 1, 5, 5], "segmentation": [[1, 1, 5, 1, 5, 5]]}
    ],
}


@QUIET
@given(spoiled(REFS), spoiled(INSTANCES))
def test_references(tmp_path: Path, refs: Any, instances: Any) -> None:
    folder = tmp_path / "refcoco"
    folder.mkdir(exist_ok=True)
    (folder / "refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    (folder / "instances.json").write_text(json.dumps(instances))
    for name in ("refcoco_val", "refcoco_seg"):
        check(name, tmp_path)


@QUIET
@given(st.binary(max_size=60))
def test_any_bytes_as_a_pickle(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "refcoco"
    folder.mkdir(exist_ok=True)
    (folder / "refs(unc).p").write_bytes(content)
    (folder / "instances.json").write_text(json.dumps(INSTANCES))
    check("refcoco_val", tmp_path)


@QUIET
@given(VALUES, VALUES)
def test_any_value_as_a_mask(first: Any, second: Any) -> None:
    for value in (first, second, {"size": first, "counts": second}):
        try:
            made = normalise(value, size=(2, 3), polygon=second, check=True)
            assert sum(made["size"]) > 0
            union([made, made])
        except ValueError:
            pass
