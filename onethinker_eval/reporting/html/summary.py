"""What the first view shows: runs, tasks, their metrics, the paper's values, and differences."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker_eval.answers.values import FAILURES, REPAIRS
from onethinker_eval.benchmarks import Task, catalogue
from onethinker_eval.reporting.board import Row, difference
from onethinker_eval.reporting.compare import Comparison, TaskComparison
from onethinker_eval.reporting.costs import cost_facts
from onethinker_eval.reporting.html.samples import OUTCOMES, READINGS
from onethinker_eval.reporting.published import Key, model_name, values_of
from onethinker_eval.reporting.runs import read_manifest, read_run
from onethinker_eval.rescoring.journals import stored_tasks
from onethinker_eval.rescoring.rows import MetricRow, read_metrics
from onethinker_eval.scoring.result import PROTOCOLS

__all__ = ["RunData", "describe", "read_run_data"]


@dataclass(frozen=True)
class RunData:
    """What a report reads of a run folder before its samples."""

    folder: Path
    manifest: Mapping[str, Any]
    metrics: tuple[MetricRow, ...]
    row: Row
    tasks: tuple[Task, ...]

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols the run was scored under."""
        found = {line.protocol for line in self.metrics}
        return tuple(name for name in PROTOCOLS if name in found)


def read_run_data(folder: Path) -> RunData:
    """Read manifest and metrics of a run; tasks no task file tells of are left out."""
    manifest = read_manifest(folder)
    row = read_run(folder)
    own = [
        path
        for path in (manifest.get("settings") or {}).get("include_path") or ()
        if Path(path).is_dir()
    ]
    stored = set(stored_tasks(folder))
    tasks = tuple(task for task in catalogue(own).tasks.values() if task.id in stored)
    unknown = stored - {task.id for task in tasks}
    if unknown:
        warnings.warn(
            f"{folder}: no task file tells of {', '.join(sorted(unknown))}; left out", stacklevel=2
        )
    return RunData(folder, manifest, tuple(read_metrics(folder / "metrics.csv")), row, tasks)


def describe(
    runs: Sequence[RunData], comparisons: Sequence[Comparison], samples: Mapping[str, int]
) -> dict[str, Any]:
    """Return the summary as JSON; `samples` counts the samples of each task of the report."""
    tasks = {task.id: task for run in runs for task in run.tasks}
    protocols = [name for name in PROTOCOLS if any(name in run.protocols for run in runs)]
    return {
        "runs": [_run(run, name) for run, name in zip(runs, _names(runs), strict=True)],
        "protocols": protocols,
        "outcomes": list(OUTCOMES),
        "readings": list(READINGS),
        "repairMeanings": dict(REPAIRS),
        "failureMeanings": dict(FAILURES),
        "tasks": [_task(task, runs, samples[name]) for name, task in tasks.items()],
        "comparisons": {item.protocol: _comparison(item) for item in comparisons},
        "differences": list(comparisons[0].differences) if comparisons else [],
        "missing": list(comparisons[0].missing) if comparisons else [],
    }


def _names(runs: Sequence[RunData]) -> list[str]:
    """Return the runs' names, told apart where two are alike."""
    names = [run.row.run for run in runs]
    return [
        f"{name} ({place})" if names.count(name) > 1 else name
        for place, name in enumerate(names, start=1)
    ]


def _run(run: RunData, name: str) -> dict[str, Any]:
    manifest = run.manifest
    sessions = manifest.get("sessions") or [{}]
    last = sessions[-1]
    facts = {
        "model": run.row.model,
        "paper's name": model_name(run.row.model) if run.row.source == "run" else "",
        "data": "demo suite" if manifest.get("demo") else "real",
        "created": manifest.get("created", ""),
        "command": last.get("command", ""),
        "sessions": len(sessions),
        "video reader": last.get("video_reader") or "",
        "versions": ", ".join(f"{k} {v}" for k, v in (last.get("versions") or {}).items()),
        "commit": _commit(last.get("git")),
        **cost_facts(manifest),
    }
    return {
        "name": name,
        "model": run.row.model,
        "demo": bool(manifest.get("demo")),
        "created": manifest.get("created", ""),
        "facts": {key: value for key, value in facts.items() if value not in ("", None)},
        "partial": run.row.partial(),
        "means": {name: round(value, 3) for name, value in run.row.means().items()},
    }


def _commit(git: Any) -> str:
    if not isinstance(git, Mapping):
        return ""
    return f"{git.get('commit', '')}{' with changes' if git.get('changed') else ''}"


def _task(task: Task, runs: Sequence[RunData], samples: int) -> dict[str, Any]:
    place = (task.benchmark, task.split)
    return {
        "id": task.id,
        "name": task.name,
        "benchmark": task.benchmark,
        "split": task.split,
        "title": task.title,
        "family": task.family,
        "kind": task.problem_type,
        "video": task.data_type == "video",
        "homepage": task.homepage if task.homepage.startswith("https://") else "",
        "licence": task.licence,
        "caveats": list(task.caveats),
        "expected": task.expected,
        "samples": samples,
        "headline": dict(task.headline),
        "metrics": [_metrics(run, place) for run in runs],
        "signatures": [str(run.row.signatures.get(place, "")) for run in runs],
        "segmenters": [_segmenter(run, place) for run in runs],
        "paper": [_paper(run, task) for run in runs],
    }


def _metrics(run: RunData, place: tuple[str, str]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for row in run.metrics:
        if (row.benchmark, row.split) == place:
            numbers = [row.value, row.ci_low, row.ci_high, row.n, row.unparsable, row.failed]
            found.setdefault(row.protocol, []).append([row.metric, *numbers])
    return found


def _segmenter(run: RunData, place: tuple[str, str]) -> str:
    signature = run.row.signatures.get(place)
    return "" if signature is None else signature.masks


def _paper(run: RunData, task: Task) -> dict[str, Any] | None:
    """Return the paper's value for a run's model and how the run's differs, if there is one."""
    if run.row.source != "run":
        return None
    key = Key(task.benchmark, task.split, str(task.headline.get("paper", "")))
    value = values_of(model_name(run.row.model)).get(key)
    cell = run.row.cells.get(key)
    if value is None or cell is None or cell.value is None:
        return None
    found = difference(key, cell, value)
    return {
        "value": value,
        "difference": round(found.amount, 3),
        "low": found.low,
        "high": found.high,
        "verdict": found.verdict,
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {item.task: _compared(item) for item in comparison.tasks}


def _compared(item: TaskComparison) -> dict[str, Any]:
    paired, test = item.paired, item.mcnemar
    return {
        "metric": item.metric,
        "n": item.n,
        "first": item.first,
        "second": item.second,
        "difference": None if paired is None else paired.difference,
        "low": None if paired is None else paired.low,
        "high": None if paired is None else paired.high,
        "p": None if paired is None else paired.p_value,
        "adjusted": item.adjusted,
        "mcnemar": None if test is None else test.mid_p,
        "wins": item.wins,
        "losses": item.losses,
        "ties": item.ties,
        "flips": [flip.id for flip in item.flips],
        "verdict": item.verdict,
    }
