"""Scoring one task after another in a process of its own, while a run goes on.

The process reads orders from standard input, a JSON line each, and answers each with one: the
rows and counts of the task, the stamp of the files they were made from, or why there are none.
It ends with the process that started it. Whoever uses the answer compares the stamp first: scores
made from journals that have grown since are made again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import catalogue
from onethinker_eval.errors import one_line
from onethinker_eval.media.worker_main import end_with
from onethinker_eval.metrics import mathematics
from onethinker_eval.rescoring.journals import journal_parts
from onethinker_eval.rescoring.merging import Changes
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.rescore import TaskScores, rescore_task
from onethinker_eval.rescoring.rows import MetricRow

__all__ = ["Order", "Stamp", "main", "scores_of", "stamp_of"]

Stamp = list[list[Any]]
"""Path, bytes and time of change of each file that scores depend on, and of the scores."""

_NICE = 5


@dataclass(frozen=True, slots=True)
class Order:
    """Which task of which run folder to score, and how; fields as of `rescore`."""

    folder: str
    task: str
    protocols: tuple[str, ...] = ()
    seed: int = 0
    include_path: tuple[str, ...] = ()

    def plan(self) -> Plan:
        """Return how the task is scored."""
        return Plan.of(catalogue(self.include_path).tasks[self.task], self.protocols)


def stamp_of(folder: Path, task: str) -> Stamp:
    """Return the stamp of the journals of `task`, of what a judge said, and of its scores."""
    paths = [*journal_parts(folder / "replies", task), *journal_parts(folder / "masks", task)]
    paths += [folder / "judge" / "judge.json", folder / "judge" / f"{task}.jsonl"]
    paths += [folder / "scores" / f"{task}.jsonl"]
    found: Stamp = []
    for path in paths:
        try:
            state = path.stat()
        except FileNotFoundError:
            continue
        found.append([str(path), state.st_size, state.st_mtime_ns])
    return found


def scores_of(plan: Plan, answer: Mapping[str, Any]) -> TaskScores:
    """Return the scores in an answer of the process, without the tallies, which stay there.

    What the process had to warn of is warned of here.
    """
    for message in answer["warnings"]:
        warnings.warn(message, stacklevel=2)
    reasons = {
        protocol: {(outcome, reason): count for outcome, reason, count in entries}
        for protocol, entries in answer["reasons"].items()
    }
    rows = tuple(MetricRow(**row) for row in answer["rows"])
    changes = Changes(stored=True, unchanged=answer["samples"])
    return TaskScores(plan, rows, answer["samples"], answer["failed"], changes, reasons, {})


def main() -> None:
    """Serve orders until there are no more; the first argument is the parent's process id."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(int(sys.argv[1]))
    os.nice(_NICE)
    # Libraries may print; only this stream speaks to the run.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        values = json.loads(line)
        lists = {name: tuple(values[name]) for name in ("protocols", "include_path")}
        print(json.dumps(_answer(Order(**{**values, **lists}))), file=answers, flush=True)


def _answer(order: Order) -> dict[str, Any]:
    folder = Path(order.folder)
    given_up = mathematics.timeouts()
    before = stamp_of(folder, order.task)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            made = rescore_task(folder, order.plan(), processes=1, seed=order.seed)
    except Exception as error:  # whatever it is, the run goes on and tries again at its end
        return {"task": order.task, "error": one_line(f"{type(error).__name__}: {error}")}
    after = stamp_of(folder, order.task)
    scores = str(folder / "scores" / f"{order.task}.jsonl")
    if _without(before, scores) != _without(after, scores):
        return {"task": order.task, "error": "its journal grew meanwhile"}
    if mathematics.timeouts() > given_up:
        # On a busy machine the same formula may take too long that does not otherwise.
        return {"task": order.task, "error": "a formula took too long"}
    return {
        "task": order.task,
        "stamp": after,
        "warnings": [str(one.message) for one in told if one.category is UserWarning],
        "rows": [asdict(row) for row in made.rows],
        "samples": made.samples,
        "failed": made.failed,
        "reasons": {
            protocol: [[outcome, reason, count] for (outcome, reason), count in found.items()]
            for protocol, found in made.reasons.items()
        },
    }


def _without(stamp: Stamp, path: str) -> Sequence[Any]:
    return [entry for entry in stamp if entry[0] != path]
