"""What a run ends with: counts, failures, and the metrics made from its journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onethinker_eval.benchmarks import Task

if TYPE_CHECKING:
    from onethinker_eval.harness.progress import Ticker
    from onethinker_eval.harness.run_folder import RunFolder
    from onethinker_eval.harness.settings import Settings
    from onethinker_eval.rescoring import MetricRow, Rescored

__all__ = ["Failure", "RunResult", "failures_of", "finish_run"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample without a reply: which, and why, in one line that names file and record."""

    task: str
    id: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of a run.

    `generated` and `reused` count samples answered in this session and before it. `failures` are
    samples without a reply; `unscored` says, a line a task, why replies that are there have no
    score. `metrics` are the rows of metrics.csv; empty on ranks other than the first. `judged`
    has a line for each task a judge was asked about.
    """

    folder: Path
    generated: int
    reused: int
    failures: tuple[Failure, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    unscored: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when every sample was scored, 1 when some failed."""
        return 1 if self.failures or self.unscored else 0


def failures_of(folder: RunFolder, tasks: Sequence[Task]) -> tuple[Failure, ...]:
    """Return the failed samples of `tasks` that the journals of `folder` hold."""
    return tuple(
        Failure(task.id, name, kind, message)
        for task in tasks
        for name, (kind, message) in folder.failures(task.id).items()
    )


def finish_run(
    folder: RunFolder, settings: Settings, tasks: Sequence[Task], ticker: Ticker
) -> RunResult:
    """Score what the journal holds, write the result files, and close the session."""
    from onethinker_eval.reporting import write_leaderboards
    from onethinker_eval.rescoring import rescore

    failures = failures_of(folder, tasks)
    notes = _judge(folder.path, tasks, settings, ticker)
    # All tasks the folder holds, not only those of this command: metrics.csv is the run's.
    scored = rescore(
        folder.path,
        protocols=settings.protocols,
        seed=settings.seed,
        include_path=settings.include_path,
    )
    write_leaderboards(folder.path, scored.rows)
    folder.finish({"generated": ticker.generated, "reused": ticker.reused, "failed": len(failures)})
    ticker.say("done", "")
    return RunResult(
        folder.path,
        ticker.generated,
        ticker.reused,
        failures,
        scored.rows,
        tuple(_unscored(scored, failures, {task.id for task in tasks})),
        notes,
    )


def _judge(
    folder: Path, tasks: Sequence[Task], settings: Settings, ticker: Ticker
) -> tuple[str, ...]:
    """Ask the judge of the settings, if there is one; return a line for each task."""
    if not settings.judge:
        return ()
    from onethinker_eval.judging import judge_run, parse_judge

    asked = 0

    def tell(task: str, count: int) -> None:
        nonlocal asked
        asked += count
        ticker.say("score", f"judge: {asked} samples", task)

    reports = judge_run(folder, tasks, parse_judge(settings.judge), progress=tell)
    if not reports:
        return ("no task of this run has anything to ask this judge",)
    return tuple(report.summary() for report in reports)


def _unscored(scored: Rescored, failures: Sequence[Failure], tasks: set[str]) -> Iterator[str]:
    """Yield a line for each reason, other than no reply, that kept samples from a score."""
    kinds = {failure.kind for failure in failures}
    for task in scored.tasks:
        if task.plan.task not in tasks:
            continue
        found: dict[str, int] = {}
        for reasons in task.reasons.values():
            for (outcome, reason), count in reasons.items():
                if outcome == "failed" and reason not in kinds:
                    found[reason] = max(count, found.get(reason, 0))
        for reason, count in found.items():
            yield f"{task.plan.task}: {count} without a score: {reason}"
        if task.unjudged:
            yield f"{task.plan.task}: {task.unjudged} without a judged score: see judge/*.jsonl"
