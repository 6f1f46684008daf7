"""Comparing two runs: pairing, counts, tests, flips, what the manifests state differently."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_runs import make_media, make_run, right, wrong
from scipy import stats

from onethinker_eval.benchmarks import catalogue
from onethinker_eval.cli import main
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.reporting.compare import compare_runs
from onethinker_eval.reporting.compare_manifests import manifest_differences
from onethinker_eval.reporting.html import build_report
from onethinker_eval.rescoring import rescore
from onethinker_eval.rescoring.rows import read_metrics

TASKS = {"onethinker_mmstar": 40, "onethinker_refcoco_val": 40, "onethinker_charades": 20}


def first(task: str, number: int, record: Mapping[str, Any]) -> str | None:
    return None if number == 0 else (right if number % 2 else wrong)(task, number, record)


def second(task: str, number: int, record: Mapping[str, Any]) -> str | None:
    if number == 1:
        return None
    return (right if number % 2 or number % 4 == 0 else wrong)(task, number, record)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("compare")
    media = make_media(folder / "media")
    return (
        make_run(folder / "a", media, first, tasks=TASKS),
        make_run(folder / "b", media, second, tasks=TASKS, model="org/other"),
    )


def test_only_samples_both_scored_are_compared(runs: tuple[Path, Path]) -> None:
    found = compare_runs(*runs)
    assert found.names == ("a", "b")
    assert [item.n for item in found.tasks] == [38, 18, 38]
    choice = found.tasks[0]
    assert (choice.only_first, choice.only_second) == (1, 1)
    # Of 2 … 39 the odd ones are right in both, those divisible by four in the second run only.
    assert (choice.wins, choice.losses, choice.ties) == (9, 0, 29)
    assert [flip.id for flip in choice.flips] == [str(n) for n in sorted(range(4, 40, 4), key=str)]
    assert choice.first == pytest.approx(100 * 19 / 38)
    assert choice.second == pytest.approx(100 * 28 / 38)
    assert choice.paired is not None
    assert choice.paired.difference == pytest.approx(100 * 9 / 38)
    assert choice.paired.low <= choice.paired.difference <= choice.paired.high
    assert found.missing == ()


def test_mcnemar_is_the_binomial_test_and_only_for_right_or_wrong(
    runs: tuple[Path, Path],
) -> None:
    choice, spans, boxes = compare_runs(*runs).tasks
    assert choice.mcnemar is not None
    assert choice.mcnemar.exact == pytest.approx(stats.binomtest(0, 9).pvalue)
    assert (boxes.metric, boxes.mcnemar) == ("R@0.5", choice.mcnemar)
    assert spans.metric == "mIoU"


def test_the_paired_interval_is_that_of_a_plain_bootstrap(runs: tuple[Path, Path]) -> None:
    paired = compare_runs(*runs).tasks[0].paired
    assert paired is not None
    differences = np.array([1.0] * 9 + [0.0] * 29)
    generator = np.random.default_rng(1)
    drawn = 100 * generator.choice(differences, size=(20_000, 38)).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert paired.low == pytest.approx(low, abs=2.7)
    assert paired.high == pytest.approx(high, abs=2.7)


def test_p_values_are_adjusted_over_the_tasks(runs: tuple[Path, Path]) -> None:
    found = compare_runs(*runs).tasks
    plain = [item.paired.p_value for item in found if item.paired is not None]
    adjusted = [item.adjusted for item in found if item.adjusted is not None]
    assert len(plain) == len(adjusted) == 3
    assert all(high >= low for low, high in zip(plain, adjusted, strict=True))
    assert min(adjusted) == pytest.approx(min(1.0, 3 * min(plain)))
    assert found[0].verdict == "better"


def test_a_run_against_itself_is_no_difference(runs: tuple[Path, Path]) -> None:
    found = compare_runs(runs[0], runs[0])
    for item in found.tasks:
        assert item.paired is not None
        assert (item.paired.difference, item.paired.p_value) == (0, 1.0)
        assert (item.wins, item.losses, item.flips) == (0, 0, ())
        assert (item.first, item.verdict) == (item.second, "within noise")
    assert found.differences == ()


def test_swapping_the_runs_swaps_the_signs(runs: tuple[Path, Path]) -> None:
    for one, other in zip(
        compare_runs(*runs).tasks, compare_runs(runs[1], runs[0]).tasks, strict=True
    ):
        assert one.paired is not None
        assert other.paired is not None
        assert (one.wins, one.losses) == (other.losses, other.wins)
        assert one.paired.difference == pytest.approx(-other.paired.difference)
        assert one.paired.p_value == other.paired.p_value


def test_whole_runs_give_the_values_of_the_metrics_file(tmp_path: Path) -> None:
    media = make_media(tmp_path / "media")
    runs = [
        make_run(tmp_path / name, media, reply, count=6)
        for name, reply in (("a", wrong), ("b", right))
    ]
    for protocol in ("paper", "official", "repaired"):
        found = compare_runs(runs[0], runs[1], protocol=protocol)
        assert len(found.tasks) == 5
        for folder, values in zip(
            runs, zip(*((t.first, t.second) for t in found.tasks), strict=True), strict=True
        ):
            stored = {
                (row.benchmark, row.split, row.metric): row.value
                for row in read_metrics(folder / "metrics.csv")
                if row.protocol == protocol
            }
            for item, value in zip(found.tasks, values, strict=True):
                assert value is not None
                key = (item.benchmark, item.split, item.metric)
                assert math.isclose(stored[key], value, abs_tol=1e-6)


def test_a_benchmark_judged_by_groups_resamples_groups(tmp_path: Path) -> None:
    media = make_media(tmp_path / "media")
    known = catalogue().tasks.values()
    circular = next(t.id for t in known if t.headline.get("paper") == "circular accuracy")

    def run(name: str, last_right: bool) -> Path:
        folder = make_run(tmp_path / name, media, right, tasks={"onethinker_mmstar": 8})
        path = folder / "replies" / "onethinker_mmstar.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for number, line in enumerate(lines):
            line["record"]["meta"]["group"] = f"g{number // 2}"
            if number == 7 and not last_right:
                line["reply"] = "<answer>A</answer>"
        target = folder / "replies" / f"{circular}.jsonl"
        target.write_text("".join(json.dumps(line) + "\n" for line in lines))
        path.unlink()
        (folder / "scores" / "onethinker_mmstar.jsonl").unlink()
        rescore(folder, processes=1)
        return folder

    (item,) = compare_runs(run("a", False), run("b", True)).tasks
    assert (item.metric, item.first, item.second) == ("circular accuracy", 75.0, 100.0)
    assert item.paired is not None
    assert item.paired.difference == 25.0


def test_manifests_are_compared_field_by_field() -> None:
    def manifest(prompts: str, version: str, **model: Any) -> dict[str, Any]:
        tasks = {name: {"prompts": prompts, "info": {"data": "d" * 64}} for name in ("t", "u")}
        identity = {"model": {"name": "m", "arguments": model}, "seed": 0, "tasks": tasks}
        return {"identity": identity, "sessions": [{"versions": {"torch": version}}]}

    one, two = manifest("aa", "2.6", fps=2), manifest("bb", "2.7", fps=1)
    assert manifest_differences(one, one) == []
    assert manifest_differences(one, two) == [
        "model.arguments.fps: 2 / 1",
        "session.versions.torch: 2.6 / 2.7",
        "prompts: aa / bb (all tasks)",
    ]
    two["identity"]["tasks"]["t"]["info"]["data"] = "e" * 64
    assert manifest_differences(one, two)[-1] == f"info.data: {'d' * 12} / {'e' * 12} (t)"


def test_an_id_that_names_another_question_is_not_paired(tmp_path: Path) -> None:
    media = make_media(tmp_path / "media")
    runs = [
        make_run(tmp_path / name, media, right, tasks={"onethinker_mmstar": 6}) for name in "ab"
    ]
    path = runs[1] / "replies" / "onethinker_mmstar.jsonl"
    path.write_text(path.read_text().replace("Question 2 of", "Another question of"))
    manifest = json.loads((runs[1] / "run.json").read_text())
    manifest["identity"]["tasks"]["onethinker_mmstar"]["info"]["data"] = "e" * 64
    (runs[1] / "run.json").write_text(json.dumps(manifest))
    found = compare_runs(*runs)
    assert [item.n for item in found.tasks] == [5]
    assert found.differences == (f"info.data: {'d' * 12} / {'e' * 12} (onethinker_mmstar)",)
    page = build_report(runs).path.read_text(encoding="utf-8")
    block = re.search(r'id="rows-0-0">([^<]*)<', page)
    assert block
    rows = json.loads(gzip.decompress(base64.b64decode(block[1])))
    assert [row["replies"][1] is None for row in rows] == [n == 2 for n in range(6)]


def test_other_segmenters_are_told(tmp_path: Path) -> None:
    media = make_media(tmp_path / "media")
    runs = []
    for name, segmenter in (("a", "grabcut 1"), ("b", "sam2 large")):
        run = make_run(tmp_path / name, media, right, tasks={"onethinker_refcoco_seg": 2})
        (run / "masks").mkdir()
        line = {"id": "0", "status": "ok", "masks": None, "segmenter": segmenter}
        path = run / "masks" / "onethinker_refcoco_seg.jsonl"
        path.write_text(json.dumps(line) + "\n")
        runs.append(run)
    found = compare_runs(*runs).differences
    assert found == ("masks: grabcut 1 / sam2 large (onethinker_refcoco_seg)",)


def test_wrong_use(runs: tuple[Path, Path], tmp_path: Path) -> None:
    media = make_media(tmp_path / "media")
    demo = make_run(tmp_path / "d", media, right, tasks={"onethinker_mmstar": 2}, demo=True)
    with pytest.raises(UsageError, match="demo data"):
        compare_runs(runs[0], demo)
    other = make_run(tmp_path / "o", media, right, tasks={"onethinker_got10k": 2})
    with pytest.raises(UsageError, match="share no task"):
        compare_runs(runs[0], other)
    for path in (other / "scores").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="not found"):
        compare_runs(other, other)


def test_the_command_prints_table_flips_and_differences(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(runs[0]), str(runs[1]), "--flips", "2"]) == 0
    shown = capsys.readouterr().out
    assert "+23.7" in shown
    assert "mmstar val, won 9: 12, 16 and 7 more" in shown
    assert "model.arguments.pretrained: org/some-model / org/other" in shown
    assert main(["compare", str(runs[0]), str(runs[1]), "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [task["wins"] for task in content["tasks"]] == [9, 4, 9]
    assert content["tasks"][0]["paired"]["difference"] == pytest.approx(100 * 9 / 38)
    assert main(["compare", str(runs[0]), str(runs[1]), "--protocol", "papr"]) == 2
    assert "did you mean" in capsys.readouterr().err.lower()
