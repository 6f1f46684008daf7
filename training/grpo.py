"""Reinforcement learning with EMA-GRPO, GRPO or Dr.GRPO: TRL's trainer on the demo or JSON data.

    onethinker-train grpo RECIPE                                       one process
    accelerate launch --config_file ds.yaml -m onethinker_eval.training grpo RECIPE   many GPUs

What each setting stands for in the paper and in the released code is said at its key in
`recipe`. Departures from both: videos enter as one image per temporal slot (see `slots`), the
KL term is the plain k3 estimate in the loss, as released.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import set_seed
from trl import GRPOConfig

from onethinker_eval.errors import MissingPart, UsageError
from onethinker_eval.files import write_atomic
from onethinker_eval.harness.models.cpu_attention import group_query_heads
from onethinker_eval.harness.models.vllm_engine import check_platform
from onethinker_eval.training.ema import TaskMoments
from onethinker_eval.training.ema_trainer import EmaTrainer, Parts, SpareRows, check_trl
from onethinker_eval.training.evaluation import check_settings
from onethinker_eval.training.evaluation_callback import add_evaluations
from onethinker_eval.training.launch import (
    accumulation,
    last_checkpoint,
    start_anew,
    trainer_arguments,
)
from onethinker_eval.training.policy import adapters, load_policy, untrained_folder
from onethinker_eval.training.recipe import Recipe, with_model
from onethinker_eval.training.repeats import rollout_processor
from onethinker_eval.training.rollout_log import RolloutLog, score_rollouts
from onethinker_eval.training.rollout_rewards import RolloutRewards, rollout_rewards
from onethinker_eval.training.rows import SampleRows, training_rows
from onethinker_eval.training.sft import Deadline

__all__ = ["build", "train"]

_MARKERS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
_NEVER = -100.0
"""vLLM's least bias of a token's logit."""
_MOST_SPARE_BLOCKS = 1000


def train(recipe: Recipe, *, resume: bool = True, rewards: RolloutRewards | None = None) -> Path:
    """Run the recipe and return the folder of the trained model; resumes a killed run.

    `rewards` replaces the evaluation's (tests, judges).
    """
    output = Path(recipe.run.output)
    check_settings(recipe.evaluation)
    if not resume:
        start_anew(output)
    write_atomic(output / "recipe.yaml", recipe.to_yaml())
    trainer = build(recipe, rewards)
    add_evaluations(trainer, recipe)
    checkpoint = last_checkpoint(output) if resume else None
    if checkpoint is None and trainer.is_world_process_zero():
        # What a run that was killed before its first checkpoint had sampled.
        RolloutLog(output / "rollouts", 0).rewind(0)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    final = output / "model"
    trainer.save_model(str(final))
    if trainer.is_world_process_zero():
        score_rollouts(output / "rollouts")
    trainer.accelerator.wait_for_everyone()  # whoever goes on may load the model
    return final


def build(recipe: Recipe, rewards: RolloutRewards | None = None) -> EmaTrainer:
    """Return the trainer of a recipe; `rewards` replaces the evaluation's (tests, judges)."""
    check_trl()
    _check(recipe)
    run, rollouts = recipe.run, recipe.rollouts
    if recipe.model.scratch:
        recipe = with_model(recipe, str(untrained_folder(recipe, Path(run.output) / "start")))
    arguments = _arguments(recipe)  # before the model: ZeRO-3 then loads it in shards
    set_seed(run.seed)
    model, processor = load_policy(recipe)
    if not torch.cuda.is_available():
        group_query_heads(model)
    # TRL pads prompts on the left itself, but lets the tokenizer pad the kinds of tokens.
    processor.tokenizer.padding_side = "left"
    arguments.generation_kwargs = _sampling(processor.tokenizer, run.precision, rollouts.vllm)
    rows, _ = training_rows(recipe, -(-run.steps // rollouts.updates))
    parts = Parts(
        rewards or rollout_rewards(recipe),
        rollouts,
        recipe.advantage,
        TaskMoments(recipe.ema_decay),
        _spare(recipe),
        RolloutLog(
            Path(run.output) / "rollouts",
            rollouts.log_every,
            model=recipe.model.path or "",
            seed=run.seed,
        ),
    )
    return EmaTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=rollout_processor(processor),
        callbacks=[Deadline(run.minutes)] if run.minutes else None,
        peft_config=adapters(recipe.model),
        parts=parts,
    )


def _check(recipe: Recipe) -> None:
    run, rollouts = recipe.run, recipe.rollouts
    if run.video_batch not in (None, run.batch):
        raise UsageError(
            "run.video_batch differs from run.batch", hint="in stage grpo all batches are one size"
        )
    if recipe.model.attention == "causal":
        raise UsageError(
            "model.attention is causal, but prompts of rollouts are padded on the left",
            hint="set it to sdpa or eager",
        )
    if recipe.optimiser.name != "adamw":
        raise UsageError("stage grpo trains with AdamW", hint="set optimiser.name to adamw")
    for name in ("number_smoothing", "guidance"):
        if getattr(run, name):
            raise UsageError(f"run.{name} is for stage sft", hint="remove it")
    if rollouts.entropy_limit is not None and rollouts.entropy_limit <= 0:
        raise UsageError(
            f"rollouts.entropy_limit is {rollouts.entropy_limit:g}: no token would be trained on",
            hint="give nats above 0, or null to train on all tokens",
        )
    if rollouts.vllm == "server" and recipe.data.video_share != 0:
        raise UsageError(
            "a vLLM server gets images only: TRL has no way to send it videos",
            hint="set rollouts.vllm to colocate, or data.video_share to 0",
        )
    if rollouts.vllm == "colocate":
        try:
            check_platform()
        except MissingPart as error:
            raise MissingPart(
                f"rollouts.vllm is colocate, but {error.args[0]}",
                hint="set it to off: transformers samples then",
            ) from error


def _spare(recipe: Recipe) -> SpareRows:
    """Return how to draw other prompts in place of groups that teach nothing.

    A pure function of its arguments and the process: a resumed run draws the same.
    """
    run, tries = recipe.run, recipe.rollouts.filter_tries
    blocks = min(run.steps, _MOST_SPARE_BLOCKS)
    dataset, order = training_rows(recipe, blocks, seed=recipe.data.seed + 1)
    rows: SampleRows = dataset.format["format_kwargs"]["transform"]

    def spare(batch: int, attempt: int, prompts: int) -> list[dict[str, Any]]:
        from accelerate import PartialState

        state = PartialState()
        mine = run.batch // state.num_processes
        place = ((batch * tries + attempt) * state.num_processes + state.process_index) * mine
        return [rows.at((place + at) % len(order)) for at in range(prompts)]

    return spare


def _arguments(recipe: Recipe) -> GRPOConfig:
    run, rollouts = recipe.run, recipe.rollouts
    held = accumulation(run.batch * rollouts.group_size, run.micro_batch)
    if held % rollouts.updates:
        raise UsageError(
            f"{held} micro-batches cannot be shared by rollouts.updates={rollouts.updates}",
            hint="make run.micro_batch smaller",
        )
    return GRPOConfig(
        **trainer_arguments(recipe),
        steps_per_generation=held,
        gradient_accumulation_steps=held // rollouts.updates,
        num_generations=rollouts.group_size,
        max_completion_length=rollouts.max_tokens,
        temperature=rollouts.temperature,
        top_p=rollouts.top_p,
        **_engine(recipe),
        beta=rollouts.kl,
        use_bias_correction_kl=False,
        epsilon=rollouts.clip_low,
        epsilon_high=rollouts.clip_high,
        loss_type=rollouts.loss,
        scale_rewards="none",  # the advantages are replaced; see `ema_trainer`
        shuffle_dataset=False,  # the order is the recipe's
        log_multimodal=False,
    )


def _engine(recipe: Recipe) -> dict[str, Any]:
    """Return TRL's settings of vLLM."""
    rollouts = recipe.rollouts
    if rollouts.vllm == "off":
        return {}
    return {
        "use_vllm": True,
        "vllm_mode": rollouts.vllm,
        "vllm_tensor_parallel_size": rollouts.vllm_tensor_parallel,
        "vllm_gpu_memory_utilization": rollouts.vllm_memory,
        "vllm_enable_sleep_mode": rollouts.vllm_sleep,
        "vllm_server_base_url": rollouts.vllm_url,
        "vllm_max_model_length": recipe.data.max_length,  # prompt and rollout
    }


def _sampling(tokenizer: Any, precision: str, vllm: str) -> dict[str, Any]:
    """Return what transformers or vLLM samples with.

    The policy must not say media markers, which stand for pixels. On CPUs transformers' cache is
    made at full length at once: growing it by a token copies all of it, a quarter of the sampling
    time. (On GPUs a cache of fixed length means compiling the model anew for each length.)
    """
    known = tokenizer.get_vocab()
    markers = [known[marker] for marker in _MARKERS if marker in known]
    if vllm != "off":
        return {"logit_bias": dict.fromkeys(markers, _NEVER)}
    # Not under bfloat16 autocast, whose keys and values differ in type.
    static = precision == "fp32" and not torch.cuda.is_available()
    fixed = {"cache_implementation": "static"} if static else {}
    return {"suppress_tokens": markers, **fixed}
