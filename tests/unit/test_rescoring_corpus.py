"""CIDEr and BLEU of a corpus, and MMT-Bench by sub-task, on the demo twins and on small cases."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest
from judge_server import answered, make_run, record

from onethinker_eval import demo, readers
from onethinker_eval.benchmarks import resolve
from onethinker_eval.cli.app import run as command
from onethinker_eval.metrics import captions
from onethinker_eval.reporting.subtasks import read_subtasks, zero_shot
from onethinker_eval.rescoring import rescore

MMSCI, MMT = "onethinker_mmsci_caption", "onethinker_mmt_bench"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    return demo.make(folder, benchmarks=["mmsci_caption", "mmt_bench"])


def metrics(run: Path, protocol: str = "paper") -> dict[str, float]:
    rows = rescore(run, processes=1, replicates=20).rows
    return {row.metric: row.value for row in rows if row.protocol == protocol}


def test_the_demo_twin_of_mmsci_has_every_rule_based_metric(suite: Path, tmp_path: Path) -> None:
    records = list(readers.iterate(resolve("mmsci_caption")[0], suite))
    words = [str(item.truth).split() for item in records]
    replies = [" ".join(text[: 3 + n % 9]) for n, text in enumerate(words)]
    pairs = [(r.to_json(), answered(text)) for r, text in zip(records, replies, strict=True)]
    found = metrics(make_run(tmp_path / "r", {MMSCI: pairs}))
    named = {"METEOR", "ROUGE-L", "BLEU-2 precision", "CIDEr", "BLEU-1", "BLEU-4"}
    assert named <= set(found)
    references = [[str(item.truth)] for item in records]
    cider = captions.cider(replies, references)
    assert found["CIDEr"] == pytest.approx(100 * cider.corpus, abs=1e-5)
    bleu = captions.bleu(replies, references)
    for order, score in enumerate(bleu, start=1):
        assert found[f"BLEU-{order}"] == pytest.approx(100 * score.corpus, abs=1e-5)
    assert 0 < found["CIDEr"] < 1000


def test_corpus_metrics_do_not_depend_on_the_order(tmp_path: Path) -> None:
    pairs = [
        (record(f"c{n}", "caption", f"A {n} chart with bar {n * n}."), answered(f"A chart {n}."))
        for n in range(9)
    ]
    first = make_run(tmp_path / "a", {MMSCI: pairs})
    random.Random(1).shuffle(pairs)
    second = make_run(tmp_path / "b", {MMSCI: pairs})
    for run in (first, second):
        rescore(run, processes=1, replicates=20)
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()


def test_an_unreadable_caption_is_an_empty_one_and_a_failed_one_is_none(tmp_path: Path) -> None:
    texts = [f"A chart with {word} bars." for word in ("two", "five", "nine")]
    items = [record(f"c{n}", "caption", text) for n, text in enumerate(texts)]
    replies = [answered(texts[0]), "", None]
    run = make_run(tmp_path / "r", {MMSCI: list(zip(items, replies, strict=True))})
    rows = {r.metric: r for r in rescore(run, processes=1, replicates=20).rows}
    direct = captions.cider([texts[0], ""], [[texts[0]], [texts[1]]])
    row = rows["CIDEr"]
    assert row.value == pytest.approx(100 * direct.corpus, abs=1e-5)
    assert (row.n, row.unparsable, row.failed) == (2, 1, 1)
    assert row.ci_low is not None
    assert rows["BLEU-4"].ci_low is None


def test_a_corpus_too_large_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onethinker_eval.rescoring import corpus

    monkeypatch.setattr(corpus, "MOST_CAPTIONS", 1)
    pairs = [(record(f"c{n}", "caption", "A chart."), answered("A chart.")) for n in range(2)]
    run = make_run(tmp_path / "r", {MMSCI: pairs})
    with pytest.warns(UserWarning, match="no CIDEr"):
        assert "CIDEr" not in metrics(run)


def test_every_subtask_of_the_demo_twin_has_its_row(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from onethinker_eval.demo.mmt import SUBTASKS

    records = list(readers.iterate(resolve("mmt_bench")[0], suite))
    pairs = []
    for item in records:
        right = item.meta["category"] != "point_tracking"
        wrong = "A" if item.truth != "A" else "B"
        pairs.append((item.to_json(), answered(str(item.truth) if right else wrong)))
    run = make_run(tmp_path / "r", {MMT: pairs})
    rescore(run, processes=1, replicates=20)
    table = read_subtasks(run)
    found = {item.name: item for item in table.subtasks}
    assert {name: item.group for name, item in found.items()} == SUBTASKS
    assert {name: item.row.value for name, item in found.items()} == {
        name: 0.0 if name == "point_tracking" else 100.0 for name in SUBTASKS
    }
    assert sum(item.row.n for item in table.subtasks) == len(records)
    assert [item.figure for item in table.subtasks][:5] == [
        *("point tracking", "image quality", "GUI", "rotated detection", "")
    ]
    assert table.groups()["visual_captioning"] == 100.0

    for form in ("md", "latex", "html", "csv"):
        words = ["leaderboard", str(run), "--view", "mmt-subtasks", "--format", form]
        assert command(words) == 0
        text = capsys.readouterr().out
        assert "point" in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(SUBTASKS)
    assert {row["figure_5"] for row in rows[:4]} == {
        *("point tracking", "image quality", "GUI", "rotated detection")
    }


def test_the_view_of_another_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [(record("c", "caption", "A chart."), answered("A chart."))]
    run = make_run(tmp_path / "r", {MMSCI: pairs})
    rescore(run, processes=1, replicates=20)
    assert command(["leaderboard", str(run), "--view", "mmt-subtasks"]) == 2
    assert "mmt_bench" in capsys.readouterr().err
    words = ["--with-published", "--view", "mmt-subtasks"]
    assert command(["leaderboard", str(run), *words]) == 2
    assert command(["leaderboard", str(run), "--view", "mmt"]) == 2


@pytest.mark.parametrize(
    ("name", "group", "figure"),
    [
        ("image_quality_assessment", "image_evaluation_judgement", "image quality"),
        ("web_shopping", "gui_navigation", "GUI"),
        ("gui_install", "", "GUI"),
        ("Rotated-Object Detection", "localization", "rotated detection"),
        ("lvlm_response_judgement", "image_evaluation_judgement", ""),
        ("single_object_tracking", "temporal", ""),
    ],
)
def test_the_unseen_tasks_of_the_figure(name: str, group: str, figure: str) -> None:
    assert zero_shot(name, group) == figure
