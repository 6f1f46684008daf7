"""Comparing two runs on the samples both scored: is the difference more than chance?

Per task: both values of the headline metric, the paired bootstrap over clusters (images, videos)
with its interval, p-values adjusted over the tasks by Holm's method, McNemar's test where samples
are right or wrong, wins, losses and ties, and the samples that flipped. Whatever the two manifests
say differently stands beside it: a difference between runs is not always one between models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onethinker_eval.benchmarks import Task, catalogue
from onethinker_eval.errors import DataError, UsageError
from onethinker_eval.files import read_journal
from onethinker_eval.reporting.compare_manifests import manifest_differences
from onethinker_eval.reporting.runs import read_manifest
from onethinker_eval.rescoring.journals import journal_parts, stored_tasks
from onethinker_eval.rescoring.plan import Plan
from onethinker_eval.rescoring.tally import Belonging, Tally, tally
from onethinker_eval.scoring.definitions import Metric, group_table, measure
from onethinker_eval.scoring.result import Score
from onethinker_eval.segmentation.journal import segmenters_of
from onethinker_eval.statistics import (
    REPLICATES,
    ClusterSums,
    McNemar,
    Paired,
    holm,
    mcnemar,
    paired_bootstrap,
)

__all__ = [
    "Comparison",
    "Flip",
    "TaskComparison",
    "asked",
    "compare_runs",
]

_TIE = 1e-9
_FLIP_AT = 0.5
"""A sample flips when one run's value reaches this and the other's does not (right: 1)."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A sample that only one run got right: its id and both values (0..1)."""

    id: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """Two runs on the samples of one task that both scored; values are percentages.

    `paired` is the second run minus the first; None where too few clusters are shared. `mcnemar`
    is None where a sample's value is not just right or wrong. `adjusted` is the p-value after
    Holm's correction over all tasks. `wins` counts samples on which the second run is better.
    `only_first` and `only_second` count samples that one run alone has a score for.
    """

    task: str
    benchmark: str
    split: str
    metric: str
    n: int
    first: float | None
    second: float | None
    paired: Paired | None
    mcnemar: McNemar | None
    wins: int
    losses: int
    ties: int
    flips: tuple[Flip, ...]
    only_first: int
    only_second: int
    adjusted: float | None = None

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `within noise`: of the second run, at 5 % after correction."""
        if self.paired is None or self.adjusted is None:
            return "no test"
        if self.adjusted >= 0.05 or self.paired.difference == 0:
            return "within noise"
        return "better" if self.paired.difference > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side; `missing` names tasks that only one of them has."""

    names: tuple[str, str]
    protocol: str
    tasks: tuple[TaskComparison, ...]
    missing: tuple[str, ...]
    differences: tuple[str, ...]


def compare_runs(
    first: Path,
    second: Path,
    *,
    protocol: str = "paper",
    seed: int = 0,
    replicates: int = REPLICATES,
    include_path: Sequence[str | Path] = (),
) -> Comparison:
    """Compare two scored run folders task by task under `protocol`.

    Raises `UsageError` if they share no task or one is of demo data, and `DataError` if a run has
    no scores.
    """
    manifests = [read_manifest(folder) for folder in (first, second)]
    if bool(manifests[0].get("demo")) != bool(manifests[1].get("demo")):
        raise UsageError("one run is on demo data, the other is not: they have no sample in common")
    names = [set(stored_tasks(folder)) for folder in (first, second)]
    folders = [*include_path, *_task_folders(manifests)]
    known = catalogue(folders).tasks
    shared = [task for task in known.values() if task.id in names[0] & names[1]]
    if not shared:
        raise UsageError("the runs share no task", hint="compare runs of the same benchmarks")
    compared = []
    for task in shared:
        data = [_data_of(manifest, task.id) for manifest in manifests]
        alike = None if data[0] and data[0] == data[1] else _asked_alike(first, second, task.id)
        found = _compare_task(first, second, task, protocol, seed, replicates, alike)
        if found is not None:
            compared.append(found)
    return Comparison(
        (_name(manifests[0], first), _name(manifests[1], second)),
        protocol,
        _adjusted(compared),
        tuple(sorted(names[0] ^ names[1])),
        (*manifest_differences(manifests[0], manifests[1]), *_mask_differences(first, second)),
    )


def asked(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what makes a sample the same in two runs: what was asked and what is true.

    The media's paths do not: data may have moved.
    """
    return tuple(record[name] for name in ("problem_type", "question", "options", "truth"))


def _data_of(manifest: Mapping[str, Any], task: str) -> str:
    info = (manifest["identity"]["tasks"].get(task) or {}).get("info") or {}
    return str(info.get("data") or "")


def _asked_alike(first: Path, second: Path, task: str) -> frozenset[str]:
    """Return the samples both runs were asked alike; an id alone may name another question."""
    digests = []
    for folder in (first, second):
        found = {}
        for path in journal_parts(folder / "replies", task):
            for _, line in read_journal(path):
                text = repr(asked(line["record"])).encode(errors="surrogatepass")
                found[line["id"]] = hashlib.sha256(text).digest()
        digests.append(found)
    return frozenset(name for name, one in digests[0].items() if digests[1].get(name) == one)


def _mask_differences(first: Path, second: Path) -> list[str]:
    """Return a line for each pair of segmenters that made the masks of the same tasks."""
    made = [segmenters_of(folder, "segmenter") for folder in (first, second)]
    found: dict[str, list[str]] = {}
    for task in made[0].keys() & made[1].keys():
        if made[0][task] != made[1][task]:
            found.setdefault(f"masks: {made[0][task]} / {made[1][task]}", []).append(task)
    return [f"{line} ({', '.join(sorted(tasks))})" for line, tasks in sorted(found.items())]


def _task_folders(manifests: Iterable[Mapping[str, Any]]) -> list[str]:
    folders = [
        path
        for manifest in manifests
        for path in (manifest.get("settings") or {}).get("include_path") or ()
        if Path(path).is_dir()
    ]
    return list(dict.fromkeys(folders))


def _name(manifest: Mapping[str, Any], folder: Path) -> str:
    return str(manifest.get("name") or folder.name)


@dataclass(frozen=True, slots=True)
class _Scored:
    scores: dict[str, Score]
    places: dict[str, Belonging]
    samples: int


def _read(folder: Path, task: Task, protocol: str) -> _Scored:
    path = folder / "scores" / f"{task.id}.jsonl"
    if not path.exists():
        raise DataError("not found", file=str(path), fix=f"onethinker-eval score {folder}")
    categories = _categories(folder, task)
    scores, places, samples = {}, {}, 0
    for _, line in read_journal(path):
        stored = line.get(protocol)
        samples += stored is not None
        if stored is None or stored["outcome"] == "failed":
            continue
        name = line["id"]
        scores[name] = Score(**stored, answer=None)
        places[name] = Belonging(line["cluster"], line.get("group", ""), categories.get(name, ""))
    return _Scored(scores, places, samples)


def _categories(folder: Path, task: Task) -> dict[str, str]:
    """Return each sample's category where the task is split by one: only the replies tell it."""
    if not task.breakdown:
        return {}
    found = {}
    for path in sorted((folder / "replies").glob(f"{task.id}*.jsonl")):
        for _, line in read_journal(path):
            category = (line["record"]["meta"] or {}).get(task.breakdown)
            found[line["id"]] = "" if category is None else str(category)
    return found


def _compare_task(
    first: Path,
    second: Path,
    task: Task,
    protocol: str,
    seed: int,
    replicates: int,
    alike: frozenset[str] | None,
) -> TaskComparison | None:
    runs = [_read(folder, task, protocol) for folder in (first, second)]
    shared = [
        name
        for name in runs[0].scores
        if name in runs[1].scores and (alike is None or name in alike)
    ]
    if not shared:
        return None
    plan = Plan.of(task, [protocol])
    # The first run's clusters serve both: a folder that moved must not unpair the samples.
    places = [runs[0].places[name] for name in shared]
    scores = [[run.scores[name] for name in shared] for run in runs]
    tallies = [tally(of_run, places, plan) for of_run in scores]
    metric = _headline(task, plan, protocol, tallies)
    if metric is None:
        return None
    values = [[_value(score, metric) for score in of_run] for of_run in scores]
    counts = _counts(values[0], values[1])
    binary = all(value in (0.0, 1.0, None) for of_run in values for value in of_run)
    flips = tuple(_flips(shared, values[0], values[1], 1.0 if binary else _FLIP_AT))
    gained = sum(flip.second > flip.first for flip in flips)
    return TaskComparison(
        task.id,
        task.benchmark,
        task.split,
        metric.name,
        len(shared),
        measure(metric, tallies[0].totals),
        measure(metric, tallies[1].totals),
        _paired(metric, tallies, seed, task.id, replicates),
        mcnemar(len(flips) - gained, gained) if binary else None,
        *counts,
        flips,
        len(runs[0].scores) - len(shared),
        len(runs[1].scores) - len(shared),
    )


def _headline(task: Task, plan: Plan, protocol: str, tallies: Sequence[Tally]) -> Metric | None:
    """Return the headline metric; the first one of the type where that has no value here."""
    names = {name for item in tallies for name in item.totals.sums}
    known = {metric.name: metric for metric in plan.metrics(protocol, sorted(names))}
    wanted = known.get(str(task.headline.get(protocol)))
    for metric in [wanted, *known.values()]:
        if metric is not None and all(measure(metric, item.totals) is not None for item in tallies):
            return metric
    return None


def _value(score: Score, metric: Metric) -> float | None:
    """Return a sample's own value of a metric (0..1), None where it counts in no mean."""
    parts = [_quotient(score.statistics, *pair) for pair in metric.pairs]
    if metric.parts and any("[" in pair[1] for pair in metric.parts):
        return _quotient(score.statistics, "accuracy", "n")  # a macro mean: plain on one sample
    found = [part for part in parts if part is not None]
    return sum(found) / len(found) if found else None


def _quotient(statistics: Mapping[str, float], above: str, below: str) -> float | None:
    count = statistics.get(below, 0)
    return statistics.get(above, 0) / count if count else None


def _counts(first: Sequence[float | None], second: Sequence[float | None]) -> tuple[int, int, int]:
    """Return on how many samples the second run is better, worse and alike."""
    wins = losses = ties = 0
    for one, other in _both(first, second):
        wins += other > one + _TIE
        losses += one > other + _TIE
        ties += abs(one - other) <= _TIE
    return wins, losses, ties


def _both(
    first: Sequence[float | None], second: Sequence[float | None]
) -> Iterator[tuple[float, float]]:
    for one, other in zip(first, second, strict=True):
        if one is not None and other is not None:
            yield one, other


def _flips(
    names: Sequence[str],
    first: Sequence[float | None],
    second: Sequence[float | None],
    limit: float,
) -> Iterator[Flip]:
    for name, one, other in zip(names, first, second, strict=True):
        if one is not None and other is not None and (one >= limit) != (other >= limit):
            yield Flip(name, one, other)


def _paired(
    metric: Metric, tallies: Sequence[Tally], seed: int, label: str, replicates: int
) -> Paired | None:
    tables = [_table(metric, item) for item in tallies]
    pairs = [("value", "n")] if metric.over else metric.pairs
    if tables[0].clusters != tables[1].clusters or len(tables[0]) < 2:
        return None
    try:
        return paired_bootstrap(
            tables[0], tables[1], pairs, seed=seed, label=label, replicates=replicates
        )
    except ValueError:
        return None  # nothing was counted in one of the runs


def _table(metric: Metric, item: Tally) -> ClusterSums:
    """Return the sums to resample: those by cluster, or the groups of a group metric."""
    if not metric.over:
        return item.clusters
    table = ClusterSums()
    values = group_table(metric, item.totals)
    table.add_many(list(values), [{"value": value, "n": count} for value, count in values.values()])
    return table


def _adjusted(compared: Sequence[TaskComparison]) -> tuple[TaskComparison, ...]:
    tested = [item for item in compared if item.paired is not None]
    corrected = holm([item.paired.p_value for item in tested if item.paired is not None])
    by_task = {item.task: p for item, p in zip(tested, corrected, strict=True)}
    return tuple(replace(item, adjusted=by_task.get(item.task)) for item in compared)
