"""An ablation: equal budgets, the same prompts for every arm, tables with intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from onethinker_eval.errors import UsageError
from onethinker_eval.training import ablation as module
from onethinker_eval.training.ablation import Ablation, Arm, ablate, find_ablation, runs
from onethinker_eval.training.ablation_tables import spread
from onethinker_eval.training.recipe import load


def changes(run: Any) -> dict[str, str]:
    return dict(change.split("=", 1) for change in run.changes)


def test_the_shipped_ablation_compares_what_the_paper_does() -> None:
    made = find_ablation("tiny-ablation")
    planned = list(runs(made))
    assert len(made.seeds) >= 3
    names = ["SFT-only", "GRPO", "Dr.GRPO", "EMA-GRPO"]
    without = [f"without {family}" for family in made.leave_out]
    assert [run.arm for run in planned[: len(names) + len(without)]] == [*names, *without]
    assert len({run.folder for run in planned}) == len(planned)
    for run in planned:
        recipe = load(run.recipe, changes(run))
        assert recipe.stage == run.stage
        assert recipe.run.steps == made.steps
        assert recipe.model.path == made.start


def test_arms_of_a_seed_differ_in_their_objective_only() -> None:
    planned = [run for run in runs(find_ablation("tiny-ablation")) if run.seed == 1]
    recipes = {run.arm: load(run.recipe, changes(run)) for run in planned}
    ema, group, plain = (recipes[name] for name in ("EMA-GRPO", "GRPO", "Dr.GRPO"))
    scales = [recipe.advantage.scale for recipe in (ema, group, plain)]
    assert scales == ["ema", "group", "none"]
    assert plain.rollouts.loss == "dr_grpo"
    for recipe in (group, plain):
        assert recipe.data == ema.data
        assert recipe.optimiser == ema.optimiser
        assert recipe.run.seed == ema.run.seed
    left = recipes["without tracking" if "without tracking" in recipes else "without image_qa"]
    assert len(left.data.sources[0].families) == 9
    replies = ema.run.batch * ema.rollouts.group_size
    assert recipes["SFT-only"].run.batch == replies


def test_unknown_arms_and_families_are_refused() -> None:
    arms = {"a": Arm("tiny-grpo")}
    with pytest.raises(UsageError, match="did you mean a"):
        Ablation(start="x", arms=arms, unified="aa")
    with pytest.raises(UsageError, match="tracking"):
        Ablation(start="x", arms=arms, unified="a", leave_out=("trackin",))
    with pytest.raises(UsageError, match="tiny-ablation"):
        find_ablation("tiny-ablatio")


def test_intervals_are_students_t_over_seeds() -> None:
    found = spread([50.0, 52.0, 54.0])
    assert found.mean == 52.0
    assert found.half == pytest.approx(4.3027 * 2 / 3**0.5, rel=1e-4)  # t of 2 degrees at 97.5 %
    assert spread([7.0]).half is None


def test_without_a_start_the_cold_start_is_asked_for(tmp_path: Path) -> None:
    made = Ablation(start=str(tmp_path), arms={"a": Arm("tiny-grpo")}, unified="a")
    with pytest.raises(UsageError, match="cold start"):
        ablate(made)


METRICS = (
    "benchmark,split,protocol,metric,value,ci_low,ci_high,n,unparsable,failed\n"
    "got10k,val,paper,AO,{ao},,,5,0,0\ncharades,test,paper,mIoU,{ao},,,5,0,0\n"
)


def test_a_stopped_ablation_goes_on_and_writes_both_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes are replaced by ones that write what real ones leave behind."""
    (tmp_path / "start-model").mkdir()
    (tmp_path / "start-model" / "config.json").write_text("{}", encoding="utf-8")
    made = Ablation(
        start=str(tmp_path / "start-model"),
        arms={"GRPO": Arm("tiny-grpo"), "EMA-GRPO": Arm("tiny-grpo")},
        unified="EMA-GRPO",
        leave_out=("tracking",),
        seeds=(0, 1, 2),
        output=str(tmp_path / "out"),
    )
    called: list[tuple[str, int, str]] = []
    points = {"start": 40.0, "GRPO": 50.0, "EMA-GRPO": 60.0, "without tracking": 55.0}

    def call(run: Any, part: str, command: Any) -> None:
        if len(called) == 5:
            called.append(("stop", 0, ""))
            raise KeyboardInterrupt
        called.append((run.arm, run.seed, part))
        if part == "training":
            leave_training(run.folder)
        else:
            leave_evaluation(run.folder / "evaluation", points[run.arm] + run.seed)

    monkeypatch.setattr(module, "_call", call)
    with pytest.raises(KeyboardInterrupt):
        ablate(made, say=lambda _: None)
    folder = ablate(made, say=lambda _: None)
    done = [item for item in called if item[0] != "stop"]
    assert len(done) == len(set(done)) == 2 * 9 + 1  # nothing twice, and the start once
    text = (folder / "tables.md").read_text(encoding="utf-8")
    assert "| GRPO | 51.0 ± 2.5 (-10.0) |" in text
    assert "| without tracking | 56.0 ± 2.5 (-5.0) |" in text
    assert "| EMA-GRPO | 61.0 ± 2.5 |" in text
    assert "| start | 40.0 |" in text
    assert "73.0" in text  # the paper's tracking
    rows = (folder / "table_9.csv").read_text(encoding="utf-8").splitlines()
    assert "GRPO,tracking,51.000,2.484,-10.000,0.000" in rows
    assert "<polyline" in (folder / "curves.html").read_text(encoding="utf-8")


def leave_training(folder: Path) -> None:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text("{}", encoding="utf-8")
    checkpoint = folder / "checkpoint-2"
    checkpoint.mkdir()
    history = [{"step": step, "reward": 0.1 * step} for step in (1, 2)]
    state = {"global_step": 2, "log_history": history}
    (checkpoint / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")


def leave_evaluation(folder: Path, value: float) -> None:
    folder.mkdir(parents=True)
    names = {
        "onethinker_got10k_val": ("got10k", "val"),
        "onethinker_charades": ("charades", "test"),
    }
    tasks = {
        name: {"limit": 10**9, "info": {"benchmark": benchmark, "split": split, "records": 5}}
        for name, (benchmark, split) in names.items()
    }
    model = {"name": "onethinker-tiny", "arguments": {}}
    manifest = {"name": "evaluation", "demo": True, "identity": {"model": model, "tasks": tasks}}
    (folder / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "metrics.csv").write_text(METRICS.format(ao=value), encoding="utf-8")
