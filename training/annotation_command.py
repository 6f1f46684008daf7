"""What `onethinker-train annotate` does: ask, filter, write, tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.files import FolderLock, Journal, write_json_atomic
from onethinker_eval.judging.settings import JudgeSettings
from onethinker_eval.training.annotation import (
    Annotator,
    Outcome,
    TaskCounts,
    in_threads,
    journal_of,
    write_records,
    written,
)
from onethinker_eval.training.annotation_settings import AnnotationSettings
from onethinker_eval.training.annotation_teacher import Teacher
from onethinker_eval.training.data_command import aligned
from onethinker_eval.training.lessons import LeftOut, Lesson, read_lessons

__all__ = ["run_annotation", "table"]


def run_annotation(
    files: Sequence[Path],
    root: Path,
    output: Path,
    server: JudgeSettings,
    settings: AnnotationSettings,
    *,
    limit: int | None = None,
) -> int:
    """Annotate the records of `files`, write `output`, print the tables; return the exit code.

    1 where the teacher was given up; the same command goes on. Raises `DataError` for a file
    without records.
    """
    if output.resolve() in {path.resolve() for path in files}:
        raise UsageError("--output is one of the files to annotate", hint="name another file")
    lessons, left_out = _read(files, root, limit)
    journal = journal_of(output)
    # One process a folder: two would ask, and pay, twice.
    with FolderLock(output.parent / f".{output.stem}.annotate"), Journal(journal) as opened:
        teacher = Teacher(server, settings)
        try:
            annotator = Annotator(teacher, settings, opened, journal)
            outcomes = _all(lessons, annotator, server.concurrency)
        finally:
            teacher.close()
    write_records(
        output,
        (written(made, server.model, settings) for made in outcomes if made.verdict.accepted),
    )
    counts = _counts(outcomes)
    print(table(counts, settings))
    for reason, count in sorted(left_out.items()):
        print(f"left out {count}: {reason}")
    print(f"asked {sum(made.asked for made in outcomes)} times now; replies: {journal}")
    print(f"written: {output} ({sum(made.accepted for made in counts.values())} records)")
    write_json_atomic(output.with_name(f"{output.stem}.report.json"), _report(counts, settings))
    if annotator.stopped:
        print(f"error: {annotator.stopped}; the same command goes on", file=sys.stderr)
        return 1
    return 0


def _read(
    files: Sequence[Path], root: Path, limit: int | None
) -> tuple[list[Lesson], Mapping[str, int]]:
    lessons: list[Lesson] = []
    left_out: dict[str, int] = {}
    for path in files:
        for made in read_lessons(path, root, thinking=False):
            if isinstance(made, LeftOut):
                left_out[made.reason] = left_out.get(made.reason, 0) + 1
            else:
                lessons.append(made)
    if not lessons:
        raise DataError("no record can be annotated", file=str(files[0]), fix="check --root")
    return lessons[:limit], left_out


def _all(lessons: Sequence[Lesson], annotator: Annotator, workers: int) -> list[Outcome]:
    """Return the outcomes in the order of the records."""

    def jobs() -> Iterator[Any]:
        for number, lesson in enumerate(lessons):
            yield partial(_one, annotator, number, lesson)

    found: dict[int, Outcome] = {}
    for done, (number, outcome) in enumerate(in_threads(jobs(), workers), start=1):
        found[number] = outcome
        if sys.stderr.isatty():
            end = "\n" if done == len(lessons) else ""
            print(f"\rannotated: {done} of {len(lessons)}", end=end, file=sys.stderr, flush=True)
    return [found[number] for number in range(len(lessons))]


def _one(annotator: Annotator, number: int, lesson: Lesson) -> tuple[int, Outcome]:
    return number, annotator.annotate(lesson)


def _counts(outcomes: Sequence[Outcome]) -> dict[str, TaskCounts]:
    counts: dict[str, TaskCounts] = {}
    for made in sorted(outcomes, key=lambda outcome: outcome.lesson.kind):
        counts.setdefault(made.lesson.kind, TaskCounts()).add(made)
    return counts


def table(counts: Mapping[str, TaskCounts], settings: AnnotationSettings) -> str:
    """Return acceptance and cost by problem type as text, and why replies were not kept."""
    rows = [
        [
            *("task", "threshold", "records", "accepted", "share", "accuracy", "attempts"),
            *("tokens in", "tokens out", "cost"),
        ]
    ]
    total = TaskCounts()
    for kind, made in counts.items():
        rows.append(_row(kind, f"{settings.thresholds[kind]:g}", made, settings))
        total.records += made.records
        total.accepted += made.accepted
        total.attempts += made.attempts
        total.accuracy += made.accuracy
        total.tokens_in += made.tokens_in
        total.tokens_out += made.tokens_out
    if len(counts) > 1:
        rows.append(_row("all", "-", total, settings))
    reasons = [
        f"{kind}: {', '.join(f'{reason} {count}' for reason, count in made.reasons.most_common())}"
        for kind, made in counts.items()
        if made.reasons
    ]
    return "\n".join([aligned(rows), *reasons])


def _row(name: str, least: str, made: TaskCounts, settings: AnnotationSettings) -> list[str]:
    accuracy = f"{made.accuracy / made.accepted:.3f}" if made.accepted else "-"
    return [
        *(name, least, str(made.records), str(made.accepted)),
        f"{made.accepted / made.records:.1%}",
        *(accuracy, str(made.attempts), str(made.tokens_in), str(made.tokens_out)),
        f"{settings.cost(made.tokens_in, made.tokens_out):.4f}",
    ]


def _report(counts: Mapping[str, TaskCounts], settings: AnnotationSettings) -> dict[str, Any]:
    return {
        kind: {
            "records": made.records,
            "accepted": made.accepted,
            "threshold": settings.thresholds[kind],
            "mean_accuracy": made.accuracy / made.accepted if made.accepted else None,
            "attempts": made.attempts,
            "tokens_in": made.tokens_in,
            "tokens_out": made.tokens_out,
            "cost": settings.cost(made.tokens_in, made.tokens_out),
            "not_kept": dict(made.reasons),
        }
        for kind, made in counts.items()
    }
