"""The data check: a sound suite passes, each planted defect is named, nothing else is."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval import benchmarks, demo
from onethinker_eval.readers.check import Report, check
from onethinker_eval.readers.findings import KINDS, Finding
from onethinker_eval.readers.where import where

USED = ("charades", "refcoco", "got10k", "mevis", "mmstar", "mmbench", "mathvista")


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.make(tmp_path_factory.mktemp("suite"), benchmarks=USED, size=(96, 96))


@pytest.fixture
def copy(suite: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(suite, tmp_path / "data"))


def run(root: Path, *names: str, **options: Any) -> Report:
    return check(benchmarks.resolve(names), root, **options)


def edit(root: Path, name: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    path = root / f"eval_{name}.json"
    rows = json.loads(path.read_text())
    change(rows)
    path.write_text(json.dumps(rows))


def edit_table(root: Path, name: str, change: Callable[[list[dict[str, str]]], None]) -> None:
    path = root / "LMUData" / f"{name}.tsv"
    csv.field_size_limit(1 << 28)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    names = list(rows[0])
    change(rows)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def time_span(row: dict[str, Any], start: float, end: float) -> None:
    row["solution"] = f'<answer>{{"time": [{start}, {end}]}}</answer>'


def test_a_sound_suite_has_no_errors(suite: Path) -> None:
    report = run(suite, *USED)
    assert [finding for finding in report.findings if finding.severity == "error"] == []
    assert report.exit_code == 0
    assert all(task.records and task.media for task in report.tasks)
    assert {task.reader for task in report.tasks} == {"onethinker_json", "vlmeval_tsv"}


def plant_charades(rows: list[dict[str, Any]]) -> None:
    del rows[5]
    time_span(rows[0], 1.0, rows[0]["duration"] + 1)
    time_span(rows[1], rows[1]["duration"] + 1, rows[1]["duration"] + 2)
    rows[2]["solution"] = "<answer>from 1 to 2</answer>"
    time_span(rows[3], 2.0, 2.0)


def plant_refcoco(rows: list[dict[str, Any]]) -> None:
    rows[0]["solution"] = '<answer>{"boxes": [10, 20, 1300, 400]}</answer>'
    rows[1]["solution"] = '<answer>{"boxes": [100, 200, 100, 400]}</answer>'
    rows[3]["problem_id"] = rows[4]["problem_id"]
    rows[5]["path"] = "../../etc/passwd"
    rows[6]["problem"] = " "
    rows[7] = {**rows[8], "problem_id": 999}


def plant_mevis(rows: list[dict[str, Any]]) -> None:
    masks = rows[0]["segmentation_output"]["segmentation_rle"]
    name = next(name for name, mask in masks.items() if mask)
    masks[name]["counts"] = masks[name]["counts"][:-1] + "~"
    rows[1]["resolution"] = {"width": 90, "height": 96}
    for mask in rows[2]["segmentation_output"]["segmentation_rle"].values():
        if mask:
            mask["counts"] = [96 * 96]
    rows[3]["fps"] = 3.3


def plant_mmstar(rows: list[dict[str, str]]) -> None:
    rows[0]["answer"] = "F"
    rows[1]["image"] = rows[1]["image"][:200] + "!" + rows[1]["image"][201:]


PLANTED = {
    ("charades", "count", "23 records, expected 24"),
    ("charades", "span end", "ends after the video"),
    ("charades", "span", "starts after the video"),
    ("charades", "truth", "must be"),
    ("charades", "span", r"\[2, 2\] s is empty"),
    ("refcoco_val", "box", r"\[10.*1300.*leaves 0..1000"),
    ("refcoco_val", "box", "has no area"),
    ("refcoco_val", "duplicate id", "again"),
    ("refcoco_val", "record", r"path: .* leaves the data root"),
    ("refcoco_val", "record", "problem: missing or empty"),
    ("refcoco_val", "duplicate", "shows and asks the same"),
    ("refcoco_testA", "medium missing", "the image is missing"),
    ("refcoco_testB", "medium", "the image cannot be decoded"),
    ("got10k", "medium", "the video cannot be decoded"),
    ("mevis", "mask", "frame"),
    ("mevis", "size", r"annotated 90x96, the medium is 96x96"),
    ("mevis", "mask", "all masks are empty"),
    ("mevis", "size", "annotated 3.3 frames a second"),
    ("mmstar", "record", r"answer: the answer 'F' is none of the options"),
    ("mmstar", "record", "image: broken base64"),
    ("mmbench", "circular", "rotations"),
}


def test_every_planted_defect_is_named_and_nothing_else(copy: Path) -> None:
    edit(copy, "charades", plant_charades)
    edit(copy, "refcoco_val", plant_refcoco)
    edit(copy, "seg_mevis", plant_mevis)
    edit_table(copy, "MMStar", plant_mmstar)
    edit_table(copy, "MMBench_DEV_EN", lambda rows: rows.pop(1))
    pictures = json.loads((copy / "eval_refcoco_testA.json").read_text())
    (copy / pictures[0]["path"]).unlink()
    pictures = json.loads((copy / "eval_refcoco_testB.json").read_text())
    broken = copy / pictures[0]["path"]
    broken.write_bytes(broken.read_bytes()[:100])
    clips = json.loads((copy / "eval_got10k.json").read_text())
    clip = copy / clips[0]["path"]
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])

    report = run(copy, *USED)
    assert report.exit_code == 1
    unnamed = [
        planted for planted in PLANTED if not any(matches(planted, f) for f in report.findings)
    ]
    assert unnamed == []
    surplus = [
        finding
        for finding in report.findings
        if not any(matches(planted, finding) for planted in PLANTED)
        and finding.kind != "duplicate"
        # records beside a planted one: the same mask sizes, the broken file's other questions
        and not (finding.task == "mevis" and "on 90x96" in finding.message)
    ]
    assert surplus == []
    for finding in report.findings:
        assert finding.kind in KINDS
        assert finding.record or finding.kind in ("count", "source")


def matches(planted: tuple[str, str, str], finding: Finding) -> bool:
    task, kind, message = planted
    same = (finding.task, finding.kind) == (task, kind)
    return same and re.search(message, finding.message) is not None


def test_missing_data_are_a_finding_not_a_crash(tmp_path: Path) -> None:
    report = run(tmp_path, "charades", "mmstar")
    assert [finding.kind for finding in report.findings] == ["source", "source"]
    assert report.exit_code == 1
    assert json.loads(json.dumps(report.to_json()))["ok"] is False


def test_expected_counts_of_the_real_sets_are_compared(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    (task,) = run(copy, "got10k").tasks
    assert (task.records, task.expected) == (24, 180)
    assert [finding.kind for finding in task.findings] == ["count"]
    (task,) = run(copy, "mmstar").tasks
    assert {finding.kind for finding in task.findings} == {"count", "checksum"}


def test_the_fingerprint_sees_content_not_place(suite: Path, copy: Path) -> None:
    def fingerprint(root: Path) -> str:
        return run(root, "refcoco_val", decode="none").tasks[0].fingerprint

    first = fingerprint(suite)
    assert fingerprint(copy) == first
    edit(copy, "refcoco_val", lambda rows: rows[0].update(problem="<image>Another one."))
    assert fingerprint(copy) != first


def test_a_full_decode_reads_every_frame(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onethinker_eval.media import video

    seen: dict[str, set[int]] = {}
    real = video.read_indices

    def spy(path: str, indices: Any, *args: Any, **options: Any) -> Any:
        seen.setdefault(path, set()).update(indices)
        return real(path, indices, *args, **options)

    monkeypatch.setattr(video, "read_indices", spy)
    assert run(suite, "charades", decode="full").exit_code == 0
    assert seen
    for path, indices in seen.items():
        assert indices == set(range(video.probe(path).n_frames))


def test_progress_counts_the_media(suite: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    run(suite, "mmstar", progress=lambda *call: calls.append(call))
    assert calls[-1][1] == calls[-1][2] == len(calls) > 0


def test_every_task_says_where_its_data_are() -> None:
    origins = where(list(benchmarks.catalogue().tasks.values()))
    for origin in origins:
        assert origin.licence
        assert origin.homepage.startswith("http")
        assert origin.places
        for place in origin.places:
            assert place.address.startswith("http"), origin.task
        assert json.dumps(origin.to_json())
    hub = [place for origin in origins for place in origin.places if not place.put]
    assert len(hub) >= 14
