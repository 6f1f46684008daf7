"""The launch files: accelerate reads them, the recipes' batches fit them, the script is sound."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from onethinker_eval.paths import training_dir
from onethinker_eval.training.cli import main
from onethinker_eval.training.recipe import load, shipped

FOLDER = training_dir() / "launchers"
PROCESSES = {"accelerate-8gpu.yaml": 8, "accelerate-4x8gpu.yaml": 32}


@pytest.mark.parametrize(("name", "processes"), sorted(PROCESSES.items()))
def test_accelerate_reads_its_files(name: str, processes: int) -> None:
    config_args = pytest.importorskip("accelerate.commands.config.config_args")
    made = config_args.load_config_from_file(str(FOLDER / name))
    assert made.num_processes == processes
    assert made.num_machines * 8 == processes
    assert made.distributed_type.value == "DEEPSPEED"
    assert made.deepspeed_config["zero_stage"] == 3
    assert made.deepspeed_config["zero3_init_flag"] is True


@pytest.mark.parametrize(
    ("recipe", "processes"),
    [
        ("onethinker-8b-sft", 32),
        ("onethinker-8b-grpo", 32),
        ("onethinker-8b-grpo-8gpu", 8),
        ("onethinker-8b-grpo-lora", 1),
    ],
)
def test_batches_fit_the_processes(
    recipe: str, processes: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    made = load(recipe)
    assert main([made.stage, recipe, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert f"{processes} processes ×" in shown
    samples = made.run.batch * (made.rollouts.group_size if made.stage == "grpo" else 1)
    held = samples // processes // made.run.micro_batch
    assert f"{processes} processes × {held} micro-batches × {made.run.micro_batch}" in shown
    if made.stage == "grpo":
        # A process must hold whole groups.
        assert samples // processes % made.rollouts.group_size == 0


def test_the_heads_of_the_files_name_recipes_that_exist() -> None:
    named = set()
    for path in FOLDER.iterdir():
        named |= set(re.findall(r"onethinker-8b[\w-]*", path.read_text(encoding="utf-8")))
    assert named
    assert named <= set(shipped())


def test_the_slurm_script_asks_accelerate_what_it_knows() -> None:
    launch = pytest.importorskip("accelerate.commands.launch")
    script = FOLDER / "slurm-4x8gpu.sh"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    text = script.read_text(encoding="utf-8")
    nodes = int(re.findall(r"--nodes=(\d+)", text)[0])
    gpus = int(re.findall(r"--gpus-per-node=(\d+)", text)[0])
    assert nodes * gpus == PROCESSES["accelerate-4x8gpu.yaml"]
    arguments = ["--config_file", "x", "--machine_rank", "3", "--main_process_ip", "n0"]
    arguments += ["--main_process_port", "29500", "-m", "onethinker_eval.training", "grpo", "r"]
    for option in arguments[::2]:
        assert option not in ("-m",) or option in text
        assert not option.startswith("--") or option in text
    made = launch.launch_command_parser().parse_args(arguments)
    assert (made.machine_rank, made.main_process_ip, made.module) == (3, "n0", True)
    assert made.training_script_args == ["grpo", "r"]


def test_launch_files_are_found_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launchers", "accelerate-8gpu.yaml"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    assert main(["launchers"]) == 0
    assert len(capsys.readouterr().out.split()) == 3
    assert main(["launchers", "accelerate-9gpu.yaml"]) == 2
    assert "accelerate-8gpu.yaml" in capsys.readouterr().err
