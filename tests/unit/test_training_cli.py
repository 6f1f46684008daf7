"""The command line of training: dry runs, mistakes, memory figures, curves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.training import curves
from onethinker_eval.training.cli import main
from onethinker_eval.training.dry_run import memory, parameters
from onethinker_eval.training.launch import accumulation, last_checkpoint
from onethinker_eval.training.recipe import load, shipped

HEAVY = "{'torch', 'transformers', 'trl', 'lmms_eval', 'datasets'}"


def test_help_is_light() -> None:
    code = (
        "import sys; from onethinker_eval.training.cli import main\n"
        "code = main(['grpo', '--help'])\n"
        f"assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)\n"
        "assert not code"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--dry-run" in done.stdout


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(shipped())


def test_a_dry_run_shows_batches_memory_and_prompts(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("datasets")
    assert main(["grpo", "demo-grpo", "--dry-run", "run.batch=16", "data.video_share=1"]) == 0
    shown = capsys.readouterr().out
    assert "16 prompts × 8 = 128 = 1 processes × 4 micro-batches × 32" in shown
    assert "memory             not known" in shown
    assert "prompt 2:" in shown
    assert "seconds><image>" in shown
    assert "truth:" in shown
    assert main(["sft", "demo-sft", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "32 samples = 1 processes × 1 micro-batches × 32" in shown
    assert "GiB a process" in shown
    assert "-> <think>" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grpo", "demo-sft"], "is a recipe of stage sft"),
        (["sft", "demo-stf"], "did you mean demo-sft"),
        (["sft", "demo-sft", "run.stepz=3"], "run.steps"),
        (["sft", "demo-sft", "steps"], "expected KEY=VALUE"),
        (["sft", "demo-sft", "--dry-run", "run.batch=30", "run.micro_batch=4"], "multiple of 4"),
        (["sfd"], "sfd"),
    ],
)
def test_mistakes_end_with_2_and_a_line_that_helps(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_batches_are_shared_out_evenly() -> None:
    assert accumulation(128 * 8, 1, processes=32) == 32
    with pytest.raises(UsageError, match="multiple of 64"):
        accumulation(32, 2, processes=32)


def test_memory_of_the_papers_run() -> None:
    made = memory(load("onethinker-8b-grpo"), 8e9, stage=3, processes=32)
    # 4 + 4 + 8 bytes a parameter and 4 of the reference, all shared by 32 processes
    assert made.total == pytest.approx(20 * 8e9 / 32)
    adapters = memory(load("onethinker-8b-grpo-lora"), 8e9)
    assert adapters.weights == 2 * 8e9
    assert adapters.reference == 0
    assert adapters.moments == pytest.approx(8 * 8e7)
    assert parameters("somewhere/model") is None


def test_parameters_are_counted_in_weight_files(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    import numpy as np

    numpy.save_file({"a": np.zeros((3, 4)), "b": np.zeros(5)}, tmp_path / "model.safetensors")
    assert parameters(str(tmp_path)) == 17


def checkpoint(run: Path, step: int, text: str) -> None:
    folder = run / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(text, encoding="utf-8")


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    checkpoint(tmp_path, 9, json.dumps({"global_step": 9}))
    checkpoint(tmp_path, 10, json.dumps({"global_step": 10}))
    checkpoint(tmp_path, 20, '{"global_step": 2')
    (tmp_path / "checkpoint-30").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_curves_are_drawn_for_every_metric(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no whole checkpoint"):
        curves.write_page(tmp_path)
    history = [
        {"step": 1, "loss": 2.0, "reward/math": 0.5, "reward/<b>": 1.0, "epoch": 0.1},
        {"step": 2, "loss": 1.0, "reward/math": 0.75},
        {"step": 2, "train_runtime": 3.0},
    ]
    checkpoint(tmp_path, 2, json.dumps({"global_step": 2, "log_history": history}))
    assert curves.read_history(tmp_path) == {
        "loss": [(1, 2.0), (2, 1.0)],
        "reward/math": [(1, 0.5), (2, 0.75)],
        "reward/<b>": [(1, 1.0)],
    }
    page = curves.write_page(tmp_path).read_text(encoding="utf-8")
    assert page.count("<figure>") == 2
    assert page.count("<polyline") == 3
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_the_report_command_draws_a_page_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    history = [
        {"step": step, "loss": 1 / step, "reward/math": 0.1 * step, "reward/ocr": 0.5, "kl": 0.0}
        for step in range(1, 9)
    ]
    checkpoint(tmp_path, 8, json.dumps({"global_step": 8, "log_history": history}))
    assert main(["report", str(tmp_path)]) == 0
    shown = capsys.readouterr().out.split()
    assert shown == [str(tmp_path / "curves.html"), str(tmp_path / "curves.png")]
    sheet = Image.open(tmp_path / "curves.png").convert("RGB")
    assert sheet.size == (3 * 520, 300 + 2 * 16)
    # Reward stands first, with a line in the first and one in the second colour.
    colours = {colour for _, colour in sheet.crop((0, 0, 520, 300)).getcolors(1 << 20) or []}
    for colour in curves.COLOURS[:2]:
        assert tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) in colours
