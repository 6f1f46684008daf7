"""Checkpoints that cannot be written: one line that says so, and the last good one untouched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from onethinker_eval.errors import RunError
from onethinker_eval.training.launch import last_checkpoint

__all__ = ["Saving"]


class Saving:
    """A part of a trainer: turns what goes wrong while saving into a `RunError`.

    The trainers write a checkpoint into a folder of its own and delete old ones afterwards, so
    that a full disk leaves those there were. What was written of the new one is removed.
    """

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        trainer: Any = self
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]  # of the trainer
        except (OSError, RuntimeError, SafetensorError) as error:
            run, step = Path(trainer.args.output_dir), trainer.state.global_step
            if trainer.args.should_save:
                shutil.rmtree(run / f"checkpoint-{step}", ignore_errors=True)
            good = last_checkpoint(run)
            hint = f"{good.name} is whole" if good else "there is no earlier checkpoint"
            raise RunError(
                f"the checkpoint of step {step} cannot be written: {error}",
                hint=f"{hint}; make room, then give the same command again",
            ) from error
