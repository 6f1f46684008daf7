"""Supervised fine-tuning (the cold start): TRL's SFTTrainer on prompt and reply.

    onethinker-train sft RECIPE                                   one process
    accelerate launch --config_file ds.yaml -m onethinker_eval.training sft RECIPE   many GPUs

The loss is on the reply only. Departures from the authors' LLaMA-Factory run: videos enter as one
image per temporal slot (see `slots`), and the prompt is the evaluation's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer

from onethinker_eval.errors import RunError, UsageError
from onethinker_eval.files import write_atomic
from onethinker_eval.training.evaluation import check_settings
from onethinker_eval.training.evaluation_callback import add_evaluations
from onethinker_eval.training.guidance import Guidance
from onethinker_eval.training.launch import (
    accumulation,
    last_checkpoint,
    start_anew,
    trainer_arguments,
)
from onethinker_eval.training.mixture import Order
from onethinker_eval.training.optimizers import muon_adamw
from onethinker_eval.training.policy import adapters, load_policy
from onethinker_eval.training.recipe import Recipe
from onethinker_eval.training.rows import training_rows
from onethinker_eval.training.saving import Saving
from onethinker_eval.training.shared_media import encode_once
from onethinker_eval.training.slots import slot_processor
from onethinker_eval.training.smoothing import SmoothedNumbers

__all__ = ["Blocks", "Deadline", "train"]


class Blocks(Sampler[list[int]]):
    """The positions of each micro-batch, in order: every block in `pieces` equal parts.

    Accelerate hands part p to process p modulo their number, so that a step's gradient is that of
    one block, whatever the number of processes, and all of them see the same modality.
    """

    # Accelerate must not expect one size: videos come in smaller blocks than images.
    batch_size = None
    drop_last = False

    def __init__(self, order: Order, pieces: int = 1) -> None:
        """Walk the blocks of `order`; raises `UsageError` where one cannot be shared out."""
        self._starts = order.starts.tolist()
        self._pieces = pieces
        for start, end in pairwise(self._starts):
            if (end - start) % pieces:
                raise UsageError(
                    f"a batch of {end - start} samples cannot be shared by {pieces} micro-batches",
                    hint="change run.batch, run.video_batch or run.micro_batch",
                )

    def __iter__(self) -> Iterator[list[int]]:
        for start, end in pairwise(self._starts):
            step = (end - start) // self._pieces
            for first in range(start, end, step):
                yield list(range(first, first + step))

    def __len__(self) -> int:
        return (len(self._starts) - 1) * self._pieces


class Trainer(Saving, SFTTrainer):  # type: ignore[misc]  # untyped base
    """SFTTrainer with the recipe's optimiser and, for tiny models, smoothed number targets."""

    recipe: Recipe
    order: Order
    smoothed: SmoothedNumbers | None = None
    guidance: Guidance | None = None

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Serve the blocks of the order, whose sizes differ between images and videos."""
        workers = self.args.dataloader_num_workers
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=Blocks(
                self.order, self.args.world_size * self.args.gradient_accumulation_steps
            ),
            collate_fn=self.data_collator,
            num_workers=workers,
            prefetch_factor=2 if workers else None,
        )
        return self.accelerator.prepare(loader)

    def create_optimizer(self, model: Any = None) -> Any:
        """Use Muon where the recipe asks for it."""
        settings = self.recipe.optimiser
        if self.optimizer is None and settings.name == "muon":  # type: ignore[has-type]
            self.optimizer = muon_adamw(
                self.model,
                muon_lr=settings.muon_lr,
                adamw_lr=settings.lr,
                weight_decay=settings.weight_decay,
            )
        return super().create_optimizer(model)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the reply's mean token loss; raises `RunError` if it is not a number."""
        if self.smoothed is None:
            made = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        else:
            made = self._smoothed_loss(model, inputs, return_outputs, num_items_in_batch)
        loss = made[0] if return_outputs else made
        if not torch.isfinite(loss.detach()).item():
            first, last = self.order.starts[self.state.global_step :][:2].tolist()
            raise RunError(
                f"the loss of step {self.state.global_step + 1} is {loss.item()}; its samples are "
                f"those at positions {first} to {last - 1} of the order",
                hint="the last checkpoint is good; lower optimiser.lr or look at these samples",
            )
        return made

    def _smoothed_loss(
        self, model: Any, inputs: Any, return_outputs: bool, num_items_in_batch: Any
    ) -> Any:
        assert self.smoothed is not None
        labels = inputs.pop("labels")
        read = self.guidance.read(inputs, labels) if self.guidance else {}
        spread = self.smoothed.spread(labels)
        inputs["input_ids"] = self.smoothed.jittered(inputs["input_ids"], labels, spread)
        following = labels[:, 1:]
        mask = following != -100
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        # The head runs on the reply's places only: it is most of a small model's work.
        hook = head.register_forward_pre_hook(lambda _, given: (given[0][:, :-1][mask],))
        try:
            outputs = model(**inputs, use_cache=False)
        finally:
            hook.remove()
        logits, targets = outputs.logits, following[mask]
        loss = self.smoothed(logits, targets, spread[:, 1:][mask])
        if num_items_in_batch is None:
            loss = loss / mask.sum()
        else:  # counted over the whole step; the trainer then averages over processes
            loss = loss / num_items_in_batch * self.accelerator.num_processes
        if self.guidance:
            for kind, guided in self.guidance.loss(read, inputs["attention_mask"]).items():
                self._metrics["train"][f"guidance/{kind}"].append(guided.item())
                loss = loss + self.recipe.run.guidance * guided
        with torch.no_grad():
            right = (logits.argmax(dim=-1) == targets).float().mean()
            self._metrics["train"]["mean_token_accuracy"].append(right.item())
        return (loss, outputs) if return_outputs else loss


class Deadline(TrainerCallback):  # type: ignore[misc]  # untyped base
    """Stop with a checkpoint when the time is up."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Ask the trainer to save and stop once the deadline has passed."""
        if time.monotonic() > self._end:
            control.should_training_stop = True
            control.should_save = True


def train(recipe: Recipe, *, resume: bool = True) -> Path:
    """Run the recipe and return the folder of the trained model; resumes a killed run."""
    run = recipe.run
    output = Path(run.output)
    check_settings(recipe.evaluation)
    if run.guidance and not run.number_smoothing:
        raise UsageError(
            "run.guidance is for tiny models, as run.number_smoothing is", hint="set both"
        )
    if not resume:
        start_anew(output)
    write_atomic(output / "recipe.yaml", recipe.to_yaml())
    torch.manual_seed(run.seed)
    arguments = _arguments(recipe)  # before the model: ZeRO-3 then loads it in shards
    model, processor = load_policy(recipe)
    rows, order = training_rows(recipe, run.steps)
    checkpoint = last_checkpoint(output) if resume else None
    if run.share_media:
        encode_once(model)
    if run.compile:
        _compile(model)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=slot_processor(processor, shared=run.share_media),
        callbacks=[Deadline(run.minutes)] if run.minutes else None,
        peft_config=adapters(recipe.model),
    )
    trainer.recipe = recipe
    trainer.order = order
    if run.number_smoothing:
        from onethinker_eval.training.tiny_tokenizer import number_rows

        numbers = number_rows(processor.tokenizer)
        trainer.smoothed = SmoothedNumbers(
            numbers,
            run.number_smoothing,
            model.config.text_config.vocab_size,
            run.exact_weight,
        )
    if run.guidance:
        trainer.guidance = Guidance(model, processor.tokenizer, run.guided)
    add_evaluations(trainer, recipe)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    final = output / "model"
    trainer.save_model(str(final))
    if trainer.is_world_process_zero():
        processor.save_pretrained(final)
    trainer.accelerator.wait_for_everyone()  # whoever goes on may load it
    return final


def _arguments(recipe: Recipe) -> SFTConfig:
    run = recipe.run
    return SFTConfig(
        **trainer_arguments(recipe),
        gradient_accumulation_steps=accumulation(run.batch, run.micro_batch),
        max_length=recipe.data.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},
        completion_only_loss=True,
        packing=False,
        accelerator_config={"even_batches": False},  # the sampler shares out evenly by itself
    )


def _compile(model: Any) -> None:
    for blocks in (model.model.visual.blocks, model.model.language_model.layers):
        for block in blocks:
            # not block.compile(), which would compile hooks on the block as well
            block.forward = torch.compile(block.forward, dynamic=True)
