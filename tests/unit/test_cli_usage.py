"""The command line from outside: what it accepts, what it refuses, and how each run ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.benchmarks import FAMILIES
from onethinker_eval.cli import main
from onethinker_eval.cli.app import app
from onethinker_eval.cli.model_list import OWN_MODELS
from onethinker_eval.harness import evaluate as harness_evaluate
from onethinker_eval.harness.models import CLASSES, HERE
from onethinker_eval.harness.progress import Progress
from onethinker_eval.harness.results import Failure, RunResult
from onethinker_eval.rescoring.rows import MetricRow

ROW = MetricRow("refcoco", "val", "paper", "R@0.5", 75.0, 50.0, 100.0, 24, 1, 0)
BASE = ["--model", "oracle", "--tasks", "refcoco", "--data", "demo"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Replace the evaluation by one that notes its settings and reports a finished run."""
    settings: list[Any] = []

    def fake(given: Any, *, progress: Any) -> RunResult:
        settings.append(given)
        progress(Progress("generate", "onethinker_refcoco_val", 24, 24, 24, 24, rate=8.0))
        return RunResult(tmp_path / "results" / "run", 24, 0, (), (ROW,))

    monkeypatch.setattr(harness_evaluate, "evaluate", fake)
    monkeypatch.delenv("ONETHINKER_DATA", raising=False)
    return settings


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    lines = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, captured.err
    return lines[0]


def test_the_bare_command_evaluates(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(BASE) == 0
    (settings,) = asked
    assert settings.model == "oracle"
    assert settings.tasks == tuple(f"onethinker_refcoco_{s}" for s in ("val", "testA", "testB"))
    captured = capsys.readouterr()
    assert "75.0" in captured.out
    assert "Demo data" in captured.out
    assert "24/24" in captured.err
    assert "results in" in captured.err


@pytest.mark.parametrize(
    "words",
    [
        ["--model_args", "a=1,b=2", "--batch_size", "4", "--gen_kwargs", "temperature=0"],
        ["--model-args", "a=1,b=2", "--batch-size", "4", "--gen-kwargs", "temperature=0"],
        ["--model_args=a=1,b=2", "--batch-size=4", "--gen_kwargs=temperature=0"],
    ],
)
def test_lmms_eval_spellings_and_dashes_mean_the_same(asked: list[Any], words: list[str]) -> None:
    assert main([*BASE, *words]) == 0
    assert (asked[0].model_args, asked[0].batch_size) == ("a=1,b=2", 4)
    assert asked[0].gen_kwargs == "temperature=0"


def test_every_option_reaches_the_settings(asked: list[Any], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    words = ["--limit", "3", "--output_path", "out", "--run", "r1", "--protocol", "paper,official"]
    words += ["--include-path", str(own), "--seed", "7", "--device", "cpu", "--verbose"]
    words += ["--prompts", "plain", "--system_prompt", ""]
    assert main([*BASE, *words]) == 0
    (s,) = asked
    assert (s.limit, s.output, s.run, s.protocols) == (3, "out", "r1", ("paper", "official"))
    assert (s.prompt, s.system_prompt) == ("plain", "")
    assert (s.include_path, s.seed, s.device, s.verbose) == ((str(own),), 7, "cpu", True)


def test_data_may_come_from_the_environment(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ONETHINKER_DATA", str(tmp_path))
    assert main(BASE[:4]) == 0
    assert asked[0].data == str(tmp_path)


def test_quiet_leaves_only_the_table(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BASE, "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "75.0" in captured.out


def test_only_the_first_process_of_a_run_speaks(
    asked: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert main(BASE) == 0
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--model and --tasks not given"),
        (["--tasks", "refcoco"], "--model not given"),
        (["--model", "oracle"], "--tasks not given"),
        (["--model", "oracle", "--tasks", "refcoco"], "no data named"),
        ([*BASE[:3], "refcocoo", *BASE[4:]], "did you mean refcoco"),
        (["--model", "orakel", *BASE[2:]], "did you mean oracle"),
        (["--model", "qwen3vl", *BASE[2:]], "qwen3_vl"),
        ([*BASE, "--limit", "0"], "--limit must be a whole number"),
        ([*BASE, "--limit", "0.5"], "--limit must be a whole number"),
        ([*BASE, "--batch_size", "many"], "--batch_size must be a whole number"),
        ([*BASE, "--protocol", "papier"], "did you mean paper"),
        ([*BASE, "--model_args", "pretrained"], "key=value"),
        ([*BASE, "--run", "../x"], "plain folder name"),
        ([*BASE, "--modell", "x"], "--model"),
        ([*BASE, "--limit"], "--limit"),
        ([*BASE, "--include_path", "no/such/dir"], "no/such/dir"),
        (["--model", "oracle", "--tasks", "refcoco", "got10k"], "--tasks a,b"),
        ([*BASE, "tasks"], "has no effect"),
        (["task"], "did you mean tasks"),
        (["demo"], "Missing command"),
        (["demo", "mak"], "did you mean make"),
        (["demo", "make", "d", "--size", "3"], "WIDTHxHEIGHT"),
        (["demo", "make", "d", "--seed", "x"], "whole number"),
        (["demo", "make", "d", "--tasks", "refcocoo"], "did you mean refcoco"),
        (["score"], "RUN"),
        (["score", "no-such-run"], "not a run folder"),
        (["leaderboard"], "RUN"),
        (["leaderboard", "x", "--format", "pdf"], "unknown format"),
        (["leaderboard", "x", "--protocol", "papers"], "did you mean paper"),
        (["tasks", "--jsn"], "--json"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    asked: list[Any], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(words) == 2
    assert message in error_of(capsys)
    assert asked == []


def test_failed_samples_end_with_1_and_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = tuple(
        Failure("onethinker_refcoco_val", str(n), "media", f"image {n}.png is missing")
        for n in range(7)
    )

    def fake(settings: Any, *, progress: Any) -> RunResult:
        return RunResult(tmp_path, 20, 0, failures, (ROW,))

    monkeypatch.setattr(harness_evaluate, "evaluate", fake)
    assert main(BASE) == 1
    err = capsys.readouterr().err
    assert "7 samples failed" in err
    assert "refcoco_val 0: media: image 0.png is missing" in err
    assert "and 2 more" in err


def test_a_bug_is_one_line_and_verbose_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake(settings: Any, *, progress: Any) -> RunResult:
        raise ZeroDivisionError("a\nbug")

    monkeypatch.setattr(harness_evaluate, "evaluate", fake)
    assert main(BASE) == 1
    assert "ZeroDivisionError: a bug" in error_of(capsys)
    assert main([*BASE, "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: signal.Signals
) -> None:
    def fake(settings: Any, *, progress: Any) -> RunResult:
        progress(Progress("generate", "onethinker_refcoco_val", 5, 24, 5, 24))
        signal.raise_signal(by)
        raise AssertionError("the signal was ignored")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(harness_evaluate, "evaluate", fake)
    # A process started in the background of a script ignores Ctrl-C; these tests may be one.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(BASE) == 130
    finally:
        signal.signal(signal.SIGINT, usual)
    err = capsys.readouterr().err
    assert "5 of 24 samples are kept" in err
    assert "same command" in err
    assert "Traceback" not in err
    assert signal.getsignal(signal.SIGTERM) is before


def test_help_lists_options_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["-h"]):
        assert main(words) == 0
        text = capsys.readouterr().out
        for name in ("--model_args", "--tasks", "--limit", "--quiet", "tasks", "score", "doctor"):
            assert name in text
        assert all(len(line) <= 80 for line in text.splitlines())


def _commands(group: Any, *path: str) -> list[tuple[str, ...]]:
    found = [(*path, name) for name in group.commands]
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found += _commands(command, *path, name)
    return found


def test_every_command_has_help_and_documents_each_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import typer

    root = typer.main.get_command(app)
    paths = [(), *_commands(root)]
    assert len(paths) >= 8
    for path in paths:
        assert main([*path, "--help"]) == 0
        text = capsys.readouterr().out
        assert "Usage: onethinker-eval" in text
        command: Any = root
        for name in path:
            command = command.commands[name]
        assert command.help
        for param in command.params:
            assert getattr(param, "help", None), (path, param.name)


def test_tasks_json_is_a_list_of_31_benchmarks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 31
    assert {row["family"] for row in rows} == set(FAMILIES)
    for row in rows:
        assert {"name", "family", "metric", "size", "data", "present"} <= row.keys()
        assert row["data"] == "absent"


def test_tasks_says_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "eval_refcoco_val.json").write_text("[]")
    (tmp_path / "eval_got10k.json").write_text("[]")
    assert main(["tasks", "--json", "--data", str(tmp_path)]) == 0
    state = {row["name"]: row["data"] for row in json.loads(capsys.readouterr().out)}
    assert (state["refcoco"], state["got10k"], state["charades"]) == ("partly", "present", "absent")
    assert main(["tasks", "--json", "--data", "demo"]) == 0
    assert json.loads(capsys.readouterr().out)[0].keys() >= {"licence", "caveats", "homepage"}
    assert main(["tasks"]) == 0
    table = capsys.readouterr().out
    assert "spatio_temporal_grounding" in table
    assert "93.7" in table


def test_models_lists_ours_and_lmms_evals(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row["source"] for row in json.loads(capsys.readouterr().out)}
    assert [name for name, source in rows.items() if source == "onethinker-eval"] == [
        *("onethinker", "onethinker-tiny", "oracle", "baseline", "vllm", "openai"),
        *("onethinker-vllm", "onethinker-api", "replay"),
    ]
    assert set(OWN_MODELS) == {*CLASSES, *HERE}
    assert rows["qwen3_vl"] == rows["async_openai"] == rows["vllm_generate"] == "lmms-eval"
    assert len(rows) > 100
    assert main(["models"]) == 0
    assert "oracle" in capsys.readouterr().out


def test_a_closed_pipe_is_no_error() -> None:
    script = f"{sys.executable} -m onethinker_eval tasks --json | head -c 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "["
    assert done.stderr == ""


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "onethinker_eval", "nonsense"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown command 'nonsense'")
