"""Evaluation every N steps: the main process evaluates a saved checkpoint, the others wait.

They wait for a file, not in a collective operation, which would time out after some minutes.
The metrics are logged by every process alike, so that they are in the next checkpoint's history;
an evaluation that fails is told and training goes on.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from onethinker_eval.errors import OneThinkerError
from onethinker_eval.files import write_json_atomic
from onethinker_eval.training.evaluation import evaluate, keep_best, result_file
from onethinker_eval.training.recipe import Recipe

__all__ = ["Evaluations", "add_evaluations"]

_LOG = logging.getLogger(__name__)
_GLANCE_S = 1.0


class Evaluations(TrainerCallback):  # type: ignore[misc]  # untyped base
    """Saves and evaluates a checkpoint every `recipe.evaluation.every` steps."""

    def __init__(self, recipe: Recipe, trainer: Trainer) -> None:
        """Log into the history of `trainer`."""
        self._recipe = recipe
        self._trainer = trainer
        self._run = Path(recipe.run.output)

    def _due(self, step: int) -> bool:
        return step > 0 and step % self._recipe.evaluation.every == 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Drop what a longer run that was killed had evaluated; evaluate what it had not."""
        if state.is_world_process_zero:
            _forget_after(self._run, state.global_step)
        self._trainer.accelerator.wait_for_everyone()
        if self._due(state.global_step):
            self._evaluate(state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Ask for a checkpoint of the steps that are evaluated."""
        if self._due(state.global_step):
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Evaluate the checkpoint just written, if it is its turn."""
        if self._due(state.global_step):
            self._evaluate(state)

    def _evaluate(self, state: TrainerState) -> None:
        step = state.global_step
        file = result_file(self._run, step)
        if state.is_world_process_zero and not file.exists():
            self._ask(step)
        while not file.exists():
            time.sleep(_GLANCE_S)
        told = json.loads(file.read_text(encoding="utf-8"))
        shown = {f"eval/{name}": value for name, value in told["metrics"].items()}
        shown["eval/failed"] = float("error" in told)
        # Not the trainer's own `log`, which would put out half-collected training metrics.
        Trainer.log(self._trainer, shown)

    def _ask(self, step: int) -> None:
        recipe = self._recipe
        checkpoint = self._run / f"checkpoint-{step}"
        try:
            metrics = evaluate(recipe.evaluation, recipe.data, checkpoint, self._run, step)
            best = recipe.evaluation.best
            if keep_best(self._run, checkpoint, step, metrics, best):
                _LOG.warning("step %d is the best so far: %s %.2f", step, best, metrics[best])
        except (OneThinkerError, OSError) as error:
            _LOG.warning("the checkpoint of step %d was not evaluated: %s", step, error)
            told = {"step": step, "metrics": {}, "error": str(error)}
            write_json_atomic(result_file(self._run, step), told)


def add_evaluations(trainer: Trainer, recipe: Recipe) -> None:
    """Let a trainer evaluate its checkpoints, if the recipe asks for it."""
    if recipe.evaluation.every:
        trainer.add_callback(Evaluations(recipe, trainer))


def _forget_after(run: Path, step: int) -> None:
    """Remove the evaluations of checkpoints after `step`: the run takes those steps again."""
    for path in (run / "evaluations").glob("step-*"):
        number = path.name.removeprefix("step-").removesuffix(".json")
        if number.isdigit() and int(number) > step:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
