"""The released JSON: every field, every mask form, paths that stay inside, named errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval import benchmarks, readers
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.records import Medium, Record

MC = {
    "problem_id": 7,
    "problem": "<video>\nWhat happens?",
    "data_type": "video",
    "problem_type": "multiple choice",
    "options": ["A. it rains", "B. it snows"],
    "solution": "<answer>B</answer>",
    "path": "./Evaluation/MMVU/x.mp4",
    "original_question_type": "multiple-choice",
    "process": "",
}
RLE = {"size": [2, 3], "counts": "222"}
SEG = {
    "problem_id": "s1",
    "problem": "<video>the dog",
    "data_type": "video",
    "problem_type": "segmentation",
    "solution": "<answer>{}</answer>",
    "path": "Evaluation/mevis/a.mp4",
    "resolution": {"width": 3, "height": 2},
    "fps": 6,
    "segmentation_output": {
        "frames": ["00000", "00005", "00010"],
        "segmentation_rle": {"00000": RLE, "00005": None},
    },
}


def load(tmp_path: Path, task: str, *rows: Any, name: str = "", **options: Any) -> list[Record]:
    (found,) = benchmarks.resolve(task)
    path = name or next(source["path"] for source in found.sources if "path" in source)
    if path.endswith("l"):
        text = "\n".join(json.dumps(row) for row in rows)
    else:
        text = json.dumps(list(rows))
    (tmp_path / path).write_text(text)
    return readers.load(found, tmp_path, **options)


def test_a_multiple_choice_record(tmp_path: Path) -> None:
    (record,) = load(tmp_path, "mmvu", MC)
    assert record == Record(
        id="7",
        problem_type="multiple choice",
        data_type="video",
        question="What happens?",
        media=(Medium("video", str(tmp_path / "Evaluation/MMVU/x.mp4")),),
        truth="<answer>B</answer>",
        options=("A. it rains", "B. it snows"),
        cluster="Evaluation/MMVU/x.mp4",
        meta={"original_question_type": "multiple-choice"},
        origin="eval_mmvu.json: record 1",
    )
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_video_with_an_image(tmp_path: Path) -> None:
    row = {**MC, "data_type": "video-image", "additional_path": "./Evaluation/q.png"}
    (record,) = load(tmp_path, "mmvu", row)
    assert [medium.kind for medium in record.media] == ["video", "image"]
    del row["additional_path"]
    with pytest.raises(DataError, match=r"record 1, field 'additional_path'"):
        load(tmp_path, "mmvu", row)


def test_masks_of_a_video(tmp_path: Path) -> None:
    (record,) = load(tmp_path, "mevis", SEG)
    assert record.meta["segmentation"] == {
        "frames": ["00000", "00005", "00010"],
        "rle": {"00000": RLE, "00005": None, "00010": None},
    }
    assert (record.meta["width"], record.meta["height"], record.meta["fps"]) == (3, 2, 6.0)


@pytest.mark.parametrize(
    ("output", "counts"),
    [
        ({"segmentation_rle": {"size": [2, 3], "counts": "222"}}, "222"),
        ({"segmentation_rle": {"size": [2, 3], "counts": [2, 2, 2]}}, "222"),
        ({"segmentation_rle": {"size": [2, 3]}}, "6"),
        ({"segmentation_rle": {"counts": [0, 6]}}, "06"),
        ({"segmentation_polygon": [[0, 0, 3, 0, 3, 2, 0, 2]]}, "06"),
        (json.dumps({"segmentation_rle": {"size": [2, 3], "counts": [6]}}), "6"),
    ],
)
def test_the_mask_forms_in_use(tmp_path: Path, output: Any, counts: str) -> None:
    row = {**SEG, "data_type": "image", "segmentation_output": output}
    (record,) = load(tmp_path, "refcoco_seg", row)
    mask = {"size": [2, 3], "counts": counts}
    assert record.meta["segmentation"] == {"frames": ["0"], "rle": {"0": mask}}


@pytest.mark.parametrize(
    "path", ["../x.png", "a/../../x.png", "/etc/passwd", "", None, 5, "a\0b", "..\\x.png"]
)
def test_paths_stay_under_the_data_root(tmp_path: Path, path: Any) -> None:
    with pytest.raises(DataError, match=r"eval_mmvu\.json, record 1, field 'path'"):
        load(tmp_path, "mmvu", {**MC, "path": path})


def test_absolute_paths_can_be_allowed(tmp_path: Path) -> None:
    row = {**MC, "path": "/somewhere/x.mp4"}
    (record,) = load(tmp_path, "mmvu", row, allow_absolute=True)
    assert record.media[0].path == "/somewhere/x.mp4"
    (record,) = load(tmp_path, "mmvu", {**MC, "path": str(tmp_path / "x.mp4")})
    assert record.media[0].path == str(tmp_path / "x.mp4")


def test_the_root_may_be_the_evaluation_folder_itself(tmp_path: Path) -> None:
    folder = tmp_path / "Evaluation"
    folder.mkdir()
    (record,) = load(folder, "mmvu", MC)
    assert record.media[0].path == str(folder / "MMVU" / "x.mp4")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": None}, "field 'problem'"),
        ({"problem": "  "}, "field 'problem'"),
        ({"solution": None}, "field 'solution'"),
        ({"solution": True}, "field 'solution'"),
        ({"data_type": "audio"}, "unknown data type 'audio'"),
        ({"options": "A"}, "field 'options'"),
        ({"options": ["x"] * 27}, "27 options"),
        ({"problem_type": ["x"]}, "field 'problem_type'"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, "mmvu", MC, {**MC, **change})
    assert "record 2" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps": None}, "field 'fps'"),
        ({"segmentation_output": None}, "segmentation_output"),
        ({"segmentation_output": "{"}, "broken JSON"),
        ({"segmentation_output": {"frames": [], "segmentation_rle": {}}}, "frames"),
        (
            {"segmentation_output": {"frames": ["0"], "segmentation_rle": {"0": {"size": [2]}}}},
            "frame 0: the mask has no size",
        ),
        (
            {
                "segmentation_output": {
                    "frames": ["0"],
                    "segmentation_rle": {"0": {"size": [2, 3], "counts": [5]}},
                }
            },
            "frame 0: .*6",
        ),
    ],
)
def test_a_bad_mask_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, "mevis", {**SEG, **change})


def test_json_lines_and_wrapped_lists(tmp_path: Path) -> None:
    (task,) = benchmarks.resolve("mmvu")
    path = tmp_path / "eval_mmvu.json"
    path.write_text(json.dumps({"results": [MC, MC]}))
    assert [record.id for record in readers.load(task, tmp_path)] == ["7", "7#2"]
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([MC]).encode())
    assert len(readers.load(task, tmp_path)) == 1
    path.write_text("[{]")
    with pytest.raises(DataError, match="broken JSON"):
        readers.load(task, tmp_path)
    path.write_text("3")
    with pytest.raises(DataError, match="expected a list of records"):
        readers.load(task, tmp_path)
    path.write_text("[]")
    with pytest.raises(DataError, match="no record of mmvu"):
        readers.load(task, tmp_path)


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    assert len(load(tmp_path, "mmvu", MC, MC, 5, limit=2)) == 2
    with pytest.raises(UsageError, match="--limit"):
        load(tmp_path, "mmvu", MC, limit=0)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    (task,) = benchmarks.resolve("charades")
    with pytest.raises(DataError, match=r"eval_charades\.json, Charades-STA/.*data where"):
        readers.load(task, tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        readers.load(task, tmp_path / "nowhere")


def test_the_track_is_told_by_field_or_folder(tmp_path: Path) -> None:
    rows = [
        {**MC, "path": "Evaluation/VideoMMMU/Adaptation/1.mp4"},
        {**MC, "track": "Perception"},
        MC,
    ]
    whole = load(tmp_path, "videommmu", *rows)
    assert [record.meta.get("category") for record in whole] == ["Adaptation", "Perception", None]
    (task,) = benchmarks.resolve("videommmu_adaptation")
    assert [record.id for record in readers.load(task, tmp_path)] == ["7"]
    (task,) = benchmarks.resolve("videommmu_comprehension")
    with pytest.raises(DataError, match="no record of videommmu_comprehension with"):
        readers.load(task, tmp_path)
