"""Official annotation formats, written here as released; unsafe and broken ones refused."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import number_of, picture, write_clip
from PIL import Image

from onethinker_eval import benchmarks, readers
from onethinker_eval.errors import DataError
from onethinker_eval.media import video
from onethinker_eval.metrics import rle
from onethinker_eval.readers.clips import clip_of
from onethinker_eval.readers.refer import load_refs
from onethinker_eval.records import Record


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETHINKER_CACHE", str(tmp_path / "cache"))


def load(task: str, root: Path) -> list[Record]:
    (found,) = benchmarks.resolve(task)
    return readers.load(found, root)


def problems(task: str, root: Path) -> list[str]:
    (found,) = benchmarks.resolve(task)
    return [str(item) for item in readers.iterate(found, root) if isinstance(item, DataError)]


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# Sentences in time.


def test_charades_sta(tmp_path: Path) -> None:
    lines = "3MSZA 24.3 30.4##person turn a light on.\nAB1CD 0.0 6.9##a person is putting a book.\n"
    put(tmp_path / "Charades-STA" / "charades_sta_test.txt", lines)
    videos = tmp_path / "Charades_v1_480"
    videos.mkdir()
    write_clip(videos / "3MSZA.mp4", 4)
    first, second = load("charades", tmp_path)
    assert first.truth == {"time": [24.3, 30.4]}
    assert "person turn a light on." in first.question
    assert first.media[0].path == str(videos / "3MSZA.mp4")
    assert second.media[0].path == str(videos / "AB1CD.mp4")
    assert (first.id, first.cluster) == ("3MSZA-1", "Charades_v1_480/3MSZA.mp4")


def test_broken_lines_of_charades_are_named(tmp_path: Path) -> None:
    lines = "3MSZA 24.3##x\n\n3MSZA a b##x\n../up 1 2##x\n3MSZA 1 2##  \n3MSZA 1 2##good\n"
    put(tmp_path / "charades_sta_test.txt", lines)
    found = problems("charades", tmp_path)
    assert [text.split("record ")[1].split(":")[0].split(",")[0] for text in found] == [
        "1",
        "3",
        "4",
        "5",
    ]
    (task,) = benchmarks.resolve("charades")
    good = [item for item in readers.iterate(task, tmp_path) if isinstance(item, Record)]
    assert [record.id for record in good] == ["3MSZA-6"]


def test_activitynet_captions(tmp_path: Path) -> None:
    content = {
        "v_uqiMw7tQ1Cc": {
            "duration": 55.15,
            "timestamps": [[0.28, 55.15], [13.79, 54.32]],
            "sentences": ["A weight lifter stands.", " He lifts."],
        },
        "v_bad": {"duration": 1, "timestamps": [[0, 1]], "sentences": []},
        "v_worse": {"timestamps": [[0]], "sentences": ["x"]},
    }
    put(tmp_path / "ActivityNet" / "val_2.json", content)
    videos = tmp_path / "ActivityNet" / "videos"
    videos.mkdir()
    (videos / "v_uqiMw7tQ1Cc.mkv").write_bytes(b"x")
    (task,) = benchmarks.resolve("activitynet")
    items = list(readers.iterate(task, tmp_path))
    records = [item for item in items if isinstance(item, Record)]
    assert [record.truth["time"] for record in records] == [[0.28, 55.15], [13.79, 54.32]]
    assert records[0].media[0].path.endswith("v_uqiMw7tQ1Cc.mkv")
    assert records[0].meta == {"duration_s": 55.15}
    assert '"He lifts."' in records[1].question
    texts = [str(item) for item in items if isinstance(item, DataError)]
    assert "1 time spans but 0 sentences" in texts[0]
    assert "record v_worse[0]" in texts[1]


def test_activitynet_rtl(tmp_path: Path) -> None:
    content = [
        {
            "question_id": "q1",
            "vid": "v_abc",
            "duration": 50.0,
            "question": "When is she angriest?",
            "answer": "<20.5> <61.0> She shouts.",
        },
        {"question_id": "q2", "vid": "v_abc", "duration": 50, "question": "?", "answer": "never"},
    ]
    put(tmp_path / "temporal_reasoning" / "annot_val_1_q229.json", content)
    (task,) = benchmarks.resolve("anet_rtl")
    record, error = readers.iterate(task, tmp_path)
    assert isinstance(record, Record)
    assert record.truth == {"time": [20.5, 50.0]}
    assert record.question == "When is she angriest?"
    assert record.id == "q1"
    assert "expected `<start> <end>`" in str(error)


# Referring expressions.


INSTANCES = {
    "images": [{"id": 5, "file_name": "COCO_5.jpg", "width": 200, "height": 100}],
    "annotations": [
        {
            "id": 9,
            "image_id": 5,
            "bbox": [20.0, 10.0, 60.0, 50.0],
            "segmentation": [[20, 10, 80, 10, 80, 60, 20, 60]],
        },
        {
            "id": 10,
            "image_id": 5,
            "bbox": [0, 0, 250, 100],
            "segmentation": {"size": [100, 200], "counts": [0, 100, 19900]},
        },
    ],
}


def ref(number: int, shape: int, split: str, *sentences: str) -> dict[str, Any]:
    return {
        "ref_id": number,
        "ann_id": shape,
        "image_id": 5,
        "split": split,
        "category_id": 1,
        "file_name": "COCO_5_9.jpg",
        "sentences": [
            {"sent": text, "raw": text, "sent_id": number * 10 + place, "tokens": text.split()}
            for place, text in enumerate(sentences)
        ],
    }


REFS = [
    ref(1, 9, "val", "left dog", "the brown dog"),
    ref(2, 10, "val", "everything"),
    ref(3, 9, "testA", "man"),
]


def refer(root: Path, form: str = "p") -> None:
    folder = root / "refcoco"
    put(folder / "instances.json", INSTANCES)
    if form == "p":  # as Python 2 wrote it
        (folder / "refs(unc).p").write_bytes(pickle.dumps(REFS, protocol=0))
    else:
        put(folder / "refs(unc).json", REFS)


@pytest.mark.parametrize("form", ["p", "json"])
def test_boxes_are_one_record_a_sentence(tmp_path: Path, form: str) -> None:
    refer(tmp_path, form)
    records = load("refcoco_val", tmp_path)
    assert [record.id for record in records] == ["sent10", "sent11", "sent20"]
    assert records[0].truth == {"boxes": [100, 100, 400, 600]}
    assert records[2].truth == {"boxes": [0, 0, 1000, 1000]}
    assert records[1].question.endswith("the brown dog")
    assert records[0].media[0].path == str(tmp_path / "train2014" / "COCO_5.jpg")
    assert records[0].cluster == "COCO_5.jpg"
    assert [record.id for record in load("refcoco_testA", tmp_path)] == ["sent30"]


def test_masks_are_one_record_an_object(tmp_path: Path) -> None:
    refer(tmp_path)
    first, second = load("refcoco_seg", tmp_path)
    assert first.question.endswith("left dog")
    masks = [record.meta["segmentation"]["rle"]["0"] for record in (first, second)]
    assert rle.read(masks[0]).area == 60 * 50
    assert rle.read(masks[1]).area == 100
    assert first.truth is None


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "refs(unc).p"
    path.write_bytes(pickle.dumps([Evil(marker)]))
    with pytest.raises(DataError, match=r"refused: the file asks for pathlib"):
        load_refs(path)
    assert not marker.exists()
    for content in (b"", b"\x80", pickle.dumps(3), pickle.dumps([3]), b"cos\nsystem\n."):
        path.write_bytes(content)
        with pytest.raises(DataError):
            load_refs(path)


def test_persistent_references_of_a_pickle_are_refused(tmp_path: Path) -> None:
    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return "x" if isinstance(value, int) else None

    stream = io.BytesIO()
    Pickler(stream).dump([{"a": 1}])
    (tmp_path / "refs(unc).p").write_bytes(stream.getvalue())
    with pytest.raises(DataError, match="outside itself"):
        load_refs(tmp_path / "refs(unc).p")


def test_references_to_nothing_are_named(tmp_path: Path) -> None:
    refer(tmp_path)
    bad = [*REFS, ref(4, 77, "val", "ghost")]
    (tmp_path / "refcoco" / "refs(unc).p").write_bytes(pickle.dumps(bad, protocol=2))
    assert ["77" in text for text in problems("refcoco_val", tmp_path)] == [True]


# Folders of frames.


def frames(folder: Path, count: int, size: tuple[int, int] = (48, 64), digits: int = 8) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        image = Image.fromarray(picture(number, *size))
        image.save(folder / f"{number:0{digits}d}.jpg", quality=95)


def got10k(root: Path, count: int = 35) -> Path:
    folder = root / "GOT-10k" / "val" / "GOT-10k_Val_000001"
    frames(folder, count)
    boxes = "".join(f"{4 + number * 0.1:.1f},6,16,12\n" for number in range(count))
    put(folder / "groundtruth.txt", boxes)
    put(folder / "absence.label", "".join(f"{int(number == 20)}\n" for number in range(count)))
    put(root / "GOT-10k" / "val" / "list.txt", "GOT-10k_Val_000001\n")
    return folder


def test_got10k(tmp_path: Path) -> None:
    got10k(tmp_path)
    (record,) = load("got10k", tmp_path)
    # frames 0, 10, 20, 30; in the third the target is out of sight
    assert sorted(record.truth["boxes"]) == ["1", "2", "4"]
    assert record.truth["boxes"]["1"] == [62, 125, 312, 375]
    assert "[62, 125, 312, 375]" in record.question
    info = video.probe(record.media[0].path)
    assert (info.n_frames, info.fps, info.width, info.height) == (4, 1.0, 64, 48)
    shown = video.read_indices(record.media[0].path, range(4)).frames
    assert [number_of(frame) for frame in shown] == [0, 10, 20, 30]
    assert record.meta["duration_s"] == 4.0


def test_got10k_defects_are_named(tmp_path: Path) -> None:
    folder = got10k(tmp_path)
    put(folder / "groundtruth.txt", "1,2,3\n")
    assert "expected four numbers" in problems("got10k", tmp_path)[0]
    put(folder / "groundtruth.txt", "1,2,3,4\n")
    assert "35 frames but 1 boxes" in problems("got10k", tmp_path)[0]
    put(tmp_path / "GOT-10k" / "val" / "list.txt", "../../../etc\n")
    assert "leaves the data root" in problems("got10k", tmp_path)[0]


def test_a_clip_is_made_once_and_anew_when_a_frame_changes(tmp_path: Path) -> None:
    frames(tmp_path / "f", 5, (49, 65))
    files = sorted((tmp_path / "f").glob("*.jpg"))
    first = clip_of(files, 6)
    made = Path(first).stat().st_mtime_ns
    assert clip_of(files, 6) == first
    assert Path(first).stat().st_mtime_ns == made
    assert clip_of(files, 5) != first
    info = video.probe(first)
    assert (info.width, info.height, info.n_frames, info.fps) == (64, 48, 5, 6.0)
    Image.fromarray(picture(9, 49, 65)).save(files[2], quality=90)
    assert clip_of(files, 6) != first
    Image.fromarray(picture(9, 20, 20)).save(files[2])
    with pytest.raises(DataError, match=r"00000002\.jpg: the frame is 20x20"):
        clip_of(files, 6)
    with pytest.raises(DataError, match="the frame is missing"):
        clip_of([tmp_path / "nowhere.jpg"], 6)
    assert list((tmp_path / "cache" / "clips").rglob(".*.mp4")) == []


def square(top: int, left: int, side: int = 10) -> np.ndarray[Any, Any]:
    mask = np.zeros((48, 64), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_mevis(tmp_path: Path) -> None:
    root = tmp_path / "MeViS" / "valid_u"
    frames(root / "JPEGImages" / "vid1", 3, digits=5)
    names = [f"{number:05d}" for number in range(3)]
    put(
        root / "meta_expressions.json",
        {
            "videos": {
                "vid1": {
                    "frames": names,
                    "expressions": {
                        "0": {"exp": "the bird", "obj_id": [1], "anno_id": [7]},
                        "1": {"exp": "both birds", "obj_id": [1, 2], "anno_id": [7, "8"]},
                        "2": {"exp": "ghost", "obj_id": [3], "anno_id": [99]},
                    },
                }
            }
        },
    )
    one, two = rle.encode(square(0, 0)), rle.encode(square(5, 5))
    put(root / "mask_dict.json", {"7": [one, None, one], "8": [two, None, None]})
    (task,) = benchmarks.resolve("mevis")
    first, both, error = readers.iterate(task, tmp_path)
    assert isinstance(first, Record)
    assert isinstance(both, Record)
    masks = first.meta["segmentation"]
    assert masks["frames"] == names
    assert [rle.read(masks["rle"][name]).area for name in names] == [100, 0, 100]
    areas = [rle.read(both.meta["segmentation"]["rle"][name]).area for name in names]
    assert areas == [100 + 100 - 25, 0, 100]
    assert (first.meta["fps"], first.meta["objects"], both.meta["objects"]) == (6.0, 1, 2)
    assert first.media == both.media
    assert first.cluster == "vid1"
    assert "mask_dict.json has no 3 masks of 99" in str(error)


def test_mevis_without_masks_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "MeViS" / "valid_u" / "meta_expressions.json", {"videos": {}})
    with pytest.raises(DataError, match="the split `valid` has none"):
        load("mevis", tmp_path)


def test_reasonvos(tmp_path: Path) -> None:
    root = tmp_path / "ReasonVOS"
    frames(root / "JPEGImages" / "clip_1", 3, digits=5)
    drawn = root / "Annotations" / "MOSE_clip_1_2"
    drawn.mkdir(parents=True)
    for number in (0, 2):
        Image.fromarray((square(number, 0) * 255).astype(np.uint8)).save(
            drawn / f"{number:05d}.png"
        )
    put(
        root / "meta_expressions.json",
        {
            "videos": {
                "clip_1": {
                    "source": "MOSE",
                    "expressions": [
                        {"obj_id": "2", "exp_id": "0", "exp_text": "What barks?", "is_sent": True},
                        {"obj_id": "5", "exp_id": "1", "exp_text": "x", "is_sent": False},
                    ],
                }
            }
        },
    )
    (task,) = benchmarks.resolve("reasonvos")
    record, error = readers.iterate(task, tmp_path)
    assert isinstance(record, Record)
    assert record.meta["segmentation"]["frames"] == ["00000", "00002"]
    assert video.probe(record.media[0].path).n_frames == 2
    assert record.question.endswith("What barks?")
    assert (record.id, record.meta["category"]) == ("MOSE_clip_1_2-0", "MOSE")
    assert "no masks in" in str(error)


# Tubes.


def test_st_align_boxes_by_frame_become_boxes_by_second(tmp_path: Path) -> None:
    videos = tmp_path / "ST-Align-Benchmark" / "videos"
    videos.mkdir(parents=True)
    write_clip(videos / "a.mp4", 50, size=(50, 100), fps=10)
    boxes = {str(frame): [frame, 0, 20, 25] for frame in range(12, 41)}
    item = {
        "video_path": "a.mp4",
        "meta": {
            "width": 100,
            "height": 50,
            "split": [0, 49],
            "time_token": {"<s>": 12, "<e>": 40},
            "spatial_token": {"<bboxes>": boxes},
        },
        "conversations": [{"from": "human", "value": "<video>\nWhere is the dog?"}, {}],
    }
    put(tmp_path / "ST-Align-Benchmark" / "stvg.json", [item])
    (record,) = load("stvg", tmp_path)
    assert record.truth == {
        "time": [1.2, 4.0],
        "boxes": {
            "2": [200, 0, 400, 500],
            "3": [300, 0, 500, 500],
            "4": [400, 0, 600, 500],
        },
    }
    assert '"Where is the dog?"' in record.question
    assert record.meta["segment_s"] == [0.0, 4.9]


def test_hc_stvg_counts_frames_from_one(tmp_path: Path) -> None:
    item = {
        "bbox": [[frame, 0, 32, 18] for frame in range(60)],
        "st_time": 8.9,
        "ed_time": 10.9,
        "img_num": 600,
        "caption": "The woman turns.",
        "width": 640,
        "height": 360,
        "st_frame": 268,
    }
    newer = {**item, "English": "She turns.", "img_size": [360, 640]}
    del newer["caption"], newer["width"], newer["height"]
    put(tmp_path / "HC-STVG" / "test.json", {"55_v.mp4": item, "56_v.mp4": newer})
    first, second = load("stvg", tmp_path)
    # second 9 is frame 270, which is box 270 - 267 = 3; second 10 frame 300, box 33
    assert first.truth["boxes"] == {"9": [5, 0, 55, 50], "10": [52, 0, 102, 50]}
    assert second.truth == first.truth
    assert '"She turns."' in second.question
    assert first.meta["fps"] == 30.0


def test_vidstg_takes_boxes_from_vidor(tmp_path: Path) -> None:
    vidor = {
        "video_path": "0001/77.mp4",
        "trajectories": [
            [{"tid": 3, "bbox": {"xmin": frame, "ymin": 0, "xmax": frame + 20, "ymax": 25}}]
            for frame in range(50)
        ],
    }
    put(tmp_path / "vidor" / "annotation" / "validation" / "0001" / "77.json", vidor)
    item = {
        "vid": "77",
        "fps": 10,
        "width": 100,
        "height": 50,
        "used_segment": {"begin_fid": 0, "end_fid": 50},
        "temporal_gt": {"begin_fid": 12, "end_fid": 41},
        "questions": [{"description": "who runs?", "target_id": 3, "type": "subject"}],
        "captions": [
            {"description": "a dog runs", "target_id": 3, "type": "subject"},
            {"description": "a ghost", "target_id": 8, "type": "subject"},
        ],
    }
    put(tmp_path / "VidSTG" / "test_annotations.json", [item, {**item, "vid": "78"}])
    (task,) = benchmarks.resolve("stvg")
    items = list(readers.iterate(task, tmp_path))
    records = [item for item in items if isinstance(item, Record)]
    assert [record.meta["category"] for record in records] == ["questions", "captions"]
    assert records[0].truth["time"] == [1.2, 4.1]
    assert records[0].truth["boxes"]["3"] == [300, 0, 500, 500]
    texts = [str(item) for item in items if isinstance(item, DataError)]
    assert "no box of object 8" in texts[0]
    assert "78.json is missing" in texts[1]


# Video question sets.


def test_video_holmes(tmp_path: Path) -> None:
    row = {
        "video ID": "abc",
        "Question ID": "7",
        "Question Type": "SR",
        "Question": "Who?",
        "Options": {"A": "he", "B": "she", "C": "it"},
        "Answer": "B",
        "Explanation": "Because.",
    }
    bad = {**row, "Question ID": "8", "Answer": "F"}
    put(tmp_path / "Video-Holmes" / "test_Video-Holmes.json", [row, bad])
    videos = tmp_path / "Video-Holmes" / "videos_cropped"
    videos.mkdir()
    (videos / "abc.mp4").write_bytes(b"x")
    (task,) = benchmarks.resolve("videoholmes")
    record, error = readers.iterate(task, tmp_path)
    assert isinstance(record, Record)
    assert (record.id, record.truth) == ("7", "B")
    assert record.options == ("A. he", "B. she", "C. it")
    assert record.meta == {"category": "SR", "explanation": "Because."}
    assert record.media[0].path == str(videos / "abc.mp4")
    assert "none of the options" in str(error)


def test_longvideobench(tmp_path: Path) -> None:
    row = {
        "id": "a_0",
        "video_id": "a",
        "video_path": "a.mp4",
        "question": "Q",
        "candidates": ["x", "y", "z"],
        "correct_choice": 2,
        "duration_group": 60,
        "question_category": "S2E",
        "duration": 55.5,
        "subtitle_path": "a.json",
    }
    put(tmp_path / "lvb_val.json", [row, {**row, "id": "a_1", "correct_choice": None}])
    (task,) = benchmarks.resolve("longvideobench")
    record, error = readers.iterate(task, tmp_path)
    assert isinstance(record, Record)
    assert (record.truth, record.meta["category"], record.meta["duration_s"]) == ("C", "S2E", 55.5)
    assert "this is the test split" in str(error)


def test_longvideo_reason(tmp_path: Path) -> None:
    problem = "What is the goal?\nA. to win\nB. to lose\nC. to draw\nD. to play"
    row = {
        "problem_id": 3,
        "problem": problem,
        "answer": "<answer>B</answer>",
        "videos": "longvila_videos/match.mp4",
        "problem_type": "goal",
    }
    put(tmp_path / "longvideo_reason.json", [row, {**row, "problem": "No choices?"}])
    (task,) = benchmarks.resolve("longvideo_reason")
    record, error = readers.iterate(task, tmp_path)
    assert isinstance(record, Record)
    assert (record.truth, record.question) == ("B", "What is the goal?")
    assert record.options == ("A. to win", "B. to lose", "C. to draw", "D. to play")
    assert record.media[0].path.endswith("match.mp4")
    assert "cannot be told apart" in str(error)


def test_video_mmlu(tmp_path: Path) -> None:
    questions = [{"question": "v?", "answer": "3 m/s"}, {"question": "t?", "answer": "4 s"}]
    cells = [json.dumps(questions).replace('"', '""'), "no list"]
    rows = "index\tvideo\tdiscipline\tquestion\n" + "".join(
        f'{number}\tlesson{number}.mp4\tphysics\t"{cell}"\n' for number, cell in enumerate(cells)
    )
    put(tmp_path / "LMUData" / "Video_MMLU_CAP.tsv", rows)
    (task,) = benchmarks.resolve("videommlu_caption")
    record, error = readers.iterate(task, tmp_path)
    assert isinstance(record, Record)
    assert record.meta == {"category": "physics", "questions": questions}
    assert (record.problem_type, record.truth) == ("caption", "3 m/s 4 s")
    assert "expected a list of questions" in str(error)
