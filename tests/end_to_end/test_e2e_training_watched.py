"""Training evaluated on the way, and LoRA from start to evaluation, by the real commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_training import micro_folder

pytest.importorskip("trl")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SHARED = [
    "data.sources=[{kind: demo, families: [spatial_grounding], size: 8}]",
    "optimiser.lr=1e-3",
    "run.steps=4",
    "run.batch=4",
    "run.micro_batch=4",
    "run.save_every=100",
    "run.log_every=1",
]


def command(*arguments: str) -> str:
    """Run a module of the package and return what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def evaluations(run: Path) -> list[dict[str, Any]]:
    """Return the lines of the history that tell of evaluations."""
    text = (run / "checkpoint-4" / "trainer_state.json").read_text(encoding="utf-8")
    return [line for line in json.loads(text)["log_history"] if "eval/failed" in line]


def test_checkpoints_are_evaluated_and_the_best_is_kept(tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [
        *("onethinker_eval.training", "sft", "demo-sft", *SHARED),
        *(f"model.path={micro_folder()}", "model.scratch=null", f"run.output={run}"),
        *("optimiser.name=adamw", "run.number_smoothing=0"),
        *("evaluation.every=2", "evaluation.tasks=[refcoco_val]", "evaluation.limit=4"),
        *("evaluation.max_tokens=8", "evaluation.model=onethinker-tiny"),
        "evaluation.best=refcoco/mIoU",
    ]
    command(*arguments)
    stored = {
        step: json.loads((run / f"evaluations/step-{step}.json").read_text()) for step in (2, 4)
    }
    for step, told in stored.items():
        assert "error" not in told, told
        assert {"refcoco/R@0.5", "refcoco/mIoU", "mean"} <= set(told["metrics"])
        # An ordinary run folder of the harness, of this very checkpoint.
        manifest = json.loads((run / f"evaluations/step-{step}/run.json").read_text())
        model = manifest["identity"]["model"]["arguments"]
        assert model["pretrained"] == str((run / f"checkpoint-{step}").resolve())
    assert not (run / "checkpoint-2").exists() or (run / "checkpoint-4").exists()
    (line,) = evaluations(run)  # that of step 4 is told after its checkpoint was written
    assert line["step"] == 2
    assert line["eval/refcoco/mIoU"] == stored[2]["metrics"]["refcoco/mIoU"]
    best = json.loads((run / "best" / "metrics.json").read_text())
    values = {step: told["metrics"]["refcoco/mIoU"] for step, told in stored.items()}
    assert best["value"] == max(values.values())
    assert values[best["step"]] == best["value"]
    assert (run / "best" / "model.safetensors").exists()
    command("onethinker_eval.training", "report", str(run))
    assert "eval" in (run / "curves.html").read_text(encoding="utf-8")


def test_lora_trains_and_its_adapter_is_evaluated(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command(
        *("onethinker_eval.training", "grpo", "demo-grpo", *SHARED),
        *(f"model.path={micro_folder()}", f"run.output={run}", "model.lora_rank=4"),
        *("rollouts.group_size=4", "rollouts.max_tokens=8", "rollouts.filter_tries=0"),
        "rollouts.kl=0.01",
    )
    adapter = run / "model"
    assert (adapter / "adapter_config.json").exists()
    assert not (adapter / "model.safetensors").exists()
    merged = tmp_path / "merged"
    command("onethinker_eval.training", "merge", str(adapter), str(merged))
    assert (merged / "model.safetensors").exists()
    for number, weights in enumerate((adapter, merged)):
        command(
            *("onethinker_eval", "--model", "onethinker-tiny", "--tasks", "refcoco_val"),
            *("--data", "demo"),
            *("--model_args", f"pretrained={weights}", "--limit", "2"),
            *("--gen_kwargs", "max_new_tokens=8", "--quiet"),
            *("--output", str(tmp_path), "--run", f"r{number}"),
        )
    replies = [
        [json.loads(line)["reply"] for line in path.read_text().splitlines()]
        for path in sorted(tmp_path.glob("r*/replies/*.jsonl"))
    ]
    assert len(replies) == 2
    assert len(replies[0]) == 2
    assert replies[0] == replies[1]
