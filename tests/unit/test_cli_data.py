"""`demo make`, `data check`, `data where` from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker_eval.cli import main


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    assert main(["demo", "make", str(folder), "--tasks", "mmstar,refcoco", "--quiet"]) == 0
    return folder


def test_a_made_suite_passes_the_check(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "--tasks", "mmstar", "--data", str(suite), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    (task,) = report["tasks"]
    assert task["records"] == task["expected"] > 0


def test_the_same_seed_makes_the_same_records(suite: Path, tmp_path: Path) -> None:
    assert main(["demo", "make", str(tmp_path), "--tasks", "refcoco", "--quiet"]) == 0
    name = "eval_refcoco_val.json"
    assert (tmp_path / name).read_bytes() == (suite / name).read_bytes()


def test_defects_are_named_and_end_with_1(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = json.loads((suite / "eval_refcoco_val.json").read_text())
    for record in records[:5]:
        record["path"] = "missing.png"
    (tmp_path / "eval_refcoco_val.json").write_text(json.dumps(records[:5]))
    words = ["data", "check", "--tasks", "refcoco_val", "--data", str(tmp_path)]
    assert main(words) == 1
    few = capsys.readouterr().out
    assert "missing.png" in few
    assert "2 more" in few
    assert "expected 10834" in few
    assert main([*words, "--verbose"]) == 1
    assert "more (" not in capsys.readouterr().out


def test_absent_data_say_where_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", "--tasks", "mevis", "--data", str(tmp_path)]) == 1
    assert "data where --tasks mevis" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "check"], "no data named"),
        (["data", "check", "--data", "demo", "--decode", "ful"], "did you mean full"),
        (["data", "check", "--data", "demo", "--tasks", "mevi"], "did you mean mevis"),
        (["data", "where", "--tasks", "mevi"], "did you mean mevis"),
    ],
)
def test_wrong_use(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.delenv("ONETHINKER_DATA", raising=False)
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_where_names_address_folder_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "where", "--tasks", "got10k"]) == 0
    text = capsys.readouterr().out
    assert "eval_got10k.json" in text
    assert "licence" in text
    assert main(["data", "where", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) >= 31
