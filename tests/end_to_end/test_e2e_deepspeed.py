"""DeepSpeed ZeRO-2 and ZeRO-3 with two CPU processes: SFT, then GRPO, killed and resumed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_training import micro_folder

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("deepspeed", reason="DeepSpeed is not installed (the extra `train`)")

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]
STEPS = 4
SAVED = 2
TIMEOUT_S = 1800


def recipes(folder: Path, zero: str, start: str) -> tuple[Path, Path]:
    """Write the recipes of an SFT run and of a GRPO run from its model; return their files."""
    from onethinker_eval.training import recipe

    shared = {
        "data.sources": "[{kind: demo, families: [spatial_grounding, tracking], size: 8}]",
        "data.max_frames": "4",
        "data.video_share": "0.5",
        "data.video_from": "0",
        "optimiser.name": "adamw",
        "optimiser.lr": "1e-3",
        "optimiser.schedule": "constant",
        "optimiser.warmup": "0",
        "run.deepspeed": zero,
        "run.steps": str(STEPS),
        "run.batch": "4",
        "run.micro_batch": "2",
        "run.precision": "fp32",
        "run.save_every": str(SAVED),
        "run.log_every": "1",
    }
    sft = {
        "model.path": start,
        "model.scratch": "null",
        "run.output": str(folder / "sft"),
        "run.video_batch": "null",
        "run.number_smoothing": "0",
    }
    grpo = {
        "model.path": str(folder / "sft" / "model"),
        "rollouts.group_size": "4",
        "rollouts.max_tokens": "8",
        "rollouts.kl": "0.01",
        "rollouts.filter_tries": "1",
        "ema_decay": "0.9",
        "run.output": str(folder / "grpo"),
        "run.micro_batch": "4",
    }
    files = []
    for name, changes in (("demo-sft", sft), ("demo-grpo", grpo)):
        file = folder / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(recipe.load(name, shared | changes).to_yaml(), encoding="utf-8")
        files.append(file)
    return files[0], files[1]


def launch(folder: Path, zero: str, jobs: list[dict[str, Any]]) -> int:
    """Run jobs in two processes under accelerate and return the exit status."""
    from onethinker_eval.paths import training_dir

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    # The shipped file, for as many processes as there are here.
    shipped = training_dir() / "launchers" / "accelerate-8gpu.yaml"
    settings = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    settings |= {"num_processes": 2, "use_cpu": True}
    settings["deepspeed_config"] = {
        "zero_stage": int(zero[-1]),
        "zero3_init_flag": zero == "zero3",
    }
    (folder / "accelerate.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [sys.executable, "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(folder / "accelerate.yaml")]
    command += ["--main_process_port", str(port)]
    command += [str(TESTS / "training_worker.py"), str(folder / "jobs.json")]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "DS_ACCELERATOR": "cpu",
        "HF_HUB_OFFLINE": "1",
        "TORCH_EXTENSIONS_DIR": str(folder / "extensions"),
    }
    with (folder / "log.txt").open("ab") as log:
        done = subprocess.run(
            command, env=environment, stdout=log, stderr=log, timeout=TIMEOUT_S, check=False
        )
    return done.returncode


def job(file: Path, step: int | None = None, where: str = "update") -> dict[str, Any]:
    kill = None if step is None else {"step": step, "where": where}
    return {"recipe": str(file), "kill": kill}


def weights(model: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found = {name: part.float() for name, part in load_file(model / "model.safetensors").items()}
    # The output layer is the embedding; some ways of saving write it a second time.
    again = found.pop("lm_head.weight", None)
    assert again is None or torch.equal(again, found["model.language_model.embed_tokens.weight"])
    return found


def largest_difference(first: Path, second: Path) -> float:
    mine, theirs = weights(first), weights(second)
    assert mine.keys() == theirs.keys()
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine)


def history(run: Path, name: str) -> list[float]:
    text = (run / f"checkpoint-{STEPS}" / "trainer_state.json").read_text(encoding="utf-8")
    return [line[name] for line in json.loads(text)["log_history"] if name in line]


def moments(run: Path) -> Any:
    return json.loads((run / f"checkpoint-{STEPS}" / "ema_moments.json").read_text())


@pytest.mark.timeout(4 * TIMEOUT_S)
@pytest.mark.parametrize("zero", ["zero2", "zero3"])
def test_two_processes_train_and_a_killed_run_resumes(zero: str, tmp_path: Path) -> None:
    start = micro_folder()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    sft, grpo = recipes(whole, zero, str(start))
    assert launch(whole, zero, [job(sft), job(grpo)]) == 0, (whole / "log.txt").read_text()[-4000:]
    assert largest_difference(whole / "sft" / "model", start) > 1e-3
    assert largest_difference(whole / "grpo" / "model", whole / "sft" / "model") > 1e-3
    (killed / "sft").mkdir(parents=True)
    sft, grpo = recipes(killed, zero, str(start))
    assert launch(killed, zero, [job(sft, 3)]) != 0
    assert not (killed / "sft" / "model").exists()
    # The same command goes on; GRPO is then killed while its last checkpoint is written.
    assert launch(killed, zero, [job(sft), job(grpo, STEPS, "checkpoint")]) != 0
    assert launch(killed, zero, [job(grpo)]) == 0, (killed / "log.txt").read_text()[-4000:]
    figures = {}
    for stage in ("sft", "grpo"):
        mine, theirs = whole / stage, killed / stage
        losses = history(mine, "loss")
        assert len(losses) == STEPS
        figures[stage] = {
            "losses": losses,
            "losses after the resume": history(theirs, "loss"),
            "largest weight difference": largest_difference(mine / "model", theirs / "model"),
        }
    figures["moments"] = moments(whole / "grpo")["tasks"]
    print(json.dumps({zero: figures}))
    assert moments(whole / "grpo") == moments(killed / "grpo")
    assert history(whole / "grpo", "reward") == history(killed / "grpo", "reward")
    for stage in ("sft", "grpo"):
        assert figures[stage]["losses"] == figures[stage]["losses after the resume"]
        assert figures[stage]["largest weight difference"] == 0.0
