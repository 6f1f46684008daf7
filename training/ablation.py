"""Ablations in small: the paper's tables 9 and 10, tried on a tiny model with equal budgets.

    onethinker-train ablate --recipe tiny-ablation

Every arm starts from the same weights and makes the same number of optimiser steps; arms of one
seed see the same prompts in the same order. Each run is a process of its own (`onethinker-train`,
then `onethinker-eval` on held-out scenes), so a killed ablation goes on with the first run that is
not finished. Departure from the paper: a family is left out of the reinforcement learning only,
since all arms share one cold start.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onethinker_eval.demo.asking import FAMILIES
from onethinker_eval.errors import RunError, UsageError, unknown_name
from onethinker_eval.paths import training_dir
from onethinker_eval.training.recipe import load_as

__all__ = ["Ablation", "Arm", "Run", "ablate", "find_ablation", "runs"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to train."""

    recipe: str
    """Recipe file or shipped name; its stage decides between sft and grpo."""
    stage: str = "grpo"
    """sft or grpo."""
    changes: tuple[str, ...] = ()
    """Changes to the recipe, KEY=VALUE."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """What is compared with what, how long and how often."""

    start: str
    """Folder of the weights all arms start from."""
    arms: Mapping[str, Arm]
    """The arms of table 9, by name."""
    unified: str
    """The arm that the arms of table 10 are compared with."""
    leave_out: tuple[str, ...] = ()
    """Families (table 10) each left out once of the training of the unified arm."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of order and sampling."""
    steps: int = 30
    """Optimiser steps of every run."""
    changes: tuple[str, ...] = ()
    """Changes to every run's recipe, KEY=VALUE."""
    tasks: str = "all"
    """Benchmarks of the evaluation."""
    data: str = "demo"
    """Data root of the evaluation; `demo` is disjoint from the generated training scenes."""
    limit: int | None = None
    """Samples a task of the evaluation."""
    output: str = "results/training/ablation"
    """Folder of all runs and the tables."""
    evaluation: tuple[str, ...] = field(default=())
    """Further options of `onethinker-eval`."""

    def __post_init__(self) -> None:
        """Refuse arms and families that do not exist."""
        if self.unified not in self.arms:
            raise unknown_name("arm", self.unified, self.arms)
        for family in self.leave_out:
            if family not in FAMILIES:
                raise unknown_name("family", family, FAMILIES)
        if len(set(self.seeds)) < len(self.seeds) or not self.seeds:
            raise ValueError("seeds must be different numbers, at least one")


@dataclass(frozen=True, slots=True)
class Run:
    """One training and its evaluation."""

    arm: str
    seed: int
    stage: str
    recipe: str
    changes: tuple[str, ...]
    folder: Path

    @property
    def model(self) -> Path:
        """Folder of the trained model."""
        return self.folder / "model"

    @property
    def metrics(self) -> Path:
        """The file that a finished evaluation has."""
        return self.folder / "evaluation" / "metrics.csv"


def find_ablation(name: str, changes: Mapping[str, str] | None = None) -> Ablation:
    """Return an ablation by path or shipped name; raises `UsageError` for what is not there."""
    folder = training_dir() / "ablations"
    shipped = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    path = Path(name)
    if not path.is_file():
        if name not in shipped:
            raise unknown_name("ablation", name, shipped)
        path = shipped[name]
    return load_as(Ablation, path, changes)


def runs(ablation: Ablation) -> Iterator[Run]:
    """Yield every run, seed by seed, so that a stopped ablation has whole seeds."""
    root = Path(ablation.output)
    for seed in ablation.seeds:
        for name, arm in ablation.arms.items():
            yield _run(ablation, root, name, seed, arm, ())
        base = ablation.arms[ablation.unified]
        for family in ablation.leave_out:
            others = ", ".join(other for other in FAMILIES if other != family)
            less = f"data.sources=[{{kind: demo, families: [{others}]}}]"
            yield _run(ablation, root, f"without {family}", seed, base, (less,))


def _run(
    ablation: Ablation, root: Path, name: str, seed: int, arm: Arm, more: Sequence[str]
) -> Run:
    if arm.stage not in ("sft", "grpo"):
        raise unknown_name("stage", arm.stage, ("sft", "grpo"))
    folder = root / name.lower().replace(" ", "-").replace("_", "-") / f"seed-{seed}"
    changes = (
        *ablation.changes,
        *arm.changes,
        *more,
        f"model.path={ablation.start}",
        "model.scratch=null",
        f"data.seed={seed + 1000}",  # not the order of the cold start
        f"run.seed={seed}",
        f"run.steps={ablation.steps}",
        f"run.output={folder}",
    )
    return Run(name, seed, arm.stage, arm.recipe, changes, folder)


def ablate(ablation: Ablation, *, say: Callable[[str], None] = print) -> Path:
    """Make every run that is not finished, then write the tables; return their folder.

    Raises `UsageError` if there are no starting weights and `RunError` naming the log of a run
    that failed.
    """
    from onethinker_eval.training.ablation_tables import write_tables

    if not (Path(ablation.start) / "config.json").is_file():
        raise UsageError(
            f"there is no model in {ablation.start}",
            hint="train the cold start first, or set start",
        )
    planned = list(runs(ablation))
    for number, run in enumerate(planned, 1):
        if run.metrics.is_file():
            say(f"{number} of {len(planned)}: {run.arm}, seed {run.seed}: finished before")
            continue
        say(f"{number} of {len(planned)}: {run.arm}, seed {run.seed}")
        run.folder.mkdir(parents=True, exist_ok=True)
        if not (run.model / "config.json").is_file():
            _call(
                run, "training", ["onethinker_eval.training", run.stage, run.recipe, *run.changes]
            )
        _call(run, "evaluation", _evaluation(ablation, run.model, run.folder))
    start = Path(ablation.output) / "start"
    if not (start / "evaluation" / "metrics.csv").is_file():
        start.mkdir(parents=True, exist_ok=True)
        whole = Run("start", 0, "", "", (), start)
        _call(whole, "evaluation", _evaluation(ablation, Path(ablation.start), start))
    return write_tables(ablation, planned)


def _evaluation(ablation: Ablation, model: Path, folder: Path) -> list[str]:
    limit = [] if ablation.limit is None else ["--limit", str(ablation.limit)]
    chosen = ["--model", "onethinker-tiny", "--model_args", f"pretrained={model}"]
    suite = ["--tasks", ablation.tasks, "--data", ablation.data, *limit, *ablation.evaluation]
    place = ["--output", str(folder), "--run", "evaluation"]
    return ["onethinker_eval", *chosen, *suite, *place]


def _call(run: Run, part: str, command: Sequence[str]) -> None:
    """Run a module of ours; its words go to a file, of which the end is shown if it fails."""
    log = run.folder / f"{part}.log"
    with log.open("w", encoding="utf-8") as words:
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            stdout=words,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            check=False,
        )
    if ended.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise RunError(
            f"{part} of {run.arm}, seed {run.seed}, ended with {ended.returncode}: "
            f"{last[0] if last else 'no words'}",
            hint=f"see {log}; the same command goes on from here",
        )
