"""The table at the end of a run: one line per benchmark split, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onethinker_eval.cli.progress import duration
from onethinker_eval.cli.terminal import Terminal, plain_table

if TYPE_CHECKING:
    from onethinker_eval.harness.results import Failure, RunResult
    from onethinker_eval.rescoring.rows import MetricRow

__all__ = ["headline_rows", "mask_notes", "print_failures", "print_metrics", "print_summary"]

_SHOWN_FAILURES = 5


def print_summary(
    result: RunResult, terminal: Terminal, *, seconds: float, protocol: str, demo: bool
) -> None:
    """Print the headline numbers, the failures, and where everything lies."""
    from onethinker_eval.rescoring.rows import read_metrics

    rows = list(result.metrics) or read_metrics(result.folder / "metrics.csv")
    print_metrics(rows, terminal, protocol=protocol, demo=demo)
    print_failures(result.failures, terminal, result.folder)
    for line in result.judged:
        terminal.say(line)
    for line in mask_notes(result.folder):
        terminal.say(line)
    for line in result.unscored:
        terminal.warn(line)
    reused = f", {result.reused} reused" if result.reused else ""
    report = ", report.html among them" if (result.folder / "report.html").exists() else ""
    terminal.say(
        f"{result.generated} answered in {duration(seconds)}{reused}; "
        f"results in {result.folder}{report}"
    )


def mask_notes(folder: Path) -> list[str]:
    """Return a line for each segmenter that made masks of a run; numbers of two do not compare."""
    from onethinker_eval.segmentation.journal import segmenters_of

    labels = sorted(set(segmenters_of(folder).values()))
    return [
        f"masks by {label}" + (", which is not SAM2" if label == "grabcut" else "")
        for label in labels
    ]


def print_metrics(
    rows: Sequence[MetricRow], terminal: Terminal, *, protocol: str, demo: bool
) -> None:
    """Print one line per benchmark split: headline metric, interval and counts."""
    table = plain_table(
        *("benchmark", "split", "metric", "value", "95 % interval", "n", "unparsable", "failed"),
        right=("value", "95 % interval", "n", "unparsable", "failed"),
    )
    for row in headline_rows(rows, protocol):
        interval = ""
        if row.ci_low is not None and row.ci_high is not None:
            interval = f"{row.ci_low:.1f} to {row.ci_high:.1f}"
        counts = (str(row.n), str(row.unparsable), str(row.failed))
        table.add_row(row.benchmark, row.split, row.metric, f"{row.value:.1f}", interval, *counts)
    terminal.console().print(table)
    if demo:
        print("Demo data: these numbers show that the harness works, not how good a model is.")


def headline_rows(rows: Iterable[MetricRow], protocol: str) -> list[MetricRow]:
    """Return one row per benchmark split: its headline metric, else the first there is.

    Where a judge was asked, the same metric as the judge sees it comes after it.
    """
    from onethinker_eval.benchmarks import catalogue
    from onethinker_eval.reporting.board import JUDGED

    headlines = {
        (task.benchmark, task.split): task.headline.get(protocol)
        for task in catalogue().tasks.values()
    }
    chosen: dict[tuple[str, str], MetricRow] = {}
    judged: dict[tuple[str, str], MetricRow] = {}
    for row in rows:
        place = (row.benchmark, row.split)
        if row.protocol != protocol:
            continue
        if row.metric == f"{headlines.get(place)}{JUDGED}":
            judged[place] = row
        elif place not in chosen or row.metric == headlines.get(place):
            chosen[place] = row
    return [row for place in chosen for row in (chosen[place], judged.get(place)) if row]


def print_failures(failures: Sequence[Failure], terminal: Terminal, folder: Path) -> None:
    """Name the first failed samples and say where the rest is listed."""
    if not failures:
        return
    terminal.warn(f"{len(failures)} sample{'s' * (len(failures) > 1)} failed and have no score:")
    for failure in failures[:_SHOWN_FAILURES]:
        name = failure.task.removeprefix("onethinker_")
        terminal.say(f"  {name} {failure.id}: {failure.kind}: {failure.message}")
    if len(failures) > _SHOWN_FAILURES:
        rest = len(failures) - _SHOWN_FAILURES
        terminal.say(f'  and {rest} more: status "failed" in {folder}/replies/*.jsonl')
    terminal.say("  the same command tries them again")
