"""The report that a finished run writes by itself, and the scripts that the docs show."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.cli import main
from onethinker_eval.harness import results

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.sbatch"))
LAUNCHERS = {"--nnodes", "--nproc-per-node", "--rdzv-backend", "--rdzv-endpoint", "--rdzv-id"}
LAUNCHERS |= {"--kill-on-bad-exit"}


def run_with(folder: Path, size: int = 10) -> Path:
    (folder / "replies").mkdir()
    (folder / "replies" / "t.jsonl").write_bytes(b"x" * size)
    return folder


def test_a_report_that_fails_is_told_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(runs: Any) -> None:
        raise ValueError("no\nroom")

    monkeypatch.setattr("onethinker_eval.reporting.html.build_report", broken)
    message = results.write_report(run_with(tmp_path))
    assert message.startswith("report.html was not written (no room)")
    assert str(tmp_path) in message


def test_a_large_run_gets_its_report_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    monkeypatch.setattr("onethinker_eval.reporting.html.build_report", made.append)
    monkeypatch.setattr(results, "REPORT_BYTES", 9)
    assert "onethinker-eval report" in results.write_report(run_with(tmp_path))
    assert made == []
    monkeypatch.setattr(results, "REPORT_BYTES", 10)
    assert results.write_report(tmp_path) == ""
    assert made == [[tmp_path]]


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.name)
def test_the_slurm_scripts_are_bash_and_use_options_there_are(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = re.sub(r"(?m)^\s*#.*$", "", script.read_text())
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]*", text)) - LAUNCHERS
    assert main(["--help"]) == 0
    known = set(re.findall(r"--[a-z][a-z_-]*", capsys.readouterr().out))
    assert {"--model", "--tasks", "--run"} <= used <= known


def test_there_are_scripts() -> None:
    assert [path.stem for path in EXAMPLES] == ["slurm_shards", "slurm_torchrun"]
