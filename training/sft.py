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
from datasets import Dataset
from torch.utils.data import DataLoader, Sampler
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from onethinker_eval.errors import UsageError
from onethinker_eval.files import write_atomic
from onethinker_eval.media.frames import FrameRule
from onethinker_eval.prompts import Profile, load_profile
from onethinker_eval.training.mixture import Order, arrange
from onethinker_eval.training.optimizers import muon_adamw
from onethinker_eval.training.recipe import Recipe
from onethinker_eval.training.samples import SampleSource, demo_scenes, row
from onethinker_eval.training.slots import slot_processor
from onethinker_eval.training.smoothing import SmoothedNumbers

__all__ = ["train"]


class SampleRows:
    """Rows by position in the order; a transform of a numbered data set."""

    def __init__(self, sources: list[SampleSource], order: Order, profile: Profile) -> None:
        """Keep what is needed to make the row at any position."""
        self._sources = sources
        self._order = order
        self._profile = profile

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Return the columns of the rows at `batch["position"]`."""
        rows = [self._row(position) for position in batch["position"]]
        return {name: [made[name] for made in rows] for name in rows[0]}

    def _row(self, position: int) -> dict[str, Any]:
        source = self._sources[int(self._order.sources[position])]
        samples = source.samples(int(self._order.items[position]))
        place = int(self._order.rows[position]) % len(samples)
        return row(samples[place], self._profile)


class Blocks(Sampler[list[int]]):
    """The positions of each batch, in order."""

    def __init__(self, order: Order) -> None:
        """Walk the blocks of `order`."""
        self._starts = order.starts.tolist()
        # Accelerate asks for it where batches are shared out between processes.
        self.batch_size = max(end - start for start, end in pairwise(self._starts))
        self.drop_last = False

    def __iter__(self) -> Iterator[list[int]]:
        for start, end in pairwise(self._starts):
            yield list(range(start, end))

    def __len__(self) -> int:
        return len(self._starts) - 1


class Trainer(SFTTrainer):  # type: ignore[misc]  # untyped base
    """SFTTrainer with the recipe's optimiser and, for tiny models, smoothed number targets."""

    recipe: Recipe
    order: Order
    smoothed: SmoothedNumbers | None = None

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Serve the blocks of the order, whose sizes differ between images and videos."""
        workers = self.args.dataloader_num_workers
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=Blocks(self.order),
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
        """Return the reply's mean token loss."""
        if self.smoothed is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs.pop("labels")
        first = int((labels != -100).any(dim=0).nonzero()[0])
        kept = labels.shape[1] - first + 1
        outputs = model(**inputs, logits_to_keep=kept, use_cache=False)
        logits, targets = outputs.logits[:, :-1], labels[:, 1:][:, -(kept - 1) :]
        mask = targets != -100
        loss = self.smoothed(logits[mask], targets[mask]) / mask.sum()
        with torch.no_grad():
            right = (logits[mask].argmax(dim=-1) == targets[mask]).float().mean()
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
    write_atomic(output / "recipe.yaml", recipe.to_yaml())
    torch.manual_seed(run.seed)
    model, processor = _start(recipe)
    if run.compile:
        _compile(model)
    rows, order = _rows(recipe)
    trainer = Trainer(
        model=model,
        args=_arguments(recipe),
        train_dataset=rows,
        processing_class=slot_processor(processor),
        callbacks=[Deadline(run.minutes)] if run.minutes else None,
    )
    trainer.recipe = recipe
    trainer.order = order
    if run.number_smoothing:
        from onethinker_eval.training.tiny_tokenizer import number_rows

        rows = number_rows(processor.tokenizer)
        trainer.smoothed = SmoothedNumbers(
            rows, run.number_smoothing, model.config.text_config.vocab_size
        )
    checkpoint = resume and any(output.glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=checkpoint)
    final = output / "model"
    trainer.save_model(str(final))
    processor.save_pretrained(final)
    return final


def _start(recipe: Recipe) -> tuple[Any, Any]:
    settings = recipe.model
    if settings.scratch == "tiny":
        from onethinker_eval.training.tiny_model import build_model, build_processor
        from onethinker_eval.training.tiny_start import tokenizer_for

        tokenizer = tokenizer_for(load_profile(recipe.data.prompts))
        model = build_model(tokenizer, seed=recipe.run.seed)
        processor = build_processor(tokenizer)
    elif settings.path is None:
        raise UsageError("the recipe names no model", hint="set model.path or model.scratch")
    else:
        model = AutoModelForImageTextToText.from_pretrained(settings.path, dtype=torch.float32)
        processor = AutoProcessor.from_pretrained(settings.path)
    model.set_attn_implementation(settings.attention)
    _patches_as_matrix(model)
    for frozen, part in (
        (settings.freeze_vision, model.model.visual),
        (settings.freeze_projector, model.model.visual.merger),
    ):
        part.requires_grad_(not frozen)
    return model, processor


def _patches_as_matrix(model: Any) -> None:
    """Let the patch convolution, whose stride is its kernel, run as the matrix product it is.

    On CPUs the gradient of a bfloat16 convolution costs more than the rest of a small model.
    """
    embed = model.model.visual.patch_embed

    def forward(patches: torch.Tensor) -> torch.Tensor:
        weight = embed.proj.weight
        flat = weight.reshape(weight.shape[0], -1)
        return torch.nn.functional.linear(patches.to(weight.dtype), flat, embed.proj.bias)

    embed.forward = forward


def _rows(recipe: Recipe) -> tuple[Dataset, Order]:
    data, run = recipe.data, recipe.run
    rule = FrameRule(
        fps=data.fps,
        max_frames=data.max_frames,
        frame_pixels=data.frame_pixels,
        image_pixels=data.image_pixels,
    )
    sources: list[SampleSource] = []
    for item in data.sources:
        sources += demo_scenes(
            item.families,
            rule,
            size=item.size,
            weight=item.weight,
            weights=item.weights,
            seed=data.seed,
        )
    order = arrange(
        [source.source for source in sources],
        run.steps,
        run.batch,
        run.video_batch,
        seed=data.seed,
        video_share=data.video_share,
        video_from=data.video_from,
    )
    dataset = Dataset.from_dict({"position": range(len(order))})
    dataset.set_transform(SampleRows(sources, order, load_profile(data.prompts)))
    return dataset, order


def _arguments(recipe: Recipe) -> SFTConfig:
    run, settings = recipe.run, recipe.optimiser
    schedule = {} if settings.min_lr_rate is None else {"min_lr_rate": settings.min_lr_rate}
    return SFTConfig(
        output_dir=run.output,
        max_steps=run.steps,
        per_device_train_batch_size=run.micro_batch,
        gradient_accumulation_steps=max(1, run.batch // run.micro_batch),
        learning_rate=settings.lr,
        lr_scheduler_type=settings.schedule,
        lr_scheduler_kwargs=schedule,
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip,
        optim="adamw_torch",
        bf16=run.precision == "bf16",
        gradient_checkpointing=run.gradient_checkpointing,
        deepspeed=run.deepspeed,
        use_cpu=not torch.cuda.is_available(),
        save_steps=run.save_every,
        save_total_limit=run.keep,
        logging_steps=run.log_every,
        report_to=list(run.trackers) or "none",
        seed=run.seed,
        dataloader_num_workers=run.workers,
        max_length=recipe.data.max_length,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        completion_only_loss=True,
        packing=False,
    )


def _compile(model: Any) -> None:
    for blocks in (model.model.visual.blocks, model.model.language_model.layers):
        for block in blocks:
            block.compile(dynamic=True)
