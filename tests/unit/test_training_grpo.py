"""EMA-GRPO on TRL with a tiny model: advantages, filtering, failures, learning and resuming."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import tiny_folder, tiny_parts
from training_worker import letters

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from onethinker_eval.errors import MissingPart, RunError, UsageError  # noqa: E402
from onethinker_eval.training import ema_trainer, grpo, recipe  # noqa: E402
from onethinker_eval.training.ema_trainer import MOMENTS_FILE, EmaTrainer, check_trl  # noqa: E402
from onethinker_eval.training.filtering import assemble  # noqa: E402
from onethinker_eval.training.recipe import Recipe  # noqa: E402
from onethinker_eval.training.rewards import Reward  # noqa: E402
from onethinker_eval.training.rollout_metrics import Told  # noqa: E402
from onethinker_eval.training.rollout_rewards import Rollout, RolloutRewards  # noqa: E402

GROUP = 4
FAMILIES = ("spatial_grounding", "image_qa", "tracking")


def made(output: Path, **changes: str) -> Recipe:
    values = {
        "model.path": str(tiny_folder()),
        "data.sources": f"[{{kind: demo, families: [{', '.join(FAMILIES)}], size: 8}}]",
        "data.max_frames": "4",
        "data.video_share": "0.34",
        "optimiser.lr": "3e-3",
        "rollouts.group_size": str(GROUP),
        "rollouts.max_tokens": "6",
        "rollouts.kl": "0.0",
        "rollouts.filter_tries": "0",
        "ema_decay": "0.9",
        "run.output": str(output),
        "run.steps": "3",
        "run.batch": "4",
        "run.micro_batch": "8",
        "run.save_every": "2",
    }
    return recipe.load("demo-grpo", values | {k.replace("__", "."): v for k, v in changes.items()})


Spy = list[tuple[dict[str, Any], list[Any], dict[str, Any]]]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """Every batch of rollouts: its output, the scored rollouts, the moments after it."""
    seen: Spy = []
    original = EmaTrainer._generate_and_score_completions

    def wrapped(self: Any, inputs: Any) -> Any:
        output = original(self, inputs)
        rollouts = list(self.parts.rewards.rollouts)
        seen.append((dict(output), rollouts, self.parts.moments.state_dict()))
        return output

    monkeypatch.setattr(EmaTrainer, "_generate_and_score_completions", wrapped)
    return seen


def run(made_recipe: Recipe, measure: Callable[..., Reward] = letters) -> EmaTrainer:
    trainer = grpo.build(made_recipe, RolloutRewards("paper", measure))
    trainer.train()
    return trainer


def independent(batches: list[list[Any]], decay: float) -> list[np.ndarray]:
    """The advantages of batches of rollouts, computed with NumPy alone."""
    moments: dict[str, tuple[float, float]] = {}
    results = []
    for rollouts in batches:
        for task in {rollout.task for rollout in rollouts}:
            values = np.array([r.total for r in rollouts if r.task == task])
            new = (values.mean(), (values**2).mean())
            old = moments.get(task)
            moments[task] = (
                new
                if old is None
                else tuple(decay * a + (1 - decay) * b for a, b in zip(old, new, strict=True))
            )
        made_here = []
        for start in range(0, len(rollouts), GROUP):
            group = np.array([r.total for r in rollouts[start : start + GROUP]])
            first, second = moments[rollouts[start].task]
            std = max(math.sqrt(max(second - first**2, 0.0)), 1e-3)
            made_here.append(np.clip((group - group.mean()) / (std + 1e-6), -5, 5))
        results.append(np.concatenate(made_here))
    return results


def test_the_trainers_advantages_are_those_of_an_independent_computation(
    spy: Spy, tmp_path: Path
) -> None:
    trainer = run(made(tmp_path))
    assert len(spy) == 3
    expected = independent([rollouts for _, rollouts, _ in spy], 0.9)
    for (output, _, _), values in zip(spy, expected, strict=True):
        assert np.abs(output["advantages"].numpy() - values).max() < 1e-5
        assert np.abs(values).max() > 0.1
    logged = [line for line in trainer.state.log_history if "reward" in line]
    names = {name for line in logged for name in line}
    for task in trainer.parts.moments.tasks:
        assert {f"reward/{task}", f"accuracy/{task}", f"sigma/{task}", f"tokens/{task}"} <= names
        assert {f"part/{task}/first", f"uniform_groups/{task}"} <= names


def test_what_a_recipe_freezes_stays_as_it_is(tmp_path: Path) -> None:
    frozen = {f"model__freeze_{part}": "true" for part in ("vision", "projector", "embeddings")}
    trained = run(made(tmp_path, run__steps="2", **frozen)).model.state_dict()
    for name, before in tiny_parts()[0].state_dict().items():
        kept = "visual" in name or "embed_tokens" in name or "lm_head" in name
        matrix = before.ndim > 1
        assert kept or not matrix or not torch.equal(trained[name], before), name
        assert not kept or torch.equal(trained[name], before), name


def test_pixels_reach_every_rollout_and_no_marker_is_sampled(spy: Spy, tmp_path: Path) -> None:
    run(made(tmp_path, rollouts__kl="0.01"))
    model = tiny_parts()[0]
    for output, _, _ in spy:
        pads = (output["prompt_ids"] == model.config.image_token_id).sum()
        assert pads * 4 == len(output["pixel_values"]) > 0
        for marker in (model.config.image_token_id, model.config.video_token_id):
            assert not (output["completion_ids"] == marker).any()
        assert "ref_per_token_logps" in output
    slots = [max(output["num_images"]) for output, _, _ in spy]
    assert min(slots) == 1
    assert max(slots) > 1


def test_a_resumed_run_has_the_moments_of_an_uninterrupted_one(
    spy: Spy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    original = EmaTrainer.compute_loss

    def dies(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == 2:
            raise Killed
        return original(self, *args, **kwargs)

    uninterrupted = run(made(tmp_path / "whole", run__steps="4"))
    whole = spy[:]
    spy.clear()
    with monkeypatch.context() as patch:
        patch.setattr(EmaTrainer, "compute_loss", dies)
        with pytest.raises(Killed):
            run(made(tmp_path / "half", run__steps="4"))
    before = spy[:2]
    spy.clear()
    trainer = grpo.build(made(tmp_path / "half", run__steps="4"), RolloutRewards("paper", letters))
    trainer.train(resume_from_checkpoint=str(tmp_path / "half" / "checkpoint-2"))
    assert len(before + spy) == 4
    for (mine, rollouts, moments), (theirs, others, expected) in zip(
        before + spy, whole, strict=True
    ):
        assert [r.reply for r in rollouts] == [r.reply for r in others]
        assert moments == expected
        assert torch.equal(mine["advantages"], theirs["advantages"])
    weights = uninterrupted.model.state_dict()
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(weight, weights[name]), name
    # Step 2 was sampled twice, before the kill and after it, but stands there once.
    for name in sorted(path.name for path in (tmp_path / "whole/rollouts/replies").iterdir()):
        texts = [
            (tmp_path / which / "rollouts" / "replies" / name).read_text().splitlines()
            for which in ("whole", "half")
        ]
        assert [json.loads(line) for line in texts[0]] == [json.loads(line) for line in texts[1]]


def test_a_step_in_bf16_samples_scores_and_learns(spy: Spy, tmp_path: Path) -> None:
    trainer = run(made(tmp_path, run__steps="1", run__precision="bf16", rollouts__kl="0.01"))
    assert spy[0][0]["advantages"].abs().max() > 0.1
    assert math.isfinite(trainer.state.log_history[0]["loss"])
    start = tiny_parts()[0].state_dict()
    assert any(not torch.equal(w, start[n]) for n, w in trainer.model.state_dict().items())


def test_a_checkpoint_without_moments_or_with_others_is_refused(tmp_path: Path) -> None:
    run(made(tmp_path, run__steps="2"))
    trainer = grpo.build(made(tmp_path, ema_decay="0.5"), RolloutRewards("paper", letters))
    with pytest.raises(RunError, match=r"decay=0\.9"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    (tmp_path / "checkpoint-2" / MOMENTS_FILE).unlink()
    with pytest.raises(RunError, match="moments are missing"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


def test_groups_all_right_or_all_wrong_are_drawn_anew_within_bounds(
    spy: Spy, tmp_path: Path
) -> None:
    calls: list[int] = []

    def measure(reply: str, truth: Any, kind: str, **_: Any) -> Reward:
        calls.append(1)
        group = (len(calls) - 1) // GROUP
        # One group of the first four teaches something, and two of the next three.
        mixed = group == 2 if group < 4 else group != 5
        value = float(len(calls) % 2) if mixed else 1.0
        return Reward(value, {"accuracy": value}, value, "scored")

    trainer = run(made(tmp_path, rollouts__filter_tries="2", run__steps="1"), measure)
    (output, _, moments), *_ = spy
    assert len(calls) == (4 + 3 + 1) * GROUP
    assert output["completion_mask"].any(dim=1).all()
    advantages = output["advantages"].view(-1, GROUP)
    assert advantages.shape[0] == 4
    assert (advantages.abs() > 0.5).all()
    assert output["pixel_values"].shape[0] == int(output["image_grid_thw"].prod(dim=1).sum())
    assert sum(output["num_images"]) == len(output["image_grid_thw"])
    assert all(tuple(m[:2]) == (0.5, 0.5) for m in moments["tasks"].values())
    assert trainer.state.log_history[0]["filter/tries"] == 2


def test_where_nothing_is_learnt_all_rows_are_masked_and_the_weights_stay(
    spy: Spy, tmp_path: Path
) -> None:
    def measure(*_: Any, **__: Any) -> Reward:
        return Reward(1.0, {"accuracy": 1.0}, 1.0, "scored")

    trainer = run(made(tmp_path, rollouts__filter_tries="1", run__steps="1"), measure)
    output = spy[0][0]
    assert not output["completion_mask"].any()
    assert not output["advantages"].any()
    assert trainer.state.log_history[0]["filter/groups_kept"] == 0
    start = tiny_parts()[0].state_dict()
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(weight, start[name]), name


@pytest.mark.parametrize(("limit", "learns"), [("1e6", True), ("1e-6", False)])
def test_tokens_above_the_entropy_limit_are_not_trained_on(
    limit: str, learns: bool, tmp_path: Path
) -> None:
    trainer = run(made(tmp_path, rollouts__entropy_limit=limit, run__steps="1"))
    start = tiny_parts()[0].state_dict()
    moved = [not torch.equal(at, start[name]) for name, at in trainer.model.state_dict().items()]
    assert any(moved) == learns


def test_the_entropy_limit_is_applied_token_by_token(tmp_path: Path) -> None:
    trainer = grpo.build(made(tmp_path, rollouts__entropy_limit="8.0"), RolloutRewards("paper"))
    ids = torch.arange(20, 32)[None]
    given = trainer.model, ids, torch.ones_like(ids), 8
    with torch.no_grad():
        _, entropies, _ = trainer._get_per_token_logps_and_entropies(*given, compute_entropy=True)
    limit = float(entropies.median())
    settings = dataclasses.replace(trainer.parts.settings, entropy_limit=limit)
    trainer.parts = trainer.parts._replace(settings=settings)
    logps, _, _ = trainer._get_per_token_logps_and_entropies(*given, compute_entropy=True)
    for at in range(8):
        trainer.model.zero_grad()
        logps[0, at].backward(retain_graph=True)
        taught = any(p.grad is not None and p.grad.any() for p in trainer.model.parameters())
        assert taught == bool(entropies[0, at] <= limit)


def test_a_failing_reward_drops_its_group_and_is_counted(spy: Spy, tmp_path: Path) -> None:
    calls: list[int] = []

    def measure(reply: str, truth: Any, kind: str, **options: Any) -> Reward:
        calls.append(1)
        if len(calls) == 2:
            raise TimeoutError("the judge did not answer")
        return letters(reply + "a" * (len(calls) % 3), truth, kind, **options)

    trainer = run(made(tmp_path, run__steps="1"), measure)
    output, rollouts, moments = spy[0]
    assert trainer.parts.rewards.failures == {"TimeoutError": 1}
    assert math.isnan(rollouts[1].total)
    masked = ~output["completion_mask"].any(dim=1)
    assert int(masked.sum()) == GROUP
    assert not output["advantages"][masked].any()
    assert trainer.state.log_history[0]["failed_groups"] == 1
    kept = rollouts[GROUP:]
    first = {t: np.mean([r.total for r in kept if r.task == t]) for t in {r.task for r in kept}}
    for task, values in moments["tasks"].items():
        assert values[0] == pytest.approx(first[task])


def test_processes_can_send_each_other_a_rollout_whose_reward_failed() -> None:
    told = Told({}, Rollout("math", "<answer>1</answer>", failure="TimeoutError"), 3)
    assert repr(pickle.loads(pickle.dumps(told))) == repr(told)  # what gather_object does


def test_a_loss_that_is_no_number_names_its_rollouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ema_trainer.GRPOTrainer, "_compute_loss", lambda *_: torch.tensor(float("nan"))
    )
    with pytest.raises(RunError, match=r"step 1 is nan for the rollouts of \S+:\d+:\d+"):
        run(made(tmp_path))


def test_rollouts_are_a_run_folder_that_the_report_opens(tmp_path: Path) -> None:
    from onethinker_eval.records import Record
    from onethinker_eval.reporting.html import build_report
    from onethinker_eval.training.rollout_log import score_rollouts

    run(made(tmp_path, rollouts__log_every="2"))
    folder = tmp_path / "rollouts"
    files = sorted((folder / "replies").glob("*.jsonl"))
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert len(lines) == 2 * 4 * GROUP  # steps 0 and 2
    keys = {"key", "id", "status", "reply", "error", "record", "seconds", "tokens", "training"}
    for line in lines:
        assert set(line) == keys
        assert Record.from_json(line["record"]).id == line["id"]
    assert score_rollouts(folder) == len(lines)
    report = build_report([folder])
    assert report.samples == len(lines)
    page = report.path.read_text(encoding="utf-8")
    for path in files:
        assert path.stem in page
    assert "Rollouts: " in page
    metrics = (folder / "metrics.csv").read_text()
    for path in files:
        assert f"{path.stem},train,paper," in metrics


@pytest.mark.parametrize("columns", ["tokens", "sequences"])
def test_rounds_with_vllms_corrections_are_put_together(columns: str) -> None:
    def batch(width: int) -> dict[str, Any]:
        replies = torch.full((2, width), 7)
        per = width if columns == "tokens" else 1
        return {
            "prompt_ids": torch.tensor([[1, 2], [1, 2]]),
            "prompt_mask": torch.ones(2, 2, dtype=torch.long),
            "completion_ids": replies,
            "completion_mask": torch.ones_like(replies),
            "sampling_per_token_logps": torch.full((2, width), -1.0),
            "importance_sampling_ratio": torch.full((2, per), 0.5),
        }

    made = assemble([(batch(1), [0, 1], []), (batch(3), [1], [0])], pad_token=0)
    assert made["completion_ids"].tolist() == [[7, 0, 0], [7, 0, 0], [7] * 3, [7] * 3]
    assert made["completion_mask"].sum(dim=1).tolist() == [1, 1, 3, 0]
    padded = [[0.5, 0, 0]] * 2 + [[0.5] * 3] * 2
    expected = padded if columns == "tokens" else [[0.5]] * 4
    assert made["importance_sampling_ratio"].tolist() == expected


def test_another_trl_is_refused() -> None:
    for found in ("0.24.0", "1.17.0", "1.15.9"):
        with pytest.raises(MissingPart, match=f"found {found}"):
            check_trl(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run__video_batch": "2"}, "video_batch"),
        ({"optimiser__name": "muon"}, "AdamW"),
        ({"rollouts__vllm": "server"}, "images only"),
        ({"run__micro_batch": "5"}, "cannot be shared by 1 processes"),
        ({"rollouts__entropy_limit": "0"}, "no token would be trained on"),
        ({"rollouts__updates": "3"}, r"rollouts\.updates=3"),
        ({"run__deepspeed": "zero9"}, "did you mean zero"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    changes: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        grpo.build(made(tmp_path, **changes))
