"""Scoring the journals of a run folder: chunks to processes, sorted lines to one file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from onethinker_eval.benchmarks import Task, catalogue
from onethinker_eval.errors import OneThinkerError, RunError, unknown_name
from onethinker_eval.rescoring.chunks import (
    CHUNK_BYTES,
    Chunk,
    ChunkResult,
    Job,
    byte_ranges,
    run_job,
    with_types,
)
from onethinker_eval.rescoring.corpus import corpus_rows
from onethinker_eval.rescoring.journals import journal_parts, stored_tasks
from onethinker_eval.rescoring.merging import Changes, Duplicates, compare, merge
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.rows import MetricRow, metric_rows, read_metrics, write_metrics
from onethinker_eval.rescoring.tally import Tally
from onethinker_eval.statistics import REPLICATES

__all__ = ["Rescored", "TaskScores", "metric_changes", "rescore", "rescore_task"]

_PARALLEL_FROM = 4 * CHUNK_BYTES
"""Journals below this many bytes are scored before other processes would have started."""

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class TaskScores:
    """What scoring one task gave: rows of metrics.csv, counts, and changes to the stored scores.

    `reasons` counts, by protocol, (outcome, reason) of the samples that were not scored.
    """

    plan: Plan
    rows: tuple[MetricRow, ...]
    samples: int
    failed: int
    changes: Changes
    reasons: Mapping[str, Mapping[tuple[str, str], int]]
    tallies: Mapping[str, Tally]

    @property
    def unjudged(self) -> int:
        """How many samples have a reply that a judge was due to see, and no judgement."""
        totals = [tally.totals for tally in self.tallies.values()]
        return max((int(t["judge failed"] + t["reward failed"]) for t in totals), default=0)


@dataclass(frozen=True, slots=True)
class Rescored:
    """What scoring a run gave; `metric_changes` has a line for each value that moved."""

    tasks: tuple[TaskScores, ...]
    metric_changes: tuple[str, ...]

    @property
    def rows(self) -> tuple[MetricRow, ...]:
        """The rows of metrics.csv."""
        return tuple(row for task in self.tasks for row in task.rows)

    @property
    def failed(self) -> int:
        """How many samples have no score."""
        return sum(task.failed for task in self.tasks)

    @property
    def unjudged(self) -> dict[str, int]:
        """How many samples of each judged task have no judged score, if any."""
        counts = {task.plan.task: task.unjudged for task in self.tasks}
        return {name: count for name, count in counts.items() if count}


def rescore(
    folder: Path | str,
    tasks: Sequence[Task] | None = None,
    *,
    protocols: Sequence[str] = (),
    processes: int | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    include_path: Sequence[str | Path] = (),
    progress: Progress | None = None,
    ready: Mapping[str, TaskScores] | None = None,
) -> Rescored:
    """Rebuild `scores/` and `metrics.csv` of a run folder from its replies.

    Args:
        folder: the run folder.
        tasks: the tasks to score, in the order of the report; by default all with replies, in the
            order of the catalogue.
        protocols: some of those the tasks have; by default all.
        processes: 1 scores here; more share large journals. By default the cores there are.
            More than one starts fresh interpreters, so a script needs its main guard.
        seed: of the bootstrap intervals.
        replicates: of the bootstrap intervals.
        include_path: folders of further task files.
        progress: called with the task id and the number of samples scored since the last call.
        ready: scores of tasks that are made and stored already, by task id.

    Raises:
        RunError: the folder holds no replies, cannot be written, or a task cannot be scored.
        DataError: a journal is damaged.
        UsageError: a journal's task is not in any task file.
    """
    run = Path(folder)
    plans = [Plan.of(task, protocols) for task in _tasks(run, tasks, include_path)]
    before = read_metrics(run / "metrics.csv")
    known = ready or {}
    scored = tuple(
        known[plan.task]
        if plan.task in known
        else _named(run, plan, processes, seed, replicates, progress)
        for plan in plans
    )
    rows = [row for task in scored for row in task.rows]
    write_metrics(run / "metrics.csv", rows)
    return Rescored(scored, tuple(metric_changes(before, rows)))


def _named(
    run: Path,
    plan: Plan,
    processes: int | None,
    seed: int,
    replicates: int,
    progress: Progress | None,
) -> TaskScores:
    """Score a task; an error that nobody foresaw names it, and says that the replies are safe."""
    try:
        return rescore_task(
            run, plan, processes=processes, seed=seed, replicates=replicates, progress=progress
        )
    except OneThinkerError:
        raise
    except Exception as error:  # whatever a parser, a metric or one of their libraries raises
        raise RunError(
            f"{plan.task} cannot be scored: {type(error).__name__}: {error}",
            hint=f"all replies are kept; `onethinker-eval score {run}` tries again",
        ) from error


def _tasks(
    run: Path, tasks: Sequence[Task] | None, include_path: Sequence[str | Path]
) -> list[Task]:
    if tasks is not None:
        return [task for task in tasks if journal_parts(run / "replies", task.id)]
    names = stored_tasks(run)
    if not names:
        raise RunError(
            f"{run} holds no replies", hint="give the folder of a run, the one with run.json in it"
        )
    known = catalogue(include_path).tasks
    for name in names:
        if name not in known:
            raise unknown_name("task", name, known)
    return [task for task in known.values() if task.id in set(names)]


def rescore_task(
    folder: Path | str,
    plan: Plan,
    *,
    processes: int | None = None,
    seed: int = 0,
    replicates: int = REPLICATES,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> TaskScores:
    """Rebuild `scores/<task>.jsonl` from the task's replies; arguments are those of `rescore`."""
    run = Path(folder)
    plan = _with_judge(plan, run)
    target = run / "scores" / f"{plan.task}.jsonl"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".scoring-", dir=target.parent) as scratch:
            chunks = byte_ranges(journal_parts(run / "replies", plan.task), chunk_bytes)
            plan = with_types(plan, chunks)
            tallies, samples, changes = _score(
                run, plan, target, Path(scratch), chunks, processes, progress
            )
    except OSError as error:
        raise RunError(
            f"cannot write {error.filename or target}: {error.strerror or error}",
            hint="free some space or make the folder writable",
        ) from error
    rows = (
        *metric_rows(plan, tallies, seed=seed, replicates=replicates),
        *corpus_rows(run, plan, tallies, seed=seed, replicates=replicates),
    )
    reasons = {name: dict(sorted(tally.reasons.items())) for name, tally in tallies.items()}
    failed = max((int(tally.totals["failed"]) for tally in tallies.values()), default=0)
    return TaskScores(plan, rows, samples, failed, changes, reasons, tallies)


def _with_judge(plan: Plan, run: Path) -> Plan:
    """Return `plan` with the judge whose replies the run folder holds for its task, if any."""
    if not (run / "judge" / "judge.json").exists():
        return plan
    from onethinker_eval.judging.journal import read_judges

    return replace(plan, judge=read_judges(run).get(plan.task))


def _score(
    run: Path,
    plan: Plan,
    target: Path,
    scratch: Path,
    chunks: Sequence[Chunk],
    processes: int | None,
    progress: Progress | None,
) -> tuple[dict[str, Tally], int, Changes]:
    masks = tuple(map(str, journal_parts(run / "masks", plan.task)))
    judged = str(run / "judge" / f"{plan.task}.jsonl") if plan.judge is not None else ""
    paths = {chunk.number: scratch / f"{chunk.number}.jsonl" for chunk in chunks}
    size = sum(chunk.end - chunk.start for chunk in chunks)
    workers = _workers(processes, size, len(chunks))
    fresh = scratch / "merged"
    void: Duplicates = {}
    while True:
        jobs = [
            Job(
                chunk,
                plan,
                str(paths[chunk.number]),
                masks,
                frozenset(void.get(chunk.number, ())),
                judged,
            )
            for chunk in chunks
        ]
        tallies: dict[str, Tally] = {name: Tally() for name in plan.protocols}
        samples = 0
        for result in _results(jobs, workers):
            samples += result.samples
            for name, tally in result.tallies.items():
                tallies[name].merge(tally)
            if progress is not None:
                progress(plan.task, result.samples)
        with fresh.open("wb") as stream:
            found = merge(paths, stream)
            _force(stream)
        if not found:
            break
        # Samples with lines in several chunks (failed, then tried again): once more without the
        # lines that lost. Every round voids at least one line, so this ends.
        for number, names in found.items():
            void.setdefault(number, set()).update(names)
    changes = compare(fresh, target)
    fresh.replace(target)
    with _opened(target.parent) as folder:
        os.fsync(folder)
    return tallies, samples, changes


def _force(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def _workers(processes: int | None, size: int, chunks: int) -> int:
    if processes is not None:
        return max(1, min(processes, chunks))
    return max(1, min(os.cpu_count() or 1, chunks)) if size >= _PARALLEL_FROM else 1


def _results(jobs: Sequence[Job], workers: int) -> Iterator[ChunkResult]:
    """Yield the results in any order, with few jobs waiting, so that memory stays flat."""
    if workers == 1:
        yield from map(run_job, jobs)
        return
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
    from multiprocessing import get_context

    # Fresh interpreters: a fork would copy threads' locks and an initialised GPU.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = list(reversed(jobs))
        running: set[Future[ChunkResult]] = set()
        while waiting or running:
            while waiting and len(running) < 2 * workers:
                running.add(pool.submit(run_job, waiting.pop()))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def metric_changes(before: Iterable[MetricRow], after: Iterable[MetricRow]) -> list[str]:
    """Return a line for each value that differs between two metrics files.

    >>> old = MetricRow("stvg", "test", "paper", "sIoU", 40.0, None, None, 3, 0, 0)
    >>> new = MetricRow("stvg", "test", "paper", "sIoU", 41.5, None, None, 3, 0, 0)
    >>> metric_changes([old], [new])
    ['stvg test, paper sIoU: 40.0000 → 41.5000']
    """
    known = {_name(row): row.value for row in before}
    current = {_name(row): row.value for row in after}
    lines = []
    for name in dict.fromkeys((*known, *current)):
        then, now = known.get(name), current.get(name)
        if known and then != now:
            shown = ["none" if value is None else f"{value:.4f}" for value in (then, now)]
            lines.append(f"{name}: {shown[0]} → {shown[1]}")
    return lines


def _name(row: MetricRow) -> str:
    where = f"{row.benchmark} {row.split}".strip()
    return f"{where}, {row.protocol} {row.metric}"
