"""Evaluation while training: the command, the metrics, the best checkpoint, failures."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.benchmarks import resolve
from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.rescoring.rows import MetricRow, write_metrics
from onethinker_eval.training import evaluation
from onethinker_eval.training.evaluation import (
    MEAN,
    best_so_far,
    check_settings,
    command,
    evaluate,
    keep_best,
    metrics_of,
    result_file,
)
from onethinker_eval.training.recipe import DataSettings, EvaluationSettings

SETTINGS = EvaluationSettings(every=2, tasks=("refcoco", "mmstar"), limit=4)
DATA = DataSettings(max_frames=16)


def row(
    benchmark: str, split: str, metric: str, value: float, protocol: str = "paper"
) -> MetricRow:
    return MetricRow(benchmark, split, protocol, metric, value, None, None, 4, 0, 0)


ROWS = [
    row("refcoco", "val", "R@0.5", 20.0),
    row("refcoco", "testA", "R@0.5", 40.0),
    row("refcoco", "testB", "R@0.5", 60.0),
    row("refcoco", "val", "R@0.5", 99.0, "official"),
    row("refcoco", "val", "mIoU", 10.0),
    row("mmstar", "val", "accuracy", 80.0),
]


def test_the_command_asks_as_the_training_does(tmp_path: Path) -> None:
    made = command(SETTINGS, DATA, tmp_path / "c", tmp_path, "step-2")
    options = dict(zip(made[3::2], made[4::2], strict=False))
    assert made[1:3] == ["-m", "onethinker_eval"]
    assert options["--tasks"] == "refcoco,mmstar"
    assert options["--limit"] == "4"
    for part in (f"pretrained={tmp_path / 'c'}", "max_frames=16", "video_markers=nested"):
        assert part in options["--model_args"].split(",")
    tiny = dataclasses.replace(SETTINGS, model="onethinker-tiny", model_args="max_frames=8")
    arguments = command(tiny, DATA, Path("c"), tmp_path, "r")[6]
    assert arguments == "pretrained=c,max_frames=8"


def test_splits_are_averaged_and_headlines_make_the_mean() -> None:
    found = metrics_of(ROWS, resolve(("refcoco", "mmstar")))
    assert found == {
        "refcoco/R@0.5": 40.0,
        "refcoco/mIoU": 10.0,
        "mmstar/accuracy": 80.0,
        MEAN: 60.0,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"best": "refcoco/R@05"}, "did you mean refcoco/R@0.5"),
        ({"tasks": ("refcocoo",)}, "did you mean"),
        ({"every": -1}, "below 0"),
    ],
)
def test_settings_that_name_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_settings(dataclasses.replace(SETTINGS, **changes))
    check_settings(SETTINGS)


def checkpoint(run: Path, step: int) -> Path:
    folder = run / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "optimizer.pt", "trainer_state.json"):
        (folder / name).write_text(f"{name} of {step}")
    for name in ("rng_state.pth", "ema_moments.json", "training_args.bin"):
        (folder / name).write_text("")
    (folder / "global_step2").mkdir()
    return folder


def test_the_best_checkpoint_is_kept_with_its_metrics(tmp_path: Path) -> None:
    assert best_so_far(tmp_path) is None
    for step, value, better in [
        (2, 10.0, True),
        (4, 30.0, True),
        (6, 30.0, False),
        (8, 5.0, False),
    ]:
        metrics = {MEAN: value, "mmstar/accuracy": value}
        assert keep_best(tmp_path, checkpoint(tmp_path, step), step, metrics, MEAN) is better
    best = tmp_path / "best"
    assert (best / "model.safetensors").read_text() == "model.safetensors of 4"
    assert sorted(path.name for path in best.iterdir()) == [
        "config.json",
        "metrics.json",
        "model.safetensors",
    ]
    told = best_so_far(tmp_path)
    assert told is not None
    assert (told["step"], told["metric"], told["value"]) == (4, MEAN, 30.0)
    assert [path.name for path in tmp_path.glob("best-step-*")] == ["best-step-4"]
    assert not keep_best(tmp_path, tmp_path / "checkpoint-8", 8, {}, MEAN)


def test_a_kill_while_the_best_changes_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_best(tmp_path, checkpoint(tmp_path, 2), 2, {MEAN: 1.0}, MEAN)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "_point", killed)
        with pytest.raises(KeyboardInterrupt):
            keep_best(tmp_path, checkpoint(tmp_path, 4), 4, {MEAN: 2.0}, MEAN)
    assert (best_so_far(tmp_path) or {})["step"] == 2
    assert keep_best(tmp_path, tmp_path / "checkpoint-4", 4, {MEAN: 2.0}, MEAN)
    assert (best_so_far(tmp_path) or {})["step"] == 4


def test_the_evaluation_is_no_rank_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def run(asked: list[str], *, env: dict[str, str], **_: Any) -> Any:
        seen.update(env)
        output = Path(asked[asked.index("--output") + 1]) / asked[asked.index("--run") + 1]
        write_metrics(output / "metrics.csv", ROWS)
        return subprocess.CompletedProcess(asked, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "ACCELERATE_USE_DEEPSPEED"):
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    metrics = evaluate(SETTINGS, DATA, tmp_path / "checkpoint-2", tmp_path, 2)
    assert metrics[MEAN] == 60.0
    assert json.loads(result_file(tmp_path, 2).read_text())["metrics"] == metrics
    assert not {"WORLD_SIZE", "RANK", "MASTER_ADDR", "ACCELERATE_USE_DEEPSPEED"} & set(seen)
    assert seen["CUDA_VISIBLE_DEVICES"] == "3"


def test_an_evaluation_without_metrics_is_an_error_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(asked: list[str], **_: Any) -> Any:
        return subprocess.CompletedProcess(asked, 2, "", "error: no such model")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RunError, match="ended with 2: error: no such model"):
        evaluate(SETTINGS, DATA, tmp_path / "checkpoint-2", tmp_path, 2)
    assert not result_file(tmp_path, 2).exists()
