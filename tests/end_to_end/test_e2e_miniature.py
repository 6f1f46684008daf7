"""A miniature of the whole training: a cold start whose loss falls, then rewards that rise.

Both curves are held against stored ones (`miniature_curves.json`). Kinds of processors round
differently, so single steps are not compared: means over stretches are, with a tolerance several
times what other seeds change. `python tests/end_to_end/test_e2e_miniature.py` writes them anew.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # when run as a script
from tiny_training import micro_folder

pytest.importorskip("trl")

from onethinker_eval.training import grpo, recipe, sft
from onethinker_eval.training.launch import last_checkpoint

CURVES = Path(__file__).with_name("miniature_curves.json")
COMMON = {
    "data.sources": "[{kind: demo, families: [spatial_grounding], size: 200}]",
    "data.video_share": "0",
    "run.workers": "0",
    "run.log_every": "1",
    "run.save_every": "1000",
    "run.precision": "fp32",
}
COLD_START = {
    "model.scratch": "null",
    "data.video_from": "0",
    "optimiser.schedule": "constant",
    "run.compile": "false",
    "run.guidance": "0",
    "run.exact_weight": "1",
    "optimiser.lr": "1e-2",
    "optimiser.muon_lr": "2e-2",
    "run.steps": "100",
    "run.batch": "16",
    "run.video_batch": "16",
    "run.micro_batch": "16",
}
REWARDS = {
    "model.freeze_vision": "false",  # it has not learnt to see
    "model.freeze_embeddings": "false",
    "optimiser.lr": "2e-3",
    "optimiser.schedule": "constant",
    "rollouts.max_tokens": "96",
    "rollouts.log_every": "0",
    "run.steps": "24",
    "run.batch": "8",
    "run.micro_batch": "64",
}


def curve(folder: Path, name: str) -> list[float]:
    checkpoint = last_checkpoint(folder)
    assert checkpoint is not None
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return [line[name] for line in state["log_history"] if name in line]


def stretches(values: list[float], count: int = 4) -> list[float]:
    """Return the means of `count` equal stretches."""
    size = len(values) // count
    return [statistics.fmean(values[at * size : (at + 1) * size]) for at in range(count)]


def train(place: Path, seed: int = 0) -> dict[str, list[float]]:
    seeds = {"run.seed": str(seed), "data.seed": str(seed)}
    cold = {"model.path": str(micro_folder()), "run.output": str(place / "sft")}
    started = sft.train(recipe.load("tiny-sft", COMMON | COLD_START | cold | seeds))
    learnt = {"model.path": str(started), "run.output": str(place / "grpo")}
    grpo.train(recipe.load("tiny-grpo", COMMON | REWARDS | learnt | seeds))
    return {
        "loss": stretches(curve(place / "sft", "loss")),
        "reward": stretches(curve(place / "grpo", "reward")),
    }


def test_the_loss_falls_and_rewards_rise_as_they_did(tmp_path: Path) -> None:
    stored = json.loads(CURVES.read_text(encoding="utf-8"))
    made = train(tmp_path)
    loss, reward = made["loss"], made["reward"]
    assert loss[0] > loss[1] > loss[2] > loss[3], loss
    assert loss == pytest.approx(stored["loss"], rel=stored["loss_tolerance"])
    assert reward[-1] - reward[0] > stored["least_rise"], reward
    assert reward == pytest.approx(stored["reward"], abs=stored["reward_tolerance"])


if __name__ == "__main__":
    import tempfile

    for seed in map(int, sys.argv[1:] or "012"):
        with tempfile.TemporaryDirectory() as place:
            print(seed, json.dumps(train(Path(place), seed)))
