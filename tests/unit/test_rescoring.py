"""Rescoring journals: the bytes depend on the replies alone; damage is named; changes are told."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import DataError, RunError, UsageError
from onethinker_eval.metrics import rle
from onethinker_eval.rescoring import (
    COLUMNS,
    MetricRow,
    Plan,
    metric_changes,
    read_clusters,
    read_metrics,
    read_scores,
    rescore,
    rescore_task,
    write_metrics,
)
from onethinker_eval.scoring import PROTOCOLS, score
from onethinker_eval.statistics import Resampling

TASK = "onethinker_refcoco_val"
PLAN = Plan.of(resolve("refcoco_val")[0])


def line(sample: str, reply: str | None, truth: Any, **record: Any) -> dict[str, Any]:
    fields = {
        "id": sample,
        "problem_type": "spatial grounding",
        "data_type": "image",
        "question": "Where is it?",
        "media": [["image", "/data/a.jpg"]],
        "truth": truth,
        "options": [],
        "cluster": f"image {len(sample)}",
        "meta": {},
        "origin": "",
        **record,
    }
    return {
        "key": "0",
        "id": sample,
        "status": "ok" if reply is not None else "failed",
        "reply": reply,
        "error": None if reply is not None else {"kind": "timeout", "message": "too slow"},
        "record": fields,
        "seconds": 0.1,
        "tokens": {"in": None, "out": None},
    }


def boxes(count: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    lines = []
    for number in range(count):
        truth = sorted(rng.sample(range(1000), 2)) + sorted(rng.sample(range(1000), 2))
        box = [truth[0], truth[2], truth[1], truth[3]]
        guess = [min(1000, v + rng.randrange(40)) for v in box]
        reply = f'<think>.</think><answer>{{"boxes": {guess}}}</answer>'
        if number % 9 == 0:
            reply = "I see nothing."
        if number % 10 == 0:
            reply = reply.replace('"', "'")
        lines.append(
            line(f"é {number}", reply, {"boxes": box}, cluster=f"image {rng.randrange(12)}")
        )
    return lines


def store(run: Path, lines: list[dict[str, Any]], task: str = TASK, part: str = "") -> Path:
    path = run / "replies" / f"{task}{part}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in lines))
    return path


def outputs(run: Path) -> dict[str, bytes]:
    found = [*(run / "scores").glob("*"), run / "metrics.csv"]
    return {path.name: path.read_bytes() for path in found}


def test_scores_are_those_of_score(tmp_path: Path) -> None:
    lines = boxes(60)
    store(tmp_path, lines)
    result = rescore(tmp_path)
    by_id = {item["id"]: item for item in lines}
    for protocol in PROTOCOLS:
        read = list(read_scores(tmp_path / "scores" / f"{TASK}.jsonl", protocol))
        assert [entry[0] for entry in read] == sorted(by_id)
        for sample, cluster, found in read:
            item = by_id[sample]
            expected = score(
                item["reply"], item["record"]["truth"], "spatial grounding", protocol=protocol
            )
            assert found.to_json() == expected.to_json()
            assert cluster == item["record"]["cluster"]
        rows = {row.metric: row for row in result.rows if row.protocol == protocol}
        mean = 100 * sum(entry[2].components["IoU"] for entry in read) / len(read)
        assert rows["mIoU"].value == pytest.approx(mean, abs=1e-6)
        assert rows["mIoU"].n == 60
        assert rows["mIoU"].failed == 0
        bad = sum(entry[2].outcome == "unparsable" for entry in read)
        assert rows["mIoU"].unparsable == bad
        assert rows["mIoU"].ci_low is not None
        assert rows["mIoU"].ci_low < rows["mIoU"].value < (rows["mIoU"].ci_high or 0)


def test_bytes_depend_on_the_replies_alone(tmp_path: Path) -> None:
    lines = boxes(80)
    golden = None
    for trial, (chunk, processes) in enumerate([(1 << 20, 1), (700, 1), (3000, 2), (100, 1)]):
        run = tmp_path / str(trial)
        random.Random(trial).shuffle(lines)
        store(run, lines[:30])
        store(run, lines[30:], part=".rank1")
        result = rescore_task(run, PLAN, chunk_bytes=chunk, processes=processes)
        write_metrics(run / "metrics.csv", result.rows)
        assert result.samples == 80
        assert not list((run / "scores").glob(".*"))
        golden = golden or outputs(run)
        assert outputs(run) == golden
    assert golden is not None


def test_a_later_line_wins_and_a_reply_wins_over_a_failure(tmp_path: Path) -> None:
    truth = {"boxes": [0, 0, 10, 10]}
    right = '<think>.</think><answer>{"boxes": [0, 0, 10, 10]}</answer>'
    wrong = '<think>.</think><answer>{"boxes": [50, 50, 60, 60]}</answer>'
    lines = [
        line("a", None, truth),
        line("a", right, truth),
        line("b", right, truth),
        line("b", None, truth),
        line("c", wrong, truth),
        line("c", right, truth),
        line("d", None, truth),
        line("d", None, truth),
    ]
    golden = None
    for chunk in (1 << 20, 1, 900):
        run = tmp_path / str(chunk)
        store(run, lines)
        result = rescore_task(run, PLAN, chunk_bytes=chunk)
        rows = {row.metric: row for row in result.rows if row.protocol == "paper"}
        assert (rows["mIoU"].value, rows["mIoU"].n, rows["mIoU"].failed) == (100.0, 3, 1)
        assert result.failed == 1
        assert result.reasons["paper"] == {("failed", "timeout"): 1}
        text = (run / "scores" / f"{TASK}.jsonl").read_bytes()
        golden = golden or text
        assert text == golden


def test_a_torn_last_line_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path = store(tmp_path, boxes(5))
    whole = path.read_bytes()
    for cut in (whole[:-1], whole[:-30]):
        path.write_bytes(cut)
        with pytest.warns(UserWarning, match="cut off"):
            assert rescore_task(tmp_path, PLAN).samples == 4


@pytest.mark.parametrize("chunk", [1 << 20, 1])
def test_damage_elsewhere_names_file_and_line(tmp_path: Path, chunk: int) -> None:
    path = store(tmp_path, boxes(5))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b'{"id": "x", \n', *lines[3:]]))
    with pytest.raises(DataError, match=r"refcoco_val\.jsonl, record line 3: broken JSON"):
        rescore_task(tmp_path, PLAN, chunk_bytes=chunk)
    for other in (b"[1, 2]\n", b'{"id": "x"}\n', b'{"id": "x", "status": "ok", "record": 5}\n'):
        path.write_bytes(b"".join([*lines[:3], other, *lines[4:]]))
        with pytest.raises(DataError, match="line 4: unexpected content"):
            rescore_task(tmp_path, PLAN, chunk_bytes=chunk)


def test_a_malformed_truth_fails_its_sample_alone(tmp_path: Path) -> None:
    good = boxes(3)
    store(tmp_path, [*good, line("bad", "<answer>x</answer>", {"boxes": [1]})])
    result = rescore_task(tmp_path, PLAN)
    assert (result.samples, result.failed) == (4, 1)
    ((outcome, reason),) = [key for key in result.reasons["paper"] if key[0] == "failed"]
    assert reason.startswith("truth: the truth of a spatial grounding record")
    assert outcome == "failed"


def test_changes_against_the_stored_scores(tmp_path: Path) -> None:
    lines = boxes(20)
    store(tmp_path, lines)
    first = rescore(tmp_path)
    assert first.tasks[0].changes.summary() == "20 samples scored for the first time"
    assert first.metric_changes == ()
    again = rescore(tmp_path)
    assert again.tasks[0].changes.summary() == "20 samples unchanged"
    assert again.metric_changes == ()
    lines[3]["reply"] = lines[4]["reply"] = "nothing"
    truth = json.dumps(lines[0]["record"]["truth"])
    lines[0]["reply"] = f"<think>.</think><answer>{truth}</answer>"
    extra = boxes(23)[20:]
    store(tmp_path, [*lines[:18], *extra])
    changed = rescore(tmp_path)
    summary = changed.tasks[0].changes.summary()
    assert "3 of 18 samples changed" in summary
    assert "paper: 1 better, 2 worse" in summary
    assert "3 added, 2 gone" in summary
    assert any(text.startswith("refcoco val, paper mIoU: ") for text in changed.metric_changes)


def test_stored_scores_that_cannot_be_read_are_replaced(tmp_path: Path) -> None:
    store(tmp_path, boxes(4))
    rescore(tmp_path)
    path = tmp_path / "scores" / f"{TASK}.jsonl"
    golden = path.read_bytes()
    path.write_bytes(b"garbage\n" + golden.splitlines(keepends=True)[2][:60] + b"\n")
    rescore(tmp_path)
    assert path.read_bytes() == golden


def test_metrics_file_round_trip_and_its_errors(tmp_path: Path) -> None:
    rows = [
        MetricRow("a", "val", "paper", "R@0.5", 92.0, 90.5, None, 10, 1, 0),
        MetricRow("b,c", "", "official", "cIoU", 1 / 3, None, None, 3, 0, 2),
    ]
    path = tmp_path / "metrics.csv"
    assert read_metrics(path) == []
    write_metrics(path, rows)
    assert read_metrics(path) == rows
    with path.open(newline="") as stream:
        assert tuple(next(csv.reader(stream))) == COLUMNS
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected the columns benchmark,split"):
        read_metrics(path)
    path.write_text(",".join(COLUMNS) + "\na,b,c,d,x,,,1,1,1\n")
    with pytest.raises(DataError, match="line 2"):
        read_metrics(path)


def test_metric_changes_name_new_and_lost_values() -> None:
    old = MetricRow("a", "", "paper", "x", 1.0, None, None, 1, 0, 0)
    new = MetricRow("a", "", "paper", "y", 2.0, None, None, 1, 0, 0)
    expected = ["a, paper x: 1.0000 → none", "a, paper y: none → 2.0000"]
    assert metric_changes([old], [new]) == expected
    assert metric_changes([], [new]) == []


def test_a_folder_without_replies_and_unknown_tasks(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no replies"):
        rescore(tmp_path)
    store(tmp_path, boxes(1), task="onethinker_refcoco_vall")
    with pytest.raises(UsageError, match="did you mean onethinker_refcoco_val"):
        rescore(tmp_path)
    assert rescore(tmp_path, resolve("refcoco_val")).rows == ()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    store(tmp_path, boxes(1))
    (tmp_path / "scores").write_text("a file is in the way")
    with pytest.raises(RunError, match="cannot write"):
        rescore(tmp_path)


def test_some_protocols_only(tmp_path: Path) -> None:
    store(tmp_path, boxes(4))
    result = rescore(tmp_path, protocols=["official"])
    assert {row.protocol for row in result.rows} == {"official"}
    ((_, _, found), *_) = read_scores(tmp_path / "scores" / f"{TASK}.jsonl", "official")
    assert found.statistics["n"] == 1
    assert list(read_scores(tmp_path / "scores" / f"{TASK}.jsonl", "paper")) == []


def test_progress_is_told(tmp_path: Path) -> None:
    store(tmp_path, boxes(7))
    seen: list[tuple[str, int]] = []
    rescore(tmp_path, progress=lambda task, count: seen.append((task, count)))
    assert seen == [(TASK, 7)]


def test_sums_by_cluster_come_back_from_the_score_file(tmp_path: Path) -> None:
    store(tmp_path, boxes(50))
    result = rescore_task(tmp_path, PLAN)
    path = tmp_path / "scores" / f"{TASK}.jsonl"
    table = read_clusters(path, "paper")
    stored = result.tallies["paper"].clusters
    assert table.clusters == stored.clusters
    assert table.values("IoU").tolist() == stored.values("IoU").tolist()
    row = next(row for row in result.rows if (row.protocol, row.metric) == ("paper", "mIoU"))
    interval = Resampling(table, label=TASK).interval([("IoU", "n")])
    assert interval is not None
    assert (round(interval.low, 6), round(interval.high, 6)) == (row.ci_low, row.ci_high)
    assert len(read_clusters(path, "paper", only=frozenset({"é 1"}))) == 1


def test_circular_questions_categories_and_failures(tmp_path: Path) -> None:
    task = resolve("mmbench")[0]
    lines = []
    for group, letters in {"q1": "AB", "q2": "AC", "q3": "A"}.items():
        for place, letter in enumerate(letters):
            meta = {"group": group, "category": "colour" if group == "q1" else "shape"}
            truth = "AB"[place]
            reply = None if group == "q3" else f"<think>.</think><answer>{letter}</answer>"
            record = {"problem_type": "multiple choice", "options": ["A. a", "B. b", "C. c"]}
            lines.append(line(f"{group}/{place}", reply, truth, meta=meta, **record))
    store(tmp_path, lines, task=task.id)
    rows = {row.metric: row for row in rescore(tmp_path).rows if row.protocol == "paper"}
    assert rows["accuracy"].value == 75.0
    assert (rows["accuracy"].n, rows["accuracy"].failed) == (4, 1)
    assert rows["circular accuracy"].value == 50.0
    assert rows["circular accuracy"].ci_low == 0.0
    assert rows["macro accuracy"].value == 75.0
    assert (rows["accuracy [colour]"].value, rows["accuracy [colour]"].n) == (100.0, 2)
    assert rows["accuracy [shape]"].value == 50.0


def test_litas_protocol_is_in_the_task_file(tmp_path: Path) -> None:
    task = resolve("anet_rtl")[0]
    lines = []
    for sample, cluster, end in [("1", "v", 10), ("2", "v", 5), ("3", "w", 10)]:
        record = {"problem_type": "temporal grounding", "cluster": cluster, "data_type": "video"}
        record["meta"] = {"duration_s": 10}
        reply = f'<think>.</think><answer>{{"time": [0, {end}]}}</answer>'
        lines.append(line(sample, reply, {"time": [0, 10]}, **record))
    lines.append(
        line(
            "4",
            "?",
            {"time": [0, 5]},
            problem_type="temporal grounding",
            cluster="w",
            data_type="video",
            meta={"duration_s": 10},
        )
    )
    store(tmp_path, lines, task=task.id)
    rows = {(row.protocol, row.metric): row.value for row in rescore(tmp_path).rows}
    assert rows["paper", "mIoU"] == pytest.approx(100 * (1 + 0.5 + 1 + 0) / 4)
    assert rows["official", "mIoU"] == pytest.approx(100 * ((1 + 0.5) / 2 + (1 + 0.5) / 2) / 2)


def segmentation(sample: str, mask: dict[str, Any], reply: str) -> dict[str, Any]:
    points = [[1, 1], [2, 2], [3, 3]]
    truth = {"boxes": [0, 0, 9, 9], "positive_points": points, "negative_points": points}
    meta = {"segmentation": {"rle": mask}}
    return line(sample, reply, truth, problem_type="segmentation", meta=meta)


def test_masks_are_scored_beside_their_prompts(tmp_path: Path) -> None:
    task = resolve("refcoco_seg")[0].id
    square = np.zeros((10, 10), dtype=bool)
    square[2:6, 2:6] = True
    mask = rle.encode(square)
    half = rle.encode(square & (np.arange(10) < 4))
    reply = '<think>.</think><answer>{"boxes": [0,0,9,9], "positive_points": [[1,1],[2,2],[3,3]], '
    reply += '"negative_points": [[1,1],[2,2],[3,3]]}</answer>'
    lines = [segmentation(name, mask, reply) for name in ("a", "b", "late")]
    lines.append(segmentation("lost", mask, "no idea"))
    store(tmp_path, lines, task=task)
    prompts = {row.metric for row in rescore(tmp_path).rows}
    assert "cIoU" not in prompts
    assert "box IoU" in prompts
    made = [
        {"id": "a", "status": "ok", "masks": half},
        {"id": "a", "status": "ok", "masks": mask},
        {"id": "b", "status": "ok", "masks": half},
        {"id": "late", "status": "failed", "error": {"kind": "memory", "message": "…"}},
        {"id": "lost", "status": "ok", "masks": None},
    ]
    (tmp_path / "masks").mkdir()
    text = b"".join(orjson.dumps(item) + b"\n" for item in made)
    (tmp_path / "masks" / f"{task}.jsonl").write_bytes(text)
    result = rescore(tmp_path)
    rows = {(row.protocol, row.metric): row for row in result.rows}
    assert rows["paper", "cIoU"].value == pytest.approx(100 * 24 / 32)
    assert rows["official", "cIoU"].value == pytest.approx(100 * 24 / 48)
    assert rows["paper", "cIoU"].n == 2
    assert rows["official", "cIoU"].n == 3
    assert rows["official", "cIoU"].unparsable == rows["paper", "cIoU"].unparsable == 1
    assert rows["paper", "cIoU"].failed == 1
    assert rows["paper", "box IoU"].n == 3


def test_neither_torch_nor_lmms_eval_is_imported(tmp_path: Path) -> None:
    store(tmp_path, boxes(5))
    code = (
        "import sys; from onethinker_eval.rescoring import rescore; "
        f"rescore({str(tmp_path)!r}); "
        "print([m for m in ('torch', 'lmms_eval', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_a_task_without_a_type_takes_its_first_records(tmp_path: Path) -> None:
    store(tmp_path, boxes(4))
    untyped = replace(PLAN, problem_type="", data_type="")
    result = rescore_task(tmp_path, untyped)
    assert {row.metric for row in result.rows} == {"R@0.3", "R@0.5", "R@0.7", "mIoU"}
    assert rescore_task(tmp_path / "none", PLAN).samples == 0
    store(tmp_path / "torn", [])
    (tmp_path / "torn" / "replies" / f"{TASK}.jsonl").write_bytes(b"{")
    with pytest.warns(UserWarning, match="cut off"):
        assert rescore_task(tmp_path / "torn", untyped).rows == ()


def test_masks_that_do_not_fit_fail_their_sample(tmp_path: Path) -> None:
    task = resolve("refcoco_seg")[0].id
    mask = rle.encode(np.eye(10, dtype=bool))
    reply = '<think>.</think><answer>{"boxes": [0,0,9,9], "positive_points": [[1,1],[2,2],[3,3]], '
    reply += '"negative_points": [[1,1],[2,2],[3,3]]}</answer>'
    store(tmp_path, [segmentation(name, mask, reply) for name in ("a", "b")], task=task)
    (tmp_path / "masks").mkdir()
    other = rle.encode(np.eye(9, dtype=bool))
    text = orjson.dumps({"id": "a", "status": "ok", "masks": other}) + b"\n"
    (tmp_path / "masks" / f"{task}.jsonl").write_bytes(text)
    result = rescore(tmp_path)
    ((outcome, reason),) = result.tasks[0].reasons["official"]
    assert (outcome, reason[:6]) == ("failed", "masks:")
    assert result.failed == 1


def test_sums_by_cluster_of_many_lines(tmp_path: Path) -> None:
    store(tmp_path, [*boxes(5000), line("x", None, {"boxes": [0, 0, 1, 1]})])
    result = rescore_task(tmp_path, PLAN, replicates=10)
    table = read_clusters(tmp_path / "scores" / f"{TASK}.jsonl", "official")
    assert table.values("n").sum() == 5000
    stored = result.tallies["official"].clusters
    assert table.values("IoU").tolist() == stored.values("IoU").tolist()


def test_other_warnings_are_not_raised(tmp_path: Path) -> None:
    store(tmp_path, boxes(12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rescore(tmp_path)


@pytest.mark.parametrize("make", [boxes])
def test_memory_stays_flat_as_the_journal_grows(
    tmp_path: Path, make: Callable[[int], list[dict[str, Any]]]
) -> None:
    import tracemalloc

    peaks = []
    for count in (500, 4000):
        run = tmp_path / str(count)
        store(run, make(count))
        tracemalloc.start()
        rescore_task(run, PLAN, chunk_bytes=100_000, replicates=50)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 2_000_000
