"""TRL's GRPOTrainer with EMA-GRPO's advantages, group filtering, and moments in the checkpoint.

Everything else (sampling, log-probabilities, loss, KL, DeepSpeed, trackers) is TRL's. Overridden
are private methods, so the range of TRL versions is checked, and tests compare the advantages
with an independent computation.

A batch of rollouts goes: TRL samples and scores → groups that teach nothing are replaced, at
most `filter_tries` times → every process gets the rewards of all → moments and advantages are
computed from the same numbers everywhere, once for each batch of rollouts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.utils import gather_object
from packaging.version import Version
from transformers import Qwen3VLForConditionalGeneration
from trl import GRPOTrainer
from trl.trainer.utils import (
    split_pixel_values_by_grid,
    split_tensor_dict,
    unsplit_pixel_values_by_grid,
)

from onethinker_eval.errors import MissingPart, RunError
from onethinker_eval.files import write_json_atomic
from onethinker_eval.training.ema import AdvantageRule, TaskMoments, advantages
from onethinker_eval.training.filtering import assemble, has_failed, is_informative
from onethinker_eval.training.logprobs import reply_logprobs
from onethinker_eval.training.recipe import RolloutSettings
from onethinker_eval.training.repeats import encode_once
from onethinker_eval.training.rollout_log import RolloutLog
from onethinker_eval.training.rollout_metrics import Told, summarise
from onethinker_eval.training.rollout_rewards import Rollout, RolloutRewards
from onethinker_eval.training.sampling import first_of_each, sample
from onethinker_eval.training.saving import Saving
from onethinker_eval.training.shared_prompts import read_replies
from onethinker_eval.training.vllm_rollouts import connect

__all__ = ["MOMENTS_FILE", "EmaTrainer", "Parts", "check_trl"]

MOMENTS_FILE = "ema_moments.json"
_TRL = ("1.16", "1.17")
_COMPLETIONS = 3
"""Where TRL's `_generate` returns the completions it later asks the rewards of."""

SpareRows = Callable[[int, int, int], list[dict[str, Any]]]
"""(batch of rollouts, try, prompts) → that many rows for this process."""


def check_trl(found: str | None = None) -> None:
    """Raise `MissingPart` unless TRL is of the range whose private methods are known here.

    >>> check_trl("1.16.2")
    """
    found = found or version("trl")
    if not Version(_TRL[0]) <= Version(found) < Version(_TRL[1]):
        raise MissingPart(
            f"EMA-GRPO overrides methods of TRL {_TRL[0]} up to, not including, {_TRL[1]}; "
            f"found {found}",
            hint=f"pip install 'trl=={_TRL[0]}.*'",
        )


class Parts(NamedTuple):
    """What the trainer is given beyond TRL's own arguments."""

    rewards: RolloutRewards
    settings: RolloutSettings
    rule: AdvantageRule
    moments: TaskMoments
    spare: SpareRows
    log: RolloutLog | None = None


@dataclass(frozen=True, slots=True)
class _Round:
    """One batch of rollouts of this process, and the groups of it that are kept."""

    rows: list[dict[str, Any]]
    output: dict[str, Any]
    rollouts: list[Rollout]
    kept: list[int]
    failed: int


class EmaTrainer(Saving, GRPOTrainer):  # type: ignore[misc]  # untyped base
    """GRPOTrainer whose advantages are those of `AdvantageRule`."""

    _buffered_inputs: list[dict[str, Any]] | None  # TRL's

    def __init__(self, *args: Any, parts: Parts, **kwargs: Any) -> None:
        """Pass everything but `parts` to TRL; the reward functions come from `parts.rewards`."""
        check_trl()
        super().__init__(*args, reward_funcs=parts.rewards.functions(), **kwargs)
        self.parts = parts
        if self.use_vllm:
            connect(self.vllm_generation, self.processing_class)
        # Adapters and ZeRO-3 hook into the model's own call, and checkpointing keeps no cache.
        plain = isinstance(self.model, Qwen3VLForConditionalGeneration)
        hooked = self.is_deepspeed_enabled or self.args.gradient_checkpointing
        self._shares = plain and not hooked
        for policy in (self.model, self.ref_model):
            if policy is not None:
                encode_once(policy)
                if self._shares:
                    read_replies(policy)
        self._names: list[str] = []
        self._rows: list[dict[str, Any]] = []
        rows = self.args.per_device_train_batch_size * self.args.steps_per_generation
        if rows % self.num_generations:
            raise RunError(
                f"a process holds {rows} rollouts, which are not whole groups of "
                f"{self.num_generations}",
                hint="make run.batch a multiple of the number of processes",
            )

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        """Return a micro-batch; TRL's, but that the rollouts of a group stay together.

        TRL shuffles them, for several updates from one batch. Where all micro-batches make one
        update the order changes nothing, and neighbours of one group share their media.
        """
        if not self.model.training or self.parts.settings.updates > 1:
            return dict(super()._prepare_inputs(generation_batch))
        held = self.args.steps_per_generation
        if self._step % held == 0 or self._buffered_inputs is None:
            made = split_pixel_values_by_grid(
                self._generate_and_score_completions(generation_batch)
            )
            self._buffered_inputs = [
                unsplit_pixel_values_by_grid(batch) for batch in split_tensor_dict(made, held)
            ]
        return dict(self._buffered_inputs[self._step % held])

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **media: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Return log-probabilities, entropies and the auxiliary loss; on CPUs by `logprobs`.

        Log-probabilities of tokens above `entropy_limit` carry no gradient where the entropy is
        computed, which is where the loss is.
        """
        auxiliary: torch.Tensor | None = None
        if input_ids.device.type != "cpu" or compute_aux_loss:
            logps, entropies, auxiliary = super()._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **media,
            )
        else:
            with self.accelerator.autocast():
                logps, entropies = reply_logprobs(
                    model,
                    input_ids,
                    attention_mask,
                    logits_to_keep,
                    temperature=self.temperature,
                    media=media,
                    rows=batch_size,
                    entropy=compute_entropy,
                    each=self.num_generations if self._shares else 1,
                )
        limit = self.parts.settings.entropy_limit
        if limit is not None and entropies is not None:
            logps = torch.where(entropies.detach() > limit, logps.detach(), logps)
        return logps, entropies, auxiliary

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.model.training:
            return dict(super()._generate_and_score_completions(inputs))
        wanted = len(inputs) // self.num_generations
        rounds = [self._round(inputs)]
        for attempt in range(self.parts.settings.filter_tries):
            missing = self._most(wanted - sum(len(made.kept) for made in rounds))
            if missing <= 0:
                break
            batch = self.state.global_step // self.parts.settings.updates
            spare = self.parts.spare(batch, attempt, missing)
            rounds.append(self._round([row for row in spare for _ in range(self.num_generations)]))
        return self._finish(rounds, wanted)

    def _generate(self, prompts: list[Any]) -> Any:
        """Sample, and begin to score at once: log-probabilities are computed meanwhile."""
        made = super()._generate(prompts)
        if self._rows:
            columns = {name: [row[name] for row in self._rows] for name in self._rows[0]}
            self.parts.rewards.start(made[_COMPLETIONS], columns)
        return made

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        fields: dict[str, Any],
        each: int,
        *args: Any,
    ) -> Any:
        """Return the completions, and None for their log-probabilities; on CPUs by `sampling`."""
        policy = self.accelerator.unwrap_model(self.model_wrapped)
        here = self.accelerator.device.type == "cpu" and not self.use_vllm
        if not (here and self._shares and self.args.top_p == 1.0):
            return super()._generate_single_turn(prompt_ids, images, fields, each, *args)
        shown = [len(one or ()) for one in images or [()] * len(prompt_ids)]
        prompts = first_of_each(each, prompt_ids, shown, fields, self._tokenizer.pad_token_id)
        learning = policy.training
        policy.eval()
        made = sample(
            policy,
            prompts,
            each=each,
            temperature=self.temperature,
            most=self.max_completion_length,
            stop=set(self.eos_token_ids),
            never=self.generation_kwargs["suppress_tokens"],
        )
        policy.train(learning)
        return made, None

    def _round(self, rows: list[dict[str, Any]]) -> _Round:
        self._rows = rows
        output = super()._generate_and_score_completions(rows)
        self._rows = []
        rollouts = list(self.parts.rewards.rollouts)
        settings, size = self.parts.settings, self.num_generations
        kept, failed = [], 0
        for start in range(0, len(rollouts), size):
            group = rollouts[start : start + size]
            if has_failed([made.total for made in group]):
                failed += 1
                continue
            accuracies = [made.accuracy for made in group]
            if not settings.filter_tries or is_informative(
                accuracies, settings.filter_low, settings.filter_high
            ):
                kept.append(start // size)
        return _Round(rows, output, rollouts, kept, failed)

    def _most(self, missing: int) -> int:
        """Return the largest of the processes' values: all must draw the same number."""
        return max(gather_object([missing]))

    def _finish(self, rounds: Sequence[_Round], wanted: int) -> dict[str, Any]:
        chosen = _choose(rounds, wanted, self.num_generations)
        output = assemble(
            [(made.output, keep, mask) for made, keep, mask in chosen],
            pad_token=self._tokenizer.pad_token_id,
        )
        kept = [made.rollouts[row] for made, keep, _ in chosen for row in keep]
        # The order of `assemble`: of each round first the kept rows, then the masked ones.
        mine = iter(self._advantages(kept))
        values = [
            next(mine) if counts else 0.0
            for _, keep, mask in chosen
            for counts in [*[True] * len(keep), *[False] * len(mask)]
        ]
        device = output["completion_mask"].device
        output["advantages"] = torch.tensor(values, dtype=torch.float32, device=device)
        tokens = self.accelerator.gather(output["completion_mask"].sum()).sum()
        output["num_items_in_batch"] = tokens.clamp(min=1)  # all masked: a loss of 0, not 0/0
        self._names = [
            made.rows[row]["record"]["id"] for made, keep, mask in chosen for row in [*keep, *mask]
        ]
        output["row_number"] = torch.arange(len(values), device=device)
        self._report(rounds, len(kept) // self.num_generations, wanted)
        return output

    def _advantages(self, kept: Sequence[Rollout]) -> list[float]:
        """Return the advantages of this process's kept rollouts; updates the moments once."""
        everyone = gather_object([[(made.task, made.total) for made in kept]])
        rewards = [total for pairs in everyone for _, total in pairs]
        tasks = [task for pairs in everyone for task, _ in pairs]
        made = advantages(rewards, tasks, self.num_generations, self.parts.moments, self.parts.rule)
        before = sum(len(pairs) for pairs in everyone[: self.accelerator.process_index])
        return made[before : before + len(kept)]

    def _report(self, rounds: Sequence[_Round], kept: int, wanted: int) -> None:
        """Log what all processes sampled for the order's own prompts, task by task."""
        first = rounds[0]
        lengths = first.output["completion_mask"].sum(dim=1).tolist()
        told = [
            Told(row["record"], made, int(length))
            for row, made, length in zip(first.rows, first.rollouts, lengths, strict=True)
        ]
        step = self.state.global_step
        log = self.parts.log
        keep_text = log is not None and log.wants(step)
        light = told if keep_text else [item.without_text() for item in told]
        everyone = [item for items in gather_object([light]) for item in items]
        counts = gather_object([(kept, wanted, len(rounds) - 1, sum(r.failed for r in rounds))])
        metrics = summarise(everyone, self.num_generations, self.parts.moments)
        groups = sum(count[1] for count in counts)
        metrics["filter/groups_kept"] = sum(count[0] for count in counts) / groups
        metrics["filter/tries"] = float(counts[0][2])
        metrics["failed_groups"] = float(sum(count[3] for count in counts))
        for name, value in metrics.items():
            self._metrics["train"][name].append(value)
        if log is not None and keep_text and self.accelerator.is_main_process:
            log.write(step, everyone)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return TRL's loss; raises `RunError` naming the samples if it is not a number."""
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not math.isfinite(loss.detach().item()):
            rows = inputs.get("row_number", torch.empty(0, dtype=torch.long)).tolist()
            names = ", ".join(dict.fromkeys(self._names[row] for row in rows))
            raise RunError(
                f"the loss of step {self.state.global_step + 1} is {loss.item()} for the "
                f"rollouts of {names}",
                hint="the last checkpoint is good; lower optimiser.lr or look at these samples",
            )
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        # Before TRL's files: `trainer_state.json`, which makes a checkpoint whole, comes last.
        if self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial))
            path = folder / f"checkpoint-{self.state.global_step}" / MOMENTS_FILE
            write_json_atomic(path, self.parts.moments.state_dict())
        super()._save_checkpoint(model, trial)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        path = Path(checkpoint) / MOMENTS_FILE
        try:
            self.parts.moments.load_state_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError) as error:
            raise RunError(
                f"cannot go on from {checkpoint}: its moments are missing or made otherwise "
                f"({error})",
                hint="start a new run folder, or use the recipe the checkpoint was made with",
            ) from error
        # The steps after the checkpoint are taken again, and with them their rollouts.
        if self.parts.log is not None and self.accelerator.is_main_process:
            state = json.loads((Path(checkpoint) / "trainer_state.json").read_text("utf-8"))
            self.parts.log.rewind(int(state["global_step"]))


def _choose(
    rounds: Sequence[_Round], wanted: int, size: int
) -> list[tuple[_Round, list[int], list[int]]]:
    """Return for each round the rows to keep and those to mask, `wanted` groups together."""
    kept: list[list[int]] = []
    room = wanted
    for made in rounds:
        kept.append(made.kept[:room])
        room -= len(kept[-1])
    chosen = []
    for made, groups in zip(rounds, kept, strict=True):
        # The first round has `wanted` groups, so what is missing can always be filled from it.
        count = len(made.rollouts) // size
        spare = [group for group in range(count) if group not in groups][:room]
        room -= len(spare)
        chosen.append((made, _rows(groups, size), _rows(spare, size)))
    return chosen


def _rows(groups: Sequence[int], size: int) -> list[int]:
    return [row for group in groups for row in range(group * size, (group + 1) * size)]
