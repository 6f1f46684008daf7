"""Supervised training on a tiny model: the loss falls, a killed run resumes, pixels arrive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_training import tiny_folder, tiny_parts

pytest.importorskip("trl")

from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.training import recipe, sft
from onethinker_eval.training.mixture import Source, arrange
from onethinker_eval.training.recipe import Recipe

STEPS = 6


def made(output: Path, **changes: str) -> Recipe:
    values = {
        "model.path": str(tiny_folder()),
        "model.scratch": "null",
        "data.sources": "[{kind: demo, families: [spatial_grounding, tracking], size: 4}]",
        "data.max_frames": "4",
        "data.video_from": "0",
        "optimiser.lr": "3e-3",
        "optimiser.schedule": "constant",
        "optimiser.min_lr_rate": "null",
        "optimiser.warmup": "0",
        "run.output": str(output),
        "run.steps": str(STEPS),
        "run.batch": "4",
        "run.video_batch": "2",
        "run.micro_batch": "2",
        "run.precision": "fp32",
        "run.save_every": "3",
        "run.log_every": "1",
        "run.workers": "0",
        "run.compile": "false",
        "run.share_media": "false",
    }
    return recipe.load("tiny-sft", values | {k.replace("__", "."): v for k, v in changes.items()})


def history(output: Path, step: int) -> list[float]:
    text = (output / f"checkpoint-{step}" / "trainer_state.json").read_text(encoding="utf-8")
    return [line["loss"] for line in json.loads(text)["log_history"] if "loss" in line]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("sft") / "run"
    sft.train(made(output))
    return output


def test_the_loss_falls_over_images_and_videos(whole: Path) -> None:
    losses = history(whole, STEPS)
    assert len(losses) == STEPS
    assert losses[-1] < 0.9 * losses[0]


def test_the_run_keeps_its_recipe_and_a_model_that_loads(whole: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    assert recipe.load(str(whole / "recipe.yaml")) == made(whole)
    AutoModelForImageTextToText.from_pretrained(whole / "model")
    AutoProcessor.from_pretrained(whole / "model")


def test_a_resumed_run_equals_an_uninterrupted_one(whole: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"

    class Killed(Exception):
        pass

    # Killed in step 5: the checkpoint of step 3 is whole, a later one is torn.
    def die(self: Any, *_: Any, **__: Any) -> None:
        if self.state.global_step == 4:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        original = sft.Trainer.compute_loss

        def loss(self: Any, *args: Any, **kwargs: Any) -> Any:
            die(self)
            return original(self, *args, **kwargs)

        patch.setattr(sft.Trainer, "compute_loss", loss)
        with pytest.raises(Killed):
            sft.train(made(output))
    (output / "checkpoint-5").mkdir()
    sft.train(made(output))
    assert history(output, STEPS) == pytest.approx(history(whole, STEPS), rel=1e-5)


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_samples(tmp_path: Path) -> None:
    # A step of this size makes the weights, and the next loss, infinite or NaN.
    with pytest.raises(RunError, match=r"step \d is (nan|inf).*positions \d+ to \d+"):
        sft.train(made(tmp_path, optimiser__name="adamw", optimiser__lr="1e30"))


def test_guidance_by_itself_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="number_smoothing"):
        sft.train(made(tmp_path / "run", run__number_smoothing="0"))
    assert not (tmp_path / "run").exists()


def test_batches_are_shared_out_evenly_or_not_at_all() -> None:
    order = arrange([Source("a", 9, "image"), Source("b", 9, "video")], 4, 8, 4)
    pieces = list(sft.Blocks(order, 4))
    assert len(sft.Blocks(order, 4)) == len(pieces) == 16
    assert [len(piece) for piece in pieces[:4]] in ([2] * 4, [1] * 4)
    assert [at for piece in pieces for at in piece] == list(range(len(order)))
    with pytest.raises(UsageError, match="cannot be shared"):
        sft.Blocks(order, 3)


def test_only_the_reply_is_learnt_and_the_frames_arrive(tmp_path: Path) -> None:
    seen: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        original = sft.Trainer.compute_loss

        def loss(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(dict(inputs))
            return original(self, model, inputs, *args, **kwargs)

        patch.setattr(sft.Trainer, "compute_loss", loss)
        sft.train(made(tmp_path, run__steps="2", data__video_share="0.5"))
    assert len(seen) == 2 * 2
    tokenizer = tiny_parts()[1].tokenizer
    for inputs in seen:
        pads = int((inputs["input_ids"] == 5).sum())
        assert pads * 4 == len(inputs["pixel_values"]) > 0  # 2 × 2 patches a token
        learnt = inputs["labels"] != -100
        assert learnt.any(dim=1).all()
        assert not (inputs["input_ids"][learnt] == 5).any()
        for ids, kept in zip(inputs["input_ids"], learnt, strict=True):
            assert tokenizer.decode(ids[kept]).startswith("<think>")
