"""Leaderboards: columns, marks, verdicts, formats, and what must never stand side by side."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.reporting import (
    FORMATS,
    Cell,
    Key,
    build_board,
    difference,
    find_run,
    read_run,
    to_csv,
    to_markdown,
    write_leaderboards,
)
from onethinker_eval.reporting.averages import paper_columns
from onethinker_eval.reporting.published import values_of

NO_LIMIT = 1 << 53
HEADER = "benchmark,split,protocol,metric,value,ci_low,ci_high,n,unparsable,failed\n"


def make_run(
    folder: Path,
    lines: list[str],
    *,
    demo: bool = False,
    model: str = "org/OneThinker-8B",
    records: int = 10834,
    limit: int = NO_LIMIT,
) -> Path:
    folder.mkdir(parents=True)
    info = {"benchmark": "refcoco", "split": "val", "records": records, "data": "d" * 64}
    task = {"prompts": "p" * 64, "generation": {}, "limit": limit, "info": info}
    manifest: dict[str, Any] = {
        "schema": 1,
        "name": folder.name,
        "demo": demo,
        "identity": {
            "model": {"name": "qwen3_vl", "arguments": {"pretrained": model}, "weights": "w"},
            "seed": 0,
            "tasks": {"onethinker_refcoco_val": task},
        },
        "settings": {},
        "sessions": [{"versions": {"onethinker-eval": "0.1.0"}}],
    }
    (folder / "run.json").write_text(json.dumps(manifest))
    (folder / "metrics.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return folder


GOOD = "refcoco,val,paper,R@0.5,93.1,92.6,93.6,10834,3,0"


def board_of(folder: Path, **options: Any) -> Any:
    return build_board([read_run(folder)], **options)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (92.6, 93.6, "above"),
        (91.0, 93.0, "within noise"),
        (92.04, 93.0, "within noise"),  # the paper's 92.0 may be 92.04
        (90.0, 91.94, "below"),
        (None, None, "no interval"),
    ],
)
def test_a_verdict_needs_the_interval_to_exclude_the_paper(
    low: float | None, high: float | None, verdict: str
) -> None:
    found = difference(Key("refcoco", "val", "R@0.5"), Cell(92.5, low, high, 10), 92.0)
    assert found.verdict == verdict
    assert found.amount == pytest.approx(0.5)


def test_a_partial_benchmark_gets_no_verdict() -> None:
    cell = Cell(99.0, 98.0, 99.9, 5, partial="first 5 (--limit)")
    assert difference(Key("refcoco", "val", "R@0.5"), cell, 92.0).verdict == "partial"


def test_difference_to_the_same_model_of_the_paper(tmp_path: Path) -> None:
    board = board_of(make_run(tmp_path / "r", [GOOD]))
    (found,) = board.differences(board.rows[0])
    assert (found.paper, found.verdict) == (92.0, "above")
    assert found.low == pytest.approx(0.6)
    other = board_of(make_run(tmp_path / "s", [GOOD], model="org/another"))
    assert other.differences(other.rows[0]) == []


@pytest.mark.parametrize(("masks", "compared"), [("sam2:large", 1), ("grabcut", 0), ("", 1)])
def test_masks_of_another_segmenter_are_not_compared_with_the_paper(
    tmp_path: Path, masks: str, compared: int
) -> None:
    row = read_run(make_run(tmp_path / "r", [GOOD]))
    ((key, signature),) = row.signatures.items()
    made = replace(row, signatures={key: replace(signature, masks=masks)})
    assert len(build_board([made]).differences(made)) == compared


def test_demo_is_labelled_and_never_beside_other_numbers(tmp_path: Path) -> None:
    demo = read_run(make_run(tmp_path / "d", [GOOD], demo=True))
    real = read_run(make_run(tmp_path / "r", [GOOD]))
    with pytest.raises(UsageError, match="demo"):
        build_board([demo], with_published=True)
    with pytest.raises(UsageError, match="demo"):
        build_board([demo, real])
    board = build_board([demo])
    assert board.differences(demo) == []
    assert "demo data" in to_markdown(board)
    assert to_csv(board).splitlines()[1].split(",")[2] == "demo"


@pytest.mark.parametrize(
    ("options", "line", "mark"),
    [
        ({"limit": 5, "records": 5}, "refcoco,val,paper,R@0.5,80,,,5,0,0", "first 5 (--limit)"),
        ({"records": 100}, "refcoco,val,paper,R@0.5,80,,,100,0,0", "100 of 10834"),
        ({}, "refcoco,val,paper,R@0.5,80,,,10832,0,2", "2 failed"),
    ],
)
def test_partial_benchmarks_are_marked(
    tmp_path: Path, options: dict[str, int], line: str, mark: str
) -> None:
    board = board_of(make_run(tmp_path / "r", [line], **options))
    assert f"refcoco val: {mark}" in to_csv(board)
    assert f"refcoco val: {mark}" in to_markdown(board)
    assert "80.0*" in to_markdown(board)


def test_a_whole_benchmark_is_not_marked(tmp_path: Path) -> None:
    row = read_run(make_run(tmp_path / "r", [GOOD]))
    assert row.partial() == []


def test_means_leave_out_partial_benchmarks(tmp_path: Path) -> None:
    lines = ["got10k,val,paper,AO,70,,,179,0,1"]
    assert "tracking" not in read_run(make_run(tmp_path / "p", lines)).means()
    lines = ["got10k,val,paper,AO,70,,,180,0,0"]
    assert read_run(make_run(tmp_path / "w", lines)).means()["tracking"] == 70


def test_the_csv_has_the_papers_columns_in_its_order(tmp_path: Path) -> None:
    text = to_csv(board_of(make_run(tmp_path / "r", [GOOD]), with_published=True))
    header, *rows = list(csv.reader(io.StringIO(text)))
    labels = [key.label for _, key in paper_columns()]
    assert header[:4] == ["model", "run", "source", "protocol"]
    assert header[4 : 4 + len(labels)] == labels
    assert all(len(row) == len(header) for row in rows)
    published = {row[0]: row for row in rows if row[2] == "published"}
    for key, value in values_of("OneThinker-8B").items():
        assert float(published["OneThinker-8B"][header.index(key.label)]) == value
    assert published["OneThinker-8B"][header.index("mean segmentation")] == "64.26"
    assert rows[-1][2] == "run"


def test_pandas_reads_the_csv_in_one_line(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "board.csv"
    path.write_text(to_csv(board_of(make_run(tmp_path / "r", [GOOD]), with_published=True)))
    table = pandas.read_csv(path)
    numbers = table.drop(columns=["model", "run", "source", "protocol", "partial", "signature"])
    assert all(kind.kind == "f" for kind in numbers.dtypes)
    assert table.loc[table.model == "OneThinker-8B", "got10k val AO"].item() == 73.0


def test_other_protocols_do_not_leak_in(tmp_path: Path) -> None:
    lines = [GOOD, "refcoco,val,official,R@0.5,1,,,10834,0,0"]
    folder = make_run(tmp_path / "r", lines)
    key = Key("refcoco", "val", "R@0.5")
    assert read_run(folder).cells[key].value == 93.1
    assert read_run(folder, protocol="official").cells[key].value == 1.0


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


def test_names_cannot_break_out_of_any_format(tmp_path: Path) -> None:
    nasty = "=1+1|<script>alert(1)</script>\n\\end{tabular} & % $x_1$"
    board = board_of(make_run(tmp_path / "r", [GOOD], model=nasty))
    page = _Texts()
    page.feed(FORMATS["html"](board))
    assert "script" not in page.tags
    assert "<script" not in FORMATS["md"](board)
    model = next(csv.DictReader(io.StringIO(FORMATS["csv"](board))))["model"]
    assert model.startswith("'=")
    lines = [line for line in FORMATS["latex"](board).splitlines() if line[:1] != "%"]
    assert lines.count(r"\end{tabular}") == 1
    assert sum(r"\end{tabular}" in line for line in lines) == 1


def test_latex_is_escaped_and_rules_stand_between_paper_and_runs(tmp_path: Path) -> None:
    board = board_of(
        make_run(tmp_path / "r", [GOOD]), with_published=True, models=["OneThinker-8B"]
    )
    latex = FORMATS["latex"](board)
    assert r"OneThinker-8B (paper) & 92.0" in latex
    assert latex.count(r"\midrule") > latex.count(r"\toprule")


def test_signatures_stand_below_the_tables(tmp_path: Path) -> None:
    text = to_markdown(board_of(make_run(tmp_path / "r", [GOOD])))
    line = next(line for line in text.splitlines() if line.startswith("benchmark:refcoco|"))
    assert "protocol:paper|metric:R@0.5" in line
    assert f"prompt:{'p' * 12}" in line


def test_a_run_writes_its_own_leaderboard(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "r", [GOOD])
    write_leaderboards(folder)
    first = (folder / "leaderboard.csv").read_bytes(), (folder / "leaderboard.md").read_bytes()
    write_leaderboards(folder)
    assert first == (
        (folder / "leaderboard.csv").read_bytes(),
        (folder / "leaderboard.md").read_bytes(),
    )


def test_runs_are_found_by_name_and_a_typo_names_the_nearest(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "results" / "first-run", [GOOD])
    assert find_run("first-run", tmp_path / "results") == folder
    with pytest.raises(UsageError, match="first-run"):
        find_run("fist-run", tmp_path / "results")


def test_a_run_without_metrics_says_how_to_make_them(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "r", [GOOD])
    (folder / "metrics.csv").unlink()
    with pytest.raises(DataError, match="score"):
        read_run(folder)


def test_an_unknown_model_of_the_paper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the paper has no model"):
        board_of(make_run(tmp_path / "r", [GOOD]), with_published=True, models=["nope"])
