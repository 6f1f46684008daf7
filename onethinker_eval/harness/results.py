"""What a run ends with: counts, failures, and the metrics made from its journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from onethinker_eval.benchmarks import Task
from onethinker_eval.errors import one_line

if TYPE_CHECKING:
    from onethinker_eval.harness.progress import Ticker
    from onethinker_eval.harness.run_folder import RunFolder
    from onethinker_eval.harness.settings import Settings
    from onethinker_eval.rescoring import MetricRow, Rescored, TaskScores

__all__ = ["Failure", "RunResult", "failures_of", "finish_run", "write_report"]


REPORT_BYTES = 1 << 28
"""A run with more bytes of replies gets a report only when asked for: it would take minutes."""


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
    folder: RunFolder,
    settings: Settings,
    tasks: Sequence[Task],
    ticker: Ticker,
    ready: Mapping[str, TaskScores] | None = None,
) -> RunResult:
    """Score what the journal holds, write the result files, and close the session.

    `ready` are scores made while the run was under way.
    """
    failures = failures_of(folder, tasks)
    notes = _judge(folder.path, tasks, settings, ticker)
    scored = _score(folder.path, settings, ready)
    folder.finish({"generated": ticker.generated, "reused": ticker.reused, "failed": len(failures)})
    if settings.report and not settings.shard:
        ticker.say("score", write_report(folder.path))
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


def _score(folder: Path, settings: Settings, ready: Mapping[str, TaskScores] | None) -> Rescored:
    """Score all tasks that the folder holds, not only this command's: metrics.csv is the run's."""
    from onethinker_eval.reporting import write_leaderboards
    from onethinker_eval.rescoring import Rescored, rescore
    from onethinker_eval.rescoring.journals import stored_tasks

    if settings.shard and not stored_tasks(folder):
        return Rescored((), ())  # fewer samples than shards, and none for this one
    scored = rescore(
        folder,
        protocols=settings.protocols,
        seed=settings.seed,
        include_path=settings.include_path,
        ready=ready,
    )
    write_leaderboards(folder, scored.rows)
    return scored


def write_report(folder: Path) -> str:
    """Write report.html beside the results of a run; return a line if there is something to say.

    The run is finished and its results are written: whatever goes wrong here is told and no more.
    """
    size = sum(path.stat().st_size for path in (folder / "replies").glob("*.jsonl"))
    later = f"onethinker-eval report {folder}"
    if size > REPORT_BYTES:
        return f"no report.html for {size >> 20} MiB of replies; `{later}` makes it"
    try:
        from onethinker_eval.reporting.html import build_report

        build_report([folder])
    except Exception as error:  # a report is a view of results that are safe already
        reason = one_line(str(error)) or type(error).__name__
        return f"report.html was not written ({reason}); `{later}` tries again"
    return ""


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
