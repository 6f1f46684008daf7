"""VLMEvalKit's tables and the hub's columns: schemas as released, defects named."""

from __future__ import annotations

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onethinker_eval import benchmarks, readers
from onethinker_eval.errors import DataError
from onethinker_eval.paths import cache_dir
from onethinker_eval.prompts import load_profile, text_of
from onethinker_eval.readers import hub
from onethinker_eval.records import Record


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONETHINKER_CACHE", str(tmp_path / "cache"))


def picture(seed: int, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind)
    return stream.getvalue()


def encoded(seed: int, kind: str = "PNG") -> str:
    return base64.b64encode(picture(seed, kind)).decode()


def table(tmp_path: Path, task: str, rows: list[dict[str, Any]]) -> list[Record]:
    (found,) = benchmarks.resolve(task)
    source = next(source for source in found.sources if source["reader"] == "vlmeval_tsv")
    path = source["path"][0] if isinstance(source["path"], list) else source["path"]
    target = tmp_path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with target.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return readers.load(found, tmp_path)


STAR = {
    "index": 0,
    "question": "Which colour\nis it?",
    "A": "red",
    "B": "None",
    "C": "green",
    "D": "",
    "answer": "B",
    "category": "perception",
    "l2_category": "colour",
}


def test_a_row_becomes_a_record(tmp_path: Path) -> None:
    (record,) = table(tmp_path, "mmstar", [{**STAR, "image": encoded(1)}])
    assert record.id == "0"
    assert record.question == "Which colour\nis it?"
    assert record.options == ("A. red", "B. None", "C. green")
    assert record.truth == "B"
    assert record.meta == {"category": "perception", "l2_category": "colour"}
    (medium,) = record.media
    assert Path(medium.path).read_bytes() == picture(1)
    assert medium.path.startswith(str(cache_dir() / "media"))
    assert record.cluster == Path(medium.path).name


def test_equal_pictures_are_stored_once(tmp_path: Path) -> None:
    first, second, third = table(
        tmp_path,
        "mmstar",
        [
            {**STAR, "image": encoded(1)},
            {**STAR, "index": 1, "image": encoded(1)},
            {**STAR, "index": 2, "image": encoded(2, "JPEG")},
        ],
    )
    assert first.media == second.media != third.media
    assert third.media[0].path.endswith(".jpg")
    assert len(list((cache_dir() / "media").rglob("*.*"))) == 2


def test_a_picture_may_stand_in_another_row(tmp_path: Path) -> None:
    rows = [
        {**STAR, "index": 7, "image": "8"},
        {**STAR, "index": 8, "image": encoded(3)},
        {**STAR, "index": 9, "image": "8.0"},
    ]
    records = table(tmp_path, "mmstar", rows)
    assert len({record.media for record in records}) == 1
    with pytest.raises(DataError, match="row 55, which should hold the picture, does not"):
        table(tmp_path, "mmstar", [{**STAR, "image": "55"}])


def test_rotations_share_a_group(tmp_path: Path) -> None:
    rows = [
        {**STAR, "index": index, "split": split, "image": encoded(1), "hint": hint}
        for index, split, hint in (
            (241, "dev", "nan"),
            (1_000_241, "dev", ""),
            (2_000_241, "dev", "Look up."),
            (5, "test", ""),
        )
    ]
    records = table(tmp_path, "mmbench", rows)
    assert [record.meta["group"] for record in records] == ["241", "241", "241"]
    assert records[0].question == "Which colour\nis it?"
    assert records[2].question == "Hint: Look up.\nWhich colour\nis it?"


def test_open_questions_and_several_images_of_mmmu(tmp_path: Path) -> None:
    image = str([encoded(1), encoded(2)])
    rows = [
        {
            "index": "validation_Art_1",
            "question": "<image 1> or <image 2>?",
            "A": "<image 1>",
            "B": "<image 2>",
            "answer": "A",
            "split": "validation",
            "image": image,
            "category": "Art",
        },
        {
            "index": "validation_Math_2",
            "question": "How much?",
            "A": "",
            "B": "",
            "answer": "2.5",
            "split": "validation",
            "image": encoded(1),
        },
        {
            "index": "dev_Art_1",
            "question": "?",
            "A": "x",
            "B": "y",
            "answer": "A",
            "split": "dev",
            "image": encoded(1),
        },
    ]
    choice, open_question = table(tmp_path, "mmmu", rows)
    assert len(choice.media) == 2
    assert (open_question.problem_type, open_question.options) == ("multiple choice", ())
    assert open_question.truth == "2.5"


def test_the_answer_types_of_mathvista(tmp_path: Path) -> None:
    base = {"image": encoded(1), "question_type": "free_form", "task": "geometry"}
    rows = [
        {**base, "index": 1, "question": "n?", "answer": "5", "answer_type": "integer"},
        {**base, "index": 2, "question": "n?", "answer": "1.45", "answer_type": "float"},
        {**base, "index": 3, "question": "n?", "answer": "[1, 2]", "answer_type": "list"},
        {
            **base,
            "index": 4,
            "question": "Question: part?\nChoices:\n(A) 3/11\n(B) 8/11",
            "answer": "8/11",
            "answer_option": "B",
            "choices": "['3/11', '8/11']",
            "question_type": "multi_choice",
            "answer_type": "text",
        },
    ]
    integer, real, several, choice = table(tmp_path, "mathvista", rows)
    assert (integer.problem_type, integer.truth) == ("numerical", "5")
    assert (real.problem_type, real.truth) == ("numerical", "1.45")
    assert (several.problem_type, several.truth) == ("math", "[1, 2]")
    assert (choice.truth, choice.options) == ("B", ("A. 3/11", "B. 8/11"))
    text = text_of(choice, None, load_profile("plain"))
    assert text.count("8/11") == 1, "the question spells out its choices already"
    assert integer.meta["category"] == "geometry"


def test_mathverse_has_its_choices_in_the_question(tmp_path: Path) -> None:
    base = {"image": encoded(1), "problem_version": "Text Lite", "question_for_eval": "q"}
    rows = [
        {
            **base,
            "index": 1,
            "question": "Find the angle.\nChoices:\nA:50°\nB:60°\nC:70°",
            "answer": "C",
            "question_type": "multi-choice",
        },
        {**base, "index": 2, "question": "r?", "answer": "x^2", "question_type": "free-form"},
    ]
    choice, free = table(tmp_path, "mathverse", rows)
    assert (choice.truth, choice.options) == ("C", ("A. 50°", "B. 60°", "C. 70°"))
    assert choice.meta["category"] == "Text Lite"
    assert (free.problem_type, free.truth) == ("math", "x^2")


def test_captions_of_mmsci(tmp_path: Path) -> None:
    row = {
        "index": 0,
        "question": "Write the caption.",
        "image": encoded(1),
        "image_id": "a.png",
        "caption": "Growth of three strains.",
        "category": "Biology",
        "subject": "Ecology",
        "abstract": "We grew.",
    }
    (record,) = table(tmp_path, "mmsci_caption", [row])
    assert (record.problem_type, record.truth) == ("caption", "Growth of three strains.")
    assert record.meta == {
        "category": "Biology",
        "subject": "Ecology",
        "image_id": "a.png",
        "abstract": "We grew.",
    }


def test_the_caption_column_of_mmt_bench(tmp_path: Path) -> None:
    base = {**STAR, "image": encoded(1)}
    del base["l2_category"]
    rows = [
        {**base, "index": 1, "category": "image_captioning", "l2-category": "visual_captioning"},
        {**base, "index": 2, "category": "point_tracking", "l2-category": "visual_recognition"},
    ]
    assert [record.id for record in table(tmp_path, "mmt_bench", rows)] == ["1", "2"]
    assert [record.id for record in table(tmp_path, "mmt_caption", rows)] == ["1"]


def test_images_beside_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "LMUData" / "images" / "MMStar"
    folder.mkdir(parents=True)
    (folder / "0.png").write_bytes(picture(1))
    (record,) = table(tmp_path, "mmstar", [{**STAR, "image_path": "0.png"}])
    assert record.media[0].path == str(folder / "0.png")
    with pytest.raises(DataError, match="leaves the data root"):
        table(tmp_path, "mmstar", [{**STAR, "image_path": "../../../../etc/passwd"}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "D"}, "the answer 'D' is none of the options"),
        ({"answer": ""}, "field 'answer'"),
        ({"question": ""}, "field 'question'"),
        ({"index": ""}, "field 'index'"),
        ({"image": "x" * 80}, "field 'image'"),
        ({"image": base64.b64encode(b"no picture at all" * 8).decode()}, "no known format"),
        ({"image": encoded(1)[:-3] + "???"}, "broken base64"),
        ({"A": ""}, "the options are B, C: one is missing"),
    ],
)
def test_a_bad_cell_is_named(tmp_path: Path, change: dict[str, str], message: str) -> None:
    rows = [{**STAR, "image": encoded(1)}, {**STAR, "index": 1, "image": encoded(1), **change}]
    with pytest.raises(DataError, match=message) as caught:
        table(tmp_path, "mmstar", rows)
    assert "MMStar.tsv, record 2" in str(caught.value)


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    (task,) = benchmarks.resolve("mmstar")
    path = tmp_path / "LMUData" / "MMStar.tsv"
    path.parent.mkdir()
    for content in (b"", b"hello\n", b"a\tb\n\xff\xfe\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"MMStar\.tsv"):
            readers.load(task, tmp_path)


# The hub: `datasets` built here in the columns that the dossier records.


def hub_records(task: str, rows: list[dict[str, Any]], number: int = 0) -> list[Record]:
    datasets = pytest.importorskip("datasets")
    (found,) = benchmarks.resolve(task)
    options = [source for source in found.sources if source["reader"] == "hub"][number]
    images = options["columns"].get("images", ())
    data = datasets.Dataset.from_list(rows)
    for column in images:
        if column in data.column_names:
            data = data.cast_column(column, datasets.Image(decode=False))
    items = list(hub.rows_to_records(data, options))
    for item in items:
        if isinstance(item, DataError):
            raise item
    return items  # type: ignore[return-value]


def cell(seed: int) -> dict[str, Any]:
    return {"bytes": picture(seed), "path": None}


def test_hub_mmmu() -> None:
    rows = [
        {
            "id": "validation_Art_1",
            "question": "<image 1>?",
            "options": "['red', 'blue']",
            "answer": "B",
            "question_type": "multiple-choice",
            "image_1": cell(1),
            "image_2": None,
        },
        {
            "id": "validation_Math_1",
            "question": "n?",
            "options": "[]",
            "answer": "3",
            "question_type": "open",
            "image_1": cell(2),
            "image_2": cell(3),
        },
    ]
    choice, open_question = hub_records("mmmu", rows)
    assert (choice.options, choice.truth) == (("A. red", "B. blue"), "B")
    assert len(choice.media) == 1
    assert len(open_question.media) == 2
    assert open_question.options == ()


def test_hub_mathvista_truth_is_the_text_of_a_choice() -> None:
    base = {"pid": "1", "query": "Q", "decoded_image": cell(1), "metadata": {"task": "geo"}}
    rows = [
        {
            **base,
            "choices": ["yes", "no"],
            "answer": "no",
            "question_type": "multi_choice",
            "answer_type": "text",
        },
        {
            **base,
            "pid": "2",
            "choices": None,
            "answer": "0.8",
            "question_type": "free_form",
            "answer_type": "float",
        },
    ]
    choice, number = hub_records("mathvista", rows)
    assert (choice.truth, choice.meta["category"]) == ("B", "geo")
    assert (number.problem_type, number.truth) == ("numerical", "0.8")


def test_hub_answers_as_indices() -> None:
    (record,) = hub_records(
        "scienceqa",
        [
            {
                "question": "Q",
                "choices": ["a", "b"],
                "answer": 1,
                "hint": "h",
                "image": cell(1),
                "subject": "bio",
            }
        ],
    )
    assert (record.truth, record.question) == ("B", "Hint: h\nQ")
    (record,) = hub_records(
        "ai2d", [{"question": "Q", "options": ["a", "b", "c"], "answer": "2", "image": cell(1)}]
    )
    assert record.truth == "C"
    with pytest.raises(DataError, match="none of the options"):
        hub_records("ai2d", [{"question": "Q", "options": ["a"], "answer": "2", "image": cell(1)}])


def test_hub_mmstar_has_its_options_in_the_question() -> None:
    question = "Where is it?\nOptions: A: On the book, by the cat., B: Beneath., C: Gone, D: Here"
    (record,) = hub_records(
        "mmstar",
        [
            {
                "index": 4,
                "question": question,
                "answer": "D",
                "image": cell(1),
                "category": "c",
                "l2_category": "l",
            }
        ],
    )
    assert record.options == (
        "A. On the book, by the cat.",
        "B. Beneath.",
        "C. Gone",
        "D. Here",
    )
    assert text_of(record, None, load_profile("plain")).count("Beneath") == 1


def test_hub_mmbench_and_mmt_bench_have_a_column_per_letter() -> None:
    base = {"question": "Q", "A": "x", "B": "y", "C": "nan", "D": None, "answer": "A"}
    rows = [
        {
            **base,
            "index": 1_000_003,
            "hint": "nan",
            "image": cell(1),
            "category": "c",
            "L2-category": "l",
        }
    ]
    (record,) = hub_records("mmbench", rows)
    assert record.options == ("A. x", "B. y")
    assert record.meta["group"] == "3"
    rows = [{**base, "index": 1, "image": cell(1), "category": "c", "l2-category": "visual"}]
    (record,) = hub_records("mmt_bench", rows)
    assert record.meta == {"category": "c", "l2_category": "visual"}


def test_hub_mathverse() -> None:
    (record,) = hub_records(
        "mathverse",
        [
            {
                "sample_index": "1",
                "query_cot": "Q\nChoices:\nA:1\nB:2",
                "answer": "B",
                "question_type": "multi-choice",
                "problem_version": "Vision Only",
                "image": cell(1),
            }
        ],
    )
    assert (record.truth, record.meta["category"]) == ("B", "Vision Only")


@pytest.mark.parametrize(
    ("task", "row", "path", "options", "truth"),
    [
        (
            "mmvu",
            {
                "id": "v1",
                "video_path": "Art/1.mp4",
                "question": "Q",
                "choices": {"A": "x", "B": "y", "C": "", "D": None, "E": None},
                "answer": "B",
                "question_type": "multiple-choice",
                "metadata": {"subject": "Art"},
            },
            "mmvu/Art/1.mp4",
            2,
            "B",
        ),
        (
            "videomme",
            {
                "question_id": "001-1",
                "videoID": "abc",
                "question": "Q",
                "options": ["A. x", "B. y", "C. z", "D. w"],
                "answer": "C",
                "duration": "short",
            },
            "videomme/data/abc.mp4",
            4,
            "C",
        ),
        (
            "videomathqa",
            {
                "question_id": "q",
                "videoID": "abc",
                "question": "Q",
                "options": ["A. 1", "B. 2", "C. 3", "D. 4", "E. 5"],
                "answer": "E",
                "category": "Geometry",
            },
            "videomathqa/videos/abc.mp4",
            5,
            "E",
        ),
        (
            "longvideobench",
            {
                "id": "a_0",
                "video_path": "a.mp4",
                "question": "Q",
                "option0": "x",
                "option1": "y",
                "option2": "N/A",
                "option3": "N/A",
                "option4": "N/A",
                "correct_choice": 1,
                "question_category": "S2E",
            },
            "longvideobench/videos/a.mp4",
            2,
            "B",
        ),
        (
            "videommmu",
            {
                "id": "dev_Art_1",
                "question": "Q",
                "options": ["A. x", "B. y"],
                "answer": "A",
                "question_type": "multiple-choice",
            },
            "video_mmmu/dev_Art_1.mp4",
            2,
            "A",
        ),
    ],
)
def test_hub_videos(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    row: dict[str, Any],
    path: str,
    options: int,
    truth: str,
) -> None:
    monkeypatch.setenv("ONETHINKER_VIDEOS", str(tmp_path))
    (record,) = hub_records(task, [row])
    assert record.media[0].path == str(tmp_path / path)
    assert (len(record.options), record.truth, record.data_type) == (options, truth, "video")
    deep = tmp_path / Path(path).parent / "somewhere" / Path(path).name
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"x")
    (record,) = hub_records(task, [row])
    assert record.media[0].path == str(deep)


def test_hub_rows_can_be_chosen() -> None:
    row = {
        "id": "v1",
        "video_path": "1.mp4",
        "question": "Q",
        "choices": None,
        "answer": "x",
        "question_type": "open-ended",
        "metadata": {"subject": "Art"},
    }
    assert hub_records("mmvu", [row]) == []


def test_the_hub_is_asked_only_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def download(name: str, config: Any, split: str, options: Any) -> list[dict[str, Any]]:
        asked.append((name, config, split))
        return [
            {
                "id": f"{config}1",
                "question": "Q",
                "options": ["A. x", "B. y"],
                "answer": "A",
                "question_type": "multiple-choice",
            }
        ]

    monkeypatch.setattr(hub, "_download", download)
    (task,) = benchmarks.resolve("videommmu")
    with pytest.raises(DataError):
        readers.load(task, tmp_path)
    assert asked == []
    records = readers.load(task, "hub")
    assert [record.meta["category"] for record in records] == [
        "Perception",
        "Comprehension",
        "Adaptation",
    ]
    assert asked[0] == ("lmms-eval/VideoMMMU", "Perception", "test")
    (part,) = benchmarks.resolve("videommmu_adaptation")
    assert [record.id for record in readers.load(part, "hub")] == ["Adaptation1"]
    (none,) = benchmarks.resolve("charades")
    with pytest.raises(DataError, match="on no hub"):
        readers.load(none, "hub")


def test_a_hub_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def fails(*_args: Any, **_options: Any) -> None:
        raise ConnectionError("offline")

    monkeypatch.setattr(datasets, "load_dataset", fails)
    (task,) = benchmarks.resolve("mmstar")
    with pytest.raises(DataError, match="the hub does not give Lin-Chen/MMStar"):
        readers.load(task, "hub")


def test_records_survive_json(tmp_path: Path) -> None:
    for record in table(tmp_path, "mmstar", [{**STAR, "image": encoded(1)}]):
        assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
